#!/usr/bin/env python3
"""Runs the benchmark and writes its table; docs/benchmarks.md says what it measures and why.

For every round and mode each server is started on a fresh directory and a free port, measured by
build/bench/load, and ended. Servers take turns, and the turns rotate from round to round, so that a
disturbance of the machine does not always hit the same one. Ratios are taken within a round and
then the median over the rounds, for the same reason.
"""

import argparse
import ctypes
import json
import os
import platform
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import plot

MODES = ["pub", "fan1", "fan4", "reqrep1", "reqrepw", "jspub1", "jspubw", "replay", "pull", "dget1",
         "dgetw", "idle", "subs", "start"]
OURS, THEIRS, FLOOR = "millrace", "nats-server", "floor"
EPOLL = "millrace-epoll"  # ours, as where io_uring is forbidden
SERVERS = [OURS, THEIRS, FLOOR]

READY_SECONDS = 20
STOP_SECONDS = 20
SYNC_SECONDS = 60
STARTS = 5  # of mode start, within a round

# Column: key, title, format.
COLUMNS = [
    ("rate", "rate /s", "{:,.0f}"),
    ("cpu_million", "server CPU s/M", "{:.3f}"),
    ("anon_mib", "anon MiB", "{:.1f}"),
    ("item_bytes", "B/item", "{:,.0f}"),
    ("p50_us", "p50 µs", "{:,.1f}"),
    ("p99_us", "p99 µs", "{:,.1f}"),
    ("p999_us", "p99.9 µs", "{:,.1f}"),
    ("server_busy", "server cores", "{:.2f}"),
    ("load_busy", "load cores", "{:.2f}"),
    ("other_busy", "other cores", "{:.2f}"),
]
RATIO_KEYS = ["rate", "cpu_million", "anon_mib", "item_bytes", "p50_us", "p99_us", "p999_us"]


class BenchError(Exception):
    pass


def die_with_parent():
    """In the child: should this script be killed, no server outlives it."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers_ping(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            s.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
            got = b""
            while b"PONG\r\n" not in got:
                part = s.recv(65536)
                if not part:
                    return False
                got += part
            return True
    except OSError:
        return False


class Server:
    """A running server on a directory of its own. Leaving the context ends it by its pid."""

    def __init__(self, command_of, base):
        self.command_of = command_of
        self.base = base
        self.process = None
        self.dir = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.dir = tempfile.mkdtemp(prefix="run-", dir=self.base)
        self.port = free_port()
        log = os.path.join(self.dir, "log")
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                self.command_of(self.port, self.dir), stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, preexec_fn=die_with_parent)
        limit = time.monotonic() + READY_SECONDS
        while not answers_ping(self.port):
            if self.process.poll() is not None or time.monotonic() > limit:
                raise BenchError("server did not start:\n" + tail(log))
            time.sleep(0.02)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                print("    (server did not end by itself and was killed)")
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)
        self.process = self.dir = None


def tail(path):
    with open(path, "rb") as f:
        return f.read()[-2000:].decode(errors="replace")


def run_load(args, mode, options, command=()):
    """The result of one run of the load generator."""
    deadline = args.seconds + 60
    argv = [args.load, mode, "--seconds", str(args.seconds), "--deadline", str(deadline), *options]
    if command:
        argv += ["--", *command]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=deadline + 30,
                              preexec_fn=die_with_parent, check=False)
    except subprocess.TimeoutExpired as error:
        raise BenchError("the load generator did not end") from error
    if done.returncode != 0:
        raise BenchError(done.stderr.strip()[-2000:] or f"load ended with {done.returncode}")
    return json.loads(done.stdout)


def settle(base):
    """What the server before has left unwritten must not be written during the next one's run."""
    try:
        subprocess.run(["sync", "-f", base], timeout=SYNC_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print("    (the disk is still busy)")


def measure_start(args, command_of):
    results = []
    for _ in range(STARTS):
        directory = tempfile.mkdtemp(prefix="run-", dir=args.base)
        try:
            port = free_port()
            command = [os.path.abspath(word) if i == 0 else word
                       for i, word in enumerate(command_of(port, directory))]
            results.append(run_load(args, "start", ["--port", str(port)], command))
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    middle = sorted(results, key=lambda r: r["p50_us"])[STARTS // 2]
    return {"p50_us": middle["p50_us"], "rss_anon": middle["rss_anon"], "seconds": 0}


def measure(args, mode, command_of):
    settle(args.base)
    if mode == "start":
        result = measure_start(args, command_of)
    else:
        with Server(command_of, args.base) as server:
            options = ["--port", str(server.port), "--server", str(server.process.pid)]
            result = run_load(args, mode, options + mode_options(args, mode))
    return derive(result)


def mode_options(args, mode):
    options = []
    if args.size:
        options += ["--size", str(args.size)]
    if args.messages and mode in ("replay", "pull"):
        options += ["--messages", str(args.messages)]
    if args.batch and mode == "pull":
        options += ["--batch", str(args.batch)]
    if args.window and mode in ("reqrepw", "jspubw", "dgetw"):
        options += ["--window", str(args.window)]
    if args.keys and mode.startswith("dget"):
        options += ["--keys", str(args.keys)]
    if args.connections and mode == "idle":
        options += ["--connections", str(args.connections)]
    if args.subscriptions and mode == "subs":
        options += ["--subscriptions", str(args.subscriptions)]
    return options


def derive(result):
    if "rss_anon" in result:
        result["anon_mib"] = result["rss_anon"] / 2**20
    if result["seconds"] > 0:
        result["cpu_million"] = result["server_cpu_s"] / result["messages"] * 1e6
        result["server_busy"] = result["server_cpu_s"] / result["seconds"]
        result["load_busy"] = result["load_cpu_s"] / result["seconds"]
        other = result["machine_cpu_s"] - result["server_cpu_s"] - result["load_cpu_s"]
        result["other_busy"] = max(0, other) / result["seconds"]  # counted in ticks: may err below 0
    return result


def commands(args):
    """Server name -> function of (mode) giving a function of (port, dir) giving the command."""

    def plain(path, *more):
        return lambda mode: lambda port, directory: [
            path, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", directory, *more]

    def floor(mode):
        return lambda port, directory: [
            args.floor, mode, "-a", "127.0.0.1", "-p", str(port), "-sd", directory]

    found = {}
    if OURS in args.servers:
        if not os.access(args.millrace, os.X_OK):
            sys.exit(f"bench: no program at {args.millrace}; build it or name it with --millrace")
        found[OURS] = plain(args.millrace)
        if EPOLL in args.servers:
            found[EPOLL] = plain(args.millrace, "--io", "epoll")
    if THEIRS in args.servers:
        if args.nats_server:
            found[THEIRS] = plain(args.nats_server)
        else:
            print("bench: no nats-server in $NATS_SERVER or PATH: it is left out")
    if FLOOR in args.servers:
        found[FLOOR] = floor
    return found


def run_all(args, names, one):
    """results[mode][server] = what one(mode, server) gave or None per round; and how many runs failed."""
    results = {mode: {name: [] for name in names} for mode in args.modes}
    width = max(12, *map(len, names))
    failed = 0
    for number in range(args.rounds):
        for mode in args.modes:
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                label = f"round {number + 1}/{args.rounds} {mode:8} {name:{width}}"
                try:
                    result = one(mode, name)
                    print(label, brief(result), flush=True)
                except BenchError as error:
                    failed += 1
                    result = None
                    print(label, "FAILED:", error, flush=True)
                results[mode][name].append(result)
    return results, failed


def brief(result):
    if "rate" not in result:
        return f"{result['p50_us'] / 1e3:12.1f} ms"
    return f"{result['rate']:12,.0f} /s"


def median_of(runs, key):
    values = [run[key] for run in runs if run and key in run]
    return statistics.median(values) if values else None


def ratio_of(ours, others, key):
    ratios = [a[key] / b[key] for a, b in zip(ours, others)
              if a and b and a.get(key) is not None and b.get(key)]
    return statistics.median(ratios) if ratios else None


OTHERS = [(THEIRS, "ours/theirs"), (EPOLL, "uring/epoll"), (FLOOR, "ours/floor")]  # whom ratios are taken to


def rows(args, results, others):
    """(mode, server or ratio, {key: value}, is a ratio) in the table's order."""
    for mode in args.modes:
        by_server = results[mode]
        for name, runs in by_server.items():
            yield mode, name, {key: median_of(runs, key) for key, _, _ in COLUMNS}, False
        for other, label in others:
            if OURS in by_server and other in by_server:
                yield mode, label, {key: ratio_of(by_server[OURS], by_server[other], key)
                                    for key in RATIO_KEYS}, True


def describe(args):
    lines = [f"{time.strftime('%Y-%m-%d')}, Linux {platform.release()} {platform.machine()}, "
             f"{os.cpu_count()} cores, rounds {args.rounds}, phase {args.seconds:g} s"]
    if args.nats_server and THEIRS in args.servers:
        done = subprocess.run([args.nats_server, "--version"], capture_output=True, text=True,
                              timeout=10, check=False)
        lines.append(done.stdout.strip() + ", default settings")
    return lines


def cell(value, form, is_ratio):
    if value is None:
        return "–"
    if is_ratio:
        return f"{value:.2f}×" if value >= 0.1 else f"{value:.2g}×"
    return form.format(value)


def write_markdown(args, results, path, others):
    titles = ["mode", "server"] + [title for _, title, _ in COLUMNS]
    table = [titles]
    for mode, name, values, is_ratio in rows(args, results, others):
        table.append([mode, name] + [cell(values.get(key), form, is_ratio)
                                     for key, _, form in COLUMNS])
    widths = [max(len(row[i]) for row in table) for i in range(len(titles))]

    def line(row):
        return "| " + " | ".join(
            text.ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths))) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i < 2 else "-" * (w + 1) + ":"
                          for i, w in enumerate(widths)) + "|"
    text = "\n".join([*describe(args), "", line(table[0]), rule, *map(line, table[1:])]) + "\n"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    print("\n" + text)


def write_tsv(args, results, table_path, rounds_path):
    keys = [key for key, _, _ in COLUMNS]
    with open(table_path, "w", encoding="utf-8") as f:
        f.write("\t".join(["mode", "server", *keys]) + "\n")
        for mode, name, values, _ in rows(args, results, OTHERS):
            f.write("\t".join([mode, name] + ["" if values.get(k) is None else f"{values[k]:.6g}"
                                              for k in keys]) + "\n")
    raw = ["messages", "seconds", "samples", "server_cpu_s", "load_cpu_s", "rss_anon", "rss"]
    with open(rounds_path, "w", encoding="utf-8") as f:
        f.write("\t".join(["round", "mode", "server", *keys, *raw]) + "\n")
        for mode, by_server in results.items():
            for name, runs in by_server.items():
                for number, run in enumerate(runs, 1):
                    values = [str((run or {}).get(k, "")) for k in [*keys, *raw]]
                    f.write("\t".join([str(number), mode, name, *values]) + "\n")


def listed(allowed):
    def parse(text):
        words = [word for word in text.split(",") if word]
        for word in words:
            if word not in allowed:
                raise argparse.ArgumentTypeError(f"{word}: not one of {', '.join(allowed)}")
        return words
    return parse


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build", help="where make put the programs")
    parser.add_argument("--millrace", help="the program to measure (BUILD/millrace)")
    parser.add_argument("--nats-server", help="the program to compare with ($NATS_SERVER, PATH)")
    parser.add_argument("--servers", type=listed([*SERVERS, EPOLL]), default=SERVERS, help="a,b,...")
    parser.add_argument("--modes", type=listed(MODES), default=MODES, help="a,b,...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of a measured phase")
    parser.add_argument("--messages", type=int, help="in the stream of replay and pull")
    parser.add_argument("--size", type=int, help="bytes of a payload")
    parser.add_argument("--batch", type=int, help="messages of a request in pull")
    parser.add_argument("--window", type=int, help="in flight in reqrepw, jspubw, dgetw")
    parser.add_argument("--keys", type=int, help="of dget1, dgetw")
    parser.add_argument("--connections", type=int, help="of idle")
    parser.add_argument("--subscriptions", type=int, help="of subs")
    parser.add_argument("--dir", help="where stores are made (BUILD/bench); decides which disk")
    args = parser.parse_args()
    if args.rounds < 1 or args.seconds <= 0:
        parser.error("rounds and seconds must be above zero")
    args.out = os.path.join(args.build, "bench")
    args.load = os.path.join(args.out, "load")
    args.floor = os.path.join(args.out, "floor")
    args.millrace = args.millrace or os.path.join(args.build, "millrace")
    args.nats_server = (args.nats_server or os.environ.get("NATS_SERVER")
                        or shutil.which("nats-server"))
    return args


def stop_by_signal(number, _frame):
    sys.exit(128 + number)  # an exception, so every server is ended on the way out


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, stop_by_signal)
    signal.signal(signal.SIGHUP, stop_by_signal)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    servers = commands(args)
    args.base = tempfile.mkdtemp(prefix="stores-", dir=args.dir or args.out)
    try:
        results, failed = run_all(args, list(servers), lambda mode, name: measure(args, mode, servers[name](mode)))
    finally:
        shutil.rmtree(args.base, ignore_errors=True)
    write_markdown(args, results, os.path.join(args.out, "table.md"), OTHERS)
    plot.draw_file(os.path.join(args.out, "table.md"), os.path.join(args.out, "table.svg"))
    write_tsv(args, results, os.path.join(args.out, "table.tsv"),
              os.path.join(args.out, "rounds.tsv"))
    if failed:
        sys.exit(f"bench: {failed} runs failed")


if __name__ == "__main__":
    main()
