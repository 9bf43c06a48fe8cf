"""Mirrors, sources and consumers without acks that come to a message which is damaged for good: they wait, and say for which."""

import json
import re
import signal
import tempfile
import time
import unittest
import urllib.request

from wire import READ_S, Requester, own_promise  # finds serverprocess
from serverprocess import Server, free_port
from test_damage import FOUND_S, payload, rot

MESSAGES = 20
DAMAGED = 7
QUIET_S = 4.0  # in which what begins anew does so many times


@own_promise
class DamagedOrigin(unittest.TestCase):
    def setUp(self):
        self.http = free_port()
        config = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self.addCleanup(config.close)
        config.write("jetstream { scrub_rate: 0 }\n")
        config.flush()
        self.server = Server(["-c", config.name, "-m", str(self.http)])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        with self.client() as client:
            self.made(client, "S", {"subjects": ["s"]})
            for i in range(1, MESSAGES + 1):
                self.assertEqual(client.publish(b"s", payload(i))["seq"], i)
        self.server.restart(signal.SIGTERM)
        with self.client() as client:
            self.assertIsNone(self.lost(client))  # it has been opened, before anything rots
        self.assertEqual(rot(self.server.directory, DAMAGED), 1)

    def client(self, inbox=b"answers"):
        return Requester(self.server.port, inbox=inbox)

    def made(self, client, name, config):
        self.assertNotIn("error", client.api(f"STREAM.CREATE.{name}", {"name": name, **config}))

    def lost(self, client):
        return client.api("STREAM.INFO.S", {"deleted_details": True})["state"].get("lost")

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=READ_S) as answer:
            return answer.read().decode()

    def until(self, what, look):
        end = time.monotonic() + FOUND_S
        while not (found := look()):
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.1)
        return found

    def waits_for_it(self, kind, config):
        with self.client() as client:
            self.made(client, "M", config)

            def origin():
                info = client.api("STREAM.INFO.M")
                return info["mirror"] if kind == "mirror" else info["sources"][0]

            error = self.until("no error is told", lambda: origin().get("error"))
            self.assertEqual((error["code"], error["err_code"]), (500, 10051))
            self.assertIn(f"message {DAMAGED} is damaged", error["description"])
            self.assertEqual(self.lost(client)["msgs"], [DAMAGED])
            names = client.api("CONSUMER.NAMES.S")["consumers"]
            time.sleep(QUIET_S)
            self.assertEqual(client.api("CONSUMER.NAMES.S")["consumers"], names, "it begins anew")
            self.assertEqual(origin().get("error"), error)
            self.assertEqual(client.api("STREAM.INFO.M")["state"]["messages"], DAMAGED - 1)
            said = f"Stream 'M' waits for message {DAMAGED} of 'S', which is damaged there"
            self.assertEqual(self.server.log().count(said), 1)
            self.assertRegex(self.metrics(), r'millrace_stream_origin_damaged\{[^}]*stream="M"[^}]*\} 1\n')

            self.assertNotIn("error", client.api("STREAM.MSG.DELETE.S", {"seq": DAMAGED}))
            self.until("it does not go on",
                       lambda: client.api("STREAM.INFO.M")["state"]["messages"] == MESSAGES - 1)
            self.until("the error stays", lambda: "error" not in origin())
            self.assertRegex(self.metrics(), r'millrace_stream_origin_damaged\{[^}]*stream="M"[^}]*\} 0\n')
            self.assertIn("Stream 'M' takes messages of 'S' again", self.server.log())

    def test_a_mirror_waits_and_says_so(self):
        self.waits_for_it("mirror", {"mirror": {"name": "S"}})

    def test_a_source_waits_and_says_so(self):
        self.waits_for_it("source", {"sources": [{"name": "S"}]})

    def test_an_ordered_reader_begins_anew_once_and_is_told_what_it_waits_for(self):
        with self.client() as api, self.client(b"reader") as reader:
            config = {"ack_policy": "none", "max_deliver": 1, "mem_storage": True, "num_replicas": 1,
                      "flow_control": True, "idle_heartbeat": 500_000_000, "deliver_policy": "by_start_sequence"}

            def begin(name, at):
                reader.send(b"SUB %s %s\r\n" % (name, name))
                reader.flush()
                answer = api.api("CONSUMER.CREATE.S.%s" % name.decode(), {"stream_name": "S", "config": {
                    **config, "name": name.decode(), "deliver_subject": name.decode(), "opt_start_seq": at}})
                self.assertNotIn("error", answer)

            begin(b"first", 1)
            for i in range(1, DAMAGED):
                _, reply, _, body = reader.message()
                self.assertEqual(body, payload(i))
            _, reply, _, _ = reader.message()  # a gap: every ordered reader begins anew
            self.assertEqual(reply.split(b".")[5], b"%d" % (DAMAGED + 1))
            api.api("CONSUMER.DELETE.S.first")
            reader.flush()

            begin(b"second", DAMAGED)
            for _ in range(3):
                to, _, head, body = reader.message()
                self.assertEqual((to, body), (b"second", b""))
                self.assertTrue(head.startswith(b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 0\r\n"), head)
            self.assertIn(b"Nats-Message-Damaged: %d\r\n" % DAMAGED, head)
            info = api.api("CONSUMER.INFO.S.second")
            self.assertEqual(info["delivered"], {**info["delivered"], "consumer_seq": 0, "stream_seq": DAMAGED - 1})
            self.assertEqual(info["num_pending"], MESSAGES - DAMAGED + 1)
            said = f"Consumer 'S > second' waits before message {DAMAGED}, which is damaged on disk"
            self.until("the log says nothing", lambda: said in self.server.log())

            self.assertNotIn("error", api.api("STREAM.MSG.DELETE.S", {"seq": DAMAGED}))
            while (message := reader.message())[3] == b"":
                pass
            self.assertEqual(message[3], payload(DAMAGED + 1))
            for i in range(DAMAGED + 2, MESSAGES + 1):
                self.assertEqual(reader.message()[3], payload(i))
            self.assertEqual(self.server.log().count(said), 1)
            self.assertIn("Consumer 'S > second' delivers again", self.server.log())

    def test_who_asks_for_what_is_there_now_is_told_that_it_is_damaged(self):
        with self.client() as api:
            self.assertIn("error", api.api("STREAM.MSG.GET.S", {"seq": DAMAGED}))
            for policy in ("none", "all"):
                self.assertNotIn("error", api.api(f"CONSUMER.CREATE.S.{policy}", {"stream_name": "S", "config": {
                    "name": policy, "ack_policy": policy, "deliver_policy": "by_start_sequence",
                    "opt_start_seq": DAMAGED}}))
                head, _ = api.ask(b"$JS.API.CONSUMER.MSG.NEXT.S." + policy.encode(),
                                  json.dumps({"batch": 5, "no_wait": True}).encode())
                self.assertEqual(head, b"NATS/1.0 500 Message Damaged\r\n\r\n")


if __name__ == "__main__":
    unittest.main()
