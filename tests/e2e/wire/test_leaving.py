"""A client that had very many subscriptions and goes: they end in parts, and nobody is kept waiting
or sees one too many."""

import json
import time
import unittest
import urllib.request

from wire import READ_S, Connection  # finds serverprocess
from serverprocess import Server, free_port, is_millrace

MANY = 300_000


class Leaving(unittest.TestCase):
    flags = ()

    def setUp(self):
        self.monitor = free_port()
        self.server = Server(["-m", str(self.monitor), *self.flags])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def client(self, **said):
        client = Connection(self.server.port)
        self.addCleanup(client.socket.close)
        client.read_s = 60
        client.connect(headers=True, no_responders=True, **said)
        return client

    def document(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/{path}", timeout=READ_S) as answer:
            return json.load(answer)

    def subscriptions(self):
        return self.document("subsz")["num_subscriptions"]

    def many(self):
        """Plain ones, counted and named, and members of a group."""
        client = self.client(name="many")
        lines = [b"SUB many.%d %s%d\r\n" % (n, b"s" if n % 7 == 0 else b"", n) for n in range(MANY)]
        client.send(b"".join(lines) + b"SUB shared.* crew last\r\n")
        client.flush()
        return client

    def until_subscriptions(self, count):
        seen = [self.subscriptions()]
        end = time.monotonic() + 60
        while seen[-1] != count and time.monotonic() < end:
            seen.append(self.subscriptions())
        self.assertEqual(seen[-1], count)
        self.assertEqual(seen, sorted(seen, reverse=True))

    def test_the_counts_are_exact_and_others_are_served_meanwhile(self):
        other = self.client()
        other.send(b"SUB back 1\r\nSUB shared.* crew 2\r\n")
        other.flush()
        before = self.subscriptions()
        gone = self.many()
        self.assertEqual(self.subscriptions(), before + MANY + 1)
        gone.leave()  # the server knows
        for n in range(200):  # the other member takes them, whether or not that one is still there
            other.send(b"PUB shared.%d 0\r\n\r\n" % n)
            self.assertEqual(other.message()[0], b"shared.%d" % n)
        self.until_subscriptions(before)
        for n in range(0, MANY, MANY // 100):
            other.send(b"PUB many.%d back 0\r\n\r\n" % n)
            self.assertIn(b"NATS/1.0 503", other.message()[2])
        closed = self.document("connz?state=closed")["connections"]
        self.assertEqual([c["subscriptions"] for c in closed if c.get("name") == "many"], [MANY + 1])

    def test_a_second_connect_is_answered_when_all_of_the_first_are_gone(self):
        other = self.client()
        before = self.subscriptions()
        again = self.many()
        again.send(b'CONNECT {"verbose":false,"headers":true}\r\nSUB many.1 9\r\n')
        for n in range(200):  # nobody waits for that
            other.send(b"PUB many.1 0\r\n\r\n")
            other.flush()
        before_it, after_it = b"MSG many.1 1 0\r\n\r\n", b"MSG many.1 9 0\r\n\r\n"
        self.assertRegex(again.flush(), b"\\A(%s)*(%s)*\\Z" % (before_it, after_it))
        self.until_subscriptions(before + 1)
        half = self.many()
        half.send(b"CONNECT {}\r\n")
        half.leave()  # in the midst of it, perhaps
        self.until_subscriptions(before + 1)

    def test_one_of_the_same_name_can_come_back_at_once(self):
        other = self.client()
        before = self.subscriptions()
        gone = self.many()
        gone.leave()
        again = self.client(name="many")
        again.send(b"SUB many.* 1\r\nSUB many.%d %d\r\n" % (MANY - 1, MANY - 1))
        again.flush()
        other.send(b"PUB many.%d 2\r\nhi\r\n" % (MANY - 1))
        other.flush()
        self.assertEqual(sorted(again.message()[3] and again.sid for _ in range(2)),
                         [b"1", b"%d" % (MANY - 1)])
        self.until_subscriptions(before + 2)
        other.send(b"PUB many.0 2\r\nho\r\n")
        self.assertEqual(again.message()[3], b"ho")
        self.assertEqual(again.flush(), b"")


@unittest.skipUnless(is_millrace(), "shards are ours")
class LeavingShards(Leaving):
    flags = ("--shards", "3")


if __name__ == "__main__":
    unittest.main()
