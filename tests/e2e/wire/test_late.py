"""A start with many streams: the first client is answered while they are opened, and finds everything as it was
(docs/architecture.md, A start)."""

import json
import signal
import socket
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from wire import Requester  # finds serverprocess
from ports import free_port
from serverprocess import Server

STREAMS = 60


def fill(server):
    with Requester(server.port) as client:
        for i in range(STREAMS):
            client.api(f"STREAM.CREATE.S{i}", {"name": f"S{i}", "subjects": [f"s{i}.>"], "allow_direct": True})
            for k in range(3):
                client.publish(b"s%d.%d" % (i, k), b"old")


def publish(client, stream, body):
    client.send(b"PUB s%d.new answers.q %d\r\n%s\r\n" % (stream, len(body), body))


def states(client):
    """Of all streams, as one list shows them."""
    found, answer = {}, {"total": 1}
    while len(found) < answer["total"]:
        answer = client.api("STREAM.LIST", {"offset": len(found)})
        for info in answer["streams"]:
            found[info["config"]["name"]] = info["state"]["messages"], info["state"]["last_seq"]
    return found


class Limited(Server):
    """One that may have few files."""

    files = 0

    def command(self):
        command = super().command()
        return ["sh", "-c", f'ulimit -n {self.files} && exec "$@"', "sh", *command] if self.files else command


def besiege(port, count, crowd):
    """Connects so often as soon as somebody listens; they stay."""
    end = time.monotonic() + 60
    while len(crowd) < count and time.monotonic() < end:
        try:
            crowd.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        except OSError:
            time.sleep(0.001)


def is_refused(connection):
    """It is told so; who is let in is answered."""
    said = b""
    connection.settimeout(60)
    try:
        connection.sendall(b"PING\r\n")
        while b"PONG" not in said and (more := connection.recv(4096)):
            said += more
    except ConnectionError:
        pass
    return b"maximum connections exceeded" in said or b"PONG" not in said


class Late(unittest.TestCase):
    def test_the_first_list_is_right(self):
        with Server() as server:
            fill(server)
            for sig in (signal.SIGTERM, signal.SIGKILL):
                server.restart(sig)
                with Requester(server.port) as client:
                    first = states(client)
                    account = client.api("INFO")
                    later = states(client)
                self.assertEqual(len(first), STREAMS)
                self.assertEqual(first, later)
                self.assertEqual(set(first.values()), {(3, 3)})
                self.assertEqual(account["streams"], STREAMS)

    def test_what_the_first_client_publishes_is_stored_in_order(self):
        with Server() as server:
            fill(server)
            server.restart(signal.SIGKILL)
            wanted = STREAMS - 1
            with Requester(server.port) as client:
                for i in range(50):
                    publish(client, wanted, b"new %d" % i)
                    publish(client, i, b"one")
                acks = [json.loads(client.message()[3]) for _ in range(100)]
                mine = [ack["seq"] for ack in acks if ack["stream"] == f"S{wanted}"]
                self.assertEqual(mine, list(range(4, 54)))
                for i in (0, 1, 49):
                    found = client.api(f"STREAM.MSG.GET.S{wanted}", {"seq": 4 + i})
                    self.assertEqual(found["message"]["subject"], f"s{wanted}.new")

    def test_killed_in_the_midst_it_loses_nothing(self):
        with Server() as server:
            fill(server)
            acked = {}
            for round_ in range(8):
                server.restart(signal.SIGKILL)
                with Requester(server.port) as client:
                    for stream in range(round_, STREAMS, 7):
                        publish(client, stream, b"round")
                    for _ in range(round_, STREAMS, 7):
                        ack = json.loads(client.message()[3])
                        acked[ack["stream"]] = ack["seq"]
            server.restart(signal.SIGKILL)
            with Requester(server.port) as client:
                for name, (_, last) in states(client).items():
                    self.assertEqual(last, acked.get(name, 3))

    def test_a_limit_over_all_streams_is_kept_from_the_first_publish_on(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write("jetstream { max_file_store: 1GB }\n")
            config.flush()
            with Server(["-c", config.name]) as server:
                fill(server)
                with Requester(server.port) as client:
                    stored = client.api("INFO")["storage"]
                    one = client.api(f"STREAM.INFO.S{STREAMS - 1}", {})["state"]["bytes"] // 3
                for sig in (signal.SIGTERM, signal.SIGKILL):
                    # Room for two more messages of that size, wherever they are published.
                    config.seek(0)
                    config.truncate()
                    config.write(f"jetstream {{ max_file_store: {stored + 2 * one} }}\n")
                    config.flush()
                    server.restart(sig)
                    with Requester(server.port) as client, Requester(server.port, b"others") as other:
                        for i in range(STREAMS):
                            client.send(b"PUB s%d.0 answers.q 3\r\nold\r\n" % i)
                        self.assertGreaterEqual(other.api("STREAM.INFO.S1", {})["state"]["messages"], 3)
                        answers = [json.loads(client.message()[3]) for _ in range(STREAMS)]
                        refused = [answer["error"]["err_code"] for answer in answers if "error" in answer]
                        self.assertEqual(refused, [10023] * (STREAMS - 2))
                        stored = other.api("INFO")["storage"]

    def test_clients_that_come_at_once_do_not_take_the_files_of_streams(self):
        streams, files, count = 150, 280, 500
        for io in ("uring", "epoll"):
            with Limited(["--io", io]) as server:
                with Requester(server.port) as client:
                    for i in range(streams):
                        client.api(f"STREAM.CREATE.S{i}", {"name": f"S{i}", "subjects": [f"s{i}.>"]})
                        client.publish(b"s%d.0" % i, b"old")
                server.files = files
                crowd = []
                with Requester(server.port) as client:
                    client.send(b"PING\r\n")
                siege = threading.Thread(target=besiege, args=(server.port, count, crowd))
                server.end(signal.SIGKILL)
                siege.start()
                server.start()
                siege.join()
                self.assertEqual(len(crowd), count)
                refused = sum(is_refused(one) for one in crowd)
                self.assertGreater(refused, count - files)
                self.assertLess(refused, count)
                self.assertIn("Open files are limited to 280: no more than", server.log())
                for one in crowd:
                    one.close()
                with self.admitted(server) as client:
                    self.assertEqual(set(states(client).values()), {(1, 1)})
                    self.assertEqual(client.publish(b"s149.0", b"new")["seq"], 2)
                self.assertNotIn("could not be opened", server.log())

    def test_streams_leave_descriptors_for_whoever_looks_after_them(self):
        port = free_port()
        with Limited(["-m", str(port)]) as server:
            fill(server)
            server.files = 90  # the streams alone have more
            server.restart(signal.SIGKILL)
            offline = self.offline(port)
            self.assertGreater(len(offline), 10)
            self.assertLess(len(offline), STREAMS)
            self.assertIn("is kept for clients", server.log())
            self.assertIn("could not be opened: too many open files", server.log())
            open_one = next(i for i in range(STREAMS) if f"S{i}" not in offline)
            with Requester(server.port) as client, Requester(server.port, b"others") as other:
                for n, one in enumerate((client, other, client, other)):
                    self.assertEqual(one.publish(b"s%d.0" % open_one, b"new")["seq"], 4 + n)
                    refused = one.api(f"STREAM.INFO.{offline[0]}", {})
                    self.assertEqual(refused["error"]["err_code"], 10194)
            server.files = 0
            server.restart(signal.SIGKILL)
            with Requester(server.port) as client:
                found = states(client)
            self.assertEqual(found.pop(f"S{open_one}"), (7, 7))
            self.assertEqual(set(found.values()), {(3, 3)})

    def offline(self, port):
        """When all that wanted for descriptors are given up, as /healthz names them."""
        url = f"http://127.0.0.1:{port}/healthz?details=true"
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(url, timeout=30)
            except urllib.error.HTTPError as refused:
                self.assertEqual(refused.code, 503)
                errors = json.load(refused)["errors"]
                found = [error["stream"] for error in errors if "stream" in error]
                if found and all("could not be opened: too many open files" in error["error"] for error in errors):
                    return found
            time.sleep(0.2)
        self.fail("no stream is offline")

    def admitted(self, server):
        """Those of before have to be gone."""
        end = time.monotonic() + 30
        while True:
            try:
                client = Requester(server.port)
                self.assertEqual(client.flush(), b"")
                return client
            except (AssertionError, OSError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def test_monitoring_shows_all_streams_from_its_first_answer_on(self):
        port = free_port()
        with Server(["-m", str(port)]) as server:
            fill(server)
            for path, wanted in (("/jsz", lambda found: found["messages"] == 3 * STREAMS),
                                 ("/healthz", lambda found: found["status"] == "ok"),
                                 ("/varz", lambda found: found["jetstream"]["stats"]["storage"] > 0)):
                server.restart(signal.SIGKILL)
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                    found = json.load(answer)
                self.assertTrue(wanted(found), (path, found))


if __name__ == "__main__":
    unittest.main()
