"""Stores with several lanes (docs/shards.md): streams stay where they are, however many are wished for."""

import base64
import glob
import os
import shutil
import signal
import time
import unittest

from data_backup import Place, tool
from wire import READ_S, Requester, own_promise  # finds serverprocess
from serverprocess import Server, StartError

STREAMS = 7
COUNT = 40


def lanes(count):
    return {**os.environ, "MILLRACE_LANES_TEST": str(count)}


def logs_by_lane(directory):
    """How many streams' logs each further lane has."""
    found = {}
    for path in glob.glob(os.path.join(directory, "millrace", "lanes", "*", "logs", "*")):
        lane = path.split(os.sep)[-3]
        found[lane] = found.get(lane, 0) + 1
    return found


@own_promise
class Lanes(unittest.TestCase):
    def started(self, count):
        server = Server()
        server.environment = lanes(count)
        self.addCleanup(server.__exit__)
        server.start()
        return server

    def fill(self, client, first=1):
        for stream in range(STREAMS):
            if first == 1:
                answer = client.api(f"STREAM.CREATE.S{stream}", {"name": f"S{stream}", "subjects": [f"s{stream}.>"]})
                self.assertNotIn("error", answer)
            for number in range(first, first + COUNT):
                self.assertEqual(client.publish(b"s%d.x" % stream, b"%d" % number)["seq"], number)

    def check(self, client, last):
        for stream in range(STREAMS):
            self.assertEqual(client.api(f"STREAM.INFO.S{stream}")["state"]["last_seq"], last)
            for number in (1, last):
                message = client.api(f"STREAM.MSG.GET.S{stream}", {"seq": number})["message"]
                self.assertEqual(base64.b64decode(message["data"]), b"%d" % number)

    def test_what_is_stored_opens_with_fewer_and_with_more(self):
        server = self.started(3)
        with Requester(server.port) as client:
            self.fill(client)
        found = logs_by_lane(server.directory)
        self.assertEqual(set(found), {"1", "2"})
        self.assertEqual(sum(found.values()), STREAMS - len(glob.glob(os.path.join(server.directory, "millrace", "logs", "*"))) + 1)
        first = COUNT
        for count in (1, 5, 2):
            server.end(signal.SIGKILL)
            server.environment = lanes(count)
            server.start()
            with Requester(server.port) as client:
                self.check(client, first)
                self.fill(client, first + 1)
                first += COUNT
            self.assertEqual(logs_by_lane(server.directory), found)

    def test_a_removed_stream_leaves_nothing(self):
        server = self.started(4)
        with Requester(server.port) as client:
            self.fill(client)
            for stream in range(STREAMS):
                self.assertNotIn("error", client.api(f"STREAM.DELETE.S{stream}"))
        end = time.monotonic() + READ_S
        while logs_by_lane(server.directory) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(logs_by_lane(server.directory), {})

    def test_a_lane_that_is_missing_is_said_and_nothing_is_begun_in_its_place(self):
        server = self.started(3)
        with Requester(server.port) as client:
            self.fill(client)
        server.end(signal.SIGTERM)
        lane = os.path.join(server.directory, "millrace", "lanes", "1")
        shutil.move(lane, lane + ".away")
        with self.assertRaises(StartError) as refused:
            server.start()
        self.assertIn("lanes/1: a lane of the store is not there", str(refused.exception))
        self.assertFalse(os.path.exists(lane))
        code, said = tool("check", server.directory)
        self.assertEqual(code, 1, said)
        self.assertIn("a lane of the store is not there", said)
        shutil.move(lane + ".away", lane)
        server.start()
        with Requester(server.port) as client:
            self.check(client, COUNT)

    def test_lanes_that_changed_places_are_refused(self):
        server = self.started(3)
        with Requester(server.port) as client:
            self.fill(client)
        server.end(signal.SIGTERM)
        lane = os.path.join(server.directory, "millrace", "lanes", "%s")
        os.rename(lane % 1, lane % "x")
        os.rename(lane % 2, lane % 1)
        os.rename(lane % "x", lane % 2)
        with self.assertRaises(StartError) as refused:
            server.start()
        self.assertIn("it is another directory's, or lane's", str(refused.exception))

    def test_a_lane_that_can_not_be_made_is_done_without(self):
        server = self.started(2)
        with Requester(server.port) as client:
            self.fill(client)
        server.end(signal.SIGTERM)
        with open(os.path.join(server.directory, "millrace", "lanes", "2"), "w", encoding="ascii"):
            pass  # no directory
        server.environment = lanes(4)
        server.start()
        self.assertIn("a further lane can not be made", server.log())
        with Requester(server.port) as client:
            self.check(client, COUNT)
            self.fill(client, COUNT + 1)

    def test_what_has_no_lanes_stays_readable_by_all_and_what_has_is_marked(self):
        marks = []
        for count in (1, 2):
            server = self.started(count)
            server.end(signal.SIGTERM)
            with open(os.path.join(server.directory, "millrace", "node"), "rb") as file:
                node = file.read()
            marks.append((node[20:24], node[176:180]))
        self.assertEqual(marks, [(b"\0\0\0\0", b"\0\0\0\0"), (b"\1\0\0\0", b"\1\0\0\0")])

    def test_check_and_dump_read_all_of_them(self):
        server = self.started(3)
        with Requester(server.port) as client:
            self.fill(client)
        server.end(signal.SIGKILL)
        code, said = tool("check", server.directory)
        self.assertEqual(code, 0, said)
        code, said = tool("dump", server.directory)
        self.assertEqual(code, 0, said)
        self.assertIn("lanes/2/logs/", said)
        path = sorted(glob.glob(os.path.join(server.directory, "millrace", "lanes", "1", "logs", "*", "*.seg")))[0]
        with open(path, "r+b") as file:
            file.seek(4096 + 100)
            byte = file.read(1)[0]
            file.seek(4096 + 100)
            file.write(bytes([byte ^ 1]))
        for path in glob.glob(os.path.join(server.directory, "millrace", "lanes", "1", "journal", "*")):
            os.truncate(path, 4096)  # which would bring it back
        code, said = tool("check", server.directory)
        self.assertEqual(code, 1, said)
        self.assertIn("lanes/1/logs/", said)

    def test_a_node_file_is_made_anew_with_its_lanes(self):
        server = self.started(3)
        with Requester(server.port) as client:
            self.fill(client)
        server.end(signal.SIGKILL)
        os.remove(os.path.join(server.directory, "millrace", "node"))
        code, said = tool("check", "--repair", server.directory)
        self.assertIn("node was made anew", said)
        server.environment = lanes(1)
        server.start()
        with Requester(server.port) as client:
            self.check(client, COUNT)

    def test_a_backup_has_all_of_them_in_one(self):
        place = Place(self)
        server = self.started(3)
        with Requester(server.port) as client:
            self.fill(client)
            place.take(server.directory)
            self.fill(client, COUNT + 1)
        server.end(signal.SIGKILL)
        place.take(server.directory)
        for number, last in ((1, COUNT), (2, 2 * COUNT)):
            _, client = place.serve("--backup", str(number))
            self.check(client, last)
            self.fill(client, last + 1)

    def test_a_directory_that_was_removed_is_made_anew(self):
        server = self.started(3)
        with Requester(server.port) as client:
            self.fill(client)
            shutil.rmtree(os.path.join(server.directory, "millrace"))
            end = time.monotonic() + READ_S
            while len(logs_by_lane(server.directory)) < 2 and time.monotonic() < end:
                time.sleep(0.1)
            while "made anew" not in server.log() and time.monotonic() < end:
                time.sleep(0.1)
            answer = client.api("STREAM.CREATE.NEW", {"name": "NEW", "subjects": ["new"]})
            self.assertNotIn("error", answer)
            for number in range(COUNT):
                client.publish(b"new", b"%d" % number)
        server.end(signal.SIGKILL)
        server.start()
        with Requester(server.port) as client:
            self.assertEqual(client.api("STREAM.INFO.NEW")["state"]["last_seq"], COUNT)


if __name__ == "__main__":
    unittest.main()
