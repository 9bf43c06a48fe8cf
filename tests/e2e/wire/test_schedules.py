"""What a schedule produces meets the limits that its publishes would meet."""

import os
import shutil
import tempfile
import time
import unittest

from wire import Requester, own_promise  # finds serverprocess
from serverprocess import Server

WITHIN_S = 60.0

ACCOUNT = """
jetstream {}
accounts {
  A { users: [ { user: a, password: a } ], jetstream { max_store: 4096 } }
}
"""


def header(*lines):
    return ("NATS/1.0\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


def every(seconds, target="s.target"):
    return header(f"Nats-Schedule: @every {seconds}s", f"Nats-Schedule-Target: {target}")


class Schedules(unittest.TestCase):
    config = "jetstream {}\n"
    connect = {}

    def setUp(self):
        directory = tempfile.mkdtemp(prefix="millrace-schedules-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.config)
        server = Server(("-c", path))
        self.addCleanup(server.__exit__, None, None, None)
        server.__enter__()
        self.asker = Requester(server.port, **self.connect)
        self.addCleanup(self.asker.__exit__, None, None, None)

    def stream(self, verb="CREATE", **config):
        config = {"name": "S", "subjects": ["s.>"], "allow_msg_schedules": True, "allow_rollup_hdrs": True, **config}
        answer = self.asker.api(f"STREAM.{verb}.S", config)
        self.assertNotIn("error", answer)

    def counts(self):
        answer = self.asker.api("STREAM.INFO.S", {"subjects_filter": ">"})
        return answer["state"].get("subjects") or {}

    def until(self, wanted):
        end = time.monotonic() + WITHIN_S
        while not wanted(self.counts()):
            self.assertLess(time.monotonic(), end, self.counts())
            time.sleep(0.05)


class Stands(Schedules):
    def test_a_sealed_stream_takes_nothing_from_its_schedules(self):
        self.stream()
        self.asker.publish(b"s.1", b"x", every(1))
        self.stream("UPDATE", sealed=True)
        before = self.counts()
        time.sleep(2.5)
        self.assertEqual(self.counts(), before)

    @own_promise  # the reference's schedule stops
    def test_what_is_too_large_is_not_stored_and_the_schedule_goes_on(self):
        self.stream()
        self.asker.publish(b"s.1", b"x" * 1000, every(1))
        self.asker.publish(b"s.2", b"x", every(1, "s.small"))
        self.stream("UPDATE", max_msg_size=500)
        before = self.counts().get("s.target", 0)
        self.until(lambda counts: counts.get("s.small", 0) >= 2)
        self.assertEqual(self.counts().get("s.target", 0), before)
        self.stream("UPDATE", max_msg_size=-1)
        self.until(lambda counts: counts.get("s.target", 0) > before)

    @own_promise  # the reference lets the message go with its schedule
    def test_a_message_that_comes_once_comes_when_it_fits(self):
        for seconds in (2, 5, 15, 40):  # on a slow machine its time comes before the limit does
            self.stream()
            due = int(time.time()) + seconds
            soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due))
            lines = header(f"Nats-Schedule: @at {soon}", "Nats-Schedule-Target: s.target")
            self.asker.publish(b"s.1", b"x" * 1000, lines)
            self.stream("UPDATE", max_msg_size=500)
            if time.time() < due:
                break
            self.assertNotIn("error", self.asker.api("STREAM.DELETE.S"))
        time.sleep(max(0.0, due - time.time()) + 1)
        self.assertEqual(self.counts(), {"s.1": 1})
        self.stream("UPDATE", max_msg_size=-1)
        self.until(lambda counts: counts == {"s.target": 1})


class OfAnAccount(Schedules):
    config = ACCOUNT
    connect = {"user": "a", "pass": "a"}

    @own_promise  # the reference's schedule stops
    def test_schedules_do_not_fill_more_than_the_account_may(self):
        self.stream()
        self.asker.publish(b"s.1", b"x" * 1000, every(1))
        self.until(lambda counts: counts.get("s.target", 0) >= 1)
        time.sleep(4)
        used = self.asker.api("INFO")["storage"]
        self.assertLessEqual(used, 4096 + 1100)
        self.assertLessEqual(self.counts()["s.target"], 4)
        before = self.counts()["s.target"]
        self.assertNotIn("error", self.asker.api("STREAM.PURGE.S", {"filter": "s.target"}))
        self.until(lambda counts: counts.get("s.target", 0) >= 1)
        self.assertGreaterEqual(before, 1)


if __name__ == "__main__":
    unittest.main()
