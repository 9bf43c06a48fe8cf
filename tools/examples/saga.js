// A saga: a booking of three steps with three services. When a step fails, the steps before it are undone in reverse.
// What has been done is in a bucket, changed by comparison, so a coordinator that dies is followed by another that
// goes on where it was; every request to a service has an id, so that doing it again does nothing.

import assert from "node:assert/strict";

import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";

const STEPS = ["flight", "hotel", "payment"];
const BOOKINGS = 60;

const nc = await connect({ port: Number(process.argv[2] ?? 4222) });
const js = jetstream(nc);
const jsm = await jetstreamManager(nc);
await jsm.streams.add({ name: "BOOKINGS", subjects: ["bookings.*"], retention: RetentionPolicy.Workqueue });
const progress = await new Kvm(nc).create("sagas");
await jsm.consumers.add("BOOKINGS", {
  durable_name: "coordinators",
  ack_policy: AckPolicy.Explicit,
  ack_wait: 500_000_000,
});

// The services: each remembers the ids of what it did. The hotel is full now and then, a card is refused.
const services = new Map(STEPS.map((step) => [step, new Map()]));
function request(step, booking, what) {
  const ids = services.get(step);
  const id = `${booking}.${what}`;
  if (ids.has(id)) return ids.get(id); // asked again: the same answer
  const refused = what === "do" && ((step === "hotel" && booking % 5 === 0) || (step === "payment" && booking % 7 === 0));
  ids.set(id, !refused);
  return !refused;
}

let deaths = 0;
// Coordinators die now and then between doing something and writing it down.
function mayDie(booking, index, redelivered) {
  if (redelivered || (booking + index) % 11 !== 0) return;
  deaths += 1;
  throw new Error("the coordinator died");
}

async function remember(booking, state, revision) {
  const body = JSON.stringify(state);
  return revision === 0 ? progress.create(`${booking}`, body) : progress.update(`${booking}`, body, revision);
}

async function coordinate(booking, redelivered) {
  const entry = await progress.get(`${booking}`);
  const state = entry === null ? { done: [], failed: false } : entry.json();
  let revision = entry?.revision ?? 0;

  while (!state.failed && state.done.length < STEPS.length) {
    const step = STEPS[state.done.length];
    if (request(step, booking, "do")) state.done.push(step);
    else state.failed = true;
    mayDie(booking, state.done.length, redelivered);
    revision = await remember(booking, state, revision);
  }
  while (state.failed && state.done.length > 0) {
    request(state.done.at(-1), booking, "undo");
    state.done.pop();
    mayDie(booking, state.done.length + 5, redelivered);
    revision = await remember(booking, state, revision);
  }
}

let finished = 0;
async function coordinator() {
  const consumer = await js.consumers.get("BOOKINGS", "coordinators");
  while (finished < BOOKINGS) {
    for await (const message of await consumer.fetch({ max_messages: 5, expires: 1000 })) {
      try {
        await coordinate(message.json().booking, message.redelivered);
        await message.ackAck();
        finished += 1;
      } catch {
        // dead: its message comes to another one when the wait is over
      }
    }
  }
}

for (let booking = 1; booking <= BOOKINGS; booking++)
  await js.publish("bookings.new", JSON.stringify({ booking }), { msgID: `${booking}` });
await Promise.all([coordinator(), coordinator(), coordinator()]);

let booked = 0;
for (let booking = 1; booking <= BOOKINGS; booking++) {
  const state = (await progress.get(`${booking}`)).json();
  const wanted = booking % 5 !== 0 && booking % 7 !== 0;
  assert.equal(state.failed, !wanted);
  assert.deepEqual(state.done, wanted ? STEPS : []);
  for (const step of STEPS) {
    const ids = services.get(step);
    const made = ids.get(`${booking}.do`) === true;
    assert.equal(made && !ids.has(`${booking}.undo`), wanted, `${step} of ${booking}`);
  }
  booked += wanted;
}
console.log(`ok: ${booked} of ${BOOKINGS} booked, the others undone, ${deaths} coordinators died on the way`);
await nc.close();
