"""A message that a mirror or source can never take does not hold up those behind it."""

import sys
import time
import unittest

from wire import READ_S, WireCase, own_promise

MOST = 65535  # bytes of headers


def headers(size):
    head = b"NATS/1.0\r\nX: "
    return head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"


@own_promise
class TooLarge(WireCase):
    def state(self, asker, name, last):
        """As soon as it has taken everything up to `last`, or after a while."""
        end = time.monotonic() + READ_S
        while True:
            state = asker.api("STREAM.INFO." + name)["state"]
            if state["last_seq"] == last or time.monotonic() > end:
                return state["messages"], state["last_seq"]
            time.sleep(0.05)

    def test_what_comes_behind_it_is_taken(self):
        with self.requester() as asker:
            asker.api("STREAM.CREATE.O", {"name": "O", "subjects": ["o.>"]})
            asker.api("STREAM.CREATE.S", {"name": "S", "sources": [{"name": "O"}]})
            asker.api("STREAM.CREATE.SMALL", {"name": "SMALL", "sources": [{"name": "O"}], "max_msg_size": 200})
            asker.api("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "O"}, "max_msg_size": 200})
            for subject, body, head in (
                (b"o.1", b"one", b""),
                (b"o.2", b"with large headers", headers(MOST)),
                (b"o.3", b"x" * 1000, b""),
                (b"o.4", b"four", b""),
            ):
                asker.ask(subject, body, head)
            self.assertEqual(self.state(asker, "S", 4), (4, 4))
            self.assertEqual(self.state(asker, "SMALL", 2), (2, 2))
            self.assertEqual(self.state(asker, "M", 4), (2, 4))

    def test_one_of_a_work_queue_is_not_lost(self):
        with self.requester() as asker:
            asker.api("STREAM.CREATE.Q", {"name": "Q", "subjects": ["q.>"], "retention": "workqueue"})
            asker.api("STREAM.CREATE.T", {"name": "T", "sources": [{"name": "Q"}], "max_msg_size": 200})
            asker.ask(b"q.1", b"one")
            self.assertEqual(self.state(asker, "T", 1), (1, 1))
            asker.ask(b"q.2", b"x" * 1000)
            time.sleep(2)
            self.assertNotIn("error", asker.api("STREAM.MSG.GET.Q", {"seq": 2}))
            config = asker.api("STREAM.INFO.T")["config"]
            asker.api("STREAM.UPDATE.T", {**config, "max_msg_size": -1})
            self.assertEqual(self.state(asker, "T", 2), (2, 2))


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
