"""Whoever has been told that a stream exists finds it through any node, at once."""

import unittest

from cluster import NODES, ClusterCase
from wire import Requester

STREAMS = 40


class Created(ClusterCase):
    def clients(self):
        opened = [Requester(node.port, b"of%d" % i) for i, node in enumerate(self.nodes)]
        return [self.enterContext(client) for client in opened]

    def test_a_publish_through_any_node_right_after_the_answer_is_taken(self):
        self.api(0, "STREAM.CREATE.FIRST", {"name": "FIRST", "subjects": ["first"], "num_replicas": 3})
        clients = self.clients()
        for i in range(STREAMS):
            name = f"S{i}"
            config = {"name": name, "subjects": [f"s.{i}"], "num_replicas": 1 + 2 * (i % 2)}
            made = clients[i % NODES].api(f"STREAM.CREATE.{name}", config)
            self.assertNotIn("error", made)
            for j, client in enumerate(clients):
                # publish() refuses an answer that says that nobody is there
                self.assertEqual(client.publish(b"s.%d" % i, b"x")["seq"], j + 1)

    def test_so_is_one_of_a_subject_that_an_update_has_added(self):
        config = {"name": "S", "subjects": ["s.0"], "num_replicas": 3}
        self.api(0, "STREAM.CREATE.S", config)
        clients = self.clients()
        for i in range(1, STREAMS):
            config["subjects"].append(f"s.{i}")
            self.assertNotIn("error", clients[i % NODES].api("STREAM.UPDATE.S", config))
            for client in clients:
                self.assertIn("seq", client.publish(b"s.%d" % i, b"x"))


if __name__ == "__main__":
    unittest.main()
