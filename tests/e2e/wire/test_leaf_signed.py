"""Leaf nodes whose users operators' accounts have signed for, ours and the reference's, and a hub that is a cluster of ours."""

import json
import os
import signal
import sys
import time
import unittest

from claims import Key, url
from leaf import LeafCase, Node, free_port, hub, remote, with_nats
from wire import Connection
from test_operator import ANY, FREE


class SignedCase(LeafCase):
    """The hub has operators, accounts in a directory and two clients' keys; its leaf has neither."""

    def setUp(self):
        super().setUp()
        self.operator, self.system, self.account, self.other = Key("O"), Key("A"), Key("A"), Key("A")
        self.admin, self.user, self.leaf_user = Key("U"), Key("U"), Key("U")
        self.port = free_port()

    def account_token(self, **claims):
        claims.setdefault("limits", FREE)
        return self.operator.token("account", self.account.text, **claims)

    def user_token(self, key, account=None, **claims):
        return (account or self.account).token("user", key.text, **{**ANY, **claims})

    def operator_config(self, name="hub", more="", **claims):
        operator = self.operator.token("operator", self.operator.text, system_account=self.system.text)
        system = self.operator.token("account", self.system.text, limits=FREE)
        return (
            f"operator: {operator}\nresolver {{ type: full, dir: '{self.directory}/jwt-{name}' }}\n{more}\n"
            f"resolver_preload {{ {self.system.text}: {system}, {self.account.text}: {self.account_token(**claims)} }}\n"
        )

    def start_hub(self, nats=False, **claims):
        self.hub = self.node("hub", self.operator_config(more=hub(self.port), **claims), nats)

    def credentials(self, **claims):
        path = os.path.join(self.directory, "leaf.creds")
        return self.leaf_user.credentials(path, self.user_token(self.leaf_user, **claims))

    def start_leaf(self, nats=False, port=None, **claims):
        self.leaf = self.node("leaf", remote(port or self.port, f"credentials: '{self.credentials(**claims)}'"), nats)

    def signed_client(self, key=None, account=None, node=None, **claims):
        node = node or self.hub
        client = Connection(node.port)
        self.addCleanup(client.__exit__)
        nonce = client.info()["nonce"].encode()
        key = key or self.user
        client.port, client.options = node.port, None
        client.connect(headers=True, no_responders=True, jwt=self.user_token(key, account, **claims), sig=url(key.sign(nonce)).decode())
        self.assertEqual(client.flush(), b"")
        return client

    def push(self, **claims):
        admin = self.signed_client(self.admin, self.system)
        token = self.account_token(**claims)
        admin.send(b"SUB in 1\r\nPUB $SYS.REQ.CLAIMS.UPDATE in %d\r\n%s\r\n" % (len(token), token.encode()))
        self.assertIn("data", json.loads(admin.message()[3]))

    def from_hub(self, home, away, subject):
        """Clients of the hub bring their claims each time, so it is the other side that is asked."""
        home.send(b"SUB %s 1\r\n" % subject)
        home.flush()
        self.until_taken(away, subject)
        self.pass_over(home, away, subject)


class Crossing:
    NATS_HUB = NATS_LEAF = False

    def test_a_leaf_with_credentials_is_in_its_account(self):
        self.start_hub(self.NATS_HUB)
        self.start_leaf(self.NATS_LEAF)
        home, away = self.signed_client(), self.client(self.leaf)
        self.from_hub(home, away, b"up")
        away.send(b"SUB q.* 2\r\n")
        away.flush()
        home.send(b"SUB in 9\r\n")

        def taken():
            home.send(b"PUB q.a in 2\r\nhi\r\n")
            return home.flush() == b""  # no 503

        self.until(taken, "the hub knows who takes q.a")
        self.assertEqual(away.message()[3], b"hi")

    def test_what_its_claims_deny_does_not_cross(self):
        self.start_hub(self.NATS_HUB)
        self.start_leaf(self.NATS_LEAF, pub={"allow": ["open", "_I.>"], "deny": []}, sub={})
        home, away = self.signed_client(), self.client(self.leaf)
        home.send(b"SUB shut 2\r\n")
        self.from_hub(home, away, b"open")
        away.send(b"PUB shut 2\r\nno\r\n")
        self.pass_over(home, away, b"open")

    def test_who_is_revoked_by_a_push_goes_and_does_not_come_back(self):
        self.start_hub(self.NATS_HUB)
        self.start_leaf(self.NATS_LEAF, issued=time.time() - 100)
        home, away = self.signed_client(), self.client(self.leaf)
        self.from_hub(home, away, b"up")
        self.push(revocations={self.leaf_user.text: int(time.time()) - 50})
        self.until_not_taken(away, b"up")

    def test_a_push_that_changes_nothing_for_it_leaves_it_be(self):
        self.start_hub(self.NATS_HUB)
        self.start_leaf(self.NATS_LEAF)
        home, away = self.signed_client(), self.client(self.leaf)
        self.from_hub(home, away, b"up")
        closed = self.leaf.log().count("connection closed")
        self.push(exports=[{"subject": "feed.>", "type": "stream"}])
        self.pass_over(home, away, b"up")
        self.assertEqual(self.leaf.log().count("connection closed"), closed)

    def test_one_that_nobody_has_signed_for_is_refused(self):
        self.start_hub(self.NATS_HUB)
        self.account = Key("A")
        self.start_leaf(self.NATS_LEAF)
        self.until(lambda: "Authorization Violation" in self.leaf.log() or "Authentication Failure" in self.leaf.log(), "it is refused")


class OursToOurs(Crossing, SignedCase):
    pass


@with_nats
class TheirLeaf(Crossing, SignedCase):
    NATS_LEAF = True


@with_nats
class TheirHub(Crossing, SignedCase):
    NATS_HUB = True


class Clustered(SignedCase):
    """Three members with an account each leaf of theirs is in."""

    def setUp(self):
        super().setUp()
        self.ports = [free_port() for _ in range(3)]
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(3)]
        listed = ", ".join(f'"{route}"' for route in routes)
        self.nodes = []
        for i in range(3):
            cluster = f'cluster {{ name: C, listen: "{routes[i][7:]}", routes: [{listed}] }}\n{hub(self.ports[i])}'
            self.nodes.append(self.make(f"n{i}", cluster))
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.wait_ready()

    def make(self, name, config):
        node = Node(self.directory, name, config)
        self.addCleanup(node.__exit__)
        return node

    rounds = 0

    def leaf_of(self, *members, name="leaf", nats=False):
        urls = ", ".join(f'"nats-leaf://127.0.0.1:{self.ports[i]}"' for i in members)
        return self.node(name, f'leafnodes {{ reconnect: "200ms", remotes: [{{ urls: [{urls}], no_randomize: true }}] }}', nats)

    def crosses_everywhere(self, away, nodes=(0, 1, 2)):
        self.rounds += 1  # what another round has left is of no use
        for i in nodes:
            client = self.client(self.nodes[i])
            self.linked(client, away, b"up%d.%d" % (self.rounds, i))
            self.linked(away, client, b"down%d.%d.*" % (self.rounds, i), b"7%d" % i)
            away.send(b"UNSUB 7%d\r\n" % i)
            away.flush()

    def test_a_leaf_of_one_member_reaches_clients_of_all(self):
        for nats in (False, True):
            with self.subTest(nats=nats):
                leaf = self.leaf_of(1, name=f"leaf{nats}", nats=nats)
                self.crosses_everywhere(self.client(leaf))
                leaf.end(signal.SIGKILL)

    def test_each_message_and_request_comes_once(self):
        leaf = self.leaf_of(1)
        away = self.client(leaf)
        homes = [self.client(node) for node in self.nodes]
        for i, home in enumerate(homes):
            home.send(b"SUB all 1\r\nSUB work g 3\r\n")
            self.linked(home, away, b"own%d" % i, b"4")  # by then the others' subjects are known, too
        for home in homes:
            self.pass_over(home, away, b"all")
            self.until_taken(away, b"work")
        marks = [b"w%d" % i for i in range(60)]
        for mark in marks:
            away.send(b"PUB work %d\r\n%s\r\n" % (len(mark), mark))
        away.send(b"PUB all 3\r\nend\r\n")
        got = []
        for home in homes:
            while (message := home.message())[3] != b"end":
                if message[3] in marks:
                    got.append(message[3])
        self.assertEqual(sorted(got), sorted(marks))

    def test_leaves_of_two_members_reach_each_other(self):
        one, two = self.leaf_of(0, name="one"), self.leaf_of(2, name="two")
        self.linked(self.client(one), self.client(two), b"side")

    def test_a_leaf_whose_member_dies_goes_to_another_one(self):
        leaf = self.leaf_of(0, 2)
        away = self.client(leaf)
        self.crosses_everywhere(away)
        self.nodes[0].end(signal.SIGKILL)
        self.crosses_everywhere(away, (1, 2))
        self.nodes[0].start()
        self.crosses_everywhere(away)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
