"""The server under a service manager: what that is told, and how many files it may open."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from wire import READ_S, own_promise
from serverprocess import BINARY, ROOT, START_S, free_port


class Notified(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-service-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def manager(self, name):
        """A socket that the server is to tell; `name` as the environment has it."""
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.settimeout(READ_S)
        manager.bind("\0" + name[1:] if name.startswith("@") else name)
        return manager

    def start(self, name):
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"listen: 127.0.0.1:{free_port()}\n")
        process = subprocess.Popen(
            [BINARY, "-c", path], env={**os.environ, "NOTIFY_SOCKET": name}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.addCleanup(process.wait, START_S)
        self.addCleanup(process.kill)
        return process

    @own_promise
    def test_the_manager_is_told_of_start_reload_and_end(self):
        name = os.path.join(self.directory, "notify")
        manager = self.manager(name)
        process = self.start(name)
        self.assertEqual(manager.recv(1000), b"READY=1")
        process.send_signal(signal.SIGHUP)
        first, *rest = manager.recv(1000).split(b"\n")
        self.assertEqual(first, b"RELOADING=1")
        self.assertTrue(rest[0].startswith(b"MONOTONIC_USEC="), rest)
        self.assertLess(abs(int(rest[0].split(b"=")[1]) / 1e6 - time.monotonic()), READ_S)
        self.assertEqual(manager.recv(1000), b"READY=1")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(manager.recv(1000), b"STOPPING=1")
        process.wait(START_S)

    @own_promise
    def test_a_socket_without_a_place_in_the_file_system_is_told_too(self):
        name = f"@millrace-test-{os.getpid()}"
        manager = self.manager(name)
        self.start(name)
        self.assertEqual(manager.recv(1000), b"READY=1")

    @own_promise
    def test_a_manager_that_is_not_there_changes_nothing(self):
        for name in ("/nowhere/at/all", "@nobody", "x", "", "/" + "x" * 200):
            with self.subTest(name):
                process = self.start(name)
                time.sleep(0.3)
                self.assertIsNone(process.poll())
                process.kill()
                process.wait(START_S)

    @own_promise
    def test_the_unit_file_is_one(self):
        with open(os.path.join(ROOT, "packaging", "millrace.service"), encoding="utf-8") as file:
            text = file.read()
        for line in ("Documentation=man:millrace(1)", "Type=notify", "ExecStart=/usr/local/bin/millrace -c /etc/millrace.conf", "LimitNOFILE=1048576"):
            self.assertIn(line + "\n", text)


class Files(unittest.TestCase):
    def log(self, limit, *arguments):
        def lower():
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)

        process = subprocess.Popen(
            [BINARY, "-a", "127.0.0.1", "-p", "-1", *arguments], preexec_fn=lower, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "Server is ready" in line:
                    break
            with open(f"/proc/{process.pid}/limits", encoding="ascii") as file:
                soft = next(line for line in file if line.startswith("Max open files")).split()[3]
            return "".join(lines), int(soft)
        finally:
            process.kill()
            process.wait(START_S)
            process.stderr.close()

    @own_promise
    def test_as_many_files_are_opened_as_the_hard_limit_allows(self):
        log, soft = self.log((256, 4096))
        self.assertEqual(soft, 4096)
        self.assertIn("Open files are limited to 4096: max_connections of 65536 will not be reached", log)

    @own_promise
    def test_nothing_is_said_when_there_are_enough(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard < 70_000:
            self.skipTest("this machine allows too few")
        log, _ = self.log((256, hard))
        self.assertNotIn("Open files", log)


if __name__ == "__main__":
    unittest.main()
