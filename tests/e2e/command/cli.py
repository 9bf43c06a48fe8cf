"""Runs the command line against a server of its own, in a pipe or on a pseudo-terminal."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(sys.path[0], "wire"))

from serverprocess import BINARY, Server  # noqa: E402
from wire import Requester  # noqa: E402

RUN_S = 120.0  # what ends does not wait for it
TRIES = 10

# The exit codes of docs/cli.md.
DONE, FAILED, USAGE, UNREACHABLE, REFUSED, MISSING, TIMEOUT, EXISTS = range(8)


class CliCase(unittest.TestCase):
    """One server for the class, one home for every test."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.arguments)
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="millrace-cli-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "XDG_"))}
        self.env.update(HOME=self.home, NATS_URL=f"nats://127.0.0.1:{self.server.port}", TERM="xterm", TZ="UTC")

    def path(self, name):
        return os.path.join(self.home, name)

    def spawn(self, *words, **more):
        process = subprocess.Popen([BINARY, *words], env=self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.home, **more)
        self.addCleanup(end, process)
        return process

    def run_cli(self, *words, stdin="", code=DONE, env=None):
        """Must end with `code`; the result has .stdout and .stderr."""
        result = subprocess.run([BINARY, *words], env={**self.env, **(env or {})}, input=stdin, capture_output=True,
                                text=isinstance(stdin, str), timeout=RUN_S, cwd=self.home, check=False)
        said = f"{words}\n--- stdout\n{result.stdout}\n--- stderr\n{result.stderr}"
        self.assertEqual(result.returncode, code, said)
        return result

    def out(self, *words, **more):
        return self.run_cli(*words, **more).stdout

    def json(self, *words, **more):
        return json.loads(self.out(*words, "--json", **more))

    def fails(self, code, *words, says, next_says=None, **more):
        """Refused with a line that says why, and one that says what to do."""
        result = self.run_cli(*words, code=code, **more)
        self.assertRegex(result.stderr, r"(?m)^millrace: error: .*" + says)
        if next_says is not None:
            self.assertRegex(result.stderr, r"(?m)^  try: .*" + next_says)
        return result

    # --- until a command that was spawned is as far as that

    def asker(self, server):
        login = {"user": self.env.get("NATS_USER"), "pass": self.env.get("NATS_PASSWORD")}
        return Requester((server or self.server).port, **{key: value for key, value in login.items() if value})

    def until_heard(self, subject, count=1, server=None):
        """Until so many hear what is published there. A message that is only traced says so and reaches nobody; of a group
        it is now this member, now that one."""
        end_at, heard = time.monotonic() + RUN_S, set()
        head = b"NATS/1.0\r\nNats-Trace-Dest: told\r\nNats-Trace-Only: true\r\n\r\n"
        with self.asker(server) as asker:
            asker.send(b"SUB told 9\r\n")
            while len(heard) < count:
                self.assertLess(time.monotonic(), end_at, f"{subject} is heard by {len(heard)}")
                asker.send(b"HPUB %s %d %d\r\n%s\r\n" % (subject.encode(), len(head), len(head), head))
                events = json.loads(asker.message()[3])["events"]
                heard |= {event.get("cid", event.get("name")) for event in events if event["type"] == "eg"}
                time.sleep(0.02)

    def consumers(self, stream):
        with self.asker(None) as asker:
            return set(asker.api("CONSUMER.NAMES." + stream).get("consumers") or [])

    def until_read(self, stream, before):
        """Until it has a consumer that was not there before."""
        end_at = time.monotonic() + RUN_S
        while not self.consumers(stream) - before:
            self.assertLess(time.monotonic(), end_at, f"nobody reads {stream}")
            time.sleep(0.02)

    def until_catches(self, process, sig):
        """Until it has its own way to end by that signal."""
        end_at, caught = time.monotonic() + RUN_S, 0
        while not caught >> (sig - 1) & 1:
            self.assertLess(time.monotonic(), end_at, "it does not catch the signal")
            with open(f"/proc/{process.pid}/status", encoding="ascii", errors="replace") as file:
                masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigCgt", "SigBlk"))]
            caught = masks[0] | masks[1]  # blocked: read from a descriptor
            time.sleep(0.01)

    def quickly(self, within_s, act):
        """Of several runs one is as quick as that: the machine has other things to do, too."""
        taken = []
        while not taken or (min(taken) >= within_s and len(taken) < TRIES):
            begun = time.monotonic()
            act()
            taken.append(time.monotonic() - begun)
        self.assertLess(min(taken), within_s)

    @staticmethod
    def rest(process):
        """What it still prints, on both, when it has ended: lines that were read of it keep `communicate` from that."""
        timer = threading.Timer(RUN_S, process.kill)
        timer.start()
        said = process.stdout.read(), process.stderr.read()
        process.wait()
        timer.cancel()
        return said

    def wait_for(self, stream, text):
        """Reads lines until one holds the text."""
        end_at = time.monotonic() + RUN_S
        while time.monotonic() < end_at:
            line = stream.readline()
            if text in line or not line:
                return line
        self.fail(f"{text!r} did not come")

    def terminal(self, *words, answers=(), columns=80):
        """On a pseudo-terminal: answers are typed one by one as questions come. (exit code, screen)"""
        import fcntl
        import struct
        import termios

        fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([BINARY, *words], env=self.env, cwd=self.home, stdin=theirs, stdout=theirs, stderr=theirs,
                                   start_new_session=True)
        os.close(theirs)
        screen, waiting = b"", list(answers)
        seen = 0
        end_at = time.monotonic() + RUN_S
        while time.monotonic() < end_at:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    chunk = os.read(fd, 65536)
                except OSError:
                    break
                if not chunk:
                    break
                screen += chunk
            questions = screen.count(b"\n? ") + screen.startswith(b"? ")
            if waiting and questions > seen and screen.rstrip(b" ").endswith((b"]", b")", b"?", b"s", b"e")):
                seen = questions
                os.write(fd, waiting.pop(0).encode() + b"\n")
        else:
            process.kill()
        code = process.wait()
        os.close(fd)
        return code, screen.decode(errors="replace").replace("\r\n", "\n")


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
