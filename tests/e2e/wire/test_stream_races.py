"""A stream that several ask for at once is made once, and whole. All of it also holds for the reference server."""

import json
import unittest

from wire import WireCase

CLIENTS = 8


class Races(WireCase):
    def race(self, name, configs):
        """The answers to all of them, asked for before any was read."""
        connections = [self.open() for _ in configs]
        for connection in connections:
            self.addCleanup(connection.__exit__)
            connection.connect(headers=True)
            connection.send(b"SUB answer 1\r\n")
            connection.flush()
        for i, (connection, config) in enumerate(zip(connections, configs)):
            connection.send(b"UNSUB 1\r\nSUB answer.%d 2\r\n" % i)
            body = json.dumps({"name": name, **config}).encode()
            connection.send(b"PUB $JS.API.STREAM.CREATE.%s answer.%d %d\r\n" % (name.encode(), i, len(body)) + body + b"\r\n")
        return [json.loads(connection.message()[3]) for connection in connections]

    def info(self, name):
        with self.requester() as api:
            return api.api(f"STREAM.INFO.{name}")

    def test_equal_configs_are_one_stream_for_all(self):
        answers = self.race("EQUAL", [{"subjects": ["equal.>"], "max_msgs": 5}] * CLIENTS)
        self.assertEqual([a.get("error") for a in answers], [None] * CLIENTS)
        self.assertEqual(len({a["created"] for a in answers}), 1)

    def test_of_different_configs_one_wins_and_is_what_there_is(self):
        answers = self.race("OTHER", [{"subjects": ["other.>"], "max_msgs": 5 + i} for i in range(CLIENTS)])
        won = [a for a in answers if "error" not in a]
        self.assertEqual(len(won), 1)
        self.assertEqual({a["error"]["err_code"] for a in answers if "error" in a}, {10058})
        self.assertEqual(self.info("OTHER")["config"]["max_msgs"], won[0]["config"]["max_msgs"])

    def test_of_names_that_want_one_subject_one_wins(self):
        answers = [a for i in range(3) for a in self.race(f"N{i}", [{"subjects": ["one.subject"]}] * 2)]
        self.assertEqual(len([a for a in answers if "error" not in a]), 2)
        self.assertEqual({a["error"]["err_code"] for a in answers if "error" in a}, {10065})


del WireCase

if __name__ == "__main__":
    unittest.main()
