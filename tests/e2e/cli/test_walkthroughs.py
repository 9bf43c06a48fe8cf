"""The shell blocks of README.md do what they say, word for word: only ports are others, and each runs in a
directory of its own. They are read from the page, so neither can change without the other."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import command  # finds the modules below
from serverprocess import BINARY, READY, ROOT, free_port

WITHIN_S = 300
TRIES = 20
MILLRACE = os.path.join(ROOT, "build", "millrace")


def block(heading, containing):
    """The first shell block below that heading with those words, as lines without their comments."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        below = file.read().split(heading, 1)[1]
    for found in re.findall(r"```sh\n(.*?)```", below, re.S):
        if containing in found:
            return [re.sub(r"\s+# .*", "", line) for line in found.splitlines() if line.strip()]
    raise AssertionError(f"README.md has no block with {containing!r} below {heading!r}")


class Walk(unittest.TestCase):
    """A directory as a newcomer has it: build/millrace and `nats` on the PATH."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-walk-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        for name, program in (("build/millrace", BINARY), ("bin/nats", command.PROGRAM)):
            path = os.path.join(self.directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if program:
                os.symlink(os.path.abspath(program), path)
        self.environment = command.environment(self.directory)
        self.environment["PATH"] = os.path.join(self.directory, "bin") + ":" + self.environment["PATH"]
        self.ports = {}

    def elsewhere(self, text):
        """Every port that it names is a free one, the same each time."""

        def other(found):
            return self.ports.setdefault(found[0], str(free_port()))

        return re.sub(r"\b[46]22[2-4]\b", other, text)

    def shell(self, text, flags=()):
        """What it says. A cluster that has just begun may have no leader yet, which its users see, too; on a slow machine one
        whose leader has died has none for longer than they are told."""
        for _ in range(TRIES):
            done, said = self.try_shell(text, flags)
            if "(10008)" not in said and "No responders" not in said:
                break
            time.sleep(0.5)
        self.assertEqual(done.returncode, 0, f"{text}\n{said}")
        return said

    def try_shell(self, text, flags):
        done = subprocess.run(
            ["bash", *flags, "-c", text],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WITHIN_S,
            check=False,
        )
        return done, done.stdout.decode(errors="replace")


@unittest.skipUnless(command.PROGRAM, "no nats command line")
class ThreeNodes(Walk):
    def serve(self, line):
        log = open(os.path.join(self.directory, f"log{len(self.servers)}"), "w+", encoding="utf-8")
        self.addCleanup(log.close)
        server = subprocess.Popen(
            self.elsewhere(line).split(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        self.servers[re.search(r"--server_name (\S+)", line)[1]] = server
        self.addCleanup(self.end, server)
        return log.name

    @staticmethod
    def end(server):
        if server.poll() is None:
            server.kill()
        server.wait()

    def wait_ready(self, path):
        end = time.monotonic() + WITHIN_S
        while True:
            with open(path, encoding="utf-8") as file:
                said = file.read()
            if READY in said:
                return
            self.assertLess(time.monotonic(), end, said)
            time.sleep(0.05)

    def test_three_nodes_in_three_shells_a_leader_killed_and_nothing_lost(self):
        lines = block("## Three nodes", "--server_name a")
        self.servers = {}
        logs = [self.serve(line) for line in lines if line.startswith("build/millrace")]
        self.assertEqual(len(logs), 3)
        for path in logs:
            self.wait_ready(path)
        said = ""
        for line in lines:
            if line.startswith("build/millrace"):
                continue
            said = self.shell(self.elsewhere(line))
            if "stream info" in line and all(server.poll() is None for server in self.servers.values()):
                leader = self.servers[re.search(r"Leader: (\w+)", said)[1]]
                leader.send_signal(signal.SIGKILL)
                leader.wait()
        self.assertRegex(said, r"Messages: 1,001\b")
        self.assertEqual(sum(server.poll() is None for server in self.servers.values()), 2)


class QuickStart(Walk):
    def run_line(self):
        """What `make run` ends with."""
        done = subprocess.run(
            ["make", "-n", "-C", ROOT, "run"], capture_output=True, text=True, timeout=WITHIN_S, check=True
        )
        return [line for line in done.stdout.splitlines() if "millrace-data" in line][-1].strip()

    def test_the_first_screen_publishes_kills_and_reads_all_again(self):
        lines = block("# Millrace", "kill -9")
        text = "\n".join(lines)
        self.assertGreaterEqual(text.count("make run"), 2)
        text = self.elsewhere(text.replace("make run", self.run_line()))
        self.environment["NATS_URL"] = self.elsewhere("nats://127.0.0.1:4222")
        # -m: jobs are groups of processes, as in the shell of whoever types this.
        said = self.shell(f"trap 'kill -9 $(jobs -p) 2>/dev/null' EXIT\n{text}", ["-m"])
        self.assertIn("order 1000", said)
        self.assertEqual(len(set(re.findall(r"\border (\d+)\b", said))), 1000)


if __name__ == "__main__":
    unittest.main()
