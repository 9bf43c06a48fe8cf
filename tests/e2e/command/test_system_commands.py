"""server ls and report, cluster, account, events: what needs the system account, and what does not."""

import json
import unittest

from cli import MISSING, REFUSED, RUN_S, USAGE, CliCase


class System(CliCase):
    @classmethod
    def setUpClass(cls):
        import os
        import tempfile

        fd, cls.config = tempfile.mkstemp(suffix=".conf")
        os.write(fd, b"server_name: mill\naccounts { SYS { users: [{user: admin, password: a}] }\n"
                     b" APP { jetstream: enabled, users: [{user: app, password: b}] } }\nsystem_account: SYS\n")
        os.close(fd)
        cls.addClassCleanup(os.unlink, cls.config)
        cls.arguments = ("-c", cls.config)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.env.update(NATS_USER="app", NATS_PASSWORD="b")
        self.admin = {"NATS_USER": "admin", "NATS_PASSWORD": "a"}

    def test_servers_are_listed_and_reported(self):
        self.assertRegex(self.out("server", "ls", env=self.admin), r"│ mill │")
        self.assertEqual(self.json("server", "ls", env=self.admin)[0]["server"]["name"], "mill")
        self.assertRegex(self.out("server", "report", "jetstream", env=self.admin), r"│ mill ")
        self.assertRegex(self.out("server", "report", "connections", env=self.admin), r"│ millrace │ mill ")
        self.assertRegex(self.out("server", "ping", env=self.admin), r"│ mill │ N")
        self.assertIn("Process Details:", self.out("server", "info", env=self.admin))
        self.fails(USAGE, "server", "report", "weather", says='no report on "weather"')
        self.fails(MISSING, "server", "info", "other", says='no server called "other"', env=self.admin)

    def test_without_the_system_account_it_says_so(self):
        self.fails(REFUSED, "server", "ls", says="needs the system account", next_says="--context")
        self.fails(REFUSED, "cluster", "status", says="needs the system account")

    def test_the_account_is_shown(self):
        text = self.out("account", "info")
        self.assertIn("Maximum Payload: 1.0 MiB\n", text)
        self.assertRegex(text, r"Streams: \d+ of unlimited\n")
        self.assertIn("limits", self.json("account", "info"))

    def test_events_are_shown(self):
        events = self.spawn("events", "--count", "1", "--json")
        self.until_heard("$JS.EVENT.ADVISORY.STREAM.CREATED.EV")
        self.run_cli("stream", "add", "EV", "--subjects", "ev", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "EV", "--force")
        out, _ = events.communicate(timeout=RUN_S)
        self.assertRegex(json.loads(out.splitlines()[0])["type"], r"^io\.nats\.jetstream\.advisory\.v1\.")

    def test_without_a_cluster_it_says_so(self):
        self.fails(MISSING, "cluster", "status", says="no cluster", env=self.admin)
        self.fails(MISSING, "cluster", "stepdown", says="no cluster")


if __name__ == "__main__":
    unittest.main()
