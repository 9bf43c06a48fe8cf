"""Appends what ran to tests/ledger.tsv: one line a run, never rewritten."""

import datetime
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = os.path.join(ROOT, "tests", "ledger.tsv")


def commit():
    """The commit that ran, marked when the tree had changes."""
    command = ["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    return out.stdout.strip() or "unknown"


def append(layer, seeds, cycles, outcome):
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = "\t".join((when, layer, seeds, str(cycles), commit(), outcome))
    with open(PATH, "a", encoding="utf-8") as file:
        file.write(line + "\n")
