"""Backups of data directories: cut short, damaged, refused, incremental, and of a cluster's member."""

import base64
import fcntl
import glob
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from cluster import ClusterCase
from data_backup import Place, tool
from wire import READ_S, Requester, own_promise  # finds serverprocess
from serverprocess import BINARY, Server, StartError, free_port

KILLS = 25
FLIPS = 120
SIZE = 32 << 10


def files(directory):
    for folder, _, names in os.walk(directory):
        for name in names:
            yield os.path.join(folder, name)


def sparse(path):
    with open(path, "w", encoding="ascii") as file:
        file.truncate(1 << 40)


def logs(directory):
    """Their files, of all lanes."""
    return [path for path in files(os.path.join(directory, "millrace")) if f"{os.sep}logs{os.sep}" in path]


def until_still(directory):
    """Until the server has written what is due: nothing changes for two seconds."""
    end = time.monotonic() + READ_S
    before, now = None, set(logs(directory))
    while before != now:
        assert time.monotonic() < end, f"its files still change: {sorted(before ^ now)}"
        time.sleep(2)
        before, now = now, set(logs(directory))


def flip(path, offset, bit=1):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0] ^ bit
        file.seek(offset)
        file.write(bytes([byte]))


def create(client, name, **config):
    answer = client.api("STREAM.CREATE." + name, {"name": name, "subjects": [name + ".>"], **config})
    assert "error" not in answer, answer


def publish(client, subject, first, last, size=0):
    for number in range(first, last + 1):
        assert client.publish(subject, b"%08d" % number + b"x" * size)["seq"] == number


def stored(client, stream, sequence):
    message = client.api("STREAM.MSG.GET." + stream, {"seq": sequence}).get("message")
    return message and base64.b64decode(message["data"])


@own_promise
class Backup(unittest.TestCase):
    def setUp(self):
        self.place = Place(self)

    def filled(self, count=200, size=0):
        """A directory that no server has."""
        server = Server()
        self.addCleanup(server.__exit__)
        server.start()
        with Requester(server.port) as client:
            create(client, "S")
            publish(client, b"S.x", 1, count, size)
        server.end(signal.SIGKILL)
        return server

    def test_each_backup_stores_what_the_ones_before_it_lack(self):
        with Server() as server, Requester(server.port) as client:
            create(client, "S")
            create(client, "OTHER")
            publish(client, b"S.x", 1, 3000, SIZE)  # more than a segment
            publish(client, b"OTHER.x", 1, 10)
            until_still(server.directory)
            self.place.take(server.directory)
            first = set(files(self.place.depot))
            said = self.place.take(server.directory)
            self.assertIn("it stores 0;", said)
            publish(client, b"S.x", 3001, 3010, SIZE)
            self.place.take(server.directory)
            new = [p for p in set(files(self.place.depot)) - first if not p.endswith("manifest")]
            self.assertEqual(len(new), 1, new)  # the segment that is written to, not the one before it
        for number, last in ((1, 3000), (2, 3000), (3, 3010)):
            _, restored = self.place.serve("--backup", str(number))
            self.assertEqual(restored.api("STREAM.INFO.S")["state"]["last_seq"], last)
            self.assertEqual(stored(restored, "S", last), b"%08d" % last + b"x" * SIZE)
            self.assertEqual(stored(restored, "S", 1), b"%08d" % 1 + b"x" * SIZE)

    def test_a_backup_that_is_cut_short_leaves_the_others_whole(self):
        server = self.filled(2500, SIZE)
        self.place.take(server.directory)
        server.start()
        rng = random.Random(4)
        killed = 0
        with Requester(server.port) as client:
            for number in range(KILLS):
                publish(client, b"S.x", 2501 + number, 2501 + number, SIZE)
                process = subprocess.Popen([BINARY, "backup", server.directory, self.place.depot], stdout=subprocess.DEVNULL)
                time.sleep(rng.uniform(0, 0.12))
                process.kill()
                killed += process.wait(READ_S) != 0
                code, said = self.place.verify()
                self.assertEqual(code, 0, said)
            self.assertGreater(killed, 3)
            self.place.take(server.directory)
        self.assertEqual([n for n in os.listdir(self.place.depot) if n.endswith(".new")], [])
        _, restored = self.place.serve()
        self.assertEqual(stored(restored, "S", 2500 + KILLS), b"%08d" % (2500 + KILLS) + b"x" * SIZE)
        _, restored = self.place.serve("--backup", "1")
        self.assertEqual(restored.api("STREAM.INFO.S")["state"]["last_seq"], 2500)

    def test_a_flipped_byte_of_a_backup_is_found_and_not_restored(self):
        server = self.filled()
        self.place.take(server.directory)
        rng = random.Random(1)
        kept = [p for p in files(self.place.depot) if os.path.getsize(p)]
        manifest = [p for p in kept if p.endswith("manifest")][0]
        chosen = [(manifest, o) for o in range(0, os.path.getsize(manifest), 7)]
        chosen += [(p, rng.randrange(os.path.getsize(p))) for p in rng.choices(kept, k=FLIPS)]
        target = os.path.join(self.place.directory, "target")
        for path, offset in chosen:
            flip(path, offset)
            code, said = self.place.verify()
            self.assertEqual((code, "DAMAGED" in said), (1, True), (path, offset, said))
            self.assertEqual(tool("restore", self.place.depot, target)[0], 2)
            self.assertFalse(os.path.exists(os.path.join(target, "millrace")))
            flip(path, offset)
        self.assertEqual(self.place.verify()[0], 0)
        os.remove([p for p in kept if p.endswith(".seg")][0])
        self.assertEqual(self.place.verify()[0], 1)

    def test_a_damaged_source_makes_a_backup_that_says_so(self):
        server = self.filled()
        path = [p for p in logs(server.directory) if "0000000000000010" in p and p.endswith(".seg")][0]
        for journal in glob.glob(os.path.join(server.directory, "millrace", "**", "journal"), recursive=True):
            shutil.rmtree(journal)  # it has the bytes as well
        flip(path, 4096 + 3000)
        code, said = tool("backup", server.directory, self.place.depot)
        self.assertEqual(code, 1, said)
        self.assertIn("NOT WHOLE", said)
        self.assertIn("damaged", said)
        target = os.path.join(self.place.directory, "target")
        code, said = tool("restore", self.place.depot, target)
        self.assertEqual(code, 2, said)
        self.assertIn("not whole", said)
        code, said = tool("restore", "--damaged", self.place.depot, target)
        self.assertEqual(code, 1, said)
        self.assertTrue(os.path.exists(os.path.join(target, "millrace", "node")))
        flip(path, 4096 + 3000)
        said = self.place.take(server.directory)  # what was damaged is not taken from the backup before
        self.assertNotIn("it stores 0;", said)

    def test_nothing_is_written_over(self):
        server = self.filled()
        self.place.take(server.directory)
        code, said = tool("restore", self.place.depot, server.directory)
        self.assertEqual((code, "nothing is written over" in said), (2, True))
        full = os.path.join(self.place.directory, "full")
        os.mkdir(full)
        with open(os.path.join(full, "mine"), "w", encoding="ascii"):
            pass
        self.assertEqual(tool("backup", server.directory, full)[0], 2)
        self.assertEqual(os.listdir(full), ["mine"])
        other = self.filled(3)
        code, said = tool("backup", other.directory, self.place.depot)
        self.assertEqual((code, "another server's data" in said), (2, True))
        self.assertEqual(tool("backup", full, self.place.depot)[0], 2)
        self.assertEqual(self.place.verify()[0], 0)

    def refused(self, reason, *words):
        code, said = tool(*words)
        self.assertEqual(code, 2, said)
        self.assertIn(reason, said)

    def test_what_was_asked_for_wrongly_is_named(self):
        server = self.filled(10)
        depot, target = self.place.depot, os.path.join(self.place.directory, "target")
        self.place.take(server.directory)
        for moment in ("yesterday", "2026-02-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-22T00:00:00", ""):
            self.refused(f"--at takes a moment like 2026-11-22T00:14:00.5Z, not '{moment}'", "restore", "--at", moment, depot, target)
        self.refused("no backup is as late", "restore", "--at", "9999-01-01T00:00:00Z", depot, target)
        self.refused("nothing was stored yet", "restore", "--at", "2020-01-01T00:00:00Z", depot, target)
        self.refused("--backup takes the number of one, not 'x'", "restore", "--backup", "x", depot, target)
        for words in (("restore", "--backup", "7", depot, target), ("backup", "verify", "--backup", "7", depot), ("backup", "list", "--backup", "7", depot)):
            self.refused("has no backup 7", *words)
        self.refused("a new backup", "backup", "--backup", "7", server.directory, depot)
        self.assertFalse(os.path.exists(os.path.join(target, "millrace")))
        self.assertEqual(tool("backup", "list", "--backup", "1", depot)[0], 0)

    def test_a_restore_that_is_killed_leaves_nothing_half_and_the_next_one_is_whole(self):
        server = self.filled(1000, SIZE)
        self.place.take(server.directory)
        begun = time.monotonic()
        self.place.restore()
        takes = time.monotonic() - begun
        target = os.path.join(self.place.directory, "target")
        os.mkdir(target)
        rng, killed = random.Random(9), 0
        for _ in range(KILLS):
            process = subprocess.Popen([BINARY, "restore", self.place.depot, target], stdout=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, takes))
            process.kill()
            killed += process.wait(READ_S) != 0
            if os.path.exists(os.path.join(target, "millrace")):  # its name says that it is whole
                code, said = tool("check", target)
                self.assertEqual(code, 0, said)
                shutil.rmtree(os.path.join(target, "millrace"))
        self.assertGreater(killed, 0)
        self.assertEqual(tool("restore", self.place.depot, target)[0], 0)
        self.assertEqual(os.listdir(target), ["millrace"])
        self.assertEqual(tool("check", target)[0], 0)

    def test_a_restore_has_its_place_for_itself(self):
        server = self.filled(10)
        self.place.take(server.directory)
        inside = os.path.join(server.directory, "millrace")
        self.refused("is a server's data itself", "restore", self.place.depot, inside)
        self.assertFalse(os.path.exists(os.path.join(inside, "millrace")))
        target = os.path.join(self.place.directory, "target")
        os.makedirs(os.path.join(target, "millrace.restoring"))
        begun = os.path.join(target, "millrace.restoring", "begun")
        with open(begun, "w", encoding="ascii"):
            pass
        held = os.open(target, os.O_RDONLY | os.O_DIRECTORY)  # as another restore holds it
        fcntl.flock(held, fcntl.LOCK_EX)
        self.refused("is being restored already", "restore", self.place.depot, target)
        self.assertTrue(os.path.exists(begun))
        os.close(held)
        self.assertEqual(tool("restore", self.place.depot, target)[0], 0)
        self.assertFalse(os.path.exists(begun))

    def test_what_is_no_file_of_a_backup_is_not_read(self):
        """A pipe without a writer, a link, and a file of a terabyte: at once, and in little memory."""
        server = self.filled(10)
        self.place.take(server.directory)
        segment = [p for p in files(self.place.depot) if p.endswith(".seg")][0]
        target = os.path.join(self.place.directory, "target")
        for path in (segment, os.path.join(self.place.depot, "000001", "manifest")):
            kept = path + ".kept"
            os.rename(path, kept)
            for make in (os.mkfifo, lambda p, to=kept: os.symlink(to, p), sparse):
                make(path)
                code, said = tool("restore", self.place.depot, target)
                self.assertEqual(code, 2, said)
                self.assertIn(path, said)
                self.assertEqual(self.place.verify()[0], 1)
                os.unlink(path)
            os.rename(kept, path)
        self.assertEqual(self.place.verify()[0], 0)

    def test_a_restored_directory_goes_its_own_way(self):
        server = self.filled(10)
        self.place.take(server.directory)
        restored, client = self.place.serve()
        publish(client, b"S.x", 11, 20)
        server.start()
        with Requester(server.port) as original:
            for number in range(11, 31):
                original.publish(b"S.x", b"original %d" % number)
        self.place.take(server.directory)
        self.place.take(restored.directory)
        for options, body in ((("--backup", "2"), b"original 15"), (("--backup", "3"), b"00000015")):
            _, again = self.place.serve(*options)
            self.assertEqual(stored(again, "S", 15), body)

    def test_a_restored_directory_is_no_member_of_a_cluster(self):
        server = self.filled(10)
        self.place.take(server.directory)
        restored = self.place.restore()
        route = f"nats://127.0.0.1:{free_port()}"
        restored.arguments = ["--server_name", "a", "--cluster_name", "C", "--cluster", route, "--routes", route]
        with self.assertRaises(StartError) as refused:
            restored.start()
        self.assertIn("was restored from a backup and stands alone", str(refused.exception))


@own_promise
class OfAMember(ClusterCase):
    def test_it_comes_back_alone_or_not_at_all(self):
        place = Place(self)
        answer = self.api(0, "STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"],"num_replicas":3}')
        self.assertNotIn("error", answer)
        for _ in range(30):
            self.publish(0, b"s.x")
        self.until(self.whole, lambda: self.api(0, "STREAM.INFO.S"))
        node = self.leader_of("S")
        place.take(self.nodes[node].directory)
        target = os.path.join(place.directory, "target")
        code, said = tool("restore", place.depot, target)
        self.assertEqual((code, "--alone" in said), (2, True), said)
        self.assertFalse(os.path.exists(os.path.join(target, "millrace")))
        _, client = place.serve("--alone", inbox=b"alone")
        end = time.monotonic() + READ_S
        while "error" in (info := client.api("STREAM.INFO.S")) and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(info["state"]["messages"], 30, info)
        self.assertEqual(client.publish(b"s.x", b"more")["seq"], 31)
        self.assertNotIn("error", client.api("STREAM.CREATE.NEW", b'{"name":"NEW","subjects":["n"]}'))
        self.assertEqual(self.publish(0, b"s.x"), 31)  # the cluster knows nothing of it


if __name__ == "__main__":
    unittest.main()
