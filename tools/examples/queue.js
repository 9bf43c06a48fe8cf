// A work queue: jobs for any of several workers. A job that fails is tried again, later each time; one that fails for
// good is set aside with the reason. A worker that dies in the middle of a job loses nothing.

import assert from "node:assert/strict";

import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const ATTEMPTS = 3;
const JOBS = 200;
const WORKERS = 4;

const nc = await connect({ port: Number(process.argv[2] ?? 4222) });
const js = jetstream(nc);
const jsm = await jetstreamManager(nc);

await jsm.streams.add({ name: "JOBS", subjects: ["jobs.*"], retention: RetentionPolicy.Workqueue });
await jsm.streams.add({ name: "FAILED", subjects: ["failed.*"] });
await jsm.consumers.add("JOBS", {
  durable_name: "workers",
  ack_policy: AckPolicy.Explicit,
  ack_wait: 1_000_000_000, // a worker that is silent for so long has died
  max_deliver: ATTEMPTS + 1,
  max_ack_pending: 50,
});

const done = new Map(); // job to how often it was done
const tries = new Map();
let finished = 0;

// Every seventh job fails once, every fiftieth always; every thirtieth takes its first worker with it.
function work(job, attempt) {
  tries.set(job, attempt);
  if (job % 50 === 0) throw new Error("it cannot be done");
  if (job % 7 === 0 && attempt === 1) throw new Error("not now");
  if (job % 30 === 1 && attempt === 1) return false; // the worker is gone: no answer at all
  done.set(job, (done.get(job) ?? 0) + 1);
  return true;
}

async function handle(message) {
  const job = message.json().job;
  const attempt = message.info.deliveryCount;
  try {
    if (work(job, attempt)) {
      await message.ackAck(); // when this returns it is on the disk: the job will not come again
      finished += 1;
    }
  } catch (error) {
    if (attempt < ATTEMPTS) {
      message.nak(50 * attempt); // later each time
      return;
    }
    // The message id makes setting it aside safe to do again.
    await js.publish(`failed.${job}`, JSON.stringify({ job, why: error.message }), { msgID: `job-${job}` });
    message.term(error.message);
    finished += 1;
  }
}

async function worker() {
  const consumer = await js.consumers.get("JOBS", "workers");
  while (finished < JOBS) {
    for await (const message of await consumer.fetch({ max_messages: 10, expires: 1000 })) await handle(message);
  }
}

for (let job = 1; job <= JOBS; job++) await js.publish("jobs.work", JSON.stringify({ job }), { msgID: `${job}` });
await js.publish("jobs.work", JSON.stringify({ job: 1 }), { msgID: "1" }); // said twice, there once
await Promise.all(Array.from({ length: WORKERS }, worker));

const failed = (await jsm.streams.info("FAILED")).state.messages;
const left = (await jsm.streams.info("JOBS")).state.messages;
assert.equal(failed, JOBS / 50);
assert.equal(done.size, JOBS - failed);
for (const [job, times] of done) assert.equal(times, 1, `job ${job}`);
assert.equal(left, 0);
console.log(`ok: ${done.size} jobs done once each, ${failed} set aside after ${ATTEMPTS} attempts, none left`);
await nc.close();
