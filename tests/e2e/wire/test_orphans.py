"""A log on the disk that no record of the catalogue explains: set aside as it is, said in the log, and never deleted."""

import glob
import os
import shutil
import signal
import tempfile
import time
import unittest

from wire import READ_S, Requester, own_promise  # finds serverprocess
from serverprocess import Server


@own_promise
class Orphans(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.aside = tempfile.mkdtemp(prefix="millrace-test-")
        self.addCleanup(shutil.rmtree, self.aside, ignore_errors=True)

    def fill(self, name, count):
        with Requester(self.server.port) as client:
            self.assertNotIn("error", client.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [name]}))
            for i in range(count):
                client.publish(name.encode(), b"%d" % i)

    def logs(self, folder="logs"):
        return os.path.join(self.server.directory, "millrace", self.lane, folder)

    def put_in(self, stream):
        """The log of a new stream, and in which lane it is."""
        pattern = os.path.join(self.server.directory, "millrace", "**", "logs", "*")
        before = set(glob.glob(pattern, recursive=True))
        self.fill(stream, 20)
        (path,) = set(glob.glob(pattern, recursive=True)) - before
        self.lane = os.path.relpath(os.path.dirname(os.path.dirname(path)), os.path.join(self.server.directory, "millrace"))
        return os.path.basename(path)

    def content(self, directory, name):
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()

    def wait_gone(self, path):
        end = time.monotonic() + READ_S
        while os.path.exists(path):
            self.assertLess(time.monotonic(), end, path)
            time.sleep(0.05)

    def test_a_log_that_nothing_explains_is_set_aside_whole_and_told_of(self):
        log = self.put_in("A")
        self.server.end(signal.SIGTERM)
        copy = os.path.join(self.aside, log)
        shutil.copytree(os.path.join(self.logs(), log), copy)
        self.server.start()
        with Requester(self.server.port) as client:
            self.assertTrue(client.api("STREAM.DELETE.A")["success"])
        self.wait_gone(os.path.join(self.logs(), log))
        self.fill("B", 5)
        self.server.end(signal.SIGTERM)
        shutil.copytree(copy, os.path.join(self.logs(), log))
        self.server.start()
        kept = os.path.join(self.logs("quarantine"), log)
        self.wait_gone(os.path.join(self.logs(), log))
        names = sorted(os.listdir(copy))
        self.assertEqual(sorted(os.listdir(kept)), names)
        for name in names:  # the journal may have had more for the end of it
            self.assertTrue(self.content(kept, name).startswith(self.content(copy, name).rstrip(b"\0")), name)
        self.assertRegex(self.server.log(), rf"\[WRN\] Log {log} is in no catalogue: moved to quarantine")
        with Requester(self.server.port) as client:
            self.assertEqual(client.api("STREAM.INFO.B")["state"]["messages"], 5)
            self.assertNotIn("A", client.api("STREAM.NAMES")["streams"])


if __name__ == "__main__":
    unittest.main()
