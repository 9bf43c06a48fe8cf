// Ordered readers and push consumers: heartbeats, flow control, gaps, groups.

import { createInbox } from "@nats-io/transport-node";
import { assert, consumed, eventually, refused, serverTest, take, within, WAIT_MS } from "./harness.js";

async function fill(jsm, js, count, size = 0) {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  for (let begin = 0; begin < count; begin += 200) {
    const batch = Array.from({ length: Math.min(200, count - begin) }, (_, i) =>
      js.publish(`s.${(begin + i) % 3}`, size ? Buffer.alloc(size) : String(begin + i + 1)));
    await Promise.all(batch);
  }
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

serverTest("an ordered reader gets everything once and in order", async ({ jsm, js }) => {
  await fill(jsm, js, 1500);
  const consumer = await js.consumers.get("S");
  const got = await consumed(await consumer.consume(), 1500, WAIT_MS);
  assert.deepEqual(got.map((m) => m.seq), range(1, 1500));
});

serverTest("an ordered reader can filter and start anywhere", async ({ jsm, js }) => {
  await fill(jsm, js, 30);
  const filtered = await js.consumers.get("S", { filter_subjects: ["s.0"] });
  const tens = await consumed(await filtered.consume(), 10);
  assert.deepEqual(tens.map((m) => m.seq), range(0, 9).map((i) => 3 * i + 1));
  const late = await js.consumers.get("S", {
    deliver_policy: "by_start_sequence",
    opt_start_seq: 21,
  });
  const rest = await consumed(await late.consume(), 10);
  assert.deepEqual(rest.map((m) => m.seq), range(21, 30));
});

serverTest("an ordered reader goes on after its consumer was deleted", async ({ jsm, js }) => {
  await fill(jsm, js, 20);
  const consumer = await js.consumers.get("S");
  const got = [];
  const messages = await consumer.consume({
    idle_heartbeat: 500,
    expires: 5000,
    callback: (m) => got.push(m.seq),
  });
  await eventually("the first messages", () => got.length === 20);
  const { name } = await consumer.info();
  await jsm.consumers.delete("S", name);
  for (let i = 0; i < 10; i++) await js.publish("s.0", "more");
  await eventually("the rest", () => got.length >= 30, 40_000);
  await messages.close();
  assert.deepEqual(got, range(1, 30));
});

serverTest("an ordered reader goes on after a kill of the server", async (t) => {
  const { jsm, js, server } = t;
  await fill(jsm, js, 20);
  const consumer = await js.consumers.get("S");
  const got = [];
  const messages = await consumer.consume({
    idle_heartbeat: 500,
    expires: 5000,
    callback: (m) => got.push(m.seq),
  });
  await eventually("the first messages", () => got.length === 20);
  await server.killAndRestart();
  for (let i = 0; i < 10; i++) await js.publish("s.0", "more");
  await eventually("the rest", () => got.length >= 30, 40_000);
  await messages.close();
  assert.deepEqual(got, range(1, 30));
});

serverTest("a push consumer delivers to its subject", async ({ jsm, js, nc }) => {
  await fill(jsm, js, 10);
  const deliver_subject = createInbox();
  const sub = nc.subscribe(deliver_subject);
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit", deliver_subject });
  const got = await take(sub, 10);
  assert.deepEqual(got.map((m) => m.string()), range(1, 10).map(String));
  assert.deepEqual(got.map((m) => m.subject).slice(0, 3), ["s.0", "s.1", "s.2"]);
  got.forEach((m) => m.respond("+ACK"));
  await eventually("the acks", async () => {
    const info = await jsm.consumers.info("S", "C");
    assert.equal(info.push_bound, true);
    return info.ack_floor.stream_seq === 10;
  });
});

serverTest("the client's push reader hands out and acks", async ({ jsm, js }) => {
  await fill(jsm, js, 100);
  await jsm.consumers.add("S", {
    durable_name: "C",
    ack_policy: "explicit",
    deliver_subject: createInbox(),
    idle_heartbeat: 1e9,
    flow_control: true,
  });
  const consumer = await js.consumers.getPushConsumer("S", "C");
  const got = await consumed(await consumer.consume(), 100, WAIT_MS);
  got.forEach((m) => m.ack());
  assert.deepEqual(got.map((m) => m.seq), range(1, 100));
  await eventually("the acks", async () => (await consumer.info()).ack_floor.stream_seq === 100);
});

serverTest("an ordered push reader gets everything in order", async ({ jsm, js }) => {
  await fill(jsm, js, 1000);
  const consumer = await js.consumers.getPushConsumer("S", { deliver_policy: "all" });
  const got = await consumed(await consumer.consume(), 1000, WAIT_MS);
  assert.deepEqual(got.map((m) => m.seq), range(1, 1000));
});

serverTest("a push consumer waits for its subscriber", async ({ jsm, js, nc }) => {
  await fill(jsm, js, 5);
  const deliver_subject = createInbox();
  const info = await jsm.consumers.add("S", {
    durable_name: "C",
    ack_policy: "none",
    deliver_subject,
  });
  assert.deepEqual([info.push_bound ?? false, info.num_pending], [false, 5]);
  const sub = nc.subscribe(deliver_subject);
  assert.equal((await take(sub, 5)).length, 5);
});

serverTest("an idle push consumer sends heartbeats that say where it is", async (t) => {
  const { jsm, js, nc } = t;
  await fill(jsm, js, 3);
  const deliver_subject = createInbox();
  const sub = nc.subscribe(deliver_subject);
  await jsm.consumers.add("S", {
    durable_name: "C",
    ack_policy: "none",
    deliver_subject,
    idle_heartbeat: 300e6,
  });
  const got = await take(sub, 5);
  const beat = got[4];
  assert.deepEqual([beat.headers.code, beat.headers.description], [100, "Idle Heartbeat"]);
  assert.equal(beat.data.length, 0);
  assert.equal(beat.headers.get("Nats-Last-Consumer"), "3");
  assert.equal(beat.headers.get("Nats-Last-Stream"), "3");
});

serverTest("flow control stops for a reader that does not answer and goes on when it does", async (t) => {
  const { jsm, js, nc } = t;
  const count = 400;
  await fill(jsm, js, count, 32 * 1024);
  const deliver_subject = createInbox();
  const requests = [];
  let received = 0;
  let answering = false;
  nc.subscribe(deliver_subject, {
    callback: (_, m) => {
      const control = m.headers?.code === 100;
      if (!control) received++;
      const flow = control && (m.reply || m.headers.get("Nats-Consumer-Stalled"));
      if (!flow) return;
      requests.push(m.headers.description);
      if (answering) nc.publish(flow);
    },
  });
  await jsm.consumers.add("S", {
    durable_name: "C",
    ack_policy: "none",
    deliver_subject,
    idle_heartbeat: 500e6,
    flow_control: true,
  });
  await eventually("a stalled heartbeat", () => requests.includes("Idle Heartbeat"), WAIT_MS);
  assert.ok(received < count, `all ${received} messages came without flow control`);
  assert.ok(requests.includes("FlowControl Request"));
  answering = true;
  await eventually("the rest", () => received === count, WAIT_MS);
});

serverTest("a push consumer with a group shares among its members", async ({ jsm, js, connect }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  const deliver_subject = createInbox();
  const got = [[], []];
  for (const mine of got) {
    const member = await connect();
    member.subscribe(deliver_subject, {
      queue: "crew",
      callback: (_, m) => {
        mine.push(Number(m.reply.split(".")[5]));
        m.respond("+ACK");
      },
    });
    await member.flush();
  }
  await jsm.consumers.add("S", {
    durable_name: "C",
    ack_policy: "explicit",
    deliver_subject,
    deliver_group: "crew",
  });
  for (let i = 0; i < 200; i++) await js.publish("s.0", "x");
  await eventually("all messages", () => got.flat().length >= 200);
  assert.equal(new Set(got.flat()).size, 200);
  assert.ok(got[0].length > 0 && got[1].length > 0, `${got[0].length} and ${got[1].length}`);
});

serverTest("push consumers that cannot work are refused", async ({ jsm, js }) => {
  await fill(jsm, js, 1);
  const add = (config) =>
    jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit", ...config });
  await refused(10079, add({ deliver_subject: "d.*" }));
  await refused(10081, add({ deliver_subject: "s.x" }));
  await refused(10080, add({ deliver_subject: "d", max_waiting: 5 }));
  await refused(10108, add({ deliver_subject: "d", flow_control: true }));
  await refused(10088, add({ idle_heartbeat: 1e9 }));
  await refused(10089, add({ flow_control: true, idle_heartbeat: 0 }));
});

serverTest("replay at the original pace takes as long as publishing did", async ({ jsm, js, nc }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  for (let i = 0; i < 3; i++) {
    await js.publish("s", String(i));
    if (i < 2) await new Promise((resolve) => setTimeout(resolve, 400));
  }
  const deliver_subject = createInbox();
  const sub = nc.subscribe(deliver_subject);
  const begin = Date.now();
  await jsm.consumers.add("S", {
    durable_name: "C",
    ack_policy: "none",
    deliver_subject,
    replay_policy: "original",
  });
  await within(WAIT_MS, "three messages", take(sub, 3, WAIT_MS));
  const took = Date.now() - begin;
  // Against the stored times, which a busy machine may have taken closer to each other.
  const stored = async (seq) => (await jsm.streams.getMessage("S", { seq })).time.getTime();
  const pace = (await stored(3)) - (await stored(1));
  assert.ok(pace >= 400, `stored within ${pace} ms`);
  assert.ok(took >= pace - 20, `took ${took} ms for ${pace}`);
});
