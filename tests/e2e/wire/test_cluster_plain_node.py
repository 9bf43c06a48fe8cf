"""A node without JetStream between nodes with it: its clients use the streams of the others.

It holds for the reference server as well.
"""

import unittest

from wire import ASK_S, Requester  # finds serverprocess
from cluster import Patient
from serverprocess import Server, free_port


class PlainNode(Patient):
    """Three nodes with JetStream, and one without, whose clients these are."""

    def setUp(self):
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(4)]
        self.nodes = []
        for i in range(4):
            # The cluster forms when all routes of the three have answered; the fourth comes to it.
            known = routes[:3] if i < 3 else routes
            flags = ["--server_name", f"n{i}", "--cluster_name", "C", "--cluster", routes[i]]
            self.nodes.append(Server([*flags, "--routes", ",".join(known)], jetstream=i < 3))
        self.plain = self.nodes[3]
        for node in self.nodes:
            self.addCleanup(node.__exit__)
            node.spawn()
        for node in self.nodes:
            node.wait_ready()
        config = {"name": "S", "subjects": ["s.>"], "num_replicas": 3, "allow_direct": True}
        self.api("STREAM.CREATE.S", config)

    def ask(self, call):
        with Requester(self.plain.port, read_s=ASK_S) as client:
            return call(client)

    def api(self, subject, body=b""):
        return self.until(lambda a: "error" not in a, lambda: self.ask(lambda c: c.api(subject, body)))

    published = 0

    def publish(self, body):
        """The sequence; the message is stored once however often it had to be sent."""
        self.published += 1
        once = b"NATS/1.0\r\nNats-Msg-Id: %d\r\n\r\n" % self.published
        return self.until(
            lambda a: "seq" in a, lambda: self.ask(lambda c: c.publish(b"s.x", body, once))
        )["seq"]

    def test_its_clients_publish_read_and_ack(self):
        self.assertEqual([self.publish(b"%d" % i) for i in range(5)], [1, 2, 3, 4, 5])
        self.assertEqual(self.api("STREAM.INFO.S")["state"]["messages"], 5)
        got = self.ask(lambda c: c.ask(b"$JS.API.DIRECT.GET.S", b'{"seq":3}'))
        self.assertEqual(got[1], b"2")
        consumer = {"stream_name": "S", "config": {"durable_name": "C", "ack_policy": "explicit"}}
        self.api("CONSUMER.DURABLE.CREATE.S.C", consumer)
        with Requester(self.plain.port) as client:
            for i in range(5):
                client.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C answers.next 1\r\n1\r\n")
                _, reply, _, data = client.message()
                self.assertEqual(data, b"%d" % i)
                self.assertNotIn(b"503", client.ask(reply, b"+ACK")[0])
        self.assertEqual(self.api("CONSUMER.INFO.S.C")["ack_floor"]["stream_seq"], 5)

    def test_a_publish_is_stored_once_and_in_order(self):
        with Requester(self.plain.port) as client:
            for i in range(500):
                client.send(b"PUB s.x 3\r\n%03d\r\n" % i)
            client.flush()
        self.until(
            lambda a: a["state"]["messages"] == 500, lambda: self.ask(lambda c: c.api("STREAM.INFO.S"))
        )
        for i in (0, 1, 250, 499):
            got = self.ask(lambda c, i=i: c.ask(b"$JS.API.DIRECT.GET.S", b'{"seq":%d}' % (i + 1)))
            self.assertEqual(got[1], b"%03d" % i)

    def test_what_no_stream_has_still_has_no_responders(self):
        with Requester(self.plain.port) as client:
            self.assertIn(b"503", client.ask(b"nobody.here")[0])

    def test_it_goes_on_through_another_node_when_the_one_that_served_it_dies(self):
        self.publish(b"before")
        for node in self.nodes[:3]:
            node.kill()
            self.publish(b"meanwhile")
            node.start()
            self.until(
                lambda a: all(r["current"] for r in a.get("cluster", {}).get("replicas", [{"current": False}])),
                lambda: self.ask(lambda c: c.api("STREAM.INFO.S")),
            )
        self.assertGreaterEqual(self.publish(b"after"), 5)


if __name__ == "__main__":
    unittest.main()
