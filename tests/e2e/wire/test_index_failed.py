"""The file behind subject indexes cannot be read any more (it is cut under the server, so that reading it is what an
error of the disk is): the server lives, says nothing wrong, and makes the indexes again from the log."""

import json
import os
import tempfile
import time
import unittest

from wire import Requester, Timeout, own_promise  # finds serverprocess
from serverprocess import Server

MESSAGES, SUBJECTS = 40000, 8000
WAIT_S = 120


def scratch_files(server):
    """Those of the data directory that have no name and are mapped: (number of the descriptor, path to open it by)."""
    pid = server.process.pid
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        mapped = {line.split()[4] for line in maps if "(deleted)" in line and server.directory in line}
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{number}"
        try:
            if "(deleted)" in os.readlink(path) and str(os.stat(path).st_ino) in mapped:
                found.append(path)
        except FileNotFoundError:
            pass
    return found


@own_promise
class IndexFailed(unittest.TestCase):
    def setUp(self):
        config = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self.addCleanup(config.close)
        config.write("jetstream { index_cache: 0 }\n")
        config.flush()
        self.server = Server(["-c", config.name])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def make(self, client, name="S", **more):
        config = {"name": name, "subjects": [f"{name}.*"], "storage": "file", **more}
        self.assertNotIn("error", client.api(f"STREAM.CREATE.{name}", config))

    def fill(self, client, name="S", messages=MESSAGES, kept=None):
        for begin in range(0, messages, 500):
            numbers = range(begin, min(begin + 500, messages))
            client.send(b"".join(b"PUB %s.%d 1\r\nx\r\n" % (name.encode(), i % SUBJECTS) for i in numbers))
        self.until(client, lambda: self.state(client, name).get("last_seq") == messages)
        if kept is not None:
            self.assertEqual(self.state(client, name)["messages"], kept)

    def state(self, client, name="S"):
        return client.api(f"STREAM.INFO.{name}").get("state", {})

    def until(self, client, done):
        deadline = time.monotonic() + WAIT_S
        while not done():
            self.assertTrue(self.server.running(), self.server.log()[-2000:])
            self.assertLess(time.monotonic(), deadline, self.server.log()[-2000:])
            time.sleep(0.02)

    def cut(self, size=0):
        files = scratch_files(self.server)
        self.assertEqual(len(files), 1, files)
        os.truncate(files[0], size)

    def said(self):
        return self.server.log().count("its index cannot be read from the disk")

    def mended(self, client, count=1):
        """It was noticed, and all is as it was."""
        self.until(client, lambda: self.said() >= count)
        self.until(client, lambda: "last_seq" in self.state(client))
        self.assertTrue(self.server.running())

    def check(self, client, messages=MESSAGES, first=1):
        state = self.state(client)
        self.assertEqual((state["first_seq"], state["last_seq"], state["messages"]),
                         (first, messages, messages - first + 1))
        for number in range(0, SUBJECTS, 997):
            answer = client.api("STREAM.MSG.GET.S", {"last_by_subj": f"S.{number}"})
            self.assertEqual(answer["message"]["seq"], messages - SUBJECTS + number + 1)

    def ask(self, client, subject, body=""):
        """An answer that is right, or an error; a question that is not answered is asked again."""
        body = body if isinstance(body, str) else json.dumps(body)
        try:
            return client.api(subject, body)
        except Timeout:
            return {"error": "silence"}

    def requester(self):
        client = Requester(self.server.port, read_s=5)
        self.addCleanup(client.socket.close)
        return client

    def path(self, do, **more):
        """One path: everything that was in the file is gone, then `do` comes by."""
        client = self.requester()
        self.make(client, **more)
        self.fill(client)
        self.cut()
        do(client)
        self.mended(client)
        return client

    def test_a_message_by_sequence_and_by_subject(self):
        def do(client):
            for body, wanted in (({"seq": 77}, 77), ({"last_by_subj": "S.5"}, MESSAGES - SUBJECTS + 6)):
                answer = self.ask(client, "STREAM.MSG.GET.S", body)
                self.assertTrue("error" in answer or answer["message"]["seq"] == wanted, answer)
                self.assertNotEqual(answer.get("error", {}).get("err_code"), 10037, "it is there")

        self.check(self.path(do))

    def test_counts_and_subjects(self):
        def do(client):
            answer = self.ask(client, "STREAM.INFO.S", {"subjects_filter": "S.>"})
            self.assertTrue("error" in answer or len(answer["state"]["subjects"]) == SUBJECTS, answer.get("error"))
            body = {"stream_name": "S", "config": {"name": "C", "filter_subject": "S.*", "opt_start_seq": 9,
                                                   "deliver_policy": "by_start_sequence", "ack_policy": "explicit"}}
            answer = self.ask(client, "CONSUMER.CREATE.S.C", body)
            self.assertTrue("error" in answer or answer["num_pending"] == MESSAGES - 8, answer)

        self.check(self.path(do))

    def test_a_purge_by_subject_takes_all_or_is_refused(self):
        answers = []
        client = self.path(lambda client: answers.append(self.ask(client, "STREAM.PURGE.S", {"filter": "S.7"})))
        left = MESSAGES // SUBJECTS
        if "error" in answers[0]:
            answer = client.api("STREAM.PURGE.S", {"filter": "S.7"})
            self.assertIn(answer["purged"], (0, left))
        else:
            self.assertEqual(answers[0]["purged"], left)
        self.assertEqual(self.state(client)["messages"], MESSAGES - left)

    def test_publishing_to_subjects_that_are_away(self):
        stored = []

        def do(client):
            for i in range(200):
                try:
                    answer = client.publish(b"S.%d" % (i * 37), b"y", b"NATS/1.0\r\nNats-Msg-Id: m%d\r\n\r\n" % i)
                except Timeout:
                    continue
                if "seq" in answer:
                    stored.append((answer["seq"], i))

        client = self.path(do)
        for sequence, i in stored:
            message = client.api("STREAM.MSG.GET.S", {"seq": sequence})["message"]
            self.assertEqual(message["subject"], f"S.{i * 37}")
        for i in range(200):  # each is there once
            answer = client.publish(b"S.%d" % (i * 37), b"y", b"NATS/1.0\r\nNats-Msg-Id: m%d\r\n\r\n" % i)
            self.assertIn("seq", answer)
        self.assertEqual(self.state(client)["messages"], MESSAGES + 200)

    def test_what_a_publisher_expects_is_not_passed_over(self):
        def do(client):
            for i in range(20):
                headers = b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n\r\n"
                try:
                    answer = client.publish(b"S.%d" % (i * 101), b"y", headers)
                except Timeout:
                    continue
                self.assertIn("error", answer)

        self.check(self.path(do))

    def test_limits_of_subjects(self):
        client = self.requester()
        self.make(client, max_msgs_per_subject=1)
        self.fill(client, kept=SUBJECTS)
        self.cut()
        client.send(b"".join(b"PUB S.%d 1\r\nz\r\n" % i for i in range(SUBJECTS)))
        self.mended(client)
        sequence = self.state(client)["last_seq"]
        self.assertEqual(self.state(client)["num_subjects"], SUBJECTS)
        self.assertEqual(self.state(client)["messages"], SUBJECTS)
        self.assertGreaterEqual(sequence, MESSAGES)

    def test_age(self):
        client = self.requester()
        self.make(client)
        self.fill(client)
        self.cut()
        # All that is there is too old when the limit comes.
        config = {"name": "S", "subjects": ["S.*"], "storage": "file", "max_age": 100_000_000}
        self.ask(client, "STREAM.UPDATE.S", config)
        self.mended(client)
        self.until(client, lambda: "error" not in client.api("STREAM.UPDATE.S", config))
        self.until(client, lambda: self.state(client).get("messages") == 0)
        self.assertEqual(self.state(client)["last_seq"], MESSAGES)

    def test_a_reader_gets_each_message_once_in_order(self):
        client = self.requester()
        self.make(client)
        self.fill(client)
        create = {"stream_name": "S", "config": {"durable_name": "D", "ack_policy": "explicit", "max_ack_pending": 50000}}
        self.assertNotIn("error", client.api("CONSUMER.DURABLE.CREATE.S.D", create))
        self.cut()
        self.ask(client, "CONSUMER.INFO.S.D")
        with Requester(self.server.port, inbox=b"pulls", read_s=2) as puller:
            puller.send(b"SUB in 9\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.D in 16\r\n{\"batch\": 100   }\r\n")
            time.sleep(0.5)
        self.mended(client)
        info = client.api("CONSUMER.INFO.S.D")
        self.assertEqual(info["num_pending"] + info["num_ack_pending"], MESSAGES)
        self.check(client)

    def test_again_and_again_in_part(self):
        client = self.requester()
        self.make(client)
        self.fill(client)
        for number in range(1, 4):
            self.cut(number << 19)
            self.until(client, lambda: self.ask(client, "STREAM.INFO.S", {"subjects_filter": "S.>"}) and
                       self.ask(client, "STREAM.PURGE.S", {"filter": f"S.{number}"}) and self.said() >= number)
            self.mended(client, number)
        purged = MESSAGES - self.state(client)["messages"]
        self.assertEqual(purged % (MESSAGES // SUBJECTS), 0)
        self.server.restart()
        client = self.requester()
        self.assertEqual(self.state(client)["messages"], MESSAGES - purged)


if __name__ == "__main__":
    unittest.main()
