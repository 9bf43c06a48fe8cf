"""Bytes that rot on the disk: found before anybody asks, said in state, log and metrics, and never served."""

import base64
import glob
import os
import re
import signal
import tempfile
import time
import unittest
import urllib.request

from wire import READ_S, Requester, own_promise  # finds serverprocess
from backup import Snapshot, archive_of, entries_of, restore, snapshot
from serverprocess import Server, free_port

MESSAGES = 40
FOUND_S = 90.0


def payload(i):
    return b"payload of message %04d " % i * 40


def rot(directory, i, bit=4):
    """One bit of message i's payload, wherever it stands."""
    hits = 0
    for path in glob.glob(os.path.join(directory, "millrace", "**", "logs", "*", "*.seg"), recursive=True):
        with open(path, "r+b") as file:
            at = file.read().find(payload(i))
            if at < 0:
                continue
            file.seek(at + 100)
            byte = file.read(1)
            file.seek(at + 100)
            file.write(bytes([byte[0] ^ bit]))
            hits += 1
    return hits


@own_promise
class Damage(unittest.TestCase):
    def setUp(self):
        self.http = free_port()
        self.config = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self.addCleanup(self.config.close)
        self.configure("jetstream { scrub_rate: 64MB }")
        self.server = Server(["-c", self.config.name, "-m", str(self.http)])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        with Requester(self.server.port) as client:
            self.assertNotIn("error", client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]}))
            for i in range(1, MESSAGES + 1):
                self.assertEqual(client.publish(b"s", payload(i))["seq"], i)

    def configure(self, text):
        self.config.seek(0)
        self.config.truncate()
        self.config.write(text + "\n")
        self.config.flush()

    def lost(self, client):
        return client.api("STREAM.INFO.S", {"deleted_details": True})["state"].get("lost")

    def restart(self):
        self.server.restart(signal.SIGTERM)
        with Requester(self.server.port) as client:
            self.assertIsNone(self.lost(client))  # it has been opened, before anything rots

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=READ_S) as answer:
            return int(re.search(rf"^{name} (\d+)$", answer.read().decode(), re.M).group(1))

    def served(self, client):
        return {i for i in range(1, MESSAGES + 1)
                if base64.b64decode(client.api("STREAM.MSG.GET.S", {"seq": i}).get("message", {}).get("data", "")) == payload(i)}

    def test_the_background_check_finds_what_nobody_has_read(self):
        self.restart()
        self.assertEqual(rot(self.server.directory, 7), 1)
        with Requester(self.server.port) as client:
            end = time.monotonic() + FOUND_S
            while self.lost(client) is None:
                self.assertLess(time.monotonic(), end, "nothing is found")
                time.sleep(0.1)
            lost = self.lost(client)
            self.assertEqual(lost["msgs"], [7])
            self.assertGreater(lost["bytes"], len(payload(7)))
            self.assertEqual(self.metric("millrace_jetstream_scrub_damaged_messages_total"), 1)
            while self.metric("millrace_jetstream_scrubbed_bytes_total") <= MESSAGES * len(payload(1)) // 2:
                self.assertLess(time.monotonic(), end, "the rest is not read")
                time.sleep(0.1)
            self.assertNotIn("lost", client.api("STREAM.INFO.S")["state"])  # only with details
            self.assertEqual(self.served(client), set(range(1, MESSAGES + 1)) - {7})
        self.assertRegex(self.server.log(), "Stream 'S': message 7 is damaged on disk")

    def test_a_backup_says_that_damaged_messages_are_not_in_it_and_is_restored_without_them(self):
        self.configure("jetstream { scrub_rate: 0 }")  # what it has read stays in memory a while
        self.server.restart(signal.SIGTERM)
        with Requester(self.server.port) as client:
            self.assertEqual(client.api("STREAM.INFO.S")["state"]["messages"], MESSAGES)  # it is open
        self.assertEqual(rot(self.server.directory, 7), 1)
        with Snapshot(self.server.port) as client:  # one that is to be whole, or none
            client.begin("S", jsck=True)
            client.rest()
            self.assertEqual(client.status, b"NATS/1.0 500 snapshot check detected bad messages\r\n\r\n")
        answer, archive = snapshot(self.server.port, "S")
        entries = entries_of(archive)
        self.assertEqual(entries[-1], ("millrace.inf", b'{"left_out":1}'))
        with Requester(self.server.port) as client:
            self.assertTrue(client.api("STREAM.DELETE.S")["success"])
        self.assertIn("not whole", restore(self.server.port, answer, archive_of(entries[:-1]))["error"]["description"])
        self.assertNotIn("error", restore(self.server.port, answer, archive))
        with Requester(self.server.port) as client:
            self.assertEqual(self.served(client), set(range(1, MESSAGES + 1)) - {7})

    def test_the_background_check_goes_on_behind_a_gap_before_what_cannot_be_read(self):
        with Requester(self.server.port) as client:
            for i in range(1, 4):
                self.assertNotIn("error", client.api("STREAM.MSG.DELETE.S", {"seq": i, "no_erase": True}))
            for path in glob.glob(os.path.join(self.server.directory, "millrace", "**", "logs", "*", "*.seg"), recursive=True):
                with open(path, "rb") as file:
                    found = payload(4) in file.read()
                if found:
                    os.truncate(path, 4096)
            end = time.monotonic() + FOUND_S
            while (self.lost(client) or {"msgs": []})["msgs"] != list(range(4, MESSAGES + 1)):
                self.assertLess(time.monotonic(), end, f"found is only {self.lost(client)}")
                time.sleep(0.1)

    def test_a_read_finds_it_too_without_the_background_check(self):
        self.configure("jetstream { scrub_rate: 0 }")
        self.restart()
        self.assertEqual(rot(self.server.directory, 9), 1)
        with Requester(self.server.port) as client:
            time.sleep(3)
            self.assertIsNone(self.lost(client))
            self.assertIn("error", client.api("STREAM.MSG.GET.S", {"seq": 9}))
            self.assertEqual(self.lost(client)["msgs"], [9])

    def test_a_range_that_a_start_finds_damaged_is_lost_and_the_rest_is_served(self):
        self.server.end(signal.SIGKILL)
        time.sleep(0.2)
        self.assertEqual(rot(self.server.directory, 5), 1)
        for path in glob.glob(os.path.join(self.server.directory, "millrace", "**", "journal", "*.jnl"), recursive=True):
            with open(path, "r+b") as file:  # else it is written anew from there
                file.seek(4096)
                file.write(bytes(os.path.getsize(path) - 4096))
        self.server.start()
        with Requester(self.server.port) as client:
            self.assertEqual(self.lost(client)["msgs"], [5])
            self.assertEqual(self.served(client), set(range(1, MESSAGES + 1)) - {5})
            self.assertEqual(client.publish(b"s", b"on")["seq"], MESSAGES + 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
