// Event sourcing. An order is the sequence of its events, one subject per order. An event is appended only if the
// order is as its author knew it; a projection is what reading them in order makes of them, live or again.

import assert from "node:assert/strict";

import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager, ReplayPolicy } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const nc = await connect({ port: Number(process.argv[2] ?? 4222) });
const js = jetstream(nc);
const jsm = await jetstreamManager(nc);

await jsm.streams.add({ name: "ORDERS", subjects: ["orders.*"], deny_delete: true, deny_purge: true });

// Appends an event, if `after` is still the last sequence of that order (0: the order is new).
async function append(order, type, after, data = {}) {
  const body = JSON.stringify({ type, ...data });
  const ack = await js.publish(`orders.${order}`, body, { expect: { lastSubjectSequence: after } });
  return ack.seq;
}

// What an event makes of the state of all orders.
function apply(orders, message) {
  const order = message.subject.slice("orders.".length);
  const event = message.json();
  const state = orders.get(order) ?? { lines: 0, total: 0, status: "new" };
  if (event.type === "line") {
    state.lines += 1;
    state.total += event.price;
  } else {
    state.status = event.type;
  }
  orders.set(order, state);
}

// Reads everything from the beginning until `count` events came.
async function project(count, options = {}) {
  const orders = new Map();
  const consumer = await js.consumers.get("ORDERS", { deliver_policy: DeliverPolicy.All, ...options });
  const times = [];
  for await (const message of await consumer.consume()) {
    apply(orders, message);
    times.push(Date.now());
    if (times.length === count) break;
  }
  return { orders, times };
}

const ORDERS = 20;
const EVENTS = ORDERS * 5;
const live = project(EVENTS); // a projection that is there before anything happens

for (let i = 0; i < ORDERS; i++) {
  let last = 0;
  for (let line = 1; line <= 3; line++) last = await append(i, "line", last, { price: line * 10 });
  last = await append(i, "paid", last);
  last = await append(i, "shipped", last);
  // Who acts on what is no longer so is told, and nothing is written.
  await assert.rejects(append(i, "cancelled", last - 1), /wrong last sequence/);
}

const { orders } = await live;
assert.equal(orders.size, ORDERS);
for (const state of orders.values()) assert.deepEqual(state, { lines: 3, total: 60, status: "shipped" });

const again = await project(EVENTS);
assert.deepEqual([...again.orders], [...orders]); // the same events, the same state

// At original speed: what happened half a second apart comes half a second apart.
await jsm.streams.add({ name: "PACED", subjects: ["paced"] });
for (let i = 0; i < 3; i++) {
  await js.publish("paced", String(i));
  await new Promise((resolve) => setTimeout(resolve, 500));
}
await jsm.consumers.add("PACED", {
  durable_name: "replay",
  ack_policy: AckPolicy.None,
  replay_policy: ReplayPolicy.Original,
});
const times = [];
const paced = await js.consumers.get("PACED", "replay");
for await (const message of await paced.consume()) {
  times.push(Date.now());
  if (message.info.pending === 0) break;
}
assert.equal(times.length, 3);
for (let i = 1; i < times.length; i++) assert.ok(times[i] - times[i - 1] >= 400, `gap ${times[i] - times[i - 1]} ms`);

console.log(`ok: ${EVENTS} events, ${orders.size} orders, replayed to the same state, and at original speed`);
await nc.close();
