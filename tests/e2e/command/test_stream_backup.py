"""stream backup and restore: what comes back, what the `nats` command reads, and what a failure leaves behind."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from cli import BINARY, DONE, EXISTS, FAILED, MISSING, RUN_S, UNREACHABLE, USAGE, CliCase

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cli"))

import command as nats_command  # noqa: E402


class Backups(CliCase):
    def setUp(self):
        super().setUp()
        self.run_cli("stream", "add", "B", "--subjects", "b.>", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "B", "--force")
        self.run_cli("pub", "b.{{Count}}", "{{Random 2000 2000}}", "--count", "300", "--jetstream", "-q")
        self.run_cli("stream", "rmm", "B", "7", "--force")
        self.run_cli("consumer", "add", "B", "c", "--pull", "--defaults")
        self.run_cli("consumer", "next", "B", "c", "--count", "5")

    def state(self):
        info = self.json("stream", "info", "B")
        consumer = self.json("consumer", "info", "B", "c")
        return info["config"], info["state"], info["created"], consumer["config"], {**consumer["delivered"], "last_active": None}

    def nats(self, *words):
        result = subprocess.run([nats_command.PROGRAM, *words], env=self.env, capture_output=True, text=True, timeout=RUN_S,
                                stdin=subprocess.DEVNULL, cwd=self.home, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_a_stream_comes_back_with_its_consumers(self):
        before = self.state()
        said = self.json("stream", "backup", "B", "there/it", "--check")
        self.assertEqual((said["stream"], said["messages"]), ("B", 299))
        self.assertEqual(said["bytes"], os.path.getsize(self.path("there/it/stream.tar.s2")))
        self.assertEqual(sorted(os.listdir(self.path("there/it"))), ["backup.json", "stream.tar.s2"])
        self.run_cli("stream", "rm", "B", "--force")
        text = self.out("stream", "restore", "there/it")
        self.assertRegex(text, r'(?m)^Restored stream "B" in ')
        self.assertEqual(self.state(), before)

    def test_without_consumers_they_stay_away(self):
        self.run_cli("stream", "backup", "B", "it", "--no-consumers", "--no-progress")
        self.run_cli("stream", "rm", "B", "--force")
        self.assertEqual(self.json("stream", "restore", "it")["state"]["consumer_count"], 0)

    @unittest.skipUnless(nats_command.PROGRAM, "no nats command line")
    def test_the_nats_command_reads_ours_and_we_read_its(self):
        before = self.state()
        self.run_cli("stream", "backup", "B", "ours")
        self.nats("stream", "backup", "B", "theirs", "--no-progress")
        for name in ("ours", "theirs"):
            with open(self.path(f"{name}/backup.json")) as file:
                self.assertEqual(sorted(json.load(file)), ["config", "state"])
        self.run_cli("stream", "rm", "B", "--force")
        self.nats("stream", "restore", "ours", "--no-progress")
        self.assertEqual(self.state(), before)
        self.run_cli("stream", "rm", "B", "--force")
        self.run_cli("stream", "restore", "theirs")
        self.assertEqual(self.state(), before)

    def test_another_configuration_is_taken(self):
        self.run_cli("stream", "backup", "B", "it")
        self.run_cli("stream", "rm", "B", "--force")
        with open(self.path("it/backup.json")) as file:
            config = json.load(file)["config"]
        with open(self.path("other.json"), "w") as file:
            json.dump({**config, "description": "moved", "subjects": ["b.>", "more"]}, file)
        info = self.json("stream", "restore", "it", "--config", "other.json")
        self.assertEqual((info["config"]["description"], info["state"]["messages"]), ("moved", 299))
        with open(self.path("renamed.json"), "w") as file:
            json.dump({**config, "name": "C"}, file)
        self.fails(USAGE, "stream", "restore", "it", "--config", "renamed.json", says="cannot change the name")

    def test_what_is_wrong_is_said_with_its_own_code(self):
        self.fails(MISSING, "stream", "backup", "NONE", "it", says=r"stream not found \(10059\)", next_says="stream ls")
        self.assertEqual(os.listdir(self.home), [])
        self.fails(USAGE, "stream", "backup", "B", "/etc/passwd", says="is no directory")
        self.fails(MISSING, "stream", "restore", "nothing", says="cannot read nothing/backup.json", next_says="stream backup")
        self.run_cli("stream", "backup", "B", "it")
        self.fails(EXISTS, "stream", "restore", "it", says=r"already in use.*\(10130\)", next_says="stream rm")
        self.run_cli("stream", "rm", "B", "--force")
        with open(self.path("it/stream.tar.s2"), "r+b") as file:
            file.seek(3000)
            file.write(b"damaged")
        self.fails(FAILED, "stream", "restore", "it", says=r"restore failed.*\(10062\)")
        self.assertEqual(self.json("stream", "ls", "--names"), [])
        with open(self.path("it/backup.json"), "w") as file:
            file.write("{")
        self.fails(FAILED, "stream", "restore", "it", says="backup.json is damaged: unexpected end")
        self.run_cli("stream", "add", "B", "--subjects", "b.>", "--defaults")

    def test_a_failed_backup_leaves_the_one_before(self):
        self.run_cli("stream", "backup", "B", "it")
        before = self.digests("it")
        self.run_cli("pub", "b.more", "x", "--jetstream")
        self.fails(MISSING, "stream", "backup", "NONE", "it", says="not found")
        self.assertEqual(self.digests("it"), before)
        self.run_cli("stream", "backup", "B", "it")
        self.assertNotEqual(self.digests("it"), before)

    def digests(self, folder):
        found = {}
        for name in os.listdir(self.path(folder)):
            with open(self.path(f"{folder}/{name}"), "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
        return found

    def test_a_progress_bar_is_for_terminals(self):
        code, screen = self.terminal("stream", "backup", "B", "it")
        self.assertEqual(code, DONE, screen)
        self.assertIn("Received ", screen)
        self.assertNotIn("MiB/s ", self.run_cli("stream", "backup", "B", "it").stderr)


class LargeBackups(CliCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        case = cls()
        case.setUp()
        case.run_cli("stream", "add", "L", "--subjects", "l", "--defaults")
        case.run_cli("bench", "js", "l", "--msgs", "600", "--size", "200KB", "--window", "20")
        case.doCleanups()

    def runTest(self):
        """So that the class can be made for its set-up."""

    def test_an_interrupted_backup_leaves_nothing_unless_it_was_done(self):
        for delay in (0.01, 0.05, 0.1):
            for sig in (signal.SIGINT, signal.SIGKILL):
                process = self.spawn("stream", "backup", "L", "half")
                time.sleep(delay)
                process.send_signal(sig)
                process.wait(RUN_S)
                left = sorted(os.listdir(self.path("half"))) if os.path.exists(self.path("half")) else []
                if left:  # it was done, and had not said so yet; both are synced before either has its name
                    done = ["backup.json", "stream.tar.s2"]
                    self.assertIn(left, (done, done[1:]) if sig == signal.SIGKILL else (done,), (delay, sig))
                else:
                    self.assertNotEqual(process.returncode, 0, (delay, sig))
                shutil.rmtree(self.path("half"), ignore_errors=True)

    def succeeds(self, *words):
        """Sooner or later."""
        end = time.monotonic() + RUN_S
        while subprocess.run([BINARY, *words], env=self.env, cwd=self.home, capture_output=True, check=False).returncode != 0:
            self.assertLess(time.monotonic(), end, words)
            time.sleep(0.3)

    def test_an_interrupted_restore_leaves_no_stream(self):
        self.succeeds("stream", "backup", "L", "whole")  # one that was interrupted before may not be over at once
        with open(self.path("whole/backup.json")) as file:
            meta = json.load(file)
        self.run_cli("stream", "rm", "L", "--force")
        process = self.spawn("stream", "restore", "whole")
        self.wait_for(process.stdout, "Starting restore")
        time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=RUN_S)
        if process.returncode != 0:
            self.assertEqual((process.returncode, said), (-signal.SIGINT, "millrace: error: interrupted\n"))
            self.assertEqual(self.json("stream", "ls", "--names"), [])
            self.succeeds("stream", "restore", "whole")  # the server gives up when nothing comes for five seconds
        self.assertEqual(self.json("stream", "info", "L")["state"]["messages"], meta["state"]["messages"])

    @unittest.skipUnless(os.geteuid() == 0, "mounts a small file system")
    def test_a_full_disk_leaves_no_file(self):
        os.mkdir(self.path("small"))
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", self.path("small")], capture_output=True,
                                 check=False)
        if mounted.returncode != 0:
            self.skipTest("cannot mount here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.path("small")], check=False)
        self.succeeds("stream", "backup", "L", "first")
        self.fails(FAILED, "stream", "backup", "L", "small/it", says="cannot write small/it: No space left", next_says="room")
        self.assertEqual(os.listdir(self.path("small")), [])
        self.run_cli("object", "add", "O")
        self.addCleanup(self.run_cli, "object", "rm", "O", "--force")
        with open(self.path("big"), "wb") as file:
            file.write(os.urandom(16 << 20))
        self.run_cli("object", "put", "O", "big")
        self.fails(FAILED, "object", "get", "O", "big", "-O", "small/big", says="cannot write: No space left", next_says="room")
        self.assertEqual(os.listdir(self.path("small")), [])

    def test_a_server_that_goes_is_said_and_leaves_no_file(self):
        process = self.spawn("stream", "backup", "L", "half")
        end = time.monotonic() + RUN_S
        while not any("half" in name for name in os.listdir(self.home)) and process.poll() is None:  # it receives
            self.assertLess(time.monotonic(), end, os.listdir(self.home))
        self.server.restart()
        _, said = process.communicate(timeout=RUN_S)
        if process.returncode != 0:
            self.assertEqual(process.returncode, UNREACHABLE, said)
            self.assertIn("the server closed the connection", said)
            self.assertFalse(os.path.exists(self.path("half")))


if __name__ == "__main__":
    unittest.main()
