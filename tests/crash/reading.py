"""Reads what a server holds, after a restart, into plain values."""

import asyncio
import base64
import json

from history import Contents, Violation

READ_S = 60


async def info(client, stream):
    answer = await client.api(f"STREAM.INFO.{stream}")
    if "error" in answer:
        raise Violation(f"stream {stream}: {answer['error']['description']}")
    return answer


async def consumer_info(client, stream, consumer):
    answer = await client.api(f"CONSUMER.INFO.{stream}.{consumer}")
    if "error" in answer:
        raise Violation(f"consumer {consumer}: {answer['error']['description']}")
    return answer


async def contents(client, stream):
    """Everything in the stream, through an ordered reader with flow control."""
    state = (await info(client, stream))["state"]
    messages = await read_all(client, stream) if state["messages"] else {}
    return Contents(state["first_seq"], state["last_seq"], state["messages"], messages)


async def read_all(client, stream):
    messages = {}
    finished = asyncio.get_running_loop().create_future()
    inbox = client.deliver + b"read." + stream.encode()

    def arrived(message):
        status = message.status()
        if status == 100:
            if message.reply:
                client.publish(message.reply)
            return
        words = message.reply.split(b".")
        messages[int(words[5])] = (message.subject, message.headers, message.body)
        if words[8] == b"0" and not finished.done():
            finished.set_result(None)

    sid = client.subscribe(inbox, arrived)
    config = {
        "deliver_subject": inbox.decode(),
        "deliver_policy": "all",
        "ack_policy": "none",
        "flow_control": True,
        "idle_heartbeat": 5_000_000_000,
        "mem_storage": True,
        "inactive_threshold": 60_000_000_000,
    }
    body = {"stream_name": stream, "config": config}
    made = await client.api(f"CONSUMER.CREATE.{stream}", body)
    if "error" in made:
        raise Violation(f"stream {stream}: no reader: {made['error']['description']}")
    done, _ = await asyncio.wait({finished, client.closed}, timeout=READ_S, return_when="FIRST_COMPLETED")
    if finished not in done:
        raise Violation(f"stream {stream}: a reader got {len(messages)} messages and then nothing")
    client.unsubscribe(sid)
    await client.api(f"CONSUMER.DELETE.{stream}.{made['name']}")
    return messages


async def check_gets(client, stream, found, sequences):
    """Single gets must find what the reader found."""
    for seq in sequences:
        answer = await client.api(f"STREAM.MSG.GET.{stream}", {"seq": seq})
        content = found.messages.get(seq)
        if "error" in answer:
            if content is not None or answer["error"]["err_code"] != 10037:
                raise Violation(f"stream {stream}: get of {seq}: {json.dumps(answer['error'])}")
            continue
        message = answer["message"]
        got = (
            message["subject"].encode(),
            base64.b64decode(message.get("hdrs", "")),
            base64.b64decode(message.get("data", "")),
        )
        if got != content:
            raise Violation(f"stream {stream}: get of {seq} found\n  {got}\na reader\n  {content}")
