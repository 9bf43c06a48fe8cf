"""Mirrors and sources of streams that let go of what is acknowledged: each message arrives, and then it goes."""

import contextlib
import time
import unittest

from test_cluster_jetstream import FORMED_S, ThreeServers
from test_origins import bodies, settle, state
from wire import Requester, Timeout  # finds serverprocess
from serverprocess import Server

LETTING_GO = ("workqueue", "interest")


def names(api, stream):
    return api.api(f"CONSUMER.NAMES.{stream}")["consumers"]


def until(wanted, ask, seconds=120):
    end = time.monotonic() + seconds
    found = None
    while time.monotonic() < end:
        try:
            found = ask()
            if wanted(found):
                return found
        except (AssertionError, OSError, Timeout, KeyError) as problem:
            found = problem
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s; got {found!r}")


class OneServer(unittest.TestCase):
    def made(self, api, name, **config):
        self.assertNotIn("error", api.api(f"STREAM.CREATE.{name}", {"name": name, **config}))

    def origin(self, api, retention, **copies):
        self.made(api, "O", subjects=["o.*"], retention=retention)
        for name, config in copies.items():
            self.made(api, name, **config)
        until(lambda found: len(found) == len(copies), lambda: names(api, "O"))

    def test_a_copy_takes_every_message_through_kills_and_the_origin_lets_them_go(self):
        for retention in LETTING_GO:
            for copy in ({"mirror": {"name": "O"}}, {"sources": [{"name": "O"}]}):
                with self.subTest(retention=retention, copy=copy), Server() as server:
                    def connect():
                        return Requester(server.port)

                    with connect() as api:
                        self.origin(api, retention, C=copy)
                    for round_number in range(3):
                        with connect() as api:
                            for n in range(100):
                                api.publish(b"o.a", b"%d-%d" % (round_number, n))
                        server.kill()
                        server.start()
                    settle(connect, "C", 300)
                    settle(connect, "O", 0)
                    with connect() as api:
                        expected = [f"{r}-{n}" for r in range(3) for n in range(100)]
                        self.assertEqual(bodies(api, "C"), expected)

    def test_the_consumer_goes_with_the_copy_and_with_its_place_in_the_config(self):
        for retention in LETTING_GO:
            with self.subTest(retention=retention), Server() as server, Requester(server.port) as api:
                self.origin(api, retention, M={"mirror": {"name": "O"}}, S={"sources": [{"name": "O"}]})
                self.assertNotIn("error", api.api("STREAM.DELETE.M"))
                until(lambda found: len(found) == 1, lambda: names(api, "O"))
                self.assertNotIn("error", api.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s"]}))
                until(lambda found: not found, lambda: names(api, "O"))

    def test_what_a_copy_can_not_take_stays_with_the_origin(self):
        with Server() as server, Requester(server.port) as api:
            self.origin(api, "workqueue", S={"sources": [{"name": "O"}], "max_msgs": 2, "discard": "new"})
            for n in range(5):
                api.publish(b"o.a", b"%d" % n)
            settle(lambda: contextlib.nullcontext(api), "S", 2)
            time.sleep(1.5)
            self.assertGreaterEqual(state(api, "O")["messages"], 3)
            self.assertNotIn("error", api.api("STREAM.UPDATE.S", {"name": "S", "sources": [{"name": "O"}]}))
            settle(lambda: contextlib.nullcontext(api), "O", 0)
            self.assertEqual(bodies(api, "S"), [str(n) for n in range(5)])

    def test_a_consumer_made_beforehand_is_taken_from_and_stays(self):
        with Server() as server, Requester(server.port) as api:
            self.made(api, "O", subjects=["o.*"], retention="workqueue")
            config = {"durable_name": "C", "name": "C", "deliver_subject": "here", "ack_policy": "flow_control"}
            config |= {"flow_control": True, "idle_heartbeat": 10**9, "max_ack_pending": 10}
            self.assertNotIn("error", api.api("CONSUMER.CREATE.O.C", {"stream_name": "O", "config": config}))
            for n in range(100):
                api.publish(b"o.a", b"%d" % n)
            source = {"name": "O", "consumer": {"name": "C", "deliver_subject": "here"}}
            self.made(api, "S", sources=[source])
            settle(lambda: contextlib.nullcontext(api), "S", 100)
            settle(lambda: contextlib.nullcontext(api), "O", 0)
            self.assertEqual(bodies(api, "S"), [str(n) for n in range(100)])
            self.assertNotIn("error", api.api("STREAM.DELETE.S"))
            time.sleep(0.3)
            self.assertEqual(names(api, "O"), ["C"])


    def test_a_consumer_with_other_acks_is_not_taken_from_and_the_info_says_why(self):
        with Server() as server, Requester(server.port) as api:
            self.made(api, "O", subjects=["o.*"])
            config = {"durable_name": "C", "name": "C", "deliver_subject": "here", "ack_policy": "explicit"}
            self.assertNotIn("error", api.api("CONSUMER.CREATE.O.C", {"stream_name": "O", "config": config}))
            origin = {"name": "O", "consumer": {"name": "C", "deliver_subject": "here"}}
            self.made(api, "M", mirror=origin)
            self.made(api, "S", sources=[origin])
            for error, ask in (
                (10214, lambda: api.api("STREAM.INFO.M")["mirror"]["error"]["err_code"]),
                (10217, lambda: api.api("STREAM.INFO.S")["sources"][0]["error"]["err_code"]),
            ):
                until(lambda found, error=error: found == error, ask)


class BetweenServers(ThreeServers):
    def connect(self, node=0):
        return self.user(node, "app")

    def create(self, name, **config):
        with self.connect() as api:
            end = time.monotonic() + FORMED_S
            while "error" in (answer := api.api(f"STREAM.CREATE.{name}", {"name": name, **config})):
                self.assertLess(time.monotonic(), end, answer)
                time.sleep(0.2)

    def publish_once(self, body):
        end = time.monotonic() + FORMED_S
        while True:
            with contextlib.suppress(AssertionError, Timeout, OSError):
                with self.connect(2) as api:
                    if "error" not in api.publish(b"q", body, b"NATS/1.0\r\nNats-Msg-Id: %s\r\n\r\n" % body):
                        return
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_a_queue_is_emptied_into_its_copy_through_changes_of_leaders(self):
        self.create("Q", subjects=["q"], retention="workqueue", num_replicas=3)
        self.create("INTO", sources=[{"name": "Q"}], num_replicas=3)
        for round_number in range(4):
            for n in range(25):
                self.publish_once(b"%d-%d" % (round_number, n))
            with self.connect(1) as api:
                stream = ("Q", "INTO")[round_number % 2]
                self.assertIn("success", api.api(f"STREAM.LEADER.STEPDOWN.{stream}"))
        settle(self.connect, "INTO", 100)
        settle(self.connect, "Q", 0)
        with self.connect() as api:
            self.assertEqual(bodies(api, "INTO"), [f"{r}-{n}" for r in range(4) for n in range(25)])
            until(lambda found: len(found) == 1, lambda: names(api, "Q"))


del ThreeServers

if __name__ == "__main__":
    unittest.main()
