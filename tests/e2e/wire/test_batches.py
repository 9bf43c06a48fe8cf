"""The limits of batches that a configuration file sets. All of it also holds for the reference server."""

import json
import os
import shutil
import tempfile
import time
import unittest

from wire import Requester  # finds serverprocess
from serverprocess import Server

CONFIG = """
jetstream {
  limits { batch { max_inflight_per_stream: 2, max_inflight_total: 3, max_msgs: 4, timeout: "%s" } }
}
"""
TIMEOUT_S = 1.0
TRIES = 20


class BatchCase(unittest.TestCase):
    TIMEOUT = "60s"

    def setUp(self):
        directory = tempfile.mkdtemp(prefix="millrace-batches-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG % self.TIMEOUT)
        server = Server(("-c", path))
        self.addCleanup(server.__exit__, None, None, None)
        server.__enter__()
        self.asker = Requester(server.port)
        self.addCleanup(self.asker.__exit__, None, None, None)
        for name in ("S", "T"):
            config = {"name": name, "subjects": [f"{name}.>"], "allow_atomic": True, "allow_batched": True}
            self.assertNotIn("error", self.asker.api(f"STREAM.CREATE.{name}", config))

    def part(self, stream, batch, seq, commit=False):
        """The number of the error, or None; the number of messages, if that was the last."""
        head = f"NATS/1.0\r\nNats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {seq}\r\n"
        head += "Nats-Batch-Commit: 1\r\n\r\n" if commit else "\r\n"
        _, data = self.asker.ask(stream.encode() + b".1", b"x", head.encode())
        answer = json.loads(data) if data else {}
        return answer.get("error", {}).get("err_code"), answer.get("count")


class BatchLimits(BatchCase):
    def test_a_batch_has_so_many_messages(self):
        for seq in range(1, 5):
            self.assertEqual(self.part("S", "b", seq), (None, None))
        self.assertEqual(self.part("S", "b", 5), (10199, None))
        for seq in range(1, 4):
            self.part("S", "b", seq)
        self.assertEqual(self.part("S", "b", 4, commit=True), (None, 4))

    def test_a_stream_and_a_server_have_so_many_batches(self):
        self.assertEqual(self.part("S", "a", 1), (None, None))
        self.assertEqual(self.part("S", "b", 1), (None, None))
        self.assertEqual(self.part("S", "c", 1), (10210, None))
        self.assertEqual(self.part("T", "a", 1), (None, None))
        self.assertEqual(self.part("T", "b", 1), (10210, None))
        self.assertEqual(self.part("S", "a", 2, commit=True), (None, 2))
        self.assertEqual(self.part("T", "b", 1), (None, None))


class BatchTimeout(BatchCase):
    TIMEOUT = f"{TIMEOUT_S * 1000:.0f}ms"

    def in_time(self, batch):
        """A batch of three parts, each some while after the one before. None: one of them, of this machine, came too late."""
        answers, late = [], False
        for seq in (1, 2, 3):
            begun = time.monotonic() if seq == 1 else sent
            time.sleep(0 if seq == 1 else TIMEOUT_S * 0.6)
            sent = time.monotonic()
            answers.append(self.part("S", batch, seq, commit=seq == 3))
            late |= time.monotonic() - begun > TIMEOUT_S
        return None if late else answers

    def test_a_batch_that_goes_on_is_not_dropped(self):
        tries = (self.in_time(f"b{n}") for n in range(TRIES))
        self.assertEqual(next((answers for answers in tries if answers), None), [(None, None), (None, None), (None, 3)])

    def test_a_batch_that_is_left_is_dropped_after_the_timeout(self):
        self.assertEqual(self.part("S", "b", 1), (None, None))
        time.sleep(3 * TIMEOUT_S)
        self.assertEqual(self.part("S", "b", 2), (10176, None))


if __name__ == "__main__":
    unittest.main()
