#!/usr/bin/env python3
"""Gives every fuzz target its share of the time: run.py BUILD SECONDS NAME..."""
import pathlib
import subprocess
import sys


def main():
    build, seconds, names = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    share = max(2, seconds // max(1, len(names)))
    failed = 0
    for name in names:
        work = build / "corpus" / name
        work.mkdir(parents=True, exist_ok=True)
        seeds = pathlib.Path("tests/fuzz/corpus") / name
        command = [str(build / "bin" / f"fuzz_{name}"), f"-max_total_time={share}", "-timeout=10", "-rss_limit_mb=2048",
                   "-max_len=65536", f"-artifact_prefix={build}/{name}-", "-print_final_stats=1", str(work)]
        if seeds.is_dir():
            command.append(str(seeds))
        result = subprocess.run(command, capture_output=True, text=True)
        runs = [line.split()[-1] for line in result.stderr.splitlines() if "number_of_executed_units" in line]
        print(f"fuzz {name}: {runs[0] if runs else '?'} runs, {'ok' if result.returncode == 0 else 'FAILED'}", flush=True)
        if result.returncode != 0:
            failed += 1
            print(result.stderr[-4000:])
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
