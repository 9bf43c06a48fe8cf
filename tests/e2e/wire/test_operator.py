"""Accounts and users that an operator signs for. What is no own promise holds for the reference, too."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from claims import Key, url
from wire import READ_S, Connection, own_promise  # finds serverprocess
from serverprocess import BINARY, START_S, Server, StartError, free_port
from test_websocket import Peer

REFUSED = b"-ERR 'Authorization Violation'"
FREE = {"conn": -1, "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "leaf": -1, "wildcards": True}
ANY = {"subs": -1, "data": -1, "payload": -1}


class OperatorCase(unittest.TestCase):
    def setUp(self):
        self.operator, self.account, self.signer, self.user = Key("O"), Key("A"), Key("A"), Key("U")
        self.directory = tempfile.mkdtemp(prefix="millrace-operator-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def write(self, operator=None, issuer=None, expires=None, version=2, extra="", **claims):
        claims.setdefault("limits", FREE)
        account = (issuer or self.operator).token("account", self.account.text, version, expires, **claims)
        operator = operator or self.operator.token("operator", self.operator.text, version)
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"operator: {operator}\nresolver: MEMORY\n{extra}\n")
            file.write(f"resolver_preload: {{ {self.account.text}: {account} }}\n")
        return path

    def start(self, **claims):
        server = Server(("-c", self.write(**claims)), jetstream="jetstream" in claims.get("extra", ""))
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()

    def token(self, by=None, version=2, expires=None, issued=None, **claims):
        return (by or self.account).token("user", self.user.text, version, expires, issued, **{**ANY, **claims})

    def connect(self, token, signs=None, **said):
        client = Connection(self.server.port)
        self.addCleanup(client.__exit__)
        if signs is not False:
            said["sig"] = url((signs or self.user).sign(client.info()["nonce"].encode())).decode()
        client.connect(pedantic=False, jwt=token, **said)
        return client

    def let_in(self, token, **more):
        client = self.connect(token, **more)
        self.assertNotIn(b"-ERR", client.flush())
        return client

    def refused(self, token, **more):
        client = self.connect(token, **more)
        client.send(b"PING\r\n")
        self.assertIn(REFUSED, client.until_end())


class LetIn(OperatorCase):
    def test_a_user_of_the_account_that_signs_the_nonce_is_let_in(self):
        self.start()
        a, b = self.let_in(self.token()), self.let_in(self.token())
        a.send(b"SUB s 1\r\n")
        a.flush()
        b.send(b"PUB s 2\r\nhi\r\n")
        self.assertEqual(a.message()[3], b"hi")

    def test_claims_of_the_first_version_are_taken(self):
        self.start(version=1)
        self.let_in(self.user_of_version_1())

    def user_of_version_1(self):
        return self.account.token("user", self.user.text, 1, pub={}, sub={})

    def test_a_cookie_of_a_websocket_may_bring_what_was_signed(self):
        port = free_port()
        self.start(extra=f"websocket {{ host: 127.0.0.1, port: {port}, no_tls: true, jwt_cookie: session }}")
        for cookie, answer in ((self.token(bearer_token=True), b"PONG\r\n"), (self.token(), REFUSED), ("nonsense", REFUSED)):
            peer = Peer(port)
            self.addCleanup(peer.close)
            peer.upgrade({"Cookie": f"a=b; session={cookie}"})
            peer.until(b"\r\n")
            peer.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
            self.assertIn(answer.strip(), peer.until(b"\r\n"))

    def test_a_bearer_signs_nothing(self):
        self.start()
        self.let_in(self.token(bearer_token=True), signs=False)

    def test_a_key_that_signs_for_the_account_does(self):
        self.start(signing_keys=[self.signer.text])
        self.let_in(self.token(self.signer, issuer_account=self.account.text))

    def test_a_template_says_what_users_of_its_key_may(self):
        scope = {"kind": "user_scope", "key": self.signer.text, "role": "r"}
        self.start(signing_keys=[{**scope, "template": {**ANY, "pub": {"allow": ["a"]}, "sub": {}}}])
        named = {"issuer_account": self.account.text}
        empty = self.signer.token("user", self.user.text, pub={}, sub={}, **named)
        client = self.let_in(empty)
        client.send(b"PUB a 0\r\n\r\nPUB b 0\r\n\r\n")
        self.assertEqual(client.flush(), b"-ERR 'Permissions Violation for Publish to \"b\"'\r\n")
        self.refused(self.token(self.signer, pub={"allow": ["b"]}, **named))

    def test_permissions_are_the_users_else_the_accounts(self):
        self.start(default_permissions={"pub": {"deny": ["d"]}, "sub": {}})
        for claims, violations in (({}, [b"d"]), ({"pub": {"allow": ["d"]}}, [b"e"])):
            client = self.let_in(self.token(**claims))
            client.send(b"PUB d 0\r\n\r\nPUB e 0\r\n\r\n")
            said = client.flush()
            for subject in (b"d", b"e"):
                self.assertEqual(b'Publish to "%s"' % subject in said, subject in violations, said)

    def test_limits_of_user_and_account_hold(self):
        self.start(limits={**FREE, "conn": 1})
        client = self.let_in(self.token(payload=3))
        self.assertIn(b"-ERR 'maximum account active connections exceeded'", self.connect(self.token()).until_end())
        client.send(b"PUB s 4\r\nlong\r\n")
        self.assertIn(b"'Maximum Payload Violation'", client.until_end())


class Refused(OperatorCase):
    def test_who_cannot_sign_the_nonce(self):
        self.start()
        self.refused(self.token(), signs=Key("U"))
        self.refused(self.token(), signs=False)

    def test_whom_nobody_that_is_known_has_signed_for(self):
        self.start()
        self.refused(self.token(Key("A")))
        self.refused(self.token(self.signer, issuer_account=self.account.text))
        self.refused(self.operator.token("account", self.account.text))

    def test_what_was_changed_after_it_was_signed(self):
        self.start()
        head, body, signature = self.token().split(".")
        other = self.token(pub={"allow": [">"]}).split(".")[1]
        for token in (f"{head}.{other}.{signature}", f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}.",
                      f"{head}.{body}", f"{body}.{head}.{signature}", "..", "x", "eyJ9.e30.AA", ""):
            with self.subTest(token):
                self.refused(token)

    def test_who_is_too_late_too_early_or_revoked(self):
        now = time.time()
        self.start(revocations={self.user.text: int(now) - 100})
        self.refused(self.token(expires=now - 1))
        self.refused(self.token(issued=now - 101))
        self.let_in(self.token(issued=now - 99))

    def test_everybody_that_was_signed_for_before(self):
        now = time.time()
        self.start(revocations={"*": int(now) - 100})
        self.refused(self.token(issued=now - 101))
        self.let_in(self.token())

    def test_a_bearer_where_the_account_wants_none(self):
        self.start(limits={**FREE, "disallow_bearer": True})
        self.refused(self.token(bearer_token=True), signs=False)
        self.let_in(self.token())

    def test_who_comes_another_way_than_allowed(self):
        self.start()
        self.refused(self.token(allowed_connection_types=["WEBSOCKET"]))
        self.let_in(self.token(allowed_connection_types=["STANDARD"]))

    def test_who_comes_from_elsewhere(self):
        self.start()
        self.refused(self.token(src=["10.1.0.0/16"]))

    def test_names_and_passwords(self):
        self.start()
        client = Connection(self.server.port)
        self.addCleanup(client.__exit__)
        client.connect(pedantic=False, user="u", **{"pass": "p"})
        self.assertIn(REFUSED, client.until_end())


class Ends(OperatorCase):
    def let_in_until(self, let_in):
        """Who was let in before the time that is given to `let_in` was over: on a slow machine there has to be more of it."""
        for seconds in (2, 5, 15, 40):
            end = int(time.time()) + seconds
            try:
                return let_in(end), end
            except (AssertionError, ConnectionError, StartError):
                self.assertGreaterEqual(time.time(), end)
        self.fail("nobody was let in within 40 s")

    def ended(self, client, end, words):
        self.assertIn(words, client.until_end())
        self.assertGreaterEqual(time.time(), end)

    def test_a_user_whose_time_is_over_is_told(self):
        self.start()
        client, end = self.let_in_until(lambda end: self.let_in(self.token(expires=end)))
        self.ended(client, end, b"-ERR 'User Authentication Expired'")

    def test_so_are_all_of_an_account_whose_time_is_over(self):
        def let_in(end):
            self.start(expires=end)
            return self.let_in(self.token())

        client, end = self.let_in_until(let_in)
        self.ended(client, end, b"-ERR 'Account Authentication Expired'")
        self.refused(self.token())

    @own_promise
    def test_a_reload_ends_whom_it_revokes_and_nobody_else(self):
        self.start()
        gone, stays = self.let_in(self.token(issued=time.time() - 100)), self.let_in(self.token())
        seen = self.server.log().count("Reloaded")
        self.write(revocations={"*": int(time.time()) - 50})
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while self.server.log().count("Reloaded") == seen:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        gone.until_end()
        self.assertEqual(stays.flush(), b"")


class Configured(OperatorCase):
    def said(self, path):
        result = subprocess.run([BINARY, "-c", path, "-p", "-1"], capture_output=True, text=True, timeout=START_S)
        self.assertEqual(result.returncode, 1)
        return result.stdout + result.stderr

    @own_promise
    def test_what_cannot_be_is_refused_by_name(self):
        stranger = Key("O")
        for words, path in (
            ("invalid operator JWT", lambda: self.write(operator="eyJ0.e30.AA")),
            ("not signed by an operator", lambda: self.write(issuer=stranger)),
            ("what it says of exports, imports or mappings is not supported", lambda: self.write(exports=[{"subject": "s", "type": "rope"}])),
            ("service_latency of exports is not supported", lambda: self.write(exports=[{"subject": "s", "type": "service", "service_latency": {"sampling": 100, "results": "r"}}])),
            ("account not defined for stream import", lambda: self.write(imports=[{"subject": "s", "type": "stream", "account": Key("A").text}])),
            ("Error adding mapping", lambda: self.write(mappings={"a.*": [{"subject": "b.$2"}]})),
            ("what it claims is not supported", lambda: self.write(limits={**FREE, "tiered_limits": {"": {"disk_storage": 1}}})),
            ("users to be configured directly", lambda: self.write(extra="authorization { user: u, password: p }")),
            ("Accounts to be configured directly", lambda: self.write(extra="accounts { B: {} }")),
        ):
            with self.subTest(words):
                self.assertIn(words, self.said(path()))

    def test_the_key_of_an_operator_is_as_good_as_its_token(self):
        path = self.write()
        with open(path, encoding="utf-8") as file:
            rest = file.read().split("\n", 1)[1]
        for keys in (f"trusted_keys: [{self.operator.text}, {Key('O').text}]", f"trusted: {self.operator.text}"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(keys + "\n" + rest)
            with Server(("-c", path), jetstream=False) as self.server:
                self.let_in(self.token())
                self.refused(self.token(by=Key("A")))

    def test_a_key_of_an_operator_without_a_resolver_lets_nobody_in(self):
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"trusted_keys: {self.operator.text}\n")
        with Server(("-c", path), jetstream=False) as self.server:
            self.refused(self.token())
            client = Connection(self.server.port)
            self.addCleanup(client.__exit__)
            client.connect(pedantic=False, user="u", **{"pass": "p"})
            self.assertIn(REFUSED, client.until_end())

    def test_a_resolver_without_an_operator_has_no_effect(self):
        path = self.write()
        with open(path, encoding="utf-8") as file:
            rest = file.read().split("\n", 1)[1]
        with open(path, "w", encoding="utf-8") as file:
            file.write(rest)
        with Server(("-c", path), jetstream=False) as server, Connection(server.port) as client:
            client.connect(pedantic=False)
            self.assertNotIn(b"-ERR", client.flush())

    @own_promise
    def test_what_is_no_key_of_an_operator_is_refused(self):
        path = self.write()
        with open(path, encoding="utf-8") as file:
            text = file.read()
        operator, rest = text.split("\n", 1)
        both = f"trusted_keys: {self.operator.text}\n{operator}"
        for keys, why in ((f"trusted_keys: [{self.account.text}]", f'trust key "{self.account.text}" required to be a valid public'),
                          (both, "conflicting options for 'TrustedKeys' and 'TrustedOperators'")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(keys + "\n" + rest)
            said = subprocess.run([BINARY, "-t", "-c", path], capture_output=True, timeout=START_S, check=False)
            self.assertNotEqual(said.returncode, 0)
            self.assertIn(why, (said.stderr + said.stdout).decode())

    def test_an_operator_may_stand_in_a_file(self):
        token = self.operator.token("operator", self.operator.text)
        path = os.path.join(self.directory, "operator.jwt")
        for text in (token, f"{token}\n", f"-----BEGIN A JWT-----\n{token}\n------END A JWT------\n", f"note\r\n---B---\r\n{token}\r\n---E---"):
            with self.subTest(text):
                with open(path, "w", encoding="utf-8", newline="") as file:
                    file.write(text)
                self.start(operator=f'["{path}"]')
                self.let_in(self.token())

    def test_a_file_of_an_operator_that_holds_none_is_refused(self):
        token = self.operator.token("operator", self.operator.text)
        path = os.path.join(self.directory, "operator.jwt")
        for text in ("", "x", f" {token}", f"-----BEGIN-----\n{token}\n", f"--A--\n{token}\n--B--\n", f"---A---\nx\n---B---\n---A---\n{token}\n---B---\n"):
            with self.subTest(text):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                self.assertIn("operator JWT", self.said(self.write(operator=path)))
        os.unlink(path)
        self.assertIn(f"error parsing operator JWT: open {path}: no such file or directory", self.said(self.write(operator=path)))

    @own_promise  # the reference wants a system account first
    def test_storage_is_what_grants_jetstream(self):
        self.start(limits={**FREE, "mem_storage": -1, "disk_storage": -1, "streams": 2}, extra="jetstream {}")
        client = self.let_in(self.token())
        client.send(b"SUB in 1\r\nPUB $JS.API.INFO in 0\r\n\r\n")
        self.assertIn(b'"max_streams":2', client.message()[3])


class Shares(OperatorCase):
    """Two accounts: the one of the case exports, the other imports."""

    def setUp(self):
        super().setUp()
        self.other, self.guest = Key("A"), Key("U")

    def start_both(self, exports=(), imports=(), **more):
        other = self.operator.token("account", self.other.text, limits=FREE, imports=[{"account": self.account.text, **i} for i in imports])
        path = self.write(exports=list(exports), **more)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("resolver_preload: {", f"resolver_preload: {{ {self.other.text}: {other},"))
        self.path = path
        server = Server(("-c", path), jetstream=False)
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()
        guest = self.other.token("user", self.guest.text, **ANY)
        return self.let_in(self.token(), headers=True), self.let_in(guest, signs=self.guest, headers=True)

    def activation(self, by=None, subject="help.>", whom=None, kind="service", **more):
        token = (by or self.account).token("activation", (whom or self.other).text, subject=subject, kind=kind, **more)
        return {"token": token}

    def helped(self, home, guest, asks, hears):
        home.send(b"SUB help.> 1\r\n")
        home.flush()
        guest.send(b"SUB in 1\r\nPUB %s in 4\r\nhelp\r\n" % asks)
        subject, _, _, _, reply = self.request(home)
        self.assertEqual(subject, hears)
        home.send(b"PUB %s 2\r\nok\r\n" % reply)
        self.assertEqual(guest.message()[3], b"ok")

    @staticmethod
    def request(home):
        """A message and the subject to answer it at."""
        words = home.line().split()
        while words[0] == b"PING":
            words = home.line().split()
        home.exactly(int(words[-1]) + 2)
        return words[1], None, None, None, words[3]

    def test_a_stream_flows_to_who_imports_it_under_its_name_there(self):
        for kinds, local in (({}, b"feed.a"), ({"local_subject": "news.feed.>"}, b"news.feed.a"), ({"to": "pre"}, b"pre.feed.a")):
            with self.subTest(local):
                home, guest = self.start_both([{"subject": "feed.>", "type": "stream"}], [{"subject": "feed.>", "type": "stream", **kinds}])
                guest.send(b"SUB > 1\r\n")
                guest.flush()
                home.send(b"PUB feed.a 2\r\nhi\r\nPUB secret.a 2\r\nno\r\nPUB feed.a 3\r\nend\r\n")
                for payload in (b"hi", b"end"):
                    message = guest.message()
                    self.assertEqual((message[0], message[3]), (local, payload))

    def test_a_service_is_asked_across_accounts(self):
        for kinds, asks in (({}, b"help.me"), ({"local_subject": "ask.me", "subject": "help.me"}, b"ask.me")):
            with self.subTest(asks):
                home, guest = self.start_both([{"subject": "help.>", "type": "service"}], [{"subject": "help.me", "type": "service", **kinds}])
                self.helped(home, guest, asks, b"help.me")

    def test_who_has_an_activation_may_import_what_asks_for_one(self):
        home, guest = self.start_both(
            [{"subject": "help.>", "type": "service", "token_req": True}],
            [{"subject": "help.me", "type": "service", **self.activation()}],
        )
        self.helped(home, guest, b"help.me", b"help.me")

    def test_a_key_that_the_account_signs_with_activates_in_its_name(self):
        home, guest = self.start_both(
            [{"subject": "help.>", "type": "service", "token_req": True}],
            [{"subject": "help.me", "type": "service", **self.activation(self.signer, issuer_account=self.account.text)}],
            signing_keys=[self.signer.text],
        )
        self.helped(home, guest, b"help.me", b"help.me")

    def test_an_account_that_imports_two_services_under_one_subject_is_not_taken(self):
        exports = [{"subject": "help.>", "type": "service"}]
        for one, other in (({}, {}), ({}, {"subject": "help.>"}), ({"local_subject": "a.>", "subject": "help.>"}, {"local_subject": "a.b"})):
            with self.subTest(one, other=other):
                imports = [{"subject": "help.me", "type": "service", **kinds} for kinds in (one, other)]
                try:  # here it is said at the start; the reference lets none of its users in
                    with self.assertRaises(AssertionError):
                        self.start_both(exports, imports)
                except StartError as error:
                    self.assertIn("overlapping subject namespace for ", str(error))
        home, guest = self.start_both(exports, [{"subject": s, "type": "service"} for s in ("help.me", "help.you")])
        self.helped(home, guest, b"help.you", b"help.you")

    @own_promise  # the reference starts without such an import
    def test_no_other_activation_counts(self):
        stranger = Key("A")
        wrong = (
            {},
            {"token": "nonsense"},
            self.activation(by=stranger),
            self.activation(by=self.signer, issuer_account=self.account.text),
            self.activation(subject="other.>"),
            self.activation(whom=stranger),
            self.activation(kind="stream"),
            self.activation(expires=time.time() + 1000),
        )
        for token in wrong:
            with self.subTest(token), self.assertRaises(StartError) as failed:
                self.start_both([{"subject": "help.>", "type": "service", "token_req": True}], [{"subject": "help.me", "type": "service", **token}])
            self.assertIn("has no activation that is valid without end", str(failed.exception))
        with self.assertRaises(StartError):
            self.start_both(
                [{"subject": "help.>", "type": "service", "token_req": True, "revocations": {"*": int(time.time()) + 10}}],
                [{"subject": "help.me", "type": "service", **self.activation()}],
            )

    @own_promise
    def test_what_is_not_exported_is_not_imported(self):
        with self.assertRaises(StartError) as failed:
            self.start_both([{"subject": "feed.>", "type": "stream"}], [{"subject": "secret.>", "type": "stream"}])
        self.assertIn("stream import not authorized", str(failed.exception))

    def test_an_account_maps_what_its_clients_publish(self):
        self.start(mappings={"old.*": [{"subject": "new.$1", "weight": 100}]})
        a, b = self.let_in(self.token()), self.let_in(self.token())
        a.send(b"SUB > 1\r\n")
        a.flush()
        b.send(b"PUB old.x 2\r\nhi\r\n")
        self.assertEqual(a.message()[0], b"new.x")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
