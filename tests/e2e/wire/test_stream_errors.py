"""Every error that a stream, its API and publishing to it can answer with, by its number.

ROWS says how each is brought about, ELSEWHERE why it is not: together they name every row of the server's
table. What is in ROWS holds for the reference server as well.
"""

import json
import os
import re
import shutil
import tempfile
import unittest

from wire import Requester  # finds serverprocess
from serverprocess import ROOT, Server

SECOND = 1_000_000_000
MIB = 1 << 20
TABLE = os.path.join(ROOT, "server", "api", "errors.inc")
ROW = re.compile(r'API_ERROR\((\d+), (\d+),\s*"(.*)"\)')

CONFIG = """
accounts {
  ALL { jetstream: enabled, users: [{user: all, password: p}] }
  NONE { users: [{user: none, password: p}] }
  FEW { jetstream { max_streams: 1, max_store: 1MB, max_mem: 1MB }, users: [{user: few, password: p}] }
  SIZED { jetstream { max_store: 10MB, disk_max_stream_bytes: 1MB, max_bytes_required: true }, users: [{user: sized, password: p}] }
}
"""


def api(subject, **body):
    return ("api", subject, json.dumps(body).encode() if body else b"")


def text(subject, body):
    return ("api", subject, body)


def create(name="S", **config):
    return api(f"STREAM.CREATE.{name}", name=name, **config)


def update(**config):
    return api("STREAM.UPDATE.S", name="S", **config)


def pub(*lines, subject="S", body=b"x"):
    head = b"NATS/1.0\r\n" + b"".join(line.encode() + b"\r\n" for line in lines) + b"\r\n" if lines else b""
    return ("pub", subject, body, head)


def level(subject, value, **body):
    return ("api", subject, json.dumps(body).encode(), f"NATS/1.0\r\nNats-Required-Api-Level: {value}\r\n\r\n".encode())


MIRROR = {"mirror": {"name": "X"}}
SCHEDULE = {"allow_msg_schedules": True, "allow_rollup_hdrs": True}
COUNTER = {"allow_msg_counter": True}
BATCH = {"allow_atomic": True}

# number: steps as that user, the last of which is refused with it
ROWS = {
    10002: ("few", [create(), *[pub(body=b"x" * 900_000)] * 2]),
    10003: ("all", [create(), text("STREAM.MSG.GET.S", b"{}")]),
    10010: ("all", [create(), api("STREAM.LEADER.STEPDOWN.S")]),
    10025: ("all", [text("STREAM.CREATE.S", b'{"x":1}')]),
    10026: (
        "all",
        [
            create(max_consumers=1),
            *[
                api(f"CONSUMER.CREATE.S.{name}", stream_name="S", config={"name": name, "ack_policy": "explicit"})
                for name in ("A", "B")
            ],
        ],
    ),
    10027: ("few", [create(), create("T")]),
    10028: ("few", [create(storage="memory", max_bytes=2 * MIB)]),
    10031: ("all", [create(**MIRROR, sources=[{"name": "Y"}])]),
    10034: ("all", [create(**MIRROR, subjects=["s"])]),
    10037: ("all", [create(), api("STREAM.MSG.GET.S", seq=5)]),
    10038: ("all", [create(), api("STREAM.DELETE.S", x=1)]),
    10039: ("none", [api("STREAM.NAMES")]),
    10043: ("all", [create(), pub(), pub(), pub(), *[api("STREAM.MSG.DELETE.S", seq=2)] * 2]),
    10047: ("few", [create(max_bytes=2 * MIB)]),
    10052: ("all", [create(max_age=-1)]),
    10054: ("all", [create(max_msg_size=1), pub(body=b"xx")]),
    10055: ("all", [create(), update(**MIRROR)]),
    10056: ("all", [api("STREAM.CREATE.S", name="T")]),
    10057: ("all", [create(), api("STREAM.MSG.DELETE.S", seq=9)]),
    10058: ("all", [create(), create(max_msgs=5)]),
    10059: ("all", [api("STREAM.INFO.S")]),
    10060: ("all", [create(), pub("Nats-Expected-Stream: T")]),
    10065: ("all", [create(), create("T", subjects=["S"])]),
    10070: ("all", [create(), pub("Nats-Expected-Last-Msg-Id: x")]),
    10071: ("all", [create(), pub("Nats-Expected-Last-Sequence: 9")]),
    10074: ("all", [create(num_replicas=3)]),
    10077: ("all", [create(max_msgs=1, discard="new"), pub(), pub()]),
    10097: ("all", [create(), pub("X: " + "x" * 65536)]),
    10109: ("all", [create(), update(sealed=True), pub()]),
    10110: ("all", [create(deny_purge=True), api("STREAM.PURGE.S")]),
    10111: ("all", [create(), pub("Nats-Rollup: sub")]),
    10113: ("sized", [create()]),
    10122: ("sized", [create(max_bytes=2 * MIB)]),
    10128: ("all", [api("STREAM.CREATE.a/b", name="a/b")]),
    10133: ("all", [create(num_replicas=-1)]),
    10143: ("all", [create(**MIRROR, first_seq=5)]),
    10157: ("all", [create(max_msgs=-2, pedantic=True)]),
    10165: ("all", [create(allow_msg_ttl=True), pub("Nats-TTL: x")]),
    10166: ("all", [create(), pub("Nats-TTL: 5")]),
    10168: ("all", [create(), pub("Nats-Incr: 1", body=b"")]),
    10169: ("all", [create(**COUNTER), pub(body=b"")]),
    10170: ("all", [create(**COUNTER), pub("Nats-Incr: 1")]),
    10171: ("all", [create(**COUNTER), pub("Nats-Incr: x", body=b"")]),
    10172: (
        "all",
        [
            create(**COUNTER),
            pub("Nats-Incr: 1", "Nats-Counter-Sources: x", body=b""),
            pub("Nats-Incr: 1", body=b""),
        ],
    ),
    10173: ("all", [create(**MIRROR, **COUNTER)]),
    10174: ("all", [create(), pub("Nats-Batch-Id: b", "Nats-Batch-Sequence: 1")]),
    10175: ("all", [create(**BATCH), pub("Nats-Batch-Id: b")]),
    10176: ("all", [create(**BATCH), pub("Nats-Batch-Id: b", "Nats-Batch-Sequence: 2")]),
    10179: ("all", [create(**BATCH), pub("Nats-Batch-Id: " + "b" * 65, "Nats-Batch-Sequence: 1")]),
    10185: ("all", [level("STREAM.CREATE.S", 99, name="S")]),
    10186: ("all", [create(**MIRROR, **SCHEDULE)]),
    10187: ("all", [create(sources=[{"name": "Y"}], **SCHEDULE)]),
    10188: ("all", [create(), pub("Nats-Schedule: @every 1h", "Nats-Schedule-Target: t")]),
    10193: ("all", [create(), pub("Nats-Expected-Last-Subject-Sequence-Subject: x")]),
    10198: ("all", [create(**MIRROR, **BATCH)]),
    10209: ("all", [create(**MIRROR, allow_batched=True)]),
    10212: ("all", [create(), pub("Nats-Schedule-Next: x")]),
}

ELSEWHERE = {
    "consumers have tests of their own": [
        *range(10012, 10015), 10016, 10017, 10018, 10020, 10078, *range(10079, 10096), *range(10098, 10109), 10112,
        *range(10114, 10117), 10119, 10121, *range(10125, 10128), 10131, 10132, *range(10134, 10140), 10148, 10149,
        10153, *range(10159, 10163), 10178, *range(10181, 10185), 10195, 10196, 10197, 10204, *range(10218, 10223),
    ],
    "mirrors and sources have tests of their own": [
        10021, 10022, 10024, 10029, 10030, 10032, 10033, 10045, 10046, 10048, 10050, 10051,
        *range(10140, 10143), *range(10144, 10148), 10150, 10151, 10152, 10154, *range(10213, 10218),
    ],
    "transforms have tests of their own": [10155, 10156],
    "atomic and fast batches have tests of their own": [
        10164, 10177, 10199, 10200, 10201, *range(10205, 10209), 10210, 10211,
    ],
    "schedules have tests of their own": [10189, 10190, 10191, 10192, 10203, 10223],
    "it takes a cluster: test_cluster_features.py and the simulations": [
        10005, 10006, 10007, 10008, 10009, 10040, 10041, 10044, 10075, 10123, 10124, 10129, 10202,
    ],
    "it takes a disk that fails or is full: the unit tests and the simulations": [10023, 10049, 10053, 10069, 10118, 10194],
    "it takes more than a client can send: the unit tests": [10167],
    "backups have tests of their own": [10015, 10062, 10064, 10130],
    "a restore subscribes and opens no file, which could fail": [10042, 10072],
    "it takes accounts of operators": [10035, 10120],
    "JetStream that is off answers by its silence": [10076],
    "no server produces it any more": [
        10004, 10011, 10019, 10036, 10061, 10063, 10066, 10067, 10068, 10073, 10096, 10117, 10158, 10163, 10180,
    ],
    "of later versions": [10224, 10225, 10226, 10227],
}


class StreamErrors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="millrace-errors-")
        cls.addClassCleanup(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        cls.server = Server(["-c", path])
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        with open(TABLE, encoding="utf-8") as file:
            rows = ROW.findall(file.read().replace('"\n', '"').replace('""', ""))
        cls.table = {int(number): (int(code), description) for number, code, description in rows}

    def refusal(self, user, steps):
        """The error of the last step; those before it succeed."""
        with Requester(self.server.port, user=user, **{"pass": "p"}) as asker:
            try:
                for step in steps[:-1]:
                    self.ask(asker, step)
                return self.ask(asker, steps[-1]).get("error", {})
            finally:
                for name in ("S", "T"):
                    asker.ask(b"$JS.API.STREAM.DELETE." + name.encode())

    @staticmethod
    def ask(asker, step):
        if step[0] == "pub":
            return json.loads(asker.ask(step[1].encode(), step[2], step[3])[1])
        headers = step[3] if len(step) > 3 else b""
        return json.loads(asker.ask(b"$JS.API." + step[1].encode(), step[2], headers)[1])

    def test_each_is_answered_with_its_code_and_description(self):
        for number, (user, steps) in ROWS.items():
            with self.subTest(number):
                error = self.refusal(user, steps)
                code, description = self.table[number]
                self.assertEqual(error.get("err_code"), number, error)
                self.assertEqual(error["code"], code)
                words = [re.escape(word) for word in re.split(r"\{\w+\}", description)]
                self.assertRegex(error["description"], "^" + ".*".join(words) + "$")

    def test_the_rows_and_those_that_are_elsewhere_are_all_there_are(self):
        elsewhere = [number for numbers in ELSEWHERE.values() for number in numbers]
        self.assertEqual(len(elsewhere), len(set(elsewhere)), "one reason each")
        self.assertEqual(set(elsewhere) & set(ROWS), set())
        self.assertEqual(sorted({*elsewhere, *ROWS}), sorted(self.table))


if __name__ == "__main__":
    unittest.main()
