"""A client that does not read what it has asked for keeps no other from its messages.

None of it depends on being fast: who does not read is given no more than has room on its way, and all the rest goes to the
others, however long that takes.
"""

import os
import re
import select
import socket
import tempfile
import time
import unittest

from wire import MILLRACE, READ_S, Connection, WireCase, own_promise

SIZE = 32 * 1024
ROOM = 24 << 20  # more than a connection, its sockets and the hand-outs on their way hold; less than half of all
ALL = b"1000000"
# A shard does not see what clients of another one have waiting: there the slow one is sent what
# it asked for, as by the reference; of so few messages it can hold all.
SEEN = MILLRACE and "MILLRACE_SHARDS_TEST" not in os.environ
COUNT = 2000 if SEEN else 1000
MOST = ROOM // SIZE if SEEN else COUNT - 100  # messages that the slow one is sent while it reads nothing
FRAME = re.compile(rb"MSG s\.a 1 \S+ (\d+)\r\n")


class Reader(Connection):
    """One whose socket holds little, and who reads only when it is asked to: the numbers of its messages."""

    def __init__(self, port):  # pylint: disable=super-init-not-called
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.settimeout(READ_S)
        self.socket.connect(("127.0.0.1", port))
        self.received = bytearray()
        self.ended = False
        self.sid = b""
        self.read_s = None
        self.numbers = []
        self.greeting = self.line()
        self.connect()

    def listen(self, subject, queue=b""):
        self.send(b"SUB %s %s 1\r\nPING\r\n" % (subject, queue))
        assert self.line() == b"PONG\r\n"

    def ask(self, inbox, body=ALL):
        self.listen(inbox)
        self.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C %s %d\r\n%s\r\nPING\r\n" % (inbox, len(body), body))
        assert self.line() == b"PONG\r\n"

    def take(self):
        """Whatever is there, at most a few messages of it."""
        if self.socket in select.select([self.socket], [], [], 0)[0]:
            self.received += self.socket.recv(1 << 18)
        while frame := FRAME.search(self.received):
            end = frame.end() + int(frame[1]) + 2
            if len(self.received) < end:
                break
            self.numbers.append(int(self.received[frame.end() : frame.end() + 8]))
            if b"PING\r\n" in self.received[: frame.start()]:
                self.send(b"PONG\r\n")
            del self.received[:end]


class Congestion(WireCase):
    @classmethod
    def setUpClass(cls):
        file = tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="millrace-congestion-", delete=False)
        cls.addClassCleanup(os.unlink, file.name)
        with file:
            file.write('write_deadline: "600s"\n')  # who does not read for a while is none too slow
        cls.arguments = ("-c", file.name)
        super().setUpClass()

    def setUp(self):
        self.asker = self.requester()
        self.addCleanup(self.asker.socket.close)
        self.asker.api("STREAM.DELETE.S")
        answer = self.asker.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "storage": "memory"})
        self.assertNotIn("error", answer)
        self.published = 0

    def consumer(self, **config):
        config = {"durable_name": "C", "ack_policy": "explicit", "ack_wait": 3600_000_000_000, "max_ack_pending": -1, **config}
        answer = self.asker.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})
        self.assertNotIn("error", answer)

    def readers(self):
        readers = [Reader(self.server.port) for _ in range(2)]
        for reader in readers:
            self.addCleanup(reader.socket.close)
        return readers

    def publish(self, count):
        """Each begins with its number, from 1 on."""
        for _ in range(count):
            self.published += 1
            self.asker.send(b"PUB s.a %d\r\n%08d%s\r\n" % (SIZE, self.published, b"x" * (SIZE - 8)))

    def take_until(self, readers, done, what):
        end = time.monotonic() + READ_S
        while not done():
            self.assertLess(time.monotonic(), end, f"{what}: {[len(reader.numbers) for reader in readers]}")
            select.select([reader.socket for reader in readers], [], [], 1)
            for reader in readers:
                reader.take()

    def check(self, slow, fast):
        """What the slow one has no room for the fast one gets; and when it reads, it has its turn again."""
        self.publish(COUNT)
        self.take_until([fast], lambda: len(fast.numbers) >= COUNT - MOST, "the fast one")
        both = [slow, fast]
        self.take_until(both, lambda: len(slow.numbers) + len(fast.numbers) >= COUNT, "all of them")
        for reader in both:
            self.assertEqual(reader.numbers, sorted(reader.numbers))
        before = len(slow.numbers)
        self.publish(100)
        self.take_until(both, lambda: len(slow.numbers) + len(fast.numbers) >= COUNT + 100, "the last")
        self.assertGreater(len(slow.numbers), before)
        self.assertEqual(sorted(slow.numbers + fast.numbers), list(range(1, COUNT + 101)))
        info = self.asker.api("CONSUMER.INFO.S.C")
        self.assertEqual((info["num_pending"], info.get("num_redelivered")), (0, 0))

    def test_one_who_pulls_and_does_not_read_keeps_nothing_from_the_others(self):
        self.consumer()
        slow, fast = self.readers()
        slow.ask(b"slow")
        fast.ask(b"fast")
        self.check(slow, fast)

    def test_nor_where_nothing_is_acknowledged(self):
        self.consumer(ack_policy="none", ack_wait=0, max_ack_pending=0)
        slow, fast = self.readers()
        slow.ask(b"slow")
        fast.ask(b"fast")
        self.check(slow, fast)

    def test_one_that_is_cut_is_no_matter(self):
        """It leaves without having read anything: what it was given comes again, the rest went elsewhere."""
        self.consumer(ack_wait=3_000_000_000)
        slow, fast = self.readers()
        slow.ask(b"slow")
        fast.ask(b"fast")
        self.publish(COUNT)
        self.take_until([fast], lambda: len(fast.numbers) >= COUNT - MOST, "the fast one")
        slow.socket.close()
        self.take_until([fast], lambda: len(set(fast.numbers)) == COUNT, "all of them")

    def test_a_member_of_a_deliver_group_that_does_not_read_keeps_nothing_from_the_others(self):
        self.consumer(deliver_subject="to.group", deliver_group="g")
        slow, fast = self.readers()
        slow.listen(b"to.group", b"g")
        fast.listen(b"to.group", b"g")
        self.check(slow, fast)

    @own_promise
    def test_who_has_room_for_nothing_waits_and_is_not_cut(self):
        self.consumer()
        slow, _ = self.readers()
        slow.ask(b"slow")
        self.publish(COUNT * 3 // 2 if SEEN else COUNT)  # more than max_pending
        while self.asker.api("STREAM.INFO.S")["state"]["last_seq"] < self.published:
            pass
        if SEEN:
            self.assertGreater(self.asker.api("CONSUMER.INFO.S.C")["num_pending"], 0)
            self.take_until([slow], lambda: len(slow.numbers) == self.published, "all of them")
            self.assertEqual(slow.numbers, list(range(1, self.published + 1)))


if __name__ == "__main__":
    unittest.main()
