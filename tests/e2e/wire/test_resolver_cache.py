"""A server that keeps some accounts in a directory and asks others for the rest. What is no own promise holds for the reference, too."""

import json
import os
import signal
import sys
import time
import unittest

import test_resolver
from claims import Key
from wire import own_promise  # finds serverprocess
from serverprocess import Server, StartError, free_port

TRIES_S = test_resolver.TRIES_S


class CacheCase(test_resolver.ResolverCase):
    """A server with all accounts and one with a cache, in a cluster. An admin of each has its own name."""

    cache_options = ""
    fulls = 1

    def setUp(self):
        super().setUp()
        self.routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(self.fulls + 1)]
        self.cached = os.path.join(self.directory, "cached")
        self.nodes = [self.node(i, self.write(name=f"{i}.conf", store=os.path.join(self.directory, f"jwt{i}"))) for i in range(self.fulls)]
        self.full = self.nodes[0]
        self.cache = self.node(self.fulls, self.write_cache())
        self.nodes.append(self.cache)
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.wait_ready()
        self.admin = Key("U")
        self.until(self.met)

    def node(self, number, path):
        server = Server(["-c", path, "--server_name", f"n{number}", "--cluster_name", "C", "--cluster", self.routes[number], "--routes", ",".join(self.routes)], jetstream=False)
        self.addCleanup(server.__exit__)
        return server

    def write_cache(self, options=None, extra="", preload=""):
        operator = self.operator.token("operator", self.operator.text, signing_keys=[self.signer.text], system_account=self.system.text)
        path = os.path.join(self.directory, "cache.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"operator: {operator}\nresolver {{ type: cache, dir: '{self.cached}'\n {self.cache_options if options is None else options} }}\n{extra}\n{preload}\n")
        return path

    def met(self):
        """Each has heard of the others, and the cache knows the system account."""
        self.assertIn(f"{self.system.text}.jwt", self.kept())
        admin = self.admin_client(port=self.cache.port)
        names = set()
        admin.send(b"PUB $SYS.REQ.SERVER.PING in.999 0\r\n\r\n")
        while len(names) < len(self.nodes):
            to, _, _, data = admin.message()
            if to == b"in.999":
                names.add(json.loads(data)["server"]["name"])
        admin.leave()

    def kept(self):
        """The accounts that have a file with the cache."""
        return sorted(name for name in os.listdir(self.cached) if name.endswith(".jwt"))

    def file(self, account):
        return f"{account.text}.jwt"

    def content(self, account):
        with open(os.path.join(self.cached, self.file(account)), encoding="utf-8") as file:
            return file.read()

    def keeps(self, *accounts):
        self.until(lambda: self.assertEqual(self.kept(), sorted(self.file(a) for a in accounts)))

    def give(self, token):
        """Pushed to the first server with all accounts; what each says of it."""
        admin = self.admin_client(port=self.full.port)
        alive = sum(node.process is not None for node in self.nodes)
        answers = self.asks(admin, "$SYS.REQ.CLAIMS.UPDATE", token, answers=alive)
        admin.leave()
        by_name = {a["server"]["name"]: a for a in map(json.loads, answers if alive > 1 else [answers])}
        self.assertEqual(by_name["n0"]["data"]["message"], "jwt updated")
        return by_name

    def at_cache(self, **more):
        return self.let_in(port=self.cache.port, **more)

    def refused_at_cache(self, **more):
        self.refused(port=self.cache.port, **more)


class Cache(CacheCase):
    def test_an_account_is_looked_up_when_somebody_comes_and_is_kept(self):
        self.refused_at_cache()
        told = self.give(self.claims())
        self.assertEqual(told["n1"]["data"], {"account": self.account.text, "code": 200, "message": "jwt update cache skipped"})
        self.keeps(self.system)
        self.at_cache()
        self.keeps(self.system, self.account)
        self.assertEqual(self.content(self.account).count("."), 2)

    def test_after_a_kill_what_is_kept_is_there_without_the_others(self):
        self.give(self.claims())
        self.at_cache()
        self.keeps(self.system, self.account)
        self.cache.end(signal.SIGKILL)
        self.full.end(signal.SIGKILL)
        self.cache.start()
        self.at_cache()
        self.refused_at_cache(account=Key("A"))

    def test_what_is_pushed_holds_for_those_who_are_there(self):
        self.give(self.claims())
        client = self.at_cache()
        told = self.give(self.claims(revocations={self.user.text: int(time.time()) + 10}))
        self.assertEqual(told["n1"]["data"], {"account": self.account.text, "code": 200, "message": "jwt updated cache"})
        client.send(b"PING\r\n")
        self.assertIn(b"-ERR", client.until_end())
        self.refused_at_cache()
        self.cache.end(signal.SIGKILL)
        self.cache.start()
        self.refused_at_cache()

    @own_promise  # there the file counts until its time is over
    def test_what_was_pushed_while_it_was_away_holds_when_it_has_met_the_others_again(self):
        self.give(self.claims(issued=time.time() - 100))
        self.at_cache()
        self.keeps(self.system, self.account)
        self.cache.end(signal.SIGKILL)
        before = self.content(self.account)
        self.give(self.claims(revocations={self.user.text: int(time.time()) + 10}))
        self.cache.start()
        self.until(self.refused_at_cache)
        self.until(lambda: self.assertNotEqual(self.content(self.account), before))
        self.at_cache(user=Key("U"))

    def test_what_is_no_account_is_refused_in_the_words_of_a_cache(self):
        admin = self.admin_client(port=self.cache.port)
        good = self.claims()
        for subject, token, account, why in (
            ("$SYS.REQ.CLAIMS.UPDATE", "x", "n/a", "expected 3 chunks"),
            (f"$SYS.REQ.ACCOUNT.{self.account.text}.CLAIMS.UPDATE", "x", self.account.text, "expected 3 chunks"),
            (f"$SYS.REQ.ACCOUNT.{self.system.text}.CLAIMS.UPDATE", good, self.system.text, "subject does not match jwt content"),
            (f"$SYS.ACCOUNT.{self.system.text}.CLAIMS.UPDATE", good, self.system.text, "subject does not match jwt content"),
        ):
            with self.subTest(subject):
                expected = 1 if subject.startswith("$SYS.ACCOUNT") else 2
                answers = [json.loads(a) for a in ([self.asks(admin, subject, token)] if expected == 1 else self.asks(admin, subject, token, answers=2))]
                mine = [a["error"] for a in answers if a["server"]["name"] == "n1"]
                for error in mine:
                    self.assertEqual((error["account"], error["code"], error["description"]), (account, 500, f"jwt update cache resulted in error - {why}"))
                self.assertTrue(mine or expected == 1)

    def test_it_lists_what_it_keeps_and_the_others_answer_the_rest(self):
        other = Key("A")
        self.give(self.claims())
        self.give(self.claims(account=other))
        self.at_cache()
        self.keeps(self.system, self.account)
        admin = self.admin_client(port=self.cache.port)
        lists = {a["server"]["name"]: sorted(a["data"]) for a in map(json.loads, self.asks(admin, "$SYS.REQ.CLAIMS.LIST", answers=2))}
        self.assertEqual(lists["n1"], sorted([self.system.text, self.account.text]))
        self.assertEqual(lists["n0"], sorted([self.system.text, self.account.text, other.text]))
        self.assertEqual(self.asks(admin, f"$SYS.REQ.ACCOUNT.{other.text}.CLAIMS.LOOKUP").count(b"."), 2)
        packet = self.asks(admin, "$SYS.REQ.CLAIMS.PACK", answers=4)
        self.assertEqual(sorted(line.split(b"|")[0].decode() for line in packet[:-1]), lists["n0"])
        self.assertEqual(packet[-1], b"")

    def test_what_is_deleted_is_deleted_there_too(self):
        self.give(self.claims())
        client = self.at_cache()
        self.keeps(self.system, self.account)
        admin = self.admin_client(port=self.cache.port)
        token = self.operator.token("generic", self.operator.text, accounts=[self.account.text])
        answers = {a["server"]["name"]: a for a in map(json.loads, self.asks(admin, "$SYS.REQ.CLAIMS.DELETE", token, answers=2))}
        self.assertEqual(answers["n1"]["data"], {"code": 200, "message": "deleted 1 accounts"})
        self.keeps(self.system)
        self.assertIn(b"-ERR", client.until_end())
        self.refused_at_cache()
        self.give(self.claims())
        time.sleep(1.1)  # the reference asks no more than once in a second
        self.at_cache()

    def test_one_that_has_expired_is_looked_up_again(self):
        self.give(self.operator.token("account", self.account.text, expires=time.time() + 3, limits=test_resolver.FREE))
        client = self.at_cache()
        client.read_s = 10
        self.assertIn(b"Expired", client.until_end())
        self.refused_at_cache()
        self.give(self.claims())
        time.sleep(1.1)
        self.at_cache()

    def test_what_an_account_imports_from_is_looked_up_too(self):
        exporter = Key("A")
        self.give(self.claims(account=exporter, exports=[{"name": "s", "subject": "s.>", "type": "stream"}]))
        self.give(self.claims(imports=[{"name": "s", "subject": "s.>", "account": exporter.text, "type": "stream"}]))
        client = self.at_cache()
        self.keeps(self.system, self.account, exporter)
        client.send(b"SUB s.> 1\r\n")
        client.flush()
        source = self.at_cache(account=exporter)
        source.send(b"PUB s.x 2\r\nhi\r\n")
        self.assertEqual(client.message()[3], b"hi")

    @own_promise  # there a lookup writes it again, and a push overwrites anything
    def test_a_file_that_is_damaged_or_none_of_its_own_is_no_account(self):
        self.give(self.claims())
        self.cache.end(signal.SIGKILL)
        stranger, other = Key("A"), Key("A")
        for name, content in (
            (self.file(self.account), "damaged"),
            (self.file(stranger), Key("O").token("account", stranger.text, limits=test_resolver.FREE)),
            (self.file(other), self.claims()),  # of another name
            ("notes.txt", "mine"),
        ):
            with open(os.path.join(self.cached, name), "w", encoding="utf-8") as file:
                file.write(content)
        os.mkdir(os.path.join(self.cached, self.file(Key("A"))))
        os.mkfifo(os.path.join(self.cached, self.file(Key("A"))))
        os.symlink("/etc/passwd", os.path.join(self.cached, self.file(Key("A"))))
        self.cache.start()
        self.refused_at_cache(account=stranger)
        self.refused_at_cache(account=other)
        self.until(self.at_cache)  # looked up, and the file is whole again
        self.until(lambda: self.assertEqual(self.content(self.account).count("."), 2))
        self.assertIn("is not used: its file", "".join(self.cache.lines))

    @own_promise  # there whoever needs it is refused
    def test_a_directory_that_cannot_be_written_lets_them_in_all_the_same_and_says_so(self):
        self.give(self.claims())
        os.mkdir(os.path.join(self.cached, self.file(self.account)))
        self.at_cache()
        self.until(lambda: self.assertIn("is not cached: not written", "".join(self.cache.lines)))

    @own_promise
    def test_an_answer_that_is_no_account_of_the_operator_is_no_answer(self):
        other = Key("A")
        evil = self.admin_client(port=self.full.port)
        evil.send(b"SUB $SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP 9\r\n")
        evil.flush()
        tokens = [b"nonsense", Key("O").token("account", self.account.text, limits=test_resolver.FREE).encode(), self.claims(account=other).encode(), b"x" * 900000]
        for token in tokens:
            client = self.connect(self.user, self.account, port=self.cache.port)
            client.send(b"PING\r\n")
            _, reply, _, _ = evil.message()
            evil.send(b"PUB %s %d\r\n%s\r\n" % (reply, len(token), token))
            evil.flush()
            self.assertIn(test_resolver.REFUSED, client.until_end())
        self.keeps(self.system)


class Bounds(CacheCase):
    cache_options = "limit: 3, ttl: 4s"

    def test_at_most_the_limit_is_kept_and_each_for_its_time(self):
        accounts = [Key("A") for _ in range(4)]
        for account in accounts:
            self.give(self.claims(account=account))
        clients = [self.at_cache(account=account) for account in accounts]
        self.until(lambda: self.assertIn(self.file(accounts[3]), self.kept()))
        kept = self.kept()
        self.assertEqual(kept, sorted(self.file(a) for a in accounts[1:]))  # the least recently used went
        for client in clients:
            self.assertEqual(client.flush(), b"")
        self.at_cache(account=accounts[0])  # what counts stays
        self.keeps()
        for account in accounts:
            self.at_cache(account=account)
        self.assertEqual(self.kept(), [])

    @own_promise  # there files that are too many stay until others take their place
    def test_a_start_keeps_no_more_than_the_limit(self):
        self.cache.end(signal.SIGKILL)
        for account in [Key("A") for _ in range(8)]:
            with open(os.path.join(self.cached, self.file(account)), "w", encoding="utf-8") as file:
                file.write(self.claims(account=account))
        self.cache.start()
        self.until(lambda: self.assertLessEqual(len(self.kept()), 3))


class Full2(CacheCase):
    """Two servers with all accounts."""

    fulls = 2

    def test_one_of_them_is_enough(self):
        self.give(self.claims())
        self.nodes[1].end(signal.SIGKILL)
        self.until(self.at_cache)

    def test_a_member_that_was_away_learns_what_is_new_whomever_it_asks(self):
        self.nodes[1].end(signal.SIGKILL)
        self.give(self.claims())
        self.nodes[1].start()
        self.until(lambda: self.let_in(port=self.nodes[1].port))


class Leaf(test_resolver.ResolverCase):
    """A leaf whose hub has all accounts, with a connection for the system account."""

    def test_it_asks_its_hub(self):
        hub_port = free_port()
        self.start(extra=f"leafnodes {{ listen: '127.0.0.1:{hub_port}' }}")
        hub, self.server = self.server, None
        admin = self.admin_client(port=hub.port)
        self.pushed(admin, self.claims())
        system = Key("U")
        credentials = system.credentials(os.path.join(self.directory, "leaf.creds"), self.system.token("user", system.text, **test_resolver.ANY))
        operator = self.operator.token("operator", self.operator.text, system_account=self.system.text)
        path = os.path.join(self.directory, "leaf.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"server_name: leaf\noperator: {operator}\nresolver {{ type: cache, dir: '{self.directory}/cached' }}\n")
            file.write(f"leafnodes {{ reconnect: '1s', remotes: [{{ url: 'nats-leaf://127.0.0.1:{hub_port}', credentials: '{credentials}', account: {self.system.text} }}] }}\n")
        leaf = Server(("-c", path), jetstream=False)
        self.addCleanup(leaf.__exit__)
        self.server = leaf.__enter__()
        end = time.monotonic() + TRIES_S
        while not os.path.exists(f"{self.directory}/cached/{self.system.text}.jwt") and time.monotonic() < end:
            time.sleep(0.05)
        self.let_in()
        self.refused(account=Key("A"))
        self.pushed_past(admin)

    def pushed_past(self, admin):
        """What the hub is told the leaf is told, too."""
        client = self.let_in(user=Key("U"))
        self.push(admin, self.claims(limits={**test_resolver.FREE, "payload": 3}))
        end = time.monotonic() + TRIES_S
        while time.monotonic() < end and b"-ERR" not in client.received and not client.ended:
            client.send(b"PUB s 4\r\nlong\r\n")
            client.flush()
            time.sleep(0.05)
        self.assertTrue(client.ended)


class Alone(test_resolver.ResolverCase):
    def write_alone(self, options="", preload=True, extra=""):
        operator = self.operator.token("operator", self.operator.text, system_account=self.system.text)
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"operator: {operator}\nresolver {{ type: cache, dir: '{self.store}'\n {options} }}\n{extra}\n")
            if preload:
                file.write(f"resolver_preload: {{ {self.system.text}: {self.system_token()} }}\n")
        return path

    def start_alone(self, *flags, **more):
        server = Server(("-c", self.write_alone(**more), *flags), jetstream="-js" in flags)
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()
        return server

    def test_what_is_preloaded_is_there_and_kept(self):
        self.start_alone()
        self.admin_client()
        self.assertEqual(self.files(), [f"{self.system.text}.jwt"])
        self.refused()

    def test_until_the_system_account_is_known_its_key_may_sign(self):
        self.start_alone(preload=False)
        self.admin_client()
        self.assertIn("Using bootstrapping system account", "".join(self.server.lines))

    def test_a_reload_reads_the_directory_again(self):
        self.start_alone()
        self.refused()
        path = os.path.join(self.store, f"{self.account.text}.jwt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.claims())
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + TRIES_S
        while "Reloaded" not in "".join(self.server.lines) and time.monotonic() < end:
            time.sleep(0.01)
        self.let_in()

    def test_its_options_are_its_own(self):
        for options, why in (
            ("interval: '1s'", "CACHE does not accept sync"),
            ("allow_delete: true", "CACHE does not accept allow_delete"),
            ("hard_delete: false", "CACHE does not accept hard_delete"),
            ("timeout: '0s'", "Fetch timeout 0s is too smal"),
            ("ttl: 'x'", "invalid duration"),
        ):
            with self.subTest(options), self.assertRaises(StartError) as caught:
                with Server(("-c", self.write_alone(options)), jetstream=False):
                    pass
            self.assertIn(why, str(caught.exception))
        for options in ("limit: -1", "interval: '0s', allow_delete: false", "timeout: '5s'", "ttl: '1h', limit: 5"):
            with self.subTest(options), Server(("-c", self.write_alone(options)), jetstream=False):
                pass

    def test_what_cannot_be_a_directory_is_refused(self):
        os.makedirs(os.path.dirname(self.store))
        with open(self.store, "w", encoding="utf-8") as file:
            file.write("x")
        with self.assertRaises(StartError) as caught:
            self.start_alone()
        self.assertIn("dir needs to point to an accessible directory", str(caught.exception))

    @own_promise
    def test_a_member_of_a_cluster_with_streams_does_not_start_so(self):
        with self.assertRaises(StartError) as caught:
            self.start_alone("-js", extra="server_name: a\ncluster { name: C, listen: '127.0.0.1:-1' }")
        self.assertIn("a resolver that caches and JetStream in a cluster are not supported yet", str(caught.exception))


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
