"""Every command on one server: what it says in a pipe is what tests/golden/cli.txt says, with --json it has at least the
members of tests/golden/cli-json.txt, and on a terminal it keeps within the width.

GOLDEN=write writes the two files anew; a change of them is a change of what users see."""

import json
import os
import re
import subprocess
import tempfile
import time
import unittest

from cli import BINARY, DONE, RUN_S, CliCase
from serverprocess import ROOT
from tour import STOPS

TEXTS, FIELDS = (os.path.join(ROOT, "tests/golden", name) for name in ("cli.txt", "cli-json.txt"))
WRITE = os.environ.get("GOLDEN") == "write"

# What differs from run to run, and what stands for it.
DURATION = r"(?<![\w.])(?:\d+(?:\.\d+)?(?:ns|µs|ms|[smhd]))+(?![A-Za-z])"
CHANGING = [
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?( [+-]\d{4} UTC)?", "TIME"),
    (r"(?m)^\[?\d\d:\d\d:\d\d\]? ", "TIME "),
    (r"\d+ \w{3} \d\d \d\d:\d\d UTC", "TIME"),
    (r"\bN[A-Z2-7]{55}\b", "SERVER"),
    (r'(?m)("rtt_ns": )\d+', r"\1NS"),
    (r"_INBOX\.[\w.]+", "INBOX"),
    (r"\b(?=\w*\d)(?=\w*[A-Z])[0-9A-Za-z]{22}\b", "ID"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"[\d,]+ msgs/sec ~ [\d.]+ \w+/sec", "RATE"),
    (DURATION, "DURATION"),
    (r"(Client ID|Connections|Subscriptions|Memory|Msgs In|Msgs Out|CPU Cores|API Requests): .*", r"\1: N"),
    (r"Storage: [\d.]+ \w+ of", "Storage: SIZE of"),
    (r"\b\d+(\.\d+)? ([KMG]i)?B\b", "SIZE"),
    (r"│ mill\*? +│.*", "│ mill │ ..."),
    (r"(?m)^│ \d+ +│ millrace.*", "│ CID │ millrace ..."),
    (r"(?m)^mill \d+ .*", "mill CID ..."),
    # A connection that has just ended may still be there, and a busy machine answers late.
    (r"(│ CID │ millrace \.\.\.\n)+", r"\1"),
    (r"(mill CID \.\.\.\n)+", r"\1"),
    (r"[\d,]+ connections +[\d,]+ msgs/sec", "N connections"),
    (r"(?m)^warning +(nats://.* answers in .*)\n +try: look at the server's load.*", r"ok \1"),
    (r"0 problems, \d+ warnings", "0 problems, N warnings"),
]


def normal(text):
    for pattern, stands in CHANGING:
        text = re.sub(pattern, stands, text)
    # Columns are as wide as what is in them.
    return re.sub(r"─+", "─", re.sub(r" +", " ", text))


def paths(value, prefix=""):
    """The members of a JSON value; arrays are looked into by their first item."""
    if isinstance(value, list):
        return paths(value[0], prefix + "[]") if value else {prefix + "[]"}
    if not isinstance(value, dict) or not value:
        return {prefix or "value"}
    return set().union(*(paths(item, f"{prefix}.{key}".lstrip(".")) for key, item in value.items()))


class EveryCommand(CliCase):
    @classmethod
    def setUpClass(cls):
        fd, path = tempfile.mkstemp(suffix=".conf")
        os.write(fd, b"server_name: mill\naccounts { SYS { users: [{user: admin, password: a}] }\n"
                     b" APP { jetstream: enabled, users: [{user: app, password: b}] } }\nsystem_account: SYS\n")
        os.close(fd)
        cls.addClassCleanup(os.unlink, path)
        cls.arguments = ("-c", path)

    def setUp(self):
        super().setUpClass()  # a server for each test: the tour begins with an empty one
        super().setUp()
        self.env.update(NO_COLOR="1")

    def stop(self, words, more, stdout_json=False, code=DONE, stdin="", who="app", beside=None, **_):
        """What it said."""
        del more
        env = {**self.env, "NATS_USER": who, "NATS_PASSWORD": "a" if who == "admin" else "b"}
        process = subprocess.Popen([BINARY, *words, *(["--json"] if stdout_json else [])], env=env, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.home)
        if beside:
            time.sleep(0.5)
            subprocess.run([BINARY, *beside], env=env, capture_output=True, timeout=RUN_S, cwd=self.home, check=True)
        out, err = process.communicate(stdin, timeout=RUN_S)
        self.assertEqual(process.returncode, code, f"{words}\n{out}\n{err}")
        return out, err

    def test_it_says_what_it_always_said(self):
        told = []
        for words, more in STOPS:
            out, err = self.stop(words, more, **more)
            self.assertNotIn("\033", out + err, words)
            code = more.get("code", DONE)
            as_whom = f" (as {more['who']})" if "who" in more else ""
            told.append(f"$ millrace {' '.join(words)}{as_whom}\n" + normal(out + err) + (f"(exit code {code})\n" if code else ""))
        told = "\n".join(told)
        if WRITE:
            with open(TEXTS, "w") as file:
                file.write(told)
        with open(TEXTS) as file:
            self.maxDiff = None
            self.assertEqual(told, file.read())

    def test_its_json_has_the_members_that_it_always_had(self):
        known, seen = {}, {}
        if not WRITE:
            with open(FIELDS) as file:
                for line in file:
                    command, _, members = line.rstrip("\n").partition(": ")
                    known[command] = set(members.split())
        for words, more in STOPS:
            shown = more.get("json", True) and more.get("code", DONE) == DONE
            out, _ = self.stop(words, more, stdout_json=shown, **more)
            if not shown:
                continue
            values = []
            try:
                values.append(json.loads(out))
            except ValueError:
                values += [json.loads(line) for line in out.splitlines()]  # one object a line
            self.assertTrue(values, f"{words} --json said nothing")
            members = set().union(*map(paths, values))
            name = " ".join(words) + (f" (as {more['who']})" if "who" in more else "")
            seen[name] = members
            if not WRITE:
                self.assertLessEqual(known.get(name, set()), members, f"{name}: members are gone")
        if WRITE:
            with open(FIELDS, "w") as file:
                file.writelines(f"{command}: {' '.join(sorted(members))}\n" for command, members in seen.items())
        else:
            self.assertEqual(set(known), set(seen))

    def test_on_a_terminal_it_keeps_within_the_width(self):
        self.env.update(NATS_USER="app", NATS_PASSWORD="b")
        for words, more in STOPS:
            if more.get("beside") or more.get("stdin") or words[0] in ("bench", "top", "help"):
                self.stop(words, more, **more)
                continue
            who = {"NATS_USER": "admin", "NATS_PASSWORD": "a"} if more.get("who") else {"NATS_USER": "app", "NATS_PASSWORD": "b"}
            self.env.update(who)
            code, screen = self.terminal(*words, columns=60, answers=["n"])
            self.assertEqual(code, more.get("code", DONE), screen)
            for line in screen.splitlines():
                if line.startswith(("│", "╭", "├", "╰")):
                    self.assertLessEqual(len(line), 60, f"{words}\n{screen}")


class Documented(CliCase):
    def test_the_manual_of_the_command_line_names_the_members_of_json(self):
        with open(os.path.join(ROOT, "docs/cli.md")) as file:
            page = file.read().partition("## Exit codes")[0]
        own = ("sub", "rtt", "kv get", "kv put", "stream backup", "bench pub", "bench js", "doctor", "context ls", "top",
               "consumer next", "object info FILES notes.txt", "stream get")
        with open(FIELDS) as file:
            rows = [line.rstrip("\n").partition(": ") for line in file]
        for command, _, members in rows:
            if command.startswith(own) and not command.startswith(("stream get ORDERS 99",)):
                for member in members.split():
                    name = re.sub(r"\[\]", "", member).split(".")[0]
                    self.assertIn(f"`{name}`", page, f"{command}: {member} is in no table of docs/cli.md")


if __name__ == "__main__":
    unittest.main()
