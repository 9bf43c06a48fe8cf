"""Monitoring over HTTP and HTTPS: what is promised beside the content of the documents, which
tests/e2e/differential/monitoring.py compares with the reference.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import http.client
import json
import os
import socket
import ssl
import time
import tempfile
import unittest
import urllib.parse

from test_tls import TlsCase
from wire import READ_S, Connection, Requester, WireCase, own_promise
from serverprocess import Server, free_port

DOCUMENTS = (
    "varz", "connz", "routez", "gatewayz", "leafz", "subsz", "subscriptionsz", "accountz", "accstatz", "jsz", "healthz",
    "ipqueuesz",
)  # fmt: skip


def get(port, path, context=None):
    """Status and body."""
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READ_S)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=READ_S, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Monitoring(WireCase):
    @classmethod
    def setUpClass(cls):
        cls.monitor = free_port()
        cls.arguments = ("-m", str(cls.monitor))
        super().setUpClass()

    def document(self, path, **query):
        status, body = get(self.monitor, "/" + path + "?" + urllib.parse.urlencode(query))
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def test_every_document_is_served_and_is_json(self):
        for name in DOCUMENTS:
            with self.subTest(name):
                self.document(name)

    def test_who_asks_for_a_path_by_another_is_sent_to_it(self):
        for asked, said in (
            ("//varz", "/varz"),
            ("//connz?limit=1", "/connz?limit=1"),
            ("/./a/../varz", "/varz"),
            ("//nothing//is/there/", "/nothing/is/there/"),
            ("//", "/"),
        ):
            with self.subTest(asked):
                connection = http.client.HTTPConnection("127.0.0.1", self.monitor, timeout=READ_S)
                connection.request("GET", asked)
                answer = connection.getresponse()
                self.assertEqual((answer.status, answer.getheader("Location")), (307, said))
                connection.close()
        self.assertEqual(get(self.monitor, "/varz/")[0], 404)

    def test_the_index_names_every_document(self):
        status, body = get(self.monitor, "/")
        self.assertEqual(status, 200)
        for name in ("varz", "connz", "jsz", "accountz", "accstatz", "subsz", "routez", "leafz", "gatewayz", "healthz"):
            self.assertIn(f"./{name}", body)

    def test_requests_are_counted_by_document(self):
        before = self.document("varz")["http_req_stats"]
        self.document("connz")
        after = self.document("varz")["http_req_stats"]
        self.assertEqual(after["/connz"], before["/connz"] + 1)
        self.assertEqual(after["/varz"], before["/varz"] + 1)

    def test_a_client_is_found_by_its_number_until_and_after_it_is_closed(self):
        with self.open() as client:
            client.connect(name="found", lang="test", version="7")
            client.send(b"SUB one q 3\r\nPUB one 5\r\nhello\r\n")
            client.flush()
            cid = client.info()["client_id"]
            (row,) = self.document("connz", cid=cid, subs="detail")["connections"]
            self.assertEqual((row["name"], row["lang"], row["version"]), ("found", "test", "7"))
            self.assertEqual((row["in_msgs"], row["in_bytes"], row["out_msgs"], row["out_bytes"]), (1, 5, 1, 5))
            (sub,) = row["subscriptions_list_detail"]
            self.assertEqual(
                (sub["subject"], sub["qgroup"], sub["sid"], sub["msgs"], sub["cid"]), ("one", "q", "3", 1, cid)
            )
        end = time.monotonic() + READ_S
        while not self.document("connz", cid=cid, state="closed")["connections"]:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        (row,) = self.document("connz", cid=cid, state="closed", subs=1)["connections"]
        self.assertEqual(row["reason"], "Client Closed")
        self.assertEqual(row["subscriptions_list"], ["one"])
        self.assertIn("stop", row)
        self.assertEqual(self.document("connz", cid=cid)["connections"], [])

    def test_pages_hold_every_client_once(self):
        clients = [self.open() for _ in range(10)]
        try:
            whole = [row["cid"] for row in self.document("connz")["connections"]]
            pages = []
            for offset in range(0, len(whole) + 3, 3):
                page = self.document("connz", limit=3, offset=offset)
                self.assertEqual(page["total"], len(whole))
                self.assertLessEqual(len(page["connections"]), 3)
                pages += [row["cid"] for row in page["connections"]]
            self.assertEqual(pages, whole)
            self.assertEqual(whole, sorted(whole))
        finally:
            for client in clients:
                client.__exit__()

    def test_sorting_by_what_was_sent_has_the_greatest_first(self):
        with self.open() as quiet, self.open() as loud:
            for client, count in ((quiet, 1), (loud, 5)):
                client.connect()
                client.send(b"PUB x 2\r\nhi\r\n" * count)
                client.flush()
            rows = self.document("connz", sort="msgs_from")["connections"]
            places = [row["cid"] for row in rows]
            self.assertLess(places.index(loud.info()["client_id"]), places.index(quiet.info()["client_id"]))

    def test_values_are_unescaped(self):
        self.assertEqual(self.document("accountz", acc="$G")["account_detail"]["account_name"], "$G")
        self.assertEqual(get(self.monitor, "/accountz?acc=%41+%2B"), (400, "Account A + does not exist"))
        for wrong in ("%zz", "a%4", "%"):
            self.assertEqual(get(self.monitor, "/accountz?acc=" + wrong)[0], 200)

    def test_a_question_that_makes_no_sense_is_refused_with_a_text(self):
        for path, said in (
            ("connz?sort=stop", "sort by stop only valid on closed connections"),
            ("connz?limit=1e3", "Error decoding int for 'limit': "),
            ("subsz?test=a.*", "invalid test subject, must be valid publish subject: a.*"),
            ("accstatz?unused=perhaps", "Error decoding boolean for 'unused': "),
        ):
            with self.subTest(path):
                status, body = get(self.monitor, "/" + path)
                self.assertEqual(status, 400)
                self.assertTrue(body.startswith(said), body)

    def raw(self, head):
        """The status of the answer to these bytes."""
        with socket.create_connection(("127.0.0.1", self.monitor), timeout=READ_S) as connection:
            connection.sendall(head)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status

    def test_a_malformed_head_is_refused(self):
        for line in (
            "GET /varz", "GET  /varz HTTP/1.1", "GET /varz  HTTP/1.1", "GET varz HTTP/1.1", "GET /va\0rz HTTP/1.1", "GET /varz HTTP/1.x", "G(T /varz HTTP/1.1",
        ):  # fmt: skip
            with self.subTest(line):
                self.assertEqual(self.raw(f"{line}\r\nHost: x\r\n\r\n".encode()), 400)
        for header in ("no colon", "A : b", ": b", "A: b\0c", "A: b\rc: d"):
            with self.subTest(header):
                self.assertEqual(self.raw(f"GET /varz HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode()), 400)
        self.assertEqual(self.raw(b"GET /varz HTTP/1.1\r\n folded: x\r\nHost: x\r\n\r\n"), 400)

    def test_a_head_may_name_the_host_in_its_target_and_end_its_lines_plainly(self):
        self.assertEqual(self.raw(b"GET http://x/varz HTTP/1.1\r\nHost: x\r\n\r\n"), 200)
        self.assertEqual(self.raw(b"GET /varz HTTP/1.0\n\n"), 200)

    @own_promise
    def test_a_request_that_never_ends_is_closed_and_disturbs_nobody(self):
        slow = [socket.create_connection(("127.0.0.1", self.monitor), timeout=READ_S) for _ in range(8)]
        for connection in slow:
            connection.sendall(b"GET /varz HTTP/1.1\r\nX: ")
        self.document("varz")
        for connection in slow:
            self.assertEqual(connection.recv(100), b"")
            connection.close()


class Streams(unittest.TestCase):
    def test_a_stream_says_what_it_is_filled_from(self):
        monitor = free_port()
        with Server(("-m", str(monitor))) as server, Requester(server.port) as client:
            client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.*"]})
            client.api("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "S"}})
            away = {"name": "S", "external": {"api": "there.API", "deliver": "there"}}
            client.api("STREAM.CREATE.T", {"name": "T", "sources": [away]})
            status, body = get(monitor, "/jsz?streams=1")
            self.assertEqual(status, 200, body)
            told = {each["name"]: each for each in json.loads(body)["account_details"][0]["stream_detail"]}
            self.assertEqual((told["M"]["mirror"]["name"], told["M"]["mirror"]["lag"]), ("S", 0))
            self.assertEqual(told["T"]["sources"], [away | {"lag": 0, "active": -1}])
            self.assertNotIn("sources", told["S"])
            self.assertNotIn("mirror", told["S"])


class Guarded(unittest.TestCase):
    def test_users_are_shown_although_nobody_has_to_be_one(self):
        """`nats server check server --auth-required` asks for it."""
        users = "authorization { users: [ { user: a, password: a } ] }\n"
        for rest, greeted in (("", True), ("no_auth_user: a\n", None)):
            monitor = free_port()
            with tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="millrace-guarded-") as file:
                file.write(users + rest)
                file.flush()
                with Server(("-c", file.name, "-m", str(monitor)), jetstream=False) as server:
                    connection = Connection(server.port)
                    self.addCleanup(connection.socket.close)
                    self.assertIs(connection.info().get("auth_required"), greeted)
                    self.assertIs(json.loads(get(monitor, "/varz")[1]).get("auth_required"), True)


class Encrypted(TlsCase):
    def test_the_port_for_websockets_is_shown_as_it_was_configured(self):
        with tempfile.TemporaryDirectory(prefix="millrace-monitoring-") as directory:
            path, monitor, port = os.path.join(directory, "c.conf"), free_port(), free_port()
            for block, shown in (
                ("no_tls: true", {"no_tls": True}),
                (
                    'no_tls: true, same_origin: true, allowed_origins: ["http://a.example:80", "https://b.example"], compression: true, '
                    'handshake_timeout: "3s", advertise: "x.example:99", no_auth_user: u, authorization { timeout: 1.5 }',
                    {"advertise": "x.example:99", "no_auth_user": "u", "handshake_timeout": 3000000000, "auth_timeout": 1.5, "no_tls": True,
                     "same_origin": True, "allowed_origins": ["http://a.example:80", "https://b.example"], "compression": True},
                ),
            ):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f'websocket {{ listen: "127.0.0.1:{port}", {block} }}\n')
                    file.write("authorization { users [ {user: u, password: p} ] }\n")
                with Server(("-c", path, "-m", str(monitor)), jetstream=False):
                    varz = json.loads(get(monitor, "/varz")[1])
                self.assertEqual(varz["websocket"], {"host": "127.0.0.1", "port": port, **shown})

    def test_https_serves_the_same_and_asks_for_no_certificate(self):
        port = free_port()
        server = self.start('ca_file: "DIR/ca.pem", verify: true', f"https: 127.0.0.1:{port}")
        context = ssl.create_default_context(cafile=self.file("ca.pem"))
        status, body = get(port, "/varz", context)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body)["https_port"], port)
        self.assertEqual(get(port, "/connz?sort=zz", context), (400, "invalid sorting option: zz"))
        self.assertTrue(server.running())

    def test_what_is_no_handshake_gets_nothing(self):
        port = free_port()
        self.start("", f"https: 127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", port), timeout=READ_S) as connection:
            connection.sendall(b"GET /varz HTTP/1.1\r\n\r\n")
            self.assertNotIn(b"server_id", connection.recv(1000))

    def test_http_and_https_together_are_refused(self):
        with self.assertRaisesRegex(Exception, "both HTTP"):
            self.start("", f"https: 127.0.0.1:{free_port()}\nhttp: 127.0.0.1:{free_port()}")


class Crowded(unittest.TestCase):
    @own_promise
    def test_as_many_closed_clients_are_remembered_as_configured(self):

        port = free_port()
        with tempfile.TemporaryDirectory(prefix="millrace-monitoring-") as directory:
            path = os.path.join(directory, "c.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"max_closed_clients: 3\nhttp: 127.0.0.1:{port}\n")
            with Server(("-c", path), jetstream=False) as server:
                for number in range(6):
                    with Connection(server.port) as client:
                        client.connect(name=f"n{number}")
                        client.flush()
                        client.leave()  # closed before the next one is
                end = time.monotonic() + READ_S
                names = []
                while names != ["n3", "n4", "n5"] and time.monotonic() < end:
                    rows = json.loads(get(port, "/connz?state=closed")[1])["connections"]
                    names = [row["name"] for row in rows]
                self.assertEqual(names, ["n3", "n4", "n5"])
