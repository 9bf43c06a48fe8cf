"""The `nats` command line, as its users run it: found on the PATH or where $NATS_CLI says, else built by make."""

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "wire")]

from serverprocess import Server  # noqa: E402

BUILT = os.path.join(ROOT, "build", "tests", "nats")
PROGRAM = os.environ.get("NATS_CLI") or (BUILT if os.path.exists(BUILT) else shutil.which("nats"))
WITHIN_S = 120.0
WITHOUT = "no nats command line: neither $NATS_CLI, nor on the PATH, nor Go to build it with"


class Failed(Exception):
    """It ended with another status than wanted; `output` is all that it said."""


def environment(directory):
    return {**os.environ, "NO_COLOR": "1", "HOME": directory, "XDG_CONFIG_HOME": directory, "COLUMNS": "200"}


def run(server, arguments, status=0):
    """All that it said, when it has ended with that status."""
    command = [PROGRAM, "-s", f"nats://127.0.0.1:{server.port}", *arguments]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(server.directory),
        timeout=WITHIN_S,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    if done.returncode != status:
        raise Failed(f"{' '.join(arguments)}: ended with {done.returncode}: {said}")
    return said


def run_in_terminal(server, arguments, until):
    """What it showed on a terminal until that text came; then it is ended."""
    command = [PROGRAM, "-s", f"nats://127.0.0.1:{server.port}", *arguments]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(server.directory), close_fds=True
    )
    os.close(theirs)
    shown = b""
    end = time.monotonic() + WITHIN_S
    try:
        while until not in shown and time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 1 << 16)
    except OSError:
        pass  # it has ended
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode(errors="replace")


class Case(unittest.TestCase):
    """One server for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def nats(self, line, status=0):
        return run(self.server, shlex.split(line), status)
