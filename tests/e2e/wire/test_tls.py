"""TLS on the client port: when it begins, who may come, and how it ends.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from wire import READ_S, own_promise  # finds serverprocess
from serverprocess import BINARY, START_S, Server

PONG = b"PONG\r\n"
OWN_PING = b"PING\r\n"  # which the server sends by itself, two seconds after CONNECT
HELLO = b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n'


def without_pings(said):
    return bytes(said).replace(OWN_PING, b"")


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True, timeout=START_S)


def make_certificates(directory):
    """ca, and srv and cli that it signed; `alone` signed itself."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    for name, subject in (("ca", "/CN=authority"), ("alone", "/CN=alone")):
        files = ("-keyout", f"{name}-key.pem", "-out", f"{name}.pem")
        openssl("req", "-x509", *key, "-subj", subject, *files, cwd=directory)
    for name, subject, names in (
        ("srv", "/CN=localhost", "DNS:localhost,IP:127.0.0.1"),
        ("cli", "/OU=eng/CN=derek", "email:derek@nats.io,DNS:derek.x"),
    ):
        files = ("-keyout", f"{name}-key.pem", "-out", f"{name}.csr")
        openssl("req", *key, "-subj", subject, *files, cwd=directory)
        with open(os.path.join(directory, "names"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName={names}\n")
        sign = ("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *sign, "-out", f"{name}.pem", cwd=directory)


class TlsCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="millrace-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        make_certificates(cls.directory)

    def file(self, name):
        return os.path.join(self.directory, name)

    def start(self, tls="", rest="", arguments=()):
        pair = f'cert_file: "{self.file("srv.pem")}", key_file: "{self.file("srv-key.pem")}"'
        with open(self.file("c.conf"), "w", encoding="utf-8") as file:
            file.write(f"tls {{ {pair}, {tls} }}\n{rest}\n".replace("DIR", self.directory))
        server = Server(("-c", self.file("c.conf"), *arguments), jetstream=False)
        self.addCleanup(server.__exit__)
        return server.__enter__()

    def open(self, server):
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=READ_S)
        self.addCleanup(raw.close)
        return raw

    def info(self, raw):
        line = b""
        while not line.endswith(b"\r\n"):
            byte = raw.recv(1)
            self.assertTrue(byte, "it ended before INFO")
            line += byte
        self.assertTrue(line.startswith(b"INFO "), line)
        return json.loads(line[5:])

    def wrap(self, raw, certificate=None, version=None):
        context = ssl.create_default_context(cafile=self.file("ca.pem"))
        if certificate:
            context.load_cert_chain(self.file(f"{certificate}.pem"), self.file(f"{certificate}-key.pem"))
        if version:
            context.maximum_version = version
        secured = context.wrap_socket(raw, server_hostname="localhost")
        self.addCleanup(secured.close)
        return secured

    def until(self, connection, end):
        said = bytearray()
        while not said.endswith((end, end + OWN_PING)):
            data = connection.recv(65536)
            if not data:
                break
            said += data
        return without_pings(said)

    def talks(self, secured):
        secured.sendall(HELLO)
        self.assertEqual(self.until(secured, PONG), PONG)

    def ends(self, raw):
        """What it still says before it ends."""
        said = b""
        try:
            while data := raw.recv(65536):
                said += data
        except ConnectionError:
            pass
        return said


class Begin(TlsCase):
    def test_info_is_plain_and_then_everything_encrypted(self):
        server = self.start()
        raw = self.open(server)
        info = self.info(raw)
        self.assertIs(info["tls_required"], True)
        self.assertNotIn("tls_verify", info)
        self.talks(self.wrap(raw))

    def test_it_may_be_asked_for_with_flags(self):
        flags = ("--tls", "--tlscert", self.file("srv.pem"), "--tlskey", self.file("srv-key.pem"))
        with Server(flags, jetstream=False) as server:
            raw = self.open(server)
            self.info(raw)
            self.talks(self.wrap(raw))

    def test_plain_text_is_not_answered(self):
        server = self.start()
        raw = self.open(server)
        self.info(raw)
        raw.sendall(HELLO)
        self.assertNotIn(b"PONG", self.ends(raw))

    def test_a_handshake_that_does_not_come_or_end_is_given_up(self):
        server = self.start("timeout: 3")  # more than without it
        begun = time.monotonic()
        peers = [self.open(server) for _ in range(3)]
        for raw, said in zip(peers, (b"", b"\x16\x03\x01", b"\x16")):
            self.info(raw)
            raw.sendall(said)
        for raw in peers:
            self.ends(raw)
        self.assertGreater(time.monotonic() - begun, 2.9)

    def test_the_time_to_say_who_it_is_begins_after_the_handshake(self):
        server = self.start(rest="authorization { token: x, timeout: 0.4 }")
        raw = self.open(server)
        self.info(raw)
        secured = self.wrap(raw)
        self.assertEqual(self.ends(secured), b"-ERR 'Authentication Timeout'\r\n")

    def test_a_client_may_be_left_to_choose(self):
        server = self.start(rest="allow_non_tls: true")
        raw = self.open(server)
        info = self.info(raw)
        self.assertIs(info["tls_available"], True)
        self.assertNotIn("tls_required", info)
        self.talks(self.wrap(raw))
        raw = self.open(server)
        self.info(raw)
        self.talks(raw)

    def test_the_handshake_may_come_first(self):
        server = self.start("handshake_first: true")
        secured = self.wrap(self.open(server))
        self.assertIs(self.info(secured)["tls_required"], True)
        self.talks(secured)
        raw = self.open(server)
        raw.sendall(HELLO)
        self.assertNotIn(b"INFO", self.ends(raw))

    def test_or_first_if_it_comes_soon(self):
        server = self.start("handshake_first: 3s")
        secured = self.wrap(self.open(server))
        self.info(secured)
        self.talks(secured)
        begun = time.monotonic()
        raw = self.open(server)
        self.info(raw)
        self.assertGreater(time.monotonic() - begun, 2.9)
        self.talks(self.wrap(raw))

    def test_handshakes_may_be_so_many_a_second(self):
        server = self.start("connection_rate_limit: 3, timeout: 60")
        peers = [self.open(server) for _ in range(40)]  # not within ten seconds, or more than three in one of them
        for raw in peers:
            self.info(raw)
        told = select.select(peers, [], [], READ_S)[0]
        throttled = b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
        self.assertEqual({raw.recv(1000) for raw in told}, {throttled})
        self.assertNotIn(peers[0], told)

    def test_versions_before_the_least_are_refused(self):
        server = self.start('min_version: "1.3"')
        raw = self.open(server)
        self.info(raw)
        with self.assertRaises(ssl.SSLError):
            self.wrap(raw, version=ssl.TLSVersion.TLSv1_2)

    def test_certificates_that_are_not_there_keep_the_server_from_starting(self):
        path = self.file("bad.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write('tls { cert_file: "/none.pem", key_file: "/none-key.pem" }')
        for check in ((), ("-t",)):
            result = subprocess.run(
                [BINARY, "-c", path, *check], capture_output=True, text=True, timeout=START_S, check=False
            )
            self.assertEqual(result.returncode, 1)
            self.assertIn(
                f"{path}:1:0: error parsing X509 certificate/key pair: open /none.pem: no such file",
                result.stderr,
            )


class Traffic(TlsCase):
    def test_large_messages_go_both_ways(self):
        server = self.start(rest="max_payload: 8MB")
        raw = self.open(server)
        self.info(raw)
        secured = self.wrap(raw)
        body = os.urandom(1 << 20) * 7
        secured.sendall(HELLO + b"SUB big 1\r\nPUB big %d\r\n" % len(body))
        secured.sendall(body + b"\r\nPING\r\n")
        self.assertEqual(secured.recv(6), PONG)
        want = b"MSG big 1 %d\r\n" % len(body) + body + b"\r\nPONG\r\n"
        self.assertTrue(self.until(secured, b"\r\nPONG\r\n") == want)

    def test_many_small_messages_in_one_go(self):
        server = self.start()
        raw = self.open(server)
        self.info(raw)
        secured = self.wrap(raw)
        secured.sendall(HELLO + b"SUB s 1\r\n" + b"PUB s 2\r\nhi\r\n" * 5000 + b"PING\r\n")
        said = self.until(secured, b"hi\r\nPONG\r\n")
        self.assertEqual(said, PONG + b"MSG s 1 2\r\nhi\r\n" * 5000 + PONG)

    @own_promise
    def test_the_end_is_said(self):
        server = self.start()
        raw = self.open(server)
        self.info(raw)
        secured = self.wrap(raw)
        secured.sendall(b"NONSENSE\r\n")
        self.assertEqual(self.ends(secured), b"-ERR 'Unknown Protocol Operation'\r\n")

    def test_a_client_that_ends_is_let_go(self):
        server = self.start(arguments=("-D",))
        raw = self.open(server)
        self.info(raw)
        secured = self.wrap(raw)
        self.talks(secured)
        secured.unwrap()
        end = time.monotonic() + READ_S
        while "Client connection closed: Client Closed" not in server.log():
            self.assertLess(time.monotonic(), end, server.log())
            time.sleep(0.02)


class Certificates(TlsCase):
    def handshake(self, server, certificate=None):
        raw = self.open(server)
        self.assertIs(self.info(raw).get("tls_verify"), True)
        secured = self.wrap(raw, certificate)
        self.talks(secured)
        return secured

    def test_a_client_shows_one_of_the_authority(self):
        server = self.start('verify: true, ca_file: "DIR/ca.pem"')
        self.handshake(server, "cli")
        for certificate in (None, "alone"):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.handshake(server, certificate)

    def test_the_server_shows_what_its_file_has_and_no_authority_beside_it(self):
        with open(self.file("both.pem"), "wb") as both:
            for name in ("srv.pem", "ca.pem"):
                with open(self.file(name), "rb") as file:
                    both.write(file.read())
        for name, shown in (("srv.pem", 1), ("both.pem", 2)):
            pair = f'cert_file: "DIR/{name}", key_file: "DIR/srv-key.pem"'
            server = self.start(f'{pair}, handshake_first: true, ca_file: "DIR/ca.pem"')
            said = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-showcerts"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=START_S,
            )
            self.assertEqual(said.stdout.count(b"BEGIN CERTIFICATE"), shown, name)

    def test_it_may_be_who_the_client_is(self):
        for user in ("derek@nats.io", "derek.x", "CN=derek,OU=eng", "OU=eng,CN=derek"):
            with self.subTest(user):
                server = self.start(
                    'verify_and_map: true, ca_file: "DIR/ca.pem"',
                    f'authorization {{ users [ {{ user: "{user}", permissions {{ publish: x }} }} ] }}',
                )
                secured = self.handshake(server, "cli")
                secured.sendall(b"PUB y 1\r\nx\r\nPING\r\n")
                self.assertIn(b"Permissions Violation", self.until(secured, PONG))

    def test_and_only_that(self):
        server = self.start(
            'verify_and_map: true, ca_file: "DIR/ca.pem"',
            "authorization { users [ { user: other, password: x } ] }",
        )
        raw = self.open(server)
        self.info(raw)
        secured = self.wrap(raw, "cli")
        secured.sendall(b'CONNECT {"user":"other","pass":"x"}\r\n')
        self.assertEqual(self.ends(secured), b"-ERR 'Authorization Violation'\r\n")


if __name__ == "__main__":
    unittest.main()
