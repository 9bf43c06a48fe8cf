"""What of a run's output says which tests failed and why, for whoever sees only its end.

Knows how unittest, node's test runner, Check, our simulations, sanitizers and make say it.
"""

import re

UNITTEST = re.compile(r"^(?:FAIL|ERROR): ")
OTHERS = re.compile(
    r"^✖ (?!failing tests)"  # node
    r"|^[\w./-]+:\d+:[FE]:"  # Check
    r"|\w+Sanitizer: |runtime error: "
    r"|^sim_\w+: seed \d+"
    r"|^make\b.*\*\*\*"
)
UNITTEST_ENDS = re.compile(r"^(?:={20,}|Ran \d+ tests? in .*)$")
BEFORE = 4  # lines above the line of make, where a program that died said why
LINES = 14  # shown of one failure beside its name
MOST = 10  # failures shown


def follows(lines, at):
    """What belongs to the failure whose first line is lines[at]: all of a traceback, else a few lines."""
    if lines[at].startswith("make"):
        return lines[max(0, at - BEFORE) : at]
    if not UNITTEST.match(lines[at]):
        return lines[at + 1 : at + 5]
    end = next((i for i in range(at + 1, len(lines)) if UNITTEST_ENDS.match(lines[i])), len(lines))
    return [line for line in lines[at + 2 : end] if line.strip("- ")]


def failures(text):
    """The lines that tell of the first failures, each once: its name, and the end of what it says."""
    lines, names, told = text.splitlines(), set(), []
    for at, line in enumerate(lines):
        if line in names or len(names) == MOST or not (UNITTEST.match(line) or OTHERS.search(line)):
            continue
        names.add(line)
        told += [line, *("    " + further for further in follows(lines, at)[-LINES:])]
    return told
