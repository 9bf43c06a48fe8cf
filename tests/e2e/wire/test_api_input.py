"""The JetStream API and publish headers under malformed, wrong, deep, huge and absurd input.

The codes are the reference server's own answers. After every test the server still serves.
"""

import base64
import random
import unittest

from wire import WireCase, own_promise

JSON = 10025
NAME = 10056
BAD = 10003

DEEP = 20_000

# Bodies of STREAM.CREATE.S. Nothing of this may create a stream.
CREATE = {
    "half an object": (b"{", JSON),
    "an array": (b"[]", JSON),
    "a string": (b'"x"', JSON),
    "a number": (b"5", JSON),
    "null": (b"null", NAME),
    "nothing": (b"", NAME),
    "a blank": (b" ", NAME),
    "half a word": (b"tru", JSON),
    "a zero byte": (b"\0", JSON),
    "a comma too many": (b'{"name":"S",}', JSON),
    "text behind the object": (b'{"name":"S"} x', JSON),
    "a second object that changes the name": (b'{"name":"S"}{"name":"T"}', NAME),
    "single quotes": (b"{'name':'S'}", JSON),
    "a name that is a number": (b'{"name":5}', JSON),
    "a name that is a number at last": (b'{"name":"S","name":5}', JSON),
    "a number beyond floats": (b'{"name":"S","max_msgs":1e999}', JSON),
    "not a number": (b'{"name":"S","max_msgs":NaN}', JSON),
    "a hexadecimal number": (b'{"name":"S","max_msgs":0x10}', JSON),
    "a number with a leading zero": (b'{"name":"S","max_msgs":01}', JSON),
    "a number beyond 64 bits": (b'{"name":"S","max_msgs":99999999999999999999}', JSON),
    "a number below 64 bits": (b'{"name":"S","max_msgs":-99999999999999999999}', JSON),
    "a number one beyond": (b'{"name":"S","max_msgs":9223372036854775808}', JSON),
    "a fraction of a nanosecond": (b'{"name":"S","max_age":1.5}', JSON),
    "a negative sequence": (b'{"name":"S","first_seq":-1}', JSON),
    "a number of 100000 digits": (b'{"name":"S","max_msgs":' + b"9" * 100_000 + b"}", JSON),
    "bytes that are no text": (b'{"name":"\xff\xfe"}', NAME),
    "half a surrogate": (b'{"name":"S\\ud800"}', NAME),
    "a raw control character": (b'{"name":"S","description":"a\x01b"}', JSON),
    "an unknown key": (b'{"name":"S","x":1}', JSON),
    "an empty key": (b'{"":1}', JSON),
    "an unknown key beside another case": (b'{"NAME":"S","extra":1}', JSON),
    "deep arrays": (b'{"name":"S","subjects":' + b"[" * DEEP + b"]" * DEEP + b"}", JSON),
    "deep objects": (
        b'{"name":"S","metadata":{"a":' + b'{"b":' * DEEP + b"1" + b"}" * DEEP + b"}}",
        JSON,
    ),
    "half a million brackets": (b"[" * 500_000, JSON),
    "a description of a megabyte": (
        b'{"name":"S","description":"' + b"x" * 900_000 + b'"}',
        10052,
    ),
    "metadata of a megabyte": (
        b'{"name":"S","subjects":["s"],"metadata":{"k":"' + b"x" * 900_000 + b'"}}',
        10052,
    ),
}

# Other requests on a stream S of s.*, which holds one message.
REQUESTS = {
    "STREAM.NAMES": [
        (b"{", JSON),
        (b"[", JSON),
        (b"[1]", JSON),
        (b'{"offset":"x"}', JSON),
        (b'{"offset":1e30}', JSON),
        (b'{"x":1}', JSON),
        (b"text", None),
        (b'{"offset":-1}', None),
        (b'{"offset":99999999999}', None),
    ],
    "STREAM.LIST": [(b"{", JSON), (b'{"offset":[]}', JSON), (b"text", None)],
    "STREAM.INFO.S": [(b"{", JSON), (b'{"deleted_details":1}', JSON), (b"text", None)],
    "STREAM.UPDATE.S": [(b"{", JSON), (b"", 10052), (b'{"name":"S","subjects":["a..b"]}', 10052)],
    "STREAM.PURGE.S": [
        (b"{", JSON),
        (b'{"seq":-1}', JSON),
        (b'{"seq":"1"}', JSON),
        (b'{"filter":5}', JSON),
        (b'{"seq":1e30}', JSON),
        (b'{"x":1}', JSON),
        (b'{"keep":1,"seq":1}', BAD),
    ],
    "STREAM.MSG.GET.S": [
        (b"{", JSON),
        (b"text", JSON),
        (b'{"seq":-1}', JSON),
        (b'{"seq":1.5}', JSON),
        (b'{"seq":18446744073709551616}', JSON),
        (b'{"last_by_subj":5}', JSON),
        (b'{"seq":1,"x":1}', JSON),
        (b'{"seq":0}', BAD),
        (b'{"seq":18446744073709551615}', 10037),
        (b'{"last_by_subj":"a..b"}', 10037),
        (b'{"last_by_subj":"' + b"a." * 50_000 + b'a"}', 10037),
    ],
    "STREAM.MSG.DELETE.S": [
        (b"{", JSON),
        (b"text", JSON),
        (b"", BAD),
        (b'{"seq":-1}', JSON),
        (b'{"seq":18446744073709551616}', JSON),
        (b'{"seq":1,"x":1}', JSON),
        (b'{"seq":18446744073709551615}', 10057),
        (b'{"seq":0}', 10057),
    ],
    "CONSUMER.CREATE.S.C": [
        (b"{", JSON),
        (b"[]", JSON),
        (b"", NAME),
        (b'{"stream_name":"S","config":[]}', JSON),
        (b'{"stream_name":"S","config":{"ack_wait":1e30}}', JSON),
        (b'{"stream_name":"S","config":{"x":1}}', JSON),
        (b'{"stream_name":"S","x":1}', JSON),
        (b'{"stream_name":"S","action":"x"}', JSON),
        (b'{"stream_name":"S","config":{"metadata":' + b"[" * DEEP + b"}}", JSON),
    ],
    "CONSUMER.NAMES.S": [(b"{", JSON), (b'{"offset":"x"}', JSON), (b"text", None)],
}

# Publish headers and the error code of their answer; None is a sequence.
HEADERS = [
    (b"Nats-Expected-Last-Sequence", b"abc", 10071),
    (b"Nats-Expected-Last-Sequence", b"-1", 10071),
    (b"Nats-Expected-Last-Sequence", b"99999999999999999999999", 10071),
    (b"Nats-Expected-Last-Sequence", b"7", 10071),
    (b"Nats-Expected-Last-Subject-Sequence", b"x", 10071),
    (b"Nats-Expected-Last-Subject-Sequence-Subject", b"s.a", 10193),
    (b"Nats-Expected-Stream", b"T", 10060),
    (b"Nats-Expected-Last-Msg-Id", b"none", 10070),
    (b"Nats-Rollup", b"x" * 1000, 10111),
    (b"Nats-TTL", b"abc", 10165),
    (b"X", b"x" * 66_000, 10097),
    (b"Nats-Incr", b"1", 10168),
    (b"Nats-Batch-Id", b"x", 10174),
    (b"Nats-Schedule", b"@every 1s", 10188),
    (b"Nats-Msg-Id", b"x" * 60_000, None),
    (b"Nats-Expected-Stream", b"", None),
    (b"nats-expected-stream", b"T", None),
]

# Header blocks that are none; they are stored as they are.
BLOCKS = [
    b"NATS/1.0\r\n\r\n",
    b"garbage garbage\r\n\r\n",
    b"\0\0\0\0",
    b"NATS/1.0\r\nNo colon here\r\n\r\n",
    b"NATS/1.0\r\n: empty\r\n\r\n",
    b"NATS/1.0\r\nA: b\r\n",
    b"NATS/1.0\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
]


class ApiInput(WireCase):
    def check(self, answer, code):
        if code is None:
            self.assertNotIn("error", answer)
            return
        self.assertIn("error", answer)
        error = answer["error"]
        self.assertEqual(error["err_code"], code, error)
        self.assertGreaterEqual(error["code"], 400)
        if code == JSON:
            self.assertTrue(error["description"].startswith("invalid JSON: "), error)

    def setUp(self):
        self.client = self.requester()
        self.addCleanup(self.client.__exit__)

    def make_stream(self):
        self.client.api("STREAM.DELETE.S")
        self.check(self.client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.*"]}), None)

    def test_bodies_that_make_no_stream_are_refused(self):
        self.client.api("STREAM.DELETE.S")
        for name, (body, code) in CREATE.items():
            with self.subTest(name):
                self.check(self.client.api("STREAM.CREATE.S", body), code)
        self.assertEqual(self.client.api("STREAM.NAMES")["total"], 0)

    def test_an_unknown_key_is_named(self):
        answer = self.client.api("STREAM.CREATE.S", b'{"name":"S","no_such_key":1}')
        text = answer["error"]["description"]
        self.assertEqual(text, 'invalid JSON: json: unknown field "no_such_key"')

    def test_requests_with_bad_bodies_get_the_references_code(self):
        self.make_stream()
        self.assertEqual(self.client.publish(b"s.a", b"x")["seq"], 1)
        for subject, cases in REQUESTS.items():
            for body, code in cases:
                with self.subTest(subject, body=body[:40]):
                    self.check(self.client.api(subject, body), code)
        state = self.client.api("STREAM.INFO.S")["state"]
        self.assertEqual((state["messages"], state["consumer_count"]), (1, 0))

    def test_configs_that_are_long_but_right_are_taken(self):
        self.make_stream()
        filters = [f"s.{i}" for i in range(300)]
        backoff = [10**9] * 1000
        for config in ({"filter_subjects": filters}, {"backoff": backoff, "max_deliver": 2000}):
            body = {"stream_name": "S", "config": {"ack_policy": "explicit", **config}}
            with self.subTest(next(iter(config))):
                self.check(self.client.api("CONSUMER.CREATE.S", body), None)

    def test_publish_headers_that_make_no_sense_are_refused_and_leave_no_trace(self):
        self.make_stream()
        stored = 0
        for name, value, code in HEADERS:
            with self.subTest(name, value=value[:20]):
                block = b"NATS/1.0\r\n%s: %s\r\n\r\n" % (name, value)
                answer = self.client.publish(b"s.a", b"x", block)
                self.check(answer, code)
                stored += code is None
                state = self.client.api("STREAM.INFO.S")["state"]
                self.assertEqual(state["last_seq"], stored)
                self.assertEqual(answer["stream"], "S")

    @own_promise
    def test_a_sequence_beyond_64_bits_is_a_mismatch(self):
        """The reference takes 2^64 for 0."""
        self.make_stream()
        block = b"NATS/1.0\r\nNats-Expected-Last-Sequence: 18446744073709551616\r\n\r\n"
        self.check(self.client.publish(b"s.a", b"x", block), 10071)

    def test_header_blocks_that_are_none_are_stored_as_they_are(self):
        self.make_stream()
        for seq, block in enumerate(BLOCKS, start=1):
            with self.subTest(block[:40]):
                self.assertEqual(self.client.publish(b"s.a", b"body", block).get("seq"), seq)
                message = self.client.api("STREAM.MSG.GET.S", {"seq": seq})["message"]
                self.assertEqual(base64.b64decode(message["hdrs"]), block)
                self.assertEqual(base64.b64decode(message["data"]), b"body")

    def test_a_status_in_a_published_header_is_not_stored(self):
        self.make_stream()
        self.assertEqual(self.client.publish(b"s.a", b"x", b"NATS/1.0 503\r\n\r\n")["seq"], 1)
        message = self.client.api("STREAM.MSG.GET.S", {"seq": 1})["message"]
        self.assertNotIn("503", base64.b64decode(message.get("hdrs", "")).decode())

    def test_pulls_with_bad_bodies_are_told_so(self):
        self.make_stream()
        config = {"durable_name": "C", "ack_policy": "explicit"}
        body = {"stream_name": "S", "config": config}
        self.check(self.client.api("CONSUMER.CREATE.S.C", body), None)
        for body in (b"{", b'{"batch":"x"}', b'{"expires":1e40}', b"{" * 100_000):
            with self.subTest(body[:20]):
                head, data = self.client.ask(b"$JS.API.CONSUMER.MSG.NEXT.S.C", body)
                self.assertTrue(head.startswith(b"NATS/1.0 400 Bad Request"), head)
                self.assertEqual(data, b"")

    def test_acks_that_make_no_sense_change_nothing(self):
        self.make_stream()
        self.client.publish(b"s.a", b"x")
        config = {"durable_name": "C", "ack_policy": "explicit"}
        body = {"stream_name": "S", "config": config}
        self.check(self.client.api("CONSUMER.CREATE.S.C", body), None)
        for tail in ("1.1.1.1.1", "x.y.z.a.b", "1.99999999999999999999999.1.1.1", "1.-1.-1.-1.-1"):
            self.client.send(b"PUB $JS.ACK.S.C.%s 4\r\n+ACK\r\n" % tail.encode())
        self.client.send(b"PUB $JS.ACK.S.C 4\r\n+ACK\r\n")
        self.client.flush()
        info = self.client.api("CONSUMER.INFO.S.C")
        self.assertEqual((info["num_pending"], info["num_ack_pending"]), (1, 0))
        self.assertEqual(info["ack_floor"]["stream_seq"], 0)

    def test_subjects_of_absurd_depth_are_routed_or_refused(self):
        """A server may bound the depth, and then says so; a hundred tokens it must take."""
        for tokens in (100, 300, 1500):
            deep = b".".join([b"a"] * tokens)
            stars = b"*." * (tokens - 1) + b">"
            with self.subTest(tokens=tokens), self.open() as connection:
                connection.connect(pedantic=False)
                connection.send(b"SUB %s 1\r\nSUB %s 2\r\nPUB %s 1\r\nx\r\n" % (deep, stars, deep))
                said = connection.flush()
                answers = said.count(b"MSG " + deep), said.count(b"-ERR 'Invalid Subject'")
                self.assertIn(answers, ((2, 0), (0, 2)), said[:200])
                if tokens == 100:
                    self.assertEqual(answers, (2, 0))

    def test_random_bytes_do_no_harm(self):
        rng = random.Random(20)
        verbs = [b"PUB ", b"SUB ", b"HPUB ", b"CONNECT ", b"UNSUB ", b"PING", b"INFO ", b"\r\n", b""]
        for _ in range(300):
            with self.open() as connection:
                if rng.random() < 0.5:
                    connection.connect(headers=True)
                connection.send(rng.choice(verbs) + rng.randbytes(rng.randrange(1, 600)) + b"\r\n")

    def test_random_bodies_do_no_harm(self):
        self.make_stream()
        rng = random.Random(21)
        subjects = [s.encode() for s in REQUESTS]
        whole = b'{"name":"S","subjects":["s.*"],"max_msgs":5,"config":{"ack_wait":1},"seq":1}'
        for _ in range(500):
            body = bytearray(whole)
            for _ in range(rng.randrange(1, 6)):
                body[rng.randrange(len(body))] = rng.randrange(256)
            subject = rng.choice(subjects)
            if subject.startswith(b"CONSUMER.CREATE"):
                continue
            answer = self.client.api(subject.decode(), bytes(body))
            self.assertIn("type", answer)


class Neighbours(WireCase):
    """What one connection does wrong is not felt by the others."""

    def test_a_reader_that_does_not_read_does_not_hold_up_the_others(self):
        with self.open() as stuck, self.open() as reader, self.open() as writer:
            for connection in (stuck, reader):
                connection.connect()
                connection.send(b"SUB flood 1\r\n")
                connection.flush()
            writer.connect()
            body = b"x" * 65_536
            line = b"MSG flood 1 %d\r\n" % len(body) + body + b"\r\n"
            for _ in range(100):
                writer.send(b"PUB flood %d\r\n" % len(body) + body + b"\r\n")
                self.assertEqual(reader.exactly(len(line)), line)

    def test_a_half_sent_message_holds_up_nobody(self):
        with self.open() as half:
            half.connect()
            half.send(b"PUB a 1000000\r\n" + b"x" * 1000)
            with self.requester() as client:
                self.assertIn("streams", client.api("STREAM.LIST"))

    def test_hundreds_of_broken_connections_leave_nothing_behind(self):
        for i in range(300):
            with self.open() as connection:
                connection.connect()
                connection.send(b"SUB a.%d 1\r\nFOO\r\n" % i)
        with self.requester() as client:
            self.assertEqual(client.ask(b"a.7")[0][:12], b"NATS/1.0 503")


if __name__ == "__main__":
    unittest.main()
