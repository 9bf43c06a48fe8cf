#!/usr/bin/env python3
"""What many subjects cost the whole server: docs/index.md.

    subjects.py [--messages 10000000] [--subjects 1000000] [--keep N] [--cache SIZE] [--no-starts]

One client publishes messages of 100 bytes on subjects in random order, a window of 1,000 ahead (--keep: the stream keeps
the newest N of each; --cache: index_cache, as the configuration file has it). Then: the anonymous memory of the server at rest and at most, its CPU a message, what it wrote,
what a start costs after a clean stop and after SIGKILL, and the CPU of a publish on one subject, on those that are
there, on new ones, and of asking for the last message of one.
Measures build/millrace, or $MILLRACE_BIN.
"""
import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "e2e", "wire")]

import serverprocess  # noqa: E402
from consumers import cpu_s  # noqa: E402
from streams import Publisher  # noqa: E402
from wire import Requester  # noqa: E402

BODY = b"x" * 100
WINDOW = 1000
REST_S = 12  # a state block may be under way
STATE_S = 120


def anonymous_mib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) / 1024
    raise AssertionError("the system does not say")


def written_bytes(server):
    """What files without a name had for a moment, and never went to the disk, is not counted."""
    with open(f"/proc/{server.process.pid}/io", encoding="ascii") as file:
        counted = dict(line.split(": ") for line in file)
    return int(counted["write_bytes"]) - int(counted["cancelled_write_bytes"])


class Highest:
    """The most anonymous memory seen, looked at 50 times a second."""

    def __init__(self, server):
        self.server = server
        self.mib = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.stop.wait(0.02):
            try:
                self.mib = max(self.mib, anonymous_mib(self.server))
            except (OSError, AssertionError, AttributeError):
                continue  # it ends, or starts

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Asker(Publisher):
    ACK = b"HMSG "  # some subjects may have no message: that is an answer, too


def published(subject):
    return b"PUB s.%012d acks.p 100\r\n%s\r\n" % (subject, BODY)


def asked(subject):
    return b"PUB $JS.API.DIRECT.GET.S.s.%012d acks.p 0\r\n\r\n" % subject


def run(publisher, count, line, window=WINDOW):
    """Seconds until all are answered; `line` says what the next one is."""
    piece = window // 10
    sent = got = 0
    begun = time.monotonic()
    while got < count:
        while sent < count and sent - got + piece <= window:
            publisher.connection.socket.sendall(b"".join(line() for _ in range(piece)))
            sent += piece
        got += publisher.acks()
    return time.monotonic() - begun


def one_case(server, publisher, name, count, line, window=WINDOW):
    begun = cpu_s(server)
    seconds = run(publisher, count, line, window)
    cpu = (cpu_s(server) - begun) * 1e6 / count
    print(f"{name:32} {cpu:6.2f} us of CPU a message, {count / seconds:9,.0f} a second")


def started(server, sig, expected):
    if sig == signal.SIGTERM:
        server.end(sig)
    else:
        server.kill()
    with Highest(server) as highest:
        begun = time.monotonic()
        server.spawn()
        server.wait_ready()
        state = None
        while state is None:
            with Requester(server.port) as client:
                state = client.api("STREAM.INFO.S", "").get("state")
        seconds = time.monotonic() - begun
        assert state["messages"] == expected, state
        cpu = cpu_s(server)
        time.sleep(REST_S)
    print(f"start after {sig.name:20} {cpu:6.2f} s of CPU, {seconds:.2f} s, at most {highest.mib:.0f} MiB, "
          f"then {anonymous_mib(server):.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument("--keep", type=int, default=-1)
    parser.add_argument("--cache", default="")
    parser.add_argument("--no-starts", action="store_true")
    options = parser.parse_args()
    chance = random.Random(1)

    def draw():
        return int(chance.random() * options.subjects)

    serverprocess.START_S = serverprocess.STOP_S = STATE_S

    config = tempfile.NamedTemporaryFile("w", suffix=".conf")
    config.write(f"jetstream {{ index_cache: {options.cache} }}\n" if options.cache else "# defaults\n")
    config.flush()
    arguments = ["-c", config.name]
    with config, serverprocess.Server(arguments, prefix="millrace-bench-") as server, Highest(server) as highest:
        with Requester(server.port) as client:
            client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs_per_subject": options.keep,
                                           "allow_direct": True})
        with Publisher(server.port) as publisher:
            one_case(server, publisher, "random subjects", options.messages, lambda: published(draw()))
            time.sleep(REST_S)
            print(f"{'anonymous memory':32} {anonymous_mib(server):6.1f} MiB at rest, {highest.mib:.1f} at most")
            print(f"{'written':32} {written_bytes(server) / options.messages:6.1f} bytes a message")
            few = min(options.messages, 500_000) // WINDOW * WINDOW
            one_case(server, publisher, "one subject", few, lambda: published(0))
            one_case(server, publisher, "random subjects again", few, lambda: published(draw()))
            new = iter(range(10**9, 10**10))
            one_case(server, publisher, "new subjects", few, lambda: published(next(new)))
        with Asker(server.port) as asker:
            one_case(server, asker, "last of a subject, window 100", few, lambda: asked(draw()), 100)
        with Requester(server.port) as client:
            messages = client.api("STREAM.INFO.S", "")["state"]["messages"]
        if not options.no_starts:
            started(server, signal.SIGTERM, messages)
            started(server, signal.SIGKILL, messages)


if __name__ == "__main__":
    main()
