"""cluster status, stepdown and peer-remove, doctor cluster, server ls: three servers, of which one goes."""

import os
import shutil
import tempfile
import time
import unittest

from cli import DONE, FAILED, MISSING, RUN_S, USAGE, CliCase
from serverprocess import Server, free_port

WITHIN_S = 90.0
AWAY = "problem  server n2 is away\n"
CONFIG = """server_name: n%d
cluster { name: C, listen: "127.0.0.1:%d", routes: [%s] }
accounts { SYS { users: [{user: admin, password: a}] }
           APP { jetstream: enabled, users: [{user: app, password: b}] } }
system_account: SYS
"""


class Three(CliCase):
    @classmethod
    def setUpClass(cls):
        ports = [free_port() for _ in range(3)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        cls.nodes = []
        for i in range(3):
            fd, path = tempfile.mkstemp(suffix=".conf")
            os.write(fd, (CONFIG % (i, ports[i], routes)).encode())
            os.close(fd)
            cls.addClassCleanup(os.unlink, path)
            cls.nodes.append(Server(("-c", path)))
            cls.addClassCleanup(cls.nodes[-1].__exit__)
        for node in cls.nodes:
            node.spawn()
        for node in cls.nodes:
            node.wait_ready()
        cls.server = cls.nodes[0]

    def setUp(self):
        super().setUp()
        self.env["NATS_URL"] = ",".join(f"nats://127.0.0.1:{node.port}" for node in self.nodes)
        self.env.update(NATS_USER="app", NATS_PASSWORD="b")
        self.admin = {"NATS_USER": "admin", "NATS_PASSWORD": "a"}

    def until(self, wanted, ask):
        """Asked again while nobody leads, or replicas catch up."""
        end, answer = time.monotonic() + WITHIN_S, None
        while time.monotonic() < end:
            try:
                answer = ask()
                if wanted(answer):
                    return answer
            except AssertionError as error:
                answer = error
            time.sleep(0.2)
        self.fail(f"not within {WITHIN_S} s: {answer}")

    def settles(self, *words, env=None):
        """Ends well, once there is a leader: on a busy machine one may be voted for at any time."""
        return self.until(lambda _: True, lambda: self.out(*words, env=env))

    def stream(self):
        self.settles("stream", "add", "S", "--subjects", "s", "--replicas", "3", "--defaults")
        self.addCleanup(self.settles, "stream", "rm", "S", "--force")

    def leader(self, *words, env=None):
        return self.until(lambda found: found.get("leader"), lambda: self.json("cluster", "status", *words, env=env))["leader"]

    def all_current(self, status):
        return len(status["replicas"]) == 2 and all(row["current"] and not row.get("offline") for row in status["replicas"])

    def test_the_cluster_and_a_stream_tell_who_leads(self):
        self.stream()
        self.assertRegex(self.leader("S"), "^n[012]$")
        meta = self.leader(env=self.admin)
        text = self.out("cluster", "status", env=self.admin)
        self.assertRegex(text, rf"(?m)^│ {meta} +│ yes +│ current")
        self.assertEqual(len([line for line in text.splitlines() if line.startswith("│ n")]), 3)
        self.assertEqual(len(self.json("server", "ls", env=self.admin)), 3)
        for words, names in ((["--sort", "name"], ["n0", "n1", "n2"]), (["--sort", "name", "-R"], ["n2", "n1", "n0"])):
            said = self.json("server", "ls", *words, env=self.admin)
            self.assertEqual([row["server"]["name"] for row in said], names)
        for key, at in (("conns", "connections"), ("mem", "mem")):
            said = [row["statsz"][at] for row in self.json("server", "ls", "--sort", key, env=self.admin)]
            self.assertEqual(said, sorted(said, reverse=True))
        self.fails(USAGE, "server", "ls", "--sort", "colour", says='sorted by "colour"', next_says="conns", env=self.admin)
        self.assertEqual(len(self.json("server", "ping", env=self.admin)), 3)
        self.assertEqual(self.out("server", "report", "jetstream", env=self.admin).count(f"│ {meta}*"), 1)
        self.fails(MISSING, "cluster", "status", "NONE", says="stream not found")

    def test_leaders_step_down(self):
        self.stream()
        self.settles("consumer", "add", "S", "c", "--pull", "--defaults")
        before = self.leader("S")
        self.until(self.all_current, lambda: self.json("cluster", "status", "S"))
        self.assertEqual(self.settles("cluster", "stepdown", "S"), "The leader of the stream steps down\n")
        self.until(lambda found: found.get("leader") not in (None, "", before), lambda: self.json("cluster", "status", "S"))
        self.assertIn("steps down", self.settles("cluster", "stepdown", "S", "c"))
        before = self.leader(env=self.admin)
        self.settles("cluster", "stepdown", env=self.admin)
        self.until(lambda found: found.get("leader") not in (None, "", before),
                   lambda: self.json("cluster", "status", env=self.admin))

    def test_a_server_gives_up_its_replica(self):
        self.stream()
        self.settles("stream", "edit", "S", "--replicas", "1", "--force")
        status = self.until(lambda found: found.get("leader") and not found.get("replicas"),
                            lambda: self.json("stream", "info", "S")["cluster"])
        self.fails(FAILED, "cluster", "peer-remove", "n9", "S", "--force", says="peer")
        self.fails(2, "cluster", "peer-remove", status["leader"], "S", says="nobody is there to say yes", next_says="--force")
        self.settles("cluster", "peer-remove", status["leader"], "S", "--force")
        self.until(lambda found: found.get("leader") not in (None, "", status["leader"]),
                   lambda: self.json("stream", "info", "S")["cluster"])

    def test_a_server_lost_for_good_is_taken_out_of_the_cluster(self):
        def names():
            status = self.json("cluster", "status", env=self.admin)
            return sorted([status["leader"]] + [row["name"] for row in status["replicas"]])

        self.until(lambda found: found == ["n0", "n1", "n2"], names)
        self.fails(FAILED, "cluster", "peer-remove", "n9", "--force", env=self.admin, says="not a member")
        gone = self.nodes[2]
        gone.kill()
        self.until(lambda said: AWAY in said, lambda: self.run_cli("doctor", "cluster", code=FAILED, env=self.admin).stdout)
        self.assertEqual(self.settles("cluster", "peer-remove", "n2", "--force", env=self.admin), "The server was removed\n")
        self.until(lambda found: found == ["n0", "n1"], names)
        self.until(lambda said: "0 problems" in said, lambda: self.out("doctor", "cluster", env=self.admin))
        shutil.rmtree(os.path.join(gone.directory, "millrace"))
        gone.start()  # a new one, which the other tests need
        self.until(lambda found: found == ["n0", "n1", "n2"], names)

    def test_the_doctor_finds_who_is_away(self):
        self.stream()
        self.until(lambda result: "0 problems, 0 warnings" in result, lambda: self.out("doctor", "cluster", env=self.admin))
        text = self.out("doctor", "cluster", env=self.admin)
        self.assertRegex(text, r"(?m)^ok +n\d leads, and 2 servers follow it$")
        self.assertIn("3 servers say that they are well", text)
        self.assertIn("1 streams are well", text)
        gone = self.nodes[2]
        gone.kill()
        try:
            # The first of them only a leader knows: n2 may have been it, and another is to be elected.
            text = self.until(lambda said: AWAY in said and "stream S: server n2 is away" in said,
                              lambda: self.run_cli("doctor", "cluster", code=FAILED, env=self.admin).stdout)
            self.assertRegex(text, AWAY + " +try: start it")
            self.until(lambda said: "stream S: server n2 is away" in said,
                       lambda: self.run_cli("doctor", code=FAILED).stdout)
        finally:
            gone.start()
        self.until(lambda result: "0 problems, 0 warnings" in result, lambda: self.out("doctor", "cluster", env=self.admin))

    def test_commands_that_run_for_long_go_to_another_server(self):
        sub = self.spawn("sub", "x", "--count", "1", "--raw")
        self.until_heard("x", server=self.nodes[0])  # it takes the first of NATS_URL
        self.nodes[0].kill()
        try:
            self.assertIn("Connected again to nats://127.0.0.1", self.wait_for(sub.stderr, "Connected again"))
            self.until_heard("x", server=self.nodes[2])
            self.run_cli("pub", "x", "still here", env={"NATS_URL": f"nats://127.0.0.1:{self.nodes[2].port}"})
            out, _ = sub.communicate(timeout=RUN_S)
            self.assertEqual((sub.returncode, out), (DONE, "still here\n"))
        finally:
            self.nodes[0].start()


if __name__ == "__main__":
    unittest.main()
