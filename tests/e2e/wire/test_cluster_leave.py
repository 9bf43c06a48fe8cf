"""A server lost for good is removed from its cluster: SERVER.REMOVE, as nats-server 2.14 answers it, and what comes of it."""

import json
import os
import shutil
import tempfile
import unittest

from cluster import NODES, ClusterCase, start_together
from test_monitoring import get
from wire import Requester, Timeout, own_promise
from serverprocess import Server, free_port

CONFIG = """accounts { SYS { users: [{user: admin, password: a}] }
           APP { jetstream: enabled, users: [{user: app, password: b}] } }
system_account: SYS
no_auth_user: app
"""
BAD, NO_LEADER, NO_JSON, RAFT, NO_MEMBER = 10003, 10008, 10025, 10041, 10044
UNDER_WAY = 10202


class Leave(ClusterCase):
    def setUp(self):
        fd, self.config = tempfile.mkstemp(suffix=".conf")
        os.write(fd, CONFIG.encode())
        os.close(fd)
        self.addCleanup(os.unlink, self.config)
        self.monitors = [free_port() for _ in range(NODES + 1)]
        super().setUp()
        self.routes = self.nodes[0].arguments[self.nodes[0].arguments.index("--routes") + 1]

    def arguments(self, number):
        return ["-c", self.config, "-m", str(self.monitors[number])]

    def admin(self, node=0, inbox=b"admins"):
        return Requester(self.nodes[node].port, inbox=inbox, user="admin", **{"pass": "a"})

    def remove(self, body, node=0):
        with self.admin(node) as client:
            return client.api("SERVER.REMOVE", body)

    def refused(self, body):
        return self.remove(body).get("error", {}).get("err_code")

    def meta(self, node=0):
        """As the one who leads tells it."""
        answer = json.loads(get(self.monitors[node], "/jsz")[1])["meta_cluster"]
        leader = answer.get("leader")
        if not leader or leader == f"n{node}":
            return answer
        return json.loads(get(self.monitors[int(leader[1:])], "/jsz")[1])["meta_cluster"]

    def names(self, node=0):
        meta = self.meta(node)
        assert meta.get("leader"), "nobody leads"
        return sorted([meta["leader"]] + [row["name"] for row in meta.get("replicas", [])])

    def stream(self, name="S"):
        self.api(0, f"STREAM.CREATE.{name}", {"name": name, "subjects": ["m"], "num_replicas": 3})
        self.until(self.whole, lambda: self.api(0, f"STREAM.INFO.{name}"))

    def lost(self, name="S"):
        """A follower of both that has died."""
        leaders = {self.meta()["leader"], f"n{self.leader_of(name)}"}
        node = next(i for i in range(NODES) if f"n{i}" not in leaders)
        self.nodes[node].kill()
        asked = next(i for i in range(NODES) if i != node)
        self.until(lambda meta: any(row["name"] == f"n{node}" and row.get("offline") for row in meta["replicas"]),
                   lambda: self.meta(asked))
        return node

    def holders(self, asked, name="S"):
        cluster = self.api(asked, f"STREAM.INFO.{name}", wanted=lambda a: a.get("cluster", {}).get("leader"))["cluster"]
        return sorted([cluster["leader"]] + [row["name"] for row in cluster.get("replicas", [])])

    def test_what_cannot_be_removed_is_refused(self):
        self.stream()
        self.assertEqual(self.refused(b""), BAD)
        self.assertEqual(self.refused(b"{}"), BAD)
        self.assertEqual(self.refused(b"{"), NO_JSON)
        self.assertEqual(self.refused({"x": 1}), NO_JSON)
        self.assertEqual(self.refused({"peer": "n9"}), NO_MEMBER)
        self.assertEqual(self.refused({"peer": "n1", "peer_id": "n1"}), NO_MEMBER)
        with Requester(self.nodes[0].port) as client:
            client.read_s = 3
            with self.assertRaises(Timeout):  # the system account's alone: no answer to anybody else
                client.ask(b"$JS.API.SERVER.REMOVE", b'{"peer":"n1"}')
        self.assertEqual(self.names(), ["n0", "n1", "n2"])

    @own_promise
    def test_who_is_needed_is_not_removed(self):
        self.stream()
        lost = self.lost()
        left = [f"n{i}" for i in range(NODES) if i != lost]
        self.assertEqual(self.remove({"peer": left[0]}, int(left[1][1:]))["error"]["err_code"], RAFT)
        self.assertEqual(self.names(int(left[0][1:])), ["n0", "n1", "n2"])

    @own_promise
    def test_one_leaves_at_a_time_and_a_leader_hands_over_first(self):
        self.stream()
        first = int(self.meta()["leader"][1:])
        second = next(i for i in range(NODES) if i != first)
        with self.admin(first) as client:
            for node in (first, second):
                body = json.dumps({"peer": f"n{node}"}).encode()
                client.send(b"PUB $JS.API.SERVER.REMOVE admins.%d %d\r\n%s\r\n" % (node, len(body), body))
            answers = {message[0]: json.loads(message[-1]) for message in (client.message(), client.message())}
        self.assertIn(answers[b"admins.%d" % second]["error"]["err_code"], (UNDER_WAY, NO_LEADER))
        self.assertTrue(answers[b"admins.%d" % first]["success"])
        two = sorted(f"n{i}" for i in range(NODES) if i != first)
        self.until(lambda found: found == two, lambda: self.names(second))
        self.until(lambda found: found == two, lambda: self.holders(second))
        self.publish(second)

    @own_promise
    def test_a_server_lost_for_good_is_gone_and_comes_back_as_a_new_one_only(self):
        self.stream()
        self.publish(0)
        lost = self.lost()
        left = [i for i in range(NODES) if i != lost]
        heard = self.admin(left[0], b"heard")
        self.addCleanup(heard.__exit__)
        heard.send(b"SUB $JS.EVENT.ADVISORY.SERVER.REMOVED 9\r\n")
        heard.flush()
        answer = self.remove({"peer": f"n{lost}"}, left[1])
        self.assertEqual(answer, {"type": "io.nats.jetstream.api.v1.meta_server_remove_response", "success": True})
        said = json.loads(heard.message()[-1])
        self.assertEqual((said["type"], said["server"]), ("io.nats.jetstream.advisory.v1.server_removed", f"n{lost}"))
        self.assertEqual(self.remove({"peer": f"n{lost}"}, left[0])["error"]["err_code"], NO_MEMBER)
        two = sorted(f"n{i}" for i in left)
        self.assertEqual(self.names(left[0]), two)
        self.until(lambda found: found == two, lambda: self.holders(left[0]))
        self.publish(left[0])

        self.nodes[lost].start()  # with what it had
        status, body = self.until(lambda said: said[0] == 503 and "removed" in said[1], lambda: get(self.monitors[lost], "/healthz"))
        self.assertIn("this server was removed from the cluster", json.loads(body)["error"], status)
        self.assertIn("is not let in again with the data it has", self.nodes[lost].log())
        self.publish(left[0])
        self.assertEqual(self.names(left[0]), two)
        self.nodes[lost].restart()  # it knows by itself
        self.until(lambda said: said[0] == 503 and "removed" in said[1], lambda: get(self.monitors[lost], "/healthz"))
        self.assertEqual(self.names(left[0]), two)

        self.nodes[lost].kill()
        shutil.rmtree(os.path.join(self.nodes[lost].directory, "millrace"))
        self.nodes[lost].start()
        self.until(lambda found: found == ["n0", "n1", "n2"], lambda: self.names(left[0]))
        self.until(lambda found: found == ["n0", "n1", "n2"], lambda: self.holders(left[0]))
        info = self.until(self.whole, lambda: self.api(left[0], "STREAM.INFO.S"))
        self.assertEqual(info["state"]["messages"], 3)

    @own_promise
    def test_a_free_server_takes_the_place_and_one_that_is_up_gives_all_it_has(self):
        self.monitors[NODES] = free_port()  # taken by nobody since
        extra = Server(["--server_name", "n3", "--cluster_name", "C", "--cluster", f"nats://127.0.0.1:{free_port()}"]
                       + ["--routes", self.routes, *self.arguments(NODES)])
        self.nodes.append(extra)
        self.addCleanup(extra.__exit__)
        self.stream()
        start_together([extra])
        self.until(lambda found: len(found) == 4, self.names)
        lost = self.lost()
        asked = next(i for i in range(NODES) if i != lost)
        peer = next(row["peer"] for row in self.meta(asked)["replicas"] if row["name"] == f"n{lost}")
        self.assertTrue(self.remove({"peer_id": peer}, asked)["success"])
        three = sorted(f"n{i}" for i in range(4) if i != lost)
        self.until(lambda found: found == three, lambda: self.holders(asked))
        self.until(self.whole, lambda: self.api(asked, "STREAM.INFO.S"))

        self.api(asked, "STREAM.CREATE.ONE", {"name": "ONE", "subjects": ["one"], "num_replicas": 1})
        self.publish(asked, b"one")
        holder = self.holders(asked, "ONE")[0]
        other = next(i for i in range(4) if i != lost and f"n{i}" != holder)
        self.assertTrue(self.remove({"peer": holder}, other)["success"])
        self.until(lambda found: len(found) == 1 and found != [holder], lambda: self.holders(other, "ONE"))
        self.assertEqual(self.api(other, "STREAM.INFO.ONE")["state"]["messages"], 1)
        self.assertEqual(self.names(other), sorted(set(three) - {holder}))


if __name__ == "__main__":
    unittest.main()
