"""$JS.API.ACCOUNT.PURGE: the system account ends all streams of another. What is no own promise holds for the
reference, too."""

import json
import os
import shutil
import signal
import tempfile
import time
import unittest

from cluster import ClusterCase
from wire import ASK_S, Requester  # finds serverprocess
from serverprocess import Server

QUIET_S = 1.0
ACCOUNTS = """
accounts {
  A: { jetstream: enabled, users: [ {user: a, password: p} ] }
  B: { jetstream: enabled, users: [ {user: b, password: p} ] }
  SYS: { users: [ {user: s, password: p} ] }
}
system_account: SYS
"""
TYPE = "io.nats.jetstream.api.v1.account_purge_response"


class Files(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-account-purge-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def write(self, text):
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def user(port, name, **more):
    return Requester(port, user=name, **{"pass": "p"}, inbox=b"answers." + name.encode(), **more)


def names(client):
    return client.api("STREAM.NAMES")["streams"] or []


class Purge(Files):
    def start(self, text=ACCOUNTS):
        self.server = Server(["-c", self.write(text)])
        self.addCleanup(self.server.__exit__)
        self.server.__enter__()

    def user(self, name):
        client = user(self.server.port, name)
        self.addCleanup(client.__exit__)
        return client

    def fill(self, client):
        for name, storage in (("S", "file"), ("M", "memory")):
            self.assertNotIn("error", client.api("STREAM.CREATE." + name, {"name": name, "storage": storage, "subjects": [name]}))
            self.assertEqual(client.publish(name.encode(), b"x")["seq"], 1)
        self.assertNotIn("error", client.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": {"name": "C", "durable_name": "C"}}))

    def test_all_streams_of_that_account_go_and_those_of_others_stay(self):
        self.start()
        a, b, system = self.user("a"), self.user("b"), self.user("s")
        self.fill(a), self.fill(b)
        a.send(b"SUB $JS.EVENT.ADVISORY.STREAM.DELETED.* 2\r\n")
        a.flush()
        self.assertEqual(system.api("ACCOUNT.PURGE.A"), {"type": TYPE, "initiated": True})
        told = sorted(json.loads(a.message()[3])["stream"] for _ in range(2))
        self.assertEqual(told, ["M", "S"])
        self.assertEqual((names(a), names(b)), ([], ["M", "S"]))
        self.assertEqual(a.api("INFO")["storage"], 0)
        self.fill(a)
        self.assertEqual(names(a), ["M", "S"])

    def test_an_account_that_nobody_has_is_purged_too(self):
        self.start()
        system = self.user("s")
        for name in ("A", "nobody"):
            self.assertEqual(system.api("ACCOUNT.PURGE." + name), {"type": TYPE, "initiated": True})

    def test_what_an_account_had_that_is_configured_no_more_is_gone_when_it_is_again(self):
        self.start()
        self.fill(self.user("a"))
        self.server.end(signal.SIGTERM)
        shorter = "\n".join(line for line in ACCOUNTS.splitlines() if " A: " not in line)
        self.write(shorter)
        self.server.start()
        self.assertEqual(self.user("s").api("ACCOUNT.PURGE.A"), {"type": TYPE, "initiated": True})
        self.server.end(signal.SIGTERM)
        self.write(ACCOUNTS)
        self.server.start()
        a = self.user("a")
        self.assertEqual(names(a), [])
        self.fill(a)

    def test_a_name_that_is_a_path_is_refused(self):
        self.start()
        answer = self.user("s").api("ACCOUNT.PURGE.a/b")
        self.assertEqual(answer["error"], {"code": 500, "err_code": 10051, "description": "account name can not contain path separators"})

    def test_nobody_else_may(self):
        self.start()
        a = self.user("a")
        self.fill(a)
        a.send(b"PUB $JS.API.ACCOUNT.PURGE.A answers.no 0\r\n\r\n")
        time.sleep(QUIET_S)
        self.assertEqual(names(a), ["M", "S"])


class PurgeInCluster(ClusterCase, Files):
    def setUp(self):
        Files.setUp(self)
        ClusterCase.setUp(self)

    def arguments(self, number):
        return ["-c", self.write(ACCOUNTS)]

    def ask(self, node, name, subject, body=b"", wanted=lambda answer: "error" not in answer):
        def asked():
            with user(self.nodes[node].port, name, read_s=ASK_S) as client:
                return client.api(subject, body)

        return self.until(wanted, asked)

    def test_any_node_takes_it_for_all(self):
        for name, replicas in (("S", 3), ("T", 1)):
            for who in ("a", "b"):
                self.ask(0, who, "STREAM.CREATE." + name, {"name": name, "num_replicas": replicas})
        self.ask(1, "s", "ACCOUNT.PURGE.A", wanted=lambda answer: answer.get("initiated"))
        for node in range(3):
            self.ask(node, "a", "STREAM.NAMES", wanted=lambda answer: not answer["streams"])
            self.ask(node, "b", "STREAM.NAMES", wanted=lambda answer: answer["streams"] == ["S", "T"])


if __name__ == "__main__":
    unittest.main()
