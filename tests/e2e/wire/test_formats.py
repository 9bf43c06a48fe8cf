"""Files of a later format version are refused and left as they are; what `check` holds against what."""

import base64
import ctypes
import ctypes.util
import glob
import hashlib
import os
import subprocess
import tarfile
import tempfile
import unittest

from wire import Requester, own_promise  # finds serverprocess
from serverprocess import BINARY, Server, StartError

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "store-1-packed.tar.gz")
BLOCKS = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "store-1-blocks.tar.gz")
HEADER = 4096
MESSAGES, SUBJECTS = 8000, 4500  # tests/golden/make_store.py


def xxhash64(data):
    name = ctypes.util.find_library("xxhash")
    if name is None:
        raise unittest.SkipTest("no libxxhash to write the checksum with")
    library = ctypes.CDLL(name)
    library.XXH3_64bits.restype = ctypes.c_uint64
    return library.XXH3_64bits(data, ctypes.c_size_t(len(data)))


def newer(path):
    """The header as a later version would have written it: sound, and of version 2."""
    with open(path, "r+b") as file:
        header = bytearray(file.read(HEADER))
        header[16:20] = (2).to_bytes(4, "little")
        header[0:8] = xxhash64(bytes(header[8:])).to_bytes(8, "little")
        file.seek(0)
        file.write(header)
        if path.endswith(".pak"):  # it stands there twice
            file.seek(-HEADER, os.SEEK_END)
            file.write(header)


def content(directory):
    """Of every file that a server might have written to, but for those that say who runs."""
    found = {}
    for folder, _, names in os.walk(os.path.join(directory, "millrace")):
        for name in names:
            path = os.path.join(folder, name)
            if name not in ("lock", "reserve"):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, directory)] = hashlib.sha256(file.read()).hexdigest()
    return found


def check(directory):
    done = subprocess.run([BINARY, "check", directory], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


@own_promise
class Blocks(unittest.TestCase):
    def test_a_compressed_block_that_says_which_subjects_are_the_same_is_read_for_ever(self):
        with Server() as server:
            server.end(9)
            with tarfile.open(BLOCKS) as archive:
                archive.extractall(server.directory)
            path = glob.glob(os.path.join(server.directory, "millrace", "**", "logs", "0000000000000010", "*.blk"), recursive=True)[0]
            with open(path, "rb") as file:
                self.assertEqual(int.from_bytes(file.read(24)[20:24], "little"), 3)
            self.assertEqual(check(server.directory), (0, check(server.directory)[1]))
            server.start()
            with Requester(server.port) as client:
                self.all_there(client)
            server.end(15)
            self.assertEqual(check(server.directory)[0], 0)
            with open(path, "r+b") as file:  # another of its frames' bytes: the log tells it all again
                file.seek(-100, os.SEEK_END)
                byte = file.read(1)
                file.seek(-100, os.SEEK_END)
                file.write(bytes([byte[0] ^ 1]))
            self.assertEqual(check(server.directory)[0], 1)
            server.start()
            with Requester(server.port) as client:
                self.all_there(client)

    def all_there(self, client):
        state = client.api("STREAM.INFO.B", b'{"subjects_filter":"b.>"}')["state"]
        gone = set(range(50, MESSAGES + 1, 100))
        self.assertEqual((state["messages"], state["last_seq"]), (MESSAGES - len(gone), MESSAGES))
        wanted = {}
        for i in set(range(1, MESSAGES + 1)) - gone:
            subject = "b.%d" % (i * 7 % SUBJECTS)
            wanted[subject] = wanted.get(subject, 0) + 1
        self.assertEqual(len(wanted), state["num_subjects"])
        for i in range(1, MESSAGES + 1, 37):
            subject = "b.%d" % (i * 7 % SUBJECTS)
            answer = client.api("STREAM.MSG.GET.B", b'{"seq":%d}' % i)
            if i in gone:
                self.assertEqual(answer["error"]["code"], 404)
                continue
            self.assertEqual(answer["message"]["subject"], subject)
            self.assertEqual(base64.b64decode(answer["message"]["data"]), b"message %06d " % i * 100)
            last = client.api("STREAM.MSG.GET.B", b'{"last_by_subj":"%s"}' % subject.encode())
            last = last["message"]["seq"]
            self.assertEqual(last, max(j for j in range(i, MESSAGES + 1, SUBJECTS) if j not in gone))


@own_promise
class Formats(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory(prefix="millrace-formats-")
        self.addCleanup(kept.cleanup)
        self.directory = kept.name
        with tarfile.open(GOLDEN) as archive:
            archive.extractall(self.directory)

    def path(self, pattern, which=0):
        return sorted(glob.glob(os.path.join(self.directory, "millrace", pattern)))[which]

    def refused(self, path, whole=True):
        """`whole`: the server does not start; else the stream stays closed and its files as they are."""
        newer(path)
        before = content(self.directory)
        self.assertEqual(check(self.directory)[0], 2, check(self.directory)[1])
        self.assertEqual(content(self.directory), before)
        server = Server()
        os.rmdir(server.directory)
        server.directory = self.directory
        server.keep = True
        self.addCleanup(server.__exit__)
        if whole:
            with self.assertRaises(StartError) as raised:
                server.start()
            self.assertRegex(str(raised.exception), "newer|version")
            self.assertEqual(content(self.directory), before)
            return
        server.start()
        with Requester(server.port) as client:
            self.assertIn("error", client.api("STREAM.MSG.GET.Z", {"seq": 1}))
        self.assertRegex(server.log(), "newer|version")
        server.end(9)
        after = content(self.directory)
        of_stream = os.path.dirname(os.path.relpath(path, self.directory))
        for name in before:
            if os.path.dirname(name) == of_stream:
                self.assertEqual(after.get(name), before[name], name)

    def test_a_newer_node_file_is_refused(self):
        self.refused(self.path("node"))

    def test_a_newer_journal_file_is_refused(self):
        self.refused(self.path("journal/*.jnl"))

    def test_a_newer_segment_keeps_its_stream_closed(self):
        self.refused(self.path("logs/0000000000000010/*.seg"), whole=False)

    def test_a_newer_packed_file_keeps_its_stream_closed(self):
        self.refused(self.path("logs/0000000000000010/*.pak"), whole=False)

    def test_a_newer_state_block_keeps_its_stream_closed(self):
        self.refused(self.path("logs/0000000000000010/*.blk", -1), whole=False)

    def test_check_misses_a_file_that_a_state_block_speaks_of(self):
        self.assertEqual(check(self.directory)[0], 0)
        os.unlink(self.path("logs/0000000000000010/*.pak"))
        code, said = check(self.directory)
        self.assertEqual(code, 1)
        self.assertRegex(said, r"\.blk: message \d+ stands in file [0-9a-f]{16}, which does not have it")

    def test_check_holds_what_a_state_block_says_against_the_records(self):
        """A place that leads elsewhere, under checksums that are right: only the records tell."""
        path = self.path("logs/0000000000000010/*.blk", -1)
        with open(path, "r+b") as file:
            block = bytearray(file.read())
            body_size = int.from_bytes(block[80:88], "little")
            files = int.from_bytes(block[104:108], "little")
            local_size = int.from_bytes(block[120:128], "little")
            local = len(block) - local_size
            self.assertEqual(local, HEADER + files * 32 + body_size)
            count = int.from_bytes(block[local : local + 4], "little")
            first = local + 4 + count * 12
            block[first] ^= 16  # the step to the first message's place: 8 bytes further
            block[128:136] = xxhash64(bytes(block[local:])).to_bytes(8, "little")
            block[0:8] = xxhash64(bytes(block[8:HEADER])).to_bytes(8, "little")
            file.seek(0)
            file.write(block)
        code, said = check(self.directory)
        self.assertEqual(code, 1, said)
        self.assertRegex(said, r"\.blk: message 1 \(file [0-9a-f]{16} at \d+\) is damaged")


if __name__ == "__main__":
    unittest.main(verbosity=2)
