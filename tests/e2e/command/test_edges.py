"""What a new user trips over: files that are none, limits that are none, silence, and output that cannot be written."""

import os
import subprocess
import unittest

from cli import BINARY, EXISTS, FAILED, RUN_S, TIMEOUT, USAGE, CliCase
from fake_server import FakeServer, answers


class Edges(CliCase):
    def test_a_directory_is_no_object_and_no_place_for_one(self):
        self.run_cli("object", "add", "O")
        self.addCleanup(self.run_cli, "object", "rm", "O", "--force")
        os.mkdir(self.path("folder"))
        self.fails(USAGE, "object", "put", "O", "folder", says="folder is a directory$")
        self.assertEqual(self.out("object", "ls", "O", "-n"), "")
        with open(self.path("file"), "w") as file:
            file.write("content")
        self.run_cli("object", "put", "O", "file", "--name", "folder")
        self.fails(USAGE, "object", "get", "O", "folder", says="folder is a directory$", next_says="--output folder/NAME")
        code, screen = self.terminal("object", "get", "O", "folder", "--force")
        self.assertEqual((code, "Replace" in screen), (USAGE, False), screen)
        self.assertEqual(os.listdir(self.path("folder")), [])

    def test_a_name_with_control_bytes_is_shown_without_them(self):
        self.run_cli("object", "add", "O")
        self.addCleanup(self.run_cli, "object", "rm", "O", "--force")
        said = self.run_cli("object", "put", "O", "--name", "a\x1b[2Jb", stdin="x").stdout
        self.assertIn("Stored O > a?[2Jb: ", said)

    def test_a_stream_without_subjects_is_not_made(self):
        for subjects in ("", ",", " "):
            self.fails(USAGE, "stream", "add", "E", "--subjects", subjects, "--defaults", says="needs subjects",
                       next_says="--subjects 'orders.>'")
        self.assertEqual(self.json("stream", "ls", "--names"), [])

    def test_a_purge_that_makes_no_sense_is_not_asked_for(self):
        self.run_cli("stream", "add", "E", "--subjects", "e", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "E", "--force")
        self.run_cli("pub", "e", "x", "--jetstream")
        self.fails(USAGE, "stream", "purge", "E", "--keep", "-1", "-f", says="fewer than no messages", next_says="--keep 0")
        self.fails(USAGE, "stream", "purge", "E", "--seq", "0", "-f", says="the first message is number 1", next_says="--seq 100")
        self.assertEqual(self.json("stream", "info", "E")["state"]["messages"], 1)
        self.run_cli("stream", "purge", "E", "--keep", "0", "-f")
        self.assertEqual(self.json("stream", "info", "E")["state"]["messages"], 0)

    def test_what_nobody_writes_to_is_refused_and_not_waited_for(self):
        os.makedirs(self.path(".config/nats/context"))
        os.mkfifo(self.path(".config/nats/context/pipe.json"))
        self.fails(USAGE, "rtt", "--context", "pipe", says="cannot read context pipe: it is no regular file")
        os.mkdir(self.path("it"))
        os.mkfifo(self.path("it/backup.json"))
        self.fails(FAILED, "stream", "restore", "it", says="cannot read it/backup.json: it is no regular file")

    def test_output_that_cannot_be_written_is_a_failure(self):
        for words in (["--help"], ["--version"], ["help"], ["stream", "--help"], ["version"], ["--help_tls"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([BINARY, *words], env=self.env, stdout=full, stderr=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL, timeout=RUN_S, check=False)
            self.assertEqual(result.returncode, FAILED, words)
            self.assertIn("cannot write: No space left on device", result.stderr, words)


class Archives(CliCase):
    def setUp(self):
        super().setUp()
        self.run_cli("stream", "add", "A", "--subjects", "a", "--defaults")
        self.run_cli("pub", "a", "x", "--count", "20", "--jetstream", "-q")
        self.run_cli("stream", "backup", "A", "it")
        self.run_cli("stream", "rm", "A", "--force")

    def test_an_archive_that_cannot_be_read_is_named(self):
        os.rename(self.path("it/stream.tar.s2"), self.path("it/kept"))
        os.mkdir(self.path("it/stream.tar.s2"))
        self.fails(FAILED, "stream", "restore", "it", says="cannot read it/stream.tar.s2: Is a directory")
        os.rmdir(self.path("it/stream.tar.s2"))
        os.mkfifo(self.path("it/stream.tar.s2"))
        self.fails(FAILED, "stream", "restore", "it", says="cannot read it/stream.tar.s2: it is no regular file")
        self.assertEqual(self.json("stream", "ls", "--names"), [])

    def test_what_comes_behind_an_archive_is_refused(self):
        with open(self.path("it/stream.tar.s2"), "ab") as file:
            whole = file.tell()
            file.write(b"garbage")
        self.fails(FAILED, "stream", "restore", "it", says=r"\(10062\)")
        self.assertEqual(self.json("stream", "ls", "--names"), [])
        os.truncate(self.path("it/stream.tar.s2"), whole)
        self.run_cli("stream", "restore", "it")
        self.fails(EXISTS, "stream", "restore", "it", says="already in use")
        self.run_cli("stream", "rm", "A", "--force")

    def test_silence_names_the_flag_that_changes_the_wait(self):
        def answer(subject, _):
            if ".SNAPSHOT." in subject:
                return {"config": {"name": "A"}, "state": {"messages": 1}}
            return {"deliver_subject": "$JS.x"} if ".RESTORE." in subject else b""

        for words in (["stream", "backup", "A", "other"], ["stream", "restore", "it"]):
            server = FakeServer(answers(answer) if words[1] == "backup" else answers_once(answer))
            self.addCleanup(server.close)
            self.fails(TIMEOUT, *words, "--timeout", "3s", says="the server said nothing for 3.00s",
                       next_says="--timeout 7s, if it is only slow", env={"NATS_URL": server.url})
        self.assertFalse(os.path.exists(self.path("other")))


def answers_once(answer):
    """As a server that stops to answer behind the first request."""
    asked = []

    def once(subject, payload):
        asked.append(subject)
        if len(asked) > 1:
            raise ValueError("silent")
        return answer(subject, payload)

    inner = answers(once)

    def talk(connection):
        try:
            inner(connection)
        except ValueError:
            while connection.recv(65536):
                pass

    return talk


if __name__ == "__main__":
    unittest.main()
