// Acknowledging: ack, double ack, nak, in progress, term, next, and what happens without.

import { createInbox } from "@nats-io/transport-node";
import { all, assert, eventually, ownPromise, serverTest, sleep, take, within, WAIT_MS } from "./harness.js";

async function setUp({ jsm, js }, config = {}, count = 3) {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit", ...config });
  for (let i = 0; i < count; i++) await js.publish("s", String(i + 1));
  return js.consumers.get("S", "C");
}

const fetch = async (consumer, max_messages, expires = 5000) =>
  all(await consumer.fetch({ max_messages, expires }), expires + 5000);

serverTest("an acked message is not handed out again", async (t) => {
  const consumer = await setUp(t, { ack_wait: 3e9 });
  for (const m of await fetch(consumer, 3)) m.ack();
  await eventually("the acks", async () => (await consumer.info()).num_ack_pending === 0);
  await sleep(4000);
  assert.equal(await consumer.next({ expires: 1000 }), null);
  const info = await consumer.info();
  assert.deepEqual([info.ack_floor.stream_seq, info.num_redelivered], [3, 0]);
});

serverTest("an ack with a reply is confirmed", async (t) => {
  const consumer = await setUp(t);
  const [m] = await fetch(consumer, 1);
  assert.equal(await m.ackAck({ timeout: WAIT_MS }), true);
  assert.equal((await consumer.info()).num_ack_pending, 0);
});

serverTest("acking twice is harmless", async (t) => {
  const consumer = await setUp(t);
  const [m] = await fetch(consumer, 1);
  for (let i = 0; i < 3; i++) {
    const answer = await t.nc.request(m.reply ?? m.msg.reply, "+ACK", { timeout: WAIT_MS });
    assert.equal(answer.data.length, 0);
  }
  assert.equal((await consumer.info()).ack_floor.stream_seq, 1);
});

serverTest("the ack floor waits for the gap", async (t) => {
  const consumer = await setUp(t, {}, 5);
  const [m1, m2, m3, m4] = await fetch(consumer, 4);
  await m2.ackAck();
  await m4.ackAck();
  assert.equal((await consumer.info()).ack_floor.stream_seq, 0);
  await m1.ackAck();
  assert.equal((await consumer.info()).ack_floor.stream_seq, 2);
  await m3.ackAck();
  const info = await consumer.info();
  assert.deepEqual([info.ack_floor.stream_seq, info.num_ack_pending], [4, 0]);
});

serverTest("a message not acked in time comes again, counted", async (t) => {
  const consumer = await setUp(t, { ack_wait: 300e6 }, 1);
  const counts = [];
  for (let i = 0; i < 3; i++) {
    const m = await consumer.next({ expires: 10_000 });
    counts.push(m.info.deliveryCount);
    assert.deepEqual([m.seq, m.redelivered], [1, i > 0]);
  }
  assert.deepEqual(counts, [1, 2, 3]);
  const info = await consumer.info();
  assert.deepEqual([info.delivered.consumer_seq, info.num_redelivered], [3, 1]);
});

serverTest("a message is not handed out again before its ack wait", async (t) => {
  const consumer = await setUp(t, { ack_wait: 1e9 }, 1);
  await consumer.next({ expires: 5000 });
  const begin = Date.now();
  const again = await consumer.next({ expires: 10_000 });
  assert.equal(again.info.deliveryCount, 2);
  assert.ok(Date.now() - begin >= 850, `after ${Date.now() - begin} ms`);
});

serverTest("an in-progress keeps a message from coming again", async (t) => {
  const consumer = await setUp(t, { ack_wait: 4e9 }, 1);
  const m = await consumer.next({ expires: 5000 });
  const got = [];
  const messages = await consumer.consume({ callback: (again) => got.push(again.seq) });
  for (let i = 0; i < 12; i++) {
    await sleep(500);
    m.working();
  }
  assert.deepEqual(got, []);
  assert.equal(await m.ackAck(), true);
  await messages.close();
});

serverTest("a nak brings the message again at once", async (t) => {
  const consumer = await setUp(t, { ack_wait: 60e9 }, 2);
  const [first] = await fetch(consumer, 1);
  first.nak();
  const both = await fetch(consumer, 2, 10_000);
  const counts = Object.fromEntries(both.map((m) => [m.seq, m.info.deliveryCount]));
  assert.deepEqual(counts, { 1: 2, 2: 1 });
});

serverTest("a nak with a delay brings it again after the delay", async (t) => {
  const consumer = await setUp(t, { ack_wait: 60e9 }, 1);
  const [first] = await fetch(consumer, 1);
  const begin = Date.now();
  first.nak(1000);
  const m = await consumer.next({ expires: 15_000 });
  assert.deepEqual([m.seq, m.info.deliveryCount], [1, 2]);
  assert.ok(Date.now() - begin >= 850, `after ${Date.now() - begin} ms`);
});

serverTest("a nak delay may be written as a duration", async (t) => {
  const consumer = await setUp(t, { ack_wait: 60e9 }, 1);
  const [first] = await fetch(consumer, 1);
  const begin = Date.now();
  t.nc.publish(first.msg.reply, "-NAK 800ms");
  const m = await consumer.next({ expires: 15_000 });
  assert.equal(m.info.deliveryCount, 2);
  assert.ok(Date.now() - begin >= 650, `after ${Date.now() - begin} ms`);
});

serverTest("a terminated message does not come again", async (t) => {
  const consumer = await setUp(t, { ack_wait: 300e6 }, 2);
  const advisories = t.nc.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.C");
  const [first] = await fetch(consumer, 1);
  first.term("not for us");
  const [second] = await fetch(consumer, 1);
  assert.equal(second.seq, 2);
  second.ack();
  await sleep(600);
  assert.equal(await consumer.next({ expires: 1000 }), null);
  assert.equal((await consumer.info()).ack_floor.stream_seq, 2);
  const [advisory] = await take(advisories, 1);
  const { stream_seq, reason } = advisory.json();
  assert.deepEqual([stream_seq, reason], [1, "not for us"]);
});

serverTest("+NXT acks and hands out the next", async (t) => {
  const consumer = await setUp(t, {}, 5);
  const [first] = await fetch(consumer, 1);
  const inbox = createInbox();
  const sub = t.nc.subscribe(inbox);
  t.nc.publish(first.msg.reply, '+NXT {"batch":2}', { reply: inbox });
  const got = await take(sub, 2);
  assert.deepEqual(got.map((m) => m.string()), ["2", "3"]);
  const info = await consumer.info();
  assert.deepEqual([info.ack_floor.stream_seq, info.num_ack_pending], [1, 2]);
});

serverTest("max_deliver ends the redeliveries and says so", async (t) => {
  const consumer = await setUp(t, { ack_wait: 200e6, max_deliver: 2 }, 1);
  const advisories = t.nc.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C");
  for (const count of [1, 2]) {
    const m = await consumer.next({ expires: 10_000 });
    assert.equal(m.info.deliveryCount, count);
  }
  assert.equal(await consumer.next({ expires: 1500 }), null);
  const [advisory] = await take(advisories, 1);
  const { stream_seq, deliveries } = advisory.json();
  assert.deepEqual([stream_seq, deliveries], [1, 2]);
  assert.equal((await t.jsm.streams.info("S")).state.messages, 1);
});

serverTest("backoff spaces the redeliveries", async (t) => {
  const config = { backoff: [200e6, 600e6, 1000e6], max_deliver: 4 };
  await setUp(t, config, 1);
  let gaps, spaced;
  for (let tries = 0; !spaced && tries < 10; tries++) {
    // What is noticed late, on a busy machine, is less before the next; never the sum from the beginning on.
    const { name, config: made } = await t.jsm.consumers.add("S", { durable_name: `C${tries}`, ack_policy: "explicit", ...config });
    assert.equal(made.ack_wait, 200e6);
    const consumer = await t.js.consumers.get("S", name);
    const times = [Date.now()];
    for (let count = 1; count <= 4; count++) {
      const m = await consumer.next({ expires: 15_000 });
      assert.equal(m.info.deliveryCount, count);
      times.push(Date.now());
    }
    [180, 780, 1780].forEach((least, i) => assert.ok(times[i + 2] - times[0] >= least, `${times}`));
    gaps = times.slice(2).map((time, i) => time - times[i + 1]);
    spaced = [150, 500, 900].every((least, i) => gaps[i] >= least);
  }
  assert.ok(spaced, `gaps ${gaps}`);
});

serverTest("max_ack_pending holds deliveries back until acks come", async (t) => {
  const consumer = await setUp(t, { max_ack_pending: 3 }, 10);
  const held = await fetch(consumer, 10, 5000);
  assert.equal(held.length, 3);
  assert.equal((await consumer.info()).num_ack_pending, 3);
  await held[0].ackAck();
  await held[1].ackAck();
  const more = await fetch(consumer, 10, 5000);
  assert.deepEqual(more.map((m) => m.seq), [4, 5]);
});

serverTest("a waiting pull goes on when acks make room", async (t) => {
  const consumer = await setUp(t, { max_ack_pending: 1 }, 2);
  const [first] = await fetch(consumer, 1);
  const waiting = consumer.next({ expires: 20_000 });
  await eventually("the pull", async () => (await consumer.info()).num_waiting === 1);
  first.ack();
  assert.equal((await within(WAIT_MS, "the second", waiting)).seq, 2);
});

serverTest("with ack all, one ack covers everything before it", async (t) => {
  const consumer = await setUp(t, { ack_policy: "all" }, 10);
  const messages = await fetch(consumer, 7);
  await messages[4].ackAck();
  const info = await consumer.info();
  assert.deepEqual([info.ack_floor.stream_seq, info.num_ack_pending], [5, 2]);
});

serverTest("with ack none, handing out is enough", async (t) => {
  const consumer = await setUp(t, { ack_policy: "none" }, 5);
  assert.equal((await fetch(consumer, 5)).length, 5);
  const info = await consumer.info();
  assert.deepEqual([info.ack_floor.stream_seq, info.num_ack_pending], [5, 0]);
  assert.equal(await consumer.next({ expires: 1000 }), null);
});

serverTest("a message deleted while unacked does not come again", async (t) => {
  const consumer = await setUp(t, { ack_wait: 300e6 }, 2);
  await fetch(consumer, 1);
  await t.jsm.streams.deleteMessage("S", 1);
  const rest = await fetch(consumer, 1);
  assert.equal(rest[0].seq, 2);
  rest[0].ack();
  await sleep(600);
  assert.equal(await consumer.next({ expires: 1000 }), null);
});

ownPromise("confirmed acks hold after a kill, delivery counts do not fall", async (t) => {
  const consumer = await setUp(t, { ack_wait: 3e9 }, 20);
  const counts = new Map();
  const pass = async (size) => {
    for (const m of await fetch(consumer, size, 6000)) {
      const before = counts.get(m.seq) ?? 0;
      assert.ok(m.info.deliveryCount > before, `${m.seq}: ${m.info.deliveryCount} after ${before}`);
      counts.set(m.seq, m.info.deliveryCount);
      if (m.seq % 2 === 0) {
        assert.equal(await m.ackAck(), true);
        counts.set(m.seq, Infinity);
      }
    }
  };
  await pass(20);
  await t.server.killAndRestart();
  await pass(10);
  await t.server.killAndRestart();
  await pass(10);
  const info = await consumer.info();
  assert.ok(info.num_ack_pending <= 10, String(info.num_ack_pending));
});
