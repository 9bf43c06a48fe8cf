"""/metrics: that collectors can read it, and that its numbers are true."""

import re
import unittest

from test_monitoring import get
from wire import WireCase, own_promise
from serverprocess import free_port

LABEL = r'[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(r"([a-z_]+)(?:\{(" + LABEL + "(?:," + LABEL + r")*)\})? (\d+(?:\.\d+)?)")
SUFFIXES = {
    "gauge": ("",),
    "counter": ("_total",),
    "info": ("_info",),
    "histogram": ("_bucket", "_count", "_sum"),
}


def parse(text):
    """{(sample, labels): value}; refuses what the format forbids."""
    samples, types, family = {}, {}, None
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""], lines[-2:]
    for line in lines[:-2]:
        if line.startswith("# TYPE "):
            family, kind = line[7:].split(" ")
            assert family not in types, f"{family} comes twice"
            types[family] = kind
        elif line.startswith("# "):
            assert line.split(" ")[2] == family, line
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            name, labels, value = found.groups()
            assert name in [family + suffix for suffix in SUFFIXES[types[family]]], line
            assert (name, labels) not in samples, f"{line} comes twice"
            samples[name, labels] = float(value)
    return samples


@own_promise
class Metrics(WireCase):
    @classmethod
    def setUpClass(cls):
        cls.monitor = free_port()
        cls.arguments = ("-m", str(cls.monitor))
        super().setUpClass()

    def metrics(self, query=""):
        status, body = get(self.monitor, "/metrics" + query)
        self.assertEqual(status, 200, body)
        return parse(body)

    def stream(self, name, count):
        client = self.requester()
        self.addCleanup(client.__exit__)
        client.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"{name}.>"]})
        for number in range(count):
            client.publish(b"%s.x" % name.encode(), b"%d" % number)
        return client

    def test_the_space_of_a_stream_is_told_by_reason(self):
        client = self.stream("SPACE", 300)
        client.api("STREAM.PURGE.SPACE", {"keep": 100})
        rows = self.metrics()
        stream = 'account="$G",stream="SPACE"'
        told = {key[1].rsplit('"', 2)[1]: rows[key] for key in rows if key[0] == "millrace_stream_space_bytes" and stream in key[1]}
        self.assertEqual(set(told), {"messages", "ahead", "log", "held", "leaving", "moving", "dense"})
        self.assertEqual(sum(told.values()), rows["millrace_stream_disk_bytes", stream])
        self.assertGreater(told["messages"], 100 * 20)
        self.assertGreater(told["log"], 200 * 20)  # what was purged, until state blocks let it go

    def test_a_stream_and_its_consumer_have_rows_with_true_numbers(self):
        client = self.stream("ROWS", 5)
        config = {"durable_name": "work", "ack_policy": "explicit"}
        client.api("CONSUMER.DURABLE.CREATE.ROWS.work", {"stream_name": "ROWS", "config": config})
        client.send(b"SUB next 2\r\nPUB $JS.API.CONSUMER.MSG.NEXT.ROWS.work next 0\r\n\r\n")
        self.assertEqual(client.message()[0], b"ROWS.x")
        rows = self.metrics()
        stream = 'account="$G",stream="ROWS"'
        self.assertEqual(rows["millrace_stream_messages", stream], 5)
        self.assertEqual(rows["millrace_stream_last_sequence", stream], 5)
        self.assertEqual(rows["millrace_stream_consumers", stream], 1)
        self.assertEqual(rows["millrace_stream_leader", stream], 1)
        consumer = stream + ',consumer="work"'
        self.assertEqual(rows["millrace_consumer_ack_pending", consumer], 1)
        self.assertEqual(rows["millrace_consumer_pending", consumer], 4)
        self.assertEqual(rows["millrace_consumer_delivered_sequence", consumer], 1)

    def test_what_was_stored_was_timed(self):
        before = self.metrics()
        self.stream("TIMED", 7)
        after = self.metrics()
        for name in ("sync", "commit", "apply"):
            self.assertGreaterEqual(
                after[f"millrace_{name}_seconds_count", None],
                before[f"millrace_{name}_seconds_count", None] + 7,
            )
            self.assertGreater(after[f"millrace_{name}_seconds_sum", None], 0)

    def test_a_delivery_to_who_waits_was_timed(self):
        client = self.stream("WAITED", 0)
        config = {"name": "push", "deliver_subject": "to.me", "ack_policy": "none"}
        client.send(b"SUB to.me 9\r\n")
        client.api("CONSUMER.CREATE.WAITED.push", {"stream_name": "WAITED", "config": config})
        before = self.metrics()["millrace_delivery_seconds_count", None]
        client.send(b"PUB WAITED.x 1\r\n1\r\n")
        self.assertEqual(client.message()[0], b"WAITED.x")
        self.assertEqual(self.metrics()["millrace_delivery_seconds_count", None], before + 1)

    def test_buckets_add_up(self):
        self.stream("BUCKETS", 3)
        rows = self.metrics()
        buckets = [value for (name, _), value in rows.items() if name == "millrace_commit_seconds_bucket"]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual(buckets[-1], rows["millrace_commit_seconds_count", None])

    def test_rows_are_bounded_and_those_left_out_are_counted(self):
        for number in range(4):
            self.stream(f"MANY{number}", 0)
        all_of_them = len([name for name, _ in self.metrics() if name == "millrace_stream_messages"])
        rows = self.metrics("?streams=3&consumers=0")
        self.assertEqual(len([name for name, _ in rows if name == "millrace_stream_messages"]), 3)
        self.assertEqual(rows["millrace_streams_left_out", None], all_of_them - 3)
        self.assertFalse([name for name, _ in rows if name.startswith("millrace_consumer_")])

    def test_numbers_of_rows_that_make_no_sense_are_refused(self):
        for query in ("streams=-1", "streams=10001", "consumers=x"):
            with self.subTest(query):
                self.assertEqual(get(self.monitor, "/metrics?" + query)[0], 400)


if __name__ == "__main__":
    unittest.main()
