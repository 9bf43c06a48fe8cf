"""Somebody removes the store's directory of one of three servers while it runs."""

import json
import os
import shutil

from cluster import NODES, ClusterCase
from test_monitoring import get
from wire import own_promise
from serverprocess import free_port

import unittest

COUNT = 30


@own_promise
class RemovedDirectoryCluster(ClusterCase):
    def setUp(self):
        self.monitors = [free_port() for _ in range(NODES)]
        super().setUp()

    def arguments(self, number):
        return ["-m", str(self.monitors[number])]

    def health(self, number):
        status, body = get(self.monitors[number], "/healthz")
        return status, json.loads(body)

    def store_id(self, number):
        with open(os.path.join(self.nodes[number].directory, "millrace", "node"), "rb") as file:
            return file.read()[24:40]

    def remove(self, number):
        while os.path.exists(self.nodes[number].directory):
            shutil.rmtree(self.nodes[number].directory, ignore_errors=True)

    def test_it_comes_back_as_one_that_has_lost_everything(self):
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["m"], "num_replicas": 3})
        self.api(0, "STREAM.INFO.S", wanted=self.whole)
        for _ in range(COUNT):
            self.publish(0)
        removed = self.leader_of("S")
        before = self.store_id(removed)
        self.remove(removed)
        self.until(lambda said: said[0] == 503 and "is to be restarted" in said[1].get("error", ""),
                   lambda: self.health(removed))
        self.assertIn("gets everything from the others", self.nodes[removed].log())
        self.assertFalse(os.path.exists(self.nodes[removed].directory))
        self.publish((removed + 1) % NODES)
        self.nodes[removed].kill()
        self.nodes[removed].start()
        self.assertNotEqual(self.store_id(removed), before)
        self.api((removed + 1) % NODES, "STREAM.INFO.S", wanted=self.whole)
        self.until(lambda said: said[0] == 200, lambda: self.health(removed))
        state = self.api(removed, "STREAM.INFO.S")["state"]
        self.assertGreaterEqual(state["messages"], COUNT + 1)
        self.assertEqual(state["last_seq"], state["messages"])


if __name__ == "__main__":
    unittest.main()
