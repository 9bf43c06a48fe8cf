"""Every way to say who we are and where the servers are, against servers that insist: by flags, by the environment, by a
context, and through a SOCKS proxy."""

import base64
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import unittest

from cli import FAILED, REFUSED, UNREACHABLE, USAGE, CliCase

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "wire"))

from claims import Key, crc16  # noqa: E402
from test_tls import make_certificates  # noqa: E402


def seed_of(key):
    """The private half as text: "SU..."."""
    # S, then the kind of key, five bits each.
    raw = bytes([(18 << 3) | (0xA0 >> 5), (0xA0 & 31) << 3]) + key.private[-32:]
    return base64.b32encode(raw + crc16(raw).to_bytes(2, "little")).decode().rstrip("=")


class LoginCase(CliCase):
    """`config` is what the server is told; TMP/ in it is a folder for files (no token or key has a slash)."""

    config = ""

    @classmethod
    def prepare(cls):
        """Fills the folder, and completes the configuration."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="millrace-login-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.prepare()
        path = os.path.join(cls.folder, "c.conf")
        with open(path, "w") as file:
            file.write(cls.config.replace("TMP/", cls.folder + "/"))
        cls.arguments = ("-c", path)
        super().setUpClass()

    def file(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.file(name), "w") as file:
            file.write(text)
        return self.file(name)

    def is_let_in(self, flags, env, context):
        """The same by flags, by the environment, by a context that we saved and by one that `nats` wrote."""
        self.run_cli("pub", "a", "b", *flags)
        self.run_cli("pub", "a", "b", env=env)
        self.run_cli("context", "save", "it", "--server", self.env["NATS_URL"], *flags)
        without = {"NATS_URL": ""}
        self.run_cli("pub", "a", "b", "--context", "it", env=without)
        self.run_cli("pub", "a", "b", env={**without, "NATS_CONTEXT": "it"})
        self.run_cli("context", "select", "it")
        self.run_cli("pub", "a", "b", env=without)
        with open(self.path(".config/nats/context/theirs.json"), "w") as file:
            json.dump({"url": self.env["NATS_URL"], "description": "", **context}, file)
        self.run_cli("pub", "a", "b", "--context", "theirs", env=without)


class Token(LoginCase):
    config = "authorization { token: s3cret }"

    def test_by_the_user_flag_the_url_and_a_context(self):
        self.is_let_in(("--user", "s3cret"), {"NATS_USER": "s3cret"}, {"token": "s3cret"})
        self.run_cli("pub", "a", "b", "-s", f"nats://s3cret@127.0.0.1:{self.server.port}")
        self.fails(REFUSED, "pub", "a", "b", "--user", "wrong", says="[Aa]uthorization", next_says="--user")


class User(LoginCase):
    config = "authorization { users [ {user: me, password: s3cret, permissions: {publish: a, subscribe: [a, '_INBOX.>']}} ] }"

    def test_by_user_and_password(self):
        self.is_let_in(("--user", "me", "--password", "s3cret"), {"NATS_USER": "me", "NATS_PASSWORD": "s3cret"},
                       {"user": "me", "password": "s3cret"})

    def test_what_the_user_may_not_do_is_said(self):
        who = ("--user", "me", "--password", "s3cret")
        self.fails(REFUSED, "pub", "other", "b", *who, says='Permissions Violation for Publish to "other"', next_says="account info")
        self.fails(REFUSED, "sub", "other", *who, says='Permissions Violation for Subscription to "other"')
        self.fails(REFUSED, "stream", "ls", *who, says="Permissions Violation for Publish")


class Nkey(LoginCase):
    @classmethod
    def prepare(cls):
        cls.user = Key("U")
        cls.config = f"authorization {{ users [ {{nkey: {cls.user.text}}} ] }}"

    def test_by_a_seed(self):
        path = self.write("user.nk", seed_of(self.user) + "\n")
        self.is_let_in(("--nkey", path), {"NATS_NKEY": path}, {"nkey": path})
        other = self.write("other.nk", seed_of(Key("U")))
        self.fails(REFUSED, "pub", "a", "b", "--nkey", other, says="[Aa]uthorization")
        self.fails(USAGE, "pub", "a", "b", "--nkey", self.write("bad.nk", "SUnothing"), says="bad.nk holds no seed")
        self.fails(USAGE, "pub", "a", "b", "--nkey", "/nowhere", says="cannot read /nowhere")


class Creds(LoginCase):
    @classmethod
    def prepare(cls):
        free = {"conn": -1, "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "leaf": -1, "wildcards": True}
        operator, cls.account, cls.user = Key("O"), Key("A"), Key("U")
        account = operator.token("account", cls.account.text, limits=free)
        cls.config = (f"operator: {operator.token('operator', operator.text)}\nresolver: MEMORY\n"
                      f"resolver_preload: {{ {cls.account.text}: {account} }}\n")
        cls.any = {"subs": -1, "data": -1, "payload": -1}

    def creds(self, token, key):
        return (f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
                f"-----BEGIN USER NKEY SEED-----\n{seed_of(key)}\n------END USER NKEY SEED------\n")

    def test_by_a_file_of_credentials(self):
        token = self.account.token("user", self.user.text, **self.any)
        path = self.write("user.creds", self.creds(token, self.user))
        self.is_let_in(("--creds", path), {"NATS_CREDS": path}, {"creds": path})
        expired = self.account.token("user", self.user.text, expires=1, **self.any)
        self.fails(REFUSED, "pub", "a", "b", "--creds", self.write("old.creds", self.creds(expired, self.user)),
                   says="[Aa]uthorization|[Ee]xpired")
        self.fails(USAGE, "pub", "a", "b", "--creds", self.write("half.creds", "x"), says="half.creds holds no JWT")

    def test_files_of_a_context_may_be_at_home(self):
        token = self.account.token("user", self.user.text, **self.any)
        with open(self.path("u.creds"), "w") as file:
            file.write(self.creds(token, self.user))
        self.run_cli("context", "save", "home", "--creds", "~/u.creds")
        self.run_cli("pub", "a", "b", "--context", "home")

    def test_a_bearer_needs_no_key(self):
        token = self.account.token("user", self.user.text, bearer_token=True, **self.any)
        os.makedirs(self.path(".config/nats/context"))
        with open(self.path(".config/nats/context/bearer.json"), "w") as file:
            json.dump({"user_jwt": token}, file)
        self.run_cli("pub", "a", "b", "--context", "bearer")


class Tls(LoginCase):
    config = 'tls { cert_file: "TMP/srv.pem", key_file: "TMP/srv-key.pem", ca_file: "TMP/ca.pem", verify: true }'

    @classmethod
    def prepare(cls):
        make_certificates(cls.folder)

    def test_by_a_certificate(self):
        files = [self.file(name) for name in ("cli.pem", "cli-key.pem", "ca.pem")]
        self.is_let_in(("--tlscert", files[0], "--tlskey", files[1], "--tlsca", files[2]),
                       {"NATS_CERT": files[0], "NATS_KEY": files[1], "NATS_CA": files[2]},
                       {"cert": files[0], "key": files[1], "ca": files[2]})

    def test_a_server_that_nobody_vouches_for_and_a_missing_certificate_are_refused(self):
        ca, alone = self.file("ca.pem"), self.file("alone.pem")
        pair = ("--tlscert", self.file("cli.pem"), "--tlskey", self.file("cli-key.pem"))
        self.fails(UNREACHABLE, "pub", "a", "b", *pair, "--tlsca", alone, says="certificate")
        self.fails(UNREACHABLE, "pub", "a", "b", "--tlsca", ca, says="")
        self.fails(USAGE, "pub", "a", "b", "--tlscert", pair[1], says="need each other")
        self.fails(USAGE, "pub", "a", "b", "--tlsca", "/nowhere", says="/nowhere")


class TlsPassword(LoginCase):
    config = ('tls { cert_file: "TMP/srv.pem", key_file: "TMP/srv-key.pem" }\n'
              'authorization { users: [{ user: u, password: p }] }')

    @classmethod
    def prepare(cls):
        make_certificates(cls.folder)

    def test_a_refusal_is_heard_though_the_connection_ends_with_it(self):
        ca = self.file("ca.pem")
        self.run_cli("pub", "a", "b", "--tlsca", ca, "--user", "u", "--password", "p")
        for who in ((), ("--user", "u", "--password", "wrong")):
            self.fails(REFUSED, "pub", "a", "b", "--tlsca", ca, *who, says="Authorization Violation")
        self.fails(FAILED, "request", "x" * 5000, "b", "--tlsca", ca, "--user", "u", "--password", "p",
                   says="maximum control line exceeded")


class TlsFirst(LoginCase):
    config = 'tls { cert_file: "TMP/srv.pem", key_file: "TMP/srv-key.pem", handshake_first: true }'

    @classmethod
    def prepare(cls):
        make_certificates(cls.folder)

    def test_before_the_greeting(self):
        ca = self.file("ca.pem")
        self.run_cli("pub", "a", "b", "--tlsca", ca, "--tlsfirst")
        self.run_cli("context", "save", "first", "--tlsca", ca, "--tlsfirst")
        self.run_cli("pub", "a", "b", "--context", "first")
        self.fails(UNREACHABLE, "pub", "a", "b", "--tlsca", ca, "--timeout", "1s", says="does not greet|hung up|no NATS")


class Proxy(threading.Thread):
    """A SOCKS5 proxy for one target, which counts who came through. `login` is (user, password) or None."""

    def __init__(self, port, login=None, answer=0):
        super().__init__(daemon=True)
        self.target, self.login, self.answer, self.through, self.names = port, login, answer, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rb") as stream:
            try:
                if self.greet(client, stream.read):
                    self.relay(client)
            except (IndexError, OSError, ValueError):
                pass  # it hung up

    def greet(self, client, read):
        wanted = 2 if self.login else 0
        version, count = read(2)
        accepted = version == 5 and wanted in read(count)
        client.sendall(bytes([5, wanted if accepted else 255]))
        if self.login and accepted:
            read(1)
            accepted = [read(read(1)[0]).decode() for _ in range(2)] == list(self.login)
            client.sendall(bytes([1, not accepted]))
        if not accepted:
            return False
        read(4)
        self.names.append(read(read(1)[0]).decode())
        read(2)
        client.sendall(bytes([5, self.answer, 0, 1, 0, 0, 0, 0, 0, 0]))
        return self.answer == 0

    def relay(self, client):
        self.through += 1
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            back = threading.Thread(target=self.pump, args=(server, client), daemon=True)
            back.start()
            self.pump(client, server)
            back.join()

    @staticmethod
    def pump(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Socks(CliCase):
    def proxy(self, **more):
        proxy = Proxy(self.server.port, **more)
        self.addCleanup(proxy.listener.close)
        return proxy

    def test_a_proxy_is_taken_from_flag_environment_and_context(self):
        proxy = self.proxy()
        url = f"socks5://127.0.0.1:{proxy.port}"
        far = "nats://far.away.example:4222"
        self.run_cli("pub", "a", "b", "--socks-proxy", url, "-s", far)
        self.run_cli("pub", "a", "b", env={"NATS_SOCKS_PROXY": url, "NATS_URL": far})
        self.run_cli("context", "save", "p", "--socks-proxy", url, "--server", far)
        self.run_cli("stream", "ls", "--context", "p", env={"NATS_URL": ""})
        self.assertEqual(proxy.through, 3)
        self.assertEqual(set(proxy.names), {"far.away.example"})

    def test_one_that_wants_a_password_gets_it(self):
        proxy = self.proxy(login=("me", "s3cret"))
        at = f"127.0.0.1:{proxy.port}"
        self.run_cli("pub", "a", "b", "--socks-proxy", f"socks5://me:s3cret@{at}")
        self.fails(UNREACHABLE, "pub", "a", "b", "--socks-proxy", f"socks5://{at}", says="it wants a user and a password")
        self.fails(UNREACHABLE, "pub", "a", "b", "--socks-proxy", f"socks5://me:no@{at}", says="does not take this user")

    def test_what_it_refuses_is_said(self):
        at = f"127.0.0.1:{self.proxy(answer=5).port}"
        self.fails(UNREACHABLE, "pub", "a", "b", "--socks-proxy", at, says="SOCKS proxy 127.0.0.1:.*: nobody listens there")
        self.fails(UNREACHABLE, "pub", "a", "b", "--socks-proxy", f"127.0.0.1:{self.server.port}", says="it is no SOCKS5 proxy")
        self.fails(UNREACHABLE, "pub", "a", "b", "--socks-proxy", "127.0.0.1:1", says="no SOCKS proxy at 127.0.0.1:1")
        self.fails(USAGE, "pub", "a", "b", "--socks-proxy", "http://x", says="no SOCKS proxy")

    def test_a_wrong_address_is_said_without_its_password(self):
        wrong = "me:s3cret@host:port"
        said = self.fails(USAGE, "pub", "a", "b", "--socks-proxy", f"socks5://{wrong}", says='"host:port" is no SOCKS proxy')
        self.assertNotIn("s3cret", said.stderr)
        said = self.fails(USAGE, "pub", "a", "b", "-s", f"nats://{wrong}", says='"host:port" is no address')
        self.assertNotIn("s3cret", said.stderr)


if __name__ == "__main__":
    unittest.main()
