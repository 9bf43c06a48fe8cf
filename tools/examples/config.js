// A config store. Services watch what concerns them and see each change once and in order; a change is made by
// comparison, so of two who change the same thing at once one is told to look again.

import assert from "node:assert/strict";

import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";

const CHANGES = 100;
const WATCHERS = 10;

const nc = await connect({ port: Number(process.argv[2] ?? 4222) });
const kv = await new Kvm(nc).create("config", { history: 5 });

// Changes a number by looking, computing, and putting it only if nobody else did meanwhile.
async function increase(key) {
  for (;;) {
    const entry = await kv.get(key);
    try {
      await kv.update(key, String(Number(entry.string()) + 1), entry.revision);
      return;
    } catch {
      // somebody was faster
    }
  }
}

// Follows a key until it has its last value.
async function follow(last) {
  const seen = [];
  for await (const entry of await kv.watch({ key: "service.*.limit" })) {
    seen.push([entry.key, entry.string(), entry.revision]);
    if (entry.string() === last) return seen;
  }
  return seen;
}

await kv.create("service.web.limit", "0");
await assert.rejects(kv.create("service.web.limit", "again"));
await kv.put("service.web.name", "not watched");
const watchers = Array.from({ length: WATCHERS }, () => follow(String(CHANGES)));
await Promise.all(Array.from({ length: CHANGES }, () => increase("service.web.limit")));

for (const seen of await Promise.all(watchers)) {
  let value = -1;
  let revision = 0;
  for (const [key, text, at] of seen) {
    assert.equal(key, "service.web.limit");
    assert.ok(at > revision);
    // It begins with what is there, and from then on nothing is left out.
    assert.ok(value === -1 || Number(text) === value + 1, `${text} after ${value}`);
    value = Number(text);
    revision = at;
  }
  assert.equal(value, CHANGES);
}
const history = [];
for await (const entry of await kv.history({ key: "service.web.limit" })) history.push(entry.string());
assert.deepEqual(history, ["96", "97", "98", "99", "100"]);
console.log(`ok: ${CHANGES} changes by comparison, ${WATCHERS} watchers saw each in order`);
await nc.close();
