"""One operation on a bucket with nats-py: bucket.py kvput|kvget|kvdel|objput|objget|objdel PORT BUCKET KEY [FILE].
Ends with 3 when there is no such key or object."""

import asyncio
import sys

import nats
from nats.js.api import ObjectMeta, ObjectMetaOptions
from nats.js.errors import BucketNotFoundError, NotFoundError


async def key_value(js, operation, bucket, key, file):
    try:
        store = await js.key_value(bucket)
    except (BucketNotFoundError, NotFoundError):
        store = await js.create_key_value(bucket=bucket, history=5)
    if operation == "kvput":
        with open(file, "rb") as source:
            await store.put(key, source.read())
    elif operation == "kvdel":
        await store.delete(key)
    else:
        entry = await store.get(key)
        with open(file, "wb") as target:
            target.write(entry.value or b"")


async def objects(js, operation, bucket, name, file):
    try:
        store = await js.object_store(bucket)
    except (BucketNotFoundError, NotFoundError):
        store = await js.create_object_store(bucket)
    if operation == "objput":
        with open(file, "rb") as source:
            meta = ObjectMeta(name=name, options=ObjectMetaOptions(max_chunk_size=1000))
            await store.put(name, source.read(), meta=meta)
    elif operation == "objdel":
        await store.delete(name)
    else:
        found = await store.get(name)
        with open(file, "wb") as target:
            target.write(found.data or b"")


async def main(operation, port, bucket, key, file=None):
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    try:
        do = key_value if operation.startswith("kv") else objects
        await do(client.jetstream(), operation, bucket, key, file)
    except NotFoundError:
        return 3
    finally:
        await client.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
