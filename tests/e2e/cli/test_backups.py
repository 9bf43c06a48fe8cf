"""Backups as the users of the `nats` command line make them. All of it also holds for the reference server."""

import json
import os
import shlex
import unittest

import command  # finds the modules below
from serverprocess import Server


@unittest.skipUnless(command.PROGRAM, "no nats command line")
class Backups(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.__exit__)
        self.server.__enter__()

    def nats(self, line, status=0):
        return command.run(self.server, shlex.split(line), status)

    def info(self, name):
        found = json.loads(self.nats(f"stream info {name} --json"))
        return found["config"], found["state"], found["created"]

    def test_a_stream_is_backed_up_and_restored(self):
        directory = os.path.join(self.server.directory, "backup")
        self.nats("stream add ORDERS --subjects 'orders.>' --defaults")
        self.nats(f"pub orders.new --count 300 {'x' * 4000}")
        self.nats("stream rmm ORDERS 300 --force")
        self.nats("consumer add ORDERS C --pull --defaults")
        self.nats("consumer next ORDERS C --count 3")
        before = self.info("ORDERS")
        self.assertIn("Received", self.nats(f"stream backup ORDERS {directory} --check --consumers --no-progress"))
        self.nats("stream rm ORDERS --force")
        self.nats(f"stream restore {directory} --no-progress")
        self.assertEqual(self.info("ORDERS"), before)
        consumer = json.loads(self.nats("consumer info ORDERS C --json"))
        self.assertEqual(consumer["delivered"]["stream_seq"], 3)
        self.assertIn("stream", self.nats(f"stream restore {directory} --no-progress", status=1).lower())


if __name__ == "__main__":
    unittest.main()
