"""What a consumer delivers goes on as it stands in the log, whoever takes it: here a stream of counters, which has
to read what its counter says."""

import base64
import sys
import time
import unittest

from wire import READ_S, Connection, Requester, own_promise
from serverprocess import Server

INCR = b"NATS/1.0\r\nNats-Incr: 1\r\n\r\n"
LARGE = b'NATS/1.0\r\nNats-Incr: 1\r\nNats-Counter-Sources: {"O":{"%s":"1"}}\r\n\r\n' % (b"o" * 60000)
CONSUMER = {"deliver_subject": "c.x", "ack_policy": "none", "deliver_policy": "all", "headers_only": True}
MESSAGES = 20


@own_promise
class IntoCounters(unittest.TestCase):
    def fill(self, client):
        client.api("STREAM.CREATE.C", {"name": "C", "subjects": ["c.>"], "allow_msg_counter": True})
        client.api("STREAM.CREATE.A", {"name": "A", "subjects": ["a.>"], "allow_msg_counter": True})
        client.publish(b"c.x", b"", LARGE)
        for i in range(MESSAGES):
            client.publish(b"a.%d" % i, b"", INCR)

    def counted(self, server, wanted):
        """What the counter says, as soon as it is that, or after a while."""
        with Requester(server.port, inbox=b"looker") as looker:
            end = time.monotonic() + READ_S
            while True:
                last = looker.api("STREAM.MSG.GET.C", {"last_by_subj": "c.x"})
                value = base64.b64decode(last["message"]["data"])
                if value == wanted or time.monotonic() > end:
                    return value
                time.sleep(0.1)

    def test_deliveries_into_a_stream_of_counters_arrive(self):
        with Server() as server:
            with Requester(server.port) as client:
                self.fill(client)
            server.restart()  # nobody knows what the counter says
            with Requester(server.port) as client, Connection(server.port) as listener:
                listener.connect()
                listener.send(b"SUB c.x 9\r\n")
                listener.flush()
                client.api("CONSUMER.CREATE.A", {"stream_name": "A", "config": CONSUMER})
                self.assertEqual(self.counted(server, b'{"val":"21"}'), b'{"val":"21"}')


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
