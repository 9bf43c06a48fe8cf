"""What a message asks to be published under is a subject, or nothing comes of it: no client makes another's connection, or a
link between servers, say lines of its own."""

import unittest

from wire import WireCase

FORGED = b"T.x 1 0\n\nMSG secret 9 4\nevil\nMSG T.y"


def headers(*lines):
    return b"NATS/1.0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


class ForgedSubjects(WireCase):
    def attack(self, ask):
        """What the victim hears of it, which is no line of another's making."""
        with self.requester() as victim, self.requester() as attacker:
            victim.send(b"SUB T.> 7\r\nSUB secret 9\r\n")
            victim.flush()
            ask(attacker)
            attacker.flush()
            heard = victim.flush()
            self.assertNotIn(b"MSG secret", heard)
            return heard

    def test_where_a_trace_goes(self):
        def ask(attacker):
            for subject in (b"T.x 1 0", b"T.x\ty", FORGED, b"T.heard"):
                block = headers(b"Nats-Trace-Dest: " + subject)
                attacker.send(b"HPUB x %d %d\r\n" % (len(block), len(block)) + block + b"\r\n")

        self.assertEqual(self.attack(ask).count(b"MSG T."), 1)

    def test_what_a_schedule_produces(self):
        def ask(attacker):
            attacker.api("STREAM.CREATE.T", {"name": "T", "subjects": ["S.>", "T.>"], "allow_msg_schedules": True})
            for subject in (b"T.x 1 0", FORGED):
                block = headers(b"Nats-Schedule: @at 2020-01-01T00:00:00Z", b"Nats-Schedule-Target: " + subject)
                answer = attacker.ask(b"S.s", b"", block)
                self.assertIn(b"10190", answer[1])
            attacker.api("STREAM.DELETE.T")

        self.attack(ask)

    def test_where_a_backup_goes(self):
        def ask(attacker):
            attacker.api("STREAM.CREATE.T", {"name": "T", "subjects": ["other"]})
            answer = attacker.api("STREAM.SNAPSHOT.T", {"deliver_subject": FORGED.decode()})
            self.assertEqual(answer["error"]["code"], 400)
            attacker.api("STREAM.DELETE.T")

        self.attack(ask)


if __name__ == "__main__":
    unittest.main()
