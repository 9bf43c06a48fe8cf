// Object stores as the client's library makes them on a stream.

import { createHash } from "node:crypto";

import { Objm } from "@nats-io/obj";
import { assert, serverTest, take, within, WAIT_MS } from "./harness.js";

const MIB = 1024 * 1024;

// Bytes that repeat nowhere, so that a swapped or doubled chunk is seen.
function content(size, seed = 1) {
  const bytes = Buffer.alloc(size);
  let x = seed;
  for (let i = 0; i < size; i += 4) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE(x, Math.min(i, size - 4));
  }
  return bytes;
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function read(store, name) {
  const blob = await within(WAIT_MS, `the object ${name}`, store.getBlob(name));
  return blob === null ? null : Buffer.from(blob);
}

serverTest("an object of 3 MiB comes back as it was put", async ({ nc }) => {
  const store = await new Objm(nc).create("O");
  const bytes = content(3 * MIB);
  const info = await within(WAIT_MS, "the put", store.putBlob({ name: "big" }, bytes));
  assert.deepEqual([info.name, info.bucket, info.size], ["big", "O", 3 * MIB]);
  assert.ok(info.chunks >= 3);
  assert.equal(sha256(await read(store, "big")), sha256(bytes));
});

serverTest("objects of every awkward size come back", async ({ nc }) => {
  const store = await new Objm(nc).create("O");
  for (const size of [0, 1, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1]) {
    const bytes = size < 4 ? Buffer.alloc(size, 9) : content(size, size);
    await store.putBlob({ name: `o${size}` }, bytes);
    assert.equal(sha256(await read(store, `o${size}`)), sha256(bytes), String(size));
  }
});

serverTest("an object's description and metadata come back", async ({ nc }) => {
  const store = await new Objm(nc).create("O");
  const meta = { name: "doc", description: "a document", metadata: { kind: "text" } };
  await store.putBlob(meta, Buffer.from("hello"));
  const info = await store.info("doc");
  assert.deepEqual(
    [info.description, info.metadata.kind, info.size, info.deleted],
    ["a document", "text", 5, false],
  );
  assert.equal(await store.info("none"), null);
  assert.equal(await read(store, "none"), null);
});

serverTest("a second put replaces the object and frees the first", async ({ nc }) => {
  const store = await new Objm(nc).create("O");
  await store.putBlob({ name: "o" }, content(2 * MIB, 1));
  const bytes = content(MIB, 2);
  await store.putBlob({ name: "o" }, bytes);
  assert.equal(sha256(await read(store, "o")), sha256(bytes));
  const { size } = await store.status();
  assert.ok(size < 1.2 * MIB, String(size));
});

serverTest("a deleted object is gone, the others stay", async ({ nc }) => {
  const store = await new Objm(nc).create("O");
  await store.putBlob({ name: "a" }, content(300_000, 1));
  await store.putBlob({ name: "b" }, content(300_000, 2));
  await store.delete("a");
  assert.equal(await read(store, "a"), null);
  assert.equal((await store.info("a")).deleted, true);
  assert.equal(sha256(await read(store, "b")), sha256(content(300_000, 2)));
  const listed = (await store.list()).map((info) => info.name);
  assert.deepEqual(listed, ["b"]);
});

serverTest("a watch of a store shows puts and deletes", async ({ nc }) => {
  const store = await new Objm(nc).create("O");
  await store.putBlob({ name: "a" }, Buffer.from("1"));
  const watch = await store.watch({ includeHistory: true });
  const [first] = await take(watch, 1);
  assert.equal(first.name, "a");
  await store.putBlob({ name: "b" }, Buffer.from("2"));
  await store.delete("a");
  const then = await take(watch, 2);
  assert.deepEqual(then.map((i) => [i.name, i.deleted]), [["b", false], ["a", true]]);
  watch.stop();
});

serverTest("an object survives a kill byte for byte", async ({ nc, server }) => {
  const store = await new Objm(nc).create("O");
  const bytes = content(3 * MIB, 42);
  await store.putBlob({ name: "big", description: "kept" }, bytes);
  await store.putBlob({ name: "gone" }, content(100_000));
  await store.delete("gone");
  for (let round = 0; round < 2; round++) {
    await server.killAndRestart();
    assert.equal(sha256(await read(store, "big")), sha256(bytes));
    assert.equal((await store.info("big")).description, "kept");
    assert.equal(await read(store, "gone"), null);
  }
});
