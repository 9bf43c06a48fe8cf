"""Which back end a server stands on: chosen, asked for, or all that the system allows."""

import os
import subprocess
import sys
import tempfile
import unittest

from wire import Requester  # finds serverprocess
from serverprocess import BINARY, ROOT, START_S, Server, is_millrace

FORBID = os.path.join(ROOT, "tests/e2e/forbid.py")
WHY = "io_uring is forbidden here (kernel.io_uring_disabled or seccomp)"


def forbidding(error, *calls):
    return [sys.executable, FORBID, error, *calls, "--"]


class Forbidden(Server):
    """A server as in a container whose profile refuses these calls."""

    def __init__(self, *calls, error="EPERM", **more):
        super().__init__(**more)
        self.launcher = forbidding(error, *calls)

    def command(self):
        return [*self.launcher, *super().command()]


@unittest.skipUnless(is_millrace(), "a choice of ours")
class Backends(unittest.TestCase):
    def setUp(self):
        chosen = os.environ.pop("MILLRACE_IO", None)
        if chosen is not None:
            self.addCleanup(os.environ.__setitem__, "MILLRACE_IO", chosen)

    def works(self, server):
        """Messages, and a stream whose message outlives the process."""
        with Requester(server.port) as requester:
            requester.api("STREAM.CREATE.S", b'{"name":"S","subjects":["s"]}')
            self.assertEqual(requester.publish(b"s", b"kept")["seq"], 1)
        server.restart()
        with Requester(server.port) as requester:
            self.assertEqual(requester.api("STREAM.INFO.S")["state"]["messages"], 1)

    def test_a_server_says_which_one_it_uses(self):
        for name, said in (("uring", "io_uring"), ("epoll", "epoll with worker threads, as asked for")):
            with self.subTest(name), Server(["--io", name]) as server:
                self.assertIn(f"[INF] Using {said}\n", server.log())

    def test_where_io_uring_is_forbidden_it_works_with_epoll_and_says_why(self):
        with Forbidden("io_uring_setup") as server:
            self.assertIn(f"[WRN] Using epoll with worker threads: {WHY}\n", server.log())
            self.works(server)

    def test_on_a_kernel_without_io_uring_it_works_with_epoll(self):
        with Forbidden("io_uring_setup", error="ENOSYS") as server:
            self.assertIn("Using epoll with worker threads: the kernel has no io_uring\n", server.log())
            self.works(server)

    def test_a_ring_that_can_be_made_and_not_used_is_not_used(self):
        with Forbidden("io_uring_enter") as server:
            self.assertIn("[WRN] Using epoll with worker threads: ", server.log())
            self.works(server)

    def test_an_old_profile_that_knows_neither_is_enough(self):
        with Forbidden("io_uring_setup", "epoll_pwait2") as server:
            self.works(server)

    def test_who_asks_for_io_uring_gets_nothing_else(self):
        result = subprocess.run(
            [*forbidding("EPERM", "io_uring_setup"), BINARY, "-p", "-1", "--io", "uring"],
            capture_output=True, text=True, timeout=START_S, check=False,
        )
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"[FTL] Can't start: {WHY}\n", result.stderr)

    def test_the_file_and_the_environment_choose_too_and_the_flag_wins(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("io: epoll\n")
            file.flush()
            with Server(["-c", file.name]) as server:
                self.assertIn("Using epoll", server.log())
            with Server(["-c", file.name, "--io", "uring"]) as server:
                self.assertIn("Using io_uring", server.log())
        os.environ["MILLRACE_IO"] = "epoll"
        self.addCleanup(os.environ.pop, "MILLRACE_IO", None)
        with Server() as server:
            self.assertIn("Using epoll", server.log())
        with Server(["--io", "uring"]) as server:
            self.assertIn("Using io_uring", server.log())

    def test_a_choice_that_there_is_not_is_refused_with_its_place(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("\n  io: select\n")
            file.flush()
            result = subprocess.run(
                [BINARY, "-c", file.name], capture_output=True, text=True, timeout=START_S, check=False
            )
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"{file.name}:2:3: io must be auto, uring or epoll", result.stderr)


if __name__ == "__main__":
    unittest.main()
