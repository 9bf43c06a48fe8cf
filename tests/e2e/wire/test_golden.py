"""Data directories of every format version that was released: they are read, whatever came since; and a
flipped byte is found by check or makes no difference, and never changes what is served."""

import base64
import os
import random
import shutil
import subprocess
import tarfile
import tempfile
import unittest

from wire import OwnServerCase  # finds serverprocess
from serverprocess import BINARY, Server, is_millrace

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden")
FILES = {
    "millrace/logs/0000000000000010/0000000100000002.seg": (4096, 7600),
    "millrace/logs/0000000000000011/0000000100000003.seg": (4096, 5500),
    "millrace/journal/0.jnl": (4096, 120_000),
}
FLIPS = 24


def extract(directory):
    with tarfile.open(os.path.join(GOLDEN, "store-1.tar.gz")) as archive:
        archive.extractall(directory)


def tool(*arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def stored(client):
    """Sequence to subject and payload of all that is served."""
    found = {}
    for seq in range(1, 21):
        message = client.api("STREAM.MSG.GET.S", {"seq": seq}).get("message")
        if message:
            found[seq] = (message["subject"], base64.b64decode(message["data"]).decode())
    return found


# three of each subject, without the one that was deleted
WANTED = {i: (f"s.{i % 4}", f"message {i}") for i in range(9, 21) if i != 15}


@unittest.skipUnless(is_millrace(), "of this server's own files")
class Golden(OwnServerCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.__exit__, None, None, None)
        extract(self.server.directory)

    def test_version_1_is_read(self):
        self.server.start()
        client = self.client()
        self.assertEqual(stored(client), WANTED)
        consumer = client.api("CONSUMER.INFO.S.C")
        self.assertEqual((consumer["delivered"]["stream_seq"], consumer["num_ack_pending"]), (12, 3))
        again = client.publish(b"s.1", b"x", b"NATS/1.0\r\nNats-Msg-Id: id20\r\n\r\n")
        self.assertIn(again.get("duplicate"), (True, None))  # within its window, or long after
        self.assertEqual(client.api("STREAM.INFO.W")["state"]["messages"], 2)

    def test_check_and_dump_tell_by_their_exit_code(self):
        code, said = tool("check", self.server.directory)
        self.assertEqual((code, said.count("0 problems, 0 notes")), (0, 1), said)
        code, said = tool("dump", self.server.directory)
        self.assertEqual((code, said.count('type="message"')), (0, 22))
        code, said = tool("dump", "--json", self.server.directory)
        self.assertEqual((code, said.count('"subject":"s.1"')), (0, 5))
        self.assertEqual(tool("check", os.path.join(self.server.directory, "nothing"))[0], 2)
        self.assertEqual(tool("check")[0], 2)
        self.server.start()
        code, said = tool("check", self.server.directory)
        self.assertEqual((code, said.count("in use by a running server")), (2, 1), said)

    @unittest.skipUnless(os.path.ismount("/dev/shm"), "needs a file system in memory")
    def test_a_store_on_an_unsuitable_file_system_is_warned_of(self):
        directory = tempfile.mkdtemp(prefix="millrace-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        shutil.rmtree(self.server.directory)
        self.server.directory = directory
        self.server.start()
        self.assertIn("lies on tmpfs, which is in memory", self.server.log())

    def test_repair_sets_aside_and_deletes_nothing(self):
        left = os.path.join(self.server.directory, "millrace/logs/0000000000000010/00000000000000ff.new")
        with open(left, "w", encoding="utf-8") as file:
            file.write("half")
        self.assertIn("1 notes", tool("check", self.server.directory)[1])
        self.assertIn("1 files set aside", tool("check", "--repair", self.server.directory)[1])
        aside = os.path.join(self.server.directory, "millrace/quarantine/0000000000000010/00000000000000ff.new")
        self.assertTrue(os.path.exists(aside))

    def test_a_flipped_byte_is_never_served(self):
        chance = random.Random(1)
        for _ in range(FLIPS):
            name = chance.choice(list(FILES))
            at = chance.randrange(*FILES[name])
            with self.subTest(name=name, at=at):
                self.flip(name, at, 1 << chance.randrange(8))

    def flip(self, name, at, bit):
        directory = tempfile.mkdtemp(prefix="millrace-flip-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        extract(directory)
        with open(os.path.join(directory, name), "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ bit]))
        code, said = tool("check", directory)
        self.server.__exit__()
        self.server = Server()
        self.addCleanup(self.server.__exit__)
        shutil.rmtree(self.server.directory)
        self.server.directory = directory
        self.server.start()
        found = stored(self.client())
        for seq, message in found.items():
            self.assertEqual(message, WANTED.get(seq, message))
            self.assertEqual(message[1], f"message {seq}")
        if found != WANTED:
            self.assertTrue(code == 1 or "0 notes" not in said, said)


if __name__ == "__main__":
    unittest.main()
