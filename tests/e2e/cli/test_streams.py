"""Streams as the users of the `nats` command line manage them. All of it also holds for the reference server."""

import json
import os
import shlex
import unittest

import command  # finds the modules below
from cluster import ClusterCase

# As it is copied, but for the equal signs before -1, which this version of the program wants, and the answers
# to what it would ask.
TUTORIAL = (
    'stream add angzarr-events --subjects "angzarr.events.>" --retention limits --max-msgs=-1 --max-bytes=-1'
    " --max-age 7d --storage file --replicas {replicas} --defaults"
)


@unittest.skipUnless(command.PROGRAM, command.WITHOUT)
class Streams(command.Case):
    def tearDown(self):
        for name in self.nats("stream ls --names").split():
            self.nats(f"stream rm {name} --force")

    def info(self, name):
        return json.loads(self.nats(f"stream info {name} --json"))

    def orders(self, count=5):
        self.nats("stream add ORDERS --subjects 'orders.>' --defaults")
        for i in range(count):
            self.nats(f"req orders.{i % 2} 'order {i}'")

    def add(self, **config):
        """From a file: the program asks on a terminal for the details of origins."""
        path = os.path.join(self.server.directory, config["name"] + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"num_replicas": 1, "storage": "file", **config}, file)
        return self.nats(f"stream add {config['name']} --config {path}")

    def test_add_shows_the_stream_with_its_defaults(self):
        said = self.nats("stream add ORDERS --subjects 'orders.>' --defaults")
        for wanted in (
            "Stream ORDERS was created",
            r"Subjects: orders\.>",
            r"Storage: File",
            r"Retention: Limits",
            r"Acknowledgments: true",
            r"Discard Policy: Old",
            r"Duplicate Window: 2m0s",
            r"Maximum Messages: unlimited",
        ):
            self.assertRegex(said, wanted)

    def test_add_as_tutorials_say_it(self):
        self.nats(TUTORIAL.format(replicas=1))
        config = self.info("angzarr-events")["config"]
        self.assertEqual(config["subjects"], ["angzarr.events.>"])
        self.assertEqual(config["max_age"], 7 * 24 * 3600 * 10**9)
        self.assertEqual((config["max_msgs"], config["max_bytes"]), (-1, -1))

    def test_add_takes_every_flag(self):
        self.nats("stream add ORIGIN --subjects 'origin.>' --defaults")
        self.nats(
            "stream add ALL --subjects 'all.a.*,all.b.>' --storage memory --retention work --discard new"
            " --max-msgs 100 --max-bytes 1MB --max-age 1h --max-msg-size 1KB --max-msgs-per-subject 10"
            " --max-consumers 5 --dupe-window 1m --description words --metadata k:v --no-allow-direct --no-ack"
            " --discard-per-subject --first-sequence 1000 --transform-source 'all.a.*'"
            " --transform-destination 'all.b.{{wildcard(1)}}' --republish-source 'all.>'"
            " --republish-destination 'copy.>' --limit-consumer-inactive 1m --limit-consumer-max-pending 10 --defaults"
        )
        config = self.info("ALL")["config"]
        for key, value in {
            "subjects": ["all.a.*", "all.b.>"],
            "storage": "memory",
            "retention": "workqueue",
            "discard": "new",
            "max_msgs": 100,
            "max_msgs_per_subject": 10,
            "max_consumers": 5,
            "duplicate_window": 60 * 10**9,
            "description": "words",
            "no_ack": True,
            "discard_new_per_subject": True,
            "first_seq": 1000,
            "republish": {"src": "all.>", "dest": "copy.>"},
            "consumer_limits": {"inactive_threshold": 60 * 10**9, "max_ack_pending": 10},
        }.items():
            self.assertEqual(config.get(key), value, key)
        self.assertEqual(config["metadata"]["k"], "v")
        self.add(name="MIRROR", mirror={"name": "ORIGIN"})
        self.add(name="SOURCE", sources=[{"name": "ORIGIN"}])
        self.assertEqual(self.info("MIRROR")["config"]["mirror"]["name"], "ORIGIN")
        self.assertEqual(self.info("SOURCE")["sources"][0]["name"], "ORIGIN")

    def test_edit_says_what_differs_and_does_it(self):
        self.orders()
        said = self.nats("stream edit ORDERS --max-msgs 3 --description new --force")
        self.assertRegex(said, r"\+\s+MaxMsgs:\s+3")
        self.assertEqual(self.info("ORDERS")["config"]["max_msgs"], 3)
        self.assertEqual(self.info("ORDERS")["state"]["messages"], 3)
        self.assertIn("No difference", self.nats("stream edit ORDERS --max-msgs 3 --force"))

    def test_what_the_server_refuses_is_shown_with_its_number(self):
        self.orders(0)
        said = self.nats("stream add OTHER --subjects orders.x --defaults", status=1)
        self.assertIn("subjects overlap with an existing stream (10065)", said)
        self.assertIn("stream not found (10059)", self.nats("stream rm NONE --force", status=1))
        said = self.nats(TUTORIAL.format(replicas=3), status=1)
        self.assertIn("replicas > 1 not supported in non-clustered mode (10074)", said)
        for words in ("step-down ORDERS", "peer-remove ORDERS x --force"):  # newer versions look before they ask
            self.assertRegex(self.nats("stream cluster " + words, status=1), r"\(10010\)|is not clustered")

    def test_info_and_state_show_what_is_stored(self):
        self.orders()
        for line in ("stream info ORDERS", "stream state ORDERS"):
            said = self.nats(line)
            self.assertRegex(said, r"Messages: 5\n")
            self.assertRegex(said, r"First Sequence: 1 @")
            self.assertRegex(said, r"Last Sequence: 5 @")
            self.assertRegex(said, r"Number of Subjects: 2")

    def test_ls_and_report_list_streams(self):
        self.orders()
        self.nats("stream add EMPTY --subjects empty --storage memory --defaults")
        self.assertEqual(self.nats("stream ls --names").split(), ["EMPTY", "ORDERS"])
        self.assertEqual(self.nats("stream ls --names --subject orders.x").split(), ["ORDERS"])
        self.assertRegex(self.nats("stream ls"), r"ORDERS +│ +│ [^│]+ │ 5 ")
        self.assertRegex(self.nats("stream report"), r"ORDERS +│ File +│ +│ *0 *│ 5 ")

    def test_find_selects_by_what_streams_are(self):
        self.orders()
        self.nats("stream add EMPTY --subjects empty --defaults")
        self.assertIn("EMPTY", self.nats("stream find --empty"))
        self.assertNotIn("ORDERS", self.nats("stream find --empty"))
        self.assertIn("ORDERS", self.nats("stream find --subject 'orders.>'"))

    def test_get_and_rmm_name_one_message(self):
        self.orders()
        self.assertIn("order 0", self.nats("stream get ORDERS 1"))
        self.assertIn("order 4", self.nats("stream get ORDERS -S orders.0"))
        self.nats("stream rmm ORDERS 2 --force")
        self.assertIn("(10037)", self.nats("stream get ORDERS 2", status=1))
        self.assertEqual(self.info("ORDERS")["state"]["num_deleted"], 1)
        self.assertRegex(self.nats("stream gaps ORDERS --force"), r"2\b")

    def test_view_pages_through_messages(self):
        self.orders()
        shown = command.run_in_terminal(self.server, ["stream", "view", "ORDERS", "3"], b"Next Page")
        self.assertIn("order 0", shown)
        self.assertIn("order 2", shown)
        self.assertNotIn("order 3", shown)

    def test_subjects_are_counted(self):
        self.orders()
        said = self.nats("stream subjects ORDERS")
        self.assertIn("2 Subjects in stream ORDERS", said)
        self.assertRegex(said, r"orders\.0 │ 3 ")

    def test_purge_takes_what_it_is_told_to(self):
        self.orders()
        self.nats("stream purge ORDERS --subject orders.1 --force")
        self.assertEqual(self.info("ORDERS")["state"]["messages"], 3)
        self.nats("stream purge ORDERS --keep 1 --force")
        self.assertEqual(self.info("ORDERS")["state"]["messages"], 1)
        self.nats("stream purge ORDERS --force")
        self.assertEqual(self.info("ORDERS")["state"]["first_seq"], 6)

    def test_copy_and_seal(self):
        self.orders()
        self.nats("stream copy ORDERS COPY --subjects 'copies.>'")
        self.assertEqual(self.info("COPY")["config"]["subjects"], ["copies.>"])
        self.nats("stream seal ORDERS --force")
        self.assertTrue(self.info("ORDERS")["config"]["sealed"])
        self.assertIn("(10109)", self.nats("stream purge ORDERS --force", status=1))

    def test_rm_is_the_end_of_it(self):
        self.orders()
        self.nats("stream add OTHER --subjects other --defaults")
        self.nats("stream rm ORDERS --force")
        self.nats("stream info ORDERS", status=1)
        self.assertEqual(self.nats("stream ls --names").split(), ["OTHER"])

    def test_the_topology_is_drawn(self):
        self.orders()
        self.add(name="MIRROR", mirror={"name": "ORDERS"})
        path = os.path.join(self.server.directory, "topology.dot")
        self.nats(f"stream report --dot {path}")
        with open(path, encoding="utf-8") as file:
            drawn = file.read()
        self.assertIn("digraph", drawn)
        self.assertIn("ORDERS", drawn)
        self.assertIn("MIRROR", drawn)


@unittest.skipUnless(command.PROGRAM, command.WITHOUT)
class OverACluster(ClusterCase):
    def nats(self, line, node=0, status=0):
        return command.run(self.nodes[node], shlex.split(line), status)

    def cluster(self):
        return json.loads(self.nats("stream info angzarr-events --json"))["cluster"]

    def settled(self, wanted):
        """The cluster's view, when it is that; whoever asks while nobody leads is told so."""

        def ask():
            try:
                return self.cluster()
            except command.Failed:
                return {}

        return self.until(wanted, ask)

    def test_a_stream_of_three_is_made_moved_and_taken_apart(self):
        def made():
            try:
                return self.nats(TUTORIAL.format(replicas=3))
            except command.Failed as failed:  # nobody leads the cluster yet
                return str(failed)

        said = self.until(lambda text: "was created" in text, made)
        self.assertRegex(said, r"Replicas: 3")
        self.settled(lambda view: len(view.get("replicas", [])) == 2 and all(r["current"] for r in view["replicas"]))
        for i in range(20):
            self.nats(f"req angzarr.events.{i} x", node=i % 3)
        before = self.cluster()["leader"]
        self.assertIn("New leader elected", self.nats("stream cluster step-down angzarr-events"))
        after = self.settled(lambda view: view.get("leader") not in (None, "", before))
        report = self.nats("stream report")
        self.assertRegex(report, r"angzarr-events +│ File +│ [^│]*│ *0 *│ 20 ")
        self.assertIn(after["leader"] + "*", report)
        for name in ("n0", "n1", "n2"):
            self.assertIn(name, report)
        for line in ("stream ls --names", "stream find --replicas 3 --names"):
            self.assertIn("angzarr-events", self.nats(line, node=1), line)
        gone = next(r["name"] for r in after["replicas"])
        said = self.nats(f"stream cluster peer-remove angzarr-events {gone} --force", status=1)
        self.assertIn("peer remap failed (10075)", said)
        self.nats("stream edit angzarr-events --replicas 1 --force")
        self.settled(lambda view: view.get("leader") and not view.get("replicas"))
        state = json.loads(self.nats("stream info angzarr-events --json", node=2))["state"]
        self.assertEqual(state["messages"], 20)
        self.nats("stream purge angzarr-events --force", node=1)
        self.nats("stream rm angzarr-events --force", node=2)
        self.assertEqual(self.nats("stream ls --names").split(), [])


if __name__ == "__main__":
    unittest.main()
