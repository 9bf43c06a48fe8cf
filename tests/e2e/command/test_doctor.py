"""doctor: what is well, what is not, and exit codes for probes."""

import os
import shutil
import subprocess
import unittest

from cli import DONE, FAILED, MISSING, REFUSED, UNREACHABLE, USAGE, CliCase
from serverprocess import Server, free_port


class Doctor(CliCase):
    def test_a_server_that_is_well(self):
        self.run_cli("stream", "add", "WELL", "--subjects", "well", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "WELL", "--force")
        text = self.out("doctor")
        self.assertRegex(text, r"(?m)^ok +nats://127\.0\.0\.1:\d+ .* answers in ")
        self.assertIn("1 streams and their consumers are well", text)
        self.assertTrue(text.endswith("0 problems, 0 warnings\n"))

    def test_a_full_stream_is_a_problem_and_a_stuck_consumer_a_warning(self):
        self.run_cli("stream", "add", "FULL", "--subjects", "full", "--max-msgs", "2", "--discard", "new", "--defaults")
        self.addCleanup(self.run_cli, "stream", "rm", "FULL", "--force")
        self.run_cli("pub", "full", "x", "--count", "2", "--jetstream")
        self.run_cli("consumer", "add", "FULL", "stuck", "--max-pending", "1", "--defaults")
        self.run_cli("consumer", "next", "FULL", "stuck", "--no-ack")
        text = self.out("doctor", code=FAILED)
        self.assertRegex(text, r"(?m)^problem +stream FULL is full by its number of messages")
        self.assertRegex(text, r"(?m)^warning +consumer FULL > stuck waits")
        self.assertEqual([row["finding"] for row in self.json("doctor", code=FAILED)], ["ok", "problem", "warning"])

    def test_nobody_there_has_its_own_code(self):
        self.fails(UNREACHABLE, "doctor", "-s", f"127.0.0.1:{free_port()}", says="no server")
        self.fails(UNREACHABLE, "doctor", "server", "-s", f"127.0.0.1:{free_port()}", says="no server")
        self.fails(UNREACHABLE, "doctor", "cluster", "-s", f"127.0.0.1:{free_port()}", says="no server")

    def test_what_it_cannot_look_at_is_said(self):
        self.fails(MISSING, "doctor", "sevrer", says="cannot look at sevrer", next_says="doctor server, cluster")
        self.fails(REFUSED, "doctor", "cluster", says="needs the system account")
        self.fails(USAGE, "doctor", "server", "cluster", says="too many words")


class Directories(CliCase):
    def stopped(self):
        """A copy of a server's data, the server stopped."""
        with Server(keep=True) as server:
            env = {"NATS_URL": f"nats://127.0.0.1:{server.port}"}
            self.run_cli("stream", "add", "D", "--subjects", "d", "--defaults", env=env)
            self.run_cli("bench", "js", "d", "--msgs", "60", "--size", "500KB", "--window", "4", env=env)
        self.addCleanup(shutil.rmtree, server.directory, ignore_errors=True)
        return server.directory

    def findings(self, *words, code=DONE):
        return [(row["finding"], row["what"], row.get("next")) for row in self.json("doctor", *words, code=code)]

    def test_sound_data_and_damaged_data(self):
        folder = self.stopped()
        self.assertRegex(self.out("doctor", folder), r"(?m)^ok +\d+ batches with \d+ records are sound$")
        segments = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".seg")]
        largest = max(segments, key=os.path.getsize)
        with open(largest, "r+b") as file:
            file.seek(20000)
            file.write(b"damage!")
        found = self.findings(folder, code=FAILED)
        problem = next(row for row in found if row[0] == "problem")
        self.assertIn("is damaged: ", problem[1])
        self.assertIn("replicas", problem[2])
        self.assertRegex(self.out("doctor", folder, code=FAILED), r"(?m)^[12] problems?, ")
        said = self.json("check", folder, code=FAILED)
        self.assertEqual(said["problems"], sum(row["finding"] == "problem" for row in said["found"]))
        self.assertGreater(said["problems"], 0)
        self.assertIn("is damaged" if ".blk" in said["found"][0]["path"] else "are damaged", said["found"][0]["what"])

    def test_streams_that_nats_server_has_left_there(self):
        folder = self.stopped()
        os.makedirs(os.path.join(folder, "jetstream", "$G", "streams", "OLD"))
        with open(os.path.join(folder, "jetstream", "$G", "streams", "OLD", "meta.inf"), "w", encoding="utf-8") as file:
            file.write("{}")
        said = f"{folder}/jetstream holds 1 stream of nats-server, and none is read"
        self.assertIn(("warning", said), [row[:2] for row in self.findings(folder)])
        path = os.path.join(folder, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'port: {free_port()}\njetstream {{ store_dir: "{folder}" }}\n')
        self.assertIn(("warning", said), [row[:2] for row in self.findings(path)])

    def test_data_that_other_users_may_read(self):
        folder = self.stopped()
        store = os.path.join(folder, "millrace")
        self.assertEqual([os.stat(store).st_mode & 0o777, os.stat(os.path.join(store, "node")).st_mode & 0o777], [0o700, 0o600])
        said = ("warning", f"other users of this machine may read {store}")
        os.chmod(folder, 0o755)
        self.assertNotIn(said, [row[:2] for row in self.findings(folder)])
        os.chmod(store, 0o755)
        self.assertIn(said, [row[:2] for row in self.findings(folder)])
        os.chmod(folder, 0o700)
        self.assertNotIn(said, [row[:2] for row in self.findings(folder)])

    def test_data_in_use_and_no_data(self):
        found = self.findings(self.server.directory)
        self.assertTrue(any(row[0] == "warning" and "a running server has" in row[1] for row in found), found)
        found = self.findings(self.home, code=FAILED)
        self.assertIn(("problem", f"{self.home} holds no data of a server"), [row[:2] for row in found])

    @unittest.skipUnless(os.geteuid() == 0, "mounts a small file system")
    def test_a_disk_that_is_nearly_full_and_one_that_is_memory(self):
        os.mkdir(self.path("small"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", self.path("small")], check=False).returncode:
            self.skipTest("cannot mount here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.path("small")], check=False)
        found = self.findings("small", code=FAILED)
        self.assertIn("warning", [row[0] for row in found if "lies on tmpfs" in row[1]])
        self.assertIn("problem", [row[0] for row in found if "are free below small" in row[1]])


class Configurations(CliCase):
    def look(self, text, code=DONE):
        with open(self.path("c.conf"), "w") as file:
            file.write(text)
        return [(row["finding"], row["what"]) for row in self.json("doctor", "c.conf", code=code)]

    def test_a_good_one(self):
        found = self.look(f"listen: 127.0.0.1:4222\njetstream {{ store_dir: {self.home}/data }}\n")
        self.assertEqual({row[0] for row in found}, {"ok"} | ({"warning"} if "lies on" in str(found) else set()))
        self.assertIn("c.conf can be started with", found[0][1])
        self.assertFalse(os.path.exists(self.path("data")), "looking makes nothing")

    def test_one_is_no_many(self):
        self.look("listen: 127.0.0.1:1\njetstream { store_dir: /etc/passwd }\n", code=FAILED)
        self.assertRegex(self.run_cli("doctor", "c.conf", code=FAILED).stdout, r"\n1 problem, (0 warnings|1 warning)\n$")

    def test_mistakes_are_named_with_their_place(self):
        found = self.look("max_payload: much\nmax_connectoins: 3\n", code=FAILED)
        self.assertEqual([row[0] for row in found], ["problem", "problem"])
        self.assertRegex(found[0][1] + found[1][1], r"c\.conf:1:\d+.*c\.conf:2:\d+")
        found = self.look("authorization {", code=FAILED)
        self.assertEqual(found[0][0], "problem")
        found = self.look('tls { cert_file: "/none.pem", key_file: "/none.pem" }', code=FAILED)
        self.assertIn("/none.pem", found[0][1])

    def test_what_it_means_here_is_judged(self):
        found = self.look("jetstream: enabled\n")
        self.assertTrue(any("store_dir is not set" in row[1] for row in found), found)
        self.assertTrue(any("there are no users" in row[1] for row in found), found)
        found = self.look("port: -1\n")
        self.assertTrue(any("whoever reaches whichever port it gets" in row[1] for row in found), found)
        found = self.look("authorization { user: u, password: p }\n")
        self.assertTrue(any("passwords travel in the clear" in row[1] for row in found), found)
        found = self.look("listen: 127.0.0.1:1\njetstream { store_dir: /etc/passwd }\n", code=FAILED)
        self.assertTrue(any("/etc/passwd is no directory" in row[1] for row in found), found)


if __name__ == "__main__":
    unittest.main()
