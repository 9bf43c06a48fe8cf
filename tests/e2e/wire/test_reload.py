"""What SIGHUP takes over in a running server, what it refuses, and how a lame duck goes.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import json
import os
import shutil
import signal
import ssl
import tempfile
import time
import unittest

from test_tls import make_certificates
from wire import READ_S, Connection, Requester, own_promise  # finds serverprocess
from serverprocess import STOP_S, Server

USERS = """
authorization { users [
  { user: a, password: pa, permissions { publish: ">", subscribe: [x, y] } }
  { user: b, password: pb }
] }
"""


class Configured(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-reload-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.path = os.path.join(self.directory, "c.conf")

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, text, *arguments, jetstream=False):
        self.write(text)
        server = Server(("-c", self.path, *arguments), jetstream=jetstream)
        self.addCleanup(server.__exit__)
        return server.__enter__()

    def said_after(self, server, count, *words):
        """The log behind its first `count` lines, once it has one of the words."""
        end = time.monotonic() + READ_S
        while time.monotonic() < end:
            text = "".join(server.lines[count:])
            if any(word in text for word in words):
                return text
            time.sleep(0.01)
        self.fail(f"none of {words} in:\n{''.join(server.lines[count:])}")

    def reload(self, server, text):
        count = len(server.lines)
        self.write(text)
        server.process.send_signal(signal.SIGHUP)
        return self.said_after(server, count, "Reloaded server configuration", "Failed to reload")

    def takes(self, server, text):
        said = self.reload(server, text)
        self.assertIn("Reloaded server configuration (sha256:", said)
        return said

    def refuses(self, server, text, why):
        said = self.reload(server, text)
        self.assertIn("Failed to reload server configuration: " + why, said)

    def connect(self, server, **options):
        connection = Connection(server.port)
        self.addCleanup(connection.__exit__)
        connection.connect(pedantic=False, **options)
        self.assertEqual(connection.flush(), b"")
        return connection


class Reload(Configured):
    def test_without_a_file_there_is_nothing_to_read(self):
        with Server(jetstream=False) as server:
            server.process.send_signal(signal.SIGHUP)
            self.said_after(server, 0, "can only reload config when a file is provided")

    def test_a_file_with_errors_changes_nothing(self):
        server = self.start("max_payload: 100")
        self.refuses(server, "max_payload: 200\nfoo: 1", f'{self.path}:2:1: unknown field "foo"')
        with Connection(server.port) as connection:
            self.assertEqual(connection.info()["max_payload"], 100)

    def test_what_cannot_change_is_refused_by_name(self):
        server = self.start("debug: false")
        for text, why in (
            ("server_name: x", "config reload not supported for ServerName: old=, new=x"),
            ("max_pending: 5MB", "config reload not supported for MaxPending: old=67108864, new=5242880"),
            ("max_subscriptions: 5", "config reload not supported for MaxSubs: old=0, new=5"),
            ("http: 8222", "config reload not supported for HTTPPort: old=0, new=8222"),
            ("lame_duck_duration: 60s", "config reload not supported for LameDuckDuration: old=2m0s, new=1m0s"),
            ("no_header_support: true", "config reload not supported for NoHeaderSupport: old=false, new=true"),
            ("allow_non_tls: true", "config reload not supported for AllowNonTLS: old=false, new=true"),
            ("accounts { X {} }\nsystem_account: X", "config reload not supported for SystemAccount: old=, new=X"),
        ):
            self.refuses(server, text, why)

    def test_flags_still_override_the_file(self):
        server = self.start("port: 1")
        self.takes(server, "port: 2\nhost: nowhere")
        self.connect(server)

    def test_limits_change_for_those_who_are_there(self):
        server = self.start("debug: false")
        connection = self.connect(server)
        said = self.takes(server, "max_payload: 5\nping_interval: 50s\nmax_control_line: 100")
        for line in ("max_payload = 5", "ping_interval = 50s", "max_control_line = 100"):
            self.assertIn(f"[INF] Reloaded: {line}\n", said)
        connection.send(b"PUB a 6\r\n")
        self.assertEqual(connection.until_end(), b"-ERR 'Maximum Payload Violation'\r\n")

    def test_fewer_connections_end_some(self):
        server = self.start("debug: false")
        connections = [self.connect(server) for _ in range(5)]
        self.takes(server, "max_connections: 2")
        ended = 0
        for connection in connections:
            said = connection.flush()
            ended += connection.ended
            if connection.ended:
                self.assertEqual(said, b"-ERR 'maximum connections exceeded'\r\n")
        self.assertEqual(ended, 3)

    @own_promise  # the reference ends any of them
    def test_fewer_connections_of_an_account_end_its_newest(self):
        text = "accounts { A { users: [{user: a, password: a}], limits { max_conn: %d } }, B { users: [{user: b, password: b}] } }"
        server = self.start(text % 5)
        clients = []
        for who in "abaaba":
            clients.append(Connection(server.port))
            self.addCleanup(clients[-1].__exit__)
            clients[-1].connect(user=who, **{"pass": who})
            clients[-1].send(b"SUB s 1\r\n")
            clients[-1].flush()
        self.takes(server, text % 2)
        said = [client.flush() for client in clients]
        ended = [number for number, client in enumerate(clients) if client.ended]
        for number, words in enumerate(said):
            self.assertEqual(b"-ERR 'maximum account active connections exceeded'" in words, number in ended, words)
        self.assertEqual(ended, [3, 5])
        self.takes(server, text % 3)
        with Connection(server.port) as again:
            again.connect(user="a", **{"pass": "a"})
            self.assertEqual(again.flush(), b"")
            with Connection(server.port) as one_more:
                one_more.connect(user="a", **{"pass": "a"})
                one_more.send(b"PING\r\n")
                self.assertIn(b"maximum account active", one_more.until_end())

    @own_promise
    def test_a_request_that_came_before_is_answered_after(self):
        text = "authorization { users: [{user: a, password: a}, {user: b, password: b, permissions: {publish: {deny: '>'}, allow_responses: %s}}] }"
        server = self.start(text % "true")
        asks, answers = Connection(server.port), Connection(server.port)
        for who, client in (("a", asks), ("b", answers)):
            self.addCleanup(client.__exit__)
            client.connect(user=who, **{"pass": who})
        answers.send(b"SUB q 1\r\n")
        answers.flush()
        asks.send(b"SUB r.* 1\r\nPUB q r.1 0\r\n\r\nPUB q r.2 0\r\n\r\n")
        asks.flush()
        self.assertEqual([answers.message()[1] for _ in range(2)], [b"r.1", b"r.2"])
        for other, reply in ((text % "true" + "\nmax_control_line: 2048", b"r.1"), (text % "{max: 2, expires: '1m'}", b"r.2")):
            self.takes(server, other)
            answers.send(b"PUB %s 0\r\n\r\n" % reply)
            said = answers.flush()
        self.assertIn(b"Permissions Violation for Publish to \"r.2\"", said)  # the rule is another now
        self.assertEqual(asks.message()[0], b"r.1")
        self.assertEqual(asks.flush(), b"")

    def test_debug_and_trace_are_turned_on_and_off(self):
        server = self.start("debug: false")
        before = self.connect(server)
        self.takes(server, "debug: true, trace: true")
        count = len(server.lines)
        self.connect(server)
        self.said_after(server, count, "[TRC]")
        before.send(b"PUB traced 0\r\n\r\n")
        self.said_after(server, count, "[PUB traced 0]")
        self.takes(server, "debug: false")
        count = len(server.lines)
        self.connect(server)
        self.assertNotIn("[TRC]", "".join(server.lines[count:]))

    def test_the_log_may_move_to_a_file(self):
        server = self.start("debug: false")
        log = os.path.join(self.directory, "log")
        self.write(f'log_file: "{log}"')
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while not os.path.exists(log):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)


class Users(Configured):
    def as_user(self, server, user, password):
        return self.connect(server, user=user, **{"pass": password})

    def test_subscriptions_that_are_not_allowed_any_more_end(self):
        server = self.start(USERS)
        a, b = self.as_user(server, "a", "pa"), self.as_user(server, "b", "pb")
        a.send(b"SUB x 1\r\nSUB y q 2\r\nSUB y 3\r\n")
        self.assertEqual(a.flush(), b"")
        self.takes(server, USERS.replace("[x, y]", "[y]"))
        denied = b"-ERR 'Permissions Violation for Subscription to \"x\" (sid \"1\")'\r\n"
        self.assertEqual(a.flush(), denied)
        b.send(b"PUB x 1\r\nx\r\n")
        self.assertEqual(b.flush(), b"")
        self.assertEqual(a.flush(), b"")
        self.takes(server, USERS.replace("[x, y]", "[z]"))
        self.assertEqual(
            sorted(a.flush().splitlines()),
            sorted([
                b"-ERR 'Permissions Violation for Subscription to \"y\" (sid \"3\")'",
                b"-ERR 'Permissions Violation for Subscription to \"y\" using queue \"q\" (sid \"2\")'",
            ]),
        )

    def test_of_many_subscriptions_those_denied_get_nothing_from_then_on(self):
        many = 60_000
        server = self.start(USERS.replace("[x, y]", '">"'))
        a, b = self.as_user(server, "a", "pa"), self.as_user(server, "b", "pb")
        a.read_s = 60
        lines = [b"SUB %s.%d %s%d\r\n" % (b"xy"[n % 2:n % 2 + 1], n, b"s" if n % 7 == 0 else b"", n)
                 for n in range(many)]
        a.send(b"".join(lines))
        self.assertEqual(a.flush(), b"")
        self.takes(server, USERS.replace("[x, y]", '"y.*"'))
        for n in range(many - 1, 0, -many // 50):
            b.send(b"PUB x.%d 2\r\nno\r\nPUB y.%d 2\r\nyo\r\n" % (n // 2 * 2, n // 2 * 2 + 1))
            b.flush()
        end = time.monotonic() + 60
        while sum("Removed sub" in line for line in server.lines) < many // 2:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        said = a.flush()
        self.assertEqual(said.count(b"Permissions Violation for Subscription to \"x."), many // 2)
        self.assertNotIn(b"MSG x", said)
        self.assertEqual(said.count(b"MSG y"), 50)
        a.send(b"PUB y.1 2\r\nhi\r\nPUB x.2 2\r\nhi\r\n")
        self.assertEqual(a.flush(), b"MSG y.1 1 2\r\nhi\r\n")

    def test_who_would_not_be_let_in_any_more_is_ended(self):
        server = self.start(USERS)
        a, b = self.as_user(server, "a", "pa"), self.as_user(server, "b", "pb")
        self.takes(server, USERS.replace("pa", "pA"))
        self.assertEqual(a.until_end(), b"-ERR 'Authorization Violation'\r\n")
        self.assertEqual(b.flush(), b"")
        self.as_user(server, "a", "pA")
        self.takes(server, USERS.replace("user: b", "user: c"))
        self.assertEqual(b.until_end(), b"")

    def test_a_token_may_come_and_change(self):
        server = self.start("debug: false")
        nobody = self.connect(server)
        self.takes(server, "authorization { token: t }")
        self.assertEqual(nobody.until_end(), b"-ERR 'Authorization Violation'\r\n")
        somebody = self.connect(server, auth_token="t")
        self.takes(server, "authorization { token: t }\nping_max: 3")
        self.assertEqual(somebody.flush(), b"")
        self.takes(server, "authorization { token: u }")
        self.assertEqual(somebody.until_end(), b"-ERR 'Authorization Violation'\r\n")

    def test_a_user_of_another_account_now_is_ended(self):
        server = self.start("accounts { A { users [ { user: a } ] }, B { users [ { user: b } ] } }")
        a, b = self.connect(server, user="a"), self.connect(server, user="b")
        self.takes(server, "accounts { A {}, B { users [ { user: a }, { user: b } ] } }")
        self.assertEqual(a.until_end(), b"")
        self.assertEqual(b.flush(), b"")

    @own_promise
    def test_an_account_may_get_jetstream(self):
        text = "accounts { A { users [ { user: a } ], jetstream: enabled }, B { users [ { user: b } ] %s } }"
        server = self.start(text % "", jetstream=True)
        b = Requester(server.port, user="b")
        self.addCleanup(b.__exit__)
        self.assertEqual(b.api("INFO")["error"]["err_code"], 10039)
        self.takes(server, text % ", jetstream { max_streams: 1 }")
        self.assertEqual(b.api("INFO")["limits"]["max_streams"], 1)
        b.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]})
        self.refuses(server, text % "", "config reload not supported for JetStream of account")
        self.assertEqual(b.publish(b"s", b"x")["seq"], 1)


class Tls(Configured):
    def test_certificates_are_read_again(self):
        make_certificates(self.directory)
        pair = 'tls { cert_file: "%s/srv.pem", key_file: "%s/srv-key.pem" }' % ((self.directory,) * 2)
        server = self.start("debug: false")
        before = self.connect(server)
        self.assertIn("Reloaded: tls = enabled", self.takes(server, pair))
        self.assertEqual(before.flush(), b"")
        with Connection(server.port) as connection:
            self.assertIs(connection.info()["tls_required"], True)
            context = ssl.create_default_context(cafile=os.path.join(self.directory, "ca.pem"))
            secured = context.wrap_socket(connection.socket, server_hostname="localhost")
            make_certificates(self.directory)  # others, of another authority
            self.takes(server, pair + "\nping_max: 3")
            secured.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
            self.assertEqual(secured.recv(100), b"PONG\r\n")
        with Connection(server.port) as connection:
            context = ssl.create_default_context(cafile=os.path.join(self.directory, "ca.pem"))
            context.wrap_socket(connection.socket, server_hostname="localhost").close()
            secured.close()


class LameDuck(Configured):
    TEXT = "lame_duck_duration: 30s\nlame_duck_grace_period: 1s\n"

    def test_without_clients_it_ends_at_once(self):
        server = self.start(self.TEXT)
        server.process.send_signal(signal.SIGUSR2)
        self.assertEqual(server.process.wait(STOP_S), 0)

    def test_clients_are_told_and_closed_one_by_one(self):
        server = self.start(self.TEXT)
        connections = [Connection(server.port) for _ in range(3)]
        for connection in connections:
            self.addCleanup(connection.__exit__)
            connection.connect(protocol=1)
            connection.send(b"PING\r\n")
            self.assertEqual(connection.line(), b"PONG\r\n")
            self.assertTrue(connection.line().startswith(b"INFO "))
        begun = time.monotonic()
        server.process.send_signal(signal.SIGUSR2)
        for connection in connections:
            line = connection.line()
            while line == b"PING\r\n":
                line = connection.line()
            self.assertTrue(line.startswith(b"INFO "), line)
            self.assertIs(json.loads(line[5:])["ldm"], True)
        with self.assertRaises(OSError):
            Connection(server.port)
        server.process.send_signal(signal.SIGTERM)  # which a lame duck does not hear
        connections[0].send(b"PING\r\n")
        for connection in connections:
            said = connection.until_end()
            self.assertNotIn(b"-ERR", said)
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertEqual(server.process.wait(STOP_S), 0)

    def test_int_ends_it_all_the_same(self):
        server = self.start(self.TEXT.replace("1s", "20s"))
        connection = self.connect(server)
        server.process.send_signal(signal.SIGUSR2)
        self.said_after(server, 0, "lame duck")
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(STOP_S), 0)
        connection.until_end()


if __name__ == "__main__":
    unittest.main()
