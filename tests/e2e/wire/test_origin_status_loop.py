"""Whoever finds out where a stream listens for its origin may send there what they like: the server goes on."""

import re
import sys
import time
import unittest

from wire import READ_S, WireCase, own_promise

STATUS = b"NATS/1.0 100 Idle\r\n\r\n"
MANY = 20000


@own_promise
class Statuses(WireCase):
    def tag(self, client):
        """Where the mirror listens now: its heartbeats come there."""
        client.send(b"SUB $JS.M.* 77\r\n")
        end = time.monotonic() + READ_S
        while time.monotonic() < end:
            time.sleep(0.2)
            found = re.search(rb"MSG (\$JS\.M\.\w+) ", client.flush())
            if found:
                client.send(b"UNSUB 77\r\n")
                return found.group(1)
        self.fail("no heartbeat came")

    def test_a_status_that_asks_for_an_answer_where_it_came_is_answered_once(self):
        with self.requester() as asker:
            asker.api("STREAM.CREATE.O", {"name": "O", "subjects": ["o.>"]})
            asker.api("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "O"}})
            tag = self.tag(asker)
            asker.send(b"HPUB %s %s %d %d\r\n%s\r\n" % (tag, tag, len(STATUS), len(STATUS), STATUS) * MANY)
            asker.flush()
            asker.publish(b"o.a", b"", b"it goes on")
            end = time.monotonic() + READ_S
            while asker.api("STREAM.INFO.M")["state"]["messages"] != 1:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.1)
            self.assertIsNone(self.server.process.poll())


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
