"""What three servers say of their streams, and who may tell the metadata leader to step down.

It holds for the reference server as well.
"""

import json
import os
import shutil
import tempfile
import time
import unittest

from wire import ASK_S, Requester, Timeout  # finds serverprocess
from serverprocess import Server, free_port

CONFIG = """
accounts {
  APP { jetstream: enabled, users: [{user: app, password: app}] }
  $SYS { users: [{user: sys, password: sys}] }
}
"""

FORMED_S = 120
SILENCE_S = 0.5


class Member(Server):
    def __init__(self, name, port, routes, config):
        cluster = ["--cluster_name", "C", "--cluster", f"nats://127.0.0.1:{port}", "--routes", routes]
        super().__init__(["-c", config, "--server_name", name, *cluster], prefix=f"millrace-wire-{name}-")


class ThreeServers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="millrace-cluster-wire-")
        cls.addClassCleanup(shutil.rmtree, directory, ignore_errors=True)
        config = os.path.join(directory, "c.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        ports = [free_port() for _ in range(3)]
        routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
        cls.members = [Member(f"n{i}", port, routes, config) for i, port in enumerate(ports)]
        for member in cls.members:
            cls.addClassCleanup(member.__exit__)
            member.__enter__()
        cls.formed = cls.when_formed()

    @classmethod
    def when_formed(cls):
        """The stream that the cluster could make as soon as it had formed."""
        config = {"name": "S", "subjects": ["s"], "num_replicas": 3}
        end = time.monotonic() + FORMED_S
        while True:
            with cls.user(0, "app") as app:
                try:
                    answer = app.api("STREAM.CREATE.S", config)
                except (Timeout, AssertionError):
                    answer = {"error": "silence"}
            if "error" not in answer:
                return answer
            if time.monotonic() > end:
                raise AssertionError(answer)
            time.sleep(0.2)

    @classmethod
    def user(cls, node, name):
        return Requester(cls.members[node].port, read_s=ASK_S, user=name, **{"pass": name})

    def info(self, node=0):
        """As soon as somebody leads."""
        end = time.monotonic() + FORMED_S
        while True:
            try:
                with self.user(node, "app") as app:
                    answer = app.api("STREAM.INFO.S")
                if answer.get("cluster", {}).get("leader"):
                    return answer
            except (Timeout, OSError, AssertionError) as problem:
                answer = problem
            self.assertLess(time.monotonic(), end, answer)
            time.sleep(0.1)

    def silent(self, user, subject, body=b""):
        """Nobody answers, neither at once nor soon."""
        user.send(b"PUB %s answers.silent %d\r\n" % (subject, len(body)) + body + b"\r\n")
        time.sleep(SILENCE_S)
        said = user.flush()
        self.assertIn(b"503", said or b"503")
        return said

    def test_a_stream_says_who_leads_it_since_when_and_how_its_members_talk(self):
        cluster = self.info()["cluster"]
        self.assertEqual(cluster["name"], "C")
        names = {cluster["leader"]} | {replica["name"] for replica in cluster["replicas"]}
        self.assertEqual(names, {"n0", "n1", "n2"})
        self.assertTrue(cluster["raft_group"].startswith("S-R3F-"))
        self.assertRegex(cluster["leader_since"], r"^20\d\d-\d\d-\d\dT.*Z$")
        self.assertIs(cluster["system_account"], True)
        self.assertEqual(cluster["traffic_account"], "$SYS")

    def test_a_consumer_has_as_many_replicas_as_it_asks_for(self):
        with self.user(0, "app") as app:
            for name, asked, others in (("three", {"num_replicas": 3}, 2), ("one", {"num_replicas": 1, "mem_storage": True}, 0),
                                        ("as-the-stream", {}, 2)):
                config = {"name": name, "durable_name": name, "ack_policy": "explicit", **asked}
                made = app.api(f"CONSUMER.CREATE.S.{name}", {"stream_name": "S", "config": config})
                self.assertNotIn("error", made)
                self.assertEqual(len(made["cluster"].get("replicas", [])), others, name)
            config = {"name": "ephemeral", "ack_policy": "explicit"}
            made = app.api("CONSUMER.CREATE.S.ephemeral", {"stream_name": "S", "config": config})
            self.assertEqual(made["cluster"].get("replicas", []), [])
            config = {"name": "five", "durable_name": "five", "num_replicas": 5}
            refused = app.api("CONSUMER.CREATE.S.five", {"stream_name": "S", "config": config})
            self.assertEqual(refused["error"]["err_code"], 10126)

    def test_an_account_that_is_not_the_systems_cannot_move_the_metadata_leader(self):
        with self.user(1, "app") as app:
            self.silent(app, b"$JS.API.META.LEADER.STEPDOWN")

    def test_the_system_account_moves_the_metadata_leader_and_streams_stay(self):
        with self.user(1, "sys") as system:
            answer = system.api("META.LEADER.STEPDOWN")
        self.assertEqual(answer.get("success"), True, json.dumps(answer))
        self.assertEqual(self.info(2)["config"]["name"], "S")


if __name__ == "__main__":
    unittest.main()
