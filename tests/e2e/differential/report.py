#!/usr/bin/env python3
"""Writes docs/compatibility.md: what the comparison with the reference found, and what is written by hand.

    report.py [--check]

compatibility.in.md is the part that people write; "@KNOWN@" and "@COUNTS@" in it stand for the differences of
known.py and for the counts of the last whole run (counts.json, written by run.py --record). --check only says
whether the document is what comes of them, and names what no run has recorded yet.
"""

import glob
import importlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "wire"), os.path.dirname(HERE)]
COUNTS = os.path.join(HERE, "counts.json")
SOURCE = os.path.join(HERE, "compatibility.in.md")
DOCUMENT = os.path.join(ROOT, "docs", "compatibility.md")

REQUESTS = {"json", "raw", "many", "fast", "say", "settle"}  # kinds of steps that ask a server something

TITLES = {
    "cases": "streams, consumers and publishing",
    "cases_acks": "acknowledgments",
    "cases_backup": "backups",
    "cases_bad_input": "input that makes no sense",
    "cases_batches": "atomic batches",
    "cases_buckets": "buckets",
    "cases_consumers": "consumers",
    "cases_consumers_matrix": "consumers, field by field",
    "cases_counter_sources": "counters from sources",
    "cases_counters": "counters",
    "cases_direct": "direct gets",
    "cases_fast_batches": "fast batches",
    "cases_groups": "priority groups",
    "cases_origins": "transforms, republishing, mirrors and sources",
    "cases_pull": "pull",
    "cases_push": "push",
    "cases_reset": "reset of consumers",
    "cases_retention": "interest and work queues",
    "cases_schedules": "message schedules",
    "cases_small_print": "small print",
    "cases_stream_fields": "fields of a stream's configuration",
    "cases_ttl": "TTL and delete markers",
}


def scenarios_by_file():
    for path in sorted(glob.glob(os.path.join(HERE, "cases*.py"))):
        name = os.path.basename(path)[:-3]
        yield name, importlib.import_module(name).SCENARIOS


def load():
    if not os.path.exists(COUNTS):
        return {}
    with open(COUNTS, encoding="utf-8") as file:
        return json.load(file)


def record(counts, scenarios):
    """Keeps them with those of other parts; what is no scenario any more goes."""
    kept = {name: value for name, value in {**load(), **counts}.items() if name in scenarios}
    with open(COUNTS, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=0, sort_keys=True)
        file.write("\n")


def counts_table(counts):
    lines = ["| part | requests | answered otherwise, as below |", "| --- | --- | --- |"]
    total = [0, 0]
    for name, scenarios in scenarios_by_file():
        rows = [counts[scenario] for scenario in scenarios if scenario in counts]
        if not rows:
            continue
        requests = sum(row["requests"] for row in rows)
        known = sum(sum(row["known"].values()) for row in rows)
        lines.append(f"| {TITLES.get(name, name)} | {requests} | {known} |")
        total = [total[0] + requests, total[1] + known]
    return "\n".join([*lines, f"| all | {total[0]} | {total[1]} |"])


def known_table(counts):
    from known import KNOWN

    lines = ["| what | nats-server | Millrace | why | answers |", "| --- | --- | --- | --- | --- |"]
    for known in KNOWN:
        found = sum(row["known"].get(known.why, 0) for row in counts.values())
        cells = [known.what, known.theirs, known.ours, known.why, str(found)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def document():
    counts = load()
    with open(SOURCE, encoding="utf-8") as file:
        text = file.read()
    return text.replace("@KNOWN@", known_table(counts)).replace("@COUNTS@", counts_table(counts))


def stale(counts):
    """Scenarios that no run has recorded, and rows that no recorded run has needed."""
    from known import KNOWN

    every = {name for _, scenarios in scenarios_by_file() for name in scenarios}
    used = {why for row in counts.values() for why in row["known"]}
    return [f"not recorded: {name}" for name in sorted(every - set(counts))] + [
        f"no longer true: {known.why}" for known in KNOWN if known.why not in used
    ]


def main():
    text = document()
    if "--check" in sys.argv:
        with open(DOCUMENT, encoding="utf-8") as file:
            same = file.read() == text
        for line in stale(load()) + ([] if same else ["docs/compatibility.md is not what report.py writes"]):
            print(line)
        return 0 if same else 1
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
