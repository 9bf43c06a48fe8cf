#!/usr/bin/env python3
"""Runs test suites, one after the other or several at once, and ends with one plain count of all of them.

    count.py [--minutes N] [--jobs N] NAME=COMMAND ...

Understands how node's test runner, Python's unittest, Check and plain "N passed, M failed" lines
close. What a suite prints is shown indented and after its name, so that whoever reads our output counts only our last
line. A suite that fails without a failed test, runs no test at all or passes its deadline counts as
one failure.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from failures import failures

NODE = re.compile(r"^(?:\N{INFORMATION SOURCE}|#) (pass|fail|cancelled|skipped|todo) (\d+)$", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(OK|FAILED)(?: \((.*)\))?$", re.M)
CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)
PLAIN = re.compile(r"^(?:[\w -]+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def count_node(text):
    counts = {"pass": 0, "fail": 0, "cancelled": 0, "skipped": 0, "todo": 0}
    for name, number in NODE.findall(text):
        counts[name] += int(number)
    return counts["pass"], counts["fail"] + counts["cancelled"], counts["skipped"] + counts["todo"]


def count_unittest(text):
    passed = failed = skipped = 0
    for ran, _, details in UNITTEST.findall(text):
        numbers = {k: int(v) for k, v in re.findall(r"([a-z][a-z ]*)=(\d+)", details)}
        bad = sum(numbers.get(k, 0) for k in ("failures", "errors", "unexpected successes"))
        missed = numbers.get("skipped", 0)
        passed += max(0, int(ran) - bad - missed)
        failed += bad
        skipped += missed
    return passed, failed, skipped


def count_check(text):
    passed = failed = 0
    for checks, failures, errors in CHECK.findall(text):
        bad = int(failures) + int(errors)
        passed += int(checks) - bad
        failed += bad
    return passed, failed, 0


def count_plain(text):
    passed = failed = skipped = 0
    for good, bad, missed in PLAIN.findall(text):
        passed += int(good)
        failed += int(bad)
        skipped += int(missed or 0)
    return passed, failed, skipped


def count(text):
    """(passed, failed, skipped) by whatever closing lines are in the text."""
    counts = [c(text) for c in (count_node, count_unittest, count_check, count_plain)]
    return tuple(sum(column) for column in zip(*counts))


def run(name, command, minutes):
    """The output and exit code of a shell command; None for one that had to be ended."""
    process = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    expired = threading.Event()

    def expire():
        expired.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(minutes * 60, expire)
    timer.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        sys.stdout.write(f"  {name}: {line}")  # one write: others may be printing
        sys.stdout.flush()
    code = process.wait()
    timer.cancel()
    return "".join(lines), None if expired.is_set() else code


def suite(name, command, minutes):
    print(f"-- {name}", flush=True)
    begun = time.monotonic()
    text, code = run(name, command, minutes)
    passed, failed, skipped = count(text)
    why = ""
    if code is None:
        why = f", not finished within {minutes:g} minutes"
    elif passed + failed == 0:
        why = ", ran no test"
    elif code != 0 and failed == 0:
        why = f", exit code {code}"
    failed += bool(why) and failed == 0
    seconds = time.monotonic() - begun
    summary = f"{name}: {passed} good, {failed} bad, {skipped} left out, {seconds:.0f} s{why}"
    print(f"-- {summary}", flush=True)
    told = [f"{name}: {line}" for line in failures(text)] if failed else []
    return summary, told, passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(description="runs test suites and counts")
    parser.add_argument("--minutes", type=float, default=10, help="deadline of each suite")
    parser.add_argument("suites", nargs="+", metavar="NAME=COMMAND")
    parser.add_argument("--jobs", type=int, default=1, help="suites that run at the same time")
    options = parser.parse_args()
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda s: suite(*s.split("=", 1), options.minutes), options.suites))
    print()
    for summary, *_ in results:
        print(summary)
    passed, failed, skipped = (sum(column) for column in zip(*(r[2:] for r in results)))
    missed = f", {skipped} skipped" if skipped else ""
    print(f"{passed} passed, {failed} failed{missed}")
    for line in (line for result in results for line in result[1]):
        print("  " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
