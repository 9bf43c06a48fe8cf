"""Whoever has been told that a stream exists finds it through any node, at once."""

import signal
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


class Led(ClusterCase):
    def test_the_log_of_who_leads_says_so_and_when_nobody_is_left_to_lead(self):
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["m"], "num_replicas": 3})
        self.publish(0)
        said = "JetStream cluster new stream leader for '$G > S'"
        leader = self.leader_of("S")
        self.until(bool, lambda: said in self.nodes[leader].log())
        self.assertTrue(any("Self is new JetStream cluster metadata leader" in node.log() for node in self.nodes))
        for i in range(NODES):
            if i != leader:
                self.nodes[i].end(signal.SIGKILL)
        self.until(bool, lambda: "JetStream cluster stream '$G > S' has NO quorum, stalled" in self.nodes[leader].log())


if __name__ == "__main__":
    unittest.main()
