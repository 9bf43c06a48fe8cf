"""`millrace backup` of a directory that a server works in: what was acknowledged before it began is in it, nothing
stands there without what it follows from, and a restored server says the same as the one that was backed up."""

import base64
import signal
import threading
import time
import unittest

from data_backup import Place
from wire import Requester, own_promise  # finds serverprocess
from serverprocess import Server

SUBJECTS = 40
KEPT = 3  # of each subject
SIZE = 24 << 10
BACKUPS = 5
PAUSE_S = 1.2
WITHIN_S = 120.0


def large(number):
    return (b"large %08d " % number) * (SIZE // 15)


class Load:
    """Clients that publish and consume until they are told to stop; what they were told is remembered."""

    def __init__(self, port):
        self.port = port
        self.ending = threading.Event()
        self.large = 0  # sequences acknowledged, from 1 on
        self.large_sent = 0
        self.queued = 0  # numbers acknowledged, from 0 on
        self.queued_sent = 0
        self.confirmed = 0  # sequences whose ack was confirmed, from 1 on
        self.acked = 0  # asked for
        self.failures = []
        self.threads = [threading.Thread(target=self.guard, args=(w,)) for w in (self.publish_large, self.queue, self.consume)]

    def guard(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told by the test
            self.failures.append(repr(error))

    def publish_large(self):
        with Requester(self.port, inbox=b"large") as client:
            while not self.ending.is_set():
                self.large_sent += 1
                answer = client.publish(b"a.%d" % (self.large_sent % SUBJECTS), large(self.large_sent))
                assert answer["seq"] == self.large_sent, answer
                self.large = self.large_sent
                time.sleep(0.001)

    def queue(self):
        with Requester(self.port, inbox=b"queue") as client:
            while not self.ending.is_set():
                self.queued_sent += 1
                client.publish(b"w.x", b"%d" % self.queued)["seq"]
                self.queued += 1

    def consume(self):
        """One message after the other: published, delivered, its ack confirmed."""
        with Requester(self.port, inbox=b"consume") as client:
            while not self.ending.is_set():
                client.publish(b"q.x", b"%d" % (self.acked + 1))
                client.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.Q.C consume.next 0\r\n\r\n")
                _, reply, _, _ = client.message()
                self.acked += 1
                head, data = client.ask(reply, b"+ACK")
                assert (head, data) == (b"", b""), (head, data)
                self.confirmed = self.acked

    def known(self):
        return {"large": self.large, "queued": self.queued, "confirmed": self.confirmed}

    def sent(self):
        return {"large": self.large_sent, "queued": self.queued_sent, "confirmed": self.acked}

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(WITHIN_S)


def make_streams(client):
    # Logs are copied in this order: what is not cut at one moment lacks what W has given to T meanwhile.
    for config in (
        {"name": "T", "sources": [{"name": "W"}]},
        {"name": "A", "subjects": ["a.>"], "max_msgs_per_subject": KEPT, "compression": "s2"},
        {"name": "Q", "subjects": ["q.>"]},
        {"name": "W", "subjects": ["w.>"], "retention": "workqueue"},
    ):
        answer = client.api("STREAM.CREATE." + config["name"], config)
        assert "error" not in answer, answer
    answer = client.api(
        "CONSUMER.DURABLE.CREATE.Q.C", {"stream_name": "Q", "config": {"durable_name": "C", "ack_policy": "explicit"}}
    )
    assert "error" not in answer, answer


@own_promise
class Live(unittest.TestCase):
    def setUp(self):
        self.place = Place(self)

    def test_backups_of_a_working_server_are_whole_consistent_and_exact(self):
        moments = []
        with Server() as server:
            with Requester(server.port) as client:
                make_streams(client)
            with Load(server.port) as load:
                for _ in range(BACKUPS):
                    time.sleep(PAUSE_S)
                    before = load.known()
                    said = self.place.take(server.directory)
                    moments.append((before, load.sent(), said))
            self.assertEqual(load.failures, [])
            server.end(signal.SIGKILL)
            last = load.known()
            said = self.place.take(server.directory)  # what the journal alone may have, too
            moments.append((last, load.sent(), said))
        self.assertEqual(self.place.verify()[0], 0)
        self.assertTrue(any(b > 0 for b in (m[0]["large"] for m in moments)))
        for number, (before, sent, _) in enumerate(moments, 1):
            with self.subTest(backup=number):
                self.compare("--backup", str(number), before=before, sent=sent)

    def compare(self, *options, before, sent):
        server, client = self.place.serve(*options)
        self.compare_large(client, before["large"], sent["large"])
        self.compare_queue(client, before["queued"], sent["queued"])
        self.compare_consumer(client, before["confirmed"], sent["confirmed"])
        server.end(signal.SIGKILL)
        server.__exit__()

    def compare_large(self, client, least, most):
        state = client.api("STREAM.INFO.A", {"deleted_details": False})["state"]
        last = state["last_seq"]
        self.assertTrue(least <= last <= most, (least, last, most))
        lives = [seq for seq in range(1, last + 1) if seq + KEPT * SUBJECTS > last]
        self.assertEqual(state["messages"], len(lives))
        for seq in range(max(1, lives[0] - 3), last + 1):
            answer = client.api("STREAM.MSG.GET.A", {"seq": seq})
            if seq < lives[0]:
                self.assertEqual(answer["error"]["code"], 404)
                continue
            message = answer["message"]
            self.assertEqual(message["subject"], f"a.{seq % SUBJECTS}")
            self.assertEqual(base64.b64decode(message["data"]), large(seq))

    def compare_queue(self, client, least, most):
        """Each message is in the queue or in the stream that takes from it, and in the end in that one, once."""
        end = time.monotonic() + WITHIN_S
        while client.api("STREAM.INFO.W")["state"]["messages"] > 0 and time.monotonic() < end:
            time.sleep(0.1)
        state = client.api("STREAM.INFO.T")["state"]
        self.assertTrue(least <= state["messages"] <= most, (least, state, most))
        self.assertEqual(state["messages"], state["last_seq"])
        self.assertEqual(client.api("STREAM.INFO.W")["state"]["last_seq"], state["last_seq"])
        for seq in {1, state["last_seq"] // 2 + 1, state["last_seq"], *range(max(1, state["last_seq"] - 50), state["last_seq"] + 1)}:
            message = client.api("STREAM.MSG.GET.T", {"seq": seq})["message"]
            self.assertEqual(int(base64.b64decode(message["data"])), seq - 1)

    def compare_consumer(self, client, least, most):
        info = client.api("CONSUMER.INFO.Q.C")
        floor = info["ack_floor"]["stream_seq"]
        self.assertTrue(least <= floor <= most, (least, info, most))
        self.assertLessEqual(info["num_ack_pending"] + info["num_pending"], 1)
        self.assertIn(client.api("STREAM.INFO.Q")["state"]["last_seq"], (floor, floor + 1))


if __name__ == "__main__":
    unittest.main()
