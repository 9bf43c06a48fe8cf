"""A server that has just started: whoever connects finds everything that was there before."""

import unittest

from wire import Requester  # finds serverprocess
from serverprocess import Server

STREAMS = 40
MESSAGES = 3
STARTS = 5


class Started(unittest.TestCase):
    def fill(self, client):
        for i in range(STREAMS):
            created = client.api(f"STREAM.CREATE.S{i}", {"name": f"S{i}", "subjects": [f"s.{i}"]})
            self.assertNotIn("error", created)
            for _ in range(MESSAGES):
                self.assertEqual(client.publish(b"s.%d" % i, b"{}")["stream"], f"S{i}")

    def test_lists_every_stream_with_all_its_messages(self):
        with Server() as server:
            with Requester(server.port) as client:
                self.fill(client)
            for _ in range(STARTS):
                server.restart()
                with Requester(server.port) as client:
                    answer = client.api("STREAM.LIST")
                    self.assertNotIn("missing", answer)
                    self.assertEqual(
                        sorted(one["config"]["name"] for one in answer["streams"]),
                        sorted(f"S{i}" for i in range(STREAMS)),
                    )
                    self.assertEqual({one["state"]["messages"] for one in answer["streams"]}, {MESSAGES})


if __name__ == "__main__":
    unittest.main()
