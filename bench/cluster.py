#!/usr/bin/env python3
"""Measures publishing into a stream of three replicas, ours beside nats-server's.

    cluster.py [--nats-server PATH] [--rounds N] [--seconds S]

For every round and mode a cluster of three is started on fresh directories and free ports of this
machine. The stream is made first, and the load generator connects to the node that leads it, so
that no result hangs on where a leader happened to land. CPU and memory are those of all three
nodes together. nats-server is measured with its defaults, which acknowledge from the page cache,
and with `sync_interval: always`, which promises what Millrace promises.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time

import run

MODES = {"r3pub1": "jspub1", "r3pubw": "jspubw"}
OURS, THEIRS, ALWAYS = "millrace", "nats-server", "nats-server always"
NODES = 3
FORM_SECONDS = 60

# As the load generator's own request, so that its making the stream finds it made.
STREAM = {
    "name": "BENCH",
    "subjects": ["bench.js"],
    "retention": "limits",
    "storage": "file",
    "num_replicas": NODES,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_consumers": -1,
    "discard": "old",
}


class Cluster:
    """Three running servers. Leaving the context ends them by their pids."""

    def __init__(self, program, always, base):
        ports = [run.free_port() for _ in range(NODES)]
        routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
        self.servers = [
            run.Server(command(program, f"n{i}", port, routes, always), base)
            for i, port in enumerate(ports)
        ]

    def __enter__(self):
        try:
            for server in self.servers:
                server.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()

    def leader(self):
        """Makes the stream; the server that leads it when all replicas are there."""
        limit = time.monotonic() + FORM_SECONDS
        answer = None
        while time.monotonic() < limit:
            answer = ask(self.servers[0].port, "STREAM.CREATE.BENCH", STREAM)
            if answer and "error" not in answer:
                answer = ask(self.servers[0].port, "STREAM.INFO.BENCH", None) or {}
                cluster = answer.get("cluster", {})
                current = [one.get("current") for one in cluster.get("replicas", [])]
                if cluster.get("leader") and current == [True] * (NODES - 1):
                    return self.servers[int(cluster["leader"][1:])]
            time.sleep(0.2)
        raise run.BenchError(f"no cluster within {FORM_SECONDS} s: {answer}")


def command(program, name, port, routes, always):
    """A function of (port, directory) giving the command of one node."""

    def of(client_port, directory):
        words = [program, "-a", "127.0.0.1", "-p", str(client_port)]
        words += ["--server_name", name, "--cluster_name", "BENCH"]
        words += ["--cluster", f"nats://127.0.0.1:{port}", "--routes", routes]
        if not always:
            return [*words, "-js", "-sd", directory]
        path = os.path.join(directory, "always.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'jetstream {{ store_dir: "{directory}", sync_interval: always }}\n')
        return [*words, "-c", path]

    return of


def ask(port, subject, body):
    """The answer to one API request, None when there was none in time."""
    payload = json.dumps(body).encode() if body is not None else b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _A 1\r\n')
            s.sendall(b"PUB $JS.API.%s _A %d\r\n%s\r\n" % (subject.encode(), len(payload), payload))
            with s.makefile("rb") as lines:
                return answer_of(lines)
    except OSError:
        return None


def answer_of(lines):
    for line in lines:
        if line.startswith(b"HMSG"):
            return None  # nobody serves it yet
        if line.startswith(b"MSG"):
            return json.loads(lines.read(int(line.split()[-1])))
    return None


def measure(args, mode, program, always):
    run.settle(args.base)
    with Cluster(program, always, args.base) as cluster:
        options = ["--port", str(cluster.leader().port), "--replicas", str(NODES)]
        for server in cluster.servers:
            options += ["--server", str(server.process.pid)]
        return run.derive(run.run_load(args, MODES[mode], options))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build", help="where make put the programs")
    parser.add_argument("--millrace", help="the program to measure (BUILD/millrace)")
    parser.add_argument("--nats-server", help="the program to compare with")
    parser.add_argument("--modes", type=run.listed(MODES), default=list(MODES), help="a,b,...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of a measured phase")
    parser.add_argument("--dir", help="where stores are made (BUILD/bench); decides which disk")
    args = parser.parse_args()
    if args.rounds < 1 or args.seconds <= 0:
        parser.error("rounds and seconds must be above zero")
    args.out = os.path.join(args.build, "bench")
    args.load = os.path.join(args.out, "load")
    args.millrace = args.millrace or os.path.join(args.build, "millrace")
    args.servers = [OURS, THEIRS]
    return args


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, run.stop_by_signal)
    signal.signal(signal.SIGHUP, run.stop_by_signal)
    programs = {OURS: (args.millrace, False)}
    if args.nats_server:
        programs[THEIRS] = (args.nats_server, False)
        programs[ALWAYS] = (args.nats_server, True)
    args.base = tempfile.mkdtemp(prefix="stores-", dir=args.dir or args.out)
    try:
        results, failed = run.run_all(args, list(programs), lambda mode, name: measure(args, mode, *programs[name]))
    finally:
        shutil.rmtree(args.base, ignore_errors=True)
    others = [(THEIRS, "ours/theirs"), (ALWAYS, "ours/always")]
    run.write_markdown(args, results, os.path.join(args.out, "cluster.md"), others)
    run.plot.draw_file(os.path.join(args.out, "cluster.md"), os.path.join(args.out, "cluster.svg"))
    if failed:
        sys.exit(f"bench-cluster: {failed} runs failed")


if __name__ == "__main__":
    main()
