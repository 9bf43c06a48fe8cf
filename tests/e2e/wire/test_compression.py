"""Streams with compression: less on the disk, the same to everybody who reads."""

import base64
import glob
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
import unittest
import urllib.request

from wire import READ_S, OwnServerCase, own_promise  # finds serverprocess
from serverprocess import BINARY, Server, free_port

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "store-1-packed.tar.gz")
MESSAGES = 700
GOLDEN_MESSAGES = 460
PACKED_S = 90.0


def payload(i):
    return b"message %06d " % i * 4096


def files(directory, ending):
    return glob.glob(os.path.join(directory, "millrace", "**", "logs", "*", "*" + ending), recursive=True)


def check(directory):
    done = subprocess.run([BINARY, "check", directory], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


@own_promise
class Compression(OwnServerCase):
    def setUp(self):
        self.http = free_port()
        self.server = Server(["-m", str(self.http)])
        self.addCleanup(self.server.__exit__)

    def read_all(self, client, count, step=1):
        for i in range(1, count + 1, step):
            message = client.api("STREAM.MSG.GET.Z", {"seq": i})["message"]
            self.assertEqual(base64.b64decode(message["data"]), payload(i))

    def disk_bytes(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=READ_S) as answer:
            return int(re.search(r'millrace_stream_disk_bytes{[^}]*stream="Z"[^}]*} (\d+)', answer.read().decode()).group(1))

    def test_sealed_segments_are_compressed_and_read_the_same_through_kills(self):
        self.server.__enter__()
        client = self.client()
        self.assertNotIn("error", client.api("STREAM.CREATE.Z", {"name": "Z", "subjects": ["z"], "compression": "s2"}))
        for i in range(1, MESSAGES + 1):
            self.assertEqual(client.publish(b"z", payload(i))["seq"], i)
        raw = MESSAGES * len(payload(1))
        self.assertEqual(client.api("STREAM.INFO.Z")["state"]["messages"], MESSAGES)
        end = time.monotonic() + PACKED_S
        while self.disk_bytes() > raw * 2 // 3:
            self.assertLess(time.monotonic(), end, "nothing becomes smaller")
            time.sleep(0.1)
        self.assertGreater(len(files(self.server.directory, ".pak")), 0)
        self.read_all(client, MESSAGES, 7)
        for _ in range(2):
            self.server.restart(signal.SIGKILL)
            client = self.client()
            self.read_all(client, MESSAGES, 3)
        self.assertEqual(client.publish(b"z", payload(MESSAGES + 1))["seq"], MESSAGES + 1)
        self.server.end(signal.SIGTERM)
        self.assertEqual(check(self.server.directory)[0], 0, check(self.server.directory)[1])

    def test_a_backup_of_it_restores_what_was_published(self):
        self.golden()
        client = self.client()
        saved = os.path.join(self.server.directory, "saved")
        url = f"nats://127.0.0.1:{self.server.port}"
        nats = shutil.which("nats")
        if nats is None:
            self.skipTest("no nats command")
        for arguments in (["backup", "Z", saved], ["rm", "-f", "Z"], ["restore", saved]):
            done = subprocess.run([nats, "-s", url, "stream", *arguments], capture_output=True, text=True, timeout=300, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.read_all(client, GOLDEN_MESSAGES, 3)

    # --- the directory of an earlier run

    def golden(self):
        with tarfile.open(GOLDEN) as archive:
            archive.extractall(self.server.directory)
        self.server.__enter__()

    def test_packed_files_of_this_format_version_are_read_for_ever(self):
        self.golden()
        self.read_all(self.client(), GOLDEN_MESSAGES)
        self.server.end(signal.SIGTERM)
        self.assertEqual(check(self.server.directory)[0], 0, check(self.server.directory)[1])

    def test_a_damaged_packed_file_is_found_and_costs_only_what_stood_in_the_frame(self):
        with tarfile.open(GOLDEN) as archive:
            archive.extractall(self.server.directory)
        path = sorted(files(self.server.directory, ".pak"))[0]
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            file.seek(4096 + (size - 4096) // 3)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 8]))
        code, said = check(self.server.directory)
        self.assertEqual(code, 1, said)
        self.assertIn(os.path.basename(path), said)
        self.server.__enter__()
        client = self.client()
        missing = 0
        for i in range(1, GOLDEN_MESSAGES + 1):
            answer = client.api("STREAM.MSG.GET.Z", {"seq": i})
            if "message" not in answer:
                missing += 1
                continue
            self.assertEqual(base64.b64decode(answer["message"]["data"]), payload(i))
        self.assertIn(missing, (1, 2, 3))


if __name__ == "__main__":
    unittest.main(verbosity=2)
