// What is acknowledged is there after SIGKILL: the promise everything else stands on.

import { headers } from "@nats-io/transport-node";
import { assert, eventually, ownPromise, serverTest, sleep, WAIT_MS } from "./harness.js";

async function publishAcked(js, count) {
  const acks = await Promise.all(Array.from({ length: count }, (_, i) => {
    const h = headers();
    h.set("N", String(i));
    return js.publish(`s.${i % 7}`, `body ${i}`, { headers: h, timeout: WAIT_MS });
  }));
  assert.deepEqual(acks.map((ack) => ack.seq), acks.map((_, i) => i + 1));
}

// Reads and acks with a confirmation until every one of `count` has been seen; the order of arrival.
// A fetch counts its heartbeats as missed while messages that it got wait for their acks: it must not expire before a
// slow disk has confirmed them all.
async function readAndAck(js, count) {
  const consumer = await js.consumers.get("S", "C");
  const seen = [];
  await eventually(`${count} messages`, async () => {
    for await (const m of await consumer.fetch({ max_messages: 100, expires: 30_000 })) {
      assert.equal(m.string(), `body ${m.seq - 1}`);
      assert.equal(m.headers.get("N"), String(m.seq - 1));
      assert.equal(m.subject, `s.${(m.seq - 1) % 7}`);
      assert.equal(await m.ackAck({ timeout: WAIT_MS }), true);
      seen.push(m.seq);
    }
    return new Set(seen).size === count;
  }, 180_000);
  return seen;
}

async function setUp(jsm) {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
}

serverTest("publish, kill, restart, then read and ack every message", async (t) => {
  const { jsm, js, server } = t;
  await setUp(jsm);
  await publishAcked(js, 1000);
  await server.killAndRestart();
  const { state } = await jsm.streams.info("S");
  assert.deepEqual([state.messages, state.first_seq, state.last_seq], [1000, 1, 1000]);
  const seen = await readAndAck(js, 1000);
  assert.deepEqual(seen, seen.map((_, i) => i + 1));
  const info = await jsm.consumers.info("S", "C");
  assert.deepEqual([info.ack_floor.stream_seq, info.num_ack_pending, info.num_pending], [1000, 0, 0]);
});

ownPromise("confirmed acks of every message hold over a further kill", async (t) => {
  const { jsm, js, server } = t;
  await setUp(jsm);
  await publishAcked(js, 300);
  await readAndAck(js, 300);
  await server.killAndRestart();
  const info = await jsm.consumers.info("S", "C");
  assert.deepEqual([info.ack_floor.stream_seq, info.num_ack_pending, info.num_pending], [300, 0, 0]);
  const consumer = await js.consumers.get("S", "C");
  assert.equal(await consumer.next({ expires: 1000 }), null);
});

serverTest("a kill while publishing loses nothing that was acked", async ({ jsm, js, server }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  const acked = new Map();
  for (let round = 0; round < 3; round++) {
    let publishing = true;
    const publishers = [0, 1, 2, 3].map(async (p) => {
      for (let i = 0; publishing; i++) {
        const body = `${round}/${p}/${i}`;
        const ack = await js.publish("s", body, { timeout: 1000, retries: 1 }).catch(() => null);
        if (ack) acked.set(ack.seq, body);
      }
    });
    const before = acked.size;
    await eventually("some acks", () => acked.size >= before + 100);
    await sleep(50 * round);
    await server.kill();
    publishing = false;
    await Promise.all(publishers);
    await server.start();
  }
  const { state } = await jsm.streams.info("S");
  assert.ok(state.last_seq >= Math.max(...acked.keys()));
  const consumer = await js.consumers.get("S");
  const stored = new Map();
  for await (const m of await consumer.consume()) {
    stored.set(m.seq, m.string());
    if (m.info.pending === 0) break;
  }
  for (const [seq, body] of acked) assert.equal(stored.get(seq), body, `sequence ${seq}`);
});

serverTest("twenty kills in a row leave a stream that goes on", async ({ jsm, js, server }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  for (let i = 1; i <= 20; i++) {
    assert.equal((await js.publish("s", String(i))).seq, i);
    await server.killAndRestart();
    const m = await jsm.streams.getMessage("S", { seq: i });
    assert.equal(m.string(), String(i));
  }
});

serverTest("many streams with many subjects come back after a kill", async ({ jsm, js, server }) => {
  for (let s = 0; s < 20; s++) {
    await jsm.streams.add({ name: `S${s}`, subjects: [`s${s}.>`] });
    await Promise.all(Array.from({ length: 50 }, (_, i) => js.publish(`s${s}.k.${i}`, `${s}/${i}`)));
  }
  await server.killAndRestart();
  for (let s = 0; s < 20; s++) {
    const { state } = await jsm.streams.info(`S${s}`);
    assert.deepEqual([state.messages, state.num_subjects, state.last_seq], [50, 50, 50]);
    const m = await jsm.streams.getMessage(`S${s}`, { last_by_subj: `s${s}.k.33` });
    assert.equal(m.string(), `${s}/33`);
  }
});

serverTest("a stop and a kill leave the same stream", async ({ jsm, js, server }) => {
  await setUp(jsm);
  await publishAcked(js, 100);
  const before = (await jsm.streams.info("S", { subjects_filter: ">" })).state;
  await server.stopAndRestart();
  assert.deepEqual((await jsm.streams.info("S", { subjects_filter: ">" })).state, before);
  await server.killAndRestart();
  assert.deepEqual((await jsm.streams.info("S", { subjects_filter: ">" })).state, before);
});
