"""Three servers of one cluster, for tests that end and start them."""

import time
import unittest

from wire import ASK_S, Requester, Timeout  # finds serverprocess
from serverprocess import Server, free_port

NODES = 3
WITHIN_S = 180.0


def start_together(nodes):
    for node in nodes:
        node.spawn()
    for node in nodes:
        node.wait_ready()


class Patient(unittest.TestCase):
    """What is asked is asked again until the answer is as wanted."""

    def until(self, wanted, ask):
        end = time.monotonic() + WITHIN_S
        answer = None
        while time.monotonic() < end:
            try:
                answer = ask()
                if wanted(answer):
                    return answer
            except (Timeout, OSError, AssertionError) as error:
                answer = error
            time.sleep(0.1)
        self.fail(f"not within {WITHIN_S:g} s; got {answer!r}")


class ClusterCase(Patient):
    """`nodes` are the servers. What is asked is asked again while nobody leads."""

    def setUp(self):
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(NODES)]
        self.nodes = [
            Server(
                ["--server_name", f"n{i}", "--cluster_name", "C", "--cluster", routes[i]]
                + ["--routes", ",".join(routes), *self.arguments(i)]
            )
            for i in range(NODES)
        ]
        for node in self.nodes:
            self.addCleanup(node.__exit__)
        start_together(self.nodes)

    def arguments(self, number):
        """More flags for a node."""
        return []

    def api(self, node, subject, body=b"", wanted=lambda answer: "error" not in answer):
        def ask():
            with Requester(self.nodes[node].port, read_s=ASK_S) as client:
                return client.api(subject, body)

        return self.until(wanted, ask)

    published = 0

    def publish(self, node, subject=b"m"):
        """The sequence; the message is stored once however often it had to be sent."""
        self.published += 1
        once = b"NATS/1.0\r\nNats-Msg-Id: %d\r\n\r\n" % self.published

        def ask():
            with Requester(self.nodes[node].port, read_s=ASK_S) as client:
                return client.publish(subject, b"x", once)

        return self.until(lambda answer: "seq" in answer, ask)["seq"]

    def leader_of(self, stream):
        info = self.api(0, "STREAM.INFO." + stream, wanted=lambda a: a.get("cluster", {}).get("leader"))
        return int(info["cluster"]["leader"][1:])

    @staticmethod
    def whole(answer):
        """All replicas of the stream are there and have everything."""
        replicas = answer.get("cluster", {}).get("replicas", [])
        return len(replicas) == NODES - 1 and all(r["current"] and not r.get("offline") for r in replicas)
