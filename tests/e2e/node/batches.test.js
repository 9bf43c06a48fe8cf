// Atomic batches as the client publishes them: all of a batch or nothing, also when the server is killed.

import { clusterTest } from "./cluster.js";
import { assert, eventually, serverTest, within, WAIT_MS } from "./harness.js";

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";

const CONFIG = { name: "S", subjects: ["s.*"], allow_atomic: true };

// A cluster answers when it has formed.
function manager(nc) {
  return eventually("JetStream", () => jetstreamManager(nc, { timeout: 10_000 }).catch(() => null), WAIT_MS);
}

const made = (jsm, config) => eventually("the stream", () => jsm.streams.add(config).catch(() => null), WAIT_MS);

async function publishBatch(js, from, count) {
  const batch = await js.startBatch("s.0", `body ${from}`);
  for (let i = 1; i < count - 1; i++) batch.add(`s.${i % 7}`, `body ${from + i}`);
  return batch.commit("s.last", `body ${from + count - 1}`);
}

serverTest("a batch is stored in order when it is committed, and not before", async ({ js, jsm }) => {
  await jsm.streams.add(CONFIG);
  const batch = await js.startBatch("s.1", "1");
  await batch.add("s.2", "2", { ack: true });
  assert.equal((await jsm.streams.info("S")).state.messages, 0);
  const ack = await batch.commit("s.3", "3");
  assert.deepEqual([ack.stream, ack.seq, ack.batch, ack.count], ["S", 3, batch.id, 3]);
  for (let seq = 1; seq <= 3; seq++) {
    const m = await jsm.streams.getMessage("S", { seq });
    assert.deepEqual([m.subject, m.string()], [`s.${seq}`, String(seq)]);
  }
});

serverTest("a batch whose check fails leaves nothing", async ({ js, jsm }) => {
  await jsm.streams.add(CONFIG);
  await js.publish("s.1", "there");
  const batch = await js.startBatch("s.2", "a");
  batch.add("s.3", "b");
  const expected = headers(); // the client does not set this one in a batch
  expected.set("Nats-Expected-Last-Subject-Sequence", "7");
  batch.add("s.1", "c", { headers: expected });
  await assert.rejects(batch.commit("s.4", "d")); // with its own words: it does not read the error
  const { state } = await jsm.streams.info("S");
  assert.deepEqual([state.messages, state.last_seq], [1, 1]);
});

serverTest("batches of a thousand messages survive SIGKILL whole or not at all", async (t) => {
  await t.jsm.streams.add(CONFIG);
  let acked = 0;
  for (; acked < 5000; acked += 1000) {
    const ack = await publishBatch(t.js, acked, 1000);
    assert.deepEqual([ack.seq, ack.count], [acked + 1000, 1000]);
  }
  const unknown = publishBatch(t.js, acked, 1000).catch(() => null);
  await t.server.kill();
  await t.server.start();
  void unknown; // it may be told nothing
  const nc = await t.connect();
  const jsm = await jetstreamManager(nc);
  const { state } = await jsm.streams.info("S");
  assert.ok(state.last_seq === 5000 || state.last_seq === 6000, `${state.last_seq}`);
  assert.equal(state.messages, state.last_seq);
});

serverTest("a batch that nothing is added to is dropped, and whoever listens is told", async ({ nc, jsm }) => {
  await jsm.streams.add(CONFIG);
  const told = nc.subscribe("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S", { max: 1 });
  const h = headers();
  h.set("Nats-Batch-Id", "left");
  h.set("Nats-Batch-Sequence", "1");
  await nc.request("s.1", "x", { headers: h, timeout: WAIT_MS });
  const advisory = (await within(WAIT_MS, "the advisory", told[Symbol.asyncIterator]().next())).value.json();
  assert.equal(advisory.type, "io.nats.jetstream.advisory.v1.stream_batch_abandoned");
  assert.deepEqual([advisory.stream, advisory.batch, advisory.reason], ["S", "left", "timeout"]);
  h.set("Nats-Batch-Sequence", "2");
  h.set("Nats-Batch-Commit", "1");
  const late = (await nc.request("s.1", "x", { headers: h, timeout: WAIT_MS })).json();
  assert.equal(late.error.err_code, 10176);
});

clusterTest("a batch through any server is on a majority whole, whoever leads", async ({ servers, connect }) => {
  const nc = await connect(servers[0]);
  const jsm = await manager(nc);
  await made(jsm, { ...CONFIG, num_replicas: 3 });
  let acked = 0;
  for (const server of servers) {
    const ack = await publishBatch(jetstream(await connect(server), { timeout: WAIT_MS }), acked, 500);
    acked += 500;
    assert.deepEqual([ack.seq, ack.count], [acked, 500]);
  }
  const { cluster } = await jsm.streams.info("S");
  const leader = servers.find((server) => server.name === cluster.leader);
  const others = servers.filter((server) => server !== leader);
  await leader.kill();
  const client = await connect(others[0]);
  const info = await eventually("a new leader", async () => {
    const left = await jetstreamManager(client, { timeout: 1000 }).catch(() => null);
    return left?.streams.info("S").catch(() => null);
  }, WAIT_MS);
  assert.equal(info.state.messages, acked);
  const again = jetstream(await connect(others[1]), { timeout: 10_000 });
  const ack = await eventually("a batch again", () => publishBatch(again, acked, 500).catch(() => null), WAIT_MS);
  assert.equal((ack.seq - acked) % 500, 0);
});

// The client has no fast batches of its own yet: what goes over the wire is written here.
serverTest("a fast batch of ten thousand is acknowledged now and then, and is there after SIGKILL", async (t) => {
  await t.jsm.streams.add({ name: "S", subjects: ["s.*"], allow_batched: true });
  const heard = [];
  t.nc.subscribe("fast.>", { callback: (_, m) => heard.push(m.json()) });
  const total = 10_000;
  for (let n = 1; n <= total; n++) {
    const op = n === 1 ? 0 : n === total ? 2 : 1;
    t.nc.publish("s.1", `body ${n}`, { reply: `fast.id.500.fail.${n}.${op}.$FI` });
  }
  const last = await eventually("the ack of all", () => heard.find((m) => m.batch === "id"));
  assert.deepEqual([last.stream, last.seq, last.count], ["S", total, total]);
  const acks = heard.filter((m) => m.type === "ack").map((m) => m.seq);
  assert.deepEqual(acks, Array.from({ length: total / 500 }, (_, i) => i * 500));
  await t.server.killAndRestart();
  const jsm = await jetstreamManager(await t.connect());
  assert.equal((await jsm.streams.info("S")).state.messages, total);
});

clusterTest("a new leader does not know a fast batch, and says so", async ({ servers, connect }) => {
  const nc = await connect(servers[0]);
  const jsm = await manager(nc);
  await made(jsm, { name: "S", subjects: ["s.*"], allow_batched: true, num_replicas: 3 });
  const heard = [];
  nc.subscribe("fast.>", { callback: (_, m) => heard.push(m.json()) });
  const publish = (n, op) => nc.publish("s.1", "x", { reply: `fast.id.10.fail.${n}.${op}.$FI` });
  publish(1, 0);
  publish(2, 1);
  publish(2, 4);
  await eventually("the ack of a ping", () => heard.length >= 2);
  const led = (await jsm.streams.info("S")).cluster.leader;
  await eventually("another leader", async () => {
    const info = await jsm.streams.info("S").catch(() => null);
    if (info?.cluster.leader && info.cluster.leader !== led) return true;
    await nc.request("$JS.API.STREAM.LEADER.STEPDOWN.S", "", { timeout: 2000 }).catch(() => null);
    return false;
  }, WAIT_MS);
  const answer = await eventually("the answer", () => {
    publish(3, 1);
    return heard.find((m) => m.error);
  });
  assert.equal(answer.error.err_code, 10208);
  assert.equal((await jsm.streams.info("S")).state.messages, 2);
});
