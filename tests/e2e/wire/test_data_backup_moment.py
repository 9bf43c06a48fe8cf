"""`millrace restore --at TIME`: a directory as it was at any moment between two backups, by the log of the later one."""

import base64
import datetime
import os
import random
import unittest

from data_backup import Place, has_blocks, tool
from wire import Requester, own_promise  # finds serverprocess
from serverprocess import Server

SIZE = 24 << 10
SUBJECTS = 7
KEPT = 200  # of each subject: what is dropped from the log between two backups is in none of them
ROUNDS = 3  # of publishes and a backup
EACH = 900  # at least


def body(seq):
    return b"%08d" % seq + b"x" * SIZE


def at(nanoseconds):
    moment = datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{nanoseconds % 10**9:09d}Z"


def parse(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return int(moment.timestamp()) * 10**9 + int(fraction.ljust(9, "0") or 0)


@own_promise
class Moment(unittest.TestCase):
    def setUp(self):
        self.place = Place(self)

    def last_time(self, client, stream):
        return parse(client.api("STREAM.INFO." + stream)["state"]["last_ts"])

    def test_each_message_is_there_from_its_time_on_and_later_ones_are_not(self):
        times, first = {}, 0  # of messages, by their sequences; the last of them before the first backup
        with Server() as server, Requester(server.port) as client:
            for name, more in (("A", {"max_msgs_per_subject": KEPT}), ("B", {})):
                created = client.api("STREAM.CREATE." + name, {"name": name, "subjects": [name + ".>"], **more})
                self.assertNotIn("error", created)
            for _ in range(ROUNDS):
                already = len(times)
                while len(times) - already < EACH or not has_blocks(server.directory, 2):
                    seq = client.publish(b"A.%d" % (len(times) % SUBJECTS), body(len(times) + 1))["seq"]
                    client.publish(b"B.x", b"%d" % seq)
                    times[seq] = None
                    if seq % 97 == 0:
                        times[seq] = self.last_time(client, "A")
                first = first or len(times)
                self.place.take(server.directory)
        known = [seq for seq, time in times.items() if time and seq > first]
        rng = random.Random(7)
        self.assertGreater(sum(1 for p in self.blocks() if p), 1)  # state blocks have let files go
        for seq in [known[0], *rng.sample(known[1:-1], 5), known[-1]]:
            with self.subTest(seq=seq):
                self.compare(seq, times[seq])
        self.refuse(times[97], "is not known any more, only a later one")  # its files went before the first backup
        self.refuse(times[known[-1]] + 3600 * 10**9, "no backup is as late as that")

    def blocks(self):
        return [n.endswith(".blk") for _, _, names in os.walk(self.place.depot) for n in names]

    def compare(self, seq, time):
        """At its own time it is the last one; a nanosecond before it is not there."""
        for moment, last in ((time, seq), (time - 1, seq - 1)):
            server, client = self.place.serve("--at", at(moment), inbox=b"moment")
            state = client.api("STREAM.INFO.A")["state"]
            self.assertEqual((state["last_seq"], state["messages"]), (last, min(last, KEPT * SUBJECTS)))
            for one in range(state["first_seq"], last + 1):
                message = client.api("STREAM.MSG.GET.A", {"seq": one})["message"]
                self.assertEqual(base64.b64decode(message["data"]), body(one))
            self.assertEqual(client.api("STREAM.INFO.B")["state"]["last_seq"], seq - 1)
            self.assertEqual(client.publish(b"A.0", b"")["seq"], last + 1)
            server.__exit__()

    def refuse(self, time, why):
        target = os.path.join(self.place.directory, "target")
        code, said = tool("restore", "--at", at(time), self.place.depot, target)
        self.assertEqual((code, why in said), (2, True), said)
        self.assertFalse(os.path.exists(os.path.join(target, "millrace")))
        self.assertEqual(tool("restore", "--at", "yesterday", self.place.depot, target)[0], 2)

    def test_a_stream_that_was_removed_meanwhile_is_not_made_up(self):
        with Server() as server, Requester(server.port) as client:
            for name in ("A", "B"):
                client.api("STREAM.CREATE." + name, {"name": name, "subjects": [name + ".>"]})
                for i in range(5):
                    client.publish(name.encode() + b".x", b"%d" % i)
            self.place.take(server.directory)
            client.publish(b"A.x", b"before")
            before = self.last_time(client, "A")
            client.api("STREAM.DELETE.B")
            client.publish(b"A.x", b"after")
            after = self.last_time(client, "A")
            self.place.take(server.directory)
        target = os.path.join(self.place.directory, "target")
        code, said = tool("restore", "--at", at(before), self.place.depot, target)
        self.assertEqual((code, "was removed between backup 1 and backup 2" in said), (2, True), said)
        _, client = self.place.serve("--at", at(after - 1))
        self.assertEqual(client.api("STREAM.NAMES")["streams"], ["A"])
        self.assertEqual(client.api("STREAM.INFO.A")["state"]["last_seq"], 6)


if __name__ == "__main__":
    unittest.main()
