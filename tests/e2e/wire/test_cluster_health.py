"""What a node of a cluster says of itself while others die: /healthz, /raftz, /metrics."""

import json
import os
import shutil
import time
import unittest

from cluster import NODES, WITHIN_S, ClusterCase
from test_metrics import parse
from test_monitoring import get
from wire import own_promise
from serverprocess import free_port

NO_LEADER = "JetStream has not established contact with a meta leader"


class Health(ClusterCase):
    def setUp(self):
        self.monitors = [free_port() for _ in range(NODES)]
        super().setUp()

    def arguments(self, number):
        return ["-m", str(self.monitors[number])]

    def health(self, number, query=""):
        status, body = get(self.monitors[number], "/healthz" + query)
        return status, json.loads(body)

    def test_a_node_is_well_while_a_majority_lives_and_says_why_when_it_does_not(self):
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["m"], "num_replicas": 3})
        for number in range(NODES):
            self.until(lambda said: said == (200, {"status": "ok"}), lambda n=number: self.health(n))
        self.nodes[2].kill()
        self.publish(0)
        self.until(lambda said: said[0] == 200, lambda: self.health(0))
        self.nodes[1].kill()
        # Which of its groups notices first is chance; that of the metadata is what is said then.
        unwell = (503, {"status": "unavailable", "error": NO_LEADER})
        self.until(lambda said: said == unwell, lambda: self.health(0))
        self.assertNotEqual(self.health(0)[0], 200)
        self.assertEqual(self.health(0, "?js-enabled-only=1")[0], 200)
        self.nodes[1].start()
        self.until(lambda said: said[0] == 200, lambda: self.health(0))

    @own_promise
    def test_metrics_and_raftz_tell_a_node_that_is_not_well(self):
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["m"], "num_replicas": 3})

        def healthy():
            return parse(get(self.monitors[0], "/metrics")[1])["millrace_jetstream_healthy", None]

        def leaders():
            groups = json.loads(get(self.monitors[0], "/raftz")[1])
            return [group.get("leader") for account in groups.values() for group in account.values()]

        self.until(lambda value: value == 1, healthy)
        self.until(lambda found: len(found) == 2 and all(found), leaders)
        for node in self.nodes[1:]:
            node.kill()
        self.until(lambda value: value == 0, healthy)
        self.until(lambda found: found == [None, None], leaders)

    def test_every_document_says_how_far_the_metadata_is_behind_its_snapshot(self):
        """nats-surveyor takes each member of it for granted and dies without."""
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["m"], "num_replicas": 3})
        for port in self.monitors:
            for path, key in (("/jsz", "meta_cluster"), ("/varz", "jetstream")):
                said = json.loads(get(port, path)[1])[key]
                snapshot = said.get("meta", said)["snapshot"]
                self.assertIsInstance(snapshot["pending_entries"], int)
                self.assertGreaterEqual(snapshot["pending_entries"], 0)
                self.assertGreaterEqual(snapshot["pending_size"], 0)
                self.assertRegex(snapshot["last_time"], r"^\d{4}-\d\d-\d\dT.*Z$")

    @own_promise
    def test_all_documents_call_a_streams_group_by_one_name(self):
        for name, storage, begin in (("F", "file", "S-R3F-"), ("M", "memory", "S-R3M-")):
            self.api(0, f"STREAM.CREATE.{name}", {"name": name, "subjects": [name], "num_replicas": 3, "storage": storage})
            group = self.api(0, f"STREAM.INFO.{name}")["cluster"]["raft_group"]
            self.assertTrue(group.startswith(begin), group)
            for port in self.monitors:
                self.until(lambda found: found == [group] * 2, lambda port=port, name=name: self.groups_named(port, name))

    def groups_named(self, port, stream):
        said = json.loads(get(port, "/jsz?accounts=1&streams=1&raft=1")[1])
        rows = [row for account in said["account_details"] for row in account.get("stream_detail", []) if row["name"] == stream]
        return [name for row in rows for name in (row["stream_raft_group"], row["cluster"]["raft_group"])]

    # --- a node that comes back empty

    def wipe_a_follower(self):
        """(it, the leader): its replicas are learners, of whom nobody's majority consists."""
        leader = self.leader_of("S")
        follower = (leader + 1) % NODES
        self.nodes[follower].kill()
        shutil.rmtree(os.path.join(self.nodes[follower].directory, "millrace"))
        self.nodes[follower].spawn()
        self.nodes[follower].wait_ready()
        return follower, leader

    def groups(self, number):
        found = json.loads(get(self.monitors[number], "/raftz")[1])
        return {name: group for account in found.values() for name, group in account.items()}

    def settled(self):
        for number in range(NODES):
            self.until(lambda said: said[0] == 200, lambda n=number: self.health(n))

    @own_promise
    def test_a_node_that_comes_back_empty_is_well_only_when_it_is_counted_on(self):
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["m"], "num_replicas": 3})
        self.settled()
        for _ in range(2):
            self.publish(0)
            follower, leader = self.wipe_a_follower()
            end = time.monotonic() + WITHIN_S
            while self.health(follower)[0] != 200:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.002)
            self.nodes[leader].kill()
            groups = self.groups(follower)
            self.assertEqual(len(groups), 2, groups)
            self.assertTrue(all(group["voter"] and group["whole"] for group in groups.values()), groups)
            self.publish(follower)
            self.nodes[leader].start()
            self.settled()

    @own_promise
    def test_a_leader_that_dies_while_a_learner_takes_its_log_is_waited_for(self):
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["m"], "num_replicas": 3})
        self.settled()
        for wait_s in (0.2, 0.35, 0.45, 0.55):
            self.publish(0)
            follower, leader = self.wipe_a_follower()
            time.sleep(wait_s)
            self.nodes[leader].kill()
            time.sleep(0.5)
            self.nodes[leader].start()
            self.publish(follower)
            self.settled()
            self.assertTrue(all(group["voter"] for group in self.groups(follower).values()))


if __name__ == "__main__":
    unittest.main()
