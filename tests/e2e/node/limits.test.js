// Limits retention: what goes, what stays and what is refused.

import { assert, eventually, refused, serverTest, WAIT_MS } from "./harness.js";

async function publish(js, subject, count, size = 10) {
  for (let i = 0; i < count; i++) await js.publish(subject, Buffer.alloc(size, 65 + (i % 26)));
}

async function numbers(jsm) {
  const { state } = await jsm.streams.info("S");
  return [state.messages, state.first_seq, state.last_seq];
}

serverTest("max_msgs with discard old drops the oldest", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], max_msgs: 5 });
  await publish(js, "s", 12);
  assert.deepEqual(await numbers(jsm), [5, 8, 12]);
});

serverTest("max_msgs with discard new refuses the newest", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], max_msgs: 5, discard: "new" });
  await publish(js, "s", 5);
  await refused(10077, js.publish("s", "x"), /maximum messages exceeded/);
  assert.deepEqual(await numbers(jsm), [5, 1, 5]);
  await jsm.streams.deleteMessage("S", 1);
  assert.equal((await js.publish("s", "x")).seq, 6);
});

serverTest("publishes in flight together cannot pass max_msgs", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], max_msgs: 10, discard: "new" });
  const tries = Array.from({ length: 100 }, () => js.publish("s", "x").catch((error) => error));
  const results = await Promise.all(tries);
  assert.equal(results.filter((r) => r.stream).length, 10);
  results.filter((r) => !r.stream).forEach((error) => assert.equal(error.code, 10077));
  assert.deepEqual(await numbers(jsm), [10, 1, 10]);
});

serverTest("max_bytes with discard old keeps the stream below it", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], max_bytes: 10_000 });
  await publish(js, "s", 50, 1000);
  const { state } = await jsm.streams.info("S");
  assert.ok(state.bytes <= 10_000, String(state.bytes));
  assert.ok(state.messages >= 8 && state.messages <= 9, String(state.messages));
  assert.equal(state.last_seq, 50);
  assert.equal(state.first_seq, 51 - state.messages);
});

serverTest("max_bytes with discard new refuses what does not fit", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], max_bytes: 10_000, discard: "new" });
  await publish(js, "s", 9, 1000);
  await refused(10077, js.publish("s", Buffer.alloc(1000)), /maximum bytes exceeded/);
  assert.deepEqual(await numbers(jsm), [9, 1, 9]);
});

serverTest("max_msgs_per_subject keeps the newest of each subject", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"], max_msgs_per_subject: 2 });
  await publish(js, "s.a", 5);
  await publish(js, "s.b", 1);
  await publish(js, "s.c", 3);
  const { state } = await jsm.streams.info("S", { subjects_filter: ">", deleted_details: true });
  assert.deepEqual(state.subjects, { "s.a": 2, "s.b": 1, "s.c": 2 });
  assert.deepEqual([state.first_seq, state.last_seq, state.deleted], [4, 9, [7]]);
});

serverTest("discard new per subject refuses a subject that is full", async ({ jsm, js }) => {
  await jsm.streams.add({
    name: "S",
    subjects: ["s.*"],
    max_msgs_per_subject: 1,
    discard: "new",
    discard_new_per_subject: true,
  });
  await js.publish("s.a", "1");
  await refused(10077, js.publish("s.a", "2"), /maximum messages per subject exceeded/);
  assert.equal((await js.publish("s.b", "3")).seq, 2);
});

serverTest("a full stream that discards new still replaces within a subject", async (t) => {
  const { jsm, js } = t;
  await jsm.streams.add({
    name: "S",
    subjects: ["s.*"],
    max_msgs: 3,
    max_msgs_per_subject: 1,
    discard: "new",
  });
  for (const subject of ["s.a", "s.b", "s.c"]) await js.publish(subject, "1");
  assert.equal((await js.publish("s.b", "2")).seq, 4);
  await refused(10077, js.publish("s.d", "x"));
  assert.equal((await jsm.streams.getMessage("S", { last_by_subj: "s.b" })).string(), "2");
});

serverTest("max_age expires messages and keeps counting", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], max_age: 4e9 });
  await publish(js, "s", 3);
  assert.deepEqual(await numbers(jsm), [3, 1, 3]);
  await eventually("the expiry", async () => (await numbers(jsm))[0] === 0, WAIT_MS);
  assert.deepEqual(await numbers(jsm), [0, 4, 3]);
  assert.equal((await js.publish("s", "next")).seq, 4);
});

serverTest("max_age does not expire early", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], max_age: 2e9 });
  const { seq } = await js.publish("s", "x");
  const { time } = await jsm.streams.getMessage("S", { seq });
  await eventually("the expiry", async () => (await numbers(jsm))[0] === 0, WAIT_MS);
  const lived = Date.now() - time.getTime();
  assert.ok(lived >= 1900, `expired after ${lived} ms`);
});

serverTest("messages that aged while the server was down are gone after it", async (t) => {
  const { jsm, js, server } = t;
  await jsm.streams.add({ name: "S", subjects: ["s"], max_age: 500e6 });
  await publish(js, "s", 3);
  await server.kill();
  await new Promise((resolve) => setTimeout(resolve, 600));
  await server.start();
  await eventually("the expiry", async () => (await numbers(jsm))[0] === 0, WAIT_MS);
  assert.equal((await js.publish("s", "x")).seq, 4);
});

serverTest("limits hold after a kill as before it", async ({ jsm, js, server }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"], max_msgs: 10, max_msgs_per_subject: 3 });
  for (let i = 0; i < 10; i++) await publish(js, `s.${i % 5}`, 2);
  const before = (await jsm.streams.info("S", { subjects_filter: ">" })).state;
  assert.equal(before.messages, 10);
  await server.killAndRestart();
  const after = (await jsm.streams.info("S", { subjects_filter: ">" })).state;
  assert.deepEqual(after, before);
  await publish(js, "s.0", 1);
  assert.equal((await numbers(jsm))[0], 10);
});

serverTest("deny_delete and deny_purge are kept", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"], deny_delete: true, deny_purge: true });
  await publish(js, "s", 2);
  await refused(10057, jsm.streams.deleteMessage("S", 1));
  await refused(10110, jsm.streams.purge("S"));
  assert.deepEqual(await numbers(jsm), [2, 1, 2]);
});

serverTest("a stream can start at a chosen sequence", async ({ jsm, js }) => {
  const { state } = await jsm.streams.add({ name: "S", subjects: ["s"], first_seq: 1000 });
  assert.deepEqual([state.first_seq, state.last_seq], [1000, 999]);
  assert.equal((await js.publish("s", "x")).seq, 1000);
});
