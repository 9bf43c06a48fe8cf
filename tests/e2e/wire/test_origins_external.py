"""Mirrors and sources of streams of another account. All of it also holds for the reference server."""

import os
import shutil
import tempfile
import unittest

from test_origins_kept import until
from wire import Requester  # finds serverprocess
from serverprocess import Server

CONFIG = """
jetstream { domain: hub }
accounts {
  A { jetstream: enabled, users: [{user: a, password: a}]
      exports: [ {service: "$JS.API.CONSUMER.>"}, {stream: "to.b.>"}, {service: "$JS.FC.>"} ] }
  B { jetstream: enabled, users: [{user: b, password: b}]
      imports: [ {service: {account: A, subject: "$JS.API.CONSUMER.>"}, to: "JS.a.API.CONSUMER.>"},
                 {stream: {account: A, subject: "to.b.>"}}, {service: {account: A, subject: "$JS.FC.>"}} ] }
}
"""


class External(unittest.TestCase):
    def setUp(self):
        directory = tempfile.mkdtemp(prefix="millrace-external-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        self.server = Server(("-c", path))
        self.addCleanup(self.server.__exit__, None, None, None)
        self.server.__enter__()

    def user(self, name):
        asker = Requester(self.server.port, user=name, **{"pass": name})
        self.addCleanup(asker.__exit__, None, None, None)
        return asker

    def messages(self, asker, stream):
        return asker.api(f"STREAM.INFO.{stream}")["state"]["messages"]

    def test_an_account_takes_what_another_one_exports(self):
        a, b = self.user("a"), self.user("b")
        origin = {"external": {"api": "JS.a.API", "deliver": "to.b"}}
        for name, retention in (("L", "limits"), ("W", "workqueue")):
            config = {"name": name, "subjects": [name + ".>"], "retention": retention}
            self.assertNotIn("error", a.api("STREAM.CREATE." + name, config))
            for copy, config in (("S", {"sources": [{"name": name, **origin}]}), ("M", {"mirror": {"name": name, **origin}})):
                answer = b.api(f"STREAM.CREATE.{copy}{name}", {"name": copy + name, **config})
                self.assertNotIn("error", answer)
        until(lambda found: found == 2, lambda: a.api("STREAM.INFO.W")["state"]["consumer_count"])
        for i in range(10):
            a.publish(b"L.x", b"%d" % i)
            a.publish(b"W.x", b"%d" % i)
        for stream in ("SL", "ML", "SW", "MW"):
            until(lambda found: found == 10, lambda stream=stream: self.messages(b, stream))
        until(lambda found: found == 0, lambda: self.messages(a, "W"))
        self.assertEqual(self.messages(a, "L"), 10)

    def test_a_domain_is_asked_under_its_name(self):
        a = self.user("a")
        for subject, kind in ((b"$JS.hub.API.INFO", b"account_info"), (b"$JS.hub.API.STREAM.NAMES", b"stream_names")):
            head, answer = a.ask(subject)
            self.assertEqual(head, b"")
            self.assertIn(kind, answer)
        self.assertEqual(a.api("INFO")["domain"], "hub")
        self.assertIn(b"503", a.ask(b"$JS.other.API.INFO")[0])


if __name__ == "__main__":
    unittest.main()
