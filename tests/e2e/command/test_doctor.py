"""doctor: what is well, what is not, and exit codes for probes."""

import unittest

from cli import DONE, FAILED, UNREACHABLE, CliCase
from serverprocess import free_port


class Doctor(CliCase):
    def test_a_server_that_is_well(self):
        self.run_cli("stream", "add", "WELL", "--subjects", "well", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "WELL", "--force")
        text = self.out("doctor")
        self.assertRegex(text, r"(?m)^ok +nats://127\.0\.0\.1:\d+ .* answers in ")
        self.assertIn("1 streams and their consumers are well", text)
        self.assertTrue(text.endswith("0 problems, 0 warnings\n"))

    def test_a_full_stream_is_a_problem_and_a_stuck_consumer_a_warning(self):
        self.run_cli("stream", "add", "FULL", "--subjects", "full", "--max-msgs", "2", "--discard", "new", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "FULL", "--force")
        self.run_cli("pub", "full", "x", "--count", "2", "--jetstream")
        self.run_cli("consumer", "add", "FULL", "stuck", "--max-pending", "1", "--defaults")
        self.run_cli("consumer", "next", "FULL", "stuck", "--no-ack")
        text = self.out("doctor", code=FAILED)
        self.assertRegex(text, r"(?m)^problem +stream FULL is full by its number of messages")
        self.assertRegex(text, r"(?m)^warning +consumer FULL > stuck waits")
        self.assertEqual([row["finding"] for row in self.json("doctor", code=FAILED)], ["ok", "problem", "warning"])

    def test_nobody_there_has_its_own_code(self):
        self.fails(UNREACHABLE, "doctor", "-s", f"127.0.0.1:{free_port()}", says="no server")


class Top(CliCase):
    def test_it_shows_streams_rates_and_lag_in_a_pipe_and_on_a_terminal(self):
        self.run_cli("stream", "add", "TOP", "--subjects", "top", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "TOP", "--force")
        self.run_cli("pub", "top", "x", "--count", "7", "--jetstream")
        self.run_cli("consumer", "add", "TOP", "c", "--defaults")
        self.assertRegex(self.out("top", "--count", "1"), r"(?m)^TOP +7 +\S+ B +0 +1 +7$")
        code, screen = self.terminal("top", "--count", "2", "--interval", "200ms")
        self.assertEqual(code, DONE)
        self.assertIn("q quit", screen)
        self.assertTrue(screen.endswith("\033[?25h\033[?1049l"), "the terminal is as it was")
        self.fails(2, "top", "--interval", "1ms", says="at least 100ms")


if __name__ == "__main__":
    unittest.main()
