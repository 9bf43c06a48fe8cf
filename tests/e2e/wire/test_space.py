"""What has left a stream leaves the disk, too, when nothing is published any more."""

import os
import random
import signal
import subprocess
import time
import unittest

from wire import Requester  # finds serverprocess
from serverprocess import BINARY, Server

MESSAGES = 20_000
SIZE = 2048
OVERHEAD = 64  # of a record, at most
NOT_WORTH_IT = 5 << 20  # server/stream/stream_space.c: 4 MiB, and what an almost empty stream needs
WITHIN_S = 180


def body_of(sequence):
    return random.Random(sequence).randbytes(SIZE)


def log_bytes(server):
    """On the disk, without the journal and the reserve, whose sizes are fixed."""
    total = 0
    for folder, _, names in os.walk(os.path.join(server.directory, "millrace")):
        for name in names if "logs" in folder.split(os.sep) else ():
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def written(server):
    with open(f"/proc/{server.process.pid}/io", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("write_bytes"))


class SpaceTest(unittest.TestCase):
    def fill(self, client):
        client.api("STREAM.CREATE.Q", {"name": "Q", "subjects": ["q"], "retention": "workqueue"})
        for at in range(1, MESSAGES + 1, 500):
            upto = min(at + 500, MESSAGES + 1)
            client.send(b"".join(b"PUB q answers.p %d\r\n%s\r\n" % (SIZE, body_of(i)) for i in range(at, upto)))
            for _ in range(at, upto):
                self.assertIn(b'"seq":', client.message()[3])
        config = {"durable_name": "w", "ack_policy": "explicit", "max_ack_pending": -1, "ack_wait": 3600 * 10**9}
        client.api("CONSUMER.CREATE.Q.w", {"stream_name": "Q", "config": config})

    def take(self, client):
        """The sequence and the ack subject of each message."""
        replies = {}
        while len(replies) < MESSAGES:
            client.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.Q.w answers.q 3\r\n500\r\n")
            for _ in range(500):
                _, reply, _, body = client.message()
                sequence = int(reply.split(b".")[-4])
                self.assertEqual(body, body_of(sequence))
                replies[sequence] = reply
        return replies

    def acknowledge(self, client, replies):
        for at in range(0, len(replies), 500):
            client.send(b"".join(b"PUB %s 0\r\n\r\n" % reply for reply in replies[at : at + 500]))
            client.flush()

    def holds(self, client, living):
        end = time.monotonic() + WITHIN_S
        while (messages := client.api("STREAM.INFO.Q")["state"]["messages"]) != living:
            self.assertLess(time.monotonic(), end, f"{messages} messages, not {living}")
            time.sleep(0.1)

    def shrinks(self, server, living):
        """To a tenth more than what lives, and what is not worth writing anything for."""
        bound = living * (SIZE + OVERHEAD) * 11 // 10 + NOT_WORTH_IT
        end = time.monotonic() + WITHIN_S
        while log_bytes(server) > bound:
            self.assertLess(time.monotonic(), end, f"{log_bytes(server)} bytes on the disk, {bound} wanted")
            time.sleep(0.5)

    def reads_all(self, client, living):
        for sequence in sorted(living):
            _, body = client.ask(b"$JS.API.DIRECT.GET.Q", b'{"seq":%d}' % sequence)
            self.assertEqual(body, body_of(sequence), sequence)

    def test_a_queue_that_is_worked_off_in_any_order_gives_its_space_back(self):
        numbers = random.Random(7)
        with Server() as server:
            with Requester(server.port) as client:
                self.fill(client)
                client.api("STREAM.UPDATE.Q", {"name": "Q", "subjects": ["q"], "retention": "workqueue", "allow_direct": True})
                replies = self.take(client)
                order = list(replies)
                numbers.shuffle(order)
                for share in (0.5, 0.9, 0.99):
                    gone = order[: int(MESSAGES * share) - (MESSAGES - len(order))]
                    order = order[len(gone) :]
                    self.acknowledge(client, [replies[sequence] for sequence in gone])
                    self.holds(client, len(order))
                    self.shrinks(server, len(order))
                    self.reads_all(client, order[:300])
            server.restart(signal.SIGKILL)
            with Requester(server.port) as client:
                self.assertEqual(client.api("STREAM.INFO.Q")["state"]["messages"], len(order))
                self.reads_all(client, order)
            server.end(signal.SIGTERM)
            check = subprocess.run([BINARY, "check", server.directory], capture_output=True, timeout=300, check=False)
            self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def test_a_stream_that_nothing_has_left_is_not_written_anew(self):
        with Server() as server, Requester(server.port) as client:
            self.fill(client)
            self.written_what_is_due(server)
            before = written(server)
            time.sleep(8)
            self.assertLess(written(server) - before, 1 << 20)

    def written_what_is_due(self, server):
        """After eight seconds, or as long as it takes a slow disk."""
        end = time.monotonic() + WITHIN_S
        time.sleep(4)
        before = -1 << 20
        while written(server) - before >= 1 << 20:
            self.assertLess(time.monotonic(), end, f"{written(server)} bytes, {before} four seconds before")
            before = written(server)
            time.sleep(4)


if __name__ == "__main__":
    unittest.main()
