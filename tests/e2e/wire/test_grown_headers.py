"""Headers that a check makes longer than a message may have are refused; the server goes on."""

import sys
import unittest

from wire import WireCase, own_promise


def hdr(*lines):
    return b"NATS/1.0\r\n" + b"".join(l + b"\r\n" for l in lines) + b"\r\n"


def filled(size, *lines):
    base = hdr(*lines)
    return hdr(*lines, b"X: " + b"x" * (size - len(base) - 5))


class Grows(WireCase):
    def alive(self):
        self.bystander.flush()
        self.assertIsNone(self.server.process.poll())

    @own_promise
    def test_a_raised_ttl(self):
        with self.requester() as asker:
            asker.api("STREAM.CREATE.T", {"name": "T", "subjects": ["t.>"], "allow_msg_ttl": True,
                      "allow_rollup_hdrs": True, "subject_delete_marker_ttl": 3600 * 10**9})
            asker.ask(b"t.a", b"", filled(65535, b"Nats-TTL: 1s"))
            self.alive()

    @own_promise
    def test_a_schedule_in_a_fast_batch(self):
        with self.requester() as asker:
            asker.api("STREAM.CREATE.F", {"name": "F", "subjects": ["f.>"], "allow_batched": True,
                      "allow_msg_schedules": True, "allow_rollup_hdrs": True})
            h = filled(65530, b"Nats-Schedule: @at 2036-01-01T00:00:00Z", b"Nats-Schedule-Target: f.b")
            asker.send(b"HPUB f.a answers.id.10.fail.1.2.$FI %d %d\r\n" % (len(h), len(h)) + h + b"\r\n")
            self.alive()

    @own_promise
    def test_a_schedule_in_an_atomic_batch(self):
        with self.requester() as asker:
            asker.api("STREAM.CREATE.A", {"name": "A", "subjects": ["a.>"], "allow_atomic": True,
                      "allow_msg_schedules": True, "allow_rollup_hdrs": True})
            h = filled(65530, b"Nats-Batch-Id: b", b"Nats-Batch-Sequence: 1", b"Nats-Batch-Commit: 1", b"Nats-Schedule: @at 2036-01-01T00:00:00Z", b"Nats-Schedule-Target: a.b")
            asker.ask(b"a.a", b"", h)
            self.alive()

    @own_promise
    def test_a_counter_with_sources_in_a_fast_batch(self):
        with self.requester() as asker:
            asker.api("STREAM.CREATE.C", {"name": "C", "subjects": ["c.>"], "allow_batched": True, "allow_msg_counter": True})
            src = b'{"O":{"%s":"1"}}' % (b"o" * 50000)
            asker.ask(b"c.a", b"", hdr(b"Nats-Incr: 1", b"Nats-Counter-Sources: " + src))
            h = hdr(b"Nats-Incr: 1", b"X: " + b"x" * 40000)
            asker.send(b"HPUB c.a answers.id.10.fail.1.2.$FI %d %d\r\n" % (len(h), len(h)) + h + b"\r\n")
            self.alive()


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
