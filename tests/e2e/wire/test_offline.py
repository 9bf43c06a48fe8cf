"""A stream whose log can not be opened: what it had stays its own, and the rest of the server goes on."""

import glob
import os
import signal
import subprocess
import tempfile
import unittest

from wire import Requester, own_promise  # finds serverprocess
from serverprocess import Server


def spoil_the_newest_log(directory):
    """Overwrites every segment and the journal: then nothing says which log it is of."""
    logs = sorted(glob.glob(os.path.join(directory, "**", "logs", "*"), recursive=True), key=os.path.basename)
    journal = glob.glob(os.path.join(directory, "**", "*.jnl"), recursive=True)
    for path in glob.glob(os.path.join(logs[-1], "*")) + journal:
        with open(path, "r+b") as file:
            file.write(b"\xa5" * os.path.getsize(path))


FAILING_SYNC = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int fsync(int fd)
{
    char name[64], path[4096] = "";
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (readlink(name, path, sizeof path - 1) > 0 && strstr(path, getenv("FAILING_SYNC")) != NULL) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}
"""


def failing_sync(directory, path):
    """The environment of a server whose directories below `path` cannot be synced."""
    library = os.path.join(directory, "sync.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-xc", "-", "-o", library], input=FAILING_SYNC.encode(), check=True)
    return {**os.environ, "LD_PRELOAD": library, "FAILING_SYNC": path}


class Offline(unittest.TestCase):
    def create(self, client, name, subject):
        return client.api("STREAM.CREATE." + name, {"name": name, "subjects": [subject]})

    @own_promise
    def test_its_name_and_subjects_stay_taken(self):
        with Server() as server:
            with Requester(server.port) as client:
                self.assertNotIn("error", self.create(client, "GOOD", "good.>"))
                self.assertNotIn("error", self.create(client, "BAD", "bad.*"))
            server.end(signal.SIGTERM)
            spoil_the_newest_log(server.directory)
            server.start()
            with Requester(server.port) as client:
                self.assertEqual(self.create(client, "BAD", "other")["error"]["err_code"], 10194)
                self.assertEqual(self.create(client, "NEW", "bad.a")["error"]["err_code"], 10065)
                self.assertEqual(self.create(client, "NEW", "bad.>")["error"]["err_code"], 10065)
                self.assertNotIn("error", self.create(client, "NEW", "bad.a.b"))
                self.assertNotIn("error", client.api("STREAM.INFO.GOOD"))

    @own_promise
    def test_the_server_outlives_a_sync_that_fails_at_its_start(self):
        with Server() as server, tempfile.TemporaryDirectory() as library:
            with Requester(server.port) as client:
                self.assertNotIn("error", self.create(client, "GOOD", "good.>"))
                self.assertNotIn("error", self.create(client, "BAD", "bad.*"))
            server.end(signal.SIGTERM)
            bad = sorted(glob.glob(os.path.join(server.directory, "**", "logs", "*"), recursive=True), key=os.path.basename)[-1]
            server.environment = failing_sync(library, os.path.join("logs", os.path.basename(bad)))
            server.start()
            with Requester(server.port) as client:
                self.assertEqual(self.create(client, "BAD", "other")["error"]["err_code"], 10194)
                self.assertNotIn("error", client.api("STREAM.INFO.GOOD"))
            server.end(signal.SIGTERM)
            server.environment = None
            server.start()
            with Requester(server.port) as client:
                self.assertNotIn("error", client.api("STREAM.INFO.BAD"))


if __name__ == "__main__":
    unittest.main()
