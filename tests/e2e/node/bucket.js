// One operation on a bucket with the JavaScript clients, for tests/e2e/buckets:
//     node bucket.js kvput|kvget|kvdel|objput|objget|objdel PORT BUCKET KEY [FILE]
// Ends with 3 when there is no such key or object.

import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";

import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";

const [operation, port, bucket, key, file] = process.argv.slice(2);
const nc = await connect({ port: Number(port) });
const js = jetstream(nc);
let status = 0;

async function kv() {
  const kv = await new Kvm(js).create(bucket, { history: 5 });
  if (operation === "kvput") await kv.put(key, readFileSync(file));
  if (operation === "kvdel") await kv.delete(key);
  if (operation !== "kvget") return;
  const entry = await kv.get(key);
  if (entry === null || entry.operation !== "PUT") status = 3;
  else writeFileSync(file, entry.value);
}

async function object() {
  const store = await new Objm(js).create(bucket);
  if (operation === "objput")
    await store.put({ name: key, options: { max_chunk_size: 1000 } }, Readable.toWeb(createReadStream(file)));
  if (operation === "objdel") await store.delete(key);
  if (operation !== "objget") return;
  const found = await store.getBlob(key);
  if (found === null) status = 3;
  else writeFileSync(file, found);
}

await (operation.startsWith("kv") ? kv() : object());
await nc.close();
process.exitCode = status;
