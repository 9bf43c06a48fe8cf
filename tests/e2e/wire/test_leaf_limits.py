"""Leaf nodes: what limits of an account and of a signed user mean for them, lame duck mode, odd subjects. All of it
holds for the reference, too."""

import json
import signal
import socket
import unittest

from claims import Key, url
from leaf import HAS_NATS, READ_S, LeafCase, free_port, hub

KINDS = (False, True) if HAS_NATS else (False,)
ANY = {"subs": -1, "data": -1, "payload": -1}
SURPLUS = b"-ERR 'maximum account active connections exceeded'"


class Raw:
    """A leaf that speaks byte by byte."""

    def __init__(self, case, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=READ_S)
        case.addCleanup(self.socket.close)
        self.said = b""
        self.nonce = json.loads(self.until(b"\r\n").split(b" ", 1)[1]).get("nonce", "").encode()
        self.said = b""

    def until(self, end):
        """What it has said by then; the end of the connection is one, too."""
        while end not in self.said and (piece := self.socket.recv(65536)):
            self.said += piece
        return self.said

    def connect(self, **said):
        said = {"version": "2.14.0", "headers": True, "server_id": "N" + said["name"], **said}
        self.socket.sendall(b"CONNECT " + json.dumps(said).encode() + b"\r\n")
        return self

    def says(self, data, end=b"PONG\r\n"):
        self.socket.sendall(data + b"PING\r\n")
        self.said = b""
        return self.until(end)


class Limits(LeafCase):
    def leaf(self, name, user="a", end=b"PONG\r\n"):
        leaf = Raw(self, self.port).connect(name=name, user=user, **{"pass": user})
        leaf.heard = leaf.says(b"", end)
        return leaf

    def refused(self, name, user="a"):
        leaf = Raw(self, self.port).connect(name=name, user=user, **{"pass": user})
        self.assertIn(SURPLUS, leaf.until(SURPLUS))

    def client_says(self, node, user="a"):
        with socket.create_connection(("127.0.0.1", node.port), timeout=READ_S) as client:
            client.sendall(b'CONNECT {"verbose":false,"user":"%s","pass":"%s"}\r\nPING\r\n' % (user.encode(), user.encode()))
            said = b""
            while b"PONG\r\n" not in said and SURPLUS not in said and (piece := client.recv(4096)):
                said += piece
        return said

    def test_leaves_have_a_number_of_their_own_and_count_among_an_accounts_connections(self):
        accounts = """accounts {
            A: { users: [{user: a, password: a}], limits { max_connections: 2, max_leafnodes: 2 } }
            B: { users: [{user: b, password: b}], limits { max_leafnodes: 0 } }
            C: { users: [{user: c, password: c}] } }
        """
        for nats in KINDS:
            with self.subTest(nats=nats):
                self.port = free_port()
                node = self.node(f"limited{nats}", accounts + hub(self.port), nats)
                one = self.leaf("one")
                self.until(lambda node=node: SURPLUS not in self.client_says(node), "a client beside one leaf")
                self.leaf("two")
                self.assertIn(SURPLUS, self.client_says(node))
                self.refused("three")
                self.refused("four", "b")
                self.leaf("five", "c")
                one.socket.close()
                self.until(lambda node=node: SURPLUS not in self.client_says(node), "a client when one has gone")
                self.leaf("six")

    def test_what_was_signed_for_a_user_binds_its_leaf(self):
        operator, account, user = Key("O"), Key("A"), Key("U")
        signed = operator.token("account", account.text, limits={**ANY, "conn": -1, "leaf": -1, "imports": -1, "exports": -1})
        token = account.token("user", user.text, pub={}, sub={}, **{**ANY, "subs": 2, "payload": 10})
        for nats in KINDS:
            with self.subTest(nats=nats):
                self.port = free_port()
                self.node(f"signed{nats}", f"""operator: {operator.token("operator", operator.text)}
                    resolver: MEMORY\nresolver_preload: {{ {account.text}: {signed} }}\n""" + hub(self.port), nats)  # fmt: skip
                for data, error in (
                    (b"LS+ a.0\r\nLS+ a.1\r\nLS+ a.2\r\n", b"maximum subscriptions exceeded"),
                    (b"LMSG a 11\r\n01234567890\r\n", b"Maximum Payload Violation"),
                    (b"LS+ a.0\r\nLMSG a 10\r\n0123456789\r\n", None),
                ):
                    leaf = Raw(self, self.port)
                    leaf.connect(name="x", jwt=token, sig=url(user.sign(leaf.nonce)).decode())
                    leaf.says(b"")
                    said = leaf.says(data, b"PONG\r\n" if error is None else b"-ERR '" + error)
                    self.assertEqual(b"-ERR '" + (error or b"") in said, error is not None, said)


class Otherwise(LeafCase):
    def test_leaves_are_let_in_while_clients_are_sent_away(self):
        for nats in KINDS:
            with self.subTest(nats=nats):
                port = free_port()
                node = self.node(f"duck{nats}", 'lame_duck_duration: "300s"\nlame_duck_grace_period: "200s"\n' + hub(port), nats)
                self.client(node)
                node.process.send_signal(signal.SIGUSR2)
                self.until_logged(node, "Entering lame duck mode")
                self.until(lambda node=node: not self.listens(node.port), "its port for clients closes")
                self.assertIn(b"PONG", Raw(self, port).connect(name="x").says(b""))

    def listens(self, port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=READ_S).close()
        except OSError:
            return False
        return True

    def test_subjects_that_are_none_pass_as_those_of_clients_do(self):
        """As words between dots, whatever they are: a leaf is not cut off because one of its clients says so."""
        for nats in KINDS:
            with self.subTest(nats=nats):
                port = free_port()
                node = self.node(f"odd{nats}", hub(port), nats)
                client = self.client(node)
                client.send(b"SUB x.> 1\r\nSUB x.a 2\r\n")
                client.flush()
                leaf = Raw(self, port).connect(name="x")
                leaf.says(b"")
                for subject in (b"x..y", b".x", b"x.", b"x.*", b"x.>", b"x.a*"):
                    leaf.says(b"LMSG %s 1\r\nm\r\n" % subject)
                leaf.says(b"LMSG x.end 1\r\nm\r\n")
                heard = []
                while not heard or heard[-1] != (b"x.end", b"1"):
                    heard.append((client.message()[0], client.sid))
                self.assertEqual(heard, [(s, b"1") for s in (b"x.*", b"x.>", b"x.a*", b"x.end")])


if __name__ == "__main__":
    unittest.main()
