"""The programs of tools/examples, each on a server of its own, do what they say."""

import os
import subprocess
import sys
import unittest

E2E = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(E2E))
EXAMPLES = os.path.join(ROOT, "tools", "examples")
MODULES = os.path.join(E2E, "node", "node_modules")
sys.path[:0] = [E2E]

from serverprocess import Server  # noqa: E402

WITHIN_S = 180


def find_modules():
    """The clients that the other tests have, unless the examples have their own."""
    own = os.path.join(EXAMPLES, "node_modules")
    if not os.path.exists(own) and os.path.isdir(MODULES):
        if os.path.islink(own):
            os.remove(own)
        os.symlink(MODULES, own)
    return os.path.exists(own)


@unittest.skipUnless(find_modules(), "the JavaScript clients are not installed")
class Examples(unittest.TestCase):
    def check(self, name):
        with Server() as server:
            done = subprocess.run(
                ["node", os.path.join(EXAMPLES, name), str(server.port)],
                capture_output=True,
                text=True,
                timeout=WITHIN_S,
                check=False,
            )
            self.assertEqual(done.returncode, 0, done.stderr[-3000:])
            self.assertTrue(done.stdout.splitlines()[-1].startswith("ok: "), done.stdout)
            self.assertTrue(server.running())

    def test_orders_are_projected_and_replayed(self):
        self.check("orders.js")

    def test_jobs_are_done_once_retried_and_set_aside(self):
        self.check("queue.js")

    def test_a_config_is_watched_without_gaps(self):
        self.check("config.js")

    def test_a_saga_is_done_or_undone(self):
        self.check("saga.js")


if __name__ == "__main__":
    unittest.main()
