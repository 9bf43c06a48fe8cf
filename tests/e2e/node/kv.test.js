// Key-value buckets as the client's library makes them on a stream.

import { Kvm } from "@nats-io/kv";
import { all, assert, eventually, refused, serverTest, sleep, take, within, WAIT_MS } from "./harness.js";

const open = (nc, name = "B", options = {}) => new Kvm(nc).create(name, options);

async function entries(iterator) {
  return (await all(iterator)).map((e) => [e.key, e.operation, e.string()]);
}

serverTest("a bucket's put is what its get finds", async ({ nc }) => {
  const kv = await open(nc);
  const revision = await kv.put("key", "value");
  const entry = await kv.get("key");
  assert.deepEqual(
    [entry.bucket, entry.key, entry.string(), entry.revision, entry.operation],
    ["B", "key", "value", revision, "PUT"],
  );
  assert.ok(Math.abs(entry.created.getTime() - Date.now()) < 60_000);
  assert.equal(await kv.get("none"), null);
});

serverTest("revisions count up over all keys", async ({ nc }) => {
  const kv = await open(nc);
  const revisions = [];
  for (const key of ["a", "b", "a", "c.d.e", "b"]) revisions.push(await kv.put(key, "x"));
  assert.deepEqual(revisions, [1, 2, 3, 4, 5]);
  assert.equal((await kv.get("a")).revision, 3);
  assert.equal((await kv.get("c.d.e")).revision, 4);
});

serverTest("an old revision is there while history keeps it", async ({ nc }) => {
  const kv = await open(nc, "B", { history: 2 });
  for (const value of ["1", "2", "3"]) await kv.put("k", value);
  assert.equal((await kv.get("k", { revision: 2 })).string(), "2");
  assert.equal(await kv.get("k", { revision: 1 }), null);
});

serverTest("create succeeds once, and again after a delete", async ({ nc }) => {
  const kv = await open(nc);
  const first = await kv.create("k", "1");
  await refused(10071, kv.create("k", "2"));
  assert.equal((await kv.get("k")).string(), "1");
  await kv.delete("k");
  const second = await kv.create("k", "3");
  assert.ok(second > first);
  await kv.purge("k");
  await kv.create("k", "4");
  assert.equal((await kv.get("k")).string(), "4");
});

serverTest("of many creates of one key exactly one wins", async ({ nc }) => {
  const kv = await open(nc);
  const tries = Array.from({ length: 20 }, (_, i) => kv.create("k", String(i)).catch((e) => e));
  const results = await Promise.all(tries);
  const winners = results.filter((r) => typeof r === "number");
  assert.equal(winners.length, 1);
  assert.equal((await kv.get("k")).string(), String(results.indexOf(winners[0])));
});

serverTest("update succeeds only on the revision it names", async ({ nc }) => {
  const kv = await open(nc);
  const first = await kv.put("k", "1");
  await kv.put("other", "x");
  const second = await kv.update("k", "2", first);
  await refused(10071, kv.update("k", "3", first));
  assert.equal((await kv.get("k")).string(), "2");
  await kv.update("k", "3", second);
  await refused(10071, kv.update("fresh", "x", 7));
});

serverTest("a counter kept by update loses no increment", async ({ nc, connect }) => {
  const kv = await open(nc);
  await kv.put("n", "0");
  await Promise.all([1, 2, 3, 4].map(async () => {
    const mine = await new Kvm(await connect()).open("B");
    for (let i = 0; i < 25; i++) {
      for (;;) {
        const entry = await mine.get("n");
        const next = String(Number(entry.string()) + 1);
        const done = await mine.update("n", next, entry.revision).then(() => true, (error) => {
          assert.equal(error.code, 10071);
          return false;
        });
        if (done) break;
      }
    }
  }));
  assert.equal((await kv.get("n")).string(), "100");
});

serverTest("a deleted key leaves a marker, a purged one only that", async ({ nc }) => {
  const kv = await open(nc, "B", { history: 5 });
  await kv.put("k", "1");
  await kv.put("k", "2");
  await kv.delete("k");
  assert.equal((await kv.get("k")).operation, "DEL");
  assert.deepEqual(await entries(await kv.history({ key: "k" })), [
    ["k", "PUT", "1"],
    ["k", "PUT", "2"],
    ["k", "DEL", ""],
  ]);
  await kv.purge("k");
  assert.equal((await kv.get("k")).operation, "PURGE");
  assert.deepEqual(await entries(await kv.history({ key: "k" })), [["k", "PURGE", ""]]);
});

serverTest("a conditional delete is refused on another revision", async ({ nc }) => {
  const kv = await open(nc);
  const revision = await kv.put("k", "1");
  await refused(10071, kv.delete("k", { previousSeq: revision + 5 }));
  assert.equal((await kv.get("k")).operation, "PUT");
  await kv.delete("k", { previousSeq: revision });
  assert.equal((await kv.get("k")).operation, "DEL");
});

serverTest("keys lists what has a value", async ({ nc }) => {
  const kv = await open(nc);
  for (const key of ["a", "b.x", "b.y", "gone", "purged"]) await kv.put(key, "v");
  await kv.delete("gone");
  await kv.purge("purged");
  assert.deepEqual((await all(await kv.keys())).sort(), ["a", "b.x", "b.y"]);
  assert.deepEqual((await all(await kv.keys("b.*"))).sort(), ["b.x", "b.y"]);
});

serverTest("the keys of an empty bucket are none", async ({ nc }) => {
  const kv = await open(nc);
  assert.deepEqual(await all(await kv.keys()), []);
});

serverTest("history keeps as many values as the bucket says", async ({ nc }) => {
  const kv = await open(nc, "B", { history: 3 });
  for (let i = 1; i <= 5; i++) await kv.put("k", String(i));
  await kv.put("other", "x");
  assert.deepEqual(await entries(await kv.history({ key: "k" })), [
    ["k", "PUT", "3"],
    ["k", "PUT", "4"],
    ["k", "PUT", "5"],
  ]);
  assert.equal((await kv.status()).values, 4);
});

serverTest("a watch shows what is there and then what changes", async ({ nc }) => {
  const kv = await open(nc);
  await kv.put("a", "1");
  await kv.put("b", "1");
  await kv.put("a", "2");
  const watch = await kv.watch();
  const first = await take(watch, 2);
  assert.deepEqual(
    first.map((e) => [e.key, e.string()]),
    [["b", "1"], ["a", "2"]],
  );
  assert.deepEqual(first.map((e) => e.delta), [1, 0]);
  await kv.put("c", "1");
  await kv.delete("a");
  const then = await take(watch, 2);
  assert.deepEqual(
    then.map((e) => [e.key, e.operation, e.isUpdate]),
    [["c", "PUT", true], ["a", "DEL", true]],
  );
  watch.stop();
});

serverTest("a watch of some keys, of all history, or of updates only", async ({ nc }) => {
  const kv = await open(nc, "B", { history: 5 });
  for (const [key, value] of [["a.1", "1"], ["b.1", "1"], ["a.2", "1"], ["a.1", "2"]]) {
    await kv.put(key, value);
  }
  const watches = [
    [{ key: "a.*" }, [["a.2", "1"], ["a.1", "2"], ["a.1", "new"]]],
    [{ key: "a.1", include: "history" }, [["a.1", "1"], ["a.1", "2"], ["a.1", "new"]]],
    [{ key: "a.>", include: "updates" }, [["a.1", "new"]]],
  ];
  const open_watches = [];
  for (const [options] of watches) open_watches.push(await kv.watch(options));
  await kv.put("b.1", "not watched");
  await kv.put("a.1", "new");
  for (const [i, [options, expected]] of watches.entries()) {
    const got = await take(open_watches[i], expected.length);
    assert.deepEqual(got.map((e) => [e.key, e.string()]), expected, JSON.stringify(options));
    open_watches[i].stop();
  }
});

// A value that was replaced before it was handed out may be left out, the last one never.
serverTest("a watch sees updates in order and ends with the last", async ({ nc, connect }) => {
  const kv = await open(nc);
  const watch = await kv.watch({ key: "n" });
  const writer = await new Kvm(await connect()).open("B");
  const writing = (async () => {
    for (let i = 0; i < 1000; i++) await writer.put("n", String(i));
  })();
  const got = [];
  while (got.at(-1) !== 999) got.push(Number((await take(watch, 1, WAIT_MS))[0].string()));
  await writing;
  got.slice(1).forEach((n, i) => assert.ok(n > got[i], `${n} after ${got[i]}`));
  watch.stop();
});

serverTest("a watch goes on after a kill of the server", async ({ nc, server }) => {
  const kv = await open(nc);
  await kv.put("k", "1");
  const watch = await kv.watch();
  assert.equal((await take(watch, 1))[0].string(), "1");
  await server.killAndRestart();
  await kv.put("k", "2");
  const [entry] = await take(watch, 1);
  assert.equal(entry.string(), "2");
  watch.stop();
});

// The position of a reader without acks is logged now and then: behind it deliveries are repeated, with
// sequences that the client knows, so that it starts anew behind what it has.
serverTest("a watch hands out what was put around kills once each and in order", async ({ nc, server }) => {
  const kv = await open(nc, "B", { history: 64 });
  const watch = await kv.watch();
  const got = [];
  (async () => { for await (const entry of watch) got.push(entry.string()); })();
  const put = [];
  for (let kill = 0; kill < 3; kill++) {
    for (let i = 0; i < 5; i++) {
      put.push(`${kill}/${i}`);
      await kv.put("k", put.at(-1));
    }
    if (kill === 1) await sleep(1500); // now the position is in the log
    await eventually("what was put", () => got.length === put.length);
    await server.killAndRestart();
  }
  await kv.put("k", "last");
  await eventually("what was put last", () => got.length === put.length + 1);
  assert.deepEqual(got, [...put, "last"]);
  watch.stop();
});

serverTest("a bucket's values expire by its time to live", async ({ nc }) => {
  const kv = await open(nc, "B", { ttl: 4000 });
  await kv.put("k", "1");
  assert.equal((await kv.get("k")).string(), "1");
  await eventually("the expiry", async () => (await kv.get("k")) === null, WAIT_MS);
});

serverTest("a bucket refuses values over its limit", async ({ nc }) => {
  const kv = await open(nc, "B", { maxValueSize: 100 });
  await kv.put("k", Buffer.alloc(100));
  await refused(10054, kv.put("k", Buffer.alloc(101)));
});

serverTest("two buckets do not see each other", async ({ nc }) => {
  const [one, two] = [await open(nc, "one"), await open(nc, "two")];
  await one.put("k", "1");
  await two.put("k", "2");
  assert.equal((await one.get("k")).string(), "1");
  const names = (await all(new Kvm(nc).list())).map((status) => status.bucket).sort();
  assert.deepEqual(names, ["one", "two"]);
  await one.destroy();
  await assert.rejects(new Kvm(nc).open("one").then((kv) => kv.status()));
  assert.equal((await two.get("k")).string(), "2");
});

serverTest("a bucket survives a kill with values, history and revisions", async ({ nc, server }) => {
  const kv = await open(nc, "B", { history: 3 });
  for (let i = 0; i < 100; i++) await kv.put(`k.${i % 10}`, String(i));
  await kv.delete("k.1");
  const revision = await kv.put("k.2", "last");
  for (let round = 0; round < 3; round++) {
    await server.killAndRestart();
    for (let i = 3; i < 10; i++) {
      assert.equal((await kv.get(`k.${i}`)).string(), String(90 + i));
    }
    assert.equal((await kv.get("k.1")).operation, "DEL");
    assert.equal((await kv.get("k.2")).revision, revision);
    assert.deepEqual(await entries(await kv.history({ key: "k.5" })), [
      ["k.5", "PUT", "75"],
      ["k.5", "PUT", "85"],
      ["k.5", "PUT", "95"],
    ]);
    assert.equal((await all(await kv.keys())).length, 9);
    await refused(10071, kv.update("k.2", "stale", revision - 1));
  }
  assert.equal(await kv.update("k.2", "next", revision), revision + 1);
});

serverTest("every acked put is there after a kill in the middle", async ({ nc, server }) => {
  const kv = await open(nc);
  const acked = new Map();
  let writing = true;
  const writers = [0, 1, 2, 3].map(async (w) => {
    for (let i = 0; writing; i++) {
      const key = `w${w}.${i % 20}`;
      try {
        const revision = await within(WAIT_MS, "an ack", kv.put(key, String(i), { timeout: 1000 }));
        acked.set(key, { revision, value: String(i) });
      } catch {
        acked.delete(key); // it may be there or not
      }
    }
  });
  await eventually("some puts", () => acked.size > 60);
  await sleep(200);
  await server.kill();
  writing = false;
  await within(WAIT_MS, "the writers", Promise.all(writers));
  await server.start();
  assert.ok(acked.size > 50, String(acked.size));
  for (const [key, { revision, value }] of acked) {
    const entry = await kv.get(key);
    assert.deepEqual([entry?.revision, entry?.string()], [revision, value], key);
  }
});
