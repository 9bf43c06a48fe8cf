// Consumers as things: create, update, info, names, list, delete, and where they start.

import { all, api, assert, eventually, refused, serverTest, within, WAIT_MS } from "./harness.js";

async function fill(jsm, js, count = 10) {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  for (let i = 0; i < count; i++) await js.publish(`s.${"abc"[i % 3]}`, String(i + 1));
}

// The stream sequences that a consumer hands out, without waiting for more.
async function readAll(js, name) {
  const consumer = await js.consumers.get("S", name);
  const { num_pending: pending } = await consumer.info();
  const sequences = [];
  if (pending === 0) return sequences;
  for await (const m of await consumer.fetch({ max_messages: pending, expires: 5000 })) {
    sequences.push(m.seq);
    m.ack();
  }
  return sequences;
}

serverTest("a durable consumer has the defaults filled in", async ({ jsm, js }) => {
  await fill(jsm, js);
  const info = await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
  assert.deepEqual([info.stream_name, info.name, info.config.durable_name], ["S", "C", "C"]);
  const { config } = info;
  assert.equal(config.deliver_policy, "all");
  assert.equal(config.ack_policy, "explicit");
  assert.equal(config.replay_policy, "instant");
  assert.equal(config.ack_wait, 30e9);
  assert.equal(config.max_deliver, -1);
  assert.equal(config.max_ack_pending, 1000);
  assert.equal(config.max_waiting, 512);
  assert.equal(config.inactive_threshold, undefined);
  assert.deepEqual([info.delivered.consumer_seq, info.delivered.stream_seq], [0, 0]);
  assert.deepEqual([info.ack_floor.consumer_seq, info.ack_floor.stream_seq], [0, 0]);
  assert.deepEqual(
    [info.num_pending, info.num_ack_pending, info.num_redelivered, info.num_waiting],
    [10, 0, 0, 0],
  );
});

serverTest("an ephemeral consumer gets a name and a threshold", async ({ jsm, js }) => {
  await fill(jsm, js);
  const info = await jsm.consumers.add("S", { ack_policy: "none" });
  assert.ok(info.name.length > 0);
  assert.equal(info.config.durable_name, undefined);
  assert.equal(info.config.inactive_threshold, 5e9);
});

serverTest("an ephemeral consumer goes away when nobody uses it", async ({ jsm, js }) => {
  await fill(jsm, js);
  const { name } = await jsm.consumers.add("S", {
    ack_policy: "explicit",
    inactive_threshold: 500e6,
  });
  await eventually("its end", async () => {
    const names = (await all(jsm.consumers.list("S"))).map((info) => info.name);
    return !names.includes(name);
  });
  await refused(10014, jsm.consumers.info("S", name));
});

serverTest("creating the same consumer again changes nothing", async ({ jsm, js }) => {
  await fill(jsm, js);
  const config = { durable_name: "C", ack_policy: "explicit", filter_subject: "s.a" };
  await jsm.consumers.add("S", config);
  assert.deepEqual(await readAll(js, "C"), [1, 4, 7, 10]);
  const info = await jsm.consumers.add("S", config);
  assert.equal(info.delivered.stream_seq, 10);
});

serverTest("create and update say what they expect to find", async ({ jsm, js, nc }) => {
  await fill(jsm, js);
  const request = (action, config = {}) =>
    api(nc, "CONSUMER.CREATE.S.C", {
      stream_name: "S",
      action,
      config: { durable_name: "C", ack_policy: "explicit", ...config },
    });
  assert.equal((await request("update")).error.err_code, 10149);
  assert.equal((await request("create")).error, undefined);
  assert.equal((await request("create")).error, undefined);
  assert.equal((await request("create", { max_deliver: 3 })).error.err_code, 10148);
  assert.equal((await request("update", { max_deliver: 3 })).config.max_deliver, 3);
});

serverTest("an update changes what may change and nothing else", async ({ jsm, js, nc }) => {
  await fill(jsm, js);
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
  const changed = await jsm.consumers.update("S", "C", {
    description: "changed",
    ack_wait: 5e9,
    max_deliver: 7,
    max_ack_pending: 11,
    filter_subject: "s.b",
  });
  assert.deepEqual(
    [changed.config.description, changed.config.ack_wait, changed.config.max_deliver],
    ["changed", 5e9, 7],
  );
  assert.equal(changed.num_pending, 3);
  const refusals = [
    [{ deliver_policy: "new" }, /deliver policy/],
    [{ ack_policy: "none", max_ack_pending: 0 }, /ack policy/],
    [{ replay_policy: "original" }, /replay policy/],
  ];
  for (const [change, reason] of refusals) {
    const { error } = await api(nc, "CONSUMER.CREATE.S.C", {
      stream_name: "S",
      config: { durable_name: "C", ack_policy: "explicit", ...change },
    });
    assert.ok(error, JSON.stringify(change));
    assert.deepEqual([error.code, error.err_code], [500, 10012], JSON.stringify(change));
    assert.match(error.description, reason);
  }
});

serverTest("names and lists of consumers are sorted and complete", async ({ jsm, js, nc }) => {
  await fill(jsm, js);
  for (const durable_name of ["zulu", "mike", "alpha"]) {
    await jsm.consumers.add("S", { durable_name, ack_policy: "explicit" });
  }
  const listed = (await all(jsm.consumers.list("S"))).map((info) => info.name);
  assert.deepEqual(listed, ["alpha", "mike", "zulu"]);
  const names = await api(nc, "CONSUMER.NAMES.S");
  assert.deepEqual([names.consumers, names.total], [["alpha", "mike", "zulu"], 3]);
  assert.equal((await jsm.streams.info("S")).state.consumer_count, 3);
});

serverTest("a deleted consumer is gone", async ({ jsm, js, nc }) => {
  await fill(jsm, js);
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
  assert.equal(await jsm.consumers.delete("S", "C"), true);
  await refused(10014, jsm.consumers.info("S", "C"));
  await refused(10014, jsm.consumers.delete("S", "C"));
  await assert.rejects(
    nc.request("$JS.API.CONSUMER.MSG.NEXT.S.C", "1", { timeout: WAIT_MS }),
    /no responders/,
  );
  assert.deepEqual(await all(jsm.consumers.list("S")), []);
});

serverTest("a waiting pull is told when its consumer is deleted", async ({ jsm, js }) => {
  await fill(jsm, js, 0);
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
  const consumer = await js.consumers.get("S", "C");
  const waiting = consumer.next({ expires: 20_000 }).catch((error) => error);
  await eventually("the pull", async () => (await consumer.info()).num_waiting === 1);
  await jsm.consumers.delete("S", "C");
  const answer = await within(WAIT_MS, "the end of the pull", waiting);
  assert.deepEqual([answer.code, answer.message], [409, "consumer deleted"]);
});

serverTest("every deliver policy starts where it says", async ({ jsm, js }) => {
  await fill(jsm, js);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const middle = (await jsm.streams.getMessage("S", { seq: 4 })).timestamp;
  const cases = [
    [{ deliver_policy: "all" }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ deliver_policy: "last" }, [10]],
    [{ deliver_policy: "last", filter_subject: "s.b" }, [8]],
    [{ deliver_policy: "new" }, []],
    [{ deliver_policy: "by_start_sequence", opt_start_seq: 8 }, [8, 9, 10]],
    [{ deliver_policy: "by_start_sequence", opt_start_seq: 99 }, []],
    [{ deliver_policy: "by_start_time", opt_start_time: middle }, [4, 5, 6, 7, 8, 9, 10]],
    [{ deliver_policy: "last_per_subject", filter_subject: "s.*" }, [8, 9, 10]],
    [{ deliver_policy: "last_per_subject", filter_subjects: ["s.a", "s.b"] }, [8, 10]],
  ];
  for (const [index, [policy, before]] of cases.entries()) {
    const durable_name = `C${index}`;
    const info = await jsm.consumers.add("S", { durable_name, ack_policy: "explicit", ...policy });
    assert.equal(info.num_pending, before.length, JSON.stringify(policy));
  }
  await js.publish("s.a", "11");
  for (const [index, [policy, before]] of cases.entries()) {
    const late = policy.opt_start_seq === 99 || policy.filter_subject === "s.b";
    const expected = late ? before : [...before, 11];
    assert.deepEqual(await readAll(js, `C${index}`), expected, JSON.stringify(policy));
  }
});

serverTest("filters select by one subject, by wildcard and by several", async ({ jsm, js }) => {
  await fill(jsm, js);
  const cases = [
    [{ filter_subject: "s.a" }, [1, 4, 7, 10]],
    [{ filter_subject: "s.*" }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ filter_subjects: ["s.a", "s.c"] }, [1, 3, 4, 6, 7, 9, 10]],
    [{ filter_subject: "s.none" }, []],
  ];
  for (const [index, [filter, expected]] of cases.entries()) {
    const durable_name = `C${index}`;
    const info = await jsm.consumers.add("S", { durable_name, ack_policy: "explicit", ...filter });
    assert.equal(info.num_pending, expected.length, JSON.stringify(filter));
    assert.deepEqual(await readAll(js, durable_name), expected, JSON.stringify(filter));
  }
});

serverTest("filters that overlap are refused", async ({ jsm, js }) => {
  await fill(jsm, js);
  const add = (filters) =>
    jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit", ...filters });
  await refused(10138, add({ filter_subjects: ["s.a", "s.*"] }));
  await refused(10139, add({ filter_subjects: ["s.a", ""] }));
});

serverTest("messages that go away are not counted as pending", async ({ jsm, js }) => {
  await fill(jsm, js);
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
  await jsm.streams.purge("S", { filter: "s.a" });
  await jsm.streams.deleteMessage("S", 2);
  assert.equal((await jsm.consumers.info("S", "C")).num_pending, 5);
  assert.deepEqual(await readAll(js, "C"), [3, 5, 6, 8, 9]);
});

serverTest("a consumer with its position survives stop and kill", async ({ jsm, js, server }) => {
  await fill(jsm, js);
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit", description: "d" });
  const consumer = await js.consumers.get("S", "C");
  const fetched = await all(await consumer.fetch({ max_messages: 6, expires: 5000 }));
  for (const m of fetched.slice(0, 4)) assert.equal(await m.ackAck(), true);
  const before = await jsm.consumers.info("S", "C");
  assert.deepEqual([before.num_ack_pending, before.ack_floor.stream_seq], [2, 4]);
  for (const restart of ["stopAndRestart", "killAndRestart"]) {
    await server[restart]();
    const after = await jsm.consumers.info("S", "C");
    assert.deepEqual(after.config, before.config, restart);
    assert.equal(after.created, before.created, restart);
    assert.equal(after.ack_floor.stream_seq, 4, restart);
    assert.deepEqual([after.num_ack_pending, after.delivered.stream_seq], [2, 6], restart);
    assert.equal(after.num_pending, 4, restart);
  }
});
