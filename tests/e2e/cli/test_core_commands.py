"""Core messages and a server's own account, as the users of the `nats` command line have them. All of it also holds
for the reference server."""

import json
import os
import shlex
import subprocess
import tempfile
import time
import unittest

import command  # finds the modules below
from serverprocess import Server
from wire import Connection

CONFIG = """
server_name: S1
accounts {
  A { users: [{user: a, password: a}] }
  SYS { users: [{user: sys, password: sys}] }
}
system_account: SYS
no_auth_user: a
"""
SYSTEM = "--user sys --password sys "


@unittest.skipUnless(command.PROGRAM, command.WITHOUT)
class Core(command.Case):
    @classmethod
    def setUpClass(cls):
        file = tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="millrace-cli-", delete=False)
        cls.addClassCleanup(os.unlink, file.name)
        with file:
            file.write(CONFIG)
        cls.server = Server(("-c", file.name), jetstream=False)
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def started(self, line, subject):
        """The command in the background, when it has subscribed to that subject."""
        process = subprocess.Popen(
            [command.PROGRAM, "-s", f"nats://127.0.0.1:{self.server.port}", *shlex.split(line)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=command.environment(self.server.directory), text=True,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        end = time.monotonic() + command.WITHIN_S
        with Connection(self.server.port) as asker:
            asker.connect(headers=True, no_responders=True)
            asker.send(b"SUB in 1\r\n")
            while True:
                asker.send(b"PUB %s in 5\r\nthere\r\nPING\r\n" % subject.encode())
                said = list(iter(asker.line, b"PONG\r\n"))  # an answer may come behind it
                if not any(b"503" in line for line in said):
                    return process
                self.assertLess(time.monotonic(), end, f"{line} never subscribed")
                time.sleep(0.05)

    def test_what_is_published_is_shown_by_a_subscriber(self):
        subscriber = self.started("sub 'greet.>' --count 3", "greet.probe")
        self.nats("pub greet.one 'hello you' -H Colour:blue")
        self.nats("pub greet.two --count 1 'number {{Count}}'")
        said = subscriber.communicate(timeout=command.WITHIN_S)[0]
        self.assertEqual(subscriber.returncode, 0, said)
        for text in ('"greet.one"', "hello you", "Colour: blue", '"greet.two"', "number 1"):
            self.assertIn(text, said)

    def test_a_request_is_answered_by_a_replier(self):
        self.started("reply help.me 'at your {{Request}}'", "help.me")
        self.assertIn("at your service", self.nats("request help.me service"))

    def test_a_request_that_nobody_takes_says_so(self):
        said = self.nats("request nobody.here hello", status=0)
        self.assertIn("No responders are available", said)

    def bench(self, newer, older):
        """Its words changed over time."""
        try:
            return self.nats(newer)
        except command.Failed as failed:
            if "unexpected" not in str(failed) and "expected" not in str(failed):
                raise
            return self.nats(older)

    def test_benchmarks_of_core_messages_run(self):
        for clients in (1, 3):
            said = self.bench(
                f"bench pub bench.a --msgs 9000 --clients {clients} --no-progress",
                f"bench bench.a --pub {clients} --msgs 9000 --no-progress",
            )
            self.assertRegex(said, r"(?i)pub.*stats.*msgs/sec")

    def test_subscribers_of_a_benchmark_get_all(self):
        try:
            said = self.nats("bench bench.b --pub 1 --sub 2 --msgs 2000 --no-progress")
        except command.Failed:  # newer versions have one command for each side
            subscribers = self.started("bench sub bench.b --clients 2 --msgs 2000 --no-progress", "bench.b")
            self.nats("bench pub bench.b --msgs 2000 --no-progress")
            said = subscribers.communicate(timeout=command.WITHIN_S)[0]
        self.assertRegex(said, r"(?i)sub.*stats.*msgs/sec")

    def test_the_way_to_the_server_is_timed(self):
        self.assertRegex(self.nats("rtt 3"), r"127\.0\.0\.1(:\d+)?: +[\d.]+(µs|ms)")

    def test_servers_answer_a_ping(self):
        said = self.nats(SYSTEM + "server ping 1")
        self.assertRegex(said, r"S1\s+rtt=[\d.]+")
        self.assertIn("1 replies", said)

    def test_a_server_tells_of_itself(self):
        said = self.nats(SYSTEM + "server info")
        for text in (r"for S1 \(N[A-Z0-9]+\)|Name:\s+S1", r"Version:\s+2\.14", rf"127\.0\.0\.1:{self.server.port}"):
            self.assertRegex(said, text)
        self.assertIn("S1", self.nats(SYSTEM + "server list 1"))

    def test_connections_are_reported(self):
        with Connection(self.server.port) as client:
            client.connect(name="the one to find")
            client.send(b"SUB a 1\r\nSUB b 2\r\n")
            client.flush()
            said = self.nats(SYSTEM + "server report connections")
            self.assertIn("the one to find", said)
            self.assertRegex(said, r"\bA\b")
            rows = json.loads(self.nats(SYSTEM + "server report connections --json"))
            mine = [row for row in rows if row.get("name") == "the one to find"]
            self.assertEqual([row["subscriptions"] for row in mine], [2])
        self.assertIn("A", self.nats(SYSTEM + "server report accounts"))

    def test_who_is_not_of_the_system_account_is_told_nothing(self):
        self.assertIn("ensure the account used has system privileges", self.nats("server info", status=1))


if __name__ == "__main__":
    unittest.main()
