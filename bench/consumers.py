#!/usr/bin/env python3
"""What consumers cost when there are many: docs/benchmarks.md, "Many consumers".

    consumers.py [--consumers 10000] [--pending 100000] [--watchers 1000] [--messages 300000]

Measures build/millrace, or the server that $MILLRACE_BIN names.
"""
import argparse
import json
import os
import re
import selectors
import socket
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "e2e", "wire")]

from serverprocess import Server  # noqa: E402
from wire import Requester  # noqa: E402

WINDOW = 500
BUCKET = {"name": "KV_B", "subjects": ["$KV.B.>"], "max_msgs_per_subject": 1, "discard": "new",
          "allow_rollup_hdrs": True, "deny_delete": True, "allow_direct": True}
WATCHER = {"deliver_policy": "last_per_subject", "ack_policy": "none", "max_deliver": 1, "flow_control": True,
           "ack_wait": 79_200_000_000_000, "idle_heartbeat": 5_000_000_000, "mem_storage": True, "num_replicas": 1,
           "filter_subject": "$KV.B.>"}


def anonymous(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1]) * 1024


def bytes_read(server):
    with open(f"/proc/{server.process.pid}/io", encoding="ascii") as file:
        return int(re.search(r"rchar: (\d+)", file.read())[1])


def cpu_s(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def pipelined(client, count, line):
    """Sends `count` requests, a window of them at a time; seconds until all are answered."""
    begun = time.monotonic()
    sent = got = 0
    while got < count:
        batch = b""
        while sent < count and sent - got < WINDOW:
            subject, body = line(sent)
            batch += b"PUB %s answers.p %d\r\n%s\r\n" % (subject, len(body), body)
            sent += 1
        if batch:
            client.send(batch)
        client.message()
        got += 1
    return time.monotonic() - begun


def publish(client, count, subject):
    return pipelined(client, count, lambda i: (subject(i), b"hello"))


def durables(server, client, count):
    def create(i):
        config = {"durable_name": f"c{i}", "filter_subject": f"s.{i % count}", "ack_policy": "explicit"}
        body = json.dumps({"stream_name": "S", "config": config}).encode()
        return b"$JS.API.CONSUMER.CREATE.S.c%d.s.%d" % (i, i % count), body

    def rate():
        return 20_000 / min(publish(client, 20_000, lambda i: b"s.%d" % (i % count)) for _ in range(2))

    client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
    alone = rate()
    client.api("STREAM.PURGE.S")
    pipelined(client, count, lambda i: create(count + i))  # buffers have their size then
    before = anonymous(server)
    seconds = pipelined(client, count, create)
    time.sleep(1)
    print(f"{count} durable consumers with a filter each: {count / seconds:,.0f} created a second, "
          f"{(anonymous(server) - before) / count:,.0f} bytes each; publishing keeps {rate() / alone:.2f} of its rate")


def pending(server, client, count):
    client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
    config = {"durable_name": "c", "ack_policy": "explicit", "max_ack_pending": -1, "ack_wait": 600 * 10**9}
    client.api("CONSUMER.CREATE.S.c", {"stream_name": "S", "config": config})
    publish(client, count, lambda i: b"s.1")

    def take(requests):
        for _ in range(requests):
            client.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.c answers.q 3\r\n500\r\n")
            for _ in range(500):
                client.message()

    take(count // 2000)  # buffers have their size then
    before = anonymous(server)
    take(count // 500 - count // 2000)
    time.sleep(1)
    print(f"{count} pending acks: {(anonymous(server) - before) / (count * 3 // 4):.1f} bytes each")


def needle(server, client, count):
    client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
    publish(client, count, lambda i: b"s.needle.x" if i % 100_000 == 99_999 else b"s.hay.%d" % (i % 1000))
    found = count // 100_000
    config = {"durable_name": "c", "ack_policy": "explicit", "filter_subject": "s.needle.*"}
    client.api("CONSUMER.CREATE.S.c", {"stream_name": "S", "config": config})
    before, begun = bytes_read(server), time.monotonic()
    body = b'{"batch":%d,"expires":1000000000}' % found
    client.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.c answers.q %d\r\n%s\r\n" % (len(body), body))
    for _ in range(found):
        assert client.message()[0] == b"s.needle.x"
    print(f"{found} of {count} messages match a wildcard: {(time.monotonic() - begun) * 1000:.1f} ms, "
          f"{bytes_read(server) - before:,} bytes read")


def puts(server, client, reader, readers):
    """CPU of the server for one put that so many receive."""

    def put(count):
        for _ in range(count):
            client.publish(b"$KV.B.k", b"v" * 100)
            got = 0
            while got < readers:
                _, reply, headers, _ = reader.message()
                if not headers.startswith(b"NATS/1.0 100"):
                    got += 1
                elif reply:
                    reader.send(b"PUB %s 0\r\n\r\n" % reply)

    put(10)
    begun = cpu_s(server)
    put(400)
    return (cpu_s(server) - begun) / 400


def puts_apart(server, client, sockets):
    """The same, where each has a connection of its own."""

    def put(count):
        for _ in range(count):
            client.publish(b"$KV.B.k", b"v" * 100)
            got = 0
            while got < len(sockets.get_map()):
                for key, _ in sockets.select():
                    got += key.fileobj.recv(1 << 16).count(b"MSG $KV")

    put(10)
    begun = cpu_s(server)
    put(100)
    return (cpu_s(server) - begun) / 100


def watchers(count):
    costs = []
    for watching in (False, True):
        with Server() as server, Requester(server.port) as client, Requester(server.port) as reader:
            client.read_s = reader.read_s = 60
            client.api("STREAM.CREATE.KV_B", BUCKET)
            if watching:
                reader.send(b"SUB w.* 7\r\n")
                for i in range(count):
                    client.api("CONSUMER.CREATE.KV_B",
                               {"stream_name": "KV_B", "config": {**WATCHER, "deliver_subject": f"w.{i}"}})
            else:
                reader.send(b"".join(b"SUB $KV.B.> %d\r\n" % (i + 10) for i in range(count)))
                reader.flush()
            costs.append(puts(server, client, reader, count))
    print(f"a put with {count} watchers: {costs[1] * 1e6:,.0f} us of CPU, {costs[1] / costs[0]:.1f} times that with "
          "as many plain subscriptions")


def apart(count):
    costs = []
    for watching in (False, True):
        with Server() as server, Requester(server.port) as client, selectors.DefaultSelector() as sockets:
            client.read_s = 60
            client.api("STREAM.CREATE.KV_B", BUCKET)
            for i in range(count):
                receiver = socket.create_connection(("127.0.0.1", server.port))
                subject = b"w.%d" % i if watching else b"$KV.B.>"
                receiver.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB %s 7\r\nPING\r\n' % subject)
                said = b""
                while b"PONG" not in said:
                    said += receiver.recv(1 << 16)
                sockets.register(receiver, selectors.EVENT_READ)
                if watching:
                    config = {**WATCHER, "flow_control": False, "idle_heartbeat": 0, "deliver_subject": f"w.{i}"}
                    client.api("CONSUMER.CREATE.KV_B", {"stream_name": "KV_B", "config": config})
            costs.append(puts_apart(server, client, sockets))
            for key in list(sockets.get_map().values()):
                key.fileobj.close()
    print(f"each on a connection of its own: {costs[1] * 1e6:,.0f} us of CPU, {costs[1] / costs[0]:.1f} times that with "
          "as many plain subscriptions")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--consumers", type=int, default=10_000)
    parser.add_argument("--pending", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--watchers", type=int, default=1_000)
    args = parser.parse_args()
    for measure, count in ((durables, args.consumers), (pending, args.pending), (needle, args.messages)):
        with Server() as server, Requester(server.port) as client:
            client.read_s = 60
            measure(server, client, count)
    watchers(args.watchers)
    apart(args.watchers)


if __name__ == "__main__":
    main()
