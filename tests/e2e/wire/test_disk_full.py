"""A disk that fills up: what is refused then, what still works, and that it ends by itself."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from wire import OwnServerCase, own_promise  # finds serverprocess
from serverprocess import BINARY, Server, free_port

SIZE = 96 << 20
RESERVE = 24 << 20
PAYLOAD = b"x" * 65536
RESUME_S = 60.0


class SmallDisk:
    """A file system in memory of its own, with a directory for the server."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-disk-")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", self.directory],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            os.rmdir(self.directory)
            raise unittest.SkipTest("no right to mount")

    def close(self):
        subprocess.run(["umount", "-l", self.directory], check=True)
        os.rmdir(self.directory)

    def fill(self):
        """To the last block, as another program would."""
        with open(os.path.join(self.directory, "ballast"), "ab") as file:
            step = 1 << 20
            while step >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
                except OSError:
                    step //= 2

    def free(self):
        os.unlink(os.path.join(self.directory, "ballast"))

    def available(self):
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize


@own_promise
class DiskFull(OwnServerCase):
    def setUp(self):
        self.disk = SmallDisk()
        self.addCleanup(self.disk.close)
        self.config = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self.addCleanup(self.config.close)
        self.config.write(f'jetstream {{ store_dir: "{self.disk.directory}", disk_reserve: {RESERVE} }}\n')
        self.config.flush()
        self.monitor = free_port()
        self.server = Server(["-c", self.config.name, "-m", str(self.monitor)], jetstream=False)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def publish_until_refused(self, client, subject=b"s"):
        for count in range(4000):
            answer = client.publish(subject, PAYLOAD)
            if "error" in answer:
                return count, answer["error"]
        self.fail("the disk is never full")

    def resumes(self, client, subject=b"s"):
        end = time.monotonic() + RESUME_S
        while "error" in client.publish(subject, b"again"):
            self.assertLess(time.monotonic(), end, "publishes are still refused")
            time.sleep(0.1)

    def works_without_publishes(self, client):
        """Acks, deletes, metadata: everything that leads out of it."""
        for sequence in (1, 2, 3):
            client.send(b"SUB in 9\r\nUNSUB 9 1\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.C in 1\r\n1\r\n")
            _, reply, _, _ = client.message()
            self.assertEqual(int(reply.split(b".")[5]), sequence)
            client.ask(reply, b"+ACK")  # answered when it is on the disk
        self.assertEqual(client.api("CONSUMER.INFO.S.C")["ack_floor"]["stream_seq"], 3)
        self.assertTrue(client.api("STREAM.MSG.DELETE.S", {"seq": 4, "no_erase": True})["success"])
        self.assertNotIn("error", client.api("CONSUMER.CREATE.S.D", {
            "stream_name": "S", "config": {"name": "D", "durable_name": "D", "ack_policy": "explicit"}}))
        self.assertNotIn("error", client.api("CONSUMER.DELETE.S.D"))
        config = client.api("STREAM.INFO.S")["config"]
        self.assertNotIn("error", client.api("STREAM.UPDATE.S", {**config, "description": "full"}))

    def begin(self, client):
        self.assertNotIn("error", client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]}))
        self.assertNotIn("error", client.api("CONSUMER.CREATE.S.C", {
            "stream_name": "S", "config": {"name": "C", "durable_name": "C", "ack_policy": "explicit"}}))

    def test_publishes_are_refused_while_the_reserve_is_all_that_is_left(self):
        client = self.client()
        self.begin(client)
        self.assertNotIn("error", client.api("STREAM.CREATE.T", {"name": "T", "subjects": ["t"]}))
        count, error = self.publish_until_refused(client)
        self.assertGreater(count, 300)
        self.assertEqual((error["code"], error["err_code"]), (503, 10023))
        self.assertGreater(self.disk.available(), RESERVE // 2)
        self.works_without_publishes(client)
        if "error" not in client.publish(b"t", b"x"):  # what was deleted has made room
            self.assertGreater(self.disk.available(), RESERVE // 2)
        self.assertTrue(client.api("STREAM.PURGE.S")["success"])
        self.assertNotIn("error", client.api("STREAM.DELETE.S"))
        self.resumes(client, b"t")

    def health(self, query=""):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/healthz{query}") as answer:
                return answer.status, json.load(answer).get("error", "")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error).get("error", "")

    def scarce(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/metrics") as answer:
            return b"\nmillrace_jetstream_disk_scarce 1\n" in answer.read()

    def doctor(self):
        done = subprocess.run([BINARY, "doctor", "--json", "-s", f"127.0.0.1:{self.server.port}"],
                              capture_output=True, check=False)
        return done.returncode, [row["what"] for row in json.loads(done.stdout) if row["finding"] == "problem"]

    def fill_up(self, client):
        """The first refusal may be for what others, still on their way, will have taken."""
        end = time.monotonic() + RESUME_S
        while not self.scarce():
            self.assertLess(time.monotonic(), end, "the disk is never full")
            client.publish(b"s", PAYLOAD)

    def test_whoever_looks_after_the_server_is_told(self):
        client = self.client()
        self.begin(client)
        self.assertNotIn("error", client.api("STREAM.CREATE.M", {"name": "M", "subjects": ["m"], "storage": "memory"}))
        self.assertEqual((self.health(), self.doctor(), self.scarce()), ((200, ""), (0, []), False))
        self.publish_until_refused(client)
        self.fill_up(client)
        status, error = self.health()
        self.assertEqual(status, 503)
        self.assertRegex(error, r"no space left on the disk, \d+ MiB are free and 24 are kept")
        for query in ("?js-enabled-only=true", "?js-server-only=true", "?js-meta-only=true"):
            self.assertEqual(self.health(query), (200, ""), query)
        code, problems = self.doctor()
        self.assertEqual((code, len(problems)), (1, 1), problems)
        self.assertRegex(problems[0], r"^the disk of server \S+ is full: stream S, ")
        self.assertTrue(self.scarce())
        refused = subprocess.run([BINARY, "pub", "s", "x", "--jetstream", "-s", f"127.0.0.1:{self.server.port}"],
                                 capture_output=True, text=True, check=False)
        self.assertIn("(10023)\n  try: millrace doctor", refused.stderr)
        self.assertNotIn("disk_full", client.api("STREAM.INFO.M")["state"])
        self.assertTrue(client.api("STREAM.PURGE.S")["success"])
        self.resumes(client)
        self.assertEqual((self.health(), self.doctor(), self.scarce()), ((200, ""), (0, []), False))

    def test_acks_and_deletes_go_on_when_others_have_filled_the_disk_to_the_last_block(self):
        client = self.client()
        self.begin(client)
        for _ in range(20):
            self.assertNotIn("error", client.publish(b"s", PAYLOAD))
        self.disk.fill()
        self.publish_until_refused(client)
        self.works_without_publishes(client)
        before = client.api("STREAM.INFO.S")["state"]
        self.disk.free()
        self.resumes(client)
        self.server.restart(signal.SIGKILL)
        client = self.client()
        after = client.api("STREAM.INFO.S")["state"]
        self.assertEqual(after["messages"], before["messages"] + 1)
        self.assertEqual(client.api("CONSUMER.INFO.S.C")["ack_floor"]["stream_seq"], 3)

    def test_a_server_starts_on_a_full_disk_and_says_so(self):
        client = self.client()
        self.begin(client)
        for _ in range(20):
            self.assertNotIn("error", client.publish(b"s", PAYLOAD))
        self.server.end(signal.SIGKILL)
        self.disk.fill()
        self.server.start()
        client = self.client()
        self.assertEqual(client.api("STREAM.INFO.S")["state"]["messages"], 20)
        self.assertEqual(client.publish(b"s", b"x")["error"]["err_code"], 10023)
        self.works_without_publishes(client)
        self.assertRegex(self.server.log(), "nothing more is published")
        self.disk.free()
        self.resumes(client)
        self.assertRegex(self.server.log(), "there is space on the disk again")


if __name__ == "__main__":
    unittest.main(verbosity=2)
