"""Watches: what is put into a bucket goes to each of them at once, once, and in order, whatever becomes of the others."""

import time
import unittest

from wire import Requester, own_promise  # finds serverprocess
from serverprocess import Server

BUCKET = {"name": "KV_B", "subjects": ["$KV.B.>"], "max_msgs_per_subject": 1, "discard": "new", "allow_rollup_hdrs": True,
          "deny_delete": True, "allow_direct": True}
WATCH = {"deliver_policy": "new", "ack_policy": "none", "max_deliver": 1, "ack_wait": 79_200_000_000_000, "mem_storage": True,
         "num_replicas": 1, "filter_subject": "$KV.B.>"}


class Watches(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.client = self.connected()
        self.client.api("STREAM.CREATE.KV_B", BUCKET)

    def connected(self):
        self.inboxes = vars(self).get("inboxes", 0) + 1
        client = Requester(self.server.port, inbox=b"answers%d" % self.inboxes)
        self.addCleanup(client.__exit__)
        return client

    def watch(self, name, to, **config):
        answer = self.client.api("CONSUMER.CREATE.KV_B." + name,
                                 {"stream_name": "KV_B", "config": {**WATCH, "name": name, "deliver_subject": to, **config}})
        self.assertNotIn("error", answer)

    def put(self, first, last, key=b"k"):
        """Each under a key of its own: nobody is owed what has been replaced."""
        for i in range(first, last + 1):
            self.client.publish(b"$KV.B.%s.%d" % (key, i), b"%d" % i)

    def arrived(self, reader, count):
        """What came: (sid, value, ack subject)."""
        came = []
        while len(came) < count:
            _, reply, headers, body = reader.message()
            if not headers.startswith(b"NATS/1.0 100"):
                came.append((reader.sid, body, reply))
        return came

    def nothing_more(self, reader):
        reader.send(b"PUB %s.end 0\r\n\r\n" % reader.inbox)
        time.sleep(0.2)
        self.assertEqual(reader.message()[0], reader.inbox + b".end")

    def test_each_gets_each_put_once_and_in_order(self):
        reader = self.connected()
        reader.send(b"".join(b"SUB w.%d %d\r\n" % (i, i + 100) for i in range(50)))
        reader.flush()
        for i in range(50):
            self.watch(f"W{i}", f"w.{i}")
        self.put(1, 20)
        came = self.arrived(reader, 50 * 20)
        for i in range(50):
            mine = [(body, reply) for sid, body, reply in came if sid == b"%d" % (i + 100)]
            self.assertEqual([body for body, _ in mine], [b"%d" % n for n in range(1, 21)])
            for n, (_, reply) in enumerate(mine, 1):
                words = reply.split(b".")
                self.assertEqual(words[:7], [b"$JS", b"ACK", b"KV_B", b"W%d" % i, b"1", b"%d" % n, b"%d" % n])
                self.assertEqual(words[8], b"0")
        self.nothing_more(reader)

    def test_one_that_has_had_enough_ends_alone(self):
        reader = self.connected()
        reader.send(b"SUB w 7\r\nUNSUB 7 3\r\nSUB v 8\r\n")
        reader.flush()
        for i in range(4):
            self.watch(f"W{i}", "w")  # four to one subject: the third message ends it in the middle of a put
        self.watch("V", "v")
        self.put(1, 10)
        came = self.arrived(reader, 3 + 10)
        self.assertEqual(len([1 for sid, _, _ in came if sid == b"7"]), 3)
        self.assertEqual([body for sid, body, _ in came if sid == b"8"], [b"%d" % n for n in range(1, 11)])
        self.nothing_more(reader)

    def test_whoever_listens_where_it_delivers_gets_it(self):
        first, second = self.connected(), self.connected()
        first.send(b"SUB w.1 7\r\nSUB w.* 8\r\n")
        second.send(b"SUB w.> 9\r\n")
        first.flush()
        second.flush()
        self.watch("W", "w.1")
        self.put(1, 5)
        came = self.arrived(first, 10)
        self.assertEqual(sorted(sid for sid, _, _ in came), [b"7"] * 5 + [b"8"] * 5)
        self.assertEqual([body for _, body, _ in self.arrived(second, 5)], [b"1", b"2", b"3", b"4", b"5"])
        second.send(b"UNSUB 9\r\n")
        second.flush()
        self.put(6, 7)
        self.assertEqual(len(self.arrived(first, 4)), 4)
        self.nothing_more(second)

    def test_messages_of_before_come_before_those_that_are_put_meanwhile(self):
        reader = self.connected()
        for i in range(300):
            self.client.publish(b"$KV.B.k%d" % i, b"old")
        reader.send(b"SUB w 7\r\n")
        reader.flush()
        self.watch("W", "w", deliver_policy="last_per_subject", flow_control=True, idle_heartbeat=5_000_000_000)
        self.put(1, 100, b"new")
        came = self.arrived(reader, 301)
        while came[-1][1] != b"100":  # only the newest of a key counts, and which are put when it begins is open
            came += self.arrived(reader, 1)
        sequences = [int(reply.split(b".")[5]) for _, _, reply in came]
        self.assertEqual(sequences, sorted(set(sequences)))
        self.assertEqual([int(reply.split(b".")[6]) for _, _, reply in came], list(range(1, len(came) + 1)))

    @own_promise
    def test_one_that_does_not_read_keeps_nobody_from_reading(self):
        deaf, reader = self.connected(), self.connected()
        for client in (deaf, reader):
            client.send(b"SUB %s 7\r\n" % (b"deaf" if client is deaf else b"w"))
            client.flush()
        self.watch("D", "deaf", flow_control=True, idle_heartbeat=5_000_000_000)
        self.watch("W", "w")
        body = b"x" * 200_000
        for i in range(120):
            self.client.publish(b"$KV.B.k%d" % i, body)
        self.assertEqual(len(self.arrived(reader, 120)), 120)
        info = self.client.api("CONSUMER.INFO.KV_B.D")
        self.assertLess(info["delivered"]["consumer_seq"], 120)


if __name__ == "__main__":
    unittest.main()
