"""Peers that mean harm, or are broken: what they do costs them, and nobody else.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import os
import resource
import socket
import struct
import tempfile
import time
import unittest

from wire import READ_S, Connection, WireCase, own_promise

PATIENCE_S = 1.0  # of the server's processor time, in which a bystander must be answered, whatever goes on
SILENT = 20_000  # or as many as this process may have
FILES_BESIDE = 1000
BYTES_PER_SILENT_MAX = 16 * 1024


def raw(port, number=0):
    """From one of several addresses: each has ports of its own."""
    here = (f"127.0.0.{2 + number % 4}", 0)
    return socket.create_connection(("127.0.0.1", port), timeout=READ_S, source_address=here)


def raise_file_limit():
    """Each end of a connection is one file of this process or of the server, which inherits the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def all_of(connection):
    """What it was sent until its end."""
    got = b""
    try:
        while chunk := connection.recv(65536):
            got += chunk
    except ConnectionResetError:
        pass
    return got


class AbuseCase(WireCase):
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.silent = min(SILENT, raise_file_limit() - FILES_BESIDE)
        super().setUpClass()

    def resident(self):
        with open(f"/proc/{self.server.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def processor_s(self):
        with open(f"/proc/{self.server.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def assert_answers(self):
        begun = self.processor_s()
        self.assertEqual(self.bystander.flush(), b"")
        self.assertLess(self.processor_s() - begun, PATIENCE_S)


class Strangers(AbuseCase):
    @classmethod
    def setUpClass(cls):
        file = tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="millrace-abuse-", delete=False)
        cls.addClassCleanup(os.unlink, file.name)
        with file:
            file.write("authorization { token: sesame, timeout: 60 }\n")
        cls.arguments = ("-c", file.name)
        super().setUpClass()
        cls.bystander = Connection(cls.server.port)
        cls.addClassCleanup(cls.bystander.__exit__)
        cls.bystander.connect(auth_token="sesame")

    def tearDown(self):
        self.assertTrue(self.server.running(), self.server.log())
        self.assert_answers()

    @own_promise
    def test_thousands_who_say_nothing_cost_little_memory_each(self):
        warm = [raw(self.server.port) for _ in range(50)]
        for connection in warm:
            connection.recv(4096)
        before = self.resident()
        silent = []
        try:
            for number in range(self.silent):
                silent.append(raw(self.server.port, number))
                if number % 1000 == 0:
                    self.assert_answers()
            for connection in silent:
                self.assertTrue(connection.recv(4096).startswith(b"INFO "))
            each = (self.resident() - before) / self.silent
            self.assertLess(each, BYTES_PER_SILENT_MAX)
            self.assert_answers()
            for number, connection in enumerate(silent):
                connection.close()
                if number % 1000 == 0:
                    self.assert_answers()
        finally:
            for connection in silent + warm:
                connection.close()

    @own_promise
    def test_those_who_say_half_a_connect_cost_little_memory_each(self):
        before = self.resident()
        half = []
        try:
            for _ in range(500):
                connection = raw(self.server.port)
                connection.sendall(b'CONNECT {"verbose":false,"name":"' + b"x" * 2000)
                half.append(connection)
            for connection in half:
                connection.recv(4096)
            self.assert_answers()
            self.assertLess((self.resident() - before) / len(half), BYTES_PER_SILENT_MAX)
        finally:
            for connection in half:
                connection.close()

    def test_a_stranger_has_no_subscription_and_publishes_nothing(self):
        with Connection(self.server.port) as stranger:
            stranger.send(b"SUB > 1\r\nPUB bystander.here 2\r\nhi\r\n")
            self.assertIn(b"Authorization Violation", stranger.until_end())


class Configured(AbuseCase):
    """A server of its own for each class, with what it says in `config`."""

    config = ""

    @classmethod
    def setUpClass(cls):
        file = tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="millrace-abuse-", delete=False)
        cls.addClassCleanup(os.unlink, file.name)
        with file:
            file.write(cls.config)
        cls.arguments = ("-c", file.name)
        super().setUpClass()


class Slow(Configured):
    config = "authorization { token: sesame, timeout: 3 }\n"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bystander = Connection(cls.server.port)
        cls.addClassCleanup(cls.bystander.__exit__)
        cls.bystander.connect(auth_token="sesame")

    def tearDown(self):
        self.assertTrue(self.server.running(), self.server.log())
        self.assert_answers()

    def test_who_dribbles_a_connect_is_ended_when_the_time_to_say_it_is_over(self):
        text = b'CONNECT {"verbose":false,"auth_token":"sesame"}\r\n'
        slow = [raw(self.server.port) for _ in range(200)]
        begun = time.monotonic()
        try:
            for byte in text[:-1]:  # it would take longer than that
                for connection in slow:
                    try:
                        connection.send(bytes([byte]))
                    except OSError:
                        pass
                self.assert_answers()
                time.sleep(0.1)
                if time.monotonic() - begun > 4.5:
                    break
            for connection in slow:
                self.assertIn(b"Authentication Timeout", all_of(connection))
        finally:
            for connection in slow:
                connection.close()


class HalfOpen(Configured):
    """Peers that are gone without a word: nothing comes, what is sent is swallowed."""

    config = 'ping_interval: "300ms"\nping_max: 2\n'

    def tearDown(self):  # the bystander answers no pings either while nobody reads for it
        with self.open() as newcomer:
            newcomer.connect()
            newcomer.flush()

    def test_who_answers_no_ping_is_ended_and_its_subscriptions_with_it(self):
        dead = []
        try:
            for _ in range(200):
                connection = raw(self.server.port)
                connection.sendall(b"CONNECT {}\r\nSUB bystander.dead 1\r\n")
                dead.append(connection)
            for connection in dead:
                self.assertIn(b"-ERR 'Stale Connection'", all_of(connection))
            with Connection(self.server.port) as asker:
                asker.connect(headers=True, no_responders=True)
                asker.send(b"SUB in 1\r\nPUB bystander.dead in 0\r\n\r\n")
                self.assertIn(b"503", asker.message()[2])
        finally:
            for connection in dead:
                connection.close()


class Abuse(AbuseCase):
    def test_a_line_that_never_ends_is_cut_off(self):
        for text in (b"CONNECT {", b"SUB ", b"PUB ", b"INFO ", b"UNSUB ", b"-ERR "):
            with self.subTest(text), Connection(self.server.port) as giant:
                giant.send(text + b"x" * 100_000)
                giant.until_end()
                self.assert_answers()

    def test_bytes_that_come_one_by_one_hold_up_nobody(self):
        slow = [Connection(self.server.port) for _ in range(50)]
        try:
            for byte in b'CONNECT {"verbose":false}\r\nPING\r\n':
                for connection in slow:
                    connection.send(bytes([byte]))
            self.assert_answers()
            for connection in slow:
                self.assertIn(b"PONG\r\n", connection.line())
        finally:
            for connection in slow:
                connection.__exit__()

    def test_a_flood_of_pings_that_are_not_read_ends_with_the_flooder(self):
        with Connection(self.server.port) as flooder:
            flooder.connect()
            flooder.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            flooder.socket.settimeout(0.2)
            try:
                for _ in range(100):
                    flooder.socket.sendall(b"PING\r\n" * 10_000)
            except OSError:
                pass  # it is held back, or closed
            self.assert_answers()

    def test_a_flood_of_garbage_is_answered_once(self):
        for _ in range(200):
            with Connection(self.server.port) as flooder:
                flooder.send(os.urandom(3000).replace(b"\r", b"x") + b"\r\n")
                self.assertLess(len(flooder.until_end()), 1000)
        self.assert_answers()

    def test_connections_that_come_and_break_leave_nothing(self):
        for _ in range(500):
            connection = raw(self.server.port)
            connection.sendall(b"CONNECT {}\r\nSUB a 1\r\nPUB a 100\r\nhalf")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        self.assert_answers()

    def test_a_peer_that_shuts_its_end_is_closed(self):
        with Connection(self.server.port) as half:
            half.connect()
            half.send(b"SUB a 1\r\nPING\r\n")
            half.socket.shutdown(socket.SHUT_WR)
            half.until_end()

    def test_many_subscriptions_that_end_at_once_hold_up_nobody(self):
        with Connection(self.server.port) as many:
            many.connect()
            many.send(b"".join(b"SUB a.%d.* %d\r\n" % (n, n) for n in range(50_000)))
            many.flush()
        self.assert_answers()

    @own_promise
    def test_a_payload_that_is_announced_and_never_comes_costs_no_memory(self):
        before = self.resident()
        waiting = []
        try:
            for _ in range(100):
                connection = Connection(self.server.port)
                connection.connect()
                connection.send(b"PUB a 1000000\r\n")
                waiting.append(connection)
            self.assert_answers()
            self.assertLess(self.resident() - before, 110 * 1_048_576)
        finally:
            for connection in waiting:
                connection.__exit__()


if __name__ == "__main__":
    unittest.main()
