"""Accounts of operators in a directory, pushed while the server runs. What is no own promise holds for the reference, too."""

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest

from claims import Key, url
from wire import READ_S, Connection, Requester, own_promise  # finds serverprocess
from serverprocess import Server, StartError, free_port, is_millrace
from test_operator import ANY, FREE, REFUSED

STORAGE = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
TRIES_S = 60.0


class ResolverCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-resolver-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.operator, self.signer, self.system, self.account = Key("O"), Key("O"), Key("A"), Key("A")
        self.admin, self.user = Key("U"), Key("U")
        self.key = Key("A")
        self.store = os.path.join(self.directory, "deep", "jwt")

    def system_token(self):
        return self.operator.token("account", self.system.text, limits=FREE)

    def write(self, preload=True, resolver="", operator=None, name="c.conf", store=None, extra=""):
        operator = operator or self.operator.token("operator", self.operator.text, signing_keys=[self.signer.text], system_account=self.system.text)
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"operator: {operator}\nresolver {{ type: full, dir: '{store or self.store}', allow_delete: true\n {resolver} }}\n{extra}\n")
            if preload:
                file.write(f"resolver_preload: {{ {self.system.text}: {self.system_token()} }}\n")
        return path

    def start(self, jetstream=False, **config):
        server = Server(("-c", self.write(**config)), jetstream=jetstream)
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()
        return server

    def claims(self, by=None, account=None, **claims):
        """What an operator says of the account."""
        claims.setdefault("limits", FREE)
        return (by or self.operator).token("account", (account or self.account).text, **claims)


    def connect(self, user, account, port=None, signs=None, says=None, **claims):
        """A client that has said who it is."""
        client = Connection(port or self.server.port)
        self.addCleanup(client.__exit__)
        nonce = client.info()["nonce"].encode()
        token = account.token("user", user.text, **{**ANY, **claims})
        client.connect(pedantic=False, headers=True, no_responders=True, jwt=token, sig=url((signs or user).sign(nonce)).decode(), **(says or {}))
        return client

    def let_in(self, user=None, account=None, **more):
        client = self.connect(user or self.user, account or self.account, **more)
        self.assertNotIn(b"-ERR", client.flush())
        return client

    def refused(self, user=None, account=None, **more):
        client = self.connect(user or self.user, account or self.account, **more)
        client.send(b"PING\r\n")
        self.assertIn(REFUSED, client.until_end())

    def admin_client(self, port=None, account=None, **claims):
        client = self.let_in(self.admin, account or self.system, port=port, **claims)
        client.send(b"SUB in.* 1\r\n")
        client.flush()
        client.serial = 0
        return client

    def asks(self, client, subject, body=b"", answers=1):
        """What is answered, as bytes."""
        client.serial += 1
        inbox = b"in.%d" % client.serial
        body = body.encode() if isinstance(body, str) else body
        client.send(b"PUB %s %s %d\r\n" % (subject.encode(), inbox, len(body)) + body + b"\r\n")
        all_of_them = []
        while len(all_of_them) < answers:
            to, _, _, data = client.message()
            if to == inbox:
                all_of_them.append(data)
        return all_of_them if answers > 1 else all_of_them[0]

    def push(self, client, token, subject="$SYS.REQ.CLAIMS.UPDATE"):
        return json.loads(self.asks(client, subject, token))

    def pushed(self, client, token, account=None):
        answer = self.push(client, token)
        self.assertEqual(answer.get("data"), {"account": (account or self.account).text, "code": 200, "message": "jwt updated"})

    def delete(self, client, *accounts, by=None, whom=None):
        by = by or self.operator
        token = by.token("generic", (whom or by).text, accounts=[a if isinstance(a, str) else a.text for a in accounts])
        return json.loads(self.asks(client, "$SYS.REQ.CLAIMS.DELETE", token))

    def files(self):
        return sorted(os.listdir(self.store))

    def until(self, do):
        end = time.monotonic() + TRIES_S
        while True:
            try:
                return do()
            except (AssertionError, OSError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


class Pushed(ResolverCase):
    def test_an_account_that_is_pushed_is_there_at_once_and_after_a_kill(self):
        self.start()
        self.refused()
        admin = self.admin_client()
        token = self.claims(by=self.signer)
        self.pushed(admin, token)
        self.let_in()
        self.assertEqual(self.asks(admin, f"$SYS.REQ.ACCOUNT.{self.account.text}.CLAIMS.LOOKUP"), token.encode())
        listed = json.loads(self.asks(admin, "$SYS.REQ.CLAIMS.LIST"))
        self.assertEqual(sorted(listed["data"]), sorted([self.account.text, self.system.text]))
        self.assertIn("server", listed)
        self.assertEqual(self.files(), sorted([f"{self.account.text}.jwt", f"{self.system.text}.jwt"]))
        with open(os.path.join(self.store, f"{self.account.text}.jwt"), encoding="utf-8") as file:
            self.assertEqual(file.read(), token)
        self.server.end(signal.SIGKILL)
        self.write(preload=False)
        self.server.start()
        self.let_in()
        self.admin_client()

    def test_each_of_the_subjects_takes_one(self):
        self.start()
        admin = self.admin_client()
        for subject in (f"$SYS.REQ.ACCOUNT.{self.account.text}.CLAIMS.UPDATE", f"$SYS.ACCOUNT.{self.account.text}.CLAIMS.UPDATE", "$SYS.REQ.CLAIMS.UPDATE"):
            with self.subTest(subject):
                answer = self.push(admin, self.claims(), subject)
                self.assertEqual(answer["data"], {"account": self.account.text, "code": 200, "message": "jwt updated"})
        again = self.claims()
        for _ in range(2):
            self.pushed(admin, again)

    def test_nobody_is_asked_about_an_account_that_is_not_there(self):
        self.start()
        self.assertEqual(self.asks(self.admin_client(), f"$SYS.REQ.ACCOUNT.{self.account.text}.CLAIMS.LOOKUP"), b"")

    def test_what_is_no_account_of_this_operator_is_refused_and_not_kept(self):
        self.start()
        admin = self.admin_client()
        good = self.claims()
        head, body, signature = good.split(".")
        other = self.claims(account=Key("A")).split(".")[1]
        for token, why in (
            ("x", "jwt update resulted in error - expected 3 chunks"),
            ("", "jwt update resulted in error - expected 3 chunks"),
            (f"{head}.{other}.{signature}", "jwt update resulted in error - claim failed V2 signature verification"),
            (self.account.token("user", self.user.text, **ANY), "jwt update resulted in error - not account claim"),
        ):
            with self.subTest(why):
                error = self.push(admin, token)["error"]
                self.assertEqual((error["account"], error["code"], error["description"]), ("n/a", 500, why))
        error = self.push(admin, good, f"$SYS.REQ.ACCOUNT.{self.system.text}.CLAIMS.UPDATE")["error"]
        self.assertEqual((error["account"], error["description"]), (self.system.text, "jwt update resulted in error - subject does not match jwt content"))
        self.assertEqual(self.files(), [f"{self.system.text}.jwt"])

    @own_promise  # the reference keeps it, and lets nobody in by it
    def test_so_is_one_that_another_operator_has_signed(self):
        self.start()
        admin = self.admin_client()
        error = self.push(admin, self.claims(by=Key("O")))["error"]
        self.assertEqual(error["description"], "jwt update resulted in error - account validation failed")
        self.assertEqual(self.files(), [f"{self.system.text}.jwt"])
        self.refused()

    @own_promise
    def test_so_is_one_that_claims_what_is_not_built(self):
        self.start()
        admin = self.admin_client()
        latency = [{"subject": "s", "type": "service", "service_latency": {"sampling": 100, "results": "r"}}]
        self.assertIn("service_latency of exports is not supported", self.push(admin, self.claims(exports=latency))["error"]["description"])
        self.assertIn("a mapping cannot be", self.push(admin, self.claims(mappings={"a.*": [{"subject": "b.$2"}]}))["error"]["description"])

    def test_an_operator_that_is_strict_and_its_accounts_sign_with_their_other_keys(self):
        strict = self.operator.token("operator", self.operator.text, signing_keys=[self.signer.text], system_account=self.system.text, strict_signing_key_usage=True)
        keys = {"signing_keys": [self.key.text]}
        self.system_token = lambda: self.signer.token("account", self.system.text, limits=FREE, **keys)
        self.start(operator=strict)
        named = {"issuer_account": self.system.text}
        self.refused(self.admin, self.system)
        admin = self.admin_client(account=self.key, **named)
        error = self.push(admin, self.claims())["error"]
        self.assertEqual(error["description"], "jwt update resulted in error - operator requires issuer to be a signing key")
        self.pushed(admin, self.claims(by=self.signer, **keys))
        self.refused()
        self.let_in(account=self.key, issuer_account=self.account.text)

    def test_no_more_than_the_limit_are_kept(self):
        self.start(resolver="limit: 2")
        admin = self.admin_client()
        self.pushed(admin, self.claims())
        other = Key("A")
        error = self.push(admin, self.claims(account=other))["error"]
        self.assertEqual((error["account"], error["description"]), (other.text, "jwt update resulted in error - jwt store is full"))
        self.pushed(admin, self.claims(name="again"))

    def test_nor_of_many_that_come_at_once(self):
        self.start(resolver="limit: 5")
        admin = self.admin_client()
        accounts = [Key("A") for _ in range(20)]
        tokens = [self.claims(account=account).encode() for account in accounts]
        twice = [b"PUB $SYS.REQ.CLAIMS.UPDATE in.%d %d\r\n%s\r\n" % (i, len(token), token) for _ in range(2) for i, token in enumerate(tokens)]
        admin.send(b"".join(twice))
        answers = [json.loads(admin.message()[3]) for _ in twice]
        self.assertEqual(sum("jwt updated" in json.dumps(a) for a in answers), 8)
        self.assertEqual(sum("jwt store is full" in json.dumps(a) for a in answers), 32)
        self.assertEqual(len(self.files()), 5)

    @own_promise
    def test_what_a_write_left_that_was_cut_short_goes_at_the_start(self):
        self.start()
        self.server.end(signal.SIGKILL)
        litter = f".{self.account.text}.jwt.new"
        others = [".x.jwt.new", f"{self.account.text}.jwt.new", f".{self.account.text}.jwt.newer"]
        for name in (litter, *others):
            with open(os.path.join(self.store, name), "w", encoding="utf-8") as file:
                file.write("half")
        self.server.start()
        self.assertEqual(self.files(), sorted([*others, f"{self.system.text}.jwt"]))

    def test_a_packet_of_very_many_comes_whole(self):
        self.start()
        admin = self.admin_client()
        more = [{"subject": f"s.{i}", "type": "stream", "name": "x" * 400} for i in range(100)]
        accounts = [Key("A") for _ in range(30)]
        for account in accounts:
            self.pushed(admin, self.claims(account=account, exports=more), account)
        packet = self.asks(admin, "$SYS.REQ.CLAIMS.PACK", answers=32)
        self.assertEqual(packet[-1], b"")
        self.assertEqual(sorted(line.split(b"|")[0] for line in packet[:-1]), sorted(a.text.encode() for a in [*accounts, self.system]))
        self.assertGreater(sum(map(len, packet)), 1 << 20)  # of several turns

    def test_a_packet_has_all_that_are_there_or_nothing(self):
        self.start()
        admin = self.admin_client()
        token = self.claims()
        self.pushed(admin, token)
        packet = self.asks(admin, "$SYS.REQ.CLAIMS.PACK", answers=3)
        self.assertEqual(packet[-1], b"")
        self.assertIn(f"{self.account.text}|{token}".encode(), packet)
        digest = bytes(32)
        for line in packet[:-1]:
            digest = bytes(a ^ b for a, b in zip(digest, hashlib.sha256(line.split(b"|")[1]).digest()))
        self.assertEqual(self.asks(admin, "$SYS.REQ.CLAIMS.PACK", digest), b"")


class Live(ResolverCase):
    """What a push changes for those who are there."""

    def setUp(self):
        super().setUp()
        self.start()
        self.admins = self.admin_client()
        self.pushed(self.admins, self.claims())

    def test_whom_it_revokes_is_told_and_goes_and_nobody_else(self):
        gone, stays = self.let_in(issued=time.time() - 100), self.let_in(Key("U"))
        self.pushed(self.admins, self.claims(revocations={self.user.text: int(time.time()) - 50}))
        self.assertIn(b"-ERR 'User Authentication Revoked'", gone.until_end())
        self.assertEqual(stays.flush(), b"")
        self.refused(issued=time.time() - 100)

    def test_whom_a_key_has_signed_for_that_is_gone_goes(self):
        signer = Key("A")
        self.pushed(self.admins, self.claims(signing_keys=[signer.text]))
        named = {"issuer_account": self.account.text}
        gone, stays = self.let_in(account=signer, **named), self.let_in(Key("U"))
        self.pushed(self.admins, self.claims())
        gone.until_end()
        self.assertEqual(stays.flush(), b"")
        self.refused(account=signer, **named)

    def test_limits_hold_from_then_on(self):
        client = self.let_in()
        self.pushed(self.admins, self.claims(limits={**FREE, "payload": 3}))
        client.send(b"PUB s 4\r\nlong\r\n")
        self.assertIn(b"'Maximum Payload Violation'", client.until_end())

    def test_the_newest_of_too_many_go(self):
        clients = [self.let_in(Key("U")) for _ in range(3)]
        self.pushed(self.admins, self.claims(limits={**FREE, "conn": 1}))
        said = [client.flush() for client in clients]
        ended = [number for number, client in enumerate(clients) if client.ended]
        for number, words in enumerate(said):
            self.assertEqual(b"-ERR 'maximum account active connections exceeded'" in words, number in ended, words)
        self.assertEqual(ended, [1, 2])

    def test_default_permissions_hold_from_then_on(self):
        client = self.let_in()
        client.send(b"SUB secret 1\r\n")
        client.flush()
        self.pushed(self.admins, self.claims(default_permissions={"pub": {}, "sub": {"deny": ["secret"]}}))
        self.assertIn(b"Permissions Violation for Subscription to \"secret\"", client.line())

    def test_exports_and_imports_may_come_in_any_order(self):
        other, guest = Key("A"), Key("U")
        imports = [{"account": self.account.text, "subject": "feed.>", "type": "stream"}, {"account": self.account.text, "subject": "help", "type": "service"}]
        self.pushed(self.admins, self.claims(account=other, imports=imports), other)
        home, away = self.let_in(), self.let_in(guest, other)
        away.send(b"SUB feed.> 1\r\n")
        away.flush()
        home.send(b"SUB help 7\r\nPUB feed.a 2\r\nno\r\n")
        home.flush()
        exports = [{"subject": "feed.>", "type": "stream"}, {"subject": "help", "type": "service"}]
        self.pushed(self.admins, self.claims(exports=exports))
        home.send(b"PUB feed.a 3\r\nyes\r\n")
        home.flush()
        self.assertEqual(away.message()[3], b"yes")
        away.send(b"PUB help in 1\r\n?\r\n")
        asked = home.line().split()
        self.assertEqual(asked[1:3], [b"help", b"7"])
        home.exactly(int(asked[-1]) + 2)
        self.pushed(self.admins, self.claims())
        home.send(b"PUB feed.a 2\r\nno\r\nPUB feed.a 2\r\nno\r\n")
        home.flush()
        self.assertEqual(away.flush(), b"")

    def test_clients_are_let_in_while_accounts_come_and_go(self):
        """On several shards they are looked up on each."""
        self.pushed(self.admins, self.claims())
        users, refused = [Key("U") for _ in range(40)], []

        def come():
            for user in users:
                client = self.connect(user, self.account)
                if b"-ERR" in client.flush():
                    refused.append(user)
                client.socket.close()

        coming = [threading.Thread(target=come) for _ in range(3)]
        for thread in coming:
            thread.start()
        while any(thread.is_alive() for thread in coming):
            other = Key("A")
            self.pushed(self.admins, self.claims(account=other), other)
            self.pushed(self.admins, self.claims(name="again"))
        for thread in coming:
            thread.join()
        self.assertEqual(refused, [])

    def test_an_account_that_is_deleted_ends_with_its_clients(self):
        client = self.let_in()
        answer = self.delete(self.admins, self.account)
        self.assertEqual(answer["data"], {"code": 200, "message": "deleted 1 accounts"})
        self.assertIn(b"-ERR 'Account Authentication Expired'", client.until_end())
        self.refused()
        self.assertEqual(self.files(), sorted([f"{self.account.text}.jwt.deleted", f"{self.system.text}.jwt"]))
        self.assertEqual(json.loads(self.asks(self.admins, "$SYS.REQ.CLAIMS.LIST"))["data"], [self.system.text])
        if is_millrace():  # in the reference it stays expired
            self.pushed(self.admins, self.claims())
            self.let_in()

    def test_who_may_not_delete_does_not(self):
        by, stranger = self.operator.text, Key("O")
        for answer, whom, why in (
            (self.delete(self.admins, self.account, by=stranger), stranger.text, "not trusted"),
            (self.delete(self.admins, self.account, whom=stranger), stranger.text, "not self signed"),
            (self.delete(self.admins, self.system), by, "not allowed to delete system account"),
            (self.delete(self.admins, "../../etc/passwd"), by, "malformed request"),
            (self.delete(self.admins, self.user), by, "malformed request"),
        ):
            with self.subTest(why):
                self.assertEqual(answer["error"], {"code": 500, "description": f"delete accounts request by {whom} failed - {why}"})
        self.let_in()


class Stored(ResolverCase):
    def start_again(self, **config):
        self.server.end(signal.SIGKILL)
        self.write(**config)
        self.server.start()

    def put(self, name, content):
        os.makedirs(self.store, exist_ok=True)
        with open(os.path.join(self.store, name), "w", encoding="utf-8") as file:
            file.write(content)

    def test_a_preloaded_account_gives_way_to_a_newer_one(self):
        self.start()
        newer = self.operator.token("account", self.system.text, limits={**FREE, "conn": 1}, issued=time.time() + 100)
        self.pushed(self.admin_client(), newer, self.system)
        self.start_again()
        with open(os.path.join(self.store, f"{self.system.text}.jwt"), encoding="utf-8") as file:
            self.assertEqual(file.read(), newer)

    def test_deletion_has_to_be_allowed_and_may_be_hard(self):
        self.write()
        path = os.path.join(self.directory, "c.conf")
        for words, answer in (("allow_delete: false", "error"), ("allow_delete: true, hard_delete: true", "data")):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("allow_delete: true", words).replace("allow_delete: false", words))
            with Server(("-c", path), jetstream=False) as self.server:
                admin = self.admin_client()
                self.pushed(admin, self.claims())
                self.assertIn(answer, self.delete(admin, self.account))
        self.assertEqual(self.files(), [f"{self.system.text}.jwt"])

    def test_a_system_account_that_nobody_has_signed_for_yet_lets_its_own_users_in(self):
        self.start(preload=False)
        admin = self.admin_client()
        self.pushed(admin, self.claims())
        self.let_in()
        self.pushed(admin, self.system_token(), self.system)
        self.admin_client()

    @own_promise
    def test_files_that_are_none_of_its_own_are_left_alone(self):
        target = os.path.join(self.directory, "outside")
        stranger, linked = Key("A"), Key("A")
        with open(target, "w", encoding="utf-8") as file:
            file.write(self.claims(account=linked))
        self.put(f"{self.account.text}.jwt", self.claims(by=Key("O")))
        self.put(f"{stranger.text}.jwt", self.claims())
        self.put("note.jwt", self.claims())
        self.put("README", "keep me")
        os.mkdir(os.path.join(self.store, f"{Key('A').text}.jwt"))
        os.symlink(target, os.path.join(self.store, f"{linked.text}.jwt"))
        before = self.files()
        self.start()
        self.assertEqual(json.loads(self.asks(self.admin_client(), "$SYS.REQ.CLAIMS.LIST"))["data"], [self.system.text])
        self.assertIn(f"Account [{self.account.text}] is not used: its file: account validation failed", self.server.log())
        self.assertIn(f"Account [{stranger.text}] is not used: its file: subject does not match jwt content", self.server.log())
        self.refused()
        self.refused(account=linked)
        self.assertEqual(self.files(), sorted([*before, f"{self.system.text}.jwt"]))

    @own_promise
    def test_a_link_is_replaced_and_not_followed(self):
        target = os.path.join(self.directory, "outside")
        with open(target, "w", encoding="utf-8") as file:
            file.write("mine")
        os.makedirs(self.store)
        os.symlink(target, os.path.join(self.store, f"{self.account.text}.jwt"))
        os.symlink(target, os.path.join(self.store, f".{self.account.text}.jwt.new"))
        self.start()
        self.pushed(self.admin_client(), self.claims())
        self.let_in()
        with open(target, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    @own_promise
    def test_a_reload_reads_the_directory_again_and_keeps_who_is_there(self):
        self.start()
        admin = self.admin_client()
        self.pushed(admin, self.claims())
        other = Key("A")
        client = self.let_in()
        self.put(f"{other.text}.jwt", self.claims(account=other))
        seen = self.server.log().count("Reloaded server configuration")
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while self.server.log().count("Reloaded server configuration") == seen:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        self.let_in(account=other)
        self.assertEqual(client.flush(), b"")
        self.pushed(admin, self.claims())

    def test_what_cannot_be_a_directory_is_refused(self):
        with open(os.path.join(self.directory, "file"), "w", encoding="utf-8"):
            pass
        with self.assertRaises(StartError) as failed:
            self.start(store=os.path.join(self.directory, "file"))
        self.assertIn("dir needs to point to an accessible directory", str(failed.exception))

    def test_it_needs_a_system_account(self):
        with self.assertRaises(StartError) as failed:
            self.start(operator=self.operator.token("operator", self.operator.text), preload=False)
        self.assertIn("the system account needs to be specified in configuration or the operator jwt", str(failed.exception))


class Streams(ResolverCase):
    def ask_api(self, client, subject, body=b""):
        return json.loads(self.asks(client, "$JS.API." + subject, body))

    def api_client(self):
        client = self.let_in()
        client.send(b"SUB in.* 1\r\n")
        client.flush()
        client.serial = 0
        return client

    def test_jetstream_comes_with_a_push(self):
        self.start(jetstream=True)
        admin = self.admin_client()
        self.pushed(admin, self.claims())
        client = self.api_client()
        self.assertIn("error", self.ask_api(client, "INFO"))
        self.pushed(admin, self.claims(limits={**FREE, **STORAGE}))
        self.assertNotIn("error", self.ask_api(client, "STREAM.CREATE.S", json.dumps({"name": "S", "subjects": ["s"]})))
        self.pushed(admin, self.claims(limits={**FREE, **STORAGE, "streams": 1}))
        self.assertIn("error", self.ask_api(client, "STREAM.CREATE.T", json.dumps({"name": "T", "subjects": ["t"]})))
        self.server.end(signal.SIGKILL)
        self.server.start()
        self.assertEqual(self.ask_api(self.api_client(), "INFO")["streams"], 1)

    @own_promise
    def test_it_does_not_go_with_a_push_while_there_are_streams(self):
        self.start(jetstream=True)
        admin = self.admin_client()
        self.pushed(admin, self.claims(limits={**FREE, **STORAGE}))
        client = self.api_client()
        self.ask_api(client, "STREAM.CREATE.S", json.dumps({"name": "S", "subjects": ["s"]}))
        self.assertIn("JetStream cannot be taken from it", self.push(admin, self.claims())["error"]["description"])
        self.assertEqual(self.ask_api(client, "INFO")["streams"], 1)
        self.assertIn("data", self.delete(admin, self.account))
        client.until_end()
        self.pushed(admin, self.claims(limits={**FREE, **STORAGE}))
        self.assertEqual(self.ask_api(self.api_client(), "INFO")["streams"], 1)


class Members(ResolverCase):
    """Three servers of one cluster, each with a directory of its own."""

    def setUp(self):
        super().setUp()
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(3)]
        self.nodes = []
        for i in range(3):
            path = self.write(name=f"{i}.conf", store=os.path.join(self.directory, f"jwt{i}"), resolver="interval: '1s'")
            arguments = ["-c", path, "--server_name", f"n{i}", "--cluster_name", "C", "--cluster", routes[i], "--routes", ",".join(routes)]
            self.nodes.append(Server(arguments, jetstream=False))
            self.addCleanup(self.nodes[-1].__exit__)
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.wait_ready()

    def all_there(self, admin):
        def ask():
            admin.serial += 1
            inbox = b"in.%d" % admin.serial
            admin.send(b"PUB $SYS.REQ.SERVER.PING %s 0\r\n\r\n" % inbox)
            names = set()
            while len(names) < 3:
                to, _, _, data = admin.message()
                if to == inbox:
                    names.add(json.loads(data)["server"]["name"])
        ask()

    def members(self):
        """An admin of the first node, when all have heard of each other."""
        return self.until(self.ready)

    def ready(self):
        admin = self.admin_client(port=self.nodes[0].port)
        self.all_there(admin)
        return admin

    def test_every_member_takes_what_is_pushed_to_one(self):
        admin = self.members()
        answers = [json.loads(a) for a in self.asks(admin, "$SYS.REQ.CLAIMS.UPDATE", self.claims(), answers=3)]
        self.assertEqual({a["server"]["name"] for a in answers}, {"n0", "n1", "n2"})
        for answer in answers:
            self.assertEqual(answer["data"]["message"], "jwt updated")
        for node in self.nodes:
            self.let_in(port=node.port)

    def test_a_member_that_was_away_learns_what_is_new_and_keeps_what_is_newer(self):
        admin = self.members()
        self.nodes[2].end(signal.SIGKILL)
        other = Key("A")
        self.asks(admin, "$SYS.REQ.CLAIMS.UPDATE", self.claims(issued=time.time() - 100), answers=2)
        self.asks(admin, "$SYS.REQ.CLAIMS.UPDATE", self.claims(account=other), answers=2)
        os.makedirs(os.path.join(self.directory, "jwt2"), exist_ok=True)
        newer = self.claims(name="newer")
        with open(os.path.join(self.directory, "jwt2", f"{self.account.text}.jwt"), "w", encoding="utf-8") as file:
            file.write(newer)
        self.nodes[2].start()
        self.until(lambda: self.let_in(account=other, port=self.nodes[2].port))
        for node in self.nodes:
            admin = self.admin_client(port=node.port)

            def newest(admin=admin):
                found = self.asks(admin, f"$SYS.REQ.ACCOUNT.{self.account.text}.CLAIMS.LOOKUP", answers=3)
                self.assertEqual(found, [newer.encode()] * 3)

            self.until(newest)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
