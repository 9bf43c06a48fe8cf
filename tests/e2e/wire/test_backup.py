"""Backups over the API: what comes back is what there was, as it was when the backup began, and what
is no backup leaves nothing behind."""

import base64
import json
import os
import time
import unittest

from wire import ASK_S, READ_S, OwnServerCase, Requester, Timeout, own_promise  # finds serverprocess
from backup import Snapshot, archive_of, entries_of, restore, restore_begin, snapshot
from cluster import ClusterCase
from serverprocess import Server

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "backup-2.14")
CONFIG = {"name": "S", "subjects": ["s.>"], "allow_msg_ttl": True, "allow_rollup_hdrs": True}


def fill(client, count=200, size=2000):
    for i in range(1, count + 1):
        headers = b"NATS/1.0\r\nNats-Msg-Id: id%d\r\nX: y\r\n\r\n" % i if i % 3 == 0 else b""
        client.publish(b"s.%d" % (i % 7), b"%d " % i + os.urandom(size).hex().encode()[:size], headers)
    for seq in (2, 3, 50, count):
        assert client.api("STREAM.MSG.DELETE.S", {"seq": seq})["success"]
    assert client.api("STREAM.PURGE.S", {"filter": "s.5"})["success"]


def make_consumer(client):
    config = {"durable_name": "C", "ack_policy": "explicit", "max_deliver": 3, "ack_wait": 60_000_000_000}
    assert "error" not in client.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": {**config, "name": "C"}})
    client.send(b"SUB pulled 9\r\n")
    client.send(b'PUB $JS.API.CONSUMER.MSG.NEXT.S.C pulled 12\r\n{"batch":10}\r\n')
    replies = [client.message()[1] for _ in range(10)]
    for reply in replies[:2] + replies[4:7]:
        client.ask(reply, b"+ACK")


def info(client, stream="S"):
    answer = client.api(f"STREAM.INFO.{stream}", {"deleted_details": True})
    return {key: answer.get(key) for key in ("config", "created", "state")}


def consumer(client):
    answer = client.api("CONSUMER.INFO.S.C")
    for place in (answer["delivered"], answer["ack_floor"]):
        place.pop("last_active", None)
    return {key: answer[key] for key in ("created", "delivered", "ack_floor", "num_ack_pending", "num_redelivered", "num_pending")}


def messages(client, first, last):
    return [client.api("STREAM.MSG.GET.S", {"seq": seq}).get("message") for seq in range(first, last + 1)]


class BackupCase(OwnServerCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.__exit__, None, None, None)
        self.server.__enter__()

    def made(self):
        """A stream with what there is to lose, and what is to be found again."""
        client = self.client()
        self.assertNotIn("error", client.api("STREAM.CREATE.S", CONFIG))
        fill(client)
        make_consumer(client)
        return info(client), consumer(client), messages(client, 1, 200)

    def delete(self):
        self.assertTrue(self.client().api("STREAM.DELETE.S")["success"])

    def gone(self):
        """Nothing is left of the stream, and its name is free."""
        end = time.monotonic() + READ_S
        while time.monotonic() < end:
            answer = self.client().api("STREAM.CREATE.S", CONFIG)
            if "error" not in answer:
                return self.delete()
            time.sleep(0.1)
        self.fail(answer)


class Backups(BackupCase):
    def test_what_is_restored_is_what_was_there(self):
        before = self.made()
        answer, archive = snapshot(self.server.port, "S", chunk_size=10_000)
        self.delete()
        restored = restore(self.server.port, answer, archive)
        self.assertNotIn("error", restored)
        self.assertEqual(restored["state"]["last_seq"], 200)
        self.assertEqual((info(self.client()), consumer(self.client()), messages(self.client(), 1, 200)), before)
        self.server.restart()
        self.assertEqual((info(self.client()), messages(self.client(), 1, 200)), (before[0], before[2]))
        self.assertEqual(consumer(self.client())["ack_floor"], before[1]["ack_floor"])
        again = self.client().publish(b"s.1", b"again", b"NATS/1.0\r\nNats-Msg-Id: id99\r\n\r\n")
        self.assertEqual((again["seq"], again["duplicate"]), (99, True))
        self.assertEqual(self.client().publish(b"s.1", b"on")["seq"], 201)

    def test_a_backup_whose_receiver_has_gone_does_not_refuse_the_next(self):
        self.made()
        with Snapshot(self.server.port) as client:
            client.begin("S", chunk_size=1024, window_size=1024)
            client.take(ack=False)
            client.send(b"UNSUB 7\r\n")
            self.assertNotIn("error", client.api("STREAM.SNAPSHOT.S", {"deliver_subject": "nobody"}))

    def test_one_backup_at_a_time_and_one_without_receiver_ends(self):
        self.made()
        with Snapshot(self.server.port) as client:
            client.begin("S", chunk_size=1024, window_size=1024)
            client.take(ack=False)
            refused = self.client().api("STREAM.SNAPSHOT.S", {"deliver_subject": "x"})["error"]
            self.assertEqual((refused["err_code"], refused["description"]), (10064, "snapshot failed: snapshot in progress"))
            client.read_s = 0.5
            with self.assertRaises(Timeout):  # nothing goes beyond the window
                client.take()
        end = time.monotonic() + READ_S
        while "error" in self.client().api("STREAM.SNAPSHOT.S", {"deliver_subject": "nobody"}):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_a_receiver_that_does_not_acknowledge_is_given_up(self):
        self.made()
        with Snapshot(self.server.port) as client:
            client.begin("S", chunk_size=1024, window_size=2048)
            while client.take(ack=False):
                pass
            self.assertEqual((len(client.archive), client.status), (2048, b"NATS/1.0 408 No Flow Response\r\n\r\n"))

    def test_what_leaves_meanwhile_is_in_the_backup(self):
        before = self.made()
        with Snapshot(self.server.port) as client:
            answer = client.begin("S", chunk_size=1024, window_size=1024)
            reply, _, body = client.chunk()
            client.archive += body
            self.assertTrue(self.client().api("STREAM.PURGE.S")["success"])
            self.assertTrue(self.client().api("CONSUMER.DELETE.S.C")["success"])
            self.client().publish(b"s.1", b"later")
            client.send(b"PUB %s 0\r\n\r\n" % reply)
            archive = client.rest()
        self.delete()
        self.assertNotIn("error", restore(self.server.port, answer, archive))
        self.assertEqual((info(self.client()), consumer(self.client()), messages(self.client(), 1, 200)), before)

    def test_the_reference_s_backups_are_restored(self):
        with open(os.path.join(GOLDEN, "backup.json"), encoding="utf-8") as file:
            answer = json.load(file)
        with open(os.path.join(GOLDEN, "stream.tar.s2"), "rb") as file:
            archive = file.read()
        restored = restore(self.server.port, answer, archive, chunk=999)
        self.assertNotIn("error", restored)
        wanted = {key: answer["state"][key] for key in ("messages", "bytes", "first_seq", "first_ts", "last_seq", "num_deleted", "num_subjects")}
        self.assertEqual({key: restored["state"][key] for key in wanted}, wanted)
        message = self.client().api("STREAM.MSG.GET.ORDERS", {"seq": 5})["message"]
        self.assertEqual(base64.b64decode(message["data"]), b"message 5")
        there = self.client().api("CONSUMER.INFO.ORDERS.C1")
        self.assertEqual((there["delivered"]["stream_seq"], there["num_ack_pending"]), (10, 5))

    def test_only_a_backup_becomes_a_stream(self):
        self.made()
        answer, archive = snapshot(self.server.port, "S")
        self.assertEqual(restore(self.server.port, answer, archive)["error"]["err_code"], 10130)
        self.delete()
        flipped = bytearray(archive)
        flipped[len(archive) // 2] ^= 1
        for wrong in (archive[: len(archive) // 2], archive[:-20_000], bytes(flipped), b"garbage" * 1000, archive[10:], b""):
            failed = restore(self.server.port, answer, wrong)
            self.assertEqual(failed["error"]["err_code"], 10062, failed)
            self.assertEqual(failed["type"], "io.nats.jetstream.api.v1.stream_create_response")
            self.gone()
        other = {"config": {**answer["config"], "name": "T", "subjects": ["t"]}, "state": answer["state"]}
        self.assertIn("names do not match", restore(self.server.port, other, archive)["error"]["description"])
        self.assertNotIn("error", restore(self.server.port, answer, archive))

    @own_promise
    def test_an_archive_that_something_was_taken_out_of_is_refused(self):
        before = self.made()
        client = self.client()
        for _ in range(700):  # more than one file of messages
            client.publish(b"s.1", os.urandom(2000))
        before = info(client), consumer(client), before[2]
        answer, archive = snapshot(self.server.port, "S")
        entries = entries_of(archive)
        names = [name for name, _ in entries]
        self.delete()
        self.assertEqual(names, ["meta.inf", "meta.sum", "msgs/1.blk", "msgs/2.blk", "obs/C/meta.inf", "obs/C/meta.sum", "obs/C/o.dat"])
        for out in ({"msgs/1.blk"}, {"msgs/2.blk"}, {"msgs/1.blk", "msgs/2.blk"}, {"obs/C/o.dat"}, {name for name in names if name.startswith("obs/")}):
            failed = restore(self.server.port, answer, archive_of([entry for entry in entries if entry[0] not in out]))
            self.assertEqual(failed["error"]["err_code"], 10062, (out, failed))
            self.assertIn("the archive is not whole: there are ", failed["error"]["description"])
            self.gone()
        self.assertNotIn("error", restore(self.server.port, answer, archive_of(entries)))
        self.assertEqual((info(self.client()), consumer(self.client()), messages(self.client(), 1, 200)), before)

    @own_promise
    def test_an_archive_of_before_it_said_how_much_is_in_it_is_restored(self):
        self.made()
        answer, archive = snapshot(self.server.port, "S")
        entries = [(name, content) for name, content in entries_of(archive) if not name.endswith("meta.sum")]
        self.assertEqual(entries[0][0], "meta.inf")
        config = json.loads(entries[0][1])
        self.assertEqual(config.pop("millrace"), {"messages": answer["state"]["messages"], "consumers": 1})
        entries[0] = ("meta.inf", json.dumps(config).encode())
        self.delete()
        self.assertEqual(restore(self.server.port, answer, archive_of(entries))["state"]["messages"], answer["state"]["messages"])

    def test_so_many_restores_go_on_at_once_and_no_more(self):
        client = self.client()
        begun = []
        for n in range(17):
            for answer in begun:  # none stalls meanwhile, however long it takes
                client.send(b"PUB %s nobody 10\r\n\xff\x06\0\0S2sTwO\r\n" % answer["deliver_subject"].encode())
            begun.append(client.api(f"STREAM.RESTORE.R{n}", {"config": {"name": f"R{n}", "subjects": [f"r{n}"]}, "state": {}}))
        self.assertEqual([("error" in answer) for answer in begun], [False] * 16 + [True], begun[-1])
        self.assertEqual(begun[16]["error"]["err_code"], 10062)
        self.assertIn("16 streams of the account are being restored already", begun[16]["error"]["description"])
        self.assertTrue(client.api("STREAM.DELETE.R3")["success"])
        end = time.monotonic() + READ_S
        while "error" in client.api("STREAM.RESTORE.R16", {"config": {"name": "R16", "subjects": ["r16"]}, "state": {}}):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_a_restore_that_stalls_leaves_nothing(self):
        self.made()
        answer, archive = snapshot(self.server.port, "S")
        self.delete()
        with Requester(self.server.port) as client:
            begun = restore_begin(client, answer)
            client.ask(begun["deliver_subject"].encode(), archive[:50_000])
            # it is no stream yet
            self.assertEqual(self.client().api("STREAM.INFO.S")["error"]["err_code"], 10059)
            self.assertNotIn("S", self.client().api("STREAM.NAMES").get("streams") or [])
            self.assertEqual(self.client().api("STREAM.UPDATE.S", CONFIG)["error"]["err_code"], 10059)
        self.gone()

    def test_a_restore_that_a_crash_ends_leaves_nothing(self):
        self.made()
        answer, archive = snapshot(self.server.port, "S")
        self.delete()
        with Requester(self.server.port) as client:
            begun = restore_begin(client, answer)
            client.ask(begun["deliver_subject"].encode(), archive[:50_000])
        self.server.restart()
        self.gone()

    def test_deleting_it_cancels_a_restore(self):
        self.made()
        answer, archive = snapshot(self.server.port, "S")
        self.delete()
        with Requester(self.server.port) as client:
            begun = restore_begin(client, answer)
            client.ask(begun["deliver_subject"].encode(), archive[:50_000])
            self.delete()
        self.gone()


class ClusterBackups(ClusterCase):
    def test_a_backup_fills_all_replicas(self):
        self.api(0, "STREAM.CREATE.S", json.dumps({**CONFIG, "num_replicas": 3}))
        self.publish(0, b"s.1")
        with Requester(self.nodes[0].port) as client:
            fill(client, 60)
            make_consumer(client)
            before = info(client)["state"], consumer(client), messages(client, 1, 60)
        leader = self.leader_of("S")
        answer, archive = snapshot(self.nodes[(leader + 1) % 3].port, "S", chunk_size=4096)
        self.api(0, "STREAM.DELETE.S")
        restored = restore(self.nodes[(leader + 1) % 3].port, answer, archive, chunk=8192)
        self.assertNotIn("error", restored)
        self.api(0, "STREAM.INFO.S", wanted=self.whole)
        self.nodes[self.leader_of("S")].kill()
        alive = next(i for i, node in enumerate(self.nodes) if node.running())

        def ask():
            with Requester(self.nodes[alive].port, read_s=ASK_S) as client:
                return info(client)["state"], consumer(client), messages(client, 1, 60)

        found = self.until(lambda answer: answer[2][0] is not None, ask)
        self.assertEqual(found[0], before[0])
        self.assertEqual(found[2], before[2])
        self.assertEqual(found[1]["ack_floor"], before[1]["ack_floor"])

    def test_a_leader_that_dies_leaves_nothing_half_restored(self):
        self.api(0, "STREAM.CREATE.S", json.dumps({**CONFIG, "num_replicas": 3}))
        with Requester(self.nodes[0].port) as client:
            fill(client, 60)
        answer, archive = snapshot(self.nodes[0].port, "S")
        self.api(0, "STREAM.DELETE.S")
        with Requester(self.nodes[0].port) as client:
            begun = restore_begin(client, answer)
            client.ask(begun["deliver_subject"].encode(), archive[:20_000])
        self.nodes[1].kill()
        self.nodes[2].kill()
        self.nodes[1].spawn()
        self.nodes[2].spawn()
        self.nodes[1].wait_ready()
        self.nodes[2].wait_ready()
        self.api(0, "STREAM.CREATE.S", json.dumps({**CONFIG, "num_replicas": 3}))
        self.assertEqual(self.api(0, "STREAM.INFO.S")["state"]["messages"], 0)


if __name__ == "__main__":
    unittest.main()
