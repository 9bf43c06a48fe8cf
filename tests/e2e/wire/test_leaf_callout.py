"""Leaf nodes that somebody else lets in (auth_callout): a hub of ours or the reference's, asked about both kinds of leaves."""

import os
import signal
import socket
import threading
import unittest

from claims import Key
from curve import CurveKey
from leaf import HAS_NATS, READ_S, LeafCase, free_port, hub, remote
from test_auth_callout import Authority

KINDS = [(a, b) for a in (False, True) for b in (False, True)] if HAS_NATS else [(False, False)]


class Callout(LeafCase):
    xkey = None

    def setUp(self):
        super().setUp()
        self.issuer = Key("A")

    def start(self, decide, nats=False, callout="", authorization="", leafnodes=""):
        self.port = free_port()
        self.hub = self.node("hub", f"""
accounts {{
  AUTH: {{ users: [ {{user: auth, password: pwd}} ] }}
  APP: {{ users: [ {{user: app, password: pwd}} ] }}
  SYS: {{}}
}}
system_account: SYS
authorization {{
  timeout: 60
  auth_callout {{ issuer: {self.issuer.text}, account: AUTH, auth_users: [ auth, app ] {callout} }}
  {authorization}
}}
""" + hub(self.port, leafnodes or "authorization { timeout: 50 }"), nats)  # fmt: skip
        self.authority = Authority(self, self.client(self.hub, user="auth", **{"pass": "pwd"}), decide)
        self.authority.start()

    def leaf(self, user="", nats=False, more=""):
        return self.node("leaf", remote(self.port, more, user=user), nats)

    def user(self, request, account="APP", **claims):
        return self.issuer.token("user", request["nats"]["user_nkey"], aud=account, name="n", subs=-1, data=-1, payload=-1, **claims)

    def good(self, authority, request):
        if request["nats"]["connect_opts"].get("pass") != "good":
            return ValueError("unknown")
        return authority.respond(request, self.user(request))

    def crosses(self, leaf):
        to, source = self.client(self.hub, user="app", **{"pass": "pwd"}), self.client(leaf)
        self.linked(to, source, b"a")
        self.linked(source, to, b"b", b"2")

    def test_who_is_let_in_is_in_its_account_and_who_is_asked_is_told_who_it_is(self):
        for hub_nats, leaf_nats in KINDS:
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                self.start(self.good, hub_nats)
                self.crosses(self.leaf("u:good@", leaf_nats))
                asked = self.authority.asked[0][1]
                self.assertEqual(asked["sub"], self.issuer.text)
                info, said = asked["nats"]["client_info"], asked["nats"]["connect_opts"]
                self.assertEqual({**info, "id": 0}, {"host": "127.0.0.1", "id": 0, "user": "u", "name": "leaf", "kind": "Leafnode"})
                self.assertEqual({key: said.get(key) for key in ("user", "pass", "name")}, {"user": "u", "pass": "good", "name": "leaf"})
                self.assertIn("version", said)
                self.assertIn("protocol", said)

    def test_who_is_not_let_in_is_told_and_tries_again(self):
        for hub_nats, leaf_nats in KINDS:
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                self.start(self.good, hub_nats)
                leaf = self.leaf("u:bad@", leaf_nats)
                self.until_logged(leaf, "Authorization Violation")
                self.until_logged(self.hub, "Auth callout service returned an error: unknown")
                self.until(lambda: len(self.authority.asked) >= 2, "it tries again")

    def test_what_the_answer_grants_holds(self):
        for hub_nats, leaf_nats in KINDS:
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                self.start(lambda authority, request: authority.respond(request, self.user(
                    request, pub={"allow": ["up.>"]}, sub={"allow": ["down.>"]})), hub_nats)  # fmt: skip
                at_leaf = self.client(self.leaf("u:p@", leaf_nats))
                at_hub = self.client(self.hub, user="app", **{"pass": "pwd"})
                self.linked(at_hub, at_leaf, b"up.a")
                at_hub.send(b"SUB other 3\r\n")
                at_hub.flush()
                self.assertFalse(self.has_responder(at_leaf, b"other"))
                at_leaf.send(b"SUB down.> 4\r\nSUB other 5\r\n")
                at_leaf.flush()
                self.until_taken(self.client(self.hub, user="app", **{"pass": "pwd"}), b"down.x")

    def test_a_kind_that_leaves_are_not_is_refused(self):
        self.start(lambda authority, request: authority.respond(
            request, self.user(request, allowed_connection_types=["STANDARD"])))  # fmt: skip
        self.until_logged(self.leaf("u:p@"), "Authorization Violation")
        self.until_logged(self.hub, "connection type not allowed")

    def test_questions_and_answers_may_be_sealed(self):
        self.xkey = CurveKey()
        self.start(self.good, callout=f", xkey: {self.xkey.text}")
        self.crosses(self.leaf("u:good@"))
        self.assertTrue(self.authority.sealed[0].startswith(b"xkv1"))

    def test_who_is_not_answered_is_refused_in_time_and_late_and_strange_answers_harm_nobody(self):
        self.start(lambda authority, request: None, leafnodes="authorization { timeout: 1 }")
        self.until_logged(self.leaf("u:good@"), "Authorization Violation")
        self.start(lambda authority, request: b"x" * 100_000 if len(authority.asked) < 3 else self.good(authority, request))
        self.crosses(self.leaf("u:good@"))

    def test_users_of_leafnodes_are_nobodys_question(self):
        self.start(self.good, leafnodes="authorization { users: [{ user: l, password: l, account: APP }] }")
        self.crosses(self.leaf("l:l@"))
        self.until_logged(self.leaf("l:good@"), "Authorization Violation")
        self.assertEqual(self.authority.asked, [])

    def test_leaves_that_leave_meanwhile_and_a_hub_that_ends(self):
        self.start(lambda authority, request: None)
        leaf = self.leaf("u:good@")
        self.until(lambda: len(self.authority.asked) >= 1, "it is asked")
        leaf.end(signal.SIGTERM)
        self.hub.end(signal.SIGTERM)

    def test_who_was_closed_while_somebody_was_asked_stays_closed_whatever_the_answer(self):
        closed = threading.Event()

        def decide(authority, request):
            closed.wait(READ_S)
            return self.good(authority, request)

        self.start(decide)
        with socket.create_connection(("127.0.0.1", self.port), READ_S) as leaf:
            leaf.sendall(b'CONNECT {"name":"x","user":"u","pass":"good","headers":true}\r\n')
            self.until(lambda: len(self.authority.asked) >= 1, "it is asked")
            path = os.path.join(self.directory, "hub.conf")
            with open(path, encoding="utf-8") as file:
                config = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(config.replace("  SYS: {}", "  SYS: {}\n  MORE: { users: [ {user: more, password: pwd} ] }"))
            self.hub.process.send_signal(signal.SIGHUP)
            self.until_logged(self.hub, "Credentials Revoked")
            closed.set()
            said = b""
            while b"connect_info" not in said and (piece := leaf.recv(4096)):
                said += piece
        self.assertNotIn(b"connect_info", said)
        self.client(self.hub, user="app", **{"pass": "pwd"}).flush()


if __name__ == "__main__":
    unittest.main()
