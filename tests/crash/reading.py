"""Reads what a server holds, after a restart, into plain values."""

import asyncio
import base64
import json
import time

from history import Contents, Violation

READ_S = 60
SILENCE_S = 5.0  # an ordered reader makes its consumer anew when it hears nothing for so long
LEADER_S = 30


async def ask(client, subject, body=None):
    """Waits out an election."""
    end = time.monotonic() + LEADER_S
    answer = await client.api(subject, body)
    while answer.get("error", {}).get("code") == 503 and time.monotonic() < end:
        await asyncio.sleep(0.1)
        answer = await client.api(subject, body)
    return answer


async def info(client, stream):
    answer = await ask(client, f"STREAM.INFO.{stream}")
    if "error" in answer:
        raise Violation(f"stream {stream}: {answer['error']['description']}")
    return answer


async def consumer_info(client, stream, consumer):
    answer = await ask(client, f"CONSUMER.INFO.{stream}.{consumer}")
    if "error" in answer:
        raise Violation(f"consumer {consumer}: {answer['error']['description']}")
    return answer


async def contents(client, stream):
    """Everything in the stream, through an ordered reader with flow control."""
    state = (await info(client, stream))["state"]
    messages = await read_all(client, stream) if state["messages"] else {}
    return Contents(state["first_seq"], state["last_seq"], state["messages"], messages)


async def read_all(client, stream):
    """As ordered readers do: a consumer without acks lives with the stream's leader, so when it falls
    silent it is made again."""
    end = time.monotonic() + READ_S
    while True:
        messages = await read_once(client, stream)
        if messages is not None:
            return messages
        if client.lost or time.monotonic() > end:
            raise Violation(f"stream {stream}: no reader gets to its end within {READ_S} s")


async def read_once(client, stream):
    """All messages, or None when it fell silent before the last."""
    messages = {}
    heard = time.monotonic()
    finished = asyncio.get_running_loop().create_future()
    inbox = client.deliver + b"read." + stream.encode()

    def arrived(message):
        nonlocal heard
        heard = time.monotonic()
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
        "idle_heartbeat": 1_000_000_000,
        "mem_storage": True,
        "inactive_threshold": 60_000_000_000,
    }
    body = {"stream_name": stream, "config": config}
    made = await client.api(f"CONSUMER.CREATE.{stream}", body)
    if "error" in made and made["error"]["code"] != 503:
        raise Violation(f"stream {stream}: no reader: {made['error']['description']}")
    while not finished.done() and not client.lost and time.monotonic() - heard < SILENCE_S:
        await asyncio.wait({finished, client.closed}, timeout=0.5, return_when="FIRST_COMPLETED")
    client.unsubscribe(sid)
    if not finished.done():
        return None
    await client.api(f"CONSUMER.DELETE.{stream}.{made['name']}")
    return messages


async def check_gets(client, stream, found, sequences):
    """Single gets must find what the reader found."""
    for seq in sequences:
        answer = await ask(client, f"STREAM.MSG.GET.{stream}", {"seq": seq})
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
