"""Errors that take a cluster, or a server whose store has an end, by their number (error_rows.py)."""

import json
import os
import shutil
import tempfile
import unittest

from cluster import ClusterCase
from wire import Requester  # finds serverprocess
from serverprocess import Server

MIB = 1 << 20


class ServerErrors(unittest.TestCase):
    def test_a_full_store_refuses_with_10023(self):
        directory = tempfile.mkdtemp(prefix="millrace-errors-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("jetstream { max_file_store: 1MB }\n")
        with Server(["-c", path]) as server, Requester(server.port) as client:
            client.api("STREAM.CREATE.S", {"name": "S"})
            self.assertEqual(client.publish(b"S", b"x" * 900_000)["seq"], 1)
            self.assertEqual(client.publish(b"S", b"x" * 900_000)["error"]["err_code"], 10023)
            self.assertEqual(client.api("STREAM.INFO.S")["state"]["messages"], 1)


class ClusterErrors(ClusterCase):
    def refused(self, subject, body, number):
        self.api(0, subject, json.dumps(body).encode(), wanted=lambda a: a.get("error", {}).get("err_code") == number)

    def test_what_only_a_cluster_refuses_has_its_number(self):
        queue = {"name": "S", "num_replicas": 3, "retention": "interest"}
        self.api(0, "STREAM.CREATE.S", json.dumps(queue).encode())
        fewer = {"name": "C", "ack_policy": "explicit", "num_replicas": 1}
        self.refused("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": fewer}, 10134)
        self.refused("STREAM.PEER.REMOVE.S", {"peer": "nobody"}, 10040)
        self.refused("STREAM.PEER.REMOVE.S", {"peer": "n2"}, 10075)


if __name__ == "__main__":
    unittest.main()
