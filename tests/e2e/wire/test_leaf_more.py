"""Leaf nodes: who is let in, what passes, circles and levels, TLS, clusters, bad input."""

import json
import os
import signal
import socket
import unittest

from leaf import HAS_NATS, READ_S, LeafCase, free_port, hub, remote, with_nats
from test_auth import HASH
from test_cluster_tls import authority, certificate

SEED = "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"
PUBLIC = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
KINDS = (False, True) if HAS_NATS else (False,)


class Admission(LeafCase):
    def pair(self, hub_more, remote_more="", user="", before="", hub_nats=False, leaf_nats=False):
        port = free_port()
        self.hub = self.node("hub", before + hub(port, hub_more), hub_nats)
        self.leaf = self.node("leaf", remote(port, remote_more, user=user), leaf_nats)

    def crosses(self, subject=b"a", **options):
        """What a client of the hub subscribes to is heard of at the leaf, and back."""
        to = self.client(self.hub, **options)
        source = self.client(self.leaf)
        self.linked(to, source, subject)
        self.linked(source, to, subject + b".back", b"2")

    def test_a_user_of_leafnodes_is_let_in_and_no_other(self):
        for kind in KINDS:
            with self.subTest(leaf_is_nats=kind):
                self.pair('authorization { user: "u@x", password: "p:w" }', user="u%40x:p%3Aw@", leaf_nats=kind)
                self.crosses()
        self.pair('authorization { user: u, password: p }', user="u:wrong@")
        self.until_logged(self.hub, 'authentication error - User "u"')
        self.until_logged(self.leaf, "Authorization Violation")

    def test_a_user_of_leafnodes_with_bcrypt_and_an_account(self):
        hashed = HASH
        accounts = "accounts { A: { users: [{user: a, password: a}] } }\n"
        self.pair(
            f'authorization {{ users: [{{ user: x, password: y }}, {{ user: u, password: "{hashed}", account: A }}] }}',
            user="u:secret@", before=accounts,
        )  # fmt: skip
        self.crosses(user="a", **{"pass": "a"})

    def test_users_of_the_server_may_be_leaves_and_are_in_their_account(self):
        accounts = "accounts { A: { users: [{user: a, password: a}] }, B: { users: [{user: b, password: b}] } }\n"
        for kind in KINDS:
            with self.subTest(leaf_is_nats=kind):
                self.pair("", user="b:b@", before=accounts, leaf_nats=kind)
                self.crosses(user="b", **{"pass": "b"})
                other = self.client(self.hub, user="a", **{"pass": "a"})
                other.send(b"SUB only.a 1\r\n")
                other.flush()
                self.assertFalse(self.has_responder(self.client(self.leaf), b"only.a"))

    def test_a_token_and_a_key(self):
        for hub_nats, leaf_nats in [(a, b) for a in KINDS for b in KINDS if not (a and b)]:
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                kinds = {"hub_nats": hub_nats, "leaf_nats": leaf_nats}
                self.pair("", user="tok@", before="authorization { token: tok }\n", **kinds)
                self.crosses(auth_token="tok")
                self.pair(f"authorization {{ nkey: {PUBLIC} }}", f'nkey: "{SEED}"', **kinds)
                self.crosses()

    def test_permissions_of_a_user_hold_and_are_told(self):
        users = (
            "authorization { users: [{ user: l, password: l, permissions: "
            '{ publish: ["up.>", "_INBOX.>"], subscribe: { allow: ["down.>"], deny: "down.secret" } } },'
            " { user: c, password: c }] }\n"
        )
        for hub_nats, leaf_nats in [(a, b) for a in KINDS for b in KINDS if not (a and b)]:
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                self.pair("", user="l:l@", before=users, hub_nats=hub_nats, leaf_nats=leaf_nats)
                at_hub = self.client(self.hub, user="c", **{"pass": "c"})
                at_leaf = self.client(self.leaf)
                self.linked(at_hub, at_leaf, b"up.a")
                at_hub.send(b"SUB other 3\r\n")
                at_hub.flush()
                self.assertFalse(self.has_responder(at_leaf, b"other"))
                at_leaf.send(b"SUB down.> 4\r\nSUB other 5\r\n")
                at_leaf.flush()
                at_hub2 = self.client(self.hub, user="c", **{"pass": "c"})
                self.until_taken(at_hub2, b"down.x")
                self.pass_over(at_leaf, at_hub2, b"down.x")
                at_hub2.send(b"PUB down.secret 1\r\ns\r\nPUB other 1\r\no\r\nPUB down.y 4\r\nlast\r\n")
                self.assertEqual(at_leaf.message()[0::3], (b"down.y", b"last"))

    def test_denied_imports_and_exports_do_not_pass(self):
        for hub_nats, leaf_nats in [(a, b) for a in KINDS for b in KINDS if not (a and b)]:
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                self.pair("", 'deny_imports: ["in.no.>"], deny_exports: "out.no"', hub_nats=hub_nats, leaf_nats=leaf_nats)
                at_hub, at_leaf = self.client(self.hub), self.client(self.leaf)
                self.linked(at_leaf, at_hub, b"in.*.*")
                self.linked(at_hub, at_leaf, b"out.*", b"2")
                at_hub.send(b"PUB in.no.x 1\r\n1\r\nPUB in.yes.x 1\r\n2\r\n")
                self.assertEqual(at_leaf.message()[0], b"in.yes.x")
                at_leaf.send(b"PUB out.no 1\r\n1\r\nPUB out.yes 1\r\n2\r\n")
                self.assertEqual(at_hub.message()[0], b"out.yes")

    def test_a_leaf_of_an_old_version_is_refused_where_that_is_said(self):
        self.pair('min_version: "99.0.0"')
        self.until_logged(self.hub, 'minimum version required is "99.0.0"')
        self.until_logged(self.leaf, "minimum version")


class Shapes(LeafCase):
    def test_three_levels_pass_everything_on(self):
        middle_port, top_port = free_port(), free_port()
        for kinds in ((False, False, False), (True, False, True), (False, True, False))[: 3 if HAS_NATS else 1]:
            with self.subTest(kinds=kinds):
                top = self.node("top", hub(top_port), kinds[0])
                middle = self.node(
                    "middle",
                    f'leafnodes {{ listen: "127.0.0.1:{middle_port}", reconnect: "200ms", '
                    f'remotes: [{{ url: "nats-leaf://127.0.0.1:{top_port}" }}] }}',
                    kinds[1],
                )
                bottom = self.node("bottom", remote(middle_port), kinds[2])
                nodes = (top, middle, bottom)
                clients = [self.client(node) for node in nodes]
                for i, to in enumerate(clients):
                    for j, source in enumerate(clients):
                        if i != j:
                            self.linked(to, source, b"s.%d.%d" % (i, j), b"%d" % (10 + j))
                for node in nodes:
                    node.__exit__()

    def test_two_leaves_of_a_hub_reach_each_other_unless_isolated(self):
        for isolated in (False, True):
            with self.subTest(isolated=isolated):
                port = free_port()
                self.node("hub", hub(port, "isolate_leafnode_interest: true" if isolated else ""))
                one, two = (self.node(name, remote(port), nats) for name, nats in (("one", KINDS[-1]), ("two", False)))
                to, source = self.client(one), self.client(two)
                to.send(b"SUB x 1\r\n")
                to.flush()
                if isolated:
                    self.until_logged(two, "connection created")
                    self.assertFalse(self.has_responder(source, b"x"))
                else:
                    self.linked(to, source, b"x", b"2")

    def test_a_queue_group_over_a_hub_and_two_leaves_gets_each_once(self):
        port = free_port()
        hub_node = self.node("hub", hub(port))
        leaves = [self.node(f"l{i}", remote(port), nats) for i, nats in ((0, False), (1, KINDS[-1]))]
        members = [self.client(leaf) for leaf in leaves]
        source = self.client(hub_node)
        for i, member in enumerate(members):
            member.send(b"SUB work g 2\r\n")
            self.linked(member, source, b"mark.%d" % i, b"3")  # by then the group is known, too
        for number in range(200):
            source.send(b"PUB work %d\r\n%s\r\n" % (len(str(number)), str(number).encode()))
        got = []
        for index, member in enumerate(members):
            source.send(b"PUB mark.%d 3\r\nend\r\n" % index)
            bodies = []
            while (body := member.message()[3]) != b"end":
                bodies.append(int(body))
            self.assertGreater(len(bodies), 20)
            got += bodies
        self.assertEqual(sorted(got), list(range(200)))

    def test_a_circle_is_found_and_broken(self):
        for nats in KINDS:
            with self.subTest(nats=nats):
                a, b = free_port(), free_port()
                both = (
                    'leafnodes {{ listen: "127.0.0.1:{}", reconnect: "200ms", remotes: [{{ url: "nats-leaf://127.0.0.1:{}" }}] }}'
                )
                one = self.node("one", both.format(a, b))
                two = self.node("two", both.format(b, a), nats)
                self.until(
                    lambda: "Loop detected" in one.log() and "Loop detected" in two.log(), "both say that it is a circle"
                )

    def test_a_leaf_of_two_urls_goes_to_the_other_when_one_is_gone(self):
        ports = free_port(), free_port()
        hubs = [self.node(f"hub{i}", hub(port)) for i, port in enumerate(ports)]
        urls = ", ".join(f'"nats-leaf://127.0.0.1:{port}"' for port in ports)
        leaf = self.node("leaf", f'leafnodes {{ reconnect: "100ms", remotes: [{{ urls: [{urls}], no_randomize: true }}] }}')
        source = self.client(leaf)
        first = self.client(hubs[0])
        self.linked(first, source, b"x")
        hubs[0].end(signal.SIGKILL)
        second = self.client(hubs[1])
        self.linked(second, source, b"y")

    def test_whoever_dials_may_be_the_hub(self):
        for nats in KINDS:
            with self.subTest(leaf_is_nats=nats):
                port = free_port()
                low = self.node("low", hub(port), nats)
                high = self.node("high", remote(port, "hub: true"))
                one, two = self.client(low), self.client(high)
                self.linked(one, two, b"x")
                self.linked(two, one, b"y", b"2")

    def test_clients_on_other_shards_are_told_of(self):
        port = free_port()
        hub_node = self.node("hub", "shards: 3\n" + hub(port))
        leaf = self.node("leaf", "shards: 2\n" + remote(port))
        source = self.client(leaf)
        for i in range(4):
            to = self.client(hub_node)
            self.linked(to, source, b"x.%d" % i)
            self.linked(source, to, b"y.%d" % i, b"%d" % (i + 5))
            to.send(b"UNSUB 1\r\n")
            to.flush()
            self.until_not_taken(source, b"x.%d" % i)


class Encrypted(LeafCase):
    def setUp(self):
        super().setUp()
        authority(self.directory, "ours")
        authority(self.directory, "theirs")
        certificate(self.directory, "server", "ours")
        certificate(self.directory, "client", "ours")

    def files(self, name, ca="ours"):
        directory = self.directory
        return f'cert_file: "{directory}/{name}.pem", key_file: "{directory}/{name}.key", ca_file: "{directory}/{ca}.pem"'

    def test_tls_on_both_sides(self):
        for hub_nats, leaf_nats in [(a, b) for a in KINDS for b in KINDS if not (a and b)]:
            for first in ("false", "true"):
                with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats, first=first):
                    port = free_port()
                    more = f"verify: true, timeout: 10, handshake_first: {first}"
                    one = self.node("hub", hub(port, f'tls {{ {self.files("server")}, {more} }}'), hub_nats)
                    two = self.node("leaf", remote(port, f'tls {{ {self.files("client")}, timeout: 10, handshake_first: {first} }}'), leaf_nats)  # fmt: skip
                    at_hub, at_leaf = self.client(one), self.client(two)
                    self.linked(at_hub, at_leaf, b"x")
                    self.linked(at_leaf, at_hub, b"y", b"2")

    def test_a_hub_that_is_not_trusted_is_not_spoken_to(self):
        port = free_port()
        self.node("hub", hub(port, f'tls {{ {self.files("server")} }}'))
        leaf = self.node("leaf", remote(port, f'tls {{ ca_file: "{self.directory}/theirs.pem" }}', user="u:secret@"))
        self.until_logged(leaf, "handshake error")

    def test_where_else_to_dial_is_not_learnt_from_who_has_not_shown_who_it_is(self):
        with socket.create_server(("127.0.0.1", 0)) as between, socket.create_server(("127.0.0.1", 0)) as stranger:
            for listener in (between, stranger):
                listener.settimeout(READ_S)
            urls = ["127.0.0.1:%d" % stranger.getsockname()[1]]
            info = {"server_id": "x", "client_id": 1, "tls_required": True, "info_on_connect": True, "leafnode_urls": urls}
            self.node("leaf", remote(between.getsockname()[1], f'tls {{ ca_file: "{self.directory}/ours.pem" }}', user="u:secret@"))  # fmt: skip
            for _ in range(3):
                with between.accept()[0] as leaf:
                    leaf.sendall(b"INFO %s\r\n" % json.dumps(info).encode())
                    self.assertEqual(leaf.recv(1), b"\x16")
            stranger.setblocking(False)
            self.assertRaises(BlockingIOError, stranger.accept)

    def test_without_tls_nobody_comes_in_where_it_is_wanted(self):
        port = free_port()
        node = self.node("hub", hub(port, f'tls {{ {self.files("server")} }}'))
        with socket.create_connection(("127.0.0.1", port), timeout=READ_S) as plain:
            said = plain.recv(4096)
            self.assertTrue(json.loads(said[5:])["tls_required"])
            plain.sendall(b'CONNECT {"name":"x"}\r\n')
            self.assertIn(b"-ERR", plain.recv(4096))
        self.until_logged(node, "TLS required")


@with_nats
class Compressed(LeafCase):
    """Ours compresses nothing: who would is content with that."""

    def test_a_peer_that_would_compress_is_spoken_to_without(self):
        for mode in ("accept", "s2_auto", "s2_fast", "s2_best", "{ mode: s2_auto, rtt_thresholds: [0s, 50ms] }"):
            for nats_hub in (False, True):
                with self.subTest(mode, nats_hub=nats_hub):
                    port = free_port()
                    home = self.node("hub", hub(port, f"compression: {mode}"), nats_hub)
                    away = self.node("leaf", remote(port, f"compression: {mode}"), not nats_hub)
                    a, b = self.client(home), self.client(away)
                    self.linked(a, b, b"up")
                    self.linked(b, a, b"down")
                    large = b"x" * 200000
                    for source, to, subject in ((a, b, b"down"), (b, a, b"up")):
                        source.send(b"PUB %s %d\r\n%s\r\n" % (subject, len(large), large))
                        self.assertEqual(to.message()[3], large)
                    for node in (away, home):
                        node.end(signal.SIGKILL)


class BadInput(LeafCase):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.hub = self.node("hub", "max_payload: 1000\n" + hub(self.port, "authorization { timeout: 60 }"))

    def told(self, data, first=b'CONNECT {"name":"x"}\r\n'):
        """What comes after INFO, up to the end, which must come."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=READ_S) as leaf:
            leaf.sendall(first + data)
            said = b""
            while piece := leaf.recv(65536):
                said += piece
                if b"-ERR" in said:
                    leaf.shutdown(socket.SHUT_WR)
            return said

    def test_each_gets_its_error_and_others_go_on(self):
        rows = (
            (b"FOO\r\n", b"Unknown Protocol Operation", None),
            (b"LS+ a..b\r\n", b"Invalid Subject", None),
            (b"LS+ a q\r\n", b"Invalid Subject", None),
            (b"LS+ a q 0\r\n", b"Invalid Subject", None),
            (b"LS+ a\r\n", b"Authorization Violation", b""),
            (b"LMSG a 1\r\nx\r\n", b"Authorization Violation", b""),
            (b"LMSG a x\r\n", b"Bad or Missing Size", None),
            (b"LMSG a ? b c 1\r\nx\r\n", b"Bad or Missing Reply Indicator", None),
            (b"HMSG a 5 1\r\nx\r\n", b"Header Size larger then TotalSize", None),
            (b"LMSG a 1001\r\n", b"Maximum Payload Violation", None),
            (b"LMSG a 1\r\nxyz\r\n", b"Unknown Protocol Operation", None),
            (b"", b"attempted to connect to leaf node port", b'CONNECT {"lang":"go"}\r\n'),
            (b"", b"Invalid CONNECT", b'CONNECT {"name":7}\r\n'),
            (b"", b"Invalid CONNECT", b"CONNECT nonsense\r\n"),
            (b"", b"maximum control line exceeded", b"CONNECT " + b"x" * 40000),
        )
        for data, error, first in rows:
            with self.subTest(data=data):
                said = self.told(data) if first is None else self.told(data, first)
                self.assertIn(b"-ERR '" + error, said)
        one, two = self.client(self.hub), self.client(self.hub)
        self.linked(one, two, b"a")

    def test_limits_of_its_account_hold(self):
        limits = "limits { max_subscriptions: 3, max_payload: 10 }"
        self.port = free_port()
        self.node("limited", f'accounts {{ A: {{ {limits} }} }}\n' + hub(self.port, "authorization { user: u, password: p, account: A }"))  # fmt: skip
        first = b'CONNECT {"name":"x","user":"u","pass":"p"}\r\n'
        rows = (
            (b"".join(b"LS+ a.%d\r\n" % i for i in range(4)), b"maximum subscriptions exceeded"),
            (b"LMSG a 11\r\n", b"Maximum Payload Violation"),
        )
        for data, error in rows:
            with self.subTest(error):
                said = self.told(data[: -len(b"LS+ a.3\r\n")] + b"FOO\r\n", first) if data.startswith(b"LS+") else b""
                self.assertNotIn(error, said)
                self.assertIn(b"-ERR '" + error, self.told(data + b"FOO\r\n", first))

    def test_who_asks_and_never_reads_is_ended(self):
        port = free_port()
        node = self.node("bounded", "max_payload: 1000\nmax_pending: 100000\nwrite_deadline: 1h\n" + hub(port))
        with socket.create_connection(("127.0.0.1", port), timeout=READ_S) as leaf:
            leaf.sendall(b'CONNECT {"name":"x"}\r\n')
            with self.assertRaises(ConnectionError):
                for _ in range(1000):
                    leaf.sendall(b"PING\r\n" * 20000)
        self.until_logged(node, "MaxPending of 100000 Exceeded")

    def test_who_says_nothing_is_ended_in_time(self):
        port = free_port()
        self.node("short", hub(port, 'authorization { timeout: "300ms" }'))
        with socket.create_connection(("127.0.0.1", port), timeout=READ_S) as leaf:
            said = b""
            while piece := leaf.recv(65536):
                said += piece
                if b"-ERR" in said:
                    leaf.shutdown(socket.SHUT_WR)
            self.assertIn(b"-ERR 'Authentication Timeout'", said)


if __name__ == "__main__":
    unittest.main()
