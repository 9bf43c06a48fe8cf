"""Leaf nodes: a hub and a leaf, each ours or the reference's, and clients at both ends."""

import signal
import unittest

from leaf import LeafCase, free_port, hub, remote, with_nats


class Pairs:
    """Run with every pair of which one at least is ours."""

    HUB_IS_NATS = LEAF_IS_NATS = False

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.hub = self.node("hub", hub(self.port), self.HUB_IS_NATS)
        self.leaf = self.node("leaf", remote(self.port), self.LEAF_IS_NATS)
        self.at_hub = self.client(self.hub)
        self.at_leaf = self.client(self.leaf)

    def both_ways(self):
        return ((self.at_hub, self.at_leaf), (self.at_leaf, self.at_hub))

    def test_messages_cross_both_ways_with_reply_and_headers(self):
        for to, source in self.both_ways():
            self.linked(to, source, b"a.*")
            source.send(b"PUB a.b 5\r\nhello\r\nPUB a.b r.s 2\r\nhi\r\nHPUB a.c r.t 20 22\r\nNATS/1.0\r\nA: bcd\r\n\r\nxy\r\n"
                        .replace(b"20 22", b"%d %d" % (len(b"NATS/1.0\r\nA: bcd\r\n\r\n"), len(b"NATS/1.0\r\nA: bcd\r\n\r\nxy"))))  # fmt: skip
            self.assertEqual(to.message(), (b"a.b", b"", b"", b"hello"))
            self.assertEqual(to.message(), (b"a.b", b"r.s", b"", b"hi"))
            self.assertEqual(to.message(), (b"a.c", b"r.t", b"NATS/1.0\r\nA: bcd\r\n\r\n", b"xy"))
            to.send(b"UNSUB 1\r\n")
            to.flush()
            self.until_not_taken(source, b"a.b")

    def test_who_publishes_gets_it_once_and_the_other_side_does_not_send_it_back(self):
        source = self.client(self.leaf)
        self.at_hub.send(b"SUB both 1\r\n")
        self.linked(self.at_hub, source, b"seen.hub", b"2")  # and so "both", which was told of before
        self.at_leaf.send(b"SUB both 1\r\n")
        self.linked(self.at_leaf, self.client(self.hub), b"seen.leaf", b"2")
        source.send(b"PUB both 5\r\nbegin\r\n")
        for client in (self.at_hub, self.at_leaf):
            while client.message()[3] != b"begin":
                pass
        source.send(b"PUB both 1\r\nx\r\nPUB both 1\r\ny\r\nPUB both 3\r\nend\r\n")
        for client in (self.at_hub, self.at_leaf):
            self.assertEqual([client.message()[3] for _ in range(3)], [b"x", b"y", b"end"])
        self.at_hub.send(b"PUB both 4\r\nback\r\n")
        for client in (self.at_hub, self.at_leaf):
            self.assertEqual(client.message()[3], b"back")

    def test_requests_are_answered_across_and_refused_where_nobody_is(self):
        for to, source in self.both_ways():
            self.linked(to, source, b"svc")
            for number in range(50):
                source.send(b"SUB _IN.%d 9\r\nPUB svc _IN.%d 1\r\nq\r\n" % (number, number))
                subject, reply, _, body = to.message()
                self.assertEqual((subject, reply, body), (b"svc", b"_IN.%d" % number, b"q"))
                to.send(b"PUB %s 1\r\na\r\n" % reply)
                self.assertEqual(source.message(), (b"_IN.%d" % number, b"", b"", b"a"))
                source.send(b"UNSUB 9\r\n")
            to.send(b"UNSUB 1\r\n")
            to.flush()
            self.until_not_taken(source, b"svc")

    def test_of_a_queue_group_one_member_gets_each_and_near_ones_come_first(self):
        for client in (self.at_hub, self.at_leaf):
            client.send(b"SUB q g 1\r\n")
            client.flush()
        other = self.client(self.leaf)
        self.linked(self.at_hub, other, b"near", b"2")
        for _ in range(30):
            other.send(b"PUB q 1\r\nx\r\n")
        other.flush()
        got = self.at_leaf.flush().count(b"MSG q")
        self.assertEqual(got, 30)
        self.at_leaf.send(b"UNSUB 1\r\n")
        self.at_leaf.flush()
        for _ in range(30):
            other.send(b"PUB q 1\r\ny\r\n")
        self.assertEqual([self.at_hub.message()[3] for _ in range(30)], [b"y"] * 30)
        self.nothing_comes(self.at_leaf)

    def test_large_and_many_messages_cross_in_order(self):
        for to, source in self.both_ways():
            self.linked(to, source, b"big")
            payload = bytes(range(256)) * 2000
            for number in range(20):
                source.send(b"PUB big %d\r\n%s%04d\r\n" % (len(payload) + 4, payload, number))
            for number in range(20):
                self.assertEqual(to.message()[3], payload + b"%04d" % number)
            to.send(b"UNSUB 1\r\n")
            to.flush()
            self.until_not_taken(source, b"big")

    def test_a_killed_side_comes_back_and_is_told_all(self):
        for victim in ("leaf", "hub"):
            stays, source = (self.hub, self.leaf) if victim == "leaf" else (self.leaf, self.hub)
            server = getattr(self, victim)
            one = self.client(stays)
            one.send(b"SUB there 1\r\n")
            one.flush()
            server.restart(signal.SIGKILL)
            client = self.client(source)
            self.until_taken(client, b"there")
            self.pass_over(one, client, b"there")
            client.send(b"PUB there 2\r\nup\r\n")
            self.assertEqual(one.message()[3], b"up")
            client.send(b"SUB back 1\r\n")
            client.flush()
            self.until_taken(one, b"back")


class OursToOurs(Pairs, LeafCase):
    pass


@with_nats
class TheirLeaf(Pairs, LeafCase):
    LEAF_IS_NATS = True


@with_nats
class TheirHub(Pairs, LeafCase):
    HUB_IS_NATS = True


if __name__ == "__main__":
    unittest.main()
