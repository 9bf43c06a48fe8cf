"""Accounts of operators that a web server has (`resolver: URL(...)`). What is no own promise holds for the reference, too."""

import http.server
import json
import os
import shutil
import signal
import ssl
import tempfile
import threading
import time
import unittest

from claims import Key, url
from wire import READ_S, Connection, own_promise  # finds serverprocess
from serverprocess import Server, StartError, free_port, is_millrace
from test_operator import ANY, FREE, REFUSED
from test_tls import make_certificates


class Web:
    """Serves what `tokens` has, in the manner of `how`."""

    def __init__(self, certificates=None):
        self.tokens, self.asked, self.how = {}, [], "plain"
        self.hung = threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                web.serve(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who asks may go
        self.scheme = "http"
        if certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificates)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.hung.set()
        self.server.shutdown()
        self.server.server_close()

    def serve(self, request):
        name = request.path.rsplit("/", 1)[1]
        self.asked.append(request.path)
        body = self.tokens.get(name, "").encode()
        if name == "":
            body = b"here"
        if self.how == "hang" and name:
            self.hung.wait(60)
        request.close_connection = True
        if not body:
            request.send_error(404)
        elif self.how == "chunks" and name:
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            for at in range(0, len(body), 100):
                piece = body[at:at + 100]
                request.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            request.wfile.write(b"0\r\n\r\n")
        elif self.how == "large" and name:
            request.send_response(200)
            request.end_headers()
            try:
                request.wfile.write(body + b" " * (8 << 20))
            except OSError:
                pass
        else:
            request.send_response(200)
            if self.how == "plain":
                request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

    def asked_for(self, key):
        return sum(path.endswith("/" + key.text) for path in self.asked)


class UrlCase(unittest.TestCase):
    flags = ()
    certificates = None

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-url-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.operator, self.system, self.account = Key("O"), Key("A"), Key("A")
        self.admin, self.user = Key("U"), Key("U")
        self.web = Web(self.certificates)
        self.addCleanup(self.web.close)
        self.put(self.system)
        self.late = 0

    def claims(self, account, by=None, **claims):
        return (by or self.operator).token("account", account.text, **{"limits": FREE, **claims})

    def put(self, account, **claims):
        self.web.tokens[account.text] = token = self.claims(account, **claims)
        return token

    def write(self, where=None, extra=""):
        operator = self.operator.token("operator", self.operator.text, system_account=self.system.text)
        where = where or f"{self.web.scheme}://127.0.0.1:{self.web.port}/jwt/v1/accounts/"
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"operator: {operator}\nresolver: URL({where})\n{extra}\n")
        return path

    def start(self, **config):
        server = Server(("-c", self.write(**config), *self.flags), jetstream=False)
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()
        return server

    def connect(self, user=None, account=None, signs=None, **claims):
        user, account = user or self.user, account or self.account
        client = Connection(self.server.port)
        self.addCleanup(client.__exit__)
        nonce = client.info()["nonce"].encode()
        token = account.token("user", user.text, **{**ANY, **claims})
        client.connect(pedantic=False, headers=True, no_responders=True, jwt=token, sig=url((signs or user).sign(nonce)).decode())
        return client

    def let_in(self, *args, **more):
        """A web server on a busy machine may be late: then again."""
        for _ in range(20):
            client = self.connect(*args, **more)
            said = client.flush()
            if b"-ERR" not in said:
                return client
            self.late += 1
        self.fail(said)

    def refused_saying(self, why):
        """Nobody is let in, and once the log says why: a busy machine may be late, which it says instead."""
        end = time.monotonic() + 60
        while True:
            self.refused()
            if why in "".join(self.server.lines) or time.monotonic() > end:
                break
            time.sleep(0.05)
        self.assertIn(why, "".join(self.server.lines))

    def refused(self, *args, **more):
        client = self.connect(*args, **more)
        client.send(b"PING\r\n")
        self.assertIn(REFUSED, client.until_end())


class Url(UrlCase):
    def test_an_account_is_looked_up_once_when_its_first_user_comes(self):
        self.start()
        self.put(self.account)
        self.assertEqual(self.web.asked_for(self.account), 0)
        a = self.let_in()
        b = self.let_in(Key("U"))
        a.send(b"SUB s 1\r\n")
        a.flush()
        b.send(b"PUB s 2\r\nhi\r\n")
        self.assertEqual(a.message()[3], b"hi")
        self.assertLessEqual(self.web.asked_for(self.account), 1 + self.late)
        self.assertIn(f"/jwt/v1/accounts/{self.account.text}", self.web.asked)

    def test_what_nobody_has_or_no_operator_has_signed_lets_nobody_in(self):
        self.start()
        self.refused()
        self.web.tokens[self.account.text] = self.claims(self.account, by=Key("O"))
        self.refused()
        other = Key("A")
        self.web.tokens[self.account.text] = self.claims(other)
        self.refused()
        self.web.tokens[self.account.text] = "nonsense"
        self.refused()
        self.put(self.account)  # and then it is there
        self.let_in()

    def test_a_user_that_the_account_has_not_signed_or_that_cannot_prove_it_is_refused(self):
        self.start()
        self.put(self.account)
        self.refused(signs=Key("U"))
        stranger = Key("A")
        self.refused(account=stranger)
        self.let_in()

    def test_an_answer_in_chunks_or_without_a_length(self):
        self.start()
        for how in ("chunks", "to the end"):
            self.web.how = how
            account = Key("A")
            self.put(account)
            self.let_in(account=account)

    def test_limits_and_revocations_of_the_account_hold(self):
        self.start()
        self.put(self.account, limits={**FREE, "subs": 1}, revocations={self.admin.text: int(time.time()) + 10})
        self.refused(self.admin)
        client = self.let_in()
        client.send(b"SUB a 1\r\nSUB b 2\r\n")
        self.assertIn(b"maximum subscriptions exceeded", client.flush())

    def test_what_the_system_account_is_told_of_an_account_that_is_known_holds_at_once(self):
        self.start()
        self.put(self.account)
        client = self.let_in()
        admin = self.let_in(self.admin, self.system)
        admin.send(b"SUB in 1\r\n")
        token = self.claims(self.account, revocations={self.user.text: int(time.time()) + 10})
        admin.send(b"PUB $SYS.REQ.ACCOUNT.%s.CLAIMS.UPDATE in %d\r\n" % (self.account.text.encode(), len(token)) + token.encode() + b"\r\n")
        answer = json.loads(admin.message()[3])
        self.assertEqual(answer["data"], {"account": self.account.text, "code": 200, "message": "jwt updated"})
        client.send(b"PING\r\n")
        self.assertIn(b"-ERR", client.until_end())
        unknown = Key("A")
        token = self.claims(unknown)
        admin.send(b"PUB $SYS.REQ.ACCOUNT.%s.CLAIMS.UPDATE in %d\r\n" % (unknown.text.encode(), len(token)) + token.encode() + b"\r\n")
        answer = json.loads(admin.message()[3])
        self.assertEqual(answer["data"], {"account": unknown.text, "code": 200, "message": "jwt update skipped"})

    def test_an_account_that_has_expired_is_looked_up_again(self):
        self.start()
        self.web.tokens[self.account.text] = self.operator.token("account", self.account.text, expires=time.time() + 2, limits=FREE)
        client = self.let_in()
        client.read_s = 10
        self.assertIn(b"Expired", client.until_end())
        self.put(self.account)
        self.let_in()

    def test_what_an_account_imports_from_is_looked_up_too(self):
        exporter = Key("A")
        self.put(exporter, exports=[{"name": "s", "subject": "s.>", "type": "stream"}])
        self.put(self.account, imports=[{"name": "s", "subject": "s.>", "account": exporter.text, "type": "stream"}])
        self.start()
        client = self.let_in()
        client.send(b"SUB s.> 1\r\n")
        client.flush()
        end = time.monotonic() + READ_S
        while self.web.asked_for(exporter) == 0 and time.monotonic() < end:
            time.sleep(0.01)
        source = self.let_in(account=exporter)
        source.send(b"PUB s.x 2\r\nhi\r\n")
        self.assertEqual(client.message()[3], b"hi")
        self.assertLessEqual(self.web.asked_for(exporter), 1 + self.late)

    @own_promise
    def test_nobody_waits_for_a_web_server_that_does_not_answer_but_those_who_need_it(self):
        self.start()
        known = Key("A")
        self.put(known)
        self.put(self.account)
        self.let_in(account=known)
        self.web.how = "hang"
        waiting = [self.connect(Key("U")) for _ in range(50)]
        for _ in range(20):
            self.let_in(Key("U"), known)
        for client in waiting:
            client.send(b"PING\r\n")
        self.assertLess(self.web.asked_for(self.account), 25)  # most wait together
        for client in waiting:
            self.assertIn(b"-ERR", client.until_end())
        self.web.how = "plain"
        self.let_in()

    @own_promise
    def test_who_waits_may_go(self):
        self.start()
        self.web.how = "hang"
        for _ in range(5):
            client = self.connect(Key("U"))
            client.leave()
        self.web.how = "plain"
        account = Key("A")
        self.put(account)
        self.let_in(account=account)

    @own_promise
    def test_an_answer_that_is_too_large_is_none(self):
        self.start()
        self.put(self.account)
        self.web.how = "large"
        self.refused_saying("the answer is too large")

    @own_promise
    def test_without_the_web_server_it_starts_and_says_so(self):
        self.web.close()
        self.start()
        self.refused_saying("could not fetch")

    @own_promise
    def test_a_reload_keeps_those_that_are_known_and_cannot_ask_another(self):
        server = self.start()
        self.put(self.account)
        client = self.let_in()
        self.write(extra="max_payload: 100")
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while "Reloaded" not in "".join(server.lines) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(client.flush(), b"")
        self.let_in(Key("U"))
        self.assertLessEqual(self.web.asked_for(self.account), 1 + self.late)
        self.write(where="http://127.0.0.1:1/")
        server.process.send_signal(signal.SIGHUP)
        while "Failed to reload" not in "".join(server.lines) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertIn("does not support moving to or from an account resolver", "".join(server.lines))


class UrlStreams(UrlCase):
    def ask(self, client, subject, body=b""):
        client.send(b"PUB $JS.API.%s in %d\r\n%s\r\n" % (subject, len(body), body))
        return json.loads(client.message()[3])

    def member(self):
        client = self.let_in()
        client.send(b"SUB in 1\r\n")
        client.flush()
        return client

    def test_streams_of_an_account_are_there_again_when_it_is_looked_up(self):
        self.put(self.account, limits={**FREE, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1})
        server = Server(("-c", self.write(), "-js"), jetstream=True)
        self.addCleanup(server.__exit__)
        self.server = server.__enter__()
        client = self.member()
        self.assertNotIn("error", self.ask(client, b"STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"]}'))
        client.send(b"PUB s.1 in 2\r\nhi\r\n")
        self.assertEqual(json.loads(client.message()[3])["seq"], 1)
        server.end(signal.SIGKILL)
        server.start()
        client = self.member()
        end = time.monotonic() + READ_S
        while time.monotonic() < end:
            answer = self.ask(client, b"STREAM.INFO.S")
            if "error" not in answer:
                break
        self.assertEqual(answer["state"]["messages"], 1)


    @own_promise
    def test_a_member_of_a_cluster_with_streams_does_not_start_so(self):
        path = self.write(extra="server_name: a\ncluster { name: C, listen: '127.0.0.1:-1' }")
        with self.assertRaises(StartError) as caught:
            with Server(("-c", path, "-js"), jetstream=True):
                pass
        self.assertIn("a resolver by URL and JetStream in a cluster are not supported yet", str(caught.exception))


class UrlLeaf(UrlCase):
    def test_a_leaf_comes_with_claims_of_an_account_that_is_looked_up(self):
        self.put(self.account)
        port = free_port()
        self.start(extra=f"leafnodes {{ listen: '127.0.0.1:{port}' }}")
        credentials = self.user.credentials(os.path.join(self.directory, "leaf.creds"), self.account.token("user", self.user.text, **ANY))
        path = os.path.join(self.directory, "leaf.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"leafnodes {{ reconnect: 1, remotes: [{{ url: 'nats-leaf://127.0.0.1:{port}', credentials: '{credentials}' }}] }}\n")
        leaf = Server(("-c", path), jetstream=False)
        self.addCleanup(leaf.__exit__)
        leaf.__enter__()
        there = Connection(leaf.port)
        self.addCleanup(there.__exit__)
        there.connect(headers=True, no_responders=True)
        here = self.let_in(Key("U"))
        here.send(b"SUB s 1\r\n")
        here.flush()
        there.send(b"SUB in 1\r\n")
        for _ in range(300):
            there.send(b"PUB s in 2\r\nhi\r\n")
            if b"MSG in" not in there.flush():  # somebody is there
                break
            time.sleep(0.1)
        self.assertEqual(here.message()[3], b"hi")

    def test_one_of_an_account_that_nobody_has_is_refused(self):
        port = free_port()
        self.start(extra=f"leafnodes {{ listen: '127.0.0.1:{port}' }}")
        credentials = self.user.credentials(os.path.join(self.directory, "leaf.creds"), self.account.token("user", self.user.text, **ANY))
        path = os.path.join(self.directory, "leaf.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"leafnodes {{ reconnect: 1, remotes: [{{ url: 'nats-leaf://127.0.0.1:{port}', credentials: '{credentials}' }}] }}\n")
        leaf = Server(("-c", path), jetstream=False)
        self.addCleanup(leaf.__exit__)
        leaf.__enter__()
        end = time.monotonic() + 60
        while "Authorization Violation" not in "".join(leaf.lines) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertIn("Authorization Violation", "".join(leaf.lines))


@unittest.skipUnless(is_millrace(), "shards are ours")
class UrlShards(Url):
    flags = ("--shards", "3")


class UrlTls(UrlCase):
    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.mkdtemp(prefix="millrace-url-")
        cls.addClassCleanup(shutil.rmtree, cls.made, ignore_errors=True)
        make_certificates(cls.made)
        cls.certificates = (os.path.join(cls.made, "srv.pem"), os.path.join(cls.made, "srv-key.pem"))

    def test_over_tls_it_has_to_show_a_certificate(self):
        self.put(self.account)
        self.start(extra=f'resolver_tls {{ ca_file: "{self.made}/ca.pem" }}')
        self.let_in()

    @own_promise
    def test_one_that_nobody_has_signed_is_not_believed(self):
        self.put(self.account)
        self.start(extra=f'resolver_tls {{ ca_file: "{self.made}/alone.pem" }}')
        self.refused_saying("TLS: ")
        self.assertEqual(self.web.asked, [])


if __name__ == "__main__":
    unittest.main()
