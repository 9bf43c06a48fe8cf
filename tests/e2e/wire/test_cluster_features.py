"""Stream features that time or leaders decide, on three servers: what one says all say, whoever leads.

It holds for the reference server as well.
"""

import json
import time
import unittest

import test_cluster_jetstream as cluster  # finds serverprocess

SECOND = 1_000_000_000
SETTLE_S = 20


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

    def publish(self, subject, *lines):
        head = b"NATS/1.0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
        with self.user(2, "app") as app:
            answer = app.publish(subject, b"body", head if lines else b"")
        self.assertNotIn("error", answer)
        return answer

    def step_down(self, name):
        with self.user(0, "app") as app:
            before = app.api("STREAM.INFO." + name)["cluster"]["leader"]
            self.assertEqual(app.api("STREAM.LEADER.STEPDOWN." + name).get("success"), True)
            self.until(lambda: self.leader(app, name) not in (None, "", before))

    @staticmethod
    def leader(app, name):
        return app.api("STREAM.INFO." + name).get("cluster", {}).get("leader")

    def until(self, holds):
        end = time.monotonic() + SETTLE_S
        while not holds():
            self.assertLess(time.monotonic(), end, "it does not come true")
            time.sleep(0.1)

    def test_messages_end_whoever_leads_and_leave_one_marker(self):
        self.stream("TTL", subject_delete_marker_ttl=600 * SECOND, max_msgs_per_subject=1)
        self.publish(b"ttl.a", b"Nats-TTL: 3")
        self.publish(b"ttl.b", b"Nats-TTL: never")
        self.step_down("TTL")
        self.until(lambda: self.state("TTL")["last_seq"] == 3)
        self.step_down("TTL")
        with self.user(0, "app") as app:
            gone = app.api("STREAM.MSG.GET.TTL", {"seq": 1})
            last = app.api("STREAM.MSG.GET.TTL", {"last_by_subj": "ttl.a"})
        self.assertEqual(gone["error"]["err_code"], 10037)
        self.assertEqual(last["message"]["seq"], 3, json.dumps(last))
        time.sleep(2)
        self.assertEqual(self.state("TTL")["last_seq"], 3)
        self.assertEqual(self.state("TTL")["messages"], 2)


if __name__ == "__main__":
    unittest.main()
