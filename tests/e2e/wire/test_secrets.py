"""Canaries: what was configured or said as a secret appears in no log, no document, no event, no error.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from wire import READ_S, Connection, Requester, own_promise
from serverprocess import BINARY, Server, free_port

CANARY = "canary"  # in every secret
CONFIG = """
server_name: S
http: 127.0.0.1:%d
debug: true
trace: true
trace_verbose: true
accounts {
  A { users: [{user: a, password: "canary-password-a"}], jetstream: enabled }
  SYS { users: [{user: sys, password: "canary-password-sys"}] }
}
system_account: SYS
cluster { name: C, listen: 127.0.0.1:%d, authorization { user: r, password: "canary-route" } }
%s
"""
DOCUMENTS = ("varz", "connz?auth=1&subs=detail&state=all", "accountz?acc=A", "accstatz?unused=1", "jsz?config=1&consumers=1", "routez", "subsz?subs=1", "healthz?details=1")  # fmt: skip


class Canaries(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-secrets-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.http, self.links = free_port(), free_port()

    def write(self, rest=""):
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG % (self.http, self.links, rest))
        return path

    def start(self):
        server = Server(("-c", self.write()))
        self.addCleanup(server.__exit__)
        return server.__enter__()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=READ_S)
        connection.request("GET", "/" + path)
        return connection.getresponse().read().decode()

    @own_promise  # the reference wants routes in such a configuration
    def test_no_secret_appears_anywhere(self):
        server = self.start()
        heard = []
        system = Requester(server.port, user="sys", **{"pass": "canary-password-sys"})
        self.addCleanup(system.__exit__)
        system.send(b"SUB $SYS.ACCOUNT.> 2\r\nSUB $SYS.SERVER.> 3\r\n")
        attempts = (
            {"user": "a", "pass": "canary-password-a"},
            {"user": "a", "pass": "canary-wrong"},
            {"auth_token": "canary-token"},
            {"jwt": "canary-jwt", "sig": "canary-sig"},
            {"user": "a", "pass": "canary-password-a", "protocol": 7},
        )
        for attempt in attempts:
            with Connection(server.port) as client:
                client.connect(**attempt)
                client.send(b"PING\r\nSUB answers.x 1\r\nPING\r\n")
                time.sleep(0.05)
                heard.append(bytes(client.flush()))
        with Connection(server.port) as client:
            client.send(b'CONNECT {"user":"a","pass":"canary-torn\r\nCONNECT {"pass":"canary-again"')
            heard.append(client.until_end())
        for name in ("VARZ", "CONNZ", "JSZ", "ACCOUNTZ", "SUBSZ"):
            system.send(b"PUB $SYS.REQ.SERVER.PING.%s answers.x 0\r\n\r\n" % name.encode())
        time.sleep(0.2)
        heard.append(system.flush())
        heard += [self.get(path).encode() for path in DOCUMENTS]
        self.write("max_payload: -100000000000000000000")
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while "eload" not in server.log():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        for text in heard:
            self.assertNotIn(CANARY, text.decode(errors="replace"))
        server.end(signal.SIGTERM)
        lines = [line for line in server.lines if CANARY in line]
        self.assertEqual(lines, [])

    @own_promise  # the reference shows what it could not read
    def test_what_is_said_of_a_file_that_is_wrong_anywhere_shows_no_secret(self):
        text = """
accounts { A { users: [{user: a, password: "canary-password-a"}] } }
authorization { token: canary-token }
cluster { name: C, listen: 127.0.0.1:1, authorization { user: r, password: canary-route }, routes: ["nats://r:canary-url@127.0.0.1:1"] }
"""
        path = os.path.join(self.directory, "wrong.conf")
        refused = 0
        for at in range(0, len(text), 2):
            for wrong in ("", '"', "\n", "}"):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text[:at] + wrong + text[at + (not wrong) :])
                result = subprocess.run([BINARY, "-t", "-c", path], capture_output=True, text=True, check=False)
                refused += result.returncode != 0
                self.assertNotIn("canary-", result.stdout + result.stderr, (at, wrong))
        self.assertGreater(refused, 100)

    def test_a_reload_of_secrets_shows_none(self):
        path = os.path.join(self.directory, "r.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write('authorization { user: u, password: "canary-old" }\n')
        server = Server(("-c", path, "-DV"))
        self.addCleanup(server.__exit__)
        server.__enter__()
        for rest in ('user: u, password: "canary-new"', 'token: "canary-token"', 'users: [{user: u, password: "canary-users"}]'):
            with open(path, "w", encoding="utf-8") as file:
                file.write("authorization { %s }\n" % rest)
            before = server.log().count("Reloaded server configuration")
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + READ_S
            while server.log().count("Reloaded server configuration") == before:
                self.assertLess(time.monotonic(), end, server.log())
                time.sleep(0.01)
        self.assertNotIn("canary", server.log())


if __name__ == "__main__":
    unittest.main()
