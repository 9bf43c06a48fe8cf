"""Commands that run for long outlive a restart of their server, and say so on standard error."""

import time
import unittest

from cli import DONE, RUN_S, UNREACHABLE, CliCase


class Again(CliCase):
    def setUp(self):
        super().setUp()
        self.run_cli("stream", "add", "A", "--subjects", "a.>", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "A", "--force")

    def outlives(self, words, publish, subject=None, stream=None, consumer=None):
        """What it printed: `publish` is called before and after the restart. What must be there before it is published is
        who hears the subject, or a consumer of the stream. What a named consumer has delivered is acknowledged by the restart."""
        before = self.consumers(stream) if stream else set()
        process = self.spawn(*words)
        if stream:
            self.until_read(stream, before)
        self.ready(subject)
        publish(1)
        first = process.stdout.readline()
        if consumer:
            self.until_acknowledged(consumer)
        self.server.restart()
        self.assertIn("Connected again", self.wait_for(process.stderr, "Connected again"))
        self.ready(subject)
        publish(2)
        out, err = self.rest(process)
        self.assertEqual(process.returncode, DONE, err)
        return first + out

    def until_acknowledged(self, consumer):
        end, info = time.monotonic() + RUN_S, None
        while info is None or info["num_pending"] + info["num_ack_pending"] > 0:
            self.assertLess(time.monotonic(), end, info)
            info = self.json("consumer", "info", "A", consumer)

    def ready(self, subject):
        if subject:
            self.until_heard(subject)

    def put(self, subject):
        return lambda n: self.run_cli("pub", subject, f"number {n}")

    def test_sub(self):
        out = self.outlives(("sub", "x.>", "--count", "2", "--raw"), self.put("x.y"), subject="x.y")
        self.assertEqual(out, "number 1\nnumber 2\n")

    def test_sub_of_a_stream_misses_nothing(self):
        out = self.outlives(("sub", "--stream", "A", "--new", "--count", "2", "--raw"), self.put("a.b"), stream="A")
        self.assertEqual(out, "number 1\nnumber 2\n")

    def test_reply(self):
        out = self.outlives(("reply", "ask", "an answer", "--count", "2"),
                            lambda n: self.assertIn("an answer", self.out("request", "ask", "q")), subject="ask")
        self.assertEqual(out.count("Received on subject"), 2)

    def test_events(self):
        def make(n):
            self.run_cli("stream", "add", f"E{n}", "--subjects", f"e{n}", "--defaults")
            self.addCleanup(self.run_cli, "stream", "rm", f"E{n}", "--force")

        out = self.outlives(("events", "--count", "2", "--subjects", "$JS.EVENT.ADVISORY.STREAM.CREATED.*"), make,
                            subject="$JS.EVENT.ADVISORY.STREAM.CREATED.E")
        self.assertEqual(out.count("io.nats.jetstream.advisory.v1.stream_action"), 2)

    def test_pulling_and_pushing_consumers(self):
        self.run_cli("consumer", "add", "A", "pull", "--pull", "--defaults")
        out = self.outlives(("consumer", "sub", "A", "pull", "--raw", "--count", "2"), self.put("a.b"), consumer="pull")
        self.assertEqual(out, "number 1\nnumber 2\n")
        self.run_cli("consumer", "add", "A", "push", "--target", "to.me", "--defaults")
        out = self.outlives(("consumer", "sub", "A", "push", "--raw", "--count", "4"), self.put("a.b"), consumer="push")
        self.assertEqual(out, "number 1\nnumber 2\n" * 2)
        self.assertEqual(self.json("consumer", "info", "A", "push")["num_ack_pending"], 0)

    def test_watches_go_on_where_they_were(self):
        self.run_cli("kv", "add", "W")
        self.addCleanup(self.run_cli, "kv", "rm", "W", "--force")
        out = self.outlives(("kv", "watch", "W", "--count", "2"), lambda n: self.run_cli("kv", "put", "W", "k", f"v{n}"), stream="KV_W")
        self.assertEqual([line.split("] ")[1] for line in out.splitlines()], ["PUT W > k: v1", "PUT W > k: v2"])
        self.run_cli("object", "add", "W")
        self.addCleanup(self.run_cli, "object", "rm", "W", "--force")
        out = self.outlives(("object", "watch", "W", "--count", "2"),
                            lambda n: self.run_cli("object", "put", "W", "--name", f"o{n}", stdin="x"), stream="OBJ_W")
        self.assertEqual([line.split("] ")[1] for line in out.splitlines()], ["PUT W > o1: 1 B", "PUT W > o2: 1 B"])

    def test_top(self):
        process = self.spawn("top", "--interval", "300ms", "--count", "8")
        first = process.stdout.readline()
        self.server.restart()
        out, err = self.rest(process)
        out = first + out
        self.assertEqual(process.returncode, DONE, err)
        self.assertIn("Disconnected: the server closed the connection", err)
        self.assertIn("Connected again", err)
        self.assertEqual(out.count("STREAM "), 8)
        self.assertRegex(out.splitlines()[-1], r"^A +0 ")

    def test_one_that_ends_by_itself_does_not_try_again(self):
        self.run_cli("consumer", "add", "A", "c", "--pull", "--defaults")
        process = self.spawn("consumer", "next", "A", "c", "--wait", "300s")
        end = time.monotonic() + RUN_S
        while self.json("consumer", "info", "A", "c")["num_waiting"] == 0:
            self.assertLess(time.monotonic(), end, "it asks for nothing")
        self.server.restart()
        _, err = process.communicate(timeout=RUN_S)
        self.assertEqual(process.returncode, UNREACHABLE, err)


if __name__ == "__main__":
    unittest.main()
