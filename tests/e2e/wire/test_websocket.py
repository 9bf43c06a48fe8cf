"""Clients over a WebSocket: the upgrade, frames as they may come, and what is refused.

It holds for the reference server as well, but for what is marked as our own promise.
"""

import base64
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest
import urllib.request

from wire import READ_S, Connection, own_promise  # finds serverprocess
from serverprocess import START_S, Server, free_port
import serverprocess

KEY = base64.b64encode(b"0123456789abcdef").decode()
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OWN_PING = b"PING\r\n"  # which the server sends by itself, two seconds after CONNECT
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Peer:
    """A WebSocket by hand."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=READ_S)
        self.received = b""

    def close(self):
        self.socket.close()

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError(self.received)
        self.received += data

    def ask(self, headers=(), method="GET", target="/", drop=()):
        usual = {
            "Host": "127.0.0.1",
            "Upgrade": "websocket",
            "Connection": "keep-alive, Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
        }
        usual.update(headers)
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in usual.items() if name not in drop]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.received:
            self.more()
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        return head.decode()

    def upgrade(self, headers=()):
        head = self.ask(headers)
        assert head.startswith("HTTP/1.1 101 "), head
        return head

    @staticmethod
    def frame(payload, opcode=BINARY, final=True, mask=b"mask"):
        head = bytes([(0x80 if final else 0) | opcode])
        bit = 0x80 if mask else 0
        if len(payload) < 126:
            head += bytes([bit | len(payload)])
        else:
            head += bytes([bit | 126]) + struct.pack(">H", len(payload))
        if not mask:
            return head + payload
        return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))

    def send(self, payload, **options):
        self.socket.sendall(self.frame(payload, **options))

    def take(self, size):
        while len(self.received) < size:
            self.more()
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def next(self):
        """The next frame: opcode and payload. A server masks nothing."""
        first, second = self.take(2)
        assert first & 0x80 and not second & 0x80, (first, second)
        size = second
        if size == 126:
            size = struct.unpack(">H", self.take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.take(8))[0]
        return first & 15, self.take(size)

    def until(self, end):
        """What binary frames bring, up to something that ends so."""
        got = b""
        while not got.endswith((end, end + OWN_PING)):
            opcode, payload = self.next()
            assert opcode == BINARY, (opcode, payload)
            got += payload
        return got.replace(OWN_PING, b"")


class WebSockets(unittest.TestCase):
    BLOCK = "no_tls: true"
    REST = ""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="millrace-websocket-")
        cls.addClassCleanup(shutil.rmtree, directory, ignore_errors=True)
        cls.port = free_port()
        cls.http = free_port()
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"http: 127.0.0.1:{cls.http}\n{cls.REST}\n")
            file.write(f"websocket {{ host: 127.0.0.1, port: {cls.port}, {cls.BLOCK} }}\n")
        cls.server = Server(("-c", path), jetstream=False)
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.__enter__()

    def peer(self):
        peer = Peer(self.port)
        self.addCleanup(peer.close)
        return peer

    def client(self, headers=(), **options):
        peer = self.peer()
        peer.upgrade(headers)
        peer.info = json.loads(peer.until(b"\r\n")[len(b"INFO ") :])
        peer.send(b"CONNECT " + json.dumps({"verbose": False, **options}).encode() + b"\r\n")
        return peer


class Spoken(WebSockets):
    def test_the_key_is_answered_as_the_protocol_says(self):
        head = self.peer().upgrade()
        accept = base64.b64encode(hashlib.sha1((KEY + GUID).encode()).digest()).decode()
        self.assertIn("sec-websocket-accept: " + accept.lower(), head.lower())

    def test_info_names_the_port_that_the_client_came_by(self):
        self.assertEqual(self.client().info["port"], self.port)

    def test_messages_cross_from_a_websocket_to_a_plain_client_and_back(self):
        peer = self.client()
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=READ_S) as plain:
            plain.sendall(b'CONNECT {"verbose":false}\r\nSUB there 1\r\nPING\r\n')
            got = b""
            while not got.endswith(b"PONG\r\n"):
                got += plain.recv(4096)
            peer.send(b"SUB here 7\r\nPUB there 5\r\nhello\r\nPING\r\n")
            self.assertEqual(peer.until(b"PONG\r\n"), b"PONG\r\n")
            got = b""
            while not got.endswith(b"hello\r\n"):
                got += plain.recv(4096)
            self.assertEqual(got, b"MSG there 1 5\r\nhello\r\n")
            plain.sendall(b"PUB here 2\r\nok\r\n")
            self.assertEqual(peer.until(b"ok\r\n"), b"MSG here 7 2\r\nok\r\n")

    def test_a_command_may_be_cut_anywhere_into_frames_of_any_kind(self):
        peer = self.client()
        peer.send(b"SUB a 1\r\nPUB a 1", opcode=TEXT, final=False)
        peer.send(b"0\r\n012345", opcode=0, final=False)
        peer.send(b"", opcode=PING)
        peer.send(b"6789\r\nPING\r\n", opcode=0)
        got = []
        while not got or not b"".join(p for o, p in got if o == BINARY).endswith(b"PONG\r\n"):
            got.append(peer.next())
        self.assertIn((PONG, b""), got)
        self.assertEqual(b"".join(p for o, p in got if o == BINARY), b"MSG a 1 10\r\n0123456789\r\nPONG\r\n")

    def test_every_byte_may_come_alone(self):
        peer = self.client()
        for byte in peer.frame(b"PING\r\n"):
            peer.socket.sendall(bytes([byte]))
        self.assertEqual(peer.until(b"PONG\r\n"), b"PONG\r\n")

    def test_a_large_message_arrives_whole(self):
        peer = self.client()
        body = os.urandom(60000)
        peer.send(b"SUB a 1\r\nPUB a 60000\r\n" + body[:30000])
        peer.send(body[30000:] + b"\r\nPING\r\n")
        self.assertEqual(peer.until(b"PONG\r\n"), b"MSG a 1 60000\r\n" + body + b"\r\nPONG\r\n")

    def test_a_close_is_answered(self):
        peer = self.client()
        peer.send(struct.pack(">H", 1000), opcode=CLOSE)
        opcode, payload = peer.next()
        self.assertEqual((opcode, payload[:2]), (CLOSE, struct.pack(">H", 1000)))

    @own_promise
    def test_a_client_that_breaks_its_protocol_is_told_and_closed_with_a_code(self):
        peer = self.client()
        peer.send(b"NONSENSE\r\n")
        opcode, said = peer.next()
        self.assertEqual((opcode, said), (BINARY, b"-ERR 'Unknown Protocol Operation'\r\n"))
        opcode, payload = peer.next()
        self.assertEqual((opcode, payload[:2]), (CLOSE, struct.pack(">H", 1002)))

    def test_frames_that_are_not_masked_end_the_connection(self):
        peer = self.client()
        peer.send(b"PING\r\n", mask=b"")
        with self.assertRaises((EOFError, AssertionError, ConnectionError)):
            peer.until(b"PONG\r\n")

    def test_monitoring_calls_it_a_websocket(self):
        self.client(name="page").until  # stays open
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/connz", timeout=READ_S) as answer:
            rows = json.load(answer)["connections"]
        self.assertIn("websocket", [row["type"] for row in rows])


class Refused(WebSockets):
    def refused(self, status, text, **options):
        peer = self.peer()
        head = peer.ask(**options)
        self.assertTrue(head.startswith(f"HTTP/1.1 {status} "), head)
        size = int(next(v for v in head.lower().split("\r\n") if v.startswith("content-length")).split(":")[1])
        self.assertEqual(peer.take(size).decode().strip(), text)

    def test_a_request_that_is_no_upgrade(self):
        self.refused(405, "Method Not Allowed", method="POST")
        self.refused(400, "Bad Request", drop=("Upgrade",))
        self.refused(400, "Bad Request", headers={"Connection": "close"})
        self.refused(400, "Bad Request", drop=("Sec-WebSocket-Key",))
        self.refused(400, "Bad Request", headers={"Sec-WebSocket-Version": "8"})

    def test_a_head_that_is_malformed(self):
        for options in ({"target": "here"}, {"target": "/a\0b"}, {"method": "G(T"}, {"headers": {"A ": "b"}}, {"headers": {"A": "b\0c"}}):
            with self.subTest(options):
                head = self.peer().ask(**options)
                self.assertTrue(head.startswith("HTTP/1.1 400 "), head)

    def test_a_head_may_name_the_host_in_its_target(self):
        head = self.peer().ask(target="http://127.0.0.1/?a=/mqtt")
        self.assertTrue(head.startswith("HTTP/1.1 101 "), head)

    @own_promise
    def test_paths_of_what_is_not_there(self):
        for target in ("/mqtt", "/mqtt?a=b", "/a/mqtt"):
            with self.subTest(target):
                self.refused(404, "Not Found", target=target)

    @own_promise
    def test_a_key_that_is_none(self):
        self.refused(400, "Bad Request", headers={"Sec-WebSocket-Key": "short"})

    @own_promise
    def test_a_head_without_end_is_cut_off(self):
        peer = self.peer()
        try:
            for _ in range(64):
                peer.socket.sendall(b"X" * 1024)
            while True:
                peer.more()
        except (EOFError, ConnectionError):
            pass
        self.assertTrue(peer.received == b"" or peer.received.startswith(b"HTTP/1.1 431 "), peer.received)
        self.assertEqual(self.client().info["port"], self.port)


class Origins(WebSockets):
    BLOCK = 'no_tls: true, allowed_origins: ["http://good.example:8080"], headers: {"X-Mill": "race"}'

    def test_pages_come_from_where_they_may(self):
        head = self.peer().upgrade({"Origin": "http://good.example:8080"})
        self.assertIn("x-mill: race", head.lower())
        self.peer().upgrade()

    def test_a_page_from_elsewhere_is_refused(self):
        head = self.peer().ask({"Origin": "http://bad.example:8080"})
        self.assertTrue(head.startswith("HTTP/1.1 403 "), head)


class Cookies(WebSockets):
    BLOCK = 'no_tls: true, user_cookie: "u", pass_cookie: "p"'
    REST = "authorization { user: me, password: secret }"

    def test_cookies_fill_in_what_connect_leaves_out(self):
        peer = self.client({"Cookie": "x=1; u=me; p=secret"})
        peer.send(b"PING\r\n")
        self.assertEqual(peer.until(b"PONG\r\n"), b"PONG\r\n")

    def test_without_them_nobody_gets_in(self):
        peer = self.client()
        self.assertEqual(peer.next(), (BINARY, b"-ERR 'Authorization Violation'\r\n"))
        self.assertEqual(peer.next()[1][:2], struct.pack(">H", 1008))


class Doors(WebSockets):
    """Who comes by a WebSocket may have to be somebody else than who comes by TCP."""

    REFUSED = b"-ERR 'Authorization Violation'\r\n"

    def let_in(self, **said):
        peer = self.client(**said)
        self.assertTrue(peer.info["auth_required"])
        peer.send(b"PING\r\n")
        self.assertEqual(peer.until(b"\r\n"), b"PONG\r\n")

    def refused(self, **said):
        self.assertEqual(self.client(**said).next(), (BINARY, self.REFUSED))

    def by_tcp(self, **said):
        with Connection(self.server.port) as client:
            client.send(b"CONNECT " + json.dumps({"verbose": False, **said}).encode() + b"\r\nPING\r\n")
            return client.line()


class DoorWithUser(Doors):
    BLOCK = "no_tls: true, authorization { username: w, password: p, timeout: 60 }"

    def test_only_its_user_comes_in_and_by_tcp_everybody(self):
        self.let_in(user="w", **{"pass": "p"})
        self.refused(user="w", **{"pass": "x"})
        self.refused()
        self.assertEqual(self.by_tcp(), b"PONG\r\n")


class DoorOfTheQuick(WebSockets):
    BLOCK = "no_tls: true, authorization { username: w, password: p, timeout: 0.5 }"

    def test_who_says_nothing_has_the_time_that_is_given_there(self):
        peer = self.peer()
        peer.upgrade()
        peer.until(b"\r\n")
        self.assertEqual(peer.next(), (BINARY, b"-ERR 'Authentication Timeout'\r\n"))


class DoorWithToken(Doors):
    BLOCK = "no_tls: true, authorization { token: t }"
    REST = "authorization { user: g, password: g }"

    def test_the_others_credentials_are_of_no_use(self):
        self.let_in(auth_token="t")
        self.refused(user="g", **{"pass": "g"})
        self.assertEqual(self.by_tcp(user="g", **{"pass": "g"}), b"PONG\r\n")
        self.assertEqual(self.by_tcp(auth_token="t"), self.REFUSED)


class DoorWithoutName(Doors):
    BLOCK = "no_tls: true, no_auth_user: a"
    REST = "authorization { users: [{user: a, password: a, permissions: {publish: none}}, {user: g, password: g}] }"

    def test_who_says_nothing_is_that_user_there_alone(self):
        self.let_in()
        self.let_in(user="g", **{"pass": "g"})
        peer = self.client()
        peer.send(b"PUB other 0\r\n\r\nPING\r\n")
        self.assertIn(b"Permissions Violation", peer.until(b"PONG\r\n"))
        self.assertEqual(self.by_tcp(), self.REFUSED)


class DoorsThatCannotBe(unittest.TestCase):
    def test_they_are_refused_at_the_start(self):
        users = "authorization { users: [{user: a, password: a}] }"
        wrong = (
            ("no_auth_user: zz", users, 'no_auth_user: "zz" not present as user or nkey'),
            ("no_auth_user: zz", "", 'no_auth_user: "zz" present, but users/nkeys are not defined'),
            ("authorization { user: w, pass: p }", users, "websocket authentication username not compatible with presence of users/nkeys"),
            ("authorization { token: t }", users, "websocket authentication token not compatible with presence of users/nkeys"),
            ("authorization { users: [] }", "", 'unknown field "users"'),
            ("jwt_cookie: j", "", 'trusted operators or trusted keys configuration is required for JWT authentication via cookie "j"'),
        )
        for block, rest, said in wrong:
            with self.subTest(block), tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(f"websocket {{ host: 127.0.0.1, port: {free_port()}, no_tls: true, {block} }}\nport: -1\n{rest}\n")
                file.flush()
                result = subprocess.run([serverprocess.BINARY, "-c", file.name], capture_output=True, text=True, timeout=START_S, check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn(said, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
