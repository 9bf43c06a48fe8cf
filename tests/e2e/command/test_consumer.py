"""consumer: every command of the group."""

import json
import time
import unittest

from cli import DONE, EXISTS, MISSING, TIMEOUT, USAGE, CliCase


class Consumers(CliCase):
    def setUp(self):
        super().setUp()
        self.run_cli("stream", "add", "C", "--subjects", "c.>", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "C", "--force")
        self.run_cli("pub", "c.new", "order {{Count}}", "--count", "5", "--jetstream")

    def add(self, name, *more):
        self.run_cli("consumer", "add", "C", name, "--defaults", *more)

    def test_flags_become_the_configuration(self):
        self.add("conf", "--ack", "all", "--deliver", "new", "--filter", "c.new", "--max-deliver", "5", "--wait", "1m",
                 "--max-pending", "7", "--description", "d", "--backoff", "1s", "--backoff", "5s", "--metadata", "a=b")
        config = self.json("consumer", "info", "C", "conf")["config"]
        for key, value in {"ack_policy": "all", "deliver_policy": "new", "filter_subject": "c.new", "max_deliver": 5,
                           "max_ack_pending": 7, "description": "d", "backoff": [10**9, 5 * 10**9],
                           "durable_name": "conf"}.items():
            self.assertEqual(config[key], value, key)

    def test_the_start_is_said_in_every_way(self):
        for number, (word, key, value) in enumerate((("all", "deliver_policy", "all"), ("3", "opt_start_seq", 3),
                                                     ("subject", "deliver_policy", "last_per_subject"),
                                                     ("1h", "deliver_policy", "by_start_time"),
                                                     ("2026-01-01T00:00:00Z", "opt_start_time", "2026-01-01T00:00:00Z"))):
            self.add(f"s{number}", "--deliver", word, *(("--filter", "c.>") if word == "subject" else ()))
            self.assertEqual(self.json("consumer", "info", "C", f"s{number}")["config"][key], value)

    def test_info_reads_like_the_nats_command(self):
        self.add("like", "--pull")
        text = self.out("consumer", "info", "C", "like")
        for line in ("Information for Consumer C > like created ", "                    Name: like".replace("      ", "", 0),
                     "Pull Mode: true\n", "Ack Policy: Explicit\n", "Ack Wait: 30.00s\n",
                     "Last Delivered Message: Consumer sequence: 0 Stream sequence: 0\n",
                     "Outstanding Acks: 0 out of maximum 1,000\n", "Unprocessed Messages: 5\n"):
            self.assertIn(line, text)

    def test_next_takes_and_acknowledges(self):
        self.add("work")
        self.assertEqual(self.out("consumer", "next", "C", "work", "--raw", "--count", "2"), "order 1\norder 2\n")
        self.assertRegex(self.out("consumer", "next", "C", "work"),
                         r"^subj: c\.new / tries: 1 / cons seq: 3 / str seq: 3 / pending: 2\n\norder 3\n\n$")
        self.assertEqual(json.loads(self.out("consumer", "next", "C", "work", "--json"))["sequence"], 4)
        info = self.json("consumer", "info", "C", "work")
        self.assertEqual((info["ack_floor"]["stream_seq"], info["num_ack_pending"]), (4, 0))

    def test_what_is_not_acknowledged_comes_again(self):
        self.add("again", "--wait", "500ms")
        self.run_cli("consumer", "next", "C", "again", "--no-ack")
        self.assertEqual(self.json("consumer", "info", "C", "again")["num_ack_pending"], 1)
        time.sleep(2)
        self.assertRegex(self.out("consumer", "next", "C", "again", "--nak"), "tries: 2 / .* str seq: 1 ")
        self.assertRegex(self.out("consumer", "next", "C", "again", "--term"), "tries: 3 / .* str seq: 1 ")

    def test_nothing_there_is_said_with_its_own_code(self):
        self.add("empty", "--deliver", "new")
        for how in (["--no-wait"], ["--wait", "300ms"]):
            self.quickly(4, lambda how=how: self.fails(TIMEOUT, "consumer", "next", "C", "empty", *how, says="no messages"))

    def test_sub_follows_pull_and_push(self):
        self.add("pull")
        self.add("push", "--target", "to.me")
        for name in ("pull", "push"):
            sub = self.spawn("consumer", "sub", "C", name, "--raw", "--count", "6")
            first = sub.stdout.readline()
            self.run_cli("pub", "c.new", f"late {name}", "--jetstream")
            out, err = self.rest(sub)
            out = first + out
            self.assertEqual((sub.returncode, out.splitlines()[0], len(out.splitlines())), (DONE, "order 1", 6), err)

    def test_lists_reports_pauses_and_removes(self):
        self.add("one")
        self.add("two")
        self.assertEqual(self.out("consumer", "ls", "C"), "Consumers for Stream C:\n\n\tone\n\ttwo\n")
        self.assertEqual(self.json("consumer", "ls", "C", "-n"), ["one", "two"])
        self.assertRegex(self.out("consumer", "report", "C"), r"│ one +│ Pull │ Explicit +│ +30\.00s │ +0 │ +0 │ +5 / 100% │")
        self.assertIn("Paused C > one until", self.out("consumer", "pause", "C", "one", "10m"))
        self.assertTrue(self.json("consumer", "info", "C", "one")["paused"])
        self.assertIn("was resumed", self.out("consumer", "resume", "C", "one"))
        self.run_cli("consumer", "rm", "C", "one", "--force")
        self.assertEqual(self.json("consumer", "ls", "C", "-n"), ["two"])

    def test_edit_keeps_what_is_not_said(self):
        self.add("edit", "--filter", "c.new")
        self.run_cli("consumer", "edit", "C", "edit", "--max-deliver", "3", "--force")
        config = self.json("consumer", "info", "C", "edit")["config"]
        self.assertEqual((config["max_deliver"], config["filter_subject"]), (3, "c.new"))

    def test_a_name_is_asked_for_on_a_terminal(self):
        code, screen = self.terminal("consumer", "add", "C", answers=["asked"])
        self.assertEqual(code, 0, screen)
        self.assertEqual(self.json("consumer", "info", "C", "asked")["name"], "asked")

    def test_wrong_input_is_refused_with_a_reason(self):
        self.add("here")
        self.fails(MISSING, "consumer", "info", "C", "none", says=r"consumer not found \(10014\)", next_says="consumer ls")
        self.fails(MISSING, "consumer", "next", "NONE", "none", says="stream not found")
        self.fails(USAGE, "consumer", "add", "C", says="needs a name")
        self.fails(USAGE, "consumer", "add", "C", "x", "--ack", "maybe", says='"maybe" is nothing for --ack')
        self.fails(USAGE, "consumer", "add", "C", "x", "--deliver", "yesterday", says="nothing for --deliver")
        self.fails(USAGE, "consumer", "add", "C", "x", "--pull", "--target", "y", says="exclude each other")
        self.fails(USAGE, "consumer", "pause", "C", "here", "long", says="neither a duration nor a time")
        self.fails(EXISTS, "consumer", "add", "C", "here", "--filter", "c.other", "--defaults", says="already exists")


if __name__ == "__main__":
    unittest.main()
