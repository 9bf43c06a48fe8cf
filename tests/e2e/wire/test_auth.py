"""Who may connect and what they may do, as configured: against a running server.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import os
import shutil
import tempfile
import time
import unittest

from wire import Connection, Requester, own_promise  # finds serverprocess
from serverprocess import Server

# What bcrypt makes of "secret", with little work and with as much as the tools ask for.
HASH = "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
SLOW_HASH = "$2a$11$abcdefghijklmnopqrstuuViuGI07N4McP9Kl.tD6XMEzyuvcY8LG"

VIOLATION = b"-ERR 'Authorization Violation'\r\n"


class Configured(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-auth-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def start(self, text, *arguments, jetstream=False):
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        server = Server(("-c", path, *arguments), jetstream=jetstream)
        self.addCleanup(server.__exit__)
        return server.__enter__()

    def connect(self, server, **options):
        connection = Connection(server.port)
        self.addCleanup(connection.__exit__)
        connection.connect(pedantic=False, **options)
        return connection

    def lets_in(self, server, **options):
        connection = self.connect(server, **options)
        self.assertEqual(connection.flush(), b"")
        return connection

    def keeps_out(self, server, **options):
        self.assertEqual(self.connect(server, **options).until_end(), VIOLATION)


class Credentials(Configured):
    def test_a_token(self):
        server = self.start("authorization { token: abc }")
        self.lets_in(server, auth_token="abc")
        self.keeps_out(server, auth_token="abd")
        self.keeps_out(server, user="abc")
        self.keeps_out(server)

    def test_a_single_user(self):
        server = self.start("authorization { user: a, password: b }")
        self.lets_in(server, user="a", **{"pass": "b"})
        self.keeps_out(server, user="a")
        self.keeps_out(server, user="b", **{"pass": "b"})

    def test_flags_are_credentials_too(self):
        server = self.start("debug: false", "--user", "a/'b", "--pass", "x\\y\"")
        self.lets_in(server, user="a/'b", **{"pass": "x\\y\""})
        self.keeps_out(server, user="a/'b", **{"pass": "x"})
        server = self.start("debug: false", "--auth=t")
        self.lets_in(server, auth_token="t")

    def test_passwords_and_tokens_may_be_hashes(self):
        server = self.start(f"authorization {{ users [ {{ user: a, password: {HASH} }} ] }}")
        self.lets_in(server, user="a", **{"pass": "secret"})
        self.keeps_out(server, user="a", **{"pass": HASH})
        self.keeps_out(server, user="a", **{"pass": "Secret"})
        server = self.start(f"authorization {{ token: {HASH} }}")
        self.lets_in(server, auth_token="secret")
        self.keeps_out(server, auth_token="x")

    @own_promise
    def test_a_slow_password_keeps_nobody_waiting_but_its_owner(self):
        server = self.start(
            f"authorization {{ users [ {{ user: slow, password: {SLOW_HASH} }} {{ user: quick }} ] }}"
            .replace("} {", "}, {")
        )
        slow = [self.connect(server, user="slow", **{"pass": "wrong"}) for _ in range(4)]
        quick = self.lets_in(server, user="quick")
        begun = time.monotonic()
        for _ in range(20):
            quick.flush()
        self.assertLess(time.monotonic() - begun, 1.0)
        for connection in slow:
            self.assertEqual(connection.until_end(), VIOLATION)

    def test_what_comes_after_a_slow_connect_is_done_after_it(self):
        server = self.start(f"authorization {{ users [ {{ user: a, password: {HASH} }} ] }}")
        with Connection(server.port) as connection:
            connection.send(
                b'CONNECT {"verbose":false,"user":"a","pass":"secret"}\r\n'
                b"SUB s 1\r\nPUB s 2\r\nhi\r\nPING\r\n"
            )
            self.assertEqual(connection.exactly(21), b"MSG s 1 2\r\nhi\r\nPONG\r\n")

    def test_info_says_that_credentials_are_needed(self):
        with Connection(self.start("authorization { token: a }").port) as connection:
            self.assertIs(connection.info()["auth_required"], True)
        with Connection(self.start("debug: no").port) as connection:
            self.assertNotIn("auth_required", connection.info())

    def test_info_has_a_nonce_where_there_are_keys(self):
        key = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
        server = self.start(f"authorization {{ users [ {{ nkey: {key} }}, {{ user: u }} ] }}")
        with Connection(server.port) as first, Connection(server.port) as second:
            nonces = {connection.info()["nonce"] for connection in (first, second)}
            self.assertEqual(len(nonces), 2)
            for nonce in nonces:
                self.assertRegex(nonce, r"^[A-Za-z0-9_-]{15}$")
        self.keeps_out(server, nkey=key, sig="AAAA")
        self.keeps_out(server, nkey=key)

    def test_without_a_connect_in_time_it_is_over(self):
        server = self.start("authorization { token: a, timeout: 0.3 }")
        begun = time.monotonic()
        with Connection(server.port) as connection:
            said = connection.until_end()
            self.assertEqual(said, b"-ERR 'Authentication Timeout'\r\n")
            self.assertLess(0.25, time.monotonic() - begun)

    def test_nothing_but_connect_may_come_first(self):
        server = self.start("authorization { token: a }")
        for first in (b"PING\r\n", b"SUB a 1\r\n", b"X"):
            with Connection(server.port) as connection:
                connection.send(first)
                self.assertEqual(connection.until_end(), VIOLATION)

    def test_nobody_in_particular_may_be_a_user(self):
        server = self.start(
            "no_auth_user: guest\n"
            "authorization { users [ { user: a, password: b },"
            " { user: guest, permissions { publish: x } } ] }"
        )
        with Connection(server.port) as connection:
            self.assertNotIn("auth_required", connection.info())
            connection.send(b"PUB y 1\r\nx\r\nPING\r\n")
            self.assertEqual(
                connection.exactly(55), b"-ERR 'Permissions Violation for Publish to \"y\"'\r\nPONG\r\n"
            )
        self.lets_in(server)
        self.keeps_out(server, user="a")


class Permissions(Configured):
    def user(self, permissions):
        server = self.start(f"authorization {{ users [ {{ user: u, permissions {permissions} }} ] }}")
        return self.connect(server, user="u", headers=True)

    def said(self, connection, *lines):
        connection.send(b"".join(line + b"\r\n" for line in lines))
        return connection.flush().decode()

    def denied_sub(self, what):
        return f"-ERR 'Permissions Violation for Subscription to {what}'\r\n"

    def denied_pub(self, subject):
        return f"-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n"

    def test_subjects_that_are_allowed(self):
        user = self.user('{ publish: "foo.*", subscribe: ["foo.*", "bar q"] }')
        self.assertEqual(self.said(user, b"SUB foo.* 1", b"SUB foo.> 2", b"SUB bar q 3"), "")
        self.assertEqual(self.said(user, b"SUB bar 4"), self.denied_sub('"bar"'))
        self.assertEqual(
            self.said(user, b"SUB bar r 5"), self.denied_sub('"bar" using queue "r"')
        )
        self.assertEqual(self.said(user, b"PUB bar 1", b"x"), self.denied_pub("bar"))
        head = (b"HPUB bar 12 13", b"NATS/1.0", b"", b"x")
        self.assertEqual(self.said(user, *head), self.denied_pub("bar"))
        self.assertEqual(self.said(user, b"SUB x 9"), self.denied_sub('"x"'))

    def test_what_is_denied_is_not_delivered_through_a_wildcard(self):
        user = self.user('{ subscribe { deny: "foo.bar" } }')
        self.assertEqual(self.said(user, b"SUB foo.bar 1"), self.denied_sub('"foo.bar"'))
        self.assertEqual(
            self.said(user, b"SUB foo.* 2", b"PUB foo.bar 1", b"x", b"PUB foo.baz 1", b"y"),
            "MSG foo.baz 2 1\r\ny\r\n",
        )

    def test_answers_may_be_allowed(self):
        user = self.user('{ publish: "req", allow_responses { max: 1 } }')
        asked = self.said(user, b"SUB req 1", b"PUB req in 1", b"x")
        self.assertEqual(asked, "MSG req 1 in 1\r\nx\r\n")
        self.assertEqual(self.said(user, b"PUB in 1", b"y"), "")
        self.assertEqual(self.said(user, b"PUB in 1", b"y"), self.denied_pub("in"))

    def test_empty_lists_say_nothing(self):
        user = self.user("{ publish: [], subscribe { allow: [] } }")
        self.assertEqual(self.said(user, b"SUB a 1", b"PUB a 1", b"x"), "MSG a 1 1\r\nx\r\n")


ACCOUNTS = """
accounts {
  A { users [ { user: a } ], jetstream: enabled }
  B { users [ { user: b } ] }
  C { users [ { user: c } ], jetstream { max_streams: 1, max_file: 3000, max_consumers: 1 } }
  SYS { users [ { user: s } ] }
}
system_account: SYS
"""


class Accounts(Configured):
    def test_accounts_hear_nothing_of_each_other(self):
        server = self.start(ACCOUNTS)
        a, b = self.lets_in(server, user="a"), self.lets_in(server, user="b")
        other = self.lets_in(server, user="a")
        for connection in (a, b):
            connection.send(b"SUB > 1\r\n")
            connection.flush()
        other.send(b"PUB x 1\r\n1\r\n")
        other.flush()
        self.assertEqual(a.flush(), b"MSG x 1 1\r\n1\r\n")
        self.assertEqual(b.flush(), b"")

    def test_info_says_which_account_it_is(self):
        server = self.start(ACCOUNTS)
        for user, account in (("a", "A"), ("s", "SYS")):
            said = self.info_after_connect(server, user)
            self.assertIn(f'"remote_account":"{account}"', said)
            self.assertEqual('"acc_is_sys":true' in said, user == "s")

    def info_after_connect(self, server, user):
        with Connection(server.port) as connection:
            connection.connect(user=user, protocol=1)
            connection.send(b"PING\r\n")
            self.assertEqual(connection.line(), b"PONG\r\n")
            return connection.line().decode()

    def test_limits_of_an_account(self):
        server = self.start(
            "accounts { A { users [ { user: a } ],"
            " limits { max_conn: 1, max_subs: 1, max_pay: 5 } } }"
        )
        first = self.lets_in(server, user="a")
        second = self.connect(server, user="a")
        self.assertEqual(
            second.until_end(), b"-ERR 'maximum account active connections exceeded'\r\n"
        )
        first.send(b"SUB a 1\r\nSUB b 2\r\n")
        self.assertEqual(first.flush(), b"-ERR 'maximum subscriptions exceeded'\r\n")
        first.send(b"PUB a 6\r\n")
        self.assertEqual(first.until_end(), b"-ERR 'Maximum Payload Violation'\r\n")

    def requester(self, server, user):
        requester = Requester(server.port, user=user)
        self.addCleanup(requester.__exit__)
        return requester

    def test_streams_belong_to_accounts(self):
        server = self.start(ACCOUNTS, jetstream=True)
        a, c = self.requester(server, "a"), self.requester(server, "c")
        for requester, count in ((a, 3), (c, 1)):
            self.assertIn("config", requester.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]}))
            for i in range(count):
                self.assertEqual(requester.publish(b"s", b"x")["seq"], i + 1)
        self.assertEqual(a.api("STREAM.INFO.S")["state"]["messages"], 3)
        self.assertEqual(c.api("STREAM.INFO.S")["state"]["messages"], 1)
        self.assertEqual(c.api("STREAM.DELETE.S")["success"], True)
        self.assertEqual(a.api("STREAM.NAMES")["streams"], ["S"])

    def test_streams_stay_with_their_accounts_over_a_restart(self):
        server = self.start(ACCOUNTS, jetstream=True)
        a = self.requester(server, "a")
        a.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]})
        a.publish(b"s", b"x")
        server.restart()
        self.assertEqual(self.requester(server, "a").publish(b"s", b"x")["seq"], 2)
        self.assertEqual(self.requester(server, "a").api("STREAM.NAMES")["streams"], ["S"])
        self.assertEqual(self.requester(server, "c").api("STREAM.NAMES")["total"], 0)

    def test_an_account_without_jetstream_is_told_so(self):
        server = self.start(ACCOUNTS, jetstream=True)
        answer = self.requester(server, "b").api("STREAM.CREATE.S", {"name": "S"})
        self.assertEqual(answer["error"]["err_code"], 10039)

    def test_limits_of_jetstream(self):
        server = self.start(ACCOUNTS, jetstream=True)
        c = self.requester(server, "c")
        limits = c.api("INFO")["limits"]
        self.assertEqual((limits["max_streams"], limits["max_storage"]), (1, 3000))
        c.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]})
        answer = c.api("STREAM.CREATE.T", {"name": "T", "subjects": ["t"]})
        self.assertEqual(answer["error"]["err_code"], 10027)
        sizes = [c.publish(b"s", b"x" * 1000) for _ in range(4)]
        self.assertEqual([answer.get("seq") for answer in sizes[:2]], [1, 2])
        self.assertEqual(sizes[3]["error"]["err_code"], 10002)

    @own_promise
    def test_streams_of_an_account_that_lost_jetstream_are_kept(self):
        server = self.start(ACCOUNTS, jetstream=True)
        a = self.requester(server, "a")
        a.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]})
        a.publish(b"s", b"x")
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(ACCOUNTS.replace("jetstream: enabled", ""))
        server.restart()
        self.assertIn("Stream 'S' stays closed", server.log())
        with open(path, "w", encoding="utf-8") as file:
            file.write(ACCOUNTS)
        server.restart()
        state = self.requester(server, "a").api("STREAM.INFO.S")["state"]
        self.assertEqual(state["messages"], 1)


if __name__ == "__main__":
    unittest.main()
