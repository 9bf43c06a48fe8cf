#!/usr/bin/env python3
"""Runs every layer of tests and ends with one plain count.

Layers get minutes, not counts: MINUTES below adds up to what continuous integration may take. The scale
can be changed for a longer run: SCALE=10 make test.
"""
import os
import re
import subprocess
import sys
import time

from failures import failures

SCALE = float(os.environ.get("SCALE", "1"))
CI = os.environ.get("CI") == "true"

# layer, make arguments, deadline in minutes. Seconds given to a layer are in its arguments.
LAYERS = [
    ("build", ["all", "-j2"], 10),
    ("includes", ["includes"], 1),
    ("unit", ["unit", "-j2", "-Otarget"], 15),
    ("sim", ["sim", f"SECONDS={int(120 * SCALE)}"], 10 + 5 * SCALE),
    ("e2e", ["e2e"], 15),
    ("crash", ["crash", f"SECONDS={int(180 * SCALE)}"], 5 + 3 * SCALE),
    ("epoll", ["epoll", f"SECONDS={int(30 * SCALE)}"], 15 + SCALE),
    ("cluster", ["cluster-test", f"SECONDS={int(180 * SCALE)}"], 12 + 5 * SCALE),
    ("fuzz-smoke", ["fuzz-smoke", f"SECONDS={int(40 * SCALE)}"], 10 + SCALE),
    ("asan", ["asan", "-j2", "-Otarget"], 40),
    ("tsan", ["tsan", "-j2", "-Otarget"], 10),
    ("tsan-shards", ["tsan-shards", "-j2"], 20),
]

# How the runners close. Each gives (passed, failed).
COUNTS = [
    (re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M),
     lambda m: (int(m[1]) - int(m[2]) - int(m[3]), int(m[2]) + int(m[3]))),
    (re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, \d+ skipped)?$", re.M),
     lambda m: (int(m[1]), int(m[2]))),
]


def count(output):
    passed = failed = 0
    for pattern, read in COUNTS:
        for match in pattern.finditer(output):
            good, bad = read(match)
            passed += good
            failed += bad
    return passed, failed


def run(name, arguments, minutes):
    print(f"\n==== {name}: make {' '.join(arguments)}", flush=True)
    begun = time.monotonic()
    process = subprocess.Popen(["make", "--no-print-directory", "-k", *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    output = bytearray()
    os.set_blocking(process.stdout.fileno(), False)
    deadline = begun + minutes * 60
    expired = False
    while True:
        try:
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                break
            output += chunk
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
        except BlockingIOError:
            if time.monotonic() > deadline:
                expired = True
                os.killpg(process.pid, 9)
                break
            time.sleep(0.05)
    status = process.wait()
    text = output.decode(errors="replace")
    passed, failed = count(text)
    if (status != 0 or expired) and failed == 0:
        failed = 1  # the layer itself
    if status == 0 and passed == 0:
        passed = 1  # layers that only succeed or fail: build, includes
    seconds = time.monotonic() - begun
    why = " (deadline passed)" if expired else ""
    print(f"==== {name}: {passed} good, {failed} bad, {seconds:.0f} s{why}", flush=True)
    # What count.py runs stands behind the name of its suite.
    told = failures(re.sub(r"^  [\w-]+: ", "", text, flags=re.M)) if failed else []
    return name, passed, failed, seconds, [f"  {name}: {line}" for line in told]


def main():
    chosen = sys.argv[1:]
    layers = [layer for layer in LAYERS if not chosen or layer[0] in chosen]
    results = []
    for layer in layers:
        results.append(run(*layer))
        if results[-1][0] == "build" and results[-1][2]:
            break  # nothing else can run
    print()
    for line in (line for result in results for line in result[4]):
        print(line)
    for name, passed, failed, seconds, _ in results:
        print(f"{name:12} {passed:6} good {failed:4} bad {seconds:7.0f} s")
    failed = sum(r[2] for r in results)
    print(f"{sum(r[1] for r in results)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
