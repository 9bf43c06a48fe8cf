"""auth_callout: who connects is let in by somebody who is connected. What is no own promise holds for the
reference, too."""

import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from claims import Key
from curve import CurveKey
from cluster import start_together
from wire import READ_S, Connection, Timeout, own_promise  # finds serverprocess
from serverprocess import BINARY, START_S, Server
from test_tls import make_certificates
from test_websocket import Peer
from serverprocess import free_port

PATIENT_S = 60
SOON_S = 5  # where nobody answers
REFUSED = b"-ERR 'Authorization Violation'"
ASKED = b"$SYS.REQ.USER.AUTH"


def claims_of(token):
    body = token.split(b".")[1]
    return json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))


class Authority(threading.Thread):
    """Whoever answers: `decide` gets the claims of a question, and gives a user's token, an error, raw bytes or None."""

    def __init__(self, case, connection, decide):
        super().__init__(daemon=True)
        self.case, self.connection, self.decide = case, connection, decide
        self.asked, self.sealed = [], []
        self.xkey, self.seals, self.stranger = case.xkey, True, None
        connection.send(b"SUB %s 1\r\n" % ASKED)
        connection.flush()

    def respond(self, request, token="", error=""):
        server, user = request["nats"]["server_id"]["id"], request["nats"]["user_nkey"]
        said = {key: value for key, value in (("jwt", token), ("error", error)) if value}
        return self.case.issuer.token("authorization_response", user, aud=server, **said)

    def run(self):
        while True:
            try:
                subject, reply, headers, body = self.connection.message()
            except (OSError, EOFError, AssertionError, ValueError, Timeout):
                return
            server = headers.split(b"Nats-Server-Xkey: ")[1].split(b"\r\n")[0].decode() if self.xkey else None
            self.sealed.append(body)
            body = self.xkey.open(server, body) if self.xkey else body
            request = claims_of(body)
            self.asked.append((body, request))
            answer = self.decide(self, request)
            if isinstance(answer, Exception):
                answer = self.respond(request, error=str(answer))
            if isinstance(answer, str):
                answer = answer.encode()
            if answer is not None and self.xkey and self.seals:
                answer = (self.stranger or self.xkey).seal(server, answer)
            if answer is not None:
                self.connection.send(b"PUB %s %d\r\n%s\r\n" % (reply, len(answer), answer))


class CalloutCase(unittest.TestCase):
    def setUp(self):
        self.issuer = Key("A")
        self.xkey = None
        self.defaults = {}  # what the users of an account may
        self.directory = tempfile.mkdtemp(prefix="millrace-callout-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def write(self, callout="", authorization="", extra="", timeout=PATIENT_S):
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"""
accounts {{
  AUTH: {{ users: [ {{user: auth, password: pwd, permissions: {{publish: ">"}}}}, {{user: other, password: pwd}} ], {self.defaults.get("AUTH", "")} }}
  APP: {{ users: [ {{user: app, password: pwd}} ], {self.defaults.get("APP", "")} }}
  SYS: {{}}
}}
system_account: SYS
authorization {{
  timeout: {timeout}
  auth_callout {{ issuer: {self.issuer.text}, account: AUTH, auth_users: [ auth ], {callout} }}
  {authorization}
}}
{extra}
""")
        return path

    def start(self, decide=None, flags=(), **more):
        server = Server(("-c", self.write(**more), *flags), jetstream=False)
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()
        self.authority = Authority(self, self.connect("auth", "pwd", headers=True), decide or self.usual)
        self.assertNotIn(b"-ERR", self.authority.connection.flush())
        self.authority.start()

    def user(self, request, account="APP", by=None, name="n", subject=None, **claims):
        subject = subject or request["nats"]["user_nkey"]
        claims.setdefault("subs", -1), claims.setdefault("data", -1), claims.setdefault("payload", -1)
        return (by or self.issuer).token("user", subject, aud=account, name=name, **claims)

    def usual(self, authority, request):
        """Everybody whose password is "good"."""
        if request["nats"]["connect_opts"].get("pass") != "good":
            return ValueError("unknown")
        return authority.respond(request, self.user(request))

    def connect(self, user=None, password=None, port=None, **said):
        client = Connection(port or self.server.port)
        self.addCleanup(client.__exit__)
        if user is not None:
            said.update({"user": user, "pass": password})
        client.connect(pedantic=False, **said)
        return client

    def let_in(self, *who, **said):
        client = self.connect(*who, **said)
        self.assertNotIn(b"-ERR", client.flush())
        return client

    def refused(self, *who, **said):
        client = self.connect(*who, **said)
        client.send(b"PING\r\n")
        self.assertIn(REFUSED, client.until_end())

    def authority_hears(self):
        """Of one more."""
        self.heard = getattr(self, "heard", 0) + 1
        deadline = time.monotonic() + PATIENT_S
        while len(self.authority.asked) < self.heard and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertGreaterEqual(len(self.authority.asked), self.heard)

    def anonymous(self):
        """Bytes of memory of the server."""
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon"))

    def account_of(self, client):
        client.send(b"SUB in 9\r\nPUB $SYS.REQ.USER.INFO in 0\r\n\r\n")
        return json.loads(client.message()[3])["data"]


class Secret(CalloutCase):
    def setUp(self):
        super().setUp()
        self.xkey = CurveKey()

    def start_secret(self):
        self.start(callout=f"xkey: {self.xkey.text}")

    def test_nobody_else_reads_what_a_client_has_said(self):
        self.start_secret()
        self.let_in("x", "good")
        self.refused("x", "bad")
        for sealed in self.authority.sealed:
            self.assertTrue(sealed.startswith(b"xkv1"))
        server = self.authority.asked[0][1]["nats"]["server_id"]
        self.assertEqual((server["xkey"][0], len(server["xkey"])), ("X", 56))

    def test_an_answer_may_come_as_it_is(self):
        self.start_secret()
        self.authority.seals = False
        self.let_in("x", "good")
        self.refused("x", "bad")

    def test_one_that_somebody_else_has_sealed_is_none(self):
        self.start_secret()
        self.authority.stranger = CurveKey()
        self.refused("x", "good")
        self.authority.stranger = None
        self.let_in("x", "good")

    def test_nor_is_one_that_is_nonsense(self):
        self.start_secret()
        self.authority.seals = False
        for answer in ("x", "xkv1", "xkv1" + "y" * 40, "xkv1" + "y" * 100):
            self.authority.decide = lambda authority, request, answer=answer: answer
            self.refused("x", "good")
        self.authority.seals, self.authority.decide = True, self.usual
        self.let_in("x", "good")


class Asked(CalloutCase):
    def test_who_is_let_in_is_in_the_account_that_the_answer_names(self):
        self.start()
        a, b = self.let_in("x", "good"), self.let_in("y", "good")
        a.send(b"SUB s 1\r\n")
        a.flush()
        b.send(b"PUB s 2\r\nhi\r\n")
        self.assertEqual(a.message()[3], b"hi")
        info = self.account_of(a)
        self.assertEqual((info["account"], info["user"]), ("APP", "n"))
        self.refused("x", "bad")
        self.refused()

    def test_the_question_says_who_asks_and_what_the_client_has_said(self):
        self.start(extra="server_name: S\nserver_tags: [ a ]\n")
        self.let_in("x", "good", name="me", lang="py", version="1", protocol=0)
        token, request = self.authority.asked[0]
        server, nats = request["nats"]["server_id"], request["nats"]
        self.assertEqual(request["aud"], "nats-authorization-request")
        self.assertEqual((request["iss"], request["sub"]), (server["id"], self.issuer.text))
        self.assertEqual((server["name"], server["version"], server["tags"]), ("S", "2.14.5", ["a"]))
        self.assertEqual((nats["type"], nats["version"]), ("authorization_request", 2))
        self.assertEqual((nats["user_nkey"][0], len(nats["user_nkey"])), ("U", 56))
        info = nats["client_info"]
        self.assertEqual((info["host"], info["user"], info["name"], info["kind"], info["type"]), ("127.0.0.1", "x", "me", "Client", "nats"))
        self.assertGreater(info["id"], 0)
        self.assertEqual(nats["connect_opts"], {"user": "x", "pass": "good", "name": "me", "lang": "py", "version": "1", "protocol": 0})
        self.assertTrue(PATIENT_S - 1 <= request["exp"] - request["iat"] <= PATIENT_S + 1)
        self.check_signature(token, server["id"])

    def check_signature(self, token, server):
        raw = base64.b32decode(server + "=" * (-len(server) % 8))[1:33]
        der = bytes.fromhex("302a300506032b6570032100") + raw
        said, signature = token.rsplit(b".", 1)
        paths = []
        for name, data in (("key", der), ("said", said), ("signature", base64.urlsafe_b64decode(signature + b"=="))):
            paths.append(os.path.join(self.directory, name))
            with open(paths[-1], "wb") as file:
                file.write(data)
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", paths[0], "-in", paths[1],
                               "-sigfile", paths[2]], capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_tokens_and_keys_are_asked_about_as_they_are(self):
        self.start(lambda authority, request: authority.respond(request, self.user(request)))
        self.let_in(auth_token="secret")
        self.let_in(nkey=Key("U").text, sig="c2ln")
        (_, token), (_, nkey) = self.authority.asked
        self.assertEqual(token["nats"]["connect_opts"]["auth_token"], "secret")
        self.assertEqual(token["nats"]["client_info"]["user"], "[REDACTED]")
        self.assertEqual(nkey["nats"]["connect_opts"]["sig"], "c2ln")
        self.assertEqual(nkey["nats"]["client_info"]["user"], nkey["nats"]["connect_opts"]["nkey"])

    def test_a_client_that_goes_on_at_once_is_served_when_it_is_in(self):
        self.start()
        client = Connection(self.server.port)
        self.addCleanup(client.__exit__)
        client.send(b'CONNECT {"user":"x","pass":"good","verbose":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n')
        self.assertEqual(client.message()[3], b"hi")

    def test_whoever_asks_over_a_websocket(self):
        port = free_port()
        self.start(extra=f"websocket {{ host: 127.0.0.1, port: {port}, no_tls: true, user_cookie: u, pass_cookie: p }}")
        peer = Peer(port)
        self.addCleanup(peer.close)
        peer.upgrade({"Cookie": "u=x; p=good"})
        peer.until(b"\r\n")
        peer.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
        self.assertIn(b"PONG", peer.until(b"\r\n"))
        nats = self.authority.asked[0][1]["nats"]
        self.assertEqual((nats["client_info"]["type"], nats["connect_opts"]["user"], nats["connect_opts"]["pass"]), ("websocket", "x", "good"))


class NotAsked(CalloutCase):
    def test_of_whom_nobody_is_asked_what_is_configured_counts(self):
        self.start()
        self.let_in("auth", "pwd")
        self.refused("auth", "good")
        self.assertEqual(self.authority.asked, [])

    def test_configured_users_are_asked_about_like_all_others(self):
        self.start()
        self.refused("app", "pwd")
        self.assertEqual(self.account_of(self.let_in("app", "good"))["user"], "n")

    def test_users_of_accounts_that_are_not_named_are_not_asked_about(self):
        self.start(callout="allowed_accounts: [ SYS ]")
        self.assertEqual(self.account_of(self.let_in("app", "pwd"))["user"], "app")
        self.assertEqual(self.authority.asked, [])
        self.let_in("app", "good")  # who is not let in as that one is nobody's
        self.assertEqual(len(self.authority.asked), 1)

    def test_nobody_in_the_account_of_the_authority_asks_in_the_servers_place(self):
        self.start(lambda authority, request: authority.respond(request, self.user(request, "AUTH")))
        for who in (("auth", "pwd"), ("x", "y")):
            client = self.let_in(*who)
            client.send(b"PUB %s 2\r\nhi\r\n" % ASKED)
            self.assertIn(b'-ERR \'Permissions Violation for Publish to "$SYS.REQ.USER.AUTH"', client.flush())


class Granted(CalloutCase):
    def test_permissions_are_those_of_the_answer(self):
        may = {"pub": {"allow": ["a"]}, "sub": {"deny": ["d"]}}
        self.start(lambda authority, request: authority.respond(request, self.user(request, name="", **may)))
        client = self.let_in("x", "y")
        client.send(b"PUB b 0\r\n\r\nSUB d 1\r\n")
        said = client.flush()
        self.assertIn(b'Publish to "b"', said)
        self.assertIn(b'Subscription to "d"', said)

    @own_promise  # the reference's default_permissions are for configured users only
    def test_who_is_granted_nothing_else_may_what_its_account_says(self):
        defaults = "default_permissions: {publish: [a, \"$SYS.>\"], subscribe: [in]}"
        for account in ("AUTH", "APP"):
            with self.subTest(account):
                self.defaults = {account: defaults}
                self.start(lambda authority, request: authority.respond(request, self.user(request, account, name="")))
                client = self.let_in("x", "y")
                client.send(b"PUB b 0\r\n\r\nSUB d 1\r\nPUB a 0\r\n\r\n")
                said = client.flush()
                self.assertIn(b'Publish to "b"', said)
                self.assertIn(b'Subscription to "d"', said)
                self.assertNotIn(b'Publish to "a"', said)

    @own_promise  # the reference looks at permissions and times only
    def test_limits_are_those_of_the_answer(self):
        self.start(lambda authority, request: authority.respond(request, self.user(request, payload=3)))
        client = self.let_in("x", "y")
        client.send(b"PUB a 4\r\nlong\r\n")
        self.assertIn(b"'Maximum Payload Violation'", client.until_end())

    def test_a_user_without_a_name_keeps_the_one_that_it_said(self):
        self.start(lambda authority, request: authority.respond(request, self.user(request, name="")))
        self.assertEqual(self.account_of(self.let_in("x", "y", inbox=1))["account"], "APP")

    def test_who_is_let_in_for_a_while_is_ended_then(self):
        self.start(lambda authority, request: authority.respond(request, self.user(request, expires=time.time() + 10)))
        self.assertIn(b"-ERR 'User Authentication Expired'", self.let_in("x", "y").until_end())

    @own_promise
    def test_who_may_come_another_way_only_is_refused(self):
        self.start(lambda authority, request: authority.respond(request, self.user(request, allowed_connection_types=["WEBSOCKET"])))
        self.refused("x", "y")

    def test_the_default_account_is_one_like_others(self):
        self.start(lambda authority, request: authority.respond(request, self.user(request, "$G")))
        self.assertEqual(self.account_of(self.let_in("x", "y"))["account"], "$G")


class Refused(CalloutCase):
    def test_answers_that_do_not_hold_let_nobody_in(self):
        stranger, somebody = Key("A"), Key("U").text
        wrong = {
            "nothing": lambda a, r: b"",
            "nonsense": lambda a, r: b"eyJ",
            "a user alone": lambda a, r: self.user(r),
            "an error": lambda a, r: ValueError("no"),
            "another user": lambda a, r: a.respond(r, self.user(r, subject=somebody)),
            "for another user": lambda a, r: self.issuer.token("authorization_response", somebody, aud=r["iss"], jwt=self.user(r)),
            "for another server": lambda a, r: self.issuer.token("authorization_response", r["nats"]["user_nkey"], aud=a_server(), jwt=self.user(r)),
            "by a stranger": lambda a, r: a.respond(r, self.user(r, by=stranger)),
            "no account": lambda a, r: a.respond(r, self.user(r, "NONE")),
            "for an account": lambda a, r: a.respond(r, self.user(r, issuer_account=self.issuer.text)),
            "too late": lambda a, r: a.respond(r, self.user(r, expires=time.time() - 10)),
            "changed": lambda a, r: a.respond(r, self.user(r))[:-4] + "AAAA",
            "the question": lambda a, r: a.asked[-1][0],
            "the one before": lambda a, r: before.append(a.respond(r, self.user(r))) or before[0],
        }
        before = []
        self.start(lambda authority, request: wrong[request["nats"]["connect_opts"]["user"]](authority, request))
        self.let_in("the one before", "")
        for name in wrong:
            with self.subTest(name):
                self.refused(name, "")

    def test_when_nobody_answers_in_time(self):
        self.start(lambda authority, request: None, timeout=SOON_S)
        begun = time.monotonic()
        self.refused("x", "y")
        self.assertGreater(time.monotonic() - begun, SOON_S / 2)
        self.authority.connection.socket.close()
        self.refused("x", "y")

    def test_who_says_no_more_but_asked_for_something_gets_it(self):
        ended = threading.Event()
        self.start(lambda authority, request: ended.wait(PATIENT_S) and self.usual(authority, request))
        client = self.connect("x", "good")
        client.send(b"SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        self.authority_hears()
        ended.set()
        self.assertIn(b"MSG a 1 2\r\nhi\r\nPONG\r\n", client.until_end())

    @own_promise
    def test_what_clients_said_who_leave_meanwhile_is_not_kept(self):
        self.start(lambda authority, request: None, extra="max_control_line: 1MB", timeout=3600)
        before = self.anonymous()
        for _ in range(60):
            client = self.connect("x", "y" * 1_000_000)
            self.authority_hears()
            client.socket.close()
        deadline = time.monotonic() + PATIENT_S
        while self.anonymous() > before + (40 << 20) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertLess(self.anonymous(), before + (40 << 20))

    def test_clients_that_leave_meanwhile_and_a_server_that_ends(self):
        self.start(lambda authority, request: None)
        for _ in range(3):
            self.connect("x", "y").socket.close()
        waiting = self.connect("x", "y")
        self.server.end(signal.SIGTERM)
        waiting.until_end()


def a_server():
    key = Key("U").text
    import claims  # noqa: PLC0415

    raw = bytes([0x68]) + base64.b32decode(key + "=" * (-len(key) % 8))[1:33]
    return base64.b32encode(raw + claims.crc16(raw).to_bytes(2, "little")).decode().rstrip("=")


class Configured(CalloutCase):
    def said(self, **more):
        done = subprocess.run([BINARY, "-t", "-c", self.write(**more)], capture_output=True, timeout=START_S, check=False)
        return done.returncode, (done.stdout + done.stderr).decode()

    def test_what_is_wrong_is_said(self):
        self.assertEqual(self.said()[0], 0)
        for callout, words in (
            ("issuer: x", 'Expected callout user to be a valid public account nkey, got "x"'),
            ("auth_users: []", "Authorization callouts require authorized users to be specified"),
            ("auth_users: a", "Expected auth_users field to be an array, got "),
            ("allowed_accounts: [ NONE ]", 'auth_callout allowed account "NONE" not found in configured accounts'),
            (f"xkey: X{'A' * 55}", f'Expected callout xkey to be a valid public xkey, got "X{"A" * 55}"'),
            ("nonsense: 1", 'nonsense'),
        ):
            with self.subTest(callout):
                code, said = self.said(callout=callout)
                self.assertEqual(code, 1)
                self.assertIn(words, said)

    @own_promise  # the reference notices when somebody comes
    def test_an_account_that_is_not_there_is_refused(self):
        code, said = self.said(callout="account: NONE")
        self.assertEqual(code, 1)
        self.assertIn('account "NONE" not valid', said)

    @own_promise  # the reference asks again, and ends them
    def test_a_reload_keeps_who_was_let_in(self):
        self.start()
        client = self.let_in("x", "good")
        self.write(extra="ping_max: 5")
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while "Reloaded" not in self.server.log() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertNotIn(b"-ERR", client.flush())
        self.assertEqual(self.account_of(client)["account"], "APP")
        self.let_in("y", "good")


class Elsewhere(CalloutCase):
    @own_promise
    def test_clients_of_every_shard_are_asked_about(self):
        self.start(flags=("--shards", "3"))
        clients = [self.let_in(f"x{i}", "good") for i in range(12)]
        for client in clients:
            self.assertEqual(self.account_of(client)["account"], "APP")
        self.refused("x", "bad")
        self.write(callout="allowed_accounts: [ APP ]")
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while "Reloaded" not in self.server.log() and time.monotonic() < end:
            time.sleep(0.05)
        for client in clients:
            self.assertNotIn(b"-ERR", client.flush())

    def test_whoever_answers_may_be_at_another_server(self):
        path = self.write(timeout=SOON_S)  # who comes before the servers know each other waits in vain
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(2)]
        nodes = [Server(("-c", path, "--server_name", f"n{i}", "--cluster_name", "C", "--cluster", routes[i], "--routes", ",".join(routes)),
                        jetstream=False) for i in range(2)]
        for node in nodes:
            self.addCleanup(node.__exit__)
        start_together(nodes)
        self.server = nodes[0]
        self.authority = Authority(self, self.connect("auth", "pwd", nodes[1].port), self.usual)
        self.authority.start()
        end = time.monotonic() + READ_S
        while time.monotonic() < end:  # until the servers know each other
            client = self.connect("x", "good")
            client.send(b"PING\r\n")
            if client.line() == b"PONG\r\n":
                break
        else:
            self.fail("nobody was let in")
        self.assertEqual(self.authority.asked[-1][1]["nats"]["server_id"]["name"], "n0")
        self.refused("x", "bad")


class Encrypted(CalloutCase):
    def test_the_question_tells_of_tls_and_of_the_certificate(self):
        make_certificates(self.directory)
        files = {name: os.path.join(self.directory, name + ".pem") for name in ("srv", "srv-key", "ca", "cli", "cli-key", "alone", "alone-key")}
        for verify, member in ((True, "verified_chains"), (False, "certs")):
            with self.subTest(verify=verify):
                tls = f'cert_file: "{files["srv"]}", key_file: "{files["srv-key"]}", ca_file: "{files["ca"]}", verify: {str(verify).lower()}'
                self.start(extra=f"tls {{ {tls} }}\nallow_non_tls: true\n")
                raw = socket.create_connection(("127.0.0.1", self.server.port), timeout=READ_S)
                self.addCleanup(raw.close)
                raw.recv(1 << 16)
                context = ssl.create_default_context(cafile=files["ca"])
                context.load_cert_chain(files["cli"], files["cli-key"])
                with context.wrap_socket(raw, server_hostname="localhost") as secured:
                    secured.sendall(b'CONNECT {"user":"x","pass":"good","verbose":false}\r\nPING\r\n')
                    said = b""
                    while b"PONG" not in said:
                        data = secured.recv(1 << 16)
                        self.assertTrue(data, said)
                        said += data
                    self.assertNotIn(b"-ERR", said)
                told = self.authority.asked[0][1]["nats"]["client_tls"]
                self.assertEqual(told["version"], "1.3")
                self.assertTrue(told["cipher"].startswith("TLS_"), told)
                if not verify:
                    self.assertNotIn("verified_chains", told)
                    continue
                with open(files["cli"], encoding="utf-8") as file:
                    shown = file.read()
                chain = told[member][0]
                self.assertEqual(chain[0].split(), shown.split())
                self.assertEqual(len(chain), 2)


if __name__ == "__main__":
    unittest.main()
