// Direct gets of many messages, keys that end by themselves, and counters, as the clients' libraries ask for
// them.

import { headers } from "@nats-io/transport-node";
import { Kvm } from "@nats-io/kv";
import { api, all, assert, eventually, refused, serverTest } from "./harness.js";

async function fill(jsm, js, count, config = {}) {
  await jsm.streams.add({ name: "S", subjects: ["s.>"], allow_direct: true, ...config });
  for (let i = 1; i <= count; i++) await js.publish(`s.${i % 10}`, `body ${i}`);
}

serverTest("a batch of direct gets is what was stored, from where it was asked for", async ({ jsm, js }) => {
  await fill(jsm, js, 300);
  const found = await all(await jsm.direct.getBatch("S", { batch: 500, seq: 21 }));
  assert.deepEqual(found.map((m) => m.seq), Array.from({ length: 280 }, (_, i) => i + 21));
  assert.equal(found[9].string(), "body 30");
  const some = await all(await jsm.direct.getBatch("S", { batch: 3, seq: 1, next_by_subj: "s.7" }));
  assert.deepEqual(some.map((m) => m.seq), [7, 17, 27]);
});

serverTest("the last messages of subjects come each once, as they were at that sequence", async ({ jsm, js }) => {
  await fill(jsm, js, 35);
  const last = await all(await jsm.direct.getLastMessagesFor("S", { multi_last: ["s.*"] }));
  assert.deepEqual(last.map((m) => m.seq), [26, 27, 28, 29, 30, 31, 32, 33, 34, 35]);
  const then = await all(await jsm.direct.getLastMessagesFor("S", { multi_last: ["s.1", "s.2"], up_to_seq: 21 }));
  assert.deepEqual(then.map((m) => [m.subject, m.seq]), [["s.2", 12], ["s.1", 21]]);
});

serverTest("a key ends when it was made to, and a watch sees it go", async ({ nc }) => {
  const kv = await new Kvm(nc).create("B", { markerTTL: 60_000 });
  await kv.put("stays", "x");
  const watch = await kv.watch({ key: "ends" });
  await kv.create("ends", "x", "1s");
  const seen = [];
  for await (const e of watch) {
    seen.push([e.operation, e.string()]);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen[0], ["PUT", "x"]);
  assert.ok(["PURGE", "DEL"].includes(seen[1][0]), JSON.stringify(seen));
  const entry = await kv.get("ends");
  assert.ok(entry === null || entry.operation !== "PUT");
  assert.equal((await kv.get("stays")).string(), "x");
  await kv.create("ends", "again");
  assert.equal((await kv.get("ends")).string(), "again");
});

serverTest("a key that is purged with a TTL leaves nothing in the end", async ({ nc, jsm }) => {
  const kv = await new Kvm(nc).create("B", { markerTTL: 1000 });
  await kv.put("gone", "x");
  await kv.purge("gone", { ttl: "1s" });
  await eventually("an empty stream", async () => (await jsm.streams.info("KV_B")).state.messages === 0);
});

serverTest("what is published to a counter is added up, and its ack says to what", async ({ nc, jsm, js }) => {
  const made = await api(nc, "STREAM.CREATE.S", {
    name: "S",
    subjects: ["s.>"],
    allow_msg_counter: true,
    allow_direct: true,
  });
  assert.equal(made.error, undefined);
  const add = async (subject, by) => {
    const h = headers();
    h.set("Nats-Incr", by);
    return await js.publish(subject, "", { headers: h });
  };
  const acks = await Promise.all(Array.from({ length: 50 }, () => add("s.a", "2")));
  assert.deepEqual(acks.map((a) => a.val), Array.from({ length: 50 }, (_, i) => String(2 * (i + 1))));
  await add("s.a", "-101");
  const last = await jsm.direct.getMessage("S", { last_by_subj: "s.a" });
  assert.deepEqual(last.json(), { val: "-1" });
  await refused(10169, js.publish("s.a", "text"));
});
