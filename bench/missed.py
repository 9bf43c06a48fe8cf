#!/usr/bin/env python3
"""How fast a node is back that missed a part of a stream, and what publishers feel of it.

    missed.py [--build DIR] [--nats-server PATH] [--mib N] [--size N] [--seconds S]

A cluster of three has a stream of three replicas. One that does not lead it is killed, N MiB are
published, and it is started again while a client goes on publishing as fast as it is let. It is
back when what it has, by its own monitoring, is what it will have in the next moment. Its speed is N MiB by that time, and stands
beside that of a plain copy of those files on the same disk, synced, a moment before; the
publishers' rate meanwhile stands beside their rate with all three level, just after (and, for
information, that with two, just before). Only these ratios mean anything.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import cluster
import run

BACK_S = 900
FILL_S = 1800
WINDOW = 500
LEVEL_S = 0.5  # of publishing, which one may be behind under load
POLL_S = 0.05


class Cluster(cluster.Cluster):
    """One whose nodes may be killed and come back, and tell by monitoring what they hold."""

    def __init__(self, program, always, base):
        super().__init__(program, always, base)
        for server in self.servers:
            server.monitor = run.free_port()
            server.command_of = with_monitor(server.command_of, server.monitor)

    def cpu(self):
        """Seconds of processor that the nodes have used, all together."""
        return sum(cpu_of(server.process.pid) for server in self.servers if server.process.poll() is None)

    def kill(self, server):
        server.process.kill()
        server.process.wait()

    def start(self, server):
        with open(os.path.join(server.dir, "log"), "ab") as out:
            server.process = subprocess.Popen(
                server.command_of(server.port, server.dir), stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, preexec_fn=run.die_with_parent)


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def with_monitor(command_of, port):
    return lambda client_port, directory: [*command_of(client_port, directory), "-m", str(port)]


def held(server):
    """The last sequence that it has itself, 0 when it does not say."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.monitor}/jsz?streams=1", timeout=5) as answer:
            found = json.load(answer)
        return found["account_details"][0]["stream_detail"][0]["state"]["last_seq"]
    except (OSError, KeyError, IndexError, ValueError):
        return 0


def info(server):
    answer = cluster.ask(server.port, "STREAM.INFO.BENCH", None) or {}
    return answer if "state" in answer else None


def last_seq(server):
    """With the time at which it was so."""
    while (answer := info(server)) is None:
        time.sleep(POLL_S)
    return answer["state"]["last_seq"], time.monotonic()


def rate_over(server, seconds):
    before, since = last_seq(server)
    time.sleep(seconds)
    after, now = last_seq(server)
    return (after - before) / (now - since)


def copy_rate(source, base):
    """MiB a second of a plain copy, to the disk."""
    target = tempfile.mkdtemp(prefix="copy-", dir=base)
    size, since = 0, time.monotonic()
    for directory, _, names in os.walk(source):
        for name in names:
            path = os.path.join(target, f"{os.path.basename(directory)}-{name}")
            shutil.copyfile(os.path.join(directory, name), path)
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            size += os.path.getsize(path)
    took = time.monotonic() - since
    shutil.rmtree(target)
    return size / took / (1 << 20)


def wait_back(leader, missing, behind):
    """Until it has all but `behind` messages."""
    limit = time.monotonic() + BACK_S
    while time.monotonic() < limit:
        last, _ = last_seq(leader)
        if held(missing) + behind >= last:
            return
        time.sleep(POLL_S)
    raise run.BenchError(f"it is not back within {BACK_S} s: {held(missing)} of {last_seq(leader)[0]}")


def fill(args, leader, count):
    words = [args.load, "jspubw", "--port", str(leader.port), "--size", str(args.size)]
    words += ["--replicas", str(cluster.NODES), "--messages", str(count)]
    words += ["--seconds", str(FILL_S), "--deadline", str(FILL_S)]
    filler = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              preexec_fn=run.die_with_parent)
    if filler.wait() != 0 or last_seq(leader)[0] < count:
        raise run.BenchError("the stream could not be filled")


def publish_on(ports):
    """For ever, in windows, and again where an answer is missing or says that nobody leads."""
    while True:
        for port in ports:
            try:
                publish_through(port)
            except OSError:
                time.sleep(POLL_S)


def publish_through(port):
    block = (b"PUB bench.js _A.1 128\r\n" + b"x" * 128 + b"\r\n") * WINDOW
    with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
        s.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _A.1 1\r\n')
        while True:
            s.sendall(block)
            answered = 0
            while answered < WINDOW:
                said = s.recv(1 << 18)
                if not said:
                    raise OSError("closed")
                answered += said.count(b"MSG _A.1 1")


class Publisher:
    """A process of its own that publishes while others look."""

    def __init__(self, servers):
        self.process = multiprocessing.Process(target=publish_on, args=([one.port for one in servers],), daemon=True)
        self.process.start()

    def end(self):
        self.process.kill()
        self.process.join()


def measure(args, program):
    run.settle(args.base)
    with Cluster(program, False, args.base) as nodes:
        leader = nodes.leader()
        missing = next(one for one in nodes.servers if one is not leader)
        nodes.kill(missing)
        count = (args.mib << 20) // args.size
        since = time.monotonic()
        fill(args, leader, count)
        filled = args.mib / (time.monotonic() - since)
        copy = copy_rate(leader.dir, args.base)
        goes_on = Publisher([leader])
        try:
            time.sleep(1)
            before = rate_over(leader, args.seconds)
            began, since = last_seq(leader)
            cpu = nodes.cpu()
            nodes.start(missing)
            wait_back(leader, missing, before * LEVEL_S)
            now_seq, now = last_seq(leader)
            cpu, own = nodes.cpu() - cpu, cpu_of(missing.process.pid)
            after = rate_over(leader, args.seconds)
        finally:
            goes_on.end()
    took = now - since
    meanwhile = (now_seq - began) / took
    return {"filled": filled, "copy": copy, "took": took, "speed": args.mib / took, "before": before,
            "meanwhile": meanwhile, "after": after, "cpu": cpu, "own": own}


def verdict(met):
    return "met" if met else "MISSED"


def show(name, of):
    beside = of["speed"] / of["copy"]
    keep = of["meanwhile"] / of["after"]
    print(f"{name}: filled at {of['filled']:.0f} MiB/s; back after {of['took']:.1f} s, {of['speed']:.0f} MiB/s, "
          f"a plain copy {of['copy']:.0f} MiB/s: {beside:.2f}x (goal 0.25x: {verdict(beside >= 0.25)}); "
          f"publishers {of['meanwhile']:.0f} a second, {of['after']:.0f} with all level, "
          f"{of['before']:.0f} with two: {keep:.2f}x "
          f"(goal 0.7x: {verdict(keep >= 0.7)}); processor meanwhile: all nodes {of['cpu']:.1f} s, "
          f"the one that was away {of['own']:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build", help="where make put the programs")
    parser.add_argument("--nats-server", help="the program to compare with")
    parser.add_argument("--mib", type=int, default=2048, help="that it misses")
    parser.add_argument("--size", type=int, default=4096, help="of a message")
    parser.add_argument("--seconds", type=float, default=5, help="of publishing before and after")
    parser.add_argument("--dir", help="where stores are made (BUILD/bench); decides which disk")
    args = parser.parse_args()
    args.load = os.path.join(args.build, "bench", "load")
    signal.signal(signal.SIGTERM, run.stop_by_signal)
    args.base = tempfile.mkdtemp(prefix="stores-", dir=args.dir or os.path.join(args.build, "bench"))
    print("other load:", " ".join(open("/proc/loadavg", encoding="ascii").read().split()[:3]))
    try:
        show("millrace", measure(args, os.path.join(args.build, "millrace")))
        if args.nats_server:
            show("nats-server", measure(args, args.nats_server))
    except run.BenchError as error:
        sys.exit(f"bench-missed: {error}")
    finally:
        shutil.rmtree(args.base, ignore_errors=True)


if __name__ == "__main__":
    main()
