// Publishing: acks, deduplication, expectations, roll-ups and what a refusal leaves behind.

import { headers } from "@nats-io/transport-node";
import { assert, eventually, refused, serverTest, sleep, WAIT_MS } from "./harness.js";

const lastSequence = async (jsm) => (await jsm.streams.info("S")).state.last_seq;

serverTest("acks name the stream and count without gaps", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  for (let i = 1; i <= 20; i++) {
    const ack = await js.publish(`s.${i % 3}`, "x");
    assert.deepEqual([ack.stream, ack.seq, ack.duplicate], ["S", i, false]);
  }
});

serverTest("publishes in flight together are acked each with its own number", async (t) => {
  const { jsm, js } = t;
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  const count = 2000;
  const acks = await Promise.all(
    Array.from({ length: count }, (_, i) => js.publish("s", String(i), { timeout: WAIT_MS })),
  );
  assert.deepEqual(acks.map((ack) => ack.seq), acks.map((_, i) => i + 1));
  for (const seq of [1, 2, 1000, count]) {
    assert.equal((await jsm.streams.getMessage("S", { seq })).string(), String(seq - 1));
  }
});

serverTest("a publish that no stream takes is refused at once", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  const begin = Date.now();
  await assert.rejects(js.publish("other", "x", { timeout: 2 * WAIT_MS, retries: 1 }));
  assert.ok(Date.now() - begin < WAIT_MS);
  assert.equal(await lastSequence(jsm), 0);
});

serverTest("a stored message keeps subject, headers and bytes", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  const body = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) & 0xff);
  const h = headers();
  h.append("X-A", "1");
  h.append("X-A", "2");
  h.set("x-a", "lower");
  await js.publish("s.deep.subject", body, { headers: h });
  await js.publish("s.empty");
  const first = await jsm.streams.getMessage("S", { seq: 1 });
  assert.equal(first.subject, "s.deep.subject");
  assert.deepEqual(Buffer.from(first.data), Buffer.from(body));
  assert.deepEqual(first.header.values("X-A"), ["1", "2"]);
  assert.equal(first.header.get("x-a"), "lower");
  assert.ok(Math.abs(first.time.getTime() - Date.now()) < 60_000);
  const second = await jsm.streams.getMessage("S", { seq: 2 });
  assert.equal(second.data?.length ?? 0, 0);
});

serverTest("a plain publish without a reply is stored too", async ({ jsm, nc }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  for (let i = 0; i < 100; i++) nc.publish("s", String(i));
  await nc.flush();
  await eventually("all messages", async () => (await lastSequence(jsm)) === 100);
  assert.equal((await jsm.streams.getMessage("S", { seq: 100 })).string(), "99");
});

serverTest("a stream with no_ack stores without answering", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], no_ack: true });
  await assert.rejects(js.publish("s", "x", { timeout: 300, retries: 1 }));
  await eventually("the message", async () => (await lastSequence(jsm)) >= 1);
});

serverTest("a subscriber sees what a stream stores", async ({ jsm, js, nc }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  const got = [];
  nc.subscribe("s", { callback: (_, m) => got.push(m.string()) });
  await js.publish("s", "both");
  await nc.flush();
  assert.deepEqual(got, ["both"]);
});

serverTest("a repeated message id is stored once and answered with its number", async (t) => {
  const { jsm, js } = t;
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  await js.publish("s.a", "0");
  const first = await js.publish("s.a", "one", { msgID: "id-1" });
  const other = await js.publish("s.a", "two", { msgID: "id-2" });
  const again = await js.publish("s.b", "another body", { msgID: "id-1" });
  assert.deepEqual([first.seq, first.duplicate], [2, false]);
  assert.deepEqual([other.seq, other.duplicate], [3, false]);
  assert.deepEqual([again.seq, again.duplicate], [2, true]);
  const { state } = await jsm.streams.info("S");
  assert.deepEqual([state.messages, state.last_seq], [3, 3]);
  assert.equal((await jsm.streams.getMessage("S", { seq: 2 })).string(), "one");
});

for (const how of ["stop", "kill"]) {
  serverTest(`message ids are remembered over a ${how}`, async ({ jsm, js, server }) => {
    await jsm.streams.add({ name: "S", subjects: ["s"] });
    for (let i = 0; i < 50; i++) await js.publish("s", String(i), { msgID: `id-${i}` });
    await server[`${how}AndRestart`]();
    for (const i of [0, 1, 25, 49]) {
      const again = await js.publish("s", "again", { msgID: `id-${i}` });
      assert.deepEqual([again.seq, again.duplicate], [i + 1, true]);
    }
    assert.equal((await js.publish("s", "new", { msgID: "id-50" })).seq, 51);
  });
}

serverTest("a message id is forgotten after the duplicate window", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], duplicate_window: 300e6 });
  assert.equal((await js.publish("s", "1", { msgID: "id" })).seq, 1);
  await eventually("the end of the window", async () => {
    const ack = await js.publish("s", "2", { msgID: "id" });
    if (ack.duplicate) {
      assert.equal(ack.seq, 1);
      await sleep(100);
    }
    return ack.seq === 2 && !ack.duplicate;
  });
});

serverTest("a deleted message's id is still a duplicate", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await js.publish("s", "x", { msgID: "id" });
  await jsm.streams.deleteMessage("S", 1);
  const again = await js.publish("s", "x", { msgID: "id" });
  assert.deepEqual([again.seq, again.duplicate], [1, true]);
});

serverTest("an expectation that holds is stored", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  const expectations = [
    { lastSequence: 0 },
    { lastSequence: 1 },
    { streamName: "S" },
    { lastSubjectSequence: 3 },
    { lastMsgID: "id-4" },
  ];
  for (const [i, expect] of expectations.entries()) {
    const ack = await js.publish("s.a", String(i), { expect, msgID: `id-${i + 1}` });
    assert.equal(ack.seq, i + 1, JSON.stringify(expect));
  }
});

serverTest("an expectation that fails is refused and leaves no trace", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  await js.publish("s.a", "1", { msgID: "one" });
  await js.publish("s.b", "2", { msgID: "two" });
  const before = (await jsm.streams.info("S")).state;
  const failing = [
    [10071, /wrong last sequence: 2$/, { lastSequence: 1 }],
    [10071, /wrong last sequence: 2$/, { lastSequence: 3 }],
    [10071, /wrong last sequence: 1$/, { lastSubjectSequence: 2 }],
    [10060, /expected stream does not match/, { streamName: "T" }],
    [10070, /wrong last msg ID: two/, { lastMsgID: "one" }],
  ];
  for (const [code, reason, expect] of failing) {
    await refused(code, js.publish("s.a", "no", { expect, msgID: "refused" }), reason);
    assert.deepEqual((await jsm.streams.info("S")).state, before, JSON.stringify(expect));
  }
  // Had a refusal remembered the id, this would be called a duplicate.
  const ack = await js.publish("s.a", "yes", { msgID: "refused" });
  assert.deepEqual([ack.seq, ack.duplicate], [3, false]);
});

serverTest("an expected subject sequence of zero means no message yet", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  await js.publish("s.a", "1");
  assert.equal((await js.publish("s.b", "2", { expect: { lastSubjectSequence: 0 } })).seq, 2);
  await refused(10071, js.publish("s.b", "3", { expect: { lastSubjectSequence: 0 } }));
});

serverTest("of many publishers with one expectation exactly one wins", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  for (let round = 0; round < 10; round++) {
    const tries = Array.from({ length: 20 }, () =>
      js.publish("s", "x", { expect: { lastSequence: round } }).catch((error) => error));
    const results = await Promise.all(tries);
    assert.deepEqual(results.filter((r) => r.stream).map((ack) => ack.seq), [round + 1]);
    results.filter((r) => !r.stream).forEach((error) => assert.equal(error.code, 10071));
  }
});

serverTest("an expectation of the state in flight is checked against it", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  const chain = Array.from({ length: 200 }, (_, i) =>
    js.publish("s", String(i), { expect: { lastSequence: i } }));
  assert.deepEqual((await Promise.all(chain)).map((a) => a.seq), chain.map((_, i) => i + 1));
});

serverTest("a roll-up of a subject removes its older messages", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"], allow_rollup_hdrs: true });
  for (const subject of ["s.a", "s.b", "s.a", "s.b"]) await js.publish(subject, "old");
  const h = headers();
  h.set("Nats-Rollup", "sub");
  assert.equal((await js.publish("s.a", "sum", { headers: h })).seq, 5);
  const { state } = await jsm.streams.info("S", { subjects_filter: ">" });
  assert.deepEqual(state.subjects, { "s.a": 1, "s.b": 2 });
  assert.equal((await jsm.streams.getMessage("S", { last_by_subj: "s.a" })).string(), "sum");
});

serverTest("a roll-up of everything leaves one message", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"], allow_rollup_hdrs: true });
  for (const subject of ["s.a", "s.b", "s.c"]) await js.publish(subject, "old");
  const h = headers();
  h.set("Nats-Rollup", "all");
  await js.publish("s.z", "sum", { headers: h });
  const { state } = await jsm.streams.info("S");
  assert.deepEqual([state.messages, state.first_seq, state.last_seq], [1, 4, 4]);
});

serverTest("a roll-up is refused where it is not allowed or not understood", async (t) => {
  const { jsm, js } = t;
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await jsm.streams.add({ name: "R", subjects: ["r"], allow_rollup_hdrs: true });
  const h = headers();
  h.set("Nats-Rollup", "sub");
  await refused(10111, js.publish("s", "x", { headers: h }), /not permitted/);
  h.set("Nats-Rollup", "half");
  await refused(10111, js.publish("r", "x", { headers: h }), /half/);
  assert.equal(await lastSequence(jsm), 0);
});

serverTest("a message over the stream's size limit is refused", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], max_msg_size: 100 });
  assert.equal((await js.publish("s", Buffer.alloc(100))).seq, 1);
  await refused(10054, js.publish("s", Buffer.alloc(101)));
  const h = headers();
  h.set("X", "y");
  await refused(10054, js.publish("s", Buffer.alloc(100), { headers: h }));
  assert.equal(await lastSequence(jsm), 1);
});

serverTest("a message as large as the server takes is stored and read back", async (t) => {
  const { jsm, js, nc } = t;
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  const body = Buffer.alloc(nc.info.max_payload - 200, "0123456789abcdef");
  for (let i = 0; i < 5; i++) assert.equal((await js.publish("s", body)).seq, i + 1);
  const direct = await js.consumers.get("S", { deliver_policy: "all" });
  const m = await direct.next({ expires: 10_000 });
  assert.equal(Buffer.compare(Buffer.from(m.data), body), 0);
});
