"""Streams with memory storage: what is left of them after a restart, alone and in a cluster."""

import signal
import time
import unittest

from wire import Requester, Timeout  # finds serverprocess
from serverprocess import Server, free_port

NODES = 3
WITHIN_S = 30.0


def create(client, name, **config):
    return client.api("STREAM.CREATE." + name, {"name": name, "subjects": [name.lower()], **config})


class Alone(unittest.TestCase):
    def restarted(self, sig):
        with Server() as server:
            with Requester(server.port) as client:
                self.assertNotIn("error", create(client, "M", storage="memory", max_bytes=10000))
                self.assertNotIn("error", create(client, "F"))
                for name in (b"m", b"f"):
                    self.assertEqual(client.publish(name, b"x")["seq"], 1)
                self.assertEqual(client.api("INFO")["memory"], 18)
            server.restart(sig)
            with Requester(server.port) as client:
                self.assertEqual(client.api("STREAM.NAMES")["streams"], ["F"])
                self.assertEqual(client.api("STREAM.INFO.M")["error"]["err_code"], 10059)
                usage = client.api("INFO")
                self.assertEqual((usage["memory"], usage["reserved_memory"], usage["streams"]), (0, 0, 1))
                self.assertTrue(create(client, "M", storage="memory")["did_create"])
                self.assertEqual(client.publish(b"m", b"y")["seq"], 1)
            server.restart(sig)
            with Requester(server.port) as client:
                self.assertEqual(client.api("STREAM.NAMES")["streams"], ["F"])
                self.assertEqual(client.publish(b"f", b"y")["seq"], 2)

    def test_a_memory_stream_is_gone_after_a_kill_and_a_file_stream_is_not(self):
        self.restarted(signal.SIGKILL)

    def test_a_memory_stream_is_gone_after_a_shutdown_and_a_file_stream_is_not(self):
        self.restarted(signal.SIGTERM)


class InACluster(unittest.TestCase):
    def setUp(self):
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(NODES)]
        self.nodes = [
            Server(["--server_name", f"n{i}", "--cluster_name", "C", "--cluster", routes[i], "--routes", ",".join(routes)])
            for i in range(NODES)
        ]
        for node in self.nodes:
            self.addCleanup(node.__exit__)
            node.spawn()
        for node in self.nodes:
            node.wait_ready()

    def until(self, wanted, ask):
        """Asks until the answer is wanted; nobody answers while there is no leader."""
        end = time.monotonic() + WITHIN_S
        answer = None
        while time.monotonic() < end:
            try:
                answer = ask()
                if wanted(answer):
                    return answer
            except (Timeout, OSError, AssertionError):
                pass
            time.sleep(0.1)
        self.fail(f"not within {WITHIN_S} s; got {answer}")

    def api(self, node, subject, body=b"", wanted=lambda answer: "error" not in answer):
        def ask():
            with Requester(self.nodes[node].port) as client:
                return client.api(subject, body)

        return self.until(wanted, ask)

    def publish(self, node):
        def ask():
            with Requester(self.nodes[node].port) as client:
                return client.publish(b"m", b"x")

        return self.until(lambda answer: "seq" in answer, ask)["seq"]

    def whole(self, answer):
        replicas = answer.get("cluster", {}).get("replicas", [])
        return len(replicas) == 2 and all(r["current"] and not r.get("offline") for r in replicas)

    def test_a_restarted_member_is_caught_up_and_nothing_is_lost(self):
        config = {"name": "M", "subjects": ["m"], "storage": "memory", "num_replicas": NODES}
        self.api(0, "STREAM.CREATE.M", config)
        for i in range(NODES):
            self.assertEqual(self.publish(i), i + 1)
        for i in range(NODES):  # one after the other, so in the end nobody has the memory it began with
            self.nodes[i].restart(signal.SIGKILL)
            info = self.api((i + 1) % NODES, "STREAM.INFO.M", wanted=self.whole)
            self.assertEqual(info["state"]["messages"], NODES + i)
            self.assertEqual(self.publish(i), NODES + i + 1)

    def test_it_is_there_and_empty_when_all_members_were_restarted(self):
        config = {"name": "M", "subjects": ["m"], "storage": "memory", "num_replicas": NODES}
        self.api(0, "STREAM.CREATE.M", config)
        self.assertEqual(self.publish(0), 1)
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.wait_ready()
        info = self.api(1, "STREAM.INFO.M", wanted=self.whole)
        self.assertEqual(info["state"]["messages"], 0)
        self.assertEqual(self.publish(2), 1)


if __name__ == "__main__":
    unittest.main()
