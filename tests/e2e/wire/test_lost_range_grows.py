"""A stream of one replica that has lost a range to its disk gets more replicas, and they all what it still has."""

import glob
import signal
import sys
import unittest

from wire import Requester  # finds serverprocess
from cluster import ClusterCase

MESSAGES = 30


class LostRange(ClusterCase):
    def damage(self, directory, what):
        found = 0
        for path in glob.glob(directory + "/**/*.*", recursive=True):
            with open(path, "r+b") as file:
                place = file.read().find(what)
                if place >= 0:
                    file.seek(place)
                    file.write(what.swapcase())
                    found += 1
        self.assertGreater(found, 0)

    def handed_over(self, stream):
        """Who leads then: as long as the others are learners it is who led before."""
        with Requester(self.nodes[0].port) as client:
            client.api("STREAM.LEADER.STEPDOWN." + stream)
        return self.leader_of(stream)

    def test_a_stream_that_has_lost_a_range_gets_more_replicas(self):
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "num_replicas": 1})
        with Requester(self.nodes[0].port) as client:
            for i in range(MESSAGES):
                client.publish(b"s.%d" % i, b"", b"payload-%03d" % i * 200)
        at = self.leader_of("S")
        node = self.nodes[at]
        node.end(signal.SIGTERM)
        self.damage(node.directory, b"payload-015")
        node.start()
        before = self.api(0, "STREAM.INFO.S")
        self.assertEqual(before["state"]["messages"], MESSAGES - 1)
        self.api((at + 1) % 3, "STREAM.UPDATE.S", {**before["config"], "num_replicas": 3})
        self.api((at + 1) % 3, "STREAM.INFO.S", wanted=self.whole)
        self.assertIsNone(node.process.poll())
        self.until(lambda leader: leader != at, lambda: self.handed_over("S"))
        after = self.api(0, "STREAM.INFO.S")
        self.assertEqual(after["state"]["messages"], MESSAGES - 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
