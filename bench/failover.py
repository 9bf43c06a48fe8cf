#!/usr/bin/env python3
"""From a leader's SIGKILL to the next acknowledged publish, of a stream of three replicas.

    failover.py [--build DIR] [--nats-server PATH] [--kills N]

A client publishes one message after the other through each node that lives, and asks again after a
few milliseconds where nobody answers. The leader is killed and comes back, again and again.
"""

import argparse
import os
import random
import select
import shutil
import signal
import socket
import sys
import tempfile
import time

import cluster
import missed
import run

AGAIN_S = 0.005
LIMIT_S = 60
HELLO = b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _A.> 1\r\n'


class Prober:
    """A connection to each node that lives."""

    def __init__(self, servers):
        self.sockets = [socket.create_connection(("127.0.0.1", one.port), timeout=5) for one in servers]
        for one in self.sockets:
            one.sendall(HELLO)

    def close(self):
        for one in self.sockets:
            one.close()

    def until_acked(self, since):
        """Seconds from then to the first ack of a publish that was sent after it."""
        number = 0
        while time.monotonic() - since < LIMIT_S:
            number += 1
            for one in self.sockets:
                one.sendall(b"PUB bench.js _A.%d 1\r\nx\r\n" % number)
            readable, _, _ = select.select(self.sockets, [], [], AGAIN_S)
            for one in readable:
                said = one.recv(1 << 16)
                if b'"seq"' in said:
                    return time.monotonic() - since
                if b"PING\r\n" in said:
                    one.sendall(b"PONG\r\n")
        raise run.BenchError(f"no ack within {LIMIT_S} s")


def level(nodes, leader):
    """All have what the leader has."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        last, _ = missed.last_seq(leader)
        if all(missed.held(one) >= last for one in nodes.servers):
            return
        time.sleep(missed.POLL_S)
    raise run.BenchError(f"the nodes are not level within {LIMIT_S} s")


def measure(args, program):
    gaps = []
    with missed.Cluster(program, False, args.base) as nodes:
        for _ in range(args.kills):
            leader = nodes.leader()
            level(nodes, leader)
            time.sleep(random.random() * 0.5)
            prober = Prober([one for one in nodes.servers if one is not leader])
            since = time.monotonic()
            nodes.kill(leader)
            gaps.append(prober.until_acked(since))
            prober.close()
            nodes.start(leader)
            while not run.answers_ping(leader.port):
                time.sleep(0.02)
    return sorted(gaps)


def show(name, gaps):
    p50, p99 = gaps[len(gaps) // 2], gaps[min(len(gaps) - 1, len(gaps) * 99 // 100)]
    print(f"{name}: {len(gaps)} leaders killed, to the next ack p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, "
          f"max {gaps[-1] * 1e3:.0f} ms (goals 300 ms, 1 s, 3 s)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build", help="where make put the programs")
    parser.add_argument("--millrace", help="the program to measure (BUILD/millrace)")
    parser.add_argument("--nats-server", help="the program to compare with")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--dir", help="where stores are made (BUILD/bench); decides which disk")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, run.stop_by_signal)
    os.makedirs(os.path.join(args.build, "bench"), exist_ok=True)
    args.base = tempfile.mkdtemp(prefix="stores-", dir=args.dir or os.path.join(args.build, "bench"))
    print("other load:", " ".join(open("/proc/loadavg", encoding="ascii").read().split()[:3]))
    try:
        show("millrace", measure(args, args.millrace or os.path.join(args.build, "millrace")))
        if args.nats_server:
            show("nats-server", measure(args, args.nats_server))
    except run.BenchError as error:
        sys.exit(f"bench-failover: {error}")
    finally:
        shutil.rmtree(args.base, ignore_errors=True)


assert cluster.NODES == 3

if __name__ == "__main__":
    main()
