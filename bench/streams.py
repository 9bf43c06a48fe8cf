#!/usr/bin/env python3
"""What streams and their features cost, beside a nats-server: docs/benchmarks.md, "Features of streams".

    streams.py [--nats-server PATH] [--rounds 3] [mode...]

Modes: create (1,000 streams), created3 (on three nodes, of three replicas), batch (atomic, 1,000 messages each), expected
(publish with an expected sequence of its subject, window 1,000), mirrors (a publisher beside ten mirrors of its stream),
purge (a filter that takes a million messages, beside others' publishes). Measures build/millrace, or $MILLRACE_BIN.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "e2e", "wire")]

import serverprocess  # noqa: E402
from consumers import cpu_s, pipelined  # noqa: E402
from wire import Connection, Requester  # noqa: E402

MESSAGE = b"x" * 128
WINDOW = 1000
PIECE = 100  # publishes in one send


class Other(serverprocess.Server):
    """The server beside which ours is measured."""

    program = None

    def command(self):
        return [self.program, *super().command()[1:]]


def headed(subject, reply, headers, body=MESSAGE):
    head = b"NATS/1.0\r\n" + b"".join(line + b"\r\n" for line in headers) + b"\r\n"
    return b"HPUB %s %s %d %d\r\n%s%s\r\n" % (subject, reply, len(head), len(head) + len(body), head, body)


def plain(subject, reply=b"acks.p", body=MESSAGE):
    return b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(body), body)


class Publisher:
    """Sends prepared publishes, a window of them ahead; what comes back is only counted."""

    ACK = b'"seq":'

    def __init__(self, port, inbox=b"acks"):
        self.tail = b""
        self.connection = Connection(port)
        self.connection.connect(headers=True, no_responders=True)
        self.connection.send(b"SUB %s.* 1\r\n" % inbox)
        self.connection.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.__exit__()

    def acks(self):
        """How many more have come."""
        self.connection.socket.settimeout(60)
        data = self.tail + self.connection.socket.recv(1 << 20)
        if b'"error"' in data or b"-ERR" in data:
            raise AssertionError(data[:500])
        if b"PING\r\n" in data[-40:]:
            self.connection.send(b"PONG\r\n")
        self.tail = data[-len(self.ACK) + 1 :]  # one may come in two parts
        return data.count(self.ACK)

    def run(self, publishes, window=WINDOW, piece=PIECE):
        """Seconds until all are acknowledged."""
        parts = [b"".join(publishes[i : i + piece]) for i in range(0, len(publishes), piece)]
        sent = got = 0
        begun = time.monotonic()
        while got < len(publishes):
            while parts and sent - got + piece <= window:
                self.connection.socket.sendall(parts.pop(0))
                sent = min(sent + piece, len(publishes))
            got += self.acks()
        return time.monotonic() - begun


def create(server):
    def line(i):
        return b"$JS.API.STREAM.CREATE.S%d" % i, b'{"name":"S%d","subjects":["s%d.>"]}' % (i, i)

    with Requester(server.port) as client:
        begun = cpu_s(server)
        seconds = pipelined(client, 1000, line)
        yield "streams created a second", 1000 / seconds
        yield "CPU ms a stream", cpu_s(server) - begun


def batch(server):
    with Requester(server.port) as client:
        client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "allow_atomic": True})
    batches = 60
    one = []
    for n in range(batches):
        lines = [b"Nats-Batch-Id: b%d" % n]
        publishes = [headed(b"s.a", b"-", [*lines, b"Nats-Batch-Sequence: %d" % i]) for i in range(1, 1000)]
        publishes = [publish.replace(b" - ", b" ", 1) for publish in publishes]
        publishes.append(headed(b"s.a", b"acks.p", [*lines, b"Nats-Batch-Sequence: 1000", b"Nats-Batch-Commit: 1"]))
        one.append(b"".join(publishes))
    with Publisher(server.port) as publisher:
        begun = cpu_s(server)
        seconds = publisher.run(one, window=2, piece=1)
        yield "messages a second", batches * 1000 / seconds
        yield "CPU us a message", (cpu_s(server) - begun) * 1e6 / (batches * 1000)


def expected(server):
    count = 100_000
    with Requester(server.port) as client:
        client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
    condition = [b"Nats-Expected-Last-Subject-Sequence: 0"]
    publishes = [headed(b"s.%d" % i, b"acks.p", condition) for i in range(count)]
    with Publisher(server.port) as publisher:
        begun = cpu_s(server)
        seconds = publisher.run(publishes)
        yield "messages a second", count / seconds
        yield "CPU us a message", (cpu_s(server) - begun) * 1e6 / count


def mirrors(server):
    count = 100_000
    publishes = [plain(b"s.%d" % (i % 100)) for i in range(count)]
    with Requester(server.port) as client, Publisher(server.port) as publisher:
        client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
        alone = min(publisher.run(publishes) for _ in range(2))
        client.api("STREAM.PURGE.S")
        for i in range(10):
            client.api(f"STREAM.CREATE.M{i}", {"name": f"M{i}", "mirror": {"name": "S"}})
        time.sleep(1)
        beside = min(publisher.run(publishes) for _ in range(2))
        yield "publisher keeps", alone / beside
        yield "messages a second", count / beside


def latencies(publisher, seconds):
    """Of single publishes, one after the other, in ms."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found.append(publisher.run([plain(b"o", b"other.p")], window=1, piece=1) * 1000)
    return found


def p99(values):
    return sorted(values)[int(len(values) * 0.99)]


def purge(server):
    count = 1_000_000
    with Requester(server.port) as client, Publisher(server.port) as publisher, Publisher(server.port, b"other") as other:
        client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
        client.api("STREAM.CREATE.O", {"name": "O", "subjects": ["o"]})
        for at in range(0, count * 2, 200_000):
            publisher.run([plain(b"s.%s.%d" % (b"ab"[i % 2 : i % 2 + 1], i % 1000), body=b"x") for i in range(at, at + 200_000)],
                          window=10_000, piece=500)
        before = p99(latencies(other, 3))
        client.send(b"PUB $JS.API.STREAM.PURGE.S answers.9 18\r\n{\"filter\":\"s.a.>\"}\r\n")
        begun = time.monotonic()
        during = latencies(other, 3)
        client.read_s = 60
        _, _, _, data = client.message()
        assert json.loads(data)["purged"] == count, data
        yield "p99 of others, times that before", p99(during) / before
        yield "p99 before, ms", before
        yield "longest, ms", max(during)
        yield "seconds at most", time.monotonic() - begun


def created3(program):
    """On three nodes; the reference's, too."""
    routes = [f"nats://127.0.0.1:{serverprocess.free_port()}" for _ in range(3)]
    nodes = []
    for i in range(3):
        node = program(["--server_name", f"n{i}", "--cluster_name", "C", "--cluster", routes[i], "--routes", ",".join(routes)])
        nodes.append(node)
        node.spawn()
    try:
        for node in nodes:
            node.wait_ready()
        time.sleep(8)
        with Requester(nodes[0].port) as client:
            client.read_s = 120

            def line(i):
                body = b'{"name":"S%d","subjects":["s%d.>"],"num_replicas":3}' % (i, i)
                return b"$JS.API.STREAM.CREATE.S%d" % i, body

            yield "streams created a second", 300 / pipelined(client, 300, line)
    finally:
        for node in nodes:
            node.__exit__()


MODES = {"create": create, "created3": created3, "batch": batch, "expected": expected, "mirrors": mirrors, "purge": purge}


def measure(mode, program):
    if mode == "created3":
        return dict(created3(program))
    with program() as server:
        return dict(MODES[mode](server))


def add_programs(parser):
    parser.add_argument("--nats-server", default=os.environ.get("NATS_SERVER") or shutil.which("nats-server"))


def programs_of(arguments):
    """What is measured, by its name."""
    if not arguments.nats_server:
        return {"millrace": serverprocess.Server}
    Other.program = arguments.nats_server
    return {"millrace": serverprocess.Server, "nats-server": Other}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_programs(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("mode", nargs="*", help="of: " + ", ".join(MODES))
    arguments = parser.parse_args()
    programs = programs_of(arguments)
    print("| mode | figure | millrace | nats-server | ours/theirs |\n|---|---|--:|--:|--:|")
    for mode in arguments.mode or MODES:
        rounds = [{name: measure(mode, program) for name, program in programs.items()} for _ in range(arguments.rounds)]
        for figure in rounds[0]["millrace"]:
            ours = statistics.median(one["millrace"][figure] for one in rounds)
            if len(programs) == 1:
                print(f"| {mode} | {figure} | {ours:,.2f} | | |", flush=True)
                continue
            theirs = statistics.median(one["nats-server"][figure] for one in rounds)
            ratio = statistics.median(one["millrace"][figure] / max(one["nats-server"][figure], 1e-9) for one in rounds)
            print(f"| {mode} | {figure} | {ours:,.2f} | {theirs:,.2f} | {ratio:.2f}x |", flush=True)


if __name__ == "__main__":
    main()
