#!/usr/bin/env python3
"""Every status line and header that a consumer sends, with the test that provokes it: docs/statuses.md.

    status_table.py            writes the table
    status_table.py --check    fails if a status has no test, or the table is not what the tests say

A test counts that gets the status from a consumer; tests/unit/consumers/test_status.c only spells them.
"""
import glob
import re
import sys

TABLE = "docs/statuses.md"
SPELLED_ONLY = ("test_status.c",)
HEAD = """# Statuses of consumers

What a consumer tells its clients beside messages, in the reference's words, and the tests in which it does
(written by `tools/status_table.py`, which fails when one has no test; `make includes` runs it).

| said | test (`tests/unit/consumers/`) |
| --- | --- |
"""


def texts():
    """The fixed part of each status, up to the first thing that is filled in."""
    source = open("consumers/status.c", encoding="utf-8").read()
    said = re.findall(r'= \{"(\d{3} [^"]+)"', source)
    said += [text for text in re.findall(r'BLOCK "(\d{3} [^"%\\]+)', source)]
    said += re.findall(r'"(?:\\r\\n)?(Nats-[A-Za-z-]+): ', source)
    said += re.findall(r'\\r\\n(Nats-[A-Za-z-]+): ', source)
    found = []
    for text in said:
        text = text.strip()
        if text not in found:
            found.append(text)
    return found


def tests():
    """Each test with its body."""
    for path in sorted(glob.glob("tests/unit/consumers/test_*.c")):
        name = path.rsplit("/", 1)[1]
        if name in SPELLED_ONLY:
            continue
        source = open(path, encoding="utf-8").read()
        for match in re.finditer(r"START_TEST\((\w+)\)(.*?)END_TEST", source, re.S):
            yield name, match[1], match[2]


def main():
    all_tests = list(tests())
    rows, missing = [], []
    for text in texts():
        found = [f"{name}: `{test}`" for name, test, body in all_tests if text in body]
        if not found:
            missing.append(text)
        rows.append(f"| `{text}` | {'; '.join(found[:3])} |\n")
    table = HEAD + "".join(rows)
    if "--check" not in sys.argv:
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write(table)
    elif open(TABLE, encoding="utf-8").read() != table:
        print(f"{TABLE} is not what the tests say: tools/status_table.py")
        return 1
    for text in missing:
        print(f"no test provokes '{text}'")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
