"""A client that publishes to itself faster than it reads."""

import os
import select
import tempfile
import unittest

from wire import Connection  # finds serverprocess
from serverprocess import Server

MESSAGE = b"PUB own 1024\r\n" + bytes(1024) + b"\r\n"
HELLO = b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB own 1\r\n'
COUNT = 40 * 1024


class OwnMessages(unittest.TestCase):
    def setUp(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="millrace-own-", delete=False) as file:
            file.write("max_pending: 4MB\nwrite_deadline: '120s'\n")
        self.addCleanup(os.unlink, file.name)
        self.server = Server(("-c", file.name), jetstream=False)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def test_who_has_too_much_of_its_own_waiting_is_not_heard_until_it_reads(self):
        connection = Connection(self.server.port)
        self.addCleanup(connection.socket.close)
        sock = connection.socket
        sock.setblocking(False)
        text, at, got, reading = HELLO + MESSAGE * COUNT, 0, 0, False
        want = COUNT * len(b"MSG own 1 1024\r\n" + bytes(1024) + b"\r\n")
        while got < want:
            sources = [sock] if reading else []
            sinks = [sock] if at < len(text) else []
            readable, writable, _ = select.select(sources, sinks, [], 2)
            if writable:
                at += sock.send(memoryview(text)[at : at + 65536])
            if readable:
                data = sock.recv(65536)
                self.assertTrue(data, self.server.log())
                got += len(data)
            if not readable and not writable:
                self.assertFalse(reading, "nothing comes and nothing is taken")
                reading = True  # only now: it has said all that anybody takes from it


if __name__ == "__main__":
    unittest.main()
