#!/usr/bin/env python3
"""What buckets cost: docs/benchmarks.md, "Buckets".

    buckets.py [--puts 2000] [--mib 1024] [--nats-server PATH] [--rounds 3]

A key is put with one put in flight, against ours, the reference and the floor (build/bench/floor, which writes what it
received once, synchronously, and answers); an object is put in chunks of 128 KiB with at most 64 of them not
acknowledged, and got by an ordered reader. All of it with one and the same client, in Python.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e")]

from serverprocess import Server, free_port  # noqa: E402

CHUNK = 128 << 10
WINDOW = 64
BUCKET = {"name": "KV_B", "subjects": ["$KV.B.>"], "max_msgs_per_subject": 1, "discard": "new", "allow_rollup_hdrs": True,
          "deny_delete": True, "allow_direct": True}
OBJECTS = {"name": "OBJ_O", "subjects": ["$O.O.C.>", "$O.O.M.>"], "discard": "new", "allow_rollup_hdrs": True, "allow_direct": True}
READER = {"name": "R", "deliver_subject": "get", "deliver_policy": "all", "ack_policy": "none", "max_deliver": 1, "flow_control": True,
          "idle_heartbeat": 5_000_000_000, "ack_wait": 79_200_000_000_000, "mem_storage": True, "num_replicas": 1,
          "filter_subject": "$O.O.C.N"}


class Reference(Server):
    program = None

    def command(self):
        return [self.program, *super().command()[1:]]


class Floor:
    def __enter__(self):
        self.directory, self.port = tempfile.mkdtemp(prefix="millrace-floor-"), free_port()
        floor = os.path.join(ROOT, "build", "bench", "floor")
        self.process = subprocess.Popen([floor, "jspub1", "-a", "127.0.0.1", "-p", str(self.port), "-sd", self.directory])
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Client:
    """The least of a client: lines and payloads, nothing else."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 20)
        self.file.readline()
        self.send(b'CONNECT {"verbose":false,"headers":true}\r\nSUB in.* 1\r\nSUB get 2\r\n')

    def send(self, data):
        self.socket.sendall(data)

    def message(self):
        """(subject, reply, headers, body)"""
        while True:
            words = self.file.readline().split()
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            if words[0] not in (b"MSG", b"HMSG"):
                continue
            head = int(words[-2]) if words[0] == b"HMSG" else 0
            data = self.file.read(int(words[-1]) + 2)
            reply = words[3] if len(words) == (6 if words[0] == b"HMSG" else 5) else b""
            return words[1], reply, data[:head], data[head:-2]

    def api(self, subject, body):
        body = json.dumps(body).encode()
        self.send(b"PUB $JS.API.%s in.a %d\r\n%s\r\n" % (subject, len(body), body))
        answer = json.loads(self.message()[3])
        assert "error" not in answer, answer


def put_p50(server, count):
    client = Client(server.port)
    if not isinstance(server, Floor):
        client.api(b"STREAM.CREATE.KV_B", BUCKET)
    times = []
    for i in range(count):
        begun = time.perf_counter_ns()
        client.send(b"PUB $KV.B.k%d in.p 100\r\n%s\r\n" % (i % 100, b"v" * 100))
        client.message()
        times.append(time.perf_counter_ns() - begun)
    return statistics.median(times) / 1000


def memory(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1]) / 1024


def object_rates(server, mib):
    """MiB/s of put and of get, and the most anonymous memory that was seen beyond that at the start."""
    client, chunk = Client(server.port), os.urandom(CHUNK)
    client.api(b"STREAM.CREATE.OBJ_O", OBJECTS)
    count, sent, got, most, start = mib * 8, 0, 0, 0.0, memory(server)
    line = b"PUB $O.O.C.N in.c %d\r\n%s\r\n" % (CHUNK, chunk)
    begun = time.monotonic()
    while got < count:
        while sent < count and sent - got < WINDOW:
            client.send(line)
            sent += 1
        answer = client.message()
        assert b"error" not in answer[3], answer
        got += 1
        if got % 256 == 0:
            most = max(most, memory(server))
    put = time.monotonic() - begun
    digest = hashlib.blake2b(chunk).digest()
    begun = time.monotonic()
    body = json.dumps({"stream_name": "OBJ_O", "config": READER}).encode()
    client.send(b"PUB $JS.API.CONSUMER.CREATE.OBJ_O.R in.r %d\r\n%s\r\n" % (len(body), body))
    got = 0
    while got < count:
        subject, reply, headers, body = client.message()
        if headers.startswith(b"NATS/1.0 100"):
            if reply:
                client.send(b"PUB %s 0\r\n\r\n" % reply)
        elif subject == b"$O.O.C.N":
            got += 1
            assert len(body) == CHUNK
            if got % 256 == 0:
                most = max(most, memory(server))
                assert hashlib.blake2b(body).digest() == digest
    return mib / put, mib / (time.monotonic() - begun), most - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--puts", type=int, default=2000)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nats-server", default=os.environ.get("NATS_SERVER") or shutil.which("nats-server"))
    args = parser.parse_args()
    Reference.program = args.nats_server
    servers = {"millrace": Server, "floor": Floor} | ({"nats-server": Reference} if args.nats_server else {})
    puts = {name: [] for name in servers}
    for _ in range(args.rounds):
        for name, kind in servers.items():
            with kind() as server:
                puts[name].append(put_p50(server, args.puts))
    middle = {name: statistics.median(times) for name, times in puts.items()}
    for name, p50 in middle.items():
        print(f"a put, one in flight: {name} p50 {p50:,.0f} us")
    ratios = [ours / floor for ours, floor in zip(puts["millrace"], puts["floor"])]
    print(f"ours/floor: {statistics.median(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    if args.mib:
        rates = {}
        for name, kind in servers.items():
            if kind is not Floor:
                with kind() as server:
                    rates[name] = object_rates(server, args.mib)
                print(f"an object of {args.mib} MiB: {name} put {rates[name][0]:,.0f} MiB/s, got {rates[name][1]:,.0f} MiB/s, "
                      f"{rates[name][2]:,.1f} MiB of anonymous memory more")
        if "nats-server" in rates:
            print("ours/theirs: put %.2f, got %.2f" % tuple(rates["millrace"][i] / rates["nats-server"][i] for i in (0, 1)))


if __name__ == "__main__":
    main()
