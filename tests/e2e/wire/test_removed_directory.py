"""Somebody removes the store's directory while the server runs."""

import os
import shutil
import signal
import time
import unittest

from wire import OwnServerCase, Requester, own_promise  # finds serverprocess
from serverprocess import Server, free_port

import json
import urllib.error
import urllib.request

DEADLINE_S = 20.0


class RemovedDirectory(OwnServerCase):
    def setUp(self):
        self.monitor = free_port()
        self.server = Server(["-m", str(self.monitor)])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def create(self, client, name):
        answer = client.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"{name}.>"]})
        self.assertNotIn("error", answer)

    def publish(self, client, name, count):
        for number in range(count):
            self.assertNotIn("error", client.publish(f"{name}.x".encode(), str(number).encode()))

    def messages(self, client, name):
        return client.api(f"STREAM.INFO.{name}")["state"]["messages"]

    def health(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/healthz") as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def until(self, holds, what):
        end = time.monotonic() + DEADLINE_S
        while not holds():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)

    def remove(self):
        while os.path.exists(self.server.directory):  # the server may be removing something in it, too
            shutil.rmtree(self.server.directory, ignore_errors=True)

    def test_new_streams_can_be_made_and_outlive_the_server(self):
        client = self.client()
        self.remove()
        self.create(client, "NEW")
        self.publish(client, "NEW", 5)
        time.sleep(1.0)  # the catalogue's state block
        self.server.restart(signal.SIGKILL)
        client = self.client()
        self.assertEqual(self.messages(client, "NEW"), 5)
        self.publish(client, "NEW", 1)

    def test_it_can_be_removed_many_times(self):
        client = self.client()
        for number in range(20):
            self.remove()
            self.create(client, f"S{number}")
            self.publish(client, f"S{number}", 1)
            self.assertNotIn("error", client.api(f"STREAM.DELETE.S{number}"))

    @own_promise
    def test_what_was_stored_is_served_and_the_loss_is_told(self):
        client = self.client()
        self.create(client, "OLD")
        self.publish(client, "OLD", 10)
        self.assertNotIn("error", client.api("CONSUMER.CREATE.OLD.C", {
            "stream_name": "OLD", "config": {"name": "C", "durable_name": "C", "ack_policy": "explicit"}}))
        self.assertEqual(self.health()["status"], "ok")
        self.remove()
        self.until(lambda: "was removed while the server runs" in self.server.log(), "nobody was told")
        self.assertIn("LOST", self.server.log())
        self.assertNotEqual(self.health()["status"], "ok")
        self.assertIn("store directory was removed", self.health()["error"])
        self.assertEqual(self.messages(client, "OLD"), 10)
        self.assertIn("message", client.api("STREAM.MSG.GET.OLD", {"seq": 3}))
        self.publish(client, "OLD", 7)
        self.until(lambda: any(name.endswith(".blk") for _, _, names in os.walk(self.server.directory)
                               for name in names), "no state block")
        time.sleep(1.0)  # of each log
        self.publish(client, "OLD", 1)
        self.server.restart(signal.SIGKILL)
        client = self.client()
        self.assertIn("message", client.api("STREAM.MSG.GET.OLD", {"seq": 18}))
        self.until(lambda: "10 messages stood in files that are not there" in self.server.log(), "nobody was told of the loss")
        self.assertIn("message", client.api("STREAM.MSG.GET.OLD", {"seq": 11}))
        self.assertIn("error", client.api("STREAM.MSG.GET.OLD", {"seq": 3}))
        self.assertEqual(client.api("CONSUMER.INFO.OLD.C")["name"], "C")
        self.publish(client, "OLD", 1)
        self.assertEqual(client.api("STREAM.INFO.OLD")["state"]["last_seq"], 19)

    @own_promise
    def test_a_part_of_it_is_enough(self):
        for part in ("millrace", "millrace/logs", "millrace/journal"):
            with self.subTest(part):
                client = self.client()
                shutil.rmtree(os.path.join(self.server.directory, part))
                name = part.replace("/", "_")
                self.create(client, name)
                self.until(lambda: os.path.isdir(os.path.join(self.server.directory, part)), "not made anew")
                time.sleep(1.0)
                self.publish(client, name, 3)
                self.server.restart(signal.SIGKILL)
                self.assertEqual(self.messages(self.client(), name), 3)

    @own_promise
    def test_another_server_s_directory_is_left_alone(self):
        self.remove()
        other = Server()
        other.directory = self.server.directory
        with other:
            self.until(lambda: "cannot be made anew" in self.server.log(), "nobody was told")
            client = Requester(other.port)
            self.addCleanup(client.socket.close)
            self.create(client, "THEIRS")
            self.publish(client, "THEIRS", 3)
            self.assertNotEqual(self.health()["status"], "ok")
            self.assertEqual(self.messages(client, "THEIRS"), 3)


if __name__ == "__main__":
    unittest.main()
