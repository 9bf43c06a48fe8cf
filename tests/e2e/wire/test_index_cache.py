"""index_cache: the memory of subject indexes has a bound, and nothing is answered otherwise for it."""

import json
import tempfile
import time
import unittest

from serverprocess import Server, free_port
from test_metrics import parse
from test_monitoring import get
from wire import Requester, own_promise

LIMIT = 256 << 10
MESSAGES, SUBJECTS = 60000, 20000
NEWEST = 192 << 10  # the newest range, the open page of texts, parts that grow
WAIT_S = 120


@own_promise
class IndexCache(unittest.TestCase):
    def setUp(self):
        self.http = free_port()
        self.config = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self.addCleanup(self.config.close)
        self.config.write(f"jetstream {{ index_cache: {LIMIT >> 10}KB }}\n")
        self.config.flush()
        self.server = Server(["-c", self.config.name, "-m", str(self.http)])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def metric(self, name):
        status, body = get(self.http, "/metrics")
        self.assertEqual(status, 200, body)
        return parse(body)[f"millrace_jetstream_index_{name}_bytes", None]

    def fill(self, client, name, storage):
        config = {"name": name, "subjects": [f"{name}.*"], "storage": storage}
        self.assertNotIn("error", client.api(f"STREAM.CREATE.{name}", config))
        for begin in range(0, MESSAGES, 500):
            numbers = range(begin, begin + 500)
            client.send(b"".join(b"PUB %s.%d 1\r\nx\r\n" % (name.encode(), i % SUBJECTS) for i in numbers))
        deadline = time.monotonic() + WAIT_S
        while client.api(f"STREAM.INFO.{name}")["state"]["messages"] < MESSAGES:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def check(self, client, name):
        state = client.api(f"STREAM.INFO.{name}")["state"]
        self.assertEqual((state["messages"], state["num_subjects"]), (MESSAGES, SUBJECTS))
        for number in range(0, SUBJECTS, 997):
            for body, sequence in (
                ({"last_by_subj": f"{name}.{number}"}, MESSAGES - SUBJECTS + number + 1),
                ({"seq": 1, "next_by_subj": f"{name}.{number}"}, number + 1),
                ({"seq": number + 2, "next_by_subj": f"{name}.{number}"}, SUBJECTS + number + 1),
            ):
                answer = client.api(f"STREAM.MSG.GET.{name}", body)
                self.assertEqual(answer.get("message", answer).get("seq"), sequence, body)

    def test_the_limit_holds_and_is_seen_and_all_is_given_back(self):
        with Requester(self.server.port) as client:
            self.fill(client, "S", "file")
            self.assertEqual(self.metric("cache_limit"), LIMIT)
            self.assertLess(self.metric("memory"), LIMIT + NEWEST)
            self.assertGreater(self.metric("lent"), SUBJECTS * 24)
            self.check(client, "S")
        self.server.restart()
        with Requester(self.server.port) as client:
            self.check(client, "S")
            self.assertLess(self.metric("memory"), LIMIT + NEWEST)
            purged = client.api("STREAM.PURGE.S", json.dumps({"filter": "S.7"}))["purged"]
            self.assertEqual(purged, MESSAGES // SUBJECTS)
            self.assertEqual(client.api("STREAM.PURGE.S")["purged"], MESSAGES - purged)
            for name in ("memory", "lent", "excess"):
                self.assertEqual(self.metric(name), 0, name)

    def test_a_stream_in_memory_stays_there_and_is_not_counted(self):
        with Requester(self.server.port) as client:
            self.fill(client, "M", "memory")
            self.check(client, "M")
            self.assertEqual((self.metric("memory"), self.metric("lent")), (0, 0))


if __name__ == "__main__":
    unittest.main()
