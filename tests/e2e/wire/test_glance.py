"""Infos show what came right before them, and a server that ends tells those who wait."""

import sys
import unittest

from wire import WireCase, own_promise  # finds serverprocess
from serverprocess import STOP_S

EXPLICIT = {"ack_policy": "explicit"}
ROUNDS = 20


class Glances(WireCase):
    def stream(self, asker, **config):
        asker.api("STREAM.DELETE.S")
        asker.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], **config})

    def taken(self, asker, count):
        """The replies of so many messages, handed out and not acknowledged."""
        asker.api("CONSUMER.CREATE.S.c", {"stream_name": "S", "config": {"durable_name": "c", **EXPLICIT}})
        for i in range(count):
            asker.publish(b"s.%d" % i, b"x")
        asker.send(b"SUB in 9\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.c in 2\r\n%2d\r\n" % count)
        return [asker.message()[1] for _ in range(count)]

    @own_promise
    def test_an_info_shows_publishes_that_nobody_waits_for(self):
        with self.requester() as asker:
            self.stream(asker)
            for i in range(1, ROUNDS):
                asker.send(b"PUB s.a 1\r\nx\r\nPUB s.b 1\r\nx\r\n")
                self.assertEqual(asker.api("STREAM.INFO.S")["state"]["messages"], 2 * i)

    @own_promise
    def test_an_info_of_a_consumer_shows_acks_that_nobody_waits_for(self):
        with self.requester() as asker:
            self.stream(asker)
            for i, reply in enumerate(self.taken(asker, ROUNDS)):
                asker.send(b"PUB %s 4\r\n+ACK\r\n" % reply)
                self.assertEqual(asker.api("CONSUMER.INFO.S.c")["ack_floor"]["stream_seq"], i + 1)

    @own_promise
    def test_a_list_of_consumers_shows_publishes_that_nobody_waits_for(self):
        with self.requester() as asker:
            self.stream(asker)
            asker.api("CONSUMER.CREATE.S.c", {"stream_name": "S", "config": {"durable_name": "c", **EXPLICIT}})
            for i in range(1, ROUNDS):
                asker.send(b"PUB s.a 1\r\nx\r\nPUB s.b 1\r\nx\r\n")
                (one,) = asker.api("CONSUMER.LIST.S")["consumers"]
                self.assertEqual(one["num_pending"], 2 * i)

    @own_promise
    def test_an_info_of_a_work_queue_shows_what_acks_removed(self):
        with self.requester() as asker:
            self.stream(asker, retention="workqueue")
            for i, reply in enumerate(self.taken(asker, ROUNDS)):
                asker.send(b"PUB %s 4\r\n+ACK\r\n" % reply)
                self.assertEqual(asker.api("STREAM.INFO.S")["state"]["messages"], ROUNDS - 1 - i)

    def test_pulls_that_wait_are_told_when_the_server_ends(self):
        with self.requester() as asker:
            self.stream(asker)
            self.taken(asker, 1)
            asker.send(b'PUB $JS.API.CONSUMER.MSG.NEXT.S.c in 33\r\n{"batch":2,"expires":60000000000}\r\n')
            asker.flush()
            self.server.process.terminate()
            said = asker.message()[2]
            self.assertEqual(
                said,
                b"NATS/1.0 409 Server Shutdown\r\nNats-Pending-Messages: 2\r\nNats-Pending-Bytes: 0\r\n\r\n",
            )
        self.server.process.wait(STOP_S)
        self.server.start()
        type(self).bystander = self.open()
        self.bystander.connect()
        self.bystander.send(b"SUB bystander.here 1\r\n")
        self.bystander.flush()


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
