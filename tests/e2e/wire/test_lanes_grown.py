"""Lanes that are made while the server runs, as shards are begun because those that there are are busy (docs/shards.md)."""

import base64
import glob
import os
import signal
import time
import unittest

from data_backup import Place, tool
from wire import READ_S, Requester, own_promise  # finds serverprocess
from serverprocess import Server

BEFORE, AFTER, COUNT = 4, 8, 20


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if k not in ("MILLRACE_SHARDS_TEST", "MILLRACE_LANES_TEST")}
    return {**clean, **more}


def lanes_with_logs(directory):
    return {path.split(os.sep)[-3] for path in glob.glob(os.path.join(directory, "millrace", "lanes", "*", "logs", "*"))}


def counted(directory):
    """Further lanes, by the node file."""
    with open(os.path.join(directory, "millrace", "node"), "rb") as file:
        return int.from_bytes(file.read()[176:180], "little")


def shard_threads(server):
    names = set()  # of workers, too: theirs are their shard's
    for path in glob.glob(f"/proc/{server.process.pid}/task/*/comm"):
        with open(path, encoding="ascii") as file:
            names.add(file.read().strip())
    return sorted(name for name in names if name.startswith("shard"))


@own_promise
class LanesGrown(unittest.TestCase):
    def started(self, **more):
        server = Server()
        server.environment = environment(**more)
        self.addCleanup(server.__exit__)
        server.start()
        return server

    def wait_for(self, server, text):
        end = time.monotonic() + 20 * READ_S
        while text not in server.log():
            self.assertLess(time.monotonic(), end, server.log())
            time.sleep(0.02)

    def make(self, client, first, last):
        for stream in range(first, last):
            answer = client.api(f"STREAM.CREATE.S{stream}", {"name": f"S{stream}", "subjects": [f"s{stream}.>"]})
            self.assertNotIn("error", answer)

    def fill(self, client, first, last, number=1):
        for stream in range(first, last):
            for i in range(number, number + COUNT):
                self.assertEqual(client.publish(b"s%d.x" % stream, b"%d" % i)["seq"], i)

    def check(self, client, first, last, numbers=COUNT):
        for stream in range(first, last):
            self.assertEqual(client.api(f"STREAM.INFO.S{stream}")["state"]["last_seq"], numbers)
            for number in (1, numbers):
                message = client.api(f"STREAM.MSG.GET.S{stream}", {"seq": number})["message"]
                self.assertEqual(base64.b64decode(message["data"]), b"%d" % number)

    def busy(self):
        """A server that has streams of before and of after its second shard, all of them filled."""
        server = self.started(MILLRACE_SHARDS_TEST="auto")  # each shard says that it is busy, now and then
        with Requester(server.port) as client:
            self.make(client, 0, BEFORE)
            self.fill(client, 0, BEFORE)
            self.wait_for(server, "Lane 1 is made")
            self.make(client, BEFORE, BEFORE + AFTER)
            self.fill(client, BEFORE, BEFORE + AFTER)
            self.check(client, 0, BEFORE + AFTER)
        return server

    def test_a_server_that_is_not_busy_has_none(self):
        server = self.started()
        with Requester(server.port) as client:
            self.make(client, 0, BEFORE)
            self.fill(client, 0, BEFORE)
        self.assertFalse(os.path.exists(os.path.join(server.directory, "millrace", "lanes")))
        self.assertEqual(shard_threads(server), [])

    def test_streams_made_after_a_shard_was_begun_are_there_too(self):
        server = self.busy()
        self.assertIn("1", lanes_with_logs(server.directory))
        for sig in (signal.SIGKILL, signal.SIGTERM):
            server.end(sig)
            code, said = tool("check", server.directory)
            self.assertEqual(code, 0, said)
            server.environment = environment()
            server.start()
            self.assertEqual(len(shard_threads(server)),
                             min(1 + counted(server.directory), len(os.sched_getaffinity(0))) - 1)
            with Requester(server.port) as client:
                self.check(client, 0, BEFORE + AFTER)
        server.end(signal.SIGKILL)
        server.environment = environment(MILLRACE_SHARDS_TEST="1")
        server.start()
        self.assertEqual(shard_threads(server), [])
        with Requester(server.port) as client:
            self.check(client, 0, BEFORE + AFTER)
            self.fill(client, 0, BEFORE + AFTER, COUNT + 1)

    def test_killed_right_behind_it_loses_nothing(self):
        server = self.started(MILLRACE_SHARDS_TEST="storm")  # shards begin a few milliseconds apart
        done = 0
        for _ in range(8):
            with Requester(server.port) as client:
                self.check(client, 0, done)
                self.make(client, done, done + 3)
                self.fill(client, done, done + 3)
                done += 3
            server.restart(signal.SIGKILL)
        with Requester(server.port) as client:
            self.check(client, 0, done)
        self.assertGreater(counted(server.directory), 0)

    def test_a_backup_has_what_came_into_them(self):
        server = self.busy()
        place = Place(self)
        place.take(server.directory)
        server.end(signal.SIGKILL)
        _, client = place.serve()
        self.check(client, 0, BEFORE + AFTER)
        self.fill(client, 0, BEFORE + AFTER, COUNT + 1)

    def test_one_that_can_not_be_made_is_done_without(self):
        server = Server()
        self.addCleanup(server.__exit__)
        server.environment = environment()
        server.start()
        server.end(signal.SIGTERM)
        with open(os.path.join(server.directory, "millrace", "lanes"), "w", encoding="ascii"):
            pass  # no directory
        server.environment = environment(MILLRACE_SHARDS_TEST="auto")
        server.start()
        with Requester(server.port) as client:
            self.make(client, 0, BEFORE)
            self.fill(client, 0, BEFORE)
            self.wait_for(server, "a further lane can not be made")
            self.make(client, BEFORE, BEFORE + AFTER)
            self.fill(client, BEFORE, BEFORE + AFTER)
            self.check(client, 0, BEFORE + AFTER)
        self.assertEqual(counted(server.directory), 0)


if __name__ == "__main__":
    unittest.main()
