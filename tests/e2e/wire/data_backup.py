"""The commands of backups, and a restored directory with a server on it."""

import glob
import os
import shutil
import subprocess
import tempfile

from wire import Requester  # finds serverprocess
from serverprocess import BINARY, Server


def tool(*arguments):
    """Exit code and all that was said."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def has_blocks(directory, count):
    """Whether the log of the first stream has so many state blocks, and none half: a worker writes them beside what is
    published."""
    log = glob.glob(os.path.join(directory, "**", "logs", "0000000000000010"), recursive=True)[0]  # in whichever lane
    there = os.listdir(log)
    return sum(name.endswith(".blk") for name in there) >= count and not any(name.endswith(".new") for name in there)


class Place:
    """A directory of backups, and those that are restored from it."""

    def __init__(self, case):
        self.case = case
        self.directory = tempfile.mkdtemp(prefix="millrace-backups-")
        case.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.depot = os.path.join(self.directory, "depot")

    def take(self, directory):
        code, said = tool("backup", directory, self.depot)
        self.case.assertEqual(code, 0, said)
        return said

    def verify(self):
        return tool("backup", "verify", self.depot)

    def restore(self, *options):
        """The server that goes on with it; the caller starts it."""
        server = Server()
        self.case.addCleanup(server.__exit__)
        os.rmdir(server.directory)
        code, said = tool("restore", *options, self.depot, server.directory)
        self.case.assertEqual(code, 0, said)
        return server

    def serve(self, *options, inbox=b"answers"):
        """A client of a server that was started with it."""
        server = self.restore(*options)
        server.start()
        client = Requester(server.port, inbox=inbox)
        self.case.addCleanup(client.socket.close)
        return server, client
