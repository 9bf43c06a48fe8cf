"""`millrace check --repair`: what can be made anew from the rest is, and a server serves all of it again."""

import base64
import glob
import os
import shutil
import time
import unittest

from data_backup import tool
from wire import Requester, own_promise  # finds serverprocess
from serverprocess import Server, StartError

COUNT = 1100  # at least
SIZE = 24 << 10  # three state blocks and more
WITHIN_S = 300


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0] ^ 4
        file.seek(offset)
        file.write(bytes([byte]))


@own_promise
class Repair(unittest.TestCase):
    def setUp(self):
        self.seen = set()
        self.server = Server()
        self.addCleanup(self.server.__exit__)
        self.server.start()
        self.store = os.path.join(self.server.directory, "millrace")
        with Requester(self.server.port) as client:
            client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
            self.count, end = 0, time.monotonic() + WITHIN_S
            while self.count < COUNT or not self.has_blocks():
                self.assertLess(time.monotonic(), end, f"{self.count} messages, {self.blocks()}, {self.unfinished()}")
                for number in range(self.count + 1, self.count + 11):
                    client.publish(b"s.%d" % (number % 9), b"%08d" % number + b"x" * SIZE)
                self.count += 10
                self.seen |= set(self.blocks())
            client.api("STREAM.MSG.DELETE.S", {"seq": 7, "no_erase": True})
        self.server.kill()

    def has_blocks(self):
        """Three were made, of which two stay, and none is under way or due: a worker writes them beside what is published,
        and one that a kill cuts short would be set aside, too. Named is where in the log they are: one each 340 messages."""
        if len(self.seen) < 3 or len(self.blocks()) != 2 or self.unfinished():
            return False
        return 30 < self.count - int(os.path.basename(self.blocks()[1])[:16], 16) < 250

    def unfinished(self):
        return glob.glob(os.path.join(self.store, "**", "logs", "*", "*.new"), recursive=True)

    def blocks(self):
        return sorted(glob.glob(os.path.join(self.store, "**", "logs", "0000000000000010", "*.blk"), recursive=True))

    def check(self, *options):
        return tool("check", *options, self.server.directory)

    def serves_everything(self):
        self.server.start()
        with Requester(self.server.port) as client:
            state = client.api("STREAM.INFO.S")["state"]
            self.assertEqual((state["messages"], state["last_seq"]), (self.count - 1, self.count))
            self.assertIn("error", client.api("STREAM.MSG.GET.S", {"seq": 7}))
            for seq in [*range(1, 7), *range(8, self.count, 100), self.count]:
                message = client.api("STREAM.MSG.GET.S", {"seq": seq})["message"]
                self.assertEqual(base64.b64decode(message["data"])[:8], b"%08d" % seq)
            self.assertEqual(client.publish(b"s.0", b"")["seq"], self.count + 1)
        self.server.kill()

    def test_damaged_state_blocks_are_set_aside_and_everything_is_served(self):
        self.assertEqual(self.check()[0], 0)
        self.assertEqual(len(self.blocks()), 2)
        for path in self.blocks():
            flip(path, 4096 + 500)
        code, said = self.check()
        self.assertEqual((code, said.count("state block is damaged")), (1, 2), said)
        self.assertEqual(len(self.blocks()), 2)  # nothing is changed without being asked for
        code, said = self.check("--repair")
        self.assertIn("2 files set aside", said)
        self.assertEqual((self.blocks(), len(os.listdir(os.path.join(self.store, "quarantine", "0000000000000010")))), ([], 2))
        self.assertEqual(self.check()[0], 0)
        self.serves_everything()

    def test_a_node_file_is_made_anew_from_the_journal(self):
        path = os.path.join(self.store, "node")
        with open(path, "rb") as file:
            was = file.read()
        for damage in (lambda: flip(path, 30), lambda: os.remove(path), lambda: os.truncate(path, 30)):
            damage()
            with self.assertRaises(StartError):
                self.server.start()
            self.server.kill()
            code, said = self.check()
            self.assertEqual((code, "--repair makes it anew" in said), (1, True), said)
            code, said = self.check("--repair")
            self.assertIn("made anew from the journal", said)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), was)
            code, said = self.check()
            self.assertEqual((code, "0 problems" in said), (0, True), said)
        self.serves_everything()

    def test_what_nothing_tells_is_not_made_up(self):
        os.remove(os.path.join(self.store, "node"))
        shutil.rmtree(os.path.join(self.store, "journal"))
        code, said = self.check("--repair")
        self.assertEqual((code, "does not tell what was in it" in said), (1, True), said)
        self.assertFalse(os.path.exists(os.path.join(self.store, "node")))


if __name__ == "__main__":
    unittest.main()
