"""top: what it shows in a pipe and as JSON, and on a terminal what keys, sizes and signals do."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import tempfile
import termios
import time
import unittest

from cli import BINARY, DONE, REFUSED, RUN_S, USAGE, CliCase

LEAVE = "\033[?25h\033[?1049l"


class Screen:
    """What stands on a terminal of that size: of the sequences, those that `top` sends."""

    def __init__(self, case, words, lines=24, columns=100):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execve(BINARY, [BINARY, *words], case.env)
        self.pid, self.said = pid, ""
        self.resize(lines, columns)
        case.addCleanup(self.end)

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def drawn(self):
        """The last whole drawing, as lines without attributes."""
        last = self.said.split("\033[H")[-1]
        return re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", last).replace("\r\n", "\n").split("\n")

    def until(self, wanted, within=RUN_S):
        end = time.monotonic() + within
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.said += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
            try:
                if wanted(self):
                    return self.drawn()
            except IndexError:
                pass  # it is still drawing
        raise AssertionError("it never showed that:\n" + "\n".join(self.drawn()))

    def wait(self):
        """Its exit code; negative: the signal."""
        end = time.monotonic() + RUN_S
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.said += os.read(self.fd, 65536).decode(errors="replace")
                    continue
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("it does not end")

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class Top(CliCase):
    @classmethod
    def setUpClass(cls):
        fd, path = tempfile.mkstemp(suffix=".conf")
        os.write(fd, b"server_name: mill\naccounts { SYS { users: [{user: admin, password: a}] }\n"
                     b" APP { jetstream: enabled, users: [{user: app, password: b}] } }\nsystem_account: SYS\n")
        os.close(fd)
        cls.addClassCleanup(os.unlink, path)
        cls.arguments = ("-c", path)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.env.update(NATS_USER="app", NATS_PASSWORD="b")
        self.admin = {"NATS_USER": "admin", "NATS_PASSWORD": "a"}
        self.run_cli("stream", "add", "FULL", "--subjects", "full", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "FULL", "--force")
        self.run_cli("stream", "add", "ALSO", "--subjects", "also", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "ALSO", "--force")
        self.run_cli("pub", "full", "x", "--count", "7", "--jetstream", "-q")
        self.run_cli("consumer", "add", "FULL", "c", "--defaults")

    def test_in_a_pipe_one_table_follows_the_other(self):
        text = self.out("top", "--count", "2", "--interval", "100ms")
        self.assertEqual(len(re.findall(r"(?m)^FULL +7 +\S+ B +0 +1 +7$", text)), 2)
        self.assertNotIn("\033", text)
        text = self.out("top", "--count", "1", "--view", "consumers")
        self.assertRegex(text, r"(?m)^FULL > c +7 +0 +0 +0 +0 +0$")

    def test_it_sorts(self):
        def names(*words):
            return [row["stream"] for row in self.json("top", "--count", "1", *words)["streams"]]

        self.assertEqual(names("--sort", "messages"), ["FULL", "ALSO"])
        self.assertEqual(names("--sort", "STREAM"), ["ALSO", "FULL"])
        self.assertEqual(names("--sort", "lag"), ["FULL", "ALSO"])

    def test_rates_are_those_between_two_looks(self):
        begun = time.monotonic()
        process = self.spawn("top", "--count", "2", "--interval", "6s", "--json")
        process.stdout.readline()  # the first look
        self.run_cli("pub", "full", "x", "--count", "300", "-q")
        out, err = process.communicate(timeout=RUN_S)
        self.assertEqual(process.returncode, DONE, err)
        least = 300 / (time.monotonic() - begun)  # there was no more time between them than that
        rate = json.loads(out.splitlines()[-1])["streams"][0]["msgs_per_second"]
        self.assertTrue(0.98 * least <= rate <= 52, (least, rate))

    def test_the_system_account_sees_all_accounts_and_who_is_connected(self):
        sub = self.spawn("sub", "x", "--connection-name", "watcher")
        self.until_heard("x")
        streams = self.json("top", "--count", "1", env=self.admin)["streams"]
        self.assertEqual(sorted(row["stream"] for row in streams), ["ALSO (APP)", "FULL (APP)"])
        self.assertEqual([row["lag"] for row in streams if row["stream"] == "FULL (APP)"], [7])
        rows = self.json("top", "--count", "1", "--view", "connections", env=self.admin)["connections"]
        found = [row for row in rows if row["connection"].endswith(" watcher")]
        self.assertEqual((found[0]["account"], found[0]["subscriptions"]), ("APP", 1))
        self.fails(REFUSED, "top", "--view", "connections", says="need the system account")

    def test_wrong_flags_are_refused(self):
        self.fails(USAGE, "top", "--interval", "1ms", says="at least 100ms")
        self.fails(USAGE, "top", "--view", "weather", says='no view "weather"')
        self.fails(USAGE, "top", "--sort", "colour", says='no column "colour"')

    def test_keys_change_view_and_order(self):
        screen = Screen(self, ["top", "--interval", "10s"])
        lines = screen.until(lambda s: "q quit" in s.said)
        self.assertTrue(lines[2].startswith("STREAM "), lines)
        screen.type("2")
        screen.until(lambda s: s.drawn()[2].startswith("CONSUMER") and any("FULL > c" in line for line in s.drawn()))
        screen.type("3")
        screen.until(lambda s: "need the system account" in s.said)
        screen.type("1<<<")  # from the rate to the name
        screen.until(lambda s: [line.split()[0] for line in s.drawn()[3:5] if line] == ["ALSO", "FULL"])
        screen.type("r")
        screen.until(lambda s: [line.split()[0] for line in s.drawn()[3:5] if line] == ["FULL", "ALSO"])
        screen.type("p")
        screen.until(lambda s: "(paused)" in s.drawn()[0])
        screen.type("q")
        self.assertEqual(screen.wait(), DONE)
        self.assertTrue(screen.said.endswith(LEAVE), "the terminal is as it was")

    def test_it_fits_the_terminal_and_follows_its_size(self):
        for i in range(12):
            self.run_cli("stream", "add", f"S{i:02}", "--subjects", f"s{i}", "--defaults")
            self.addCleanup(self.run_cli, "stream", "rm", f"S{i:02}", "--force")
        screen = Screen(self, ["top", "--interval", "10s", "--sort", "stream"], lines=10, columns=60)
        lines = screen.until(lambda s: "1 to 5 of 14" in s.said and "q quit" in s.drawn()[-1])
        self.assertEqual(len(lines), 10)
        self.assertTrue(all(len(line) <= 60 for line in lines), lines)
        self.assertNotIn("LAG", lines[2])
        screen.type("\033[6~")
        screen.until(lambda s: "6 to 10 of 14" in s.said)
        screen.type("\033[F")
        screen.until(lambda s: "10 to 14 of 14" in s.said)
        screen.type("\033[A")
        screen.until(lambda s: "9 to 13 of 14" in s.said)
        screen.resize(30, 120)
        lines = screen.until(lambda s: "LAG" in s.drawn()[2] and len(s.drawn()) == 30)
        self.assertEqual(sum(line.startswith("S") and line[1:3].isdigit() for line in lines), 12)
        screen.type("\003")  # Ctrl-C
        self.assertEqual(screen.wait(), DONE)

    def test_no_line_is_longer_than_a_terminal_of_twenty_columns(self):
        self.run_cli("stream", "add", "WIDE", "--subjects", "wide", "--defaults", "--description", "x")
        self.addCleanup(self.run_cli, "stream", "rm", "WIDE", "--force")
        screen = Screen(self, ["top", "--interval", "10s"], lines=7, columns=20)
        lines = screen.until(lambda s: "1 to 2 of 3" in s.said and "q quit" in s.drawn()[-1])
        self.assertEqual([len(line) for line in lines if len(line) > 20], [], lines)
        screen.type("3")
        lines = screen.until(lambda s: "Connections need" in s.drawn()[-2] and "q quit" in s.drawn()[-1])
        self.assertEqual([len(line) for line in lines if len(line) > 20], [], lines)
        screen.resize(7, 6)
        screen.type("1")
        lines = screen.until(lambda s: s.drawn()[-1] == "q quit")
        self.assertEqual([len(line) for line in lines if len(line) > 6], [], lines)

    def test_a_signal_leaves_the_terminal_as_it_was(self):
        screen = Screen(self, ["top"])
        screen.until(lambda s: "q quit" in s.said)
        os.kill(screen.pid, signal.SIGTERM)
        self.assertEqual(screen.wait(), -signal.SIGTERM)
        self.assertTrue(screen.said.endswith(LEAVE))


if __name__ == "__main__":
    unittest.main()
