"""A server with several shards, as tests may have it (docs/shards.md): what clients see is one server."""

import json
import os
import subprocess
import tempfile
import unittest
import urllib.request

from wire import Connection, Requester  # finds serverprocess
from serverprocess import BINARY, START_S, Server, free_port, is_millrace

ENVIRONMENT = {**os.environ, "MILLRACE_SHARDS_TEST": "3"}
CLIENTS = 6


@unittest.skipUnless(is_millrace(), "shards are ours")
class Shards(unittest.TestCase):
    def start(self, *flags):
        server = Server(list(flags))
        server.environment = ENVIRONMENT
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def clients(self, server):
        made = [Connection(server.port) for _ in range(CLIENTS)]
        for client in made:
            self.addCleanup(client.socket.close)
            client.connect(headers=True, no_responders=True)
            client.flush()
        return made

    def test_every_client_hears_every_other_one_in_order(self):
        clients = self.clients(self.start())
        for client in clients:
            client.send(b"SUB all.* 1\r\n")
            client.flush()
        for number in range(50):
            for n, client in enumerate(clients):
                client.send(b"PUB all.%d 2\r\n%02d\r\n" % (n, number))
        for client in clients:
            heard = {}
            for _ in range(50 * CLIENTS):
                subject, _, _, body = client.message()
                heard.setdefault(subject, []).append(body)
            self.assertEqual(len(heard), CLIENTS)
            for bodies in heard.values():
                self.assertEqual(bodies, [b"%02d" % number for number in range(50)])

    def test_a_subscription_is_in_force_when_its_pong_has_come(self):
        clients = self.clients(self.start())
        for round_number in range(30):
            for n, client in enumerate(clients):
                other = clients[(n + round_number) % CLIENTS]
                client.send(b"SUB x.%d.%d %d\r\n" % (round_number, n, round_number + 1))
                client.flush()
                other.send(b"PUB x.%d.%d 2\r\nhi\r\n" % (round_number, n))
                self.assertEqual(client.message()[3], b"hi")

    def test_a_request_is_answered_by_one_member_or_by_nobody_wherever_they_are(self):
        clients = self.clients(self.start())
        for client in clients[1:]:
            client.send(b"SUB work q 1\r\n")
            client.flush()
        clients[0].send(b"SUB r 9\r\n")
        for _ in range(60):
            clients[0].send(b"PUB work r 0\r\n\r\n")
        clients[0].flush()
        taken = sum(client.flush().count(b"MSG work") for client in clients[1:])
        for client in clients[1:]:
            taken += client.flush().count(b"MSG work")
            client.send(b"UNSUB 1\r\n")
            client.flush()
        self.assertEqual(taken, 60)
        clients[0].send(b"PUB work r 0\r\n\r\n")
        self.assertIn(b"NATS/1.0 503", clients[0].flush())

    def test_streams_are_served_to_clients_of_all_shards(self):
        server = self.start()
        requesters = [Requester(server.port, inbox=b"answers%d" % n) for n in range(4)]
        for requester in requesters:
            self.addCleanup(requester.socket.close)
        requesters[1].api("STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"]}')
        sequences = [requester.publish(b"s.1", b"x")["seq"] for requester in requesters * 5]
        self.assertEqual(sequences, list(range(1, 21)))
        for requester in requesters:
            self.assertEqual(requester.api("STREAM.INFO.S")["state"]["messages"], 20)

    def test_monitoring_sees_the_connections_of_all_shards(self):
        port = free_port()
        clients = self.clients(self.start("-m", str(port)))
        clients[2].send(b"SUB seen 1\r\n")
        clients[2].flush()
        clients[3].send(b"PUB seen 2\r\nhi\r\n")
        self.assertEqual(clients[2].message()[3], b"hi")
        connz = self.document(port, "connz?subs=1")
        varz = self.document(port, "varz")
        self.assertEqual({one["cid"] for one in connz["connections"]},
                         {client.info()["client_id"] for client in clients})
        self.assertIn(["seen"], [one.get("subscriptions_list") for one in connz["connections"]])
        self.assertEqual((varz["connections"], varz["in_msgs"], varz["out_msgs"]), (CLIENTS, 1, 1))

    @staticmethod
    def document(port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=START_S) as answer:
            return json.load(answer)

    def test_what_does_not_go_together_yet_keeps_the_server_from_starting(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "server.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write('port: -1\ncluster { name: C, listen: "127.0.0.1:-1" }\n')
            result = subprocess.run([BINARY, "-c", path], capture_output=True, text=True,
                                    timeout=START_S, check=False, env=ENVIRONMENT)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("several shards and a cluster do not go together yet", result.stderr)


if __name__ == "__main__":
    unittest.main()
