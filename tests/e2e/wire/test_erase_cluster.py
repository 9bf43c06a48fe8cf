"""Secure erase in a cluster: the bytes go when no replica can need the entry any more, whatever comes in between."""

import signal
import sys
import time
import unittest
from unittest.mock import ANY

from wire import Requester  # finds serverprocess
from cluster import ClusterCase
from test_erase import check, holders, secret

FILL = b"x" * 100_000
SEAL = 90  # of those: the log has grown by enough for a state block
WITHIN_S = 90


class EraseInCluster(ClusterCase):
    def begin(self, secrets):
        """Their sequences; each stands in another file, for what is erased leaves a compressed one behind."""
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "num_replicas": 1})
        self.node = self.nodes[self.leader_of("S")]
        sequences = []
        for _ in range(secrets):
            with Requester(self.node.port) as client:
                sequences.append(client.publish(b"s.secret", secret(len(sequences)))["seq"])
            self.fill(1)
        return sequences

    def fill(self, blocks):
        with Requester(self.node.port) as client:
            for _ in range(blocks * SEAL):
                self.assertIn("seq", client.publish(b"s.fill", FILL))

    def erase(self, sequence):
        with Requester(self.node.port) as client:
            self.assertTrue(client.api("STREAM.MSG.DELETE.S", {"seq": sequence})["success"])

    def stands(self, i):
        return holders(self.node.directory, secret(i))

    def goes(self, i):
        end = time.monotonic() + WITHIN_S
        while self.stands(i):
            self.assertLess(time.monotonic(), end, self.stands(i))
            time.sleep(0.2)

    def test_each_of_a_file_that_nobody_needs_goes_though_nothing_else_happens(self):
        sequences = self.begin(3)
        self.fill(3)
        for i, sequence in enumerate(sequences):
            self.assertNotEqual(self.stands(i), [])
            self.erase(sequence)
            self.goes(i)

    def test_what_waits_is_known_to_a_start_from_a_block(self):
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "num_replicas": 1})
        self.node = self.nodes[self.leader_of("S")]
        with Requester(self.node.port) as client:
            client.publish(b"s.secret", secret(0))
        self.erase(1)
        self.fill(1)
        self.assertNotEqual(self.stands(0), [])
        self.node.end(signal.SIGTERM)
        self.assertEqual(check(self.node.directory), (0, ANY))
        self.node.start()
        self.api(0, "STREAM.INFO.S")
        self.fill(3)
        self.goes(0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
