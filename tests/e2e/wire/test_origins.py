"""Mirrors and sources through kills of the server, and between the servers of a cluster."""

import base64
import contextlib
import time
import unittest

from wire import Requester, Timeout, WireCase, own_promise  # finds serverprocess
from serverprocess import Server
from test_cluster_jetstream import FORMED_S, ThreeServers

SETTLE_S = 120


def body_of(api, stream, sequence):
    message = api.api(f"STREAM.MSG.GET.{stream}", {"seq": sequence}).get("message")
    return None if message is None else base64.b64decode(message["data"]).decode()


def state(api, stream):
    return api.api(f"STREAM.INFO.{stream}").get("state", {})


def settle(connect, stream, messages):
    """Waits until the stream has that many messages."""
    end = time.monotonic() + SETTLE_S
    found = None
    while time.monotonic() < end:
        try:
            with connect() as api:
                found = state(api, stream).get("messages")
        except (AssertionError, OSError, Timeout) as problem:
            found = repr(problem)
        if found == messages:
            return
        time.sleep(0.1)
    raise AssertionError(f"{stream} has {found} messages, not {messages}")


def bodies(api, stream):
    here = state(api, stream)
    return [body_of(api, stream, n) for n in range(here["first_seq"], here["last_seq"] + 1)]


class Mirror(WireCase):
    def last_of(self, reader, body):
        """Asks the mirror for the last message as soon as the origin has acknowledged it."""
        self.assertIn("seq", reader.publish(b"o.k", body))
        _, payload = reader.ask(b"$JS.API.DIRECT.GET.M.o.k")
        return payload

    @own_promise
    def test_a_direct_get_finds_what_the_origin_has_acknowledged(self):
        with self.requester() as api:
            for name, config in (("O", {"subjects": ["o.*"]}), ("M", {"mirror": {"name": "O"}, "allow_direct": True})):
                self.assertNotIn("error", api.api(f"STREAM.CREATE.{name}", {"name": name, **config}))
            self.assertIn("seq", api.publish(b"o.first", b"0"))
            settle(lambda: Requester(self.server.port, inbox=b"others"), "M", 1)
            for n in range(200):
                self.assertEqual(self.last_of(api, b"%d" % n), b"%d" % n)


class Kills(unittest.TestCase):
    def test_copies_survive_kills_whole_and_in_order(self):
        with Server() as server:
            def connect():
                return Requester(server.port)

            with connect() as api:
                for name, config in (
                    ("O", {"subjects": ["o.*"]}),
                    ("M", {"mirror": {"name": "O"}}),
                    ("S", {"sources": [{"name": "O", "subject_transforms": [{"src": "o.*", "dest": "s.$1"}]}]}),
                ):
                    self.assertNotIn("error", api.api(f"STREAM.CREATE.{name}", {"name": name, **config}))
            for round_number in range(4):
                with connect() as api:
                    for n in range(100):
                        api.publish(b"o.%d" % (n % 3), b"%d" % (100 * round_number + n))
                server.restart()
            wanted = [str(n) for n in range(400)]
            settle(connect, "M", 400)
            settle(connect, "S", 400)
            with connect() as api:
                self.assertEqual(bodies(api, "M"), wanted)
                self.assertEqual(bodies(api, "S"), wanted)
                self.assertEqual(state(api, "M")["last_ts"], state(api, "O")["last_ts"])


class OneServer(WireCase):
    def api(self, api, subject, body=b""):
        answer = api.api(subject, body)
        self.assertNotIn("error", answer)
        return answer

    def test_a_promoted_mirror_takes_messages_and_goes_on_where_it_was(self):
        with self.requester() as api:
            self.api(api, "STREAM.CREATE.PO", {"name": "PO", "subjects": ["po"]})
            for n in range(3):
                api.publish(b"po", b"%d" % n)
            self.api(api, "STREAM.CREATE.PM", {"name": "PM", "mirror": {"name": "PO"}})
            settle(lambda: contextlib.nullcontext(api), "PM", 3)
            self.api(api, "STREAM.UPDATE.PM", {"name": "PM", "subjects": ["pm"]})
            self.assertEqual(api.publish(b"pm", b"own")["seq"], 4)
            api.publish(b"po", b"not taken")
            time.sleep(0.3)
            self.assertEqual(bodies(api, "PM"), ["0", "1", "2", "own"])

    def test_a_large_origin_arrives_whole(self):
        with self.requester() as api:
            self.api(api, "STREAM.CREATE.L", {"name": "L", "subjects": ["l"]})
            payload = b"x" * 50000
            for _ in range(400):
                api.publish(b"l", payload)
            self.api(api, "STREAM.CREATE.LS", {"name": "LS", "sources": [{"name": "L"}]})
            settle(lambda: contextlib.nullcontext(api), "LS", 400)
            self.assertEqual(self.api(api, "STREAM.INFO.LS")["sources"][0]["lag"], 0)


class BetweenServers(ThreeServers):
    """Its own tests are the base class's, on a cluster that has origins, too."""

    def connect(self, node=0):
        return self.user(node, "app")

    def create(self, name, **config):
        with self.connect() as api:
            end = time.monotonic() + FORMED_S
            while "error" in (answer := api.api(f"STREAM.CREATE.{name}", {"name": name, **config})):
                self.assertLess(time.monotonic(), end, answer)
                time.sleep(0.2)

    def publish_once(self, subject, body):
        """As a client does it while leaders change: again, with the same id, until it is acknowledged."""
        end = time.monotonic() + FORMED_S
        while True:
            with contextlib.suppress(AssertionError, Timeout, OSError):
                with self.connect(2) as api:
                    if "error" not in api.publish(subject, body, b"NATS/1.0\r\nNats-Msg-Id: %s\r\n\r\n" % body):
                        return
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_copies_follow_their_origin_wherever_it_is_led(self):
        for i in range(3):
            self.create(f"O{i}", subjects=[f"o{i}"])
        self.create("R", subjects=["r"], num_replicas=3)
        self.create("ALL", sources=[{"name": n} for n in ("O0", "O1", "O2", "R")], num_replicas=3)
        self.create("MR", mirror={"name": "R"}, num_replicas=3)
        for n in range(50):
            for subject in (b"o0", b"o1", b"o2", b"r"):
                self.publish_once(subject, b"%s-%d" % (subject, n))
        settle(self.connect, "ALL", 200)
        settle(self.connect, "MR", 50)
        for stream in ("R", "ALL", "MR"):
            with self.connect() as api:
                self.assertIn("success", api.api(f"STREAM.LEADER.STEPDOWN.{stream}"))
        for n in range(50, 100):
            self.publish_once(b"r", b"r-%d" % n)
        settle(self.connect, "ALL", 250)
        settle(self.connect, "MR", 100)
        with self.connect() as api:
            every = bodies(api, "ALL")
            self.assertEqual(bodies(api, "MR"), [f"r-{n}" for n in range(100)])
        for subject, count in (("o0", 50), ("o1", 50), ("o2", 50), ("r", 100)):
            self.assertEqual([b for b in every if b.startswith(subject + "-")], [f"{subject}-{n}" for n in range(count)])


del ThreeServers

if __name__ == "__main__":
    unittest.main()
