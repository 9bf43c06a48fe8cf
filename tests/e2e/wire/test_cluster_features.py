"""Stream features that time or leaders decide, on three servers: what one says all say, whoever leads.

It holds for the reference server as well.
"""

import json
import os
import shutil
import tempfile
import time
import unittest

import test_cluster_jetstream as cluster  # finds serverprocess
from wire import Timeout

SECOND = 1_000_000_000
SETTLE_S = 90


class Features(unittest.TestCase):
    user = classmethod(cluster.ThreeServers.user.__func__)
    when_formed = classmethod(cluster.ThreeServers.when_formed.__func__)
    setUpClass = classmethod(cluster.ThreeServers.setUpClass.__func__)

    def stream(self, name, **config):
        body = {"name": name, "subjects": [name.lower() + ".>"], "num_replicas": 3, **config}
        with self.user(0, "app") as app:
            answer = app.api("STREAM.CREATE." + name, body)
        self.assertNotIn("error", answer)

    def state(self, name):
        with self.user(1, "app") as app:
            return app.api("STREAM.INFO." + name).get("state")

    def taken(self, node, subject, body, head):
        """What a stream answers to it, asked again while that nobody leads is answered: then it was not stored."""
        end = time.monotonic() + SETTLE_S
        while True:
            with self.user(node, "app") as app:
                said, data = app.ask(subject, body, head)
            if not said.startswith(b"NATS/1.0 503"):
                answer = json.loads(data)
                self.assertNotIn("error", answer)
                return answer
            self.assertLess(time.monotonic(), end, said)
            time.sleep(0.05)

    def publish(self, subject, *lines):
        head = b"NATS/1.0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
        return self.taken(2, subject, b"body", head if lines else b"")

    def step_down(self, name):
        with self.user(0, "app") as app:
            before = app.api("STREAM.INFO." + name)["cluster"]["leader"]
            self.assertEqual(app.api("STREAM.LEADER.STEPDOWN." + name).get("success"), True)
        self.until(lambda leader: leader not in (None, "", before), lambda: self.leader(name))

    def leader(self, name):
        with self.user(0, "app") as app:
            return app.api("STREAM.INFO." + name).get("cluster", {}).get("leader")

    def until(self, wanted, ask):
        end = time.monotonic() + SETTLE_S
        while True:
            try:
                found = ask()
                if wanted(found):
                    return
            except (Timeout, OSError, AssertionError) as problem:
                found = problem
            self.assertLess(time.monotonic(), end, repr(found))
            time.sleep(0.1)

    def test_messages_end_whoever_leads_and_leave_one_marker(self):
        self.stream("TTL", subject_delete_marker_ttl=600 * SECOND, max_msgs_per_subject=1)
        self.publish(b"ttl.b", b"Nats-TTL: never")
        self.publish(b"ttl.a", b"Nats-TTL: 3")
        self.step_down("TTL")
        self.until(lambda state: state and state["last_seq"] == 3, lambda: self.state("TTL"))
        self.step_down("TTL")
        with self.user(0, "app") as app:
            gone = app.api("STREAM.MSG.GET.TTL", {"seq": 2})
            last = app.api("STREAM.MSG.GET.TTL", {"last_by_subj": "ttl.a"})
        self.assertEqual(gone["error"]["err_code"], 10037)
        self.assertEqual(last["message"]["seq"], 3, json.dumps(last))
        time.sleep(2)
        self.assertEqual(self.state("TTL")["last_seq"], 3)
        self.assertEqual(self.state("TTL")["messages"], 2)


    def increment(self, node, subject):
        return int(self.taken(node, subject, b"", b"NATS/1.0\r\nNats-Incr: 1\r\n\r\n")["val"])

    def test_a_stream_tells_of_its_mirrors_and_of_none_that_is_gone(self):
        self.stream("ALT", num_replicas=1)
        self.stream("COPY", num_replicas=1, subjects=[], mirror={"name": "ALT"})
        self.until(lambda rows: len(rows) == 2, lambda: self.alternates("ALT"))
        self.assertEqual({row["name"] for row in self.alternates("ALT")}, {"ALT", "COPY"})
        self.assertEqual({row["cluster"] for row in self.alternates("ALT")}, {"C"})
        self.assertEqual(self.alternates("COPY"), [])
        with self.user(2, "app") as app:
            self.assertEqual(app.api("STREAM.DELETE.COPY").get("success"), True)
        self.until(lambda rows: rows == [], lambda: self.alternates("ALT"))

    def alternates(self, name):
        with self.user(1, "app") as app:
            return app.api("STREAM.INFO." + name).get("alternates", [])

    def test_counters_count_on_whoever_leads_and_whoever_is_asked(self):
        self.stream("COUNT", allow_msg_counter=True)
        for turn in range(3):
            for i in range(1, 7):
                self.assertEqual(self.increment(i % 3, b"count.a"), turn * 6 + i)
            self.step_down("COUNT")

    def test_a_direct_batch_is_whole_whoever_is_asked(self):
        self.stream("MANY", allow_direct=True)
        for _ in range(20):
            self.publish(b"many.a")
        for node in range(3):
            with self.user(node, "app") as app:
                body = b'{"batch":100,"seq":1}'
                app.send(b"PUB $JS.API.DIRECT.GET.MANY answers.many %d\r\n" % len(body) + body + b"\r\n")
                answers = [app.message() for _ in range(21)]
            for i, (_, _, head, data) in enumerate(answers[:20]):
                self.assertIn(b"Nats-Sequence: %d\r\n" % (i + 1), head)
                self.assertEqual(data, b"body")
            self.assertTrue(answers[20][2].startswith(b"NATS/1.0 204 EOB\r\n"), answers[20])


class Placement(unittest.TestCase):
    """Servers that differ by their tags."""

    TAGS = (["zone:a", "ssd"], ["zone:a", "hdd"], ["zone:b", "ssd"])

    user = classmethod(cluster.ThreeServers.user.__func__)
    when_formed = classmethod(cluster.ThreeServers.when_formed.__func__)

    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="millrace-placement-")
        cls.addClassCleanup(shutil.rmtree, directory, ignore_errors=True)
        ports = [cluster.free_port() for _ in cls.TAGS]
        routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
        cls.members = []
        for i, port in enumerate(ports):
            config = os.path.join(directory, f"{i}.conf")
            with open(config, "w", encoding="utf-8") as file:
                file.write(cluster.CONFIG + "server_tags: " + json.dumps(cls.TAGS[i]) + "\n")
            cls.members.append(cluster.Member(f"n{i}", port, routes, config))
        for member in cls.members:
            cls.addClassCleanup(member.__exit__)
            member.__enter__()
        cls.when_formed()

    def ask(self, verb, **config):
        with self.user(0, "app") as app:
            return app.api(f"STREAM.{verb}.P", {"name": "P", **config} if config else b"")

    def place(self, replicas, *tags, verb="CREATE", **placement):
        if tags:
            placement["tags"] = list(tags)
        return self.ask(verb, num_replicas=replicas, placement=placement)

    def members_of(self):
        info = self.ask("INFO").get("cluster", {})
        return {info.get("leader")} | {peer["name"] for peer in info.get("replicas", [])}

    def tearDown(self):
        self.ask("DELETE")

    def publish_soon(self, subject, body):
        """A node that does not hold the stream hears of it a moment after its leader has answered."""
        end = time.monotonic() + SETTLE_S
        while True:
            with self.user(1, "app") as app:
                head, data = app.ask(subject, body)
            if not head.startswith(b"NATS/1.0 503"):
                self.assertNotIn("error", json.loads(data))
                return
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_a_stream_is_on_the_servers_that_have_its_tags_and_moves_when_they_change(self):
        self.assertNotIn("error", self.place(1, "zone:b"))
        self.assertEqual(self.members_of(), {"n2"})
        self.publish_soon(b"P", b"kept")
        self.assertNotIn("error", self.place(1, "hdd", verb="UPDATE"))
        end = time.monotonic() + SETTLE_S
        while self.members_of() != {"n1"}:
            self.assertLess(time.monotonic(), end, self.members_of())
            time.sleep(0.1)
        with self.user(1, "app") as app:
            self.assertEqual(app.api("STREAM.MSG.GET.P", {"seq": 1})["message"]["data"], "a2VwdA==")
        self.assertEqual(self.place(3, "ssd", verb="UPDATE")["error"]["err_code"], 10123)

    def test_what_no_server_allows_is_refused_with_the_reason(self):
        for replicas, tags, placement, why in (
            (1, ["zone:c"], {}, ", tags not matched ['zone:c']"),
            (3, ["!zone:a"], {}, ", tags excluded ['zone:a']"),
            (3, ["ssd", "!zone:b"], {"cluster": "C"}, ", tags not matched ['ssd'], tags excluded ['zone:b']"),
            (1, [], {"cluster": "D"}, ""),
        ):
            error = self.place(replicas, *tags, **placement)["error"]
            self.assertEqual(error["err_code"], 10005)
            self.assertEqual(error["description"], "no suitable peers for placement" + why)
        self.assertNotIn("error", self.place(3, cluster="C"))
        self.assertEqual(self.members_of(), {"n0", "n1", "n2"})


if __name__ == "__main__":
    unittest.main()
