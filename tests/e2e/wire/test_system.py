"""The system account: what servers answer there, what they tell, and who may ask.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import json
import os
import shutil
import tempfile
import time
import unittest

from wire import READ_S, Connection, Requester, own_promise
from serverprocess import Server, free_port

ACCOUNTS = """
accounts {
  A { users: [{user: a, password: a, permissions: {publish: {deny: "x.>"}}}], jetstream: enabled }
  B { users: [{user: b, password: b}] }
  SYS { users: [{user: sys, password: sys}] }
}
system_account: SYS
"""
PAUSE_S = 0.3  # what is not to come would have come within


class SystemCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="millrace-system-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)

    @classmethod
    def start(cls, rest="", name="c"):
        path = os.path.join(cls.directory, f"{name}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(ACCOUNTS + rest)
        server = Server(("-c", path))
        cls.addClassCleanup(server.__exit__)
        return server.__enter__()


def user(port, who, **options):
    client = Requester(port, user=who, **{"pass": who}, **options)
    client.flush()
    return client


def ask(client, subject, body=b""):
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    head, data = client.ask(subject.encode(), body)
    assert not head, head
    return json.loads(data)


class Alone(SystemCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start("server_name: S\nserver_tags: [east, big]\n")
        with Connection(cls.server.port) as connection:
            cls.id = connection.info()["server_id"]

    def setUp(self):
        self.system = user(self.server.port, "sys")
        self.addCleanup(self.system.__exit__)

    def silent(self, client, subject, body=b""):
        """Nobody answers, not even that there is nobody."""
        client.send(b"PUB %s answers.none %d\r\n%s\r\n" % (subject.encode(), len(body), body))
        time.sleep(PAUSE_S)
        self.assertEqual(client.flush(), b"")

    def test_it_has_no_jetstream_of_its_own_and_is_told_so(self):
        for subject, kind in (("INFO", "account_info"), ("STREAM.NAMES", "system"), ("STREAM.INFO.S", "system"),
                              ("CONSUMER.CREATE.S", "system"), ("CONSUMER.MSG.NEXT.S.C", "system"), ("META.X", "system"),
                              ("X", "system")):  # fmt: skip
            answer = ask(self.system, "$JS.API." + subject)
            self.assertEqual((answer["type"], answer["error"]["err_code"]),
                             (f"io.nats.jetstream.api.v1.{kind}_response", 10039), subject)

    def test_a_ping_is_answered_with_who_it_is_and_how_it_does(self):
        answer = ask(self.system, "$SYS.REQ.SERVER.PING")
        self.assertEqual(answer["server"]["id"], self.id)
        self.assertEqual(answer["server"]["tags"], ["east", "big"])
        stats = answer["statsz"]
        self.assertEqual(stats["active_servers"], 1)
        self.assertNotIn("store_dir", stats["jetstream"]["config"])
        for member in ("start", "mem", "cores", "cpu", "connections", "subscriptions", "sent", "received", "slow_consumers"):
            self.assertIn(member, stats)

    def test_every_document_of_monitoring_is_there_by_ping_and_by_id(self):
        for name in ("VARZ", "CONNZ", "SUBSZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "JSZ", "HEALTHZ"):
            for whom in ("PING", self.id):
                with self.subTest(name):
                    answer = ask(self.system, f"$SYS.REQ.SERVER.{whom}.{name}")
                    self.assertEqual(answer["server"]["name"], "S")
                    self.assertIsInstance(answer["data"], dict)

    def test_what_is_asked_with_a_body_is_obeyed(self):
        with user(self.server.port, "a", name="asked"):
            options = {"acc": "A", "auth": True, "subscriptions": True, "limit": 1}
            (row,) = ask(self.system, "$SYS.REQ.SERVER.PING.CONNZ", options)["data"]["connections"]
            self.assertEqual((row["name"], row["account"], row["authorized_user"]), ("asked", "A", "a"))
            self.assertEqual(row["subscriptions_list"], ["answers.*"])

    def test_a_body_that_is_wrong_is_refused_with_a_reason(self):
        for body, description in (
            (b"{", "unexpected end of JSON input"),
            (b"[]", "json: cannot unmarshal array into Go value of type server.ConnzEventOptions"),
            (
                b'{"limit":"x"}',
                "json: cannot unmarshal string into Go struct field "
                "ConnzEventOptions.ConnzOptions.limit of type int",
            ),
        ):
            with self.subTest(body):
                error = ask(self.system, "$SYS.REQ.SERVER.PING.CONNZ", body)["error"]
                self.assertEqual(error, {"code": 400, "description": description})
        answer = ask(self.system, f"$SYS.REQ.SERVER.{self.id}.CONNZ", {"sort": "x"})
        self.assertEqual(answer["error"], {"code": 500, "description": "invalid sorting option: x"})
        self.assertIsNone(answer["data"])

    def test_only_servers_that_are_meant_answer(self):
        for wanted in ({"server_name": "S"}, {"host": "127"}, {"tags": ["EAST"]}, {}):
            with self.subTest(wanted):
                self.assertEqual(ask(self.system, "$SYS.REQ.SERVER.PING.VARZ", wanted)["server"]["name"], "S")
        for wanted in ({"server_name": "T"}, {"host": "127", "exact_match": True}, {"tags": ["west"]}, {"cluster": "C"}):
            with self.subTest(wanted):
                self.silent(self.system, "$SYS.REQ.SERVER.PING.VARZ", json.dumps(wanted).encode())
        for subject in ("$SYS.REQ.SERVER.NOBODY.VARZ", f"$SYS.REQ.SERVER.{self.id}.NOTHING", "$SYS.REQ.SERVER.PING.KICK"):
            head, _ = self.system.ask(subject.encode())
            self.assertIn(b" 503", head)

    def test_accounts_are_asked_about(self):
        with user(self.server.port, "a"):
            info = ask(self.system, "$SYS.REQ.ACCOUNT.A.INFO")["data"]
            self.assertEqual((info["account_name"], info["jetstream_enabled"], info["client_connections"]), ("A", True, 1))
            (stats,) = ask(self.system, "$SYS.REQ.ACCOUNT.A.STATZ")["data"]["account_statz"]
            self.assertEqual((stats["acc"], stats["conns"]), ("A", 1))
        self.assertEqual(ask(self.system, "$SYS.REQ.ACCOUNT.A.JSZ")["data"]["name"], "A")
        self.assertIn("does not exist", ask(self.system, "$SYS.REQ.ACCOUNT.X.INFO")["error"]["description"])
        self.assertIn("not jetstream enabled", ask(self.system, "$SYS.REQ.ACCOUNT.B.JSZ")["error"]["description"])

    def test_whoever_is_in_another_account_learns_of_that_alone(self):
        with user(self.server.port, "a", name="mine") as a, user(self.server.port, "b"):
            for subject in ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ"):
                for body in ({}, {"acc": "B"}, {"account": "B"}):
                    rows = ask(a, subject, body)["data"]["connections"]
                    self.assertEqual([row["name"] for row in rows], ["mine"])
            rows = ask(a, "$SYS.REQ.ACCOUNT.PING.STATZ", {"accounts": ["B"]})["data"]["account_statz"]
            self.assertEqual([row["acc"] for row in rows], ["A"])
            for subject in ("$SYS.REQ.SERVER.PING", f"$SYS.REQ.SERVER.{self.id}.VARZ", "$SYS.REQ.ACCOUNT.B.INFO"):
                head, _ = a.ask(subject.encode())
                self.assertIn(b" 503", head)

    def test_a_user_learns_who_it_is_and_what_it_may(self):
        with user(self.server.port, "a") as a:
            data = ask(a, "$SYS.REQ.USER.INFO")["data"]
            self.assertEqual((data["user"], data["account"]), ("a", "A"))
            self.assertEqual(data["permissions"], {"publish": {"deny": ["x.>"]}, "subscribe": {}})

    def test_a_client_is_kicked(self):
        with user(self.server.port, "b") as b:
            cid = b.info()["client_id"]
            self.assertNotIn("error", ask(self.system, f"$SYS.REQ.SERVER.{self.id}.KICK", {"cid": cid}))
            b.until_end()
        answer = ask(self.system, f"$SYS.REQ.SERVER.{self.id}.KICK", {"cid": 99999})
        self.assertEqual(answer["error"]["description"], "no such client or leafnode id")

    def test_the_configuration_is_read_again_on_request(self):
        server = self.start("max_payload: 1000\n", "reloaded")
        path = server.arguments[1]
        with user(server.port, "sys") as system:
            subject = f"$SYS.REQ.SERVER.{system.info()['server_id']}.RELOAD"
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("max_payload: 1000", "max_payload: 2000"))
            self.assertNotIn("error", ask(system, subject))
            self.assertEqual(ask(system, "$SYS.REQ.SERVER.PING.VARZ")["data"]["max_payload"], 2000)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "no_such_option: 1\n")
            self.assertIn("no_such_option", ask(system, subject)["error"]["description"])

    def events(self, *subjects):
        """A listener in the system account, and what it hears of these, by subject."""
        listener = user(self.server.port, "sys")
        self.addCleanup(listener.__exit__)
        for subject in subjects:
            listener.send(b"SUB %s 5\r\n" % subject.encode())
        listener.flush()
        return listener

    def next(self, listener, subject, client=None):
        """The next event there, of this client if one is named: others may just have left."""
        end = time.monotonic() + READ_S
        while time.monotonic() < end:
            to, _, _, data = listener.message()
            event = json.loads(data)
            if to.decode() == subject and client in (None, event.get("client", {}).get("name")):
                return event
        self.fail(f"no {subject}")

    def test_who_comes_and_goes_is_told(self):
        listener = self.events("$SYS.ACCOUNT.A.>")
        with user(self.server.port, "a", name="told", lang="test") as a:
            event = self.next(listener, "$SYS.ACCOUNT.A.CONNECT", "told")
            self.assertEqual(event["type"], "io.nats.server.advisory.v1.client_connect")
            self.assertEqual((event["client"]["name"], event["client"]["acc"], event["client"]["user"]), ("told", "A", "a"))
            a.send(b"PUB answers.me 5\r\nhello\r\n")
            a.flush()
        event = self.next(listener, "$SYS.ACCOUNT.A.DISCONNECT", "told")
        self.assertEqual(event["type"], "io.nats.server.advisory.v1.client_disconnect")
        self.assertEqual((event["sent"], event["received"]), ({"msgs": 1, "bytes": 5},) * 2)
        self.assertEqual(event["reason"], "Client Closed")
        self.assertIn("stop", event["client"])

    def test_how_many_are_connected_is_told_when_it_changes(self):
        listener = self.events("$SYS.ACCOUNT.B.SERVER.CONNS")
        with user(self.server.port, "b"):
            self.assertEqual(self.next(listener, "$SYS.ACCOUNT.B.SERVER.CONNS")["conns"], 1)
        self.assertEqual(self.next(listener, "$SYS.ACCOUNT.B.SERVER.CONNS")["conns"], 0)

    def test_whoever_is_refused_is_told_of_without_its_secret(self):
        subject = f"$SYS.SERVER.{self.id}.CLIENT.AUTH.ERR"
        listener = self.events(subject)
        with Connection(self.server.port) as refused:
            refused.connect(user="a", **{"pass": "canary-of-a-secret"})
            refused.until_end()
        event = self.next(listener, subject)
        self.assertEqual((event["client"]["user"], event["reason"]), ("a", "Authentication Failure"))
        self.assertNotIn("canary", json.dumps(event))

    def test_statistics_come_by_themselves(self):
        subject = f"$SYS.SERVER.{self.id}.STATSZ"
        listener = self.events(subject)
        self.system.send(b"PUB $SYS.REQ.SERVER.PING 0\r\n\r\n")
        self.assertIn("connections", self.next(listener, subject)["statsz"])

    def test_subscribers_are_counted(self):
        _, data = self.system.ask(b"$SYS.DEBUG.SUBSCRIBERS", b"nothing.here")
        self.assertEqual(data, b"0")


class Ending(SystemCase):
    def test_a_server_that_ends_says_so(self):
        server = self.start(name="ending")
        listener = user(server.port, "sys")
        self.addCleanup(listener.__exit__)
        listener.send(b"SUB $SYS.SERVER.*.SHUTDOWN 5\r\n")
        listener.flush()
        server.process.terminate()
        subject, _, _, data = listener.message()
        self.assertEqual(json.loads(data)["id"], subject.decode().split(".")[2])


class Clustered(SystemCase):
    @own_promise
    def test_every_server_answers_for_itself_and_one_by_its_id(self):
        links = [free_port() for _ in range(3)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in links)
        servers = []
        for number, port in enumerate(links):
            rest = f"server_name: n{number}\ncluster {{ name: C, listen: 127.0.0.1:{port}, routes: [{routes}] }}\n"
            servers.append(self.start(rest, f"n{number}"))
        with user(servers[0].port, "sys") as system:
            end = time.monotonic() + READ_S
            while ask(system, "$SYS.REQ.SERVER.PING", {"server_name": "n0"})["statsz"]["active_servers"] < 3:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            answers = {}
            system.send(b"PUB $SYS.REQ.SERVER.PING.VARZ answers.all 0\r\n\r\n")
            while len(answers) < 3:
                answer = json.loads(system.message()[3])
                self.assertNotIn(answer["server"]["name"], answers)
                answers[answer["server"]["name"]] = answer["data"]["server_id"]
            for name, server_id in answers.items():
                self.assertEqual(ask(system, f"$SYS.REQ.SERVER.{server_id}.VARZ")["data"]["server_name"], name)
            with user(servers[1].port, "b", name="far"):
                (row,) = ask(system, "$SYS.REQ.SERVER.PING.CONNZ", {"acc": "B", "server_name": "n1"})["data"]["connections"]
                self.assertEqual(row["name"], "far")
            self.assertEqual(system.flush(), b"")


if __name__ == "__main__":
    unittest.main()
