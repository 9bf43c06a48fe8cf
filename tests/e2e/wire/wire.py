"""A socket that speaks the protocol by hand, for tests that care about every byte.

Every read has a deadline. WireCase gives each test class one server and one bystander: a
connection that is there from the beginning and must still work after every test.
"""

import json
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from serverprocess import Server, is_millrace  # noqa: E402

READ_S = 60.0  # nothing that comes waits for it: it is for machines that stand still for long
ASK_S = 15.0  # of what is asked again when no answer comes, as where leaders change
MILLRACE = is_millrace()

own_promise = unittest.skipUnless(MILLRACE, "promised by Millrace only")


class Timeout(Exception):
    """What was waited for did not come; `got` is what did."""

    def __init__(self, what, got, seconds):
        super().__init__(f"not within {seconds:g} s: {what}; got {bytes(got[-2000:])!r}")


class Connection:
    """One connection whose greeting has been read. `received` is what was not taken yet."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=READ_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.ended = False
        self.sid = b""
        self.read_s = None  # else READ_S
        self.greeting = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def info(self):
        return json.loads(self.greeting[len("INFO ") :])

    # --- sending

    def send(self, data):
        """Sends, or stops when the server has closed: what it said is still there to read."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def connect(self, **options):
        self.send(b"CONNECT " + json.dumps({"verbose": False, **options}).encode() + b"\r\n")

    # --- receiving

    def patience(self):
        return self.read_s or READ_S

    def _more(self, end, what):
        left = end - time.monotonic()
        if left <= 0:
            raise Timeout(what, self.received, self.patience())
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 20)
        except socket.timeout:
            raise Timeout(what, self.received, self.patience()) from None
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
        self.received += data

    def exactly(self, count):
        """The next `count` bytes, or fewer when the connection ends before."""
        end = time.monotonic() + self.patience()
        while len(self.received) < count and not self.ended:
            self._more(end, f"{count} bytes")
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    def line(self):
        """The next line with its end. A PING of the server's own, which comes two seconds after CONNECT, is answered and none."""
        while True:
            end = time.monotonic() + self.patience()
            while b"\r\n" not in self.received and not self.ended:
                self._more(end, "a line")
            line = self.exactly(self.received.find(b"\r\n") + 2)
            if line != b"PING\r\n":
                return line
            self.send(b"PONG\r\n")

    def until_end(self):
        """Everything up to the end of the connection, which must come, but for PINGs of the server's own."""
        end = time.monotonic() + self.patience()
        while not self.ended:
            self._more(end, "the end of the connection")
        return self.exactly(len(self.received)).replace(b"PING\r\n", b"")

    def leave(self):
        """Says that it is over, and waits until the server has closed."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.until_end()

    def flush(self):
        """Everything that the server sent before it answers a PING, but for PINGs of its own."""
        self.send(b"PING\r\n")
        end = time.monotonic() + self.patience()
        while not self.received.replace(b"PING\r\n", b"").endswith(b"PONG\r\n") and not self.ended:
            self._more(end, "PONG")
        said = self.exactly(len(self.received)).replace(b"PING\r\n", b"")
        return said.removesuffix(b"PONG\r\n")

    def message(self):
        """The next MSG or HMSG: subject, reply, headers, body; `sid` is the subscription's."""
        words = self.line().split()
        assert words and words[0] in (b"MSG", b"HMSG"), words
        with_headers = words[0] == b"HMSG"
        total = int(words[-1])
        headers_size = int(words[-2]) if with_headers else 0
        reply = words[3] if len(words) == (6 if with_headers else 5) else b""
        self.sid = words[2]
        data = self.exactly(total + 2)
        return words[1], reply, data[:headers_size], data[headers_size:-2]


class Requester(Connection):
    """A connection that asks and reads the one answer. Those that are open at the same time on one
    cluster need inboxes of their own."""

    def __init__(self, port, inbox=b"answers", read_s=None, **options):
        super().__init__(port)
        self.inbox = inbox
        self.read_s = read_s
        self.connect(headers=True, no_responders=True, **options)
        self.send(b"SUB %s.* 1\r\n" % inbox)
        self.serial = 0

    def ask(self, subject, body=b"", headers=b""):
        """The answer's headers and body."""
        self.serial += 1
        inbox = b"%s.%d" % (self.inbox, self.serial)
        if headers:
            sizes = b"%d %d" % (len(headers), len(headers) + len(body))
            self.send(b"HPUB %s %s %s\r\n" % (subject, inbox, sizes) + headers + body + b"\r\n")
        else:
            self.send(b"PUB %s %s %d\r\n" % (subject, inbox, len(body)) + body + b"\r\n")
        to, _, head, data = self.message()
        assert to == inbox, (to, inbox)
        return head, data

    def api(self, subject, body=b""):
        """The parsed answer of a JetStream API request; the body is sent as it is."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        head, data = self.ask(b"$JS.API." + subject.encode(), body)
        assert not head, head
        return json.loads(data)

    def publish(self, subject, body=b"", headers=b""):
        """The parsed answer of a stream to a publish."""
        head, data = self.ask(subject, body, headers)
        assert not head.startswith(b"NATS/1.0 503"), "no stream took it"
        return json.loads(data)


class OwnServerCase(unittest.TestCase):
    """Tests each of which has a server of its own, `server`."""

    def client(self):
        client = Requester(self.server.port)
        self.addCleanup(client.socket.close)
        return client


class WireCase(unittest.TestCase):
    """One server for the tests of a class, and a bystander that no test may disturb."""

    arguments = ()
    jetstream = True
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.arguments, cls.jetstream)
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.bystander = Connection(cls.server.port)
        cls.addClassCleanup(cls.bystander.__exit__)
        cls.bystander.connect()
        cls.bystander.send(b"SUB bystander.here 1\r\n")

    def tearDown(self):
        self.assertTrue(self.server.running(), f"the server ended:\n{self.server.log()}")
        self.bystander.send(b"PUB bystander.here 5\r\nstill\r\n")
        line = self.bystander.line()
        self.assertEqual(line + self.bystander.exactly(7), b"MSG bystander.here 1 5\r\nstill\r\n")
        with self.open() as newcomer:
            newcomer.connect()
            self.assertEqual(newcomer.flush(), b"")

    def open(self):
        return Connection(self.server.port)

    def requester(self):
        return Requester(self.server.port)
