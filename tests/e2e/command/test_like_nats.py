"""Flags that users of the `nats` command bring along: what they show, and that nonsense is refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

from cli import DONE, MISSING, RUN_S, USAGE, CliCase

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cli"))

import command as nats_command  # noqa: E402


class LikeNats(CliCase):
    def setUp(self):
        super().setUp()
        self.run_cli("stream", "add", "S", "--subjects", "s.>", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "S", "--force")
        for subject, count in (("s.b", 1), ("s.a", 3), ("s.c", 2)):
            self.run_cli("pub", subject, "{{Count}}", "--count", str(count), "--jetstream", "-q")

    def write(self, name, value):
        with open(self.path(name), "w") as file:
            json.dump(value, file)

    def nats(self, *words):
        result = subprocess.run([nats_command.PROGRAM, *words], env=self.env, capture_output=True, text=True, timeout=RUN_S,
                                stdin=subprocess.DEVNULL, cwd=self.home, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_the_state_of_a_stream_alone(self):
        text = self.out("stream", "info", "S", "--state")
        self.assertRegex(text, r"^State for Stream S created \d{4}-.*\n\nState:\n\n +Messages: 6\n")
        self.assertNotIn("Retention", text)
        self.assertEqual(self.json("stream", "info", "S", "--state")["config"]["name"], "S")

    def test_subjects_in_the_order_that_was_asked_for(self):
        def subjects(*words):
            return self.out("stream", "subjects", "S", "-n", *words).split()

        self.assertEqual(subjects(), ["s.a", "s.b", "s.c"])
        self.assertEqual(subjects("-R"), ["s.c", "s.b", "s.a"])
        self.assertEqual(subjects("--sort", "messages"), ["s.b", "s.c", "s.a"])
        self.assertEqual(subjects("--sort", "messages", "--reverse"), ["s.a", "s.c", "s.b"])
        self.assertEqual(list(self.json("stream", "subjects", "S", "--sort", "messages")), ["s.b", "s.c", "s.a"])
        self.fails(USAGE, "stream", "subjects", "S", "--sort", "colour", says='sorted by "colour"', next_says="messages")

    def test_a_consumer_from_a_file(self):
        self.write("c.json", {"name": "c", "durable_name": "c", "ack_policy": "all", "max_deliver": 7, "description": "first"})
        self.run_cli("consumer", "add", "S", "--config", "c.json", "--defaults")
        info = self.json("consumer", "info", "S", "c")
        self.assertEqual((info["config"]["ack_policy"], info["config"]["max_deliver"]), ("all", 7))
        self.write("whole.json", info)
        other = self.json("consumer", "add", "S", "other", "--config", "whole.json", "--max-deliver", "9", "--defaults")
        self.assertEqual((other["name"], other["config"]["durable_name"], other["config"]["max_deliver"]), ("other", "other", 9))
        self.write("c.json", {**info["config"], "description": "second", "name": "another"})
        edited = self.json("consumer", "edit", "S", "c", "--config", "c.json", "--force")
        self.assertEqual((edited["name"], edited["config"]["description"]), ("c", "second"))
        self.write("c.json", [])
        self.fails(USAGE, "consumer", "add", "S", "x", "--config", "c.json", says="not an object", next_says="consumer info")
        self.fails(USAGE, "consumer", "add", "S", "x", "--config", "none", says="cannot read none")

    def test_a_dry_run_changes_no_consumer(self):
        self.run_cli("consumer", "add", "S", "c", "--pull", "--defaults")
        before = self.json("consumer", "info", "S", "c")["config"]
        said = self.run_cli("consumer", "edit", "S", "c", "--max-deliver", "5", "--dry-run")
        self.assertIn("  -max_deliver: -1\n  +max_deliver: 5\n", said.stderr)
        self.assertEqual(said.stdout, "")
        self.assertEqual(self.json("consumer", "edit", "S", "c", "--max-deliver", "5", "--dry-run")["max_deliver"], 5)
        self.assertEqual(self.json("consumer", "info", "S", "c")["config"], before)
        self.assertEqual(self.run_cli("consumer", "edit", "S", "c", "--dry-run").stderr, "Nothing would change\n")

    def test_keys_with_what_is_known_of_them(self):
        self.run_cli("kv", "add", "K")
        self.addCleanup(self.run_cli, "kv", "del", "K", "--force")
        self.run_cli("kv", "put", "K", "a", "one\x1b[2J\nmore")
        self.run_cli("kv", "put", "K", "b", "two")
        self.run_cli("kv", "del", "K", "b", "--force")
        self.assertRegex(self.out("kv", "ls", "K", "--verbose"), r"│ a   │ \d{4}-.* │ +1 │\n╰")
        self.assertRegex(self.out("kv", "ls", "K", "--verbose", "--display-value"), r"│ +1 │ one\?\[2J │\n╰")
        self.assertEqual(self.out("kv", "ls", "K", "--display-value"), "a\n")
        self.assertEqual(self.json("kv", "ls", "K", "--verbose", "--display-value")["payload"], "one\x1b[2J\nmore")

    def test_a_bucket_takes_in_others(self):
        for name in ("K1", "K2"):
            self.run_cli("kv", "add", name)
            self.addCleanup(self.run_cli, "kv", "del", name, "--force")
            self.run_cli("kv", "put", name, f"from.{name}", name)
        self.run_cli("kv", "add", "ALL", "--source", "K1", "--source", "K2")
        self.addCleanup(self.run_cli, "kv", "del", "ALL", "--force")
        for name in ("K1", "K2"):
            self.eventually(lambda: self.out("kv", "ls", "ALL").count(name) == 1)
            self.assertEqual(self.out("kv", "get", "ALL", f"from.{name}", "--raw"), name)
        self.fails(USAGE, "kv", "add", "X", "--source", "a.b", says="source bucket")
        if nats_command.PROGRAM:
            self.assertEqual(self.nats("kv", "get", "ALL", "from.K1", "--raw").strip(), "K1")

    def test_a_bucket_that_is_a_copy_is_used_like_any(self):
        self.run_cli("kv", "add", "ORIGIN", "--history", "5")
        self.addCleanup(self.run_cli, "kv", "del", "ORIGIN", "--force")
        self.run_cli("kv", "put", "ORIGIN", "k", "one")
        self.assertRegex(self.out("kv", "add", "COPY", "--mirror", "ORIGIN", "--history", "5"), r"Mirror of: KV_ORIGIN")
        self.addCleanup(self.run_cli, "kv", "del", "COPY", "--force")
        self.eventually(lambda: self.out("kv", "ls", "COPY") == "k\n")
        self.assertEqual(self.out("kv", "get", "COPY", "k", "--raw"), "one")
        self.run_cli("kv", "put", "COPY", "k", "two")
        self.assertEqual(self.out("kv", "get", "ORIGIN", "k", "--raw"), "two")
        self.eventually(lambda: self.json("kv", "get", "COPY", "k")["payload"] == "two")
        self.assertEqual(self.json("kv", "get", "COPY", "k")["bucket"], "COPY")
        self.assertIn("PUT COPY > k: two", self.out("kv", "watch", "COPY", "--count", "1"))
        self.assertEqual(self.out("kv", "history", "COPY", "k").count("PUT"), 2)
        self.run_cli("kv", "del", "COPY", "k", "--force")
        self.fails(MISSING, "kv", "get", "ORIGIN", "k", says="no key k in ORIGIN")
        self.fails(USAGE, "kv", "add", "X", "--mirror", "ORIGIN", "--source", "ORIGIN", says="a mirror has no sources")
        self.fails(MISSING, "kv", "put", "NONE", "k", "v", says="there is no bucket NONE")

    def eventually(self, true):
        end = time.monotonic() + RUN_S
        while not true():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def test_an_object_has_headers(self):
        self.run_cli("object", "add", "O")
        self.addCleanup(self.run_cli, "object", "rm", "O", "--force")
        self.run_cli("object", "put", "O", "--name", "f", "-H", "Kind: dump", "-H", "Tag:a", "-H", "Tag:b:c", stdin="x")
        self.assertEqual(self.json("object", "info", "O", "f")["object"]["headers"], {"Kind": ["dump"], "Tag": ["a", "b:c"]})
        if nats_command.PROGRAM:
            self.assertRegex(self.nats("object", "info", "O", "f"), r"Headers: Kind: dump\n +Tag: a\n")
        for wrong in ("none", ":x", "a:b\nc:d"):
            self.fails(USAGE, "object", "put", "O", "--name", "g", "-H", wrong, stdin="x", says="is no header field")
        self.assertEqual(self.out("object", "ls", "O", "-n"), "f\n")

    def test_contexts_by_their_names(self):
        self.assertEqual(self.out("context", "ls", "--names"), "")
        self.assertEqual(self.json("context", "ls", "--names"), [])
        for name in ("b", "a"):
            self.run_cli("context", "save", name, "--server", "nats://127.0.0.1:1", code=DONE)
        self.assertEqual(self.out("context", "ls", "--names"), "a\nb\n")
        self.assertEqual(self.json("context", "ls", "--names"), ["a", "b"])

    def test_a_stream_is_read_and_followed(self):
        self.assertEqual(self.out("sub", "--stream", "S", "--count", "6", "--subjects-only").split(),
                         ["s.b", "s.a", "s.a", "s.a", "s.c", "s.c"])
        sub = self.spawn("sub", "--stream", "S", "s.a", "--all", "--raw", "--count", "4")
        self.assertEqual([sub.stdout.readline() for _ in range(3)], ["1\n", "2\n", "3\n"])
        self.run_cli("pub", "s.c", "not this")
        self.run_cli("pub", "s.a", "this")
        self.assertEqual(sub.communicate(timeout=RUN_S)[0], "this\n")
        self.assertEqual(self.json("stream", "info", "S")["state"]["consumer_count"], 0, "it takes its consumer with it")

    def test_a_stream_is_read_from_where_it_was_asked_for(self):
        for words, expected in ((["--last"], [6]), (["--last-per-subject"], [1, 4, 6]), (["--start-sequence", "5"], [5, 6]),
                                (["--since", "1h"], [1, 2, 3, 4, 5, 6]), (["--since", "1ms"], []), (["--new"], []),
                                (["--all"], [1, 2, 3, 4, 5, 6]), ([], [1, 2, 3, 4, 5, 6])):
            for wait in ("300ms", "2s", "10s"):  # a slow machine says nothing for longer
                lines = self.out("sub", "--stream", "S", *words, "--wait", wait, "--json").splitlines()
                got = [json.loads(line)["sequence"] for line in lines]
                if got == expected or got != expected[: len(got)]:
                    break
            self.assertEqual(got, expected, words)
        line = json.loads(self.out("sub", "s.a", "--last", "--count", "1", "--json"))
        self.assertEqual((line["sequence"], line["subject"], line["payload"], "reply" in line), (4, "s.a", "3", False))
        self.assertRegex(self.out("sub", "s.b", "--all", "--count", "1"),
                         r"^\[#1\] Received JetStream message: stream: S seq 1 / subject: s.b / time: \d{4}-.*Z\n1\n\n$")

    def test_what_cannot_be_read_from_a_stream_is_said(self):
        self.fails(USAGE, "sub", says="a subject, --inbox or --stream")
        self.fails(USAGE, "sub", "--all", says="a subject, --inbox or --stream")
        self.fails(USAGE, "sub", "s.a", "--all", "--new", says="exclude each other")
        self.fails(USAGE, "sub", "s.a", "s.b", "--all", says="one subject")
        self.fails(USAGE, "sub", "--inbox", "--stream", "S", says="one subject")
        self.fails(USAGE, "sub", "s.a", "--all", "--queue", "q", says="neither shared nor", next_says="consumer add")
        self.fails(USAGE, "sub", "s.a", "--start-sequence", "0", says="the first message is number 1")
        self.fails(USAGE, "sub", "s.a", "--all", "--start-sequence", "0", "-s", "nats://127.0.0.1:1", says="exclude")
        self.fails(MISSING, "sub", "elsewhere", "--all", says="no stream keeps elsewhere", next_says="stream ls")
        self.fails(MISSING, "sub", "--stream", "NONE", says="stream not found")
        self.run_cli("stream", "add", "S2", "--subjects", "t.a", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "S2", "--force")
        self.fails(USAGE, "sub", ">", "--last", says="2 streams keep >", next_says="--stream NAME")

    def test_subjects_are_counted(self):
        def report(*words, end=None, after_s=0.0):
            sub = self.spawn("sub", "r.>", "--report-subjects", *words)
            self.until_heard("r.x")
            for subject, count in (("r.a", 1), ("r.b", 3), ("r.c", 2)):
                self.run_cli("pub", subject, "four", "--count", str(count), "-q")
            if end is not None:
                time.sleep(after_s)
                sub.send_signal(end)
            return sub, sub.communicate(timeout=RUN_S)[0]

        sub, text = report("--count", "6")
        self.assertEqual([re.sub(r"[^\w.() ]", "", line).split() for line in text.splitlines()[5:-1]],
                         [["r.b", "3", "12", "B"], ["r.c", "2", "8", "B"], ["r.a", "1", "4", "B"], ["(all)", "6", "24", "B"]])
        self.assertEqual(sub.returncode, DONE)
        for after_s in (0.2, 2, 10):  # it has read all of them by then
            sub, text = report("--report-top", "1", end=signal.SIGINT, after_s=after_s)
            if "1 of 3" in text:
                break
        self.assertIn("1 of 3 Active Subjects", text)
        self.assertEqual(sub.returncode, -signal.SIGINT)
        _, text = report("--json", "--wait", "6s")
        self.assertEqual(json.loads(text)[0], {"subject": "r.b", "messages": 3, "bytes": 12})
        self.fails(USAGE, "sub", "s.a", "--all", "--report-subjects", says="from now on", next_says="stream subjects")
        self.fails(USAGE, "sub", "r", "--report-subjects", "--report-top", "0", says="at least 1")

    def test_an_inbox_is_told_and_takes_messages(self):
        sub = self.spawn("sub", "--inbox", "--raw", "--count", "1")
        inbox = self.wait_for(sub.stderr, "Subscribing on ").split()[-1]
        self.assertRegex(inbox, r"^_INBOX\.\w{22}")
        self.until_heard(inbox)
        self.run_cli("pub", inbox, "here")
        self.assertEqual(sub.communicate(timeout=RUN_S)[0], "here\n")


if __name__ == "__main__":
    unittest.main()
