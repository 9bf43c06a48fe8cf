"""Secure erase: when a deletion is answered no file of the data directory has the bytes any more, whatever comes next."""

import base64
import os
import random
import signal
import subprocess
import tarfile
import threading
import time
import unittest

from wire import READ_S, OwnServerCase, Requester, own_promise  # finds serverprocess
from serverprocess import BINARY, Server

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "store-1-packed.tar.gz")


def secret(i):
    return b"-secret-number-%06d-" % i


def holders(directory, needle):
    """The files below the directory that have those bytes."""
    found = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as file:
                    if needle in file.read():
                        found.append(os.path.relpath(path, directory))
            except FileNotFoundError:
                pass
    return found


def check(directory):
    done = subprocess.run([BINARY, "check", directory], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


@own_promise
class Erase(OwnServerCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.__exit__)

    def begin(self, count=20):
        self.server.__enter__()
        client = self.client()
        self.assertNotIn("error", client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]}))
        for i in range(1, count + 1):
            self.publish(client, i)
        return client

    def publish(self, client, i):
        headers = b"NATS/1.0\r\nNats-Msg-Id: id%d\r\nKey: in-a-header%s\r\n\r\n" % (i, secret(i))
        self.assertEqual(client.publish(b"s.%d" % i, b"before" + secret(i) + b"after", headers)["seq"], i)

    def erase(self, client, i):
        self.assertTrue(client.api("STREAM.MSG.DELETE.S", {"seq": i})["success"])

    def gone(self, i):
        self.assertEqual(holders(self.server.directory, secret(i)), [], i)

    def there(self, client, wanted):
        for i in wanted:
            message = client.api("STREAM.MSG.GET.S", {"seq": i})["message"]
            self.assertEqual(base64.b64decode(message["data"]), b"before" + secret(i) + b"after")

    def checked(self):
        self.server.end(signal.SIGKILL)
        code, said = check(self.server.directory)
        self.assertEqual(code, 0, said)
        self.server.start()

    def test_the_bytes_are_gone_when_the_answer_comes_and_the_rest_is_served(self):
        client = self.begin()
        self.assertNotEqual(holders(self.server.directory, secret(7)), [])
        for i in (7, 20, 1):  # in the middle, the newest, the oldest
            self.erase(client, i)
            self.gone(i)
        left = [i for i in range(1, 21) if i not in (7, 20, 1)]
        self.there(client, left)
        self.publish(client, 21)
        self.there(client, left + [21])
        for _ in range(2):
            self.checked()
            client = self.client()
            for i in (7, 20, 1):
                self.gone(i)
                self.assertEqual(client.api("STREAM.MSG.GET.S", {"seq": i})["error"]["err_code"], 10037)
            self.there(client, left + [21])
        self.assertTrue(client.publish(b"s.21", b"x", b"NATS/1.0\r\nNats-Msg-Id: id21\r\n\r\n").get("duplicate"))
        self.assertTrue(client.publish(b"s.7", b"x", b"NATS/1.0\r\nNats-Msg-Id: id7\r\n\r\n").get("duplicate"))

    def test_no_erase_hides_and_answers_at_once(self):
        client = self.begin()
        self.assertTrue(client.api("STREAM.MSG.DELETE.S", {"seq": 5, "no_erase": True})["success"])
        self.assertNotEqual(holders(self.server.directory, secret(5)), [])

    def test_many_at_once_and_one_after_the_other(self):
        client = self.begin(200)
        for i in range(1, 101):
            self.erase(client, i)
        self.gone(50)
        client.send(b"".join(b"PUB $JS.API.STREAM.MSG.DELETE.S answers.m%d %d\r\n{\"seq\":%d}\r\n" % (i, len(b'{"seq":%d}' % i), i)
                             for i in range(101, 200)))
        for _ in range(101, 200):
            self.assertIn(b'"success":true', client.message()[3])
        for i in range(1, 200):
            self.gone(i)
        self.there(client, [200])
        self.checked()
        self.there(self.client(), [200])

    def test_what_was_packed_is_erased_there_too(self):
        with tarfile.open(GOLDEN) as archive:
            archive.extractall(self.server.directory)
        self.server.__enter__()
        client = self.client()
        before = {i: client.api("STREAM.MSG.GET.Z", {"seq": i})["message"]["data"] for i in (3, 5)}
        self.assertTrue(client.api("STREAM.MSG.DELETE.Z", {"seq": 4})["success"])
        self.checked()
        client = self.client()
        self.assertIn("error", client.api("STREAM.MSG.GET.Z", {"seq": 4}))
        for i in (3, 5):
            self.assertEqual(client.api("STREAM.MSG.GET.Z", {"seq": i})["message"]["data"], before[i])
        dumped = subprocess.run([BINARY, "dump", "--json", self.server.directory], capture_output=True, timeout=300, check=False)
        self.assertEqual(dumped.returncode in (0, 2), True)

    def test_killed_at_any_time_it_is_done_when_the_server_is_back(self):
        chance = random.Random(5)
        self.begin(60)
        answered, asked, number = set(), set(), 60
        for i in range(1, 25):
            client = self.client()
            asked.add(i)
            request = b'{"seq":%d}' % i
            client.send(b"PUB $JS.API.STREAM.MSG.DELETE.S answers.x %d\r\n" % len(request) + request + b"\r\n")
            if chance.random() < 0.3:
                if b'"success":true' in client.message()[3]:
                    answered.add(i)
                    self.gone(i)
            time.sleep(chance.random() * 0.02)
            self.server.restart(signal.SIGKILL)
            for j in answered:
                self.gone(j)
        client = self.client()
        end = time.monotonic() + READ_S
        deleted = [i for i in sorted(asked) if "error" in client.api("STREAM.MSG.GET.S", {"seq": i})]
        self.assertLessEqual(answered, set(deleted))
        while any(holders(self.server.directory, secret(i)) for i in deleted):
            self.assertLess(time.monotonic(), end, "a deletion that was found again is never carried out")
            time.sleep(0.05)
        self.there(client, [i for i in range(1, number + 1) if i not in deleted])
        self.checked()

    def test_others_publish_and_read_meanwhile(self):
        client = self.begin(30)
        stop = threading.Event()
        published = []

        def publish():
            with Requester(self.server.port, b"other") as other:
                i = 30
                while not stop.is_set():
                    i += 1
                    self.publish(other, i)
                    published.append(i)

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            for i in range(1, 30):
                self.erase(client, i)
                self.gone(i)
                self.there(client, [30])
            end = time.monotonic() + READ_S
            while len(published) <= 10 and thread.is_alive() and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            stop.set()
            thread.join()
        self.assertGreater(len(published), 10)
        self.there(client, published)
        self.checked()
        self.there(self.client(), published)


if __name__ == "__main__":
    unittest.main(verbosity=2)
