"""Messages that ask what becomes of them: who is told, what, and who may ask.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import gzip
import json
import os
import shutil
import tempfile
import unittest

from cluster import ClusterCase
import test_operator
from test_accounts import AccountsCase, accounts
from wire import ASK_S, Connection, Timeout, own_promise

DEST = b"Nats-Trace-Dest: tr\r\n"
ONLY = DEST + b"Nats-Trace-Only: 1\r\n"
PAUSE_S = 0.4  # what is not to come would have come within


def publish(client, subject, headers, body=b"hi", reply=b""):
    block = b"NATS/1.0\r\n" + headers + b"\r\n"
    client.send(b"HPUB %s %s %d %d\r\n" % (subject, reply, len(block), len(block) + len(body)))
    client.send(block + body + b"\r\n")


def messages(client, count):
    return [client.message() for _ in range(count)]


def silent(client):
    before, client.read_s = client.read_s, PAUSE_S
    try:
        return client.message()
    except Timeout:
        return None
    finally:
        client.read_s = before


def entry(event):
    """An entry of an event without time and connection."""
    assert event.pop("ts")
    event.pop("cid", None)
    return event


def told(client, of=None):
    """The next event (`of`: of messages whose header Nth says this): its request, hops and entries."""
    while True:
        subject, reply, _, body = client.message()
        assert (subject, reply) == (b"tr", b""), (subject, body)
        event = json.loads(body)
        assert event["server"]["id"]
        if of is None or event["request"]["header"].get("Nth") == [of]:
            return event["request"], event.get("hops", 0), [entry(each) for each in event["events"]]


def came(subject, **more):
    return {"type": "in", "kind": 0, "acc": "A", "subj": subject, **more}


def went(sub, **more):
    return {"type": "eg", "kind": 0, "sub": sub, **more}


class TracingCase(AccountsCase):
    def listen(self, client, *subjects):
        for i, subject in enumerate(subjects):
            client.send(b"SUB %s %d\r\n" % (subject, i + 1))
        client.flush()


class Core(TracingCase):
    def test_the_event_tells_who_got_it_and_what_it_was(self):
        server = self.start(accounts(A='mappings: {m: "n"}'))
        a, b = self.user(server, "a"), self.user(server, "a")
        self.listen(b, b"tr")
        self.listen(a, b"s.*", b"n", b"q w")
        publish(a, b"s.x", DEST + b"B: 1\r\nA: <2>\r\nB: 3\r\n")
        self.assertEqual(a.message()[3], b"hi")
        request, hops, events = told(b)
        self.assertEqual(request, {"header": {"A": ["<2>"], "B": ["1", "3"], "Nats-Trace-Dest": ["tr"]}, "msgsize": 55})
        self.assertEqual((hops, events), (0, [came("s.x"), went("s.*")]))
        publish(a, b"m", DEST)
        self.assertEqual(told(b)[2], [came("m"), {"type": "sm", "to": "n"}, went("n")])
        publish(a, b"q", DEST)
        self.assertEqual(told(b)[2], [came("q"), went("q", queue="w")])
        publish(a, b"nobody", DEST)
        self.assertEqual(told(b)[2], [came("nobody")])

    def test_what_is_only_traced_reaches_nobody(self):
        server = self.start(accounts(A=""))
        a, b = self.user(server, "a"), self.user(server, "a")
        self.listen(b, b"tr")
        self.listen(a, b"s")
        publish(a, b"s", ONLY, reply=b"r")
        self.assertEqual(told(b)[2], [came("s"), went("s")])
        self.assertIsNone(silent(a))

    def test_whoever_does_not_get_it_is_named_with_the_reason(self):
        server = self.start(
            'accounts { A { users: [{user: a, password: a},'
            ' {user: b, password: b, permissions: {subscribe: {allow: ">", deny: "s.no"}}}] } }'
        )
        a, b = self.user(server, "a"), self.user(server, "b")
        c = Connection(server.port)
        self.addCleanup(c.__exit__)
        c.connect(headers=True, echo=False, user="a", **{"pass": "a"})
        self.listen(a, b"tr")
        self.listen(b, b"s.*")
        self.listen(c, b"t")
        publish(a, b"s.no", DEST)
        self.assertEqual(
            told(a)[2], [came("s.no"), went("s.*", error="Not delivered because subscription denies this subject")]
        )
        publish(c, b"t", DEST)
        self.assertEqual(told(a)[2], [came("t"), went("t", error="Not delivered because of no echo")])

    def test_only_who_may_publish_to_the_destination_may_ask(self):
        server = self.start(
            "accounts { A { users: [{user: a, password: a},"
            ' {user: b, password: b, permissions: {publish: "s"}}] } }'
        )
        a, b = self.user(server, "a"), self.user(server, "b")
        self.listen(a, b"tr", b"s", b"no")
        publish(b, b"s", DEST)
        self.assertEqual(b.flush(), b"-ERR 'Permissions Violation for Publish to \"tr\"'\r\n")
        self.assertIsNone(silent(a))
        publish(b, b"no", b"Nats-Trace-Dest: s\r\n")
        subject, _, _, body = a.message()
        self.assertEqual(
            [entry(each) for each in json.loads(body)["events"]],
            [came("no", error='Permissions Violation for Publish to "no"')],
        )
        self.assertEqual((subject, silent(a)), (b"s", None))

    def test_a_destination_that_is_none_is_passed_by_and_nothing_is_lost(self):
        server = self.start(accounts(A=""))
        a = self.user(server, "a")
        self.listen(a, b"s", b"tr")
        for headers in (b"Nats-Trace-Dest: t.*\r\n", b"Nats-Trace-Dest: trace disabled\r\n", b"Nats-Trace-Only: 1\r\n"):
            publish(a, b"s", headers)
            self.assertEqual(a.message()[0], b"s")
        publish(a, b"s", b"Nats-Trace-Dest: t.*\r\nNats-Trace-Only: 1\r\n")
        publish(a, b"s", DEST + b"Nats-Trace-Origin-Account: A\r\n")
        self.assertIn(b"Nats-Trace-Dest: trace disabled\r\n", a.message()[2])
        self.assertIsNone(silent(a))

    def test_a_message_that_is_too_large_is_told_of(self):
        server = self.start("max_payload: 100\n" + accounts(A=""))
        a, b = self.user(server, "a"), self.user(server, "a")
        self.listen(b, b"tr")
        block = b"NATS/1.0\r\n" + DEST + b"\r\n"
        a.send(b"HPUB s %d 200\r\n" % len(block) + block + b"x" * 20)
        self.assertIn(b"Maximum Payload Violation", a.until_end())
        self.assertEqual(told(b)[2], [came("s", error="maximum payload exceeded")])

    def test_the_event_is_packed_as_it_was_asked_for(self):
        server = self.start(accounts(A=""))
        a = self.user(server, "a")
        self.listen(a, b"tr")
        unpacked = {b"gzip": gzip.decompress, b"identity": bytes, b"snappy": None}
        for asked, packed in ((b"zip, GZIP", b"gzip"), (b"zip", b"identity"), (b"gzip, S2", b"snappy")):
            publish(a, b"s", DEST + b"Accept-Encoding: %s\r\n" % asked)
            _, _, head, body = a.message()
            self.assertEqual(head, b"NATS/1.0\r\nContent-Encoding: %s\r\n\r\n" % packed)
            if packed == b"snappy":
                self.assertTrue(body.startswith(b"\xff\x06\x00\x00sNaPpY"))
                self.assertIn(b'"events"', body)
            else:
                self.assertEqual([entry(e) for e in json.loads(unpacked[packed](body))["events"]], [came("s")])

    def test_an_account_is_told_of_sampled_traceparents_if_it_wants(self):
        server = self.start(accounts(A='msg_trace: {dest: "tr", sampling: "100%"}', B=""))
        a, b = self.user(server, "a"), self.user(server, "b")
        for client in (a, b):
            self.listen(client, b"tr")
            publish(client, b"s", b"TraceParent: 00-1-2-00\r\n")
            publish(client, b"s", b"TraceParent: 00-1-2-01\r\n")
        request, _, events = told(a)
        self.assertEqual(request["header"], {"TraceParent": ["00-1-2-01"]})
        self.assertEqual((events, silent(a), silent(b)), ([came("s")], None, None))

    @own_promise
    def test_an_event_is_bounded_however_many_hear_of_the_message(self):
        server = self.start(accounts(A=""))
        a, b = self.user(server, "a"), self.user(server, "a")
        self.listen(b, b"tr")
        queue = b"q" * 3000
        for i in range(600):
            a.send(b"SUB s %s%d %d\r\n" % (queue, i, i + 10))
        a.flush()
        publish(a, b"s", DEST)
        messages(a, 600)
        body = b.message()[3]
        self.assertLess(len(body), 2 << 20)
        self.assertGreater(len(json.loads(body)["events"]), 200)


class Accounts(TracingCase):
    def start_both(self):
        server = self.start(
            accounts(
                A='exports: [{stream: "x.>"}, {service: "y", allow_trace: true}, {service: "z"}]',
                B='imports: [{stream: {account: A, subject: "x.>"}, prefix: b, allow_trace: true},'
                ' {stream: {account: A, subject: "x.n"}, to: n},'
                " {service: {account: A, subject: y}, to: yy}, {service: {account: A, subject: z}, to: zz}]",
            )
        )
        return self.user(server, "a"), self.user(server, "b")

    def test_messages_that_other_accounts_import_are_followed_where_these_let_it(self):
        a, b = self.start_both()
        self.listen(a, b"tr")
        self.listen(b, b"b.>", b"n", b"tr")
        for headers, received in ((DEST, {b"b.x.n", b"n"}), (ONLY, set())):
            publish(a, b"x.n", headers)
            events = told(a)[2]
            self.assertEqual(events[0], came("x.n"))
            self.assertIn({"type": "se", "acc": "B", "to": "b.x.n"}, events)
            self.assertIn({"type": "se", "acc": "B", "to": "n"}, events)
            left = [each for each in events if each["type"] == "eg"]
            self.assertEqual([each["acc"] for each in left], ["B"])
            self.assertEqual({b.message()[0] for _ in received}, received)
            self.assertIsNone(silent(b))

    def test_requests_of_other_accounts_are_followed_where_these_let_it(self):
        a, b = self.start_both()
        self.listen(a, b"y", b"z", b"tr")
        self.listen(b, b"tr", b"re")
        publish(b, b"yy", DEST, reply=b"re")
        first = {"type": "in", "kind": 0, "acc": "B", "subj": "yy"}
        passed = {"type": "si", "acc": "A", "from": "yy", "to": "y"}
        self.assertEqual(told(b)[2], [first, passed, went("y", acc="A")])
        self.assertEqual(a.message()[0], b"y")
        publish(b, b"yy", ONLY, reply=b"re")
        self.assertEqual(told(b)[2], [first, passed, went("y", acc="A")])
        publish(b, b"zz", DEST, reply=b"re")
        first["subj"], passed["from"], passed["to"] = "zz", "zz", "z"
        self.assertEqual(told(b)[2], [first, passed])
        self.assertIn(b"Nats-Trace-Dest: trace disabled\r\n", a.message()[2])
        publish(b, b"zz", ONLY)
        self.assertEqual((told(b)[2], silent(a)), ([first, passed], None))


    def test_replies_are_followed_to_the_account_that_asked_and_no_further(self):
        a, b = self.start_both()
        self.listen(a, b"y", b"tr")
        self.listen(b, b"re", b"tr")
        for headers in (DEST, ONLY):
            publish(b, b"yy", b"A: b\r\n", reply=b"re")
            reply = a.message()[1]
            publish(a, reply, headers)
            events = told(a)[2]
            self.assertEqual(events, [came(reply.decode()), {"type": "si", "acc": "B", "from": reply.decode(), "to": "re"}])
            if headers == DEST:
                self.assertIn(b"Nats-Trace-Dest: trace disabled\r\n", b.message()[2])
        self.assertIsNone(silent(b))

    def test_a_chain_of_services_is_followed_to_its_end(self):
        server = self.start(
            accounts(
                A="exports: [{service: y, allow_trace: true}]",
                B="imports: [{service: {account: A, subject: y}, to: yy}], exports: [{service: yy, allow_trace: true}]",
                C="imports: [{service: {account: B, subject: yy}, to: yyy}]",
            )
        )
        a, c = self.user(server, "a"), self.user(server, "c")
        self.listen(a, b"y")
        self.listen(c, b"tr")
        publish(c, b"yyy", DEST, reply=b"re")
        self.assertEqual(
            told(c)[2][1:],
            [
                {"type": "si", "acc": "B", "from": "yyy", "to": "yy"},
                {"type": "si", "acc": "A", "from": "yy", "to": "y"},
                went("y", acc="A"),
            ],
        )

    def test_what_another_account_keeps_is_not_told_of_there(self):
        server = self.start(
            accounts(
                A='exports: [{stream: "x.>"}]',
                B='jetstream: enabled, imports: [{stream: {account: A, subject: "x.>"}}]',
            ),
            jetstream=True,
        )
        a, b = self.user(server, "a"), self.user(server, "b")
        self.listen(a, b"tr")
        self.listen(b, b"in", b"tr")
        body = b'{"name":"S","subjects":["x.>"]}'
        b.send(b"PUB $JS.API.STREAM.CREATE.S in %d\r\n" % len(body) + body + b"\r\n")
        b.message()
        publish(a, b"x.1", DEST)
        self.assertNotIn("js", [each["type"] for each in told(a)[2]])
        publish(a, b"x.1", ONLY)
        told(a)
        publish(b, b"x.2", b"", reply=b"in")
        self.assertEqual(json.loads(b.message()[3])["seq"], 2)  # of those before it was given one
        self.assertIsNone(silent(b))


class Signed(test_operator.OperatorCase):
    @own_promise  # the reference is silent without a system account
    def test_an_account_can_be_signed_to_be_told(self):
        self.start(trace={"dest": "tr", "sampling": 100})
        a = self.connect(self.token(), headers=True)
        a.send(b"SUB tr 1\r\n")
        a.flush()
        publish(a, b"s", b"traceparent: 00-1-2-01\r\n")
        self.assertEqual(told(a)[2], [{"type": "in", "kind": 0, "acc": self.account.text, "subj": "s"}])


class Streams(TracingCase):
    def start_stream(self, **config):
        server = self.start(accounts(A="jetstream: enabled"), jetstream=True)
        a, b = self.user(server, "a"), self.user(server, "a")
        self.listen(a, b"in")
        self.listen(b, b"tr")
        self.config = {"name": "S", "subjects": ["s.*"], **config}
        self.answer(a, b"$JS.API.STREAM.CREATE.S", self.config)
        return a, b

    def answer(self, client, subject, body):
        body = json.dumps(body).encode()
        client.send(b"PUB %s in %d\r\n" % (subject, len(body)) + body + b"\r\n")
        answer = json.loads(client.message()[3])
        self.assertNotIn("error", answer)
        return answer

    def traced(self, a, b, subject, headers, answered=True):
        publish(a, subject, headers, reply=b"in")
        answer = json.loads(a.message()[3]) if answered else None
        return told(b)[2][1:], answer

    def test_the_stream_is_named_and_what_it_made_of_the_message(self):
        a, b = self.start_stream(max_msgs=2, discard="new", subject_transform={"src": "s.*", "dest": "t.{{wildcard(1)}}"})
        js = {"type": "js", "stream": "S"}
        stored = ([{**js, "subject": "t.1"}], {"stream": "S", "seq": 1})
        self.assertEqual(self.traced(a, b, b"s.1", DEST + b"Nats-Msg-Id: i\r\n"), stored)
        for headers, error in (
            (b"Nats-Msg-Id: i\r\n", "msgid is duplicate"),
            (b"Nats-Expected-Last-Sequence: 9\r\n", "last sequence mismatch: 9 vs 1"),
            (b"Nats-Expected-Stream: T\r\n", "expected stream does not match"),
            (b"Nats-TTL: 1s\r\n", "message TTL disabled"),
            (b"Nats-Rollup: sub\r\n", "rollup not permitted"),
        ):
            self.assertEqual(self.traced(a, b, b"s.1", DEST + headers)[0], [{**js, "error": error}])

    def test_what_is_only_traced_is_not_stored_and_what_is_stored_is_traced_no_more(self):
        a, b = self.start_stream()
        js = {"type": "js", "stream": "S", "subject": "s.1"}
        self.assertEqual(self.traced(a, b, b"s.1", ONLY, answered=False), ([js], None))
        self.assertIsNone(silent(a))
        self.assertEqual(self.traced(a, b, b"s.1", DEST)[1]["seq"], 1)
        got = self.answer(a, b"$JS.API.STREAM.MSG.GET.S", {"seq": 1})
        self.assertEqual(got["message"]["hdrs"], "TkFUUy8xLjANCk5hdHMtVHJhY2UtRGVzdDogdHJhY2UgZGlzYWJsZWQNCg0K")

    def test_a_message_of_no_interest_is_said_to_be_so(self):
        a, b = self.start_stream(retention="interest")
        js = {"type": "js", "stream": "S", "subject": "s.1"}
        self.assertEqual(self.traced(a, b, b"s.1", DEST)[0], [{**js, "nointerest": True}])
        consumer = {"stream_name": "S", "config": {"durable_name": "C", "ack_policy": "explicit"}}
        self.answer(a, b"$JS.API.CONSUMER.DURABLE.CREATE.S.C", consumer)
        self.assertEqual(self.traced(a, b, b"s.1", DEST)[0], [js])

    def test_requests_to_the_api_are_told_of_and_not_served_when_only_traced(self):
        a, b = self.start_stream()
        passed = {"type": "si", "acc": "$SYS", "from": "$JS.API.STREAM.DELETE.S", "to": "$JS.API.STREAM.DELETE.S"}
        publish(a, b"$JS.API.STREAM.DELETE.S", ONLY, b"", b"in")
        self.assertEqual(told(b)[2][1:], [passed])
        self.assertIn(b" 503", a.message()[2])
        publish(a, b"$JS.API.STREAM.DELETE.S", DEST, b"", b"in")
        self.assertEqual(told(b)[2][1:], [passed])
        self.assertTrue(json.loads(a.message()[3])["success"])


class TracedCluster(ClusterCase):
    number = 0  # of the message that is traced

    def client(self, node, *subjects, **credentials):
        client = Connection(self.nodes[node].port)
        self.addCleanup(client.__exit__)
        client.read_s = ASK_S
        client.connect(headers=True, no_responders=True, **credentials)
        for i, subject in enumerate(subjects):
            client.send(b"SUB %s %d\r\n" % (subject, i + 1))
        client.flush()
        return client

    def traced(self, client, listener, subject, headers, count):
        """All events of one message, by the hop that led there. Those of messages before may still be on their way."""
        self.number += 1
        publish(client, subject, headers + b"Nth: %d\r\n" % self.number)
        events = {}
        for _ in range(count):
            request, hops, entries = told(listener, str(self.number))
            events[request["header"].get("Nats-Trace-Hop", [""])[0]] = (hops, entries)
        self.assertIsNone(silent(listener))
        return events

    def until_hops(self, client, listener, subject, count):
        """Until it is known at the client's server who listens at the others."""

        def only():
            self.number += 1
            publish(client, subject, ONLY + b"Nth: %d\r\n" % self.number)
            hops, seen = None, 0
            while hops is None or seen < 1 + hops:  # nothing of it is left for later
                request, said, _ = told(listener, str(self.number))
                hops = hops if "Nats-Trace-Hop" in request["header"] else said
                seen += 1
            return hops

        self.until(lambda hops: hops == count, only)


class Cluster(TracedCluster):
    def test_each_server_tells_of_its_own_part(self):
        listener = self.client(0, b"tr")
        receivers = [self.client(node, b"s") for node in (1, 2)]
        client = self.client(0)
        self.until_hops(client, listener, b"s", 2)
        for headers in (DEST, ONLY):
            events = self.traced(client, listener, b"s", headers, 3)
            hops, entries = events.pop("")
            self.assertEqual(hops, 2)
            self.assertEqual({each["hop"] for each in entries[1:]}, set(events))
            names = {each["hop"]: each["name"] for each in entries[1:]}
            self.assertEqual(set(names.values()), {"n1", "n2"})
            for _, entries in events.values():
                self.assertEqual(entries[0], {"type": "in", "kind": 1, "name": "n0", "acc": "$G", "subj": "s"})
                self.assertEqual(entries[1], {"type": "eg", "kind": 0, "sub": "s"})
        for receiver in receivers:
            self.assertIn(b"Nats-Trace-Hop: ", receiver.message()[2])
            self.assertIsNone(silent(receiver))

    def test_the_leader_of_a_stream_tells_what_it_made_of_it(self):
        self.api(0, "STREAM.CREATE.S", b'{"name":"S","subjects":["s"],"num_replicas":3}')
        leader = self.leader_of("S")
        other = (leader + 1) % 3
        listener, client = self.client(other, b"tr"), self.client(other)
        self.publish(other, b"s")
        js = {"type": "js", "stream": "S", "subject": "s"}
        for headers in (ONLY, DEST):
            events = self.traced(client, listener, b"s", headers, 2)
            self.assertEqual(events[""][1][1], {"type": "eg", "kind": 1, "name": f"n{leader}", "hop": "1"})
            self.assertEqual(events["1"][1][1:], [js])
        state = self.api(0, "STREAM.INFO.S")["state"]
        self.assertEqual(state["messages"], 2)


@own_promise
class ClusterOfAccounts(TracedCluster):
    def arguments(self, number):
        directory = tempfile.mkdtemp(prefix="millrace-tracing-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                accounts(
                    A='jetstream: enabled, exports: [{stream: "x.>"}, {service: y, allow_trace: true}]',
                    B='jetstream: enabled, imports: [{stream: {account: A, subject: "x.1"}, allow_trace: true},'
                    ' {stream: {account: A, subject: "x.2"}}, {service: {account: A, subject: y}, to: yy}]',
                )
            )
        return ["-c", path]

    def user(self, node, who, *subjects):
        return self.client(node, *subjects, user=who, **{"pass": who})

    def test_events_of_other_servers_come_to_the_account_that_asked(self):
        a, b = self.user(0, "a", b"tr"), self.user(0, "b", b"tr")
        self.user(1, "a", b"y")
        receiver = self.user(2, "b", b"x.*")
        self.until_hops(a, a, b"x.1", 1)
        self.until_hops(b, b, b"yy", 1)
        events = self.traced(a, a, b"x.1", DEST, 2)
        self.assertEqual(events["1"][1][-1]["type"], "eg")
        self.assertEqual(receiver.message()[0], b"x.1")
        events = self.traced(b, b, b"yy", DEST, 2)
        self.assertEqual(events["1"][1][1], went("y"))

    def test_nobody_is_told_in_an_account_that_did_not_let_them(self):
        a, b = self.user(0, "a", b"tr"), self.user(1, "b", b"tr")
        receiver = self.user(2, "b", b"x.*")
        self.until_hops(a, a, b"x.1", 1)
        events = self.traced(a, a, b"x.2", ONLY, 1)
        self.assertIsNone(silent(receiver))
        events = self.traced(a, a, b"x.2", DEST, 1)
        self.assertEqual([each["type"] for each in events[""][1]], ["in"])
        self.assertEqual(receiver.message()[0], b"x.2")
        self.assertIsNone(silent(b))


if __name__ == "__main__":
    unittest.main()
