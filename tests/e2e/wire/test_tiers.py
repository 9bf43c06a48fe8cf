"""Accounts whose limits are chosen by the number of replicas ("tiers"), as an operator signs them.

What is no own promise holds for the reference, too.
"""

import json
import os
import shutil
import signal
import tempfile
import time
import unittest
import urllib.request

from claims import Key, url
from wire import ASK_S, MILLRACE, READ_S, Connection, Requester, Timeout, own_promise  # finds serverprocess
from serverprocess import Server, free_port

FREE = {"conn": -1, "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "leaf": -1, "wildcards": True}
ANY = {"subs": -1, "data": -1, "payload": -1}
NO_TIER, NO_ROOM, NO_STORE, STREAMS, CONSUMERS, TOO_LARGE = 10120, 10002, 10047, 10027, 10026, 10122
BYTES_WANTED, ACKS, ALONE = 10113, 10121, 10074
STORED = 131  # of a message of 100 bytes with a subject of one
FORMED_S, SETTLED_S = 120, 90


def tier(disk=0, **more):
    return {"mem_storage": 0, "disk_storage": disk, "streams": 0, "consumer": 0, **more}


class Signed:
    """An operator, an account with tiers, a user of it; the file that says so."""

    def __init__(self, case):
        self.operator, self.account, self.system, self.user = Key("O"), Key("A"), Key("A"), Key("U")
        self.directory = tempfile.mkdtemp(prefix="millrace-tiers-")
        self.path = os.path.join(self.directory, "c.conf")
        case.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def write(self, **limits):
        operator = self.operator.token("operator", self.operator.text)
        account = self.operator.token("account", self.account.text, limits={**FREE, **limits})
        system = self.operator.token("account", self.system.text, limits=FREE)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(f"operator: {operator}\nresolver: MEMORY\nsystem_account: {self.system.text}\n")
            file.write(f"resolver_preload: {{ {self.account.text}: {account}\n {self.system.text}: {system} }}\n")

    def requester(self, port):
        token = self.account.token("user", self.user.text, **ANY)
        client = Requester.__new__(Requester)
        Connection.__init__(client, port)
        signature = url(self.user.sign(client.info()["nonce"].encode())).decode()
        client.inbox, client.serial = b"answers", 0
        client.connect(headers=True, no_responders=True, jwt=token, sig=signature)
        client.send(b"SUB answers.* 1\r\n")
        return client


class TierCase(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.signed = Signed(self)

    def code(self, subject, body=b""):
        return self.client.api(subject, body).get("error", {}).get("err_code")

    def create(self, name, **config):
        return self.code("STREAM.CREATE." + name, {"name": name, "subjects": [name.lower()], **config})

    def update(self, name, **config):
        return self.code("STREAM.UPDATE." + name, {"name": name, "subjects": [name.lower()], **config})

    def consume(self, stream, name, **config):
        config = {"durable_name": name, "ack_policy": "explicit", **config}
        return self.code(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": {"name": name, **config}})

    def publish(self, subject, size=100):
        return self.client.publish(subject, b"x" * size).get("error", {}).get("err_code")

    def fill(self, subject):
        """Publishes until that is refused: how many were taken, and the code."""
        for count in range(1000):
            code = self.publish(subject)
            if code is not None:
                return count, code
        return 1000, None

    def slowly(self, subject, count):
        """There is room for so many. The reference hears of what the replicas hold after a while."""
        for _ in range(count):
            self.assertIsNone(self.publish(subject))
            if not MILLRACE:
                time.sleep(2)
        self.assertEqual(self.publish(subject), NO_ROOM)

    def tiers(self):
        return self.client.api("INFO")["tiers"]


class Alone(TierCase):
    def start(self, **tiers):
        self.signed.write(tiered_limits=tiers)
        server = Server(("-c", self.signed.path))
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()
        self.connect()

    def connect(self):
        self.client = self.signed.requester(self.server.port)
        self.addCleanup(self.client.__exit__)

    def reload(self, **limits):
        seen = self.server.log().count("Reloaded")
        self.signed.write(**limits)
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while self.server.log().count("Reloaded") == seen:
            self.assertLess(time.monotonic(), end, self.server.log())
            time.sleep(0.01)
        self.connect()

    def test_info_has_the_tiers_and_totals_without_limits(self):
        self.start(R1=tier(1000, mem_storage=500, streams=3, consumer=2, max_ack_pending=10, disk_max_stream_bytes=700), R3=tier(-1), odd=tier(5, max_bytes_required=True))
        self.assertIsNone(self.create("A", max_bytes=600))
        self.assertIsNone(self.publish(b"a"))
        self.assertIsNone(self.consume("A", "c"))
        info = self.client.api("INFO")
        self.assertEqual({k: v for k, v in info["limits"].items() if v}, {})
        nothing = {"memory": 0, "storage": 0, "reserved_memory": 0, "reserved_storage": 0, "streams": 0, "consumers": 0}
        taken = {**nothing, "storage": STORED, "reserved_storage": 600, "streams": 1, "consumers": 1}
        self.assertEqual({key: info[key] for key in taken}, taken)
        free = {"max_memory": 0, "max_storage": -1, "max_streams": 0, "max_consumers": 0, "max_ack_pending": -1,
                "memory_max_stream_bytes": -1, "storage_max_stream_bytes": -1, "max_bytes_required": False}
        one = {**free, "max_memory": 500, "max_storage": 1000, "max_streams": 3, "max_consumers": 2, "max_ack_pending": 10, "storage_max_stream_bytes": 700}
        self.assertEqual(info["tiers"], {
            "R1": {**taken, "limits": one},
            "R3": {**nothing, "limits": free},
            "odd": {**nothing, "limits": {**free, "max_storage": 5, "max_bytes_required": True}},
        })

    def test_streams_are_asked_for_what_their_tier_has(self):
        self.start(R1=tier(1000, streams=3, consumer=2, max_ack_pending=10, disk_max_stream_bytes=700), R3=tier(-1))
        self.assertIsNone(self.create("A"))
        self.assertEqual(self.create("B", num_replicas=3), ALONE)
        self.assertEqual(self.create("B", num_replicas=2), NO_TIER)
        self.assertEqual(self.create("A", num_replicas=2), NO_TIER)
        self.assertEqual(self.create("B", max_bytes=701), TOO_LARGE)
        self.assertIsNone(self.create("B", max_bytes=600))
        self.assertEqual(self.create("C", max_bytes=401), NO_STORE)
        self.assertEqual(self.create("C", max_consumers=3), CONSUMERS)
        self.assertIsNone(self.create("C", max_bytes=400))
        self.assertEqual(self.create("D"), STREAMS)
        self.assertEqual(self.update("A", max_bytes=1), NO_STORE)
        self.assertEqual(self.update("A", max_consumers=3), CONSUMERS)
        self.assertIsNone(self.update("B", max_bytes=1))
        self.assertIsNone(self.update("A", max_bytes=599))
        self.assertEqual(self.update("B", max_bytes=2), NO_STORE)

    def test_a_tier_may_ask_for_max_bytes_and_has_no_other_storage(self):
        self.start(R1=tier(1000, max_bytes_required=True))
        self.assertEqual(self.create("A"), BYTES_WANTED)
        self.assertEqual(self.create("A", max_bytes=10, storage="memory"), 10028)
        self.assertIsNone(self.create("A", max_bytes=10))

    def test_consumers_are_asked_for_what_theirs_has(self):
        self.start(R1=tier(-1, consumer=2, max_ack_pending=10))
        self.assertIsNone(self.create("A"))
        self.assertEqual(self.consume("A", "c", max_ack_pending=11), ACKS)
        self.assertIsNone(self.consume("A", "c"))
        self.assertEqual(self.client.api("CONSUMER.INFO.A.c")["config"]["max_ack_pending"], 10)
        self.assertIsNone(self.consume("A", "d"))
        self.assertEqual(self.consume("A", "e"), CONSUMERS)
        self.assertIsNone(self.consume("A", "d", description="there already"))

    def test_no_byte_more_than_the_tier_has_is_taken_and_room_comes_back(self):
        self.start(R1=tier(10 * STORED))
        self.assertIsNone(self.create("A"))
        self.assertIsNone(self.create("B"))
        self.assertIsNone(self.publish(b"b"))
        self.assertEqual(self.fill(b"a"), (9, NO_ROOM))
        self.assertEqual(self.publish(b"b"), NO_ROOM)
        self.assertNotIn("error", self.client.api("STREAM.PURGE.B"))
        self.assertEqual(self.fill(b"a"), (1, NO_ROOM))
        self.assertEqual(self.tiers()["R1"]["storage"], 10 * STORED)

    @own_promise
    def test_what_is_under_way_counts(self):
        """Published in one go: the reference counts what it has stored by then."""
        self.start(R1=tier(10 * STORED))
        self.assertIsNone(self.create("A"))
        self.client.send(b"".join(b"PUB a answers.p 100\r\n%s\r\n" % (b"x" * 100) for _ in range(100)))
        answers = [self.client.message()[3] for _ in range(100)]
        self.assertEqual(sum(b"error" not in answer for answer in answers), 10)

    def test_a_reload_changes_tiers(self):
        self.start(R1=tier(3 * STORED))
        self.assertIsNone(self.create("A"))
        self.assertEqual(self.fill(b"a"), (3, NO_ROOM))
        self.reload(tiered_limits={"R1": tier(5 * STORED, consumer=1)})
        self.assertEqual(self.fill(b"a"), (2, NO_ROOM))
        self.assertIsNone(self.consume("A", "c"))
        self.assertEqual(self.consume("A", "d"), CONSUMERS)
        self.reload(tiered_limits={"R3": tier(-1)})
        self.assertEqual(self.publish(b"a"), NO_TIER)
        self.assertEqual(self.create("B"), NO_TIER)
        self.assertEqual(self.update("A", max_bytes=10), NO_TIER)
        self.assertEqual(self.consume("A", "d"), NO_TIER)
        tiers = self.tiers()
        self.assertEqual(tiers["R1"]["streams"], 1)
        self.assertEqual({k: v for k, v in tiers["R1"]["limits"].items() if v}, {})
        self.reload(tiered_limits={"R1": tier(-1), "R3": tier(-1)})
        self.assertIsNone(self.publish(b"a"))

    @own_promise  # in the reference what there is stays without limits, and so refuses, until a restart
    def test_tiers_become_one_set_of_limits_and_come_back(self):
        self.start(R1=tier(3 * STORED))
        self.assertIsNone(self.create("A"))
        self.reload(disk_storage=2 * STORED)
        self.assertEqual(self.fill(b"a"), (2, NO_ROOM))
        self.assertNotIn("tiers", self.client.api("INFO"))
        self.reload(tiered_limits={"R1": tier(3 * STORED)})
        self.assertEqual(self.fill(b"a"), (1, NO_ROOM))

    def test_monitoring_says_who_the_account_is_and_what_its_tiers_hold_together(self):
        self.signed.write(tiered_limits={"R1": tier(10 * STORED), "R3": tier(5)})
        port = free_port()
        server = Server(("-c", self.signed.path, "-m", str(port)))
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()
        self.connect()
        self.assertIsNone(self.create("A", max_bytes=5 * STORED))
        self.assertIsNone(self.publish(b"a"))

        def get(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=READ_S) as answer:
                return json.load(answer)

        key = self.signed.account.text
        detail = get("/accountz?acc=" + key)["account_detail"]
        self.assertEqual((detail["account_name"], detail["name_tag"]), (key, "n"))
        self.assertEqual(detail["issuer_key"], self.signed.operator.text)
        self.assertEqual(len(detail["jwt"].split(".")), 3)
        self.assertEqual(detail["decoded_jwt"]["nats"]["limits"]["tiered_limits"]["R1"]["disk_storage"], 10 * STORED)
        said = get("/jsz?accounts=true")
        self.assertEqual((said["storage"], said["reserved_storage"]), (STORED, 5 * STORED))
        (account,) = said["account_details"]
        self.assertEqual((account["name"], account["id"]), ("n", key))
        self.assertEqual((account["storage"], account["reserved_storage"]), (STORED, 0))

    def test_a_restart_counts_what_there_is(self):
        self.start(R1=tier(3 * STORED, streams=1))
        self.assertIsNone(self.create("A"))
        self.assertIsNone(self.publish(b"a"))
        self.server.restart(signal.SIGTERM)
        self.connect()
        self.assertEqual(self.create("B"), STREAMS)
        self.assertEqual(self.fill(b"a"), (2, NO_ROOM))


class Three(TierCase):
    def start(self, **limits):
        self.signed.write(**limits)
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(3)]
        self.members = [
            Server(["-c", self.signed.path, "--server_name", f"n{i}", "--cluster_name", "C", "--cluster", route, "--routes", ",".join(routes)])
            for i, route in enumerate(routes)
        ]
        for member in self.members:
            self.addCleanup(member.__exit__)
            member.spawn()
        for member in self.members:
            member.wait_ready()
        self.connect(0)
        self.until(lambda: "error" not in self.client.api("INFO"), FORMED_S)

    def connect(self, node):
        self.client = self.signed.requester(self.members[node].port)
        self.client.read_s = ASK_S
        self.addCleanup(self.client.__exit__)

    def until(self, holds, within=SETTLED_S):
        end = time.monotonic() + within
        while True:
            try:
                if holds():
                    return
                seen = self.client.api("INFO")
            except (Timeout, AssertionError) as problem:
                seen = problem
                self.connect(0)
            self.assertLess(time.monotonic(), end, seen)
            time.sleep(0.1)

    def made(self, name, **config):
        self.until(lambda: self.create(name, **config) is None)

    def test_a_tier_of_three_counts_each_message_once_for_each_replica_against_as_many_times_its_limit(self):
        self.start(tiered_limits={"R1": tier(5 * STORED), "R3": tier(10 * STORED)})
        self.made("A", num_replicas=3)
        self.made("B", num_replicas=1)
        self.assertEqual(self.create("C", num_replicas=2), NO_TIER)
        self.assertEqual(self.create("C", num_replicas=3, max_bytes=10 * STORED + 1), NO_STORE)
        self.slowly(b"a", 10)
        self.slowly(b"b", 5)
        self.until(lambda: (self.tiers()["R3"]["storage"], self.tiers()["R1"]["storage"]) == (30 * STORED, 5 * STORED))
        info = self.client.api("INFO")
        self.assertEqual((info["storage"], info["streams"], info["tiers"]["R3"]["streams"]), (35 * STORED, 2, 1))

    def test_one_set_of_limits_counts_every_replica(self):
        self.start(disk_storage=30 * STORED, streams=-1, consumer=-1)
        self.made("A", num_replicas=3)
        self.assertEqual(self.create("B", num_replicas=3, max_bytes=10 * STORED + 1), NO_STORE)
        self.slowly(b"a", 10)
        self.until(lambda: self.client.api("INFO")["storage"] == 30 * STORED)

    def test_a_stream_that_is_given_replicas_changes_its_tier(self):
        self.start(tiered_limits={"R1": tier(5 * STORED, streams=1), "R3": tier(10 * STORED)})
        self.made("A")
        self.slowly(b"a", 5)
        self.assertEqual(self.create("B"), STREAMS)
        self.until(lambda: self.update("A", num_replicas=3) is None)
        self.until(lambda: self.publish(b"a") is None)
        self.made("B")
        self.until(lambda: self.tiers()["R1"]["storage"] == 0)
        self.until(lambda: self.tiers()["R3"]["storage"] == 18 * STORED)
        self.slowly(b"a", 4)
        self.slowly(b"b", 5)

    def test_it_stays_in_its_tier_when_there_is_none_for_less(self):
        self.start(tiered_limits={"R3": tier(5 * STORED)})
        self.made("A", num_replicas=3)
        self.assertIsNone(self.publish(b"a"))
        self.assertEqual(self.update("A", num_replicas=5), NO_TIER)
        self.until(lambda: self.update("A", num_replicas=1) is None)
        self.until(lambda: self.publish(b"a") is None)
        self.slowly(b"a", 3)

    def test_consumers_belong_to_the_tier_of_their_replicas(self):
        self.start(tiered_limits={"R1": tier(-1), "R3": tier(-1)})
        self.made("A", num_replicas=3)
        self.until(lambda: self.consume("A", "d") is None)
        lone = {"stream_name": "A", "config": {"name": "e", "ack_policy": "explicit", "inactive_threshold": 60_000_000_000}}
        self.until(lambda: self.code("CONSUMER.CREATE.A.e", lone) is None)
        self.until(lambda: [self.tiers()[name]["consumers"] for name in ("R1", "R3")] == [1, 1])

    def test_streams_that_different_nodes_lead_share_a_tier(self):
        """What others hold is known soon."""
        self.start(tiered_limits={"R1": tier(9 * STORED)})
        for name in "ABC":
            self.made(name)
        for subject in (b"a", b"b", b"c"):
            for _ in range(3):
                self.until(lambda: self.publish(subject) is None)
        self.until(lambda: self.tiers()["R1"]["storage"] == 9 * STORED)
        for node in range(3):
            self.connect(node)
            for subject in (b"a", b"b", b"c"):
                self.until(lambda: self.publish(subject) == NO_ROOM)


if __name__ == "__main__":
    unittest.main()
