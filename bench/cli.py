#!/usr/bin/env python3
"""What the command line costs: its start, following a fast publisher, fetching an object, backing up a stream.

Each is measured beside what it cannot be faster than, in turns, so that a busy machine disturbs both; ratios are taken within
a turn, and the median over the turns is shown. Time is elapsed time; CPU is that of the client alone, which others disturb
less. docs/benchmarks.md holds what came out.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import run

MIB = 1 << 20


class Server:
    """With files below `base`; ended with the block."""

    def __init__(self, program, base):
        self.port, self.program, self.directory = run.free_port(), program, os.path.join(base, "store")
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith("NATS_")}, "HOME": base,
                    "NATS_URL": f"nats://127.0.0.1:{self.port}"}

    def __enter__(self):
        self.process = subprocess.Popen([self.program, "serve", "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self.directory],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=run.die_with_parent)
        end = time.monotonic() + run.READY_SECONDS
        while not run.answers_ping(self.port):
            if time.monotonic() > end:
                raise SystemExit("the server does not answer")
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def start(self, *words, **more):
        return subprocess.Popen([self.program, *words], env=self.env, stdin=subprocess.DEVNULL, **more)

    def cli(self, *words):
        """What it says, with how long it took and its CPU seconds and peak memory in MiB."""
        begun = time.perf_counter()
        process = self.start(*words, stdout=subprocess.PIPE, text=True)
        watch = threading.Thread(target=self.watch, args=(process.pid,))
        self.peak = 0
        watch.start()
        out = process.stdout.read()
        process.stdout.close()
        cpu = ended(process)
        took = time.perf_counter() - begun
        watch.join()
        return out, took, cpu, self.peak

    def watch(self, pid):
        """The peak of its memory, in MiB; what wait tells would count ours before it began."""
        try:
            while True:
                with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                    peak = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
                if not peak:
                    return  # it has ended
                self.peak = max(self.peak, peak[0] / 1024)
                time.sleep(0.02)
        except (FileNotFoundError, ProcessLookupError):
            pass


def ended(process):
    """CPU seconds of one that has to succeed."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{process.args} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def median(values):
    return statistics.median(values)


def measure_start(server, turns):
    rows = []
    for name, words in (("pub", ("pub", "x", "y", "-q")), ("sub", ("sub", "x", "--raw", "--wait", "1us"))):
        times, cpus = [], []
        for _ in range(20 * turns):
            _, took, cpu, _ = server.cli(*words)
            times.append(took * 1000)
            cpus.append(cpu * 1000)
        rows.append((f"start to end of `millrace {name}`", f"{min(times):.1f} ms least, {median(times):.1f} ms median, {median(cpus):.1f} ms CPU",
                     "", "10 ms", min(times) < 10))
    return rows


def load_cpu(build, port, count):
    """CPU seconds of the load generator, which publishes and receives so many messages."""
    out = subprocess.run([os.path.join(build, "bench/load"), "fan1", "--port", str(port), "--seconds", "1"],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    said = json.loads(out)
    return said["load_cpu_s"] * count / said["messages"]


def measure_follow(server, turns, build, count):
    ours, floor, ratios, slower = [], [], [], []
    for _ in range(turns):
        sub = server.start("sub", "follow", "--raw", "--count", str(count), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        begun = time.perf_counter()
        server.cli("bench", "pub", "follow", "--msgs", str(count))
        published = time.perf_counter() - begun
        cpu = ended(sub)
        followed = time.perf_counter() - begun
        ours.append(cpu)
        floor.append(load_cpu(build, server.port, count))
        ratios.append(ours[-1] / floor[-1])
        slower.append(followed / published)
    return [(f"`millrace sub` of {count:,} messages: CPU", f"{median(ours):.3f} s, the load generator {median(floor):.3f} s",
             f"{median(ratios):.2f}×", "2×", median(ratios) < 2),
            ("the same: elapsed, beside publishing them", "", f"{median(slower):.2f}×", "2×", median(slower) < 2)]


def read_raw(port, stream, size):
    """Seconds until so many bytes have come by a push consumer with flow control, of which nothing is kept."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        request = ('{"stream_name":"%s","config":{"deliver_subject":"to.me","deliver_policy":"all","ack_policy":"none","replay_policy":'
                   '"instant","mem_storage":true,"num_replicas":1,"flow_control":true,"idle_heartbeat":5000000000,'
                   '"filter_subject":"$O.*.C.>"}}' % stream).encode()
        s.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB to.me 1\r\nSUB in 2\r\n')
        s.sendall(b"PUB $JS.API.CONSUMER.CREATE.%s in %d\r\n%s\r\n" % (stream.encode(), len(request), request))
        memory, got = bytearray(MIB), 0
        view = memoryview(memory)
        begun = time.perf_counter()
        while got < size:
            n = s.recv_into(view)
            if n == 0:
                raise SystemExit("the server hung up")
            got += n
            at = memory.find(b"$JS.FC.", 0, n)
            if at >= 0:
                end = memory.find(b" ", at, n)
                s.sendall(b"PUB %s 0\r\n\r\n" % bytes(memory[at:end]))
        return time.perf_counter() - begun


def measure_object(server, turns, base, mib):
    path, back = os.path.join(base, "big"), os.path.join(base, "back")
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
    server.cli("object", "add", "B")
    server.cli("object", "put", "B", path, "--name", "big")
    os.unlink(path)
    ours, raw, ratios, rates, peaks = [], [], [], [], []
    for _ in range(turns):
        raw.append(read_raw(server.port, "OBJ_B", mib * MIB))
        rates.append(raw[-1] / server.cli("object", "get", "B", "big", "-O", "/dev/shm/" + os.path.basename(base), "--force")[1])
        os.unlink("/dev/shm/" + os.path.basename(base))
        _, took, _, peak = server.cli("object", "get", "B", "big", "-O", back, "--force")
        ours.append(took)
        ratios.append(raw[-1] / took)
        peaks.append(peak)
        os.unlink(back)
    server.cli("object", "rm", "B", "--force")
    return [(f"`millrace object get` of {mib} MiB: rate beside a raw reader that keeps nothing",
             f"{mib / median(ours):,.0f} MiB/s, raw {mib / median(raw):,.0f} MiB/s", f"{median(ratios):.2f}×", "0.8×", median(ratios) >= 0.8),
            ("the same into memory, so that no disk takes part", "", f"{median(rates):.2f}×", "0.8×", median(rates) >= 0.8),
            ("the same: peak memory", f"{max(peaks):.1f} MiB", "", "flat", max(peaks) < 32)]


def copied(source, target):
    begun = time.perf_counter()
    shutil.copyfile(source, target)
    with open(target, "rb") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - begun


def measure_backup(server, turns, base, mib):
    server.cli("stream", "add", "S", "--subjects", "s", "--defaults")
    server.cli("bench", "js", "s", "--msgs", str(mib * 8), "--size", "128KB", "--window", "50")
    ours, copy, ratios = [], [], []
    for _ in range(turns):
        os.sync()
        _, took, _, _ = server.cli("stream", "backup", "S", os.path.join(base, "backup"))
        ours.append(took)
        os.sync()
        copy.append(copied(os.path.join(base, "backup/stream.tar.s2"), os.path.join(base, "copy")))
        ratios.append(copy[-1] / took)
        os.unlink(os.path.join(base, "copy"))
        shutil.rmtree(os.path.join(base, "backup"))
    return [(f"`millrace stream backup` of {mib} MiB: speed beside copying the file, synced",
             f"{mib / median(ours):,.0f} MiB/s, copy {mib / median(copy):,.0f} MiB/s", f"{median(ratios):.2f}×", "0.5×", median(ratios) >= 0.5)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="where millrace and bench/load are")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--messages", type=int, default=1_000_000, help="that sub follows")
    parser.add_argument("--object", type=int, default=1024, metavar="MIB")
    parser.add_argument("--backup", type=int, default=512, metavar="MIB")
    args = parser.parse_args()
    base = tempfile.mkdtemp(prefix="cli-", dir=args.build)
    rows = []
    try:
        with Server(os.path.abspath(os.path.join(args.build, "millrace")), os.path.abspath(base)) as server:
            rows += measure_start(server, args.turns)
            rows += measure_follow(server, args.turns, args.build, args.messages)
            rows += measure_object(server, args.turns, base, args.object)
            rows += measure_backup(server, args.turns, base, args.backup)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}\n\n| what | measured | ratio | goal | met |\n| --- | --- | ---: | ---: | --- |")
    for what, measured, ratio, goal, met in rows:
        print(f"| {what} | {measured} | {ratio} | {goal} | {'yes' if met else '**no**'} |")


if __name__ == "__main__":
    sys.exit(main())
