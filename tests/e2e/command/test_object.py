"""object: every command of the group, and what an interrupted transfer leaves behind."""

import hashlib
import json
import os
import signal
import subprocess
import time
import unittest

from cli import BINARY, MISSING, RUN_S, USAGE, CliCase


class Objects(CliCase):
    def setUp(self):
        super().setUp()
        self.run_cli("object", "add", "O")
        self.addCleanup(self.run_cli, "object", "rm", "O", "--force")

    def make(self, name, size):
        content = os.urandom(min(size, 1 << 20)) * max(1, size >> 20)
        with open(self.path(name), "wb") as file:
            file.write(content)
        return content

    def test_a_file_comes_back_as_it_was(self):
        for size in (0, 1, 131072, 131073, 3 << 20):
            with self.subTest(size):
                content = self.make("file", size)[:size]
                with open(self.path("file"), "wb") as file:
                    file.write(content)
                self.run_cli("object", "put", "O", "file", "--force")
                self.run_cli("object", "get", "O", "file", "-O", "back", "--force")
                with open(self.path("back"), "rb") as file:
                    self.assertEqual(file.read(), content)
                info = self.json("object", "info", "O", "file")["object"]
                self.assertEqual((info["size"], info["chunks"]), (size, (size + 131071) // 131072))
        self.assertEqual(self.json("stream", "info", "OBJ_O", )["state"]["messages"], 1 + 24)

    def test_standard_input_and_output(self):
        self.run_cli("object", "put", "O", "--name", "piped", stdin=b"through a pipe")
        self.assertEqual(self.run_cli("object", "get", "O", "piped", "-O", "-", stdin=b"").stdout, b"through a pipe")
        self.fails(USAGE, "object", "put", "O", says="needs a name", next_says="--name")

    def test_lists_infos_and_removes(self):
        self.make("a.txt", 5)
        self.run_cli("object", "put", "O", "a.txt", "--description", "the first")
        self.assertRegex(self.out("object", "ls", "O"), r"│ a\.txt │ 5 B +│ \d{4}-")
        self.assertEqual(self.out("object", "ls", "O", "-n"), "a.txt\n")
        self.assertEqual(self.out("object", "ls", "-n"), "O\n")
        with open(self.path("a.txt"), "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        self.assertIn(f"Digest: SHA-256 {digest}\n", self.out("object", "info", "O", "a.txt"))
        self.assertIn("Sealed: false\n", self.out("object", "info", "O"))
        self.run_cli("object", "rm", "O", "a.txt", "--force")
        self.fails(MISSING, "object", "get", "O", "a.txt", says="no object a.txt in O", next_says="object ls O")
        self.assertEqual(self.out("object", "ls", "O"), "No entries found\n")

    def test_watch_shows_puts_and_deletes(self):
        before = self.consumers("OBJ_O")
        watch = self.spawn("object", "watch", "O", "--count", "2")
        self.until_read("OBJ_O", before)
        self.run_cli("object", "put", "O", "--name", "w", stdin="x")
        self.run_cli("object", "rm", "O", "w", "--force")
        out, _ = watch.communicate(timeout=RUN_S)
        self.assertEqual([line.split("] ")[1] for line in out.splitlines()], ["PUT O > w: 1 B", "DEL O > w: 0 B"])

    def test_a_sealed_bucket_takes_nothing(self):
        self.run_cli("object", "add", "S")
        self.addCleanup(self.run_cli, "object", "rm", "S", "--force")
        self.assertIn("S has been sealed", self.out("object", "seal", "S", "--force"))
        result = self.fails(1, "object", "put", "S", "--name", "x", stdin="x", says="sealed stream")
        self.assertEqual(result.stderr.count("error:"), 1, result.stderr)

    def test_an_interrupted_get_leaves_no_file(self):
        self.make("big", 64 << 20)
        self.run_cli("object", "put", "O", "big")
        for delay in (0.005, 0.02, 0.06):
            for sig in (signal.SIGINT, signal.SIGKILL):
                process = self.spawn("object", "get", "O", "big", "-O", self.path("out/big") if False else "half")
                time.sleep(delay)
                process.send_signal(sig)
                process.wait(RUN_S)
                if process.returncode == 0:
                    os.unlink(self.path("half"))
                self.assertNotIn("half", os.listdir(self.home))
                self.assertEqual([name for name in os.listdir(self.home) if name.startswith(".half")], [])

    def test_ctrl_c_says_so_and_ends_by_the_signal(self):
        self.make("big", 256 << 20)
        before = self.json("stream", "info", "OBJ_O")["state"]["messages"]
        put = self.spawn("object", "put", "O", "big")
        while self.json("stream", "info", "OBJ_O")["state"]["messages"] == before and put.poll() is None:
            pass
        put.send_signal(signal.SIGINT)
        said = put.communicate(timeout=RUN_S)[1]
        self.assertEqual((put.returncode, said), (-signal.SIGINT, "millrace: error: interrupted\n"))
        self.assertEqual(self.json("stream", "info", "OBJ_O")["state"]["messages"], before, "no pieces are left behind")
        self.fails(MISSING, "object", "info", "O", "big", says="no object big")
        waits = subprocess.Popen([BINARY, "object", "put", "O", "--name", "typed"], env=self.env, stdin=subprocess.PIPE,
                                 stderr=subprocess.PIPE, cwd=self.home)
        waits.stdin.write(b"some of it")
        waits.stdin.flush()
        self.until_catches(waits, signal.SIGTERM)
        waits.send_signal(signal.SIGTERM)
        self.assertEqual(waits.wait(RUN_S), -signal.SIGTERM)
        self.assertEqual(waits.stderr.read(), b"millrace: error: interrupted\n")
        waits.stdin.close(), waits.stderr.close()
        self.run_cli("object", "put", "O", "big")
        get = self.spawn("object", "get", "O", "big", "-O", "-")
        self.assertNotEqual(get.stdout.buffer.read(1000), b"")
        get.send_signal(signal.SIGTERM)
        get.stdout.buffer.read()
        self.assertEqual((get.wait(RUN_S), get.stderr.read()), (-signal.SIGTERM, "millrace: error: interrupted\n"))

    def test_memory_does_not_grow_with_the_object(self):
        self.make("big", 128 << 20)
        self.run_cli("object", "put", "O", "big")
        process = self.spawn("object", "get", "O", "big", "-O", "back")
        peak = 0
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status") as status:
                    peak = max([peak] + [int(line.split()[1]) for line in status if line.startswith("VmHWM")])
            except (FileNotFoundError, ProcessLookupError):
                break
            time.sleep(0.005)
        self.assertEqual(process.wait(RUN_S), 0)
        self.assertLess(peak, 64 << 10)

    def test_content_that_changed_is_refused(self):
        self.run_cli("object", "put", "O", "--name", "x", stdin="right")
        nuid = self.json("object", "info", "O", "x")["object"]["nuid"]
        self.run_cli("stream", "purge", "OBJ_O", "--subject", f"$O.O.C.{nuid}", "--force")
        self.run_cli("pub", f"$O.O.C.{nuid}", "wrong", "--jetstream")
        self.fails(1, "object", "get", "O", "x", "-O", "no", says="digest differs")
        self.assertNotIn("no", os.listdir(self.home))

    def test_wrong_input_is_refused_with_a_reason(self):
        self.fails(USAGE, "object", "add", "a.b", says="name|bucket")
        self.fails(MISSING, "object", "ls", "NONE", says="no bucket NONE", next_says="object add NONE")
        self.fails(1, "object", "put", "O", "/nowhere", says="cannot read /nowhere")
        self.fails(MISSING, "object", "get", "O", "none", says="no object none")
        self.run_cli("object", "put", "O", "--name", "x", stdin="x")
        self.fails(1, "object", "get", "O", "x", "-O", "/nowhere/x", says="cannot write /nowhere/x")
        self.fails(USAGE, "object", "get", "O", "x", "-O", "/etc/passwd", says="nobody is there")


if __name__ == "__main__":
    unittest.main()
