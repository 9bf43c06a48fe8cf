"""Messages between accounts, exports and imports, and what accounts make of subjects.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import collections
import json
import os
import shutil
import signal
import tempfile
import time
import unittest

from wire import READ_S, Connection, own_promise
from serverprocess import Server, free_port

PAUSE_S = 0.2  # what is not to come would have come within


class AccountsCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="millrace-accounts-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)

    def write(self, text, name="c"):
        path = os.path.join(self.directory, f"{name}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def start(self, text, name="c", jetstream=False):
        server = Server(("-c", self.write(text, name)), jetstream=jetstream)
        self.addCleanup(server.__exit__)
        return server.__enter__()

    def user(self, server, who=None):
        client = Connection(server.port)
        self.addCleanup(client.__exit__)
        credentials = {"user": who, "pass": who} if who else {}
        client.connect(pedantic=False, headers=True, no_responders=True, **credentials)
        client.flush()
        return client


def accounts(**blocks):
    """A user of the account's name, in lower case, for each."""
    text = ""
    for name, rest in blocks.items():
        who = name.lower()
        text += f"  {name} {{ users: [{{user: {who}, password: {who}}}], {rest} }}\n"
    return "accounts {\n" + text + "}\n"


class Streams(AccountsCase):
    def test_what_is_exported_reaches_those_that_import_it_and_nobody_else(self):
        server = self.start(
            accounts(A='exports: [{stream: "s.>"}]', B='imports: [{stream: {account: A, subject: "s.>"}}]', C="")
        )
        a, b, c = (self.user(server, who) for who in "abc")
        for client in (b, c):
            client.send(b"SUB s.* 1\r\nSUB t 2\r\n")
            client.flush()
        a.send(b"PUB s.x 2\r\nhi\r\nPUB t 2\r\nno\r\nPUB s.y.z 2\r\nno\r\n")
        a.flush()
        self.assertEqual(b.message(), (b"s.x", b"", b"", b"hi"))
        self.assertEqual((b.flush(), c.flush()), (b"", b""))

    def test_a_subject_can_be_another_where_it_is_imported(self):
        server = self.start(
            accounts(
                A='exports: [{stream: "s.>"}, {stream: "o.*.*"}]',
                B='imports: [{stream: {account: A, subject: "s.>"}, prefix: "from.a"}, '
                '{stream: {account: A, subject: "o.*.*"}, to: "p.$2.$1"}]',
            )
        )
        a, b = self.user(server, "a"), self.user(server, "b")
        b.send(b"SUB > 1\r\n")
        b.flush()
        a.send(b"PUB s.x.y back 1\r\n1\r\nPUB o.l.r 1\r\n2\r\n")
        a.flush()
        self.assertEqual(b.message(), (b"from.a.s.x.y", b"back", b"", b"1"))
        self.assertEqual(b.message(), (b"p.r.l", b"", b"", b"2"))

    def test_a_private_export_is_for_those_it_names(self):
        text = accounts(
            A='exports: [{stream: "s", accounts: [B]}]', B='imports: [{stream: {account: A, subject: "s"}}]', C=""
        )
        self.start(text)
        with self.assertRaisesRegex(Exception, "stream import not authorized"):
            self.start(text.replace("B]", "C]"), "private")

    def test_headers_cross_accounts(self):
        server = self.start(accounts(A="exports: [{stream: s}]", B="imports: [{stream: {account: A, subject: s}}]"))
        a, b = self.user(server, "a"), self.user(server, "b")
        b.send(b"SUB s 1\r\n")
        b.flush()
        a.send(b"HPUB s 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n")
        a.flush()
        self.assertEqual(b.message(), (b"s", b"", b"NATS/1.0\r\nA: b\r\n\r\n", b"hi"))


class Services(AccountsCase):
    def serve(self, client, subject, answer=b"!", times=1):
        """Waits for one request and answers it; returns it."""
        request = client.message()
        for _ in range(times):
            client.send(b"PUB %s %d\r\n%s\r\n" % (request[1], len(answer), answer))
        client.flush()
        return request

    def requestor(self, server, who):
        client = self.user(server, who)
        client.send(b"SUB in.> 9\r\n")
        client.flush()
        return client

    def test_a_request_goes_to_the_exporter_and_its_answer_comes_back(self):
        server = self.start(
            accounts(A="exports: [{service: help}]", B="imports: [{service: {account: A, subject: help}, to: local.help}]")
        )
        a, b = self.user(server, "a"), self.requestor(server, "b")
        a.send(b"SUB help 1\r\n")
        a.flush()
        b.send(b"PUB local.help in.1 2\r\nhi\r\n")
        subject, reply, _, body = self.serve(a, b"help")
        self.assertEqual((subject, body), (b"help", b"hi"))
        self.assertTrue(reply.startswith(b"_R_."), reply)
        self.assertNotIn(b"in.1", reply)
        self.assertEqual(b.message(), (b"in.1", b"", b"", b"!"))

    def test_one_answer_is_taken_or_as_many_as_are_exported(self):
        server = self.start(
            accounts(
                A="exports: [{service: one}, {service: many, response: stream}]",
                B="imports: [{service: {account: A, subject: one}}, {service: {account: A, subject: many}}]",
            )
        )
        a, b = self.user(server, "a"), self.requestor(server, "b")
        a.send(b"SUB one 1\r\nSUB many 2\r\n")
        a.flush()
        for subject, count in ((b"one", 1), (b"many", 3)):
            b.send(b"PUB %s in.%s 0\r\n\r\n" % (subject, subject))
            self.serve(a, subject, times=3)
            for _ in range(count):
                self.assertEqual(b.message()[0], b"in." + subject)
            self.assertEqual(b.flush(), b"")

    def test_a_stream_with_wildcards_comes_under_another_name(self):
        server = self.start(
            accounts(
                A='exports: [{stream: "s.>"}]',
                B='imports: [{stream: {account: A, subject: "s.*.>"}, to: "t.*.of.a.>"}]',
            )
        )
        a, b = self.user(server, "a"), self.user(server, "b")
        b.send(b"SUB t.*.of.a.> 1\r\nSUB t.2.of.*.x 2\r\n")
        b.flush()
        a.send(b"PUB s.1.x.y 1\r\n1\r\nPUB s.2.x 1\r\n2\r\n")
        a.flush()
        self.assertEqual([b.message()[0] for _ in range(3)], [b"t.1.of.a.x.y"] + [b"t.2.of.a.x"] * 2)

    def test_wildcards_are_put_where_they_belong(self):
        server = self.start(
            accounts(
                A='exports: [{service: "s.*.*"}, {service: "t.>"}]',
                B='imports: [{service: {account: A, subject: "s.*.*"}, to: "q.$2.$1"}, '
                '{service: {account: A, subject: "t.>"}, to: "u.>"}]',
            )
        )
        a, b = self.user(server, "a"), self.requestor(server, "b")
        a.send(b"SUB > 1\r\n")
        a.flush()
        b.send(b"PUB q.2.1 0\r\n\r\nPUB u.x.y 0\r\n\r\n")
        b.flush()
        self.assertEqual([a.message()[0] for _ in range(2)], [b"s.1.2", b"t.x.y"])

    def test_who_asks_is_told_where_that_is_shared_and_cannot_be_forged(self):
        server = self.start(
            accounts(A="exports: [{service: s}]", B="imports: [{service: {account: A, subject: s}, share: true}]")
        )
        a, b = self.user(server, "a"), self.requestor(server, "b")
        a.send(b"SUB s 1\r\n")
        a.flush()
        forged = b'NATS/1.0\r\nA: b\r\nNats-Request-Info: {"acc":"forged"}\r\nC: d\r\n\r\n'
        b.send(b"PUB s in.1 2\r\nhi\r\nHPUB s in.2 %d %d\r\n%shi\r\n" % (len(forged), len(forged) + 2, forged))
        for lines in (set(), {b"A: b", b"C: d"}):
            _, _, head, body = a.message()
            self.assertEqual(body, b"hi")
            told = [line for line in head.split(b"\r\n") if line.startswith(b"Nats-Request-Info: ")]
            self.assertEqual(len(told), 1, head)
            who = json.loads(told[0].split(b": ", 1)[1])
            self.assertEqual((who["acc"], who["user"], who["kind"]), ("B", "b", "Client"))
            self.assertEqual(set(head.split(b"\r\n")) - {b"", b"NATS/1.0", told[0]}, lines)

    def test_where_it_is_not_shared_the_account_is_all_that_is_told_and_cannot_be_forged(self):
        server = self.start(accounts(A="exports: [{service: s}]", B="imports: [{service: {account: A, subject: s}}]"))
        a, b = self.user(server, "a"), self.requestor(server, "b")
        a.send(b"SUB s 1\r\n")
        a.flush()
        forged = b'NATS/1.0\r\nNats-Request-Info: {"acc":"forged"}\r\n\r\n'
        b.send(b"PUB s in.1 2\r\nhi\r\nHPUB s in.2 %d %d\r\n%shi\r\n" % (len(forged), len(forged) + 2, forged))
        for _ in range(2):
            _, _, head, _ = a.message()
            told = [line for line in head.split(b"\r\n") if line.startswith(b"Nats-Request-Info: ")]
            self.assertEqual(len(told), 1, head)
            who = json.loads(told[0].split(b": ", 1)[1])
            self.assertEqual((who.pop("acc"), set(who) - {"rtt"}), ("B", set()))

    def test_a_subject_with_wildcards_is_imported_and_mapped_as_it_stands(self):
        """The request that makes a consumer names its filter so."""
        server = self.start(
            accounts(
                A="exports: [{service: s.>}], mappings: {m.>: n.>}",
                B="imports: [{service: {account: A, subject: s.>}, to: t.>}]",
            )
        )
        a, b = self.user(server, "a"), self.requestor(server, "b")
        a.send(b"SUB s.> 1\r\nSUB n.> 2\r\n")
        a.flush()
        b.send(b"PUB t.x.> in.1 2\r\nhi\r\n")
        self.assertEqual(a.message()[0], b"s.x.>")
        a.send(b"PUB m.y.> 0\r\n\r\n")
        self.assertIn(a.message()[0], (b"n.y.>", b"m.y.>"))
        b.send(b"PUB t.* in.2 2\r\nhi\r\n")
        self.assertEqual(a.message()[0], b"s.*")

    def test_nobody_who_serves_is_told_at_once(self):
        server = self.start(accounts(A="exports: [{service: s}]", B="imports: [{service: {account: A, subject: s}}]"))
        b = self.requestor(server, "b")
        b.send(b"PUB s in.1 0\r\n\r\n")
        subject, _, head, _ = b.message()
        self.assertEqual(subject, b"in.1")
        self.assertTrue(head.startswith(b"NATS/1.0 503"), head)

    def test_a_service_of_a_service_is_reached(self):
        server = self.start(
            accounts(
                A="exports: [{service: s}]",
                B="exports: [{service: s2}], imports: [{service: {account: A, subject: s}, to: s2}]",
                C="imports: [{service: {account: B, subject: s2}, to: s3}]",
            )
        )
        a, c = self.user(server, "a"), self.requestor(server, "c")
        a.send(b"SUB s 1\r\n")
        a.flush()
        c.send(b"PUB s3 in.1 0\r\n\r\n")
        self.serve(a, b"s", b"far")
        self.assertEqual(c.message(), (b"in.1", b"", b"", b"far"))

    @own_promise
    def test_a_guessed_reply_subject_reaches_nobody(self):
        server = self.start(accounts(A="exports: [{service: s}]", B="imports: [{service: {account: A, subject: s}}]"))
        a, b = self.user(server, "a"), self.requestor(server, "b")
        a.send(b"SUB s 1\r\n")
        a.flush()
        b.send(b"PUB s in.1 0\r\n\r\n")
        prefix = a.message()[1].rsplit(b".", 1)[0]
        a.send(b"PUB %s.AAAAAAAAAAAAAAAA 2\r\nno\r\nPUB _R_.x 2\r\nno\r\n" % prefix)
        a.flush()
        self.assertEqual(b.flush(), b"")

    @own_promise
    def test_an_answer_that_comes_too_late_is_dropped(self):
        server = self.start(
            accounts(A="exports: [{service: s, threshold: 50ms}]", B="imports: [{service: {account: A, subject: s}}]")
        )
        a, b = self.user(server, "a"), self.requestor(server, "b")
        a.send(b"SUB s 1\r\n")
        a.flush()
        b.send(b"PUB s in.1 0\r\n\r\n")
        reply = a.message()[1]
        time.sleep(PAUSE_S)
        a.send(b"PUB %s 4\r\nlate\r\n" % reply)
        a.flush()
        self.assertEqual(b.flush(), b"")

    def test_jetstream_of_another_account_is_used_through_imports(self):
        server = self.start(
            accounts(
                A='jetstream: enabled, exports: [{service: "$JS.API.>", response: stream}, {service: "$JS.ACK.>"}, {service: "o.>"}]',
                B='imports: [{service: {account: A, subject: "$JS.API.>"}, to: "JS.A.>"}, '
                '{service: {account: A, subject: "$JS.ACK.>"}}, {service: {account: A, subject: "o.>"}}]',
            ),
            jetstream=True,
        )
        b = self.requestor(server, "b")

        def api(subject, body):
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            b.send(b"PUB %s in.api %d\r\n%s\r\n" % (subject, len(body), body))
            return b.message()

        created = json.loads(api(b"JS.A.STREAM.CREATE.S", {"name": "S", "subjects": ["o.>"]})[3])
        self.assertNotIn("error", created)
        self.assertEqual(json.loads(api(b"o.x", "message")[3])["seq"], 1)
        config = {"durable_name": "C", "ack_policy": "explicit"}
        api(b"JS.A.CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})
        got = api(b"JS.A.CONSUMER.MSG.NEXT.S.C", {"batch": 1})
        self.assertEqual(got[3], b'"message"')
        self.assertEqual(got[0], b"o.x")  # by that clients tell it from a status
        self.assertTrue(got[1].startswith(b"$JS.ACK."), got)
        self.assertEqual(api(got[1], b"+ACK")[0], b"in.api")
        info = json.loads(api(b"JS.A.CONSUMER.INFO.S.C", {})[3])
        self.assertEqual((info["num_ack_pending"], info["num_pending"]), (0, 0))


    @own_promise
    def test_who_imports_the_api_under_its_own_subjects_is_answered_by_the_exporter_alone(self):
        exports = """exports: [{service: "$JS.API.INFO"}, {service: "$JS.API.CONSUMER.INFO.S.C", response: stream},
                     {service: "$JS.API.STREAM.CREATE.>"}, {service: "$JS.API.CONSUMER.CREATE.>"}]"""
        server = self.start(accounts(A="jetstream: enabled, " + exports, N="", B="""imports: [
            {service: {account: A, subject: "$JS.API.INFO"}}, {service: {account: A, subject: "$JS.API.CONSUMER.INFO.S.C"}},
            {service: {account: A, subject: "$JS.API.STREAM.CREATE.>"}},
            {service: {account: A, subject: "$JS.API.CONSUMER.CREATE.>"}}]"""), jetstream=True)
        b = self.requestor(server, "b")

        def api(subject, body=None, who=b):
            body = json.dumps(body).encode() if body else b""
            who.send(b"PUB $JS.API.%s in.api %d\r\n%s\r\n" % (subject, len(body), body))
            return who.message()

        self.assertNotIn(b'"error"', api(b"STREAM.CREATE.S", {"name": "S"})[3])
        config = {"durable_name": "C", "ack_policy": "explicit"}
        self.assertNotIn(b'"error"', api(b"CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})[3])
        self.assertEqual(json.loads(api(b"CONSUMER.INFO.S.C")[3])["name"], "C")
        self.assertEqual(json.loads(api(b"INFO")[3])["streams"], 1)
        self.assertIn(b"503", api(b"STREAM.INFO.S")[2])  # nobody serves it
        self.assertEqual(b.flush(), b"")
        answer = json.loads(api(b"STREAM.INFO.S", who=self.requestor(server, "n"))[3])
        self.assertEqual(answer["error"]["err_code"], 10039)

    def test_a_consumer_delivers_into_an_account_that_imports_its_subject(self):
        server = self.start(
            accounts(
                A='jetstream: enabled, exports: [{stream: "d.>"}, {service: "$JS.ACK.>"}]',
                B='imports: [{stream: {account: A, subject: "d.>"}, to: "e.>"}, {service: {account: A, subject: "$JS.ACK.>"}}]',
            ),
            jetstream=True,
        )
        a, b = self.requestor(server, "a"), self.user(server, "b")

        def api(subject, body):
            body = json.dumps(body).encode()
            a.send(b"PUB %s in.api %d\r\n%s\r\n" % (subject, len(body), body))
            return json.loads(a.message()[3])

        api(b"$JS.API.STREAM.CREATE.S", {"name": "S", "subjects": ["s"]})
        config = {"durable_name": "C", "deliver_subject": "d.x", "ack_policy": "explicit"}
        api(b"$JS.API.CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})
        api(b"s", "message")
        for _ in range(2):
            self.assertFalse(api(b"$JS.API.CONSUMER.INFO.S.C", {}).get("push_bound", False))
        b.send(b"SUB e.x 1\r\n")
        _, ack, _, body = b.message()
        self.assertEqual(body, b'"message"')
        b.send(b"PUB %s 4\r\n+ACK\r\n" % ack)
        b.flush()
        end = time.monotonic() + READ_S
        while (info := api(b"$JS.API.CONSUMER.INFO.S.C", {}))["num_ack_pending"] > 0:
            self.assertLess(time.monotonic(), end)
        self.assertTrue(info["push_bound"])


class Reloaded(AccountsCase):
    def test_imports_come_and_go_with_a_reload(self):
        both = accounts(A="exports: [{stream: s}]", B="imports: [{stream: {account: A, subject: s}}]")
        without = accounts(A="exports: [{stream: s}]", B="")
        server = self.start(without)
        a, b = self.user(server, "a"), self.user(server, "b")
        b.send(b"SUB s 1\r\n")
        b.flush()
        for text, heard in ((both, b"MSG s 1 2\r\nhi\r\n"), (without, b""), (both, b"MSG s 1 2\r\nhi\r\n")):
            seen = server.log().count("Reloaded")
            self.write(text)
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + READ_S
            while server.log().count("Reloaded") == seen:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)
            a.send(b"PUB s 2\r\nhi\r\n")
            a.flush()
            self.assertEqual(b.flush(), heard)


class Mappings(AccountsCase):
    @own_promise
    def test_the_first_source_that_matches_counts(self):
        server = self.start('mappings { "a.*": "b.$1", "a.x": "c", "d": "a.d" }\n')
        client = self.user(server)
        client.send(b"SUB > 1\r\nPUB a.x 1\r\n1\r\nPUB d 1\r\n2\r\nPUB other 1\r\n3\r\n")
        self.assertEqual([client.message()[0] for _ in range(3)], [b"b.x", b"a.d", b"other"])

    def test_accounts_have_mappings_of_their_own(self):
        server = self.start(accounts(A="mappings { foo: bar }", B=""))
        for who, subject in (("a", b"bar"), ("b", b"foo")):
            client = self.user(server, who)
            client.send(b"SUB > 1\r\nPUB foo 1\r\n1\r\n")
            self.assertEqual(client.message()[0], subject)

    def test_weights_divide_what_is_published(self):
        server = self.start("mappings { foo: [{destination: a, weight: 30%}, {destination: b, weight: 20}] }\n")
        client = self.user(server)
        client.send(b"SUB a 1\r\nSUB b 2\r\nSUB foo 3\r\n")
        client.flush()
        client.send(b"PUB foo 0\r\n\r\n" * 2000)
        seen = collections.Counter(line.split()[1] for line in client.flush().split(b"\r\n") if line)
        self.assertEqual(sum(seen.values()), 2000)
        for subject, share in ((b"a", 600), (b"b", 400), (b"foo", 1000)):
            self.assertAlmostEqual(seen[subject], share, delta=120)

    def test_what_is_lost_on_purpose_is_lost(self):
        server = self.start("mappings { foo: [{destination: foo, weight: 50%}] }\n")
        client = self.user(server)
        client.send(b"SUB > 1\r\n")
        client.flush()
        client.send(b"PUB foo 0\r\n\r\n" * 1000)
        self.assertAlmostEqual(client.flush().count(b"MSG foo"), 500, delta=120)

    def test_permissions_are_of_the_mapped_subject(self):
        server = self.start(
            "accounts { A { users: [{user: a, password: a, permissions: {publish: bar}}], mappings { foo: bar } } }\n"
        )
        client = self.user(server, "a")
        client.send(b"SUB bar 1\r\nPUB foo 2\r\nhi\r\n")
        self.assertEqual(client.message()[0], b"bar")

    def test_a_cluster_can_have_destinations_of_its_own(self):
        text = "mappings { foo: [{destination: here, weight: 100, cluster: C}, {destination: there, weight: 100}] }\n"
        server = self.start(text + f"cluster {{ name: C, listen: 127.0.0.1:{free_port()} }}\n")
        client = self.user(server)
        client.send(b"SUB > 1\r\nPUB foo 0\r\n\r\n")
        self.assertEqual(client.message()[0], b"here")


class Clustered(AccountsCase):
    @own_promise
    def test_streams_and_services_cross_accounts_and_servers(self):
        text = accounts(
            A="exports: [{stream: s}, {service: help}]",
            B="imports: [{stream: {account: A, subject: s}, to: imported}, {service: {account: A, subject: help}}]",
        )
        links = [free_port() for _ in range(2)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in links)
        servers = [
            self.start(f"{text}server_name: n{i}\ncluster {{ name: C, listen: 127.0.0.1:{port}, routes: [{routes}] }}\n", f"n{i}")
            for i, port in enumerate(links)
        ]
        a, b = self.user(servers[0], "a"), self.user(servers[1], "b")
        b.send(b"SUB imported 1\r\nSUB in.> 9\r\n")
        b.flush()
        a.send(b"SUB help 1\r\n")
        a.flush()
        end = time.monotonic() + READ_S
        heard = b""
        while b"MSG imported" not in heard:
            self.assertLess(time.monotonic(), end)
            a.send(b"PUB s 2\r\nhi\r\n")
            a.flush()
            time.sleep(0.05)
            heard += b.flush()
        b.send(b"PUB help in.1 1\r\n?\r\n")
        while b"503" in b.flush():  # nobody is known there yet
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
            b.send(b"PUB help in.1 1\r\n?\r\n")
        request = a.message()
        a.send(b"PUB %s 1\r\n!\r\n" % request[1])
        a.flush()
        self.assertEqual(b.message(), (b"in.1", b"", b"", b"!"))


if __name__ == "__main__":
    unittest.main()
