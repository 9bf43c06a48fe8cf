"""Conversations byte for byte, whole and cut at every place."""

import time
import unittest

from wire import MILLRACE, WireCase

# The server pings a client by itself two seconds after its CONNECT.
OWN_PING_S = 1.5
TRIES = 5

LONG = b"a" * 5000
UNKNOWN = b"-ERR 'Unknown Protocol Operation'\r\n"
INVALID_SUBJECT = b"-ERR 'Invalid Subject'\r\n"
QUIET = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
WITH_HEADERS = b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n'

# What goes in, what comes out, for connections that stay open. A PING follows each.
OPEN = {
    "without CONNECT the defaults are verbose": (
        b"SUB foo 1\r\nPUB foo 2\r\nhi\r\n",
        b"+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\n",
    ),
    "verbs in any case, blanks, tabs and a lone LF": (
        b'connect{"verbose":false}\r\nsub   foo   1\r\npub\tfoo\t2\nhi\r\nping\r\npInG xx yy\r\n',
        b"MSG foo 1 2\r\nhi\r\nPONG\r\nPONG\r\n",
    ),
    "verbose answers precede deliveries, a sid is taken once, auto-unsubscribe counts": (
        b'CONNECT {"verbose":true}\r\nUNSUB 99\r\nSUB a 1\r\nSUB b 1\r\nUNSUB 1 2\r\n'
        b"PUB a 1\r\nx\r\nPUB a 1\r\nx\r\nPUB a 1\r\nx\r\nPUB b 1\r\nx\r\n",
        b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n"
        b"+OK\r\nMSG a 1 1\r\nx\r\n+OK\r\nMSG a 1 1\r\nx\r\n+OK\r\n+OK\r\n",
    ),
    "pedantic publish subjects are named and still routed": (
        b'CONNECT {"verbose":false,"pedantic":true}\r\nSUB > 1\r\n'
        b"PUB a.* 1\r\nx\r\nPUB a..b 1\r\nx\r\n",
        b"-ERR 'Invalid Publish Subject'\r\nMSG a.* 1 1\r\nx\r\n-ERR 'Invalid Publish Subject'\r\n",
    ),
    "a request nobody serves": (
        WITH_HEADERS + b"SUB inbox.* 7\r\nPUB nobody inbox.1 0\r\n\r\n",
        b"HMSG inbox.1 7 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n",
    ),
    "a request nobody serves, without the option": (
        QUIET + b"SUB inbox.* 7\r\nPUB nobody inbox.1 0\r\n\r\n",
        b"",
    ),
    "a request nobody serves, with an answer that is not for the asker": (
        WITH_HEADERS + b"SUB other.* 7\r\nPUB nobody inbox.1 0\r\n\r\n",
        b"",
    ),
    "a reply subject is passed on": (
        QUIET + b"SUB a 1\r\nPUB a r.e.p 3\r\nxyz\r\n",
        b"MSG a 1 r.e.p 3\r\nxyz\r\n",
    ),
    "an empty payload": (QUIET + b"SUB a 1\r\nPUB a 0\r\n\r\n", b"MSG a 1 0\r\n\r\n"),
    "a payload that looks like protocol": (
        QUIET + b"SUB a 1\r\nPUB a 18\r\nPUB a 3\r\nxyz\r\nPING\r\n",
        b"MSG a 1 18\r\nPUB a 3\r\nxyz\r\nPING\r\n",
    ),
    "headers to one who understands them": (
        WITH_HEADERS + b"SUB a 1\r\nHPUB a 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
        b"HMSG a 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
    ),
    "headers with a reply and no body": (
        WITH_HEADERS + b"SUB a 1\r\nHPUB a r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
        b"HMSG a 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    ),
    "a sid is any token": (
        QUIET + b"SUB a s-1/x\r\nPUB a 1\r\nx\r\nUNSUB s-1/x\r\nPUB a 1\r\nx\r\n",
        b"MSG a s-1/x 1\r\nx\r\n",
    ),
    "a queue group of one gets every message once": (
        QUIET + b"SUB a crew 1\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\n",
        b"MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\n",
    ),
    "no echo": (
        b'CONNECT {"verbose":false,"echo":false}\r\nSUB a 1\r\nPUB a 1\r\nx\r\n',
        b"",
    ),
    "a trailing blank on a line": (
        QUIET + b"SUB a 1 \r\nPUB a 1 \r\nx\r\n",
        b"MSG a 1 1\r\nx\r\n",
    ),
    "invalid subscriptions, and the connection goes on": (
        QUIET + b"SUB a..b 1\r\nSUB >.a 2\r\nSUB .a 3\r\nSUB a. 4\r\nSUB a.b 5\r\nPUB a.b 1\r\nx\r\n",
        INVALID_SUBJECT * 4 + b"MSG a.b 5 1\r\nx\r\n",
    ),
    "lines that ask for nothing": (QUIET + b"+OK\r\nPONG\r\nINFO {}\r\n", b""),
    "a late UNSUB with a count already passed": (
        QUIET + b"SUB a 1\r\nPUB a 1\r\nx\r\nPUB a 1\r\nx\r\nUNSUB 1 2\r\nPUB a 1\r\nx\r\n",
        b"MSG a 1 1\r\nx\r\nMSG a 1 1\r\nx\r\n",
    ),
    "unknown keys in CONNECT": (b'CONNECT {"verbose":false,"x":[{"y":null}]}\r\n', b""),
    "wildcards in a publish subject are letters": (
        QUIET + b"SUB a.* 1\r\nSUB b.c 2\r\nPUB a.* 1\r\nx\r\nPUB b.* 1\r\nx\r\n",
        b"MSG a.* 1 1\r\nx\r\n",
    ),
    "a reply that the server keeps for itself": (
        QUIET + b"SUB a 1\r\nPUB a _R_.x 1\r\nx\r\n",
        b"-ERR 'Permissions Violation for Publish with Reply of \"_R_.x\"'\r\n",
    ),
}

# What goes in, what comes out before the server closes.
CLOSED = {
    "an unknown verb": (b"FOO\r\n", UNKNOWN),
    "an empty line": (b"\r\n", UNKNOWN),
    "a payload that is longer than its size": (b"PUB a 2\r\nhixx\r\n", UNKNOWN),
    "a payload ended by LF alone": (b"PUB a 2\r\nhi\n\r\n", UNKNOWN),
    "a verb with a wrong letter": (QUIET + b"PUX a 1\r\n", UNKNOWN),
    "a route's verb": (QUIET + b"RS+ $G a\r\n", UNKNOWN),
    "too many words": (b"PUB a b c d\r\n", b""),
    "too few words": (b"PUB a\r\n", b""),
    "a size that is no number": (b"PUB a xx\r\n", b""),
    "a negative size": (b"PUB a -1\r\n", b""),
    "a size of ten digits": (b"PUB a 1000000000\r\n", b""),
    "a subscription without a sid": (b"SUB a\r\n", b""),
    "a subscription of four words": (b"SUB a b c d\r\n", b""),
    "an unsubscribe of three words": (b"UNSUB 1 2 3\r\n", b""),
    "CONNECT with half a document": (b'CONNECT {"verbose":\r\n', b""),
    "CONNECT with a wrong type": (b'CONNECT {"verbose":"x"}\r\n', b""),
    "CONNECT that is not an object": (b"CONNECT [1]\r\n", b""),
    "headers without having asked for them": (
        QUIET + b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
        b"",
    ),
    "headers larger than the whole": (WITH_HEADERS + b"HPUB a 14 12\r\n", b""),
    "a payload over the limit": (QUIET + b"PUB a 1048577\r\n", b"-ERR 'Maximum Payload Violation'\r\n"),
    "headers and body over the limit": (
        WITH_HEADERS + b"HPUB a 12 1048577\r\n",
        b"-ERR 'Maximum Payload Violation'\r\n",
    ),
    "a control line over the limit": (
        b"PUB " + LONG + b"\r\n",
        b"-ERR 'maximum control line exceeded'\r\n",
    ),
    "a control line over the limit that never ends": (
        b"SUB " + LONG,
        b"-ERR 'maximum control line exceeded'\r\n",
    ),
    "an account of its own": (b'CONNECT {"account":"x"}\r\n', b"-ERR 'Authorization Violation'\r\n"),
    "a protocol of the future": (b'CONNECT {"protocol":2}\r\n', b"-ERR 'invalid client protocol'\r\n"),
    "no_responders without headers": (
        b'CONNECT {"verbose":false,"no_responders":true}\r\n',
        b"-ERR 'no responders requires headers support'\r\n",
    ),
    "an error from the client": (QUIET + b"-ERR foo\r\n", b""),
}


# The reference says its error again when the payload comes in two pieces.
REPEATS_WHEN_CUT = {"pedantic publish subjects are named and still routed"}


def whole(sent):
    return (sent,)


def pieces(sent, cut):
    return (sent[:cut], sent[cut:])


class Transcripts(WireCase):
    def converse(self, parts, output, closed=False):
        """Holds one conversation. One that took so long that the server's own PING may be in it
        is held again."""
        for _ in range(TRIES):
            begin = time.monotonic()
            with self.open() as connection:
                for part in parts:
                    connection.send(part)
                    if len(parts) == 2:
                        time.sleep(0.0005)  # so that the server reads twice
                said = connection.until_end() if closed else connection.exactly(len(output))
                if not closed:
                    connection.leave()  # nobody of it is left for the next one to meet
            if said == output or time.monotonic() - begin < OWN_PING_S:
                break
        self.assertEqual(said, output)

    def test_conversations_are_answered_to_the_byte(self):
        for name, (sent, output) in OPEN.items():
            with self.subTest(name):
                self.converse(whole(sent + b"PING\r\n"), output + b"PONG\r\n")

    def test_bad_input_is_answered_to_the_byte_and_ends_the_connection(self):
        for name, (sent, output) in CLOSED.items():
            with self.subTest(name):
                self.converse(whole(sent), output, closed=True)

    def test_conversations_cut_at_every_byte_are_answered_the_same(self):
        for name, (sent, output) in OPEN.items():
            if name in REPEATS_WHEN_CUT and not MILLRACE:
                continue
            for cut in range(1, len(sent) + 6):
                with self.subTest(name, cut=cut):
                    self.converse(pieces(sent + b"PING\r\n", cut), output + b"PONG\r\n")

    def test_conversations_sent_byte_by_byte_are_answered_the_same(self):
        for name, (sent, output) in OPEN.items():
            if name in REPEATS_WHEN_CUT and not MILLRACE:
                continue
            with self.subTest(name):
                parts = [bytes([byte]) for byte in sent + b"PING\r\n"]
                self.converse(parts, output + b"PONG\r\n")

    def test_bad_input_cut_at_every_byte_is_answered_the_same(self):
        for name, (sent, output) in CLOSED.items():
            if len(sent) > 200:
                continue
            for cut in range(1, len(sent)):
                with self.subTest(name, cut=cut):
                    self.converse(pieces(sent, cut), output, closed=True)

    def test_all_conversations_in_one_go_are_answered_in_turn(self):
        """Pipelining: many operations in one segment, each answered in its place."""
        with self.open() as connection:
            connection.send(QUIET + b"SUB a 1\r\n" + b"PUB a 1\r\nx\r\nPING\r\n" * 500)
            expected = b"MSG a 1 1\r\nx\r\nPONG\r\n" * 500
            self.assertEqual(connection.exactly(len(expected)), expected)

    def test_a_large_payload_in_small_pieces_arrives_whole(self):
        body = bytes(range(256)) * 1024
        with self.open() as connection:
            connection.send(QUIET + b"SUB a 1\r\nPUB a %d\r\n" % len(body))
            for at in range(0, len(body), 7919):
                connection.send(body[at : at + 7919])
            connection.send(b"\r\n")
            expected = b"MSG a 1 %d\r\n" % len(body) + body + b"\r\n"
            self.assertEqual(connection.exactly(len(expected)), expected)

    def test_a_receiver_without_headers_gets_the_body_alone(self):
        with self.open() as plain, self.open() as sender:
            plain.send(QUIET + b"SUB a 1\r\n")
            self.assertEqual(plain.flush(), b"")
            sender.send(WITH_HEADERS + b"HPUB a 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n")
            expected = b"MSG a 1 2\r\nhi\r\n"
            self.assertEqual(plain.exactly(len(expected)), expected)

    def test_a_second_connect_drops_the_subscriptions(self):
        with self.open() as connection:
            connection.send(QUIET + b"SUB a 1\r\n" + QUIET + b"PUB a 1\r\nx\r\n")
            self.assertEqual(connection.flush(), b"")


class Greeting(WireCase):
    def test_the_greeting_is_one_line_of_info(self):
        with self.open() as connection:
            self.assertRegex(connection.greeting, rb"^INFO \{.*\} \r\n$")
            info = connection.info()
            self.assertRegex(info["server_id"], r"^N[A-Z0-9]{55}$")
            self.assertRegex(info["version"], r"^2\.14\.\d+")
            self.assertEqual(info["proto"], 1)
            self.assertEqual(info["host"], "127.0.0.1")
            self.assertEqual(info["port"], self.server.port)
            self.assertEqual(info["max_payload"], 1048576)
            self.assertEqual(info["client_ip"], "127.0.0.1")
            self.assertIs(info["headers"], True)
            self.assertIs(info["jetstream"], True)
            self.assertIsInstance(info["client_id"], int)
            for absent in ("auth_required", "tls_required", "nonce", "connect_urls", "cluster"):
                self.assertNotIn(absent, info)

    def test_connections_have_ids_of_their_own_and_one_server_id(self):
        with self.open() as one, self.open() as two:
            self.assertNotEqual(one.info()["client_id"], two.info()["client_id"])
            self.assertEqual(one.info()["server_id"], two.info()["server_id"])

    def test_the_first_ping_of_a_protocol_1_client_brings_info_after_pong(self):
        with self.open() as connection:
            connection.connect(protocol=1)
            connection.send(b"PING\r\nPING\r\n")
            self.assertEqual(connection.line(), b"PONG\r\n")
            second = connection.line()
            self.assertRegex(second, rb"^INFO \{.*\} \r\n$")
            self.assertIn(b'"connect_info":true', second)
            self.assertEqual(connection.line(), b"PONG\r\n")


if __name__ == "__main__":
    unittest.main()
