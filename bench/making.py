#!/usr/bin/env python3
"""What making and deleting streams and consumers costs, beside a nats-server: docs/benchmarks.md, "Making and deleting".

    making.py [--nats-server PATH] [--rounds 3] [--count 300] [--replicas 1] [--clients 50] [what...]

What: streams, durables (of one stream). Each is made and deleted by one client, one after the other, and by many clients
at once, each of which waits for its own. With --replicas 3 on three nodes. Measures build/millrace, or $MILLRACE_BIN.
"""
import argparse
import contextlib
import os
import selectors
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "e2e", "wire")]

import serverprocess  # noqa: E402
from streams import add_programs, programs_of  # noqa: E402
from wire import Requester  # noqa: E402


class Asker:
    """A client of many that ask at the same time."""

    def __init__(self, port, name):
        self.requester = Requester(port, b"i%d" % name)
        self.socket = self.requester.socket

    def ask(self, subject, body):
        self.socket.sendall(b"PUB %s %s.x %d\r\n%s\r\n" % (subject, self.requester.inbox, len(body), body))

    def told(self):
        data = self.requester.message()[3]
        if b'"error"' in data or not data:
            raise AssertionError(data)


def one_by_one(asker, requests):
    """Milliseconds of each."""
    took = []
    for subject, body in requests:
        begun = time.monotonic()
        asker.ask(subject, body)
        asker.told()
        took.append((time.monotonic() - begun) * 1000)
    return took


def at_once(askers, requests):
    """Seconds until all are answered."""
    left = list(reversed(requests))
    waiting = 0
    with selectors.DefaultSelector() as selector:
        for asker in askers:
            selector.register(asker.socket, selectors.EVENT_READ, asker)
        begun = time.monotonic()
        for asker in askers[: len(left)]:
            asker.ask(*left.pop())
            waiting += 1
        while waiting:
            for key, _ in selector.select():
                key.data.told()
                waiting -= 1
                if left:
                    key.data.ask(*left.pop())
                    waiting += 1
                else:
                    selector.unregister(key.fileobj)
        return time.monotonic() - begun


def streams(count, replicas):
    """Requests that make, and that delete."""
    body = b'{"name":"S%d","subjects":["s%d.>"],"num_replicas":%d}'
    return ([(b"$JS.API.STREAM.CREATE.S%d" % i, body % (i, i, replicas)) for i in range(count)],
            [(b"$JS.API.STREAM.DELETE.S%d" % i, b"") for i in range(count)])


def durables(count, _):
    body = b'{"stream_name":"D","config":{"durable_name":"c%d","ack_policy":"explicit"}}'
    return ([(b"$JS.API.CONSUMER.CREATE.D.c%d" % i, body % i) for i in range(count)],
            [(b"$JS.API.CONSUMER.DELETE.D.c%d" % i, b"") for i in range(count)])


WHAT = {"streams": streams, "durables": durables}


def measure(port, what, arguments):
    makes, deletes = WHAT[what](arguments.count, arguments.replicas)
    askers = [Asker(port, i) for i in range(arguments.clients)]
    if what == "durables":
        askers[0].ask(b"$JS.API.STREAM.CREATE.D", b'{"name":"D","subjects":["d"],"num_replicas":%d}' % arguments.replicas)
        askers[0].told()
    for name, requests in (("made", makes), ("deleted", deletes)):
        took = one_by_one(askers[0], requests)
        yield f"{what} {name} one by one, ms each", statistics.mean(took)
        yield f"{what} {name} one by one, median ms", statistics.median(took)
    for name, requests in (("made", makes), ("deleted", deletes)):
        yield f"{what} {name} by {arguments.clients} clients, ms each", at_once(askers, requests) * 1000 / len(requests)
    for asker in askers:
        asker.socket.close()


@contextlib.contextmanager
def servers(program, replicas):
    """The port of one."""
    if replicas == 1:
        with program() as server:
            yield server.port
        return
    routes = [f"nats://127.0.0.1:{serverprocess.free_port()}" for _ in range(3)]
    nodes = [program(["--server_name", f"n{i}", "--cluster_name", "C", "--cluster", routes[i], "--routes", ",".join(routes)])
             for i in range(3)]
    for node in nodes:
        node.spawn()
    try:
        for node in nodes:
            node.wait_ready()
        time.sleep(8)
        yield nodes[0].port
    finally:
        for node in nodes:
            node.__exit__()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_programs(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("what", nargs="*", help="of: " + ", ".join(WHAT))
    arguments = parser.parse_args()
    programs = programs_of(arguments)
    print("| figure | millrace | nats-server | ours/theirs |\n|---|--:|--:|--:|")
    for what in arguments.what or WHAT:
        rounds = []
        for _ in range(arguments.rounds):
            found = {}
            for name, program in programs.items():
                with servers(program, arguments.replicas) as port:
                    found[name] = dict(measure(port, what, arguments))
            rounds.append(found)
        for figure in rounds[0]["millrace"]:
            ours = statistics.median(one["millrace"][figure] for one in rounds)
            line = f"| {figure} | {ours:,.2f} |"
            if len(programs) > 1:
                theirs = statistics.median(one["nats-server"][figure] for one in rounds)
                ratio = statistics.median(one["millrace"][figure] / one["nats-server"][figure] for one in rounds)
                line += f" {theirs:,.2f} | {ratio:.2f}x |"
            print(line, flush=True)


if __name__ == "__main__":
    main()
