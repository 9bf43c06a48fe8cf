#!/usr/bin/env python3
"""What storing costs and how soon it is there again, beside a nats-server: docs/benchmarks.md, "Storage".

    store.py [--nats-server PATH] [--scale 1.0] [mode...]

Modes: restart (100 streams, 4 GiB), written (bytes to the disk for a byte of message), many (1,000 streams, each ten messages a
second), keys (the last message of a million keys), events (one subject's thousand among ten million), queue (a work queue
that is acknowledged in random order), cold (publishing beside ten replays from the disk).
`--scale` makes all of it smaller. Measures build/millrace, or $MILLRACE_BIN. Needs 25 GiB of disk at scale 1.
"""
import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import time

import replays
import streams
from consumers import anonymous, cpu_s
from streams import Publisher, latencies, p99, plain
from wire import Requester

import serverprocess

PIECES = 20_000  # publishes prepared at a time


def io_of(server):
    with open(f"/proc/{server.process.pid}/io", encoding="ascii") as file:
        return {line.split(":")[0]: int(line.split(":")[1]) for line in file}


def bytes_to_disk(server):
    """What the system counts as written, less what was taken back before it went to the disk (proc(5))."""
    counted = io_of(server)
    return counted["write_bytes"] - counted["cancelled_write_bytes"]


def publish(publisher, count, line, window=1000, piece=100):
    """Publishes line(0), line(1)... each acknowledged; seconds."""
    seconds = 0.0
    for at in range(0, count, PIECES):
        lines = [line(i) for i in range(at, min(at + PIECES, count))]
        seconds += publisher.run(lines, window, min(piece, window))
    return seconds


def until_quiet(server, longest_s=60):
    """Waits until the server has written nothing for two seconds."""
    end, before, since = time.monotonic() + longest_s, -1, time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < 2:
        now = io_of(server)["write_bytes"]
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.2)


def disk_bytes(directory):
    """Without what is there of every server: a journal and a reserve, both of fixed size."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            if "journal" in folder or name == "reserve":
                continue
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


# --- restart


def first_answer(server, stream):
    """Seconds from the start of the program to the description of a stream."""
    begun = time.monotonic()
    server.spawn()
    while time.monotonic() - begun < 600:
        try:
            with Requester(server.port) as client:
                client.read_s = 5
                found = client.api(f"STREAM.INFO.{stream}")
                if "state" in found:
                    return time.monotonic() - begun, found["state"]["messages"]
        except (OSError, AssertionError, ValueError, serverprocess.StartError):
            pass
        except Exception as error:  # a silent server: wire.Timeout
            if type(error).__name__ != "Timeout":
                raise
        time.sleep(0.002)
    raise AssertionError("no answer within ten minutes")


def restart(server, scale):
    """After a clean stop with nothing left to write, and after SIGKILL right behind the last acknowledgement."""
    size, streams_count, published = 4096, 100, 0
    body = random.Random(1).randbytes(size)

    def more(upto):
        nonlocal published
        with Publisher(server.port) as publisher:
            publish(publisher, upto - published, lambda i: plain(b"s%d.a" % (i % streams_count), body=body))
        published = upto

    with Requester(server.port) as client:
        for i in range(streams_count):
            client.api(f"STREAM.CREATE.S{i}", {"name": f"S{i}", "subjects": [f"s{i}.>"]})
    for gib in (1, 2, 4):
        count = int(gib * 1024**3 * scale) // size // streams_count * streams_count
        more(count)
        until_quiet(server)
        for how, sig in (("a clean stop", signal.SIGTERM), ("SIGKILL", signal.SIGKILL)):
            if sig == signal.SIGKILL:
                more(count + 100 * streams_count)
            server.end(sig)
            seconds, messages = first_answer(server, "S50")
            cpu = cpu_s(server)
            assert messages == published // streams_count, messages
            yield f"{gib * scale:.1f} GiB: first answer after {how}, ms", seconds * 1000
            yield f"{gib * scale:.1f} GiB: CPU of the start after {how}, ms", cpu * 1000


# --- bytes written


def written(server, scale):
    numbers = random.Random(2)
    with Requester(server.port) as client:
        for name in "ABC":
            client.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"{name}.>"]})
    with Publisher(server.port) as publisher:

        def measure(count, size, line, window, syncs=0):
            until_quiet(server)
            before = bytes_to_disk(server)
            publish(publisher, count, line, window)
            until_quiet(server)
            return (bytes_to_disk(server) - before - syncs * 4096) / (count * size)

        body = numbers.randbytes(1024)
        yield "1 KiB, window 1,000", measure(int(1_000_000 * scale), 1024 + 3, lambda i: plain(b"A.a", body=body), 1000)
        count = int(4000 * scale)
        yield "1 KiB, one in flight, less 4 KiB each", measure(count, 1024 + 3, lambda i: plain(b"B.b", body=body), 1, count)
        short = body[:128]
        yield "128 B, a million random subjects", measure(
            int(2_000_000 * scale), 128 + 9, lambda i: plain(b"C.%07d" % numbers.randrange(1_000_000), body=short), 1000)


# --- many streams


def many(server, scale):
    streams_count, seconds = 1000, 10
    with Requester(server.port) as client:
        client.api("STREAM.CREATE.ONE", {"name": "ONE", "subjects": ["one"]})
        for i in range(streams_count):
            client.api(f"STREAM.CREATE.S{i}", {"name": f"S{i}", "subjects": [f"s{i}"]})
    lines = [plain(b"s%d" % i) for i in range(streams_count)]
    with Publisher(server.port) as publisher:
        single = int(3000 * scale) + 100
        before = cpu_s(server)
        publisher.run([plain(b"one")] * single, 1, 1)
        alone = (cpu_s(server) - before) / single
        before, begun, sent, got = cpu_s(server), time.monotonic(), 0, 0
        while sent < streams_count * 10 * seconds:
            due = min(int((time.monotonic() - begun) * streams_count * 10), streams_count * 10 * seconds)
            if due > sent:
                publisher.connection.socket.sendall(b"".join(lines[i % streams_count] for i in range(sent, due)))
                sent = due
            while got < sent - 2000:
                got += publisher.acks()
            time.sleep(0.002)
        while got < sent:
            got += publisher.acks()
        each = (cpu_s(server) - before) / sent
    yield "CPU us a message, one in flight", alone * 1e6
    yield "CPU us a message, 10,000 a second over 1,000 streams", each * 1e6
    yield "the second, times the first", each / alone


# --- keys


class Getter(Publisher):
    ACK = b"Nats-Sequence: "


def keys(server, scale):
    count = int(1_000_000 * scale)
    numbers = random.Random(3)
    with Requester(server.port) as client:
        client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "allow_direct": True, "max_msgs_per_subject": 1})
    with Publisher(server.port) as publisher:
        one = count / publish(publisher, count, lambda i: plain(b"s.one"))
        unique = count / publish(publisher, count, lambda i: plain(b"s.%07d" % i))
    yield "publishing, one subject, a second", one
    yield "publishing, each its own, a second", unique
    yield "the second, times the first", unique / one
    yield "anonymous memory then, MiB", anonymous(server) / 2**20
    with Getter(server.port) as getter:
        gets, before = int(300_000 * scale), cpu_s(server)
        line = b"PUB $JS.API.DIRECT.GET.S.s.%07d acks.p 0\r\n\r\n"
        seconds = publish(getter, gets, lambda i: line % numbers.randrange(count), 100, 50)
        yield "last message by key, window 100: CPU us each", (cpu_s(server) - before) / gets * 1e6
        yield "last message by key, window 100: us each", seconds / gets * 1e6


# --- one aggregate's events


def events(server, scale):
    count, each = int(10_000_000 * scale), 1000
    aggregates = count // each
    with Requester(server.port) as client:
        client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
        with Publisher(server.port) as publisher:
            seconds = publish(publisher, count, lambda i: plain(b"s.%06d" % (i * 7919 % aggregates), body=b"x" * 100))
        yield "published a second", count / seconds
        until_quiet(server)
        yield "anonymous memory, MiB", anonymous(server) / 2**20
        replays.evict(server.directory, durable=True)
        before, begun, cpu = io_of(server), time.monotonic(), cpu_s(server)
        config = {"durable_name": "c", "ack_policy": "none", "filter_subject": "s.000007"}
        client.api("CONSUMER.CREATE.S.c", {"stream_name": "S", "config": config})
        client.read_s = 60
        client.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.c answers.q 4\r\n%d\r\n" % each)
        got = 0
        while got < each:
            subject, _, _, _ = client.message()
            got += subject == b"s.000007"
        yield "seconds for one subject's thousand, cold", time.monotonic() - begun
        yield "CPU ms", (cpu_s(server) - cpu) * 1000
        after = io_of(server)
        yield "reads", after["syscr"] - before["syscr"]
        yield "MiB read by calls", (after["rchar"] - before["rchar"]) / 2**20
        yield "MiB from the disk", (after["read_bytes"] - before["read_bytes"]) / 2**20


# --- a queue


def queue(server, scale):
    count, size = int(1_000_000 * scale), 1024
    body = random.Random(4).randbytes(size)
    with Requester(server.port) as client, Publisher(server.port) as publisher:
        client.api("STREAM.CREATE.Q", {"name": "Q", "subjects": ["q.>"], "retention": "workqueue"})
        client.api("CONSUMER.CREATE.Q.w", {"stream_name": "Q", "config": {
            "durable_name": "w", "ack_policy": "explicit", "max_ack_pending": -1, "ack_wait": 3600 * 10**9}})
        publish(publisher, count, lambda i: plain(b"q.a", body=body))
        replies = []
        client.read_s = 60
        while len(replies) < count:
            client.send(b'PUB $JS.API.CONSUMER.MSG.NEXT.Q.w answers.q 29\r\n{"batch":1000,"no_wait":true}\r\n')
            got = 0
            while got < 1000 and len(replies) < count:
                _, reply, headers, _ = client.message()
                if headers.startswith(b"NATS/1.0 4"):
                    break
                replies.append(reply)
                got += 1
        random.Random(5).shuffle(replies)
        begun_bytes = io_of(server)["write_bytes"]
        for share in (0.5, 0.9, 0.99):
            upto = int(count * share)
            done = count - len(replies)
            part, replies = replies[: upto - done], replies[upto - done :]
            for at in range(0, len(part), 500):
                client.send(b"".join(b"PUB %s 0\r\n\r\n" % reply for reply in part[at : at + 500]))
                client.flush()
            live = (count - upto) * (size + 60)
            begun, least = time.monotonic(), None
            while time.monotonic() - begun < 60:
                least = disk_bytes(server.directory)
                if least < live * 1.1:
                    break
                time.sleep(0.5)
            yield f"{share:.0%} acked: disk, times what lives, within a minute", least / live
            yield f"{share:.0%} acked: seconds to that", time.monotonic() - begun
        yield "bytes written meanwhile, times the whole", (io_of(server)["write_bytes"] - begun_bytes) / (count * size)


# --- cold replays


SECONDS_BESIDE = 5


def cold(server, scale):
    count, size = int(2 * 1024**3 * scale) // 4096, 4096
    body = random.Random(6).randbytes(size)
    with Requester(server.port) as client, Publisher(server.port) as publisher, Publisher(server.port, b"other") as other:
        client.api("STREAM.CREATE.C", {"name": "C", "subjects": ["C.>"]})
        client.api("STREAM.CREATE.O", {"name": "O", "subjects": ["o"]})
        publish(publisher, count, lambda i: plain(b"C.a", body=body))
        until_quiet(server)
        replays.evict(server.directory, durable=True)
        before = latencies(other, SECONDS_BESIDE)
        command = [sys.executable, replays.__file__, str(server.port), "C", str(count), server.directory]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "begun\n"
            read = io_of(server)["read_bytes"]
            during = latencies(other, SECONDS_BESIDE)
            read = io_of(server)["read_bytes"] - read
            total, least = process.communicate()[0].split()
        yield "publishes alone: p50, ms", statistics.median(before)
        yield "publishes alone: p99, ms", p99(before)
        yield "beside ten replays: p50, ms", statistics.median(during)
        yield "beside ten replays: p99, ms", p99(during)
        yield "p99 beside ten replays, times that alone", p99(during) / p99(before)
        yield "replayed meanwhile, MiB a second", int(total) / 2**20 / SECONDS_BESIDE
        yield "by the slowest of ten, MiB a second", int(least) / 2**20 / SECONDS_BESIDE
        yield "from the disk, MiB a second", read / 2**20 / SECONDS_BESIDE


MODES = {"restart": restart, "written": written, "many": many, "keys": keys, "events": events, "queue": queue, "cold": cold}


def measure(mode, program, scale):
    with program() as server:
        return dict(MODES[mode](server, scale))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    streams.add_programs(parser)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("mode", nargs="*", help="of: " + ", ".join(MODES))
    arguments = parser.parse_args()
    programs = streams.programs_of(arguments)
    print("| mode | figure | " + " | ".join(programs) + " |\n|---|---|" + "--:|" * len(programs), flush=True)
    for mode in arguments.mode or MODES:
        found = {name: measure(mode, program, arguments.scale) for name, program in programs.items()}
        for figure in found["millrace"]:
            values = (found[name].get(figure) for name in programs)
            print(f"| {mode} | {figure} | " + " | ".join("" if v is None else f"{v:,.3g}" if v < 100 else f"{v:,.0f}" for v in values) + " |", flush=True)


if __name__ == "__main__":
    main()
