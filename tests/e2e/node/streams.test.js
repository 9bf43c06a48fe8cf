// Streams as things: create, update, info, names, list, delete, purge, overlap.

import { all, api, assert, refused, serverTest, WAIT_MS } from "./harness.js";

const DAY_NS = 24 * 3600 * 1e9;

async function publish(js, subject, count) {
  for (let i = 0; i < count; i++) await js.publish(subject, `${subject} ${i}`);
}

serverTest("a created stream has the defaults filled in and is empty", async ({ jsm }) => {
  const { config, state, created } = await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  assert.equal(config.name, "S");
  assert.deepEqual(config.subjects, ["s.>"]);
  assert.equal(config.retention, "limits");
  assert.equal(config.storage, "file");
  assert.equal(config.discard, "old");
  assert.equal(config.num_replicas, 1);
  for (const limit of ["max_consumers", "max_msgs", "max_bytes", "max_msgs_per_subject"]) {
    assert.equal(config[limit], -1, limit);
  }
  assert.equal(config.max_msg_size, -1);
  assert.equal(config.max_age, 0);
  assert.equal(config.duplicate_window, 120e9);
  assert.equal(config.allow_rollup_hdrs, false);
  assert.equal(config.deny_delete, false);
  assert.equal(config.deny_purge, false);
  assert.deepEqual([state.messages, state.bytes, state.first_seq, state.last_seq], [0, 0, 0, 0]);
  assert.equal(state.consumer_count, 0);
  assert.ok(Math.abs(Date.parse(created) - Date.now()) < 60_000, created);
});

serverTest("a stream without subjects takes its name as subject", async ({ jsm, js }) => {
  const { config } = await jsm.streams.add({ name: "plain" });
  assert.deepEqual(config.subjects, ["plain"]);
  assert.equal((await js.publish("plain", "x")).seq, 1);
});

serverTest("the duplicate window is never longer than the age limit", async ({ jsm }) => {
  const { config } = await jsm.streams.add({ name: "S", max_age: 10e9 });
  assert.equal(config.duplicate_window, 10e9);
});

serverTest("what was configured is what info shows", async ({ jsm }) => {
  const wanted = {
    name: "S",
    description: "a stream",
    subjects: ["a", "b.*", "c.>"],
    max_msgs: 100,
    max_bytes: 1_000_000,
    max_age: DAY_NS,
    max_msgs_per_subject: 5,
    max_msg_size: 1000,
    discard: "new",
    duplicate_window: 5e9,
    allow_rollup_hdrs: true,
    allow_direct: true,
    deny_delete: true,
    metadata: { owner: "tests" },
  };
  await jsm.streams.add(wanted);
  const { config } = await jsm.streams.info("S");
  for (const [key, value] of Object.entries(wanted)) {
    if (key === "metadata") assert.equal(config.metadata.owner, "tests");
    else assert.deepEqual(config[key], value, key);
  }
});

serverTest("creating the same stream again changes nothing", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await publish(js, "s", 3);
  const { state } = await jsm.streams.add({ name: "S", subjects: ["s"] });
  assert.equal(state.messages, 3);
});

serverTest("creating a stream of the same name but another config is refused", async ({ jsm }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await refused(10058, jsm.streams.add({ name: "S", subjects: ["s"], max_msgs: 1 }));
  assert.equal((await jsm.streams.info("S")).config.max_msgs, -1);
});

serverTest("subjects that overlap another stream's are refused", async ({ jsm }) => {
  await jsm.streams.add({ name: "S", subjects: ["a.*", "b.>"] });
  for (const subject of ["a.x", "a.*", "b.c.d", "b.*", "b.>"]) {
    await refused(10065, jsm.streams.add({ name: "T", subjects: [subject] }));
  }
  await jsm.streams.add({ name: "T", subjects: ["a", "a.x.y", "b"] });
  await refused(10065, jsm.streams.update("T", { subjects: ["a", "b.c"] }));
  assert.deepEqual((await jsm.streams.info("T")).config.subjects, ["a", "a.x.y", "b"]);
});

serverTest("subjects that overlap each other are refused", async ({ jsm }) => {
  await refused(10052, jsm.streams.add({ name: "S", subjects: ["a.b", "a.>"] }));
  await refused(10052, jsm.streams.add({ name: "S", subjects: ["a", "a"] }));
});

serverTest("a stream that does not exist is not found", async ({ jsm }) => {
  await refused(10059, jsm.streams.info("none"));
  await refused(10059, jsm.streams.delete("none"));
  await refused(10059, jsm.streams.purge("none"));
  await refused(10059, jsm.streams.getMessage("none", { seq: 1 }));
  await refused(10059, jsm.streams.deleteMessage("none", 1));
  await refused(10059, jsm.consumers.add("none", { durable_name: "C", ack_policy: "explicit" }));
});

serverTest("an update replaces the limits and enforces them at once", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  await publish(js, "s.a", 5);
  await publish(js, "s.b", 5);
  const { config, state } = await jsm.streams.update("S", { max_msgs: 4 });
  assert.equal(config.max_msgs, 4);
  assert.deepEqual([state.messages, state.first_seq, state.last_seq], [4, 7, 10]);
  const per = await jsm.streams.update("S", { max_msgs: -1, max_msgs_per_subject: 1 });
  assert.deepEqual([per.state.messages, per.state.first_seq, per.state.last_seq], [1, 10, 10]);
});

serverTest("an update can add and drop subjects", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["old"] });
  await js.publish("old", "1");
  await jsm.streams.update("S", { subjects: ["new"] });
  assert.equal((await js.publish("new", "2")).seq, 2);
  await assert.rejects(js.publish("old", "3", { timeout: 2000, retries: 1 }));
  assert.equal((await jsm.streams.getMessage("S", { seq: 1 })).string(), "1");
});

serverTest("an update that would change what a stream is, is refused", async ({ jsm, nc }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], deny_delete: true, deny_purge: true });
  const base = { name: "S", subjects: ["s"], storage: "file", deny_delete: true, deny_purge: true };
  const changes = [
    [{ storage: "memory" }, /storage/],
    [{ retention: "workqueue" }, /retention policy/],
    [{ deny_delete: false }, /deny message deletes/],
    [{ deny_purge: false }, /deny purge/],
  ];
  for (const [change, reason] of changes) {
    const { error } = await api(nc, "STREAM.UPDATE.S", { ...base, ...change });
    assert.ok(error, `accepted: ${JSON.stringify(change)}`);
    assert.equal(error.err_code, 10052);
    assert.match(error.description, reason);
  }
  const { error } = await api(nc, "STREAM.UPDATE.S", { ...base, name: "T" });
  assert.equal(error.err_code, 10056);
  const missing = await api(nc, "STREAM.UPDATE.T", { name: "T", subjects: ["t"] });
  assert.equal(missing.error.err_code, 10059);
});

serverTest("names and lists are sorted, complete and filtered by subject", async ({ jsm }) => {
  for (const name of ["delta", "alpha", "charlie", "bravo"]) {
    await jsm.streams.add({ name, subjects: [`${name}.>`] });
  }
  const sorted = ["alpha", "bravo", "charlie", "delta"];
  assert.deepEqual(await all(jsm.streams.names()), sorted);
  assert.deepEqual((await all(jsm.streams.list())).map((s) => s.config.name), sorted);
  assert.deepEqual(await all(jsm.streams.names("charlie.x")), ["charlie"]);
  assert.deepEqual((await all(jsm.streams.list("*.x"))).map((s) => s.config.name), sorted);
  assert.equal(await jsm.streams.find("bravo.y"), "bravo");
});

serverTest("names and lists of nothing are empty", async ({ jsm, nc }) => {
  assert.deepEqual(await all(jsm.streams.names()), []);
  const list = await api(nc, "STREAM.LIST");
  assert.deepEqual(list.streams, []);
  assert.deepEqual([list.total, list.offset, list.limit], [0, 0, 256]);
  const names = await api(nc, "STREAM.NAMES");
  assert.deepEqual([names.total, names.offset, names.limit], [0, 0, 1024]);
});

serverTest("a list longer than a page comes in pages", async ({ jsm, nc }) => {
  const names = Array.from({ length: 300 }, (_, i) => `s${String(i).padStart(3, "0")}`);
  for (const name of names) await jsm.streams.add({ name });
  const page = await api(nc, "STREAM.LIST", { offset: 250 });
  assert.deepEqual([page.total, page.offset, page.streams.length], [300, 250, 50]);
  assert.deepEqual((await all(jsm.streams.list(), WAIT_MS)).map((s) => s.config.name), names);
  const beyond = await api(nc, "STREAM.NAMES", { offset: 1000 });
  assert.equal(beyond.streams?.length ?? 0, 0);
});

serverTest("a deleted stream is gone with its messages and frees its subjects", async (t) => {
  const { jsm, js } = t;
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await publish(js, "s", 10);
  assert.equal(await jsm.streams.delete("S"), true);
  await refused(10059, jsm.streams.info("S"));
  await jsm.streams.add({ name: "T", subjects: ["s"] });
  const ack = await js.publish("s", "first");
  assert.deepEqual([ack.stream, ack.seq], ["T", 1]);
});

serverTest("a stream recreated under its name starts empty at 1", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await publish(js, "s", 10);
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
  await jsm.streams.delete("S");
  const { state } = await jsm.streams.add({ name: "S", subjects: ["s"] });
  assert.deepEqual([state.messages, state.last_seq, state.consumer_count], [0, 0, 0]);
  assert.equal((await js.publish("s", "x")).seq, 1);
  await refused(10014, jsm.consumers.info("S", "C"));
});

serverTest("a purge empties the stream and keeps counting", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await publish(js, "s", 10);
  const { purged, success } = await jsm.streams.purge("S");
  assert.deepEqual([success, purged], [true, 10]);
  const { state } = await jsm.streams.info("S");
  assert.deepEqual([state.messages, state.bytes, state.first_seq, state.last_seq], [0, 0, 11, 10]);
  assert.equal((await js.publish("s", "next")).seq, 11);
});

serverTest("a purge by subject, by sequence or keeping some removes just those", async (t) => {
  const { jsm, js } = t;
  const sequences = async (name) => {
    const { state } = await jsm.streams.info(name, { deleted_details: true });
    const gone = new Set(state.deleted ?? []);
    const there = [];
    for (let s = state.first_seq; s <= state.last_seq; s++) if (!gone.has(s)) there.push(s);
    return there;
  };
  await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  const round = async () => {
    for (const subject of ["s.a", "s.b", "s.c.d", "s.a"]) await publish(js, subject, 1);
  };
  for (let i = 0; i < 3; i++) await round(); // 1..12; a: 1 4 5 8 9 12, b: 2 6 10, c.d: 3 7 11
  assert.equal((await jsm.streams.purge("S", { filter: "s.b" })).purged, 3);
  assert.deepEqual(await sequences("S"), [1, 3, 4, 5, 7, 8, 9, 11, 12]);
  assert.equal((await jsm.streams.purge("S", { filter: "s.*", keep: 2 })).purged, 4);
  assert.deepEqual(await sequences("S"), [3, 7, 9, 11, 12]);
  assert.equal((await jsm.streams.purge("S", { seq: 9 })).purged, 2);
  assert.deepEqual(await sequences("S"), [9, 11, 12]);
  assert.equal((await jsm.streams.purge("S", { filter: "s.c.>", seq: 12 })).purged, 1);
  assert.deepEqual(await sequences("S"), [9, 12]);
  assert.equal((await jsm.streams.purge("S", { filter: "s.none" })).purged, 0);
  assert.equal((await jsm.streams.purge("S", { keep: 1 })).purged, 1);
  assert.deepEqual(await sequences("S"), [12]);
});

serverTest("info counts subjects and lists them on request", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  await publish(js, "s.a", 3);
  await publish(js, "s.b.c", 2);
  await publish(js, "s.d", 1);
  const plain = (await jsm.streams.info("S")).state;
  assert.deepEqual([plain.num_subjects, plain.subjects], [3, undefined]);
  const { subjects } = (await jsm.streams.info("S", { subjects_filter: ">" })).state;
  assert.deepEqual(subjects, { "s.a": 3, "s.b.c": 2, "s.d": 1 });
  const some = (await jsm.streams.info("S", { subjects_filter: "s.*" })).state;
  assert.deepEqual(some.subjects, { "s.a": 3, "s.d": 1 });
});

serverTest("info says first and last with their times", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  const before = Date.now();
  await publish(js, "s", 3);
  const { state } = await jsm.streams.info("S");
  assert.deepEqual([state.messages, state.first_seq, state.last_seq], [3, 1, 3]);
  const [first, last] = [Date.parse(state.first_ts), Date.parse(state.last_ts)];
  assert.ok(before - 1000 <= first && first <= last && last <= Date.now() + 1000);
  assert.ok(state.bytes > 0);
});

serverTest("the account counts its streams and consumers", async ({ jsm }) => {
  await jsm.streams.add({ name: "S" });
  await jsm.streams.add({ name: "T" });
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
  const account = await jsm.getAccountInfo();
  assert.deepEqual([account.streams, account.consumers], [2, 1]);
  assert.ok(account.api.total > 0);
  assert.equal(account.limits.max_streams, -1);
});

serverTest("a stream's config and numbers survive stop and kill", async ({ jsm, js, server }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.>"], max_msgs_per_subject: 2, discard: "old" });
  await publish(js, "s.a", 5);
  await publish(js, "s.b", 1);
  await jsm.streams.update("S", { description: "changed" });
  await jsm.streams.add({ name: "gone", subjects: ["gone"] });
  await jsm.streams.delete("gone");
  const before = await jsm.streams.info("S");
  for (const restart of ["stopAndRestart", "killAndRestart"]) {
    await server[restart]();
    const after = await jsm.streams.info("S");
    assert.deepEqual(after.config, before.config, restart);
    assert.equal(after.created, before.created, restart);
    assert.deepEqual(after.state, before.state, restart);
    await refused(10059, jsm.streams.info("gone"));
  }
});

serverTest("an emptied stream keeps counting after kill", async ({ jsm, js, server }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await publish(js, "s", 7);
  await jsm.streams.purge("S");
  await server.killAndRestart();
  const { state } = await jsm.streams.info("S");
  assert.deepEqual([state.messages, state.first_seq, state.last_seq], [0, 8, 7]);
  assert.equal((await js.publish("s", "x")).seq, 8);
});
