#!/usr/bin/env python3
"""What streams cost that nobody uses: 1,000 of three replicas, each with ten consumers.

    idle_cluster.py [--build DIR] [--streams N] [--consumers N] [--seconds S]

It makes them, lets the cluster come to rest, and prints for each node the CPU that it took while
nothing happened, as a share of one core, and its anonymous memory.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import time

import cluster
import run

WINDOW = 64
REST_S = 30


class Asker:
    """Sends requests with some of them in flight, again those that come while nobody leads."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.lines = self.socket.makefile("rb")
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _A.* 1\r\n')
        self.flying = {}
        self.serial = 0

    def send(self, subject, body):
        payload = json.dumps(body).encode()
        self.serial += 1
        self.flying[self.serial] = (subject, body)
        head = b"PUB $JS.API.%s _A.%d %d\r\n" % (subject.encode(), self.serial, len(payload))
        self.socket.sendall(head + payload + b"\r\n")
        while len(self.flying) >= WINDOW:
            self.receive()

    def receive(self):
        line = self.lines.readline()
        if line.startswith(b"PING"):
            self.socket.sendall(b"PONG\r\n")
        elif line.startswith(b"MSG"):
            words = line.split()
            self.answered(int(words[1][3:]), json.loads(self.lines.read(int(words[-1]))))
        elif line.startswith(b"HMSG") or not line:
            raise run.BenchError("nobody answers")

    def answered(self, serial, answer):
        request = self.flying.pop(serial)
        code = answer.get("error", {}).get("code")
        if code == 503:
            self.send(*request)
        elif code is not None:
            raise run.BenchError(f"{request[0]} was refused: {answer['error']}")

    def drain(self):
        while self.flying:
            self.receive()


def make(port, streams, consumers):
    asker = Asker(port)
    for i in range(streams):
        config = {"name": f"S{i}", "subjects": [f"s.{i}.>"], "num_replicas": cluster.NODES}
        asker.send(f"STREAM.CREATE.S{i}", config)
    asker.drain()
    for i in range(streams):
        for j in range(consumers):
            config = {"durable_name": f"C{j}", "ack_policy": "explicit"}
            asker.send(f"CONSUMER.DURABLE.CREATE.S{i}.C{j}", {"stream_name": f"S{i}", "config": config})
    asker.drain()


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anon_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) / 1024
    return 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--consumers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    program = os.path.abspath(os.path.join(args.build, "millrace"))
    with tempfile.TemporaryDirectory(prefix="idle-", dir=args.build) as base:
        with cluster.Cluster(program, False, base) as nodes:
            nodes.leader()
            pids = [server.process.pid for server in nodes.servers]
            empty = [anon_mib(pid) for pid in pids]
            began = time.monotonic()
            make(nodes.servers[0].port, args.streams, args.consumers)
            took = time.monotonic() - began
            print(f"{args.streams} streams, {args.consumers} consumers each, made in {took:.0f} s", flush=True)
            time.sleep(REST_S)
            before = [cpu_s(pid) for pid in pids]
            time.sleep(args.seconds)
            for i, pid in enumerate(pids):
                share = (cpu_s(pid) - before[i]) / args.seconds
                print(f"n{i}: {share:.2%} of a core, {anon_mib(pid):.1f} MiB anonymous ({empty[i]:.1f} when empty)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
