#!/usr/bin/env python3
"""Twenty-two everyday tasks with `nats` and with `millrace`, run on one server: the section of docs/cli.md.

    transcripts.py          runs them all and writes the section anew
    test_side_by_side.py    fails when the page no longer shows what the commands say"""

import os
import re
import shlex
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
sys.path.append(os.path.join(sys.path[0], "cli"))

import command as nats_command  # noqa: E402
from serverprocess import BINARY, ROOT, Server  # noqa: E402

PAGE = os.path.join(ROOT, "docs/cli.md")
HEADING = "## Side by side\n"

# Title, with nats, with millrace, how many lines of what they say are shown.
TASKS = [
    ("Publish", "pub orders.new hello", "pub orders.new hello", 9),
    ("Create a stream", "stream add ORDERS --subjects orders.> --defaults", "stream add ORDERS --subjects orders.> --defaults", 8),
    ("Publish and wait for the ack", "request orders.new one", "pub orders.new one --jetstream", 9),
    ("List streams", "stream ls", "stream ls", 9),
    ("Names only", "stream ls --names", "stream ls --names", 9),
    ("Report", "stream report", "stream report", 9),
    ("Look at a message", "stream get ORDERS 1", "stream get ORDERS 1", 9),
    ("Which subjects are there", "stream subjects ORDERS", "stream subjects ORDERS", 9),
    ("See what an edit changes", "stream edit ORDERS --max-msgs 100 --dry-run", "stream edit ORDERS --max-msgs 100 --dry-run", 9),
    ("Create a consumer", "consumer add ORDERS work --pull --defaults", "consumer add ORDERS work --pull --defaults", 9),
    ("Take a message", "consumer next ORDERS work", "consumer next ORDERS work", 9),
    ("List consumers", "consumer ls ORDERS", "consumer ls ORDERS", 9),
    ("Report on consumers", "consumer report ORDERS", "consumer report ORDERS", 9),
    ("Back up a stream", "stream backup ORDERS theirs --no-progress", "stream backup ORDERS ours", 9),
    ("Create a key-value bucket", "kv add CFG", "kv add CFG", 9),
    ("Put a key", "kv put CFG db.host 10.0.0.7", "kv put CFG db.host 10.0.0.7", 9),
    ("Get a key", "kv get CFG db.host", "kv get CFG db.host", 9),
    ("Create a key that is there", "kv create CFG db.host x", "kv create CFG db.host x", 9),
    ("History of a key", "kv history CFG db.host", "kv history CFG db.host", 9),
    ("Store a file", "object put FILES notes.txt", "object put FILES notes.txt --force", 9),
    ("List objects", "object ls FILES", "object ls FILES", 9),
    ("A stream that is not there", "stream info NONE", "stream info NONE", 9),
    ("Purge", "stream purge ORDERS --force", "stream purge ORDERS --force", 9),
]


def environment(port, home):
    """In a pipe, and nothing of whoever runs this."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NATS_", "XDG_"))}
    return {**kept, "NATS_URL": f"nats://127.0.0.1:{port}", "HOME": home, "NO_COLOR": "1", "TZ": "UTC", "COLUMNS": "200"}


def said(program, line, env, home, shown):
    done = subprocess.run([program, *shlex.split(line)], env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, text=True, check=False)
    plain = done.stdout.replace("\u00a0", " ").replace("\t", "    ")  # one of its libraries throws dice for them
    lines = [row.rstrip() for row in plain.rstrip("\n").split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    if len(lines) > shown:
        lines = [*lines[: shown - 1], "..."]
    if done.returncode:
        lines.append(f"(exit code {done.returncode})")
    return "\n".join(lines)


def run(with_nats):
    """[(title, what nats said or None, what millrace said)], commands included."""
    told = []
    with tempfile.TemporaryDirectory(prefix="millrace-tour-") as home, Server() as server:
        env = environment(server.port, home)
        with open(os.path.join(home, "notes.txt"), "w") as file:
            file.write("a\nb")
        subprocess.run([BINARY, "object", "add", "FILES"], env=env, stdout=subprocess.DEVNULL, check=True)
        for title, theirs, ours, shown in TASKS:
            answers = []
            for name, program, line in (("nats", nats_command.PROGRAM, theirs), ("millrace", BINARY, ours)):
                # Both take part even when only ours is wanted: the next task stands on both.
                if program is None:
                    program, line = BINARY, ours
                text = said(program, line, env, home, shown)
                answers.append(f"$ {name} {line}\n{text}".rstrip() if with_nats or name == "millrace" else None)
            told.append((title, *answers))
    return told


def section(told):
    parts = [HEADING, "\nEveryday tasks, first with `nats` 0.3.0, then with `millrace`; long answers are cut. "
             "`tests/e2e/command/transcripts.py` runs\nthem and writes this section; `make e2e` fails when a command says something else by now.\n"]
    for title, theirs, ours in told:
        parts.append(f"\n**{title}**\n\n```\n{theirs}\n\n{ours}\n```\n")
    return "".join(parts)


def on_page():
    """What the page shows: [(title, theirs, ours)]."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read().partition(HEADING)[2]
    found = re.findall(r"\*\*(.+?)\*\*\n\n```\n(\$ nats .*?)\n\n(\$ millrace .*?)\n```\n", text, re.S)
    return [(title, theirs.rstrip(), ours.rstrip()) for title, theirs, ours in found]


def main():
    if nats_command.PROGRAM is None:
        return "there is no nats command line: $NATS_CLI says where"
    with open(PAGE, encoding="utf-8") as file:
        before = file.read().partition(HEADING)[0]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(before + section(run(with_nats=True)))
    return None


if __name__ == "__main__":
    sys.exit(main())
