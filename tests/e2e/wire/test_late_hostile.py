"""A start whose streams are large, in a hostile environment: killed, stopped and reloaded in the midst of opening them,
again and again, while clients ask for all at once. What was acknowledged is there afterwards."""

import json
import os
import random
import signal
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from wire import Requester  # finds serverprocess
from ports import free_port
from serverprocess import Server

HEAVY, LIGHT = 3, 12
MESSAGES = 120_000  # of a heavy one: more than one step's work
ROUNDS = int(os.environ.get("LATE_ROUNDS", "12"))


def names():
    return [f"H{i}" for i in range(HEAVY)] + [f"L{i}" for i in range(LIGHT)]


def fill(server):
    with Requester(server.port) as client:
        for name in names():
            made = client.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"{name}.>"], "allow_direct": True})
            assert "error" not in made, made
            made = client.api(f"CONSUMER.CREATE.{name}.c", {"stream_name": name, "config": {
                "durable_name": "c", "ack_policy": "explicit"}})
            assert "error" not in made, made
            for _ in range(0, MESSAGES if name[0] == "H" else 0, 1000):
                client.send(b"".join(b"PUB %s.x 20\r\n01234567890123456789\r\n" % name.encode() for _ in range(1000)))
            client.publish(name.encode() + b".x", b"last")


class Oracle:
    """What was acknowledged, and confirmed to be acked."""

    def __init__(self, client):
        self.lock = threading.Lock()
        self.wrong = []
        self.last = {name: client.api(f"STREAM.INFO.{name}")["state"]["last_seq"] for name in names()}
        self.floor = dict.fromkeys(names(), 0)

    def published(self, name, seq):
        with self.lock:
            if seq <= self.last[name]:
                self.wrong.append(f"{name}: {seq} was acknowledged after {self.last[name]}")
            self.last[name] = seq

    def check(self, case, client):
        case.assertEqual(self.wrong, [])
        for name in names():
            state = client.api(f"STREAM.INFO.{name}")["state"]
            case.assertGreaterEqual(state["last_seq"], self.last[name], name)
            case.assertEqual(state["messages"], state["last_seq"], name)  # none is missing
            floor = client.api(f"CONSUMER.INFO.{name}.c")["ack_floor"]["stream_seq"]
            case.assertGreaterEqual(floor, self.floor[name], name)
            self.last[name], self.floor[name] = state["last_seq"], floor


def use(client, oracle, name):
    """Publishes, and takes and acks one message of its consumer."""
    answer = client.publish(name.encode() + b".x", b"new")
    oracle.published(name, answer["seq"])
    client.serial += 1
    client.send(b'PUB $JS.API.CONSUMER.MSG.NEXT.%s.c %s.%d 26\r\n{"batch":1,"no_wait":true }\r\n'
                % (name.encode(), client.inbox, client.serial))
    _, reply, head, _ = client.message()
    if not reply:
        return
    client.ask(reply, b"+ACK")
    seq = int(reply.split(b".")[5])
    with oracle.lock:
        if seq == oracle.floor[name] + 1:
            oracle.floor[name] = seq


def hammer(port, number, oracle, stop):
    """Until the server is gone. Every client has streams of its own, so that it knows their sequences."""
    mine = names()[number::4]
    prng = random.Random(number)
    try:
        with Requester(port, b"in%d" % number, read_s=30) as client:
            while not stop.is_set():
                use(client, oracle, prng.choice(mine))
                client.api(prng.choice(["STREAM.LIST", "STREAM.NAMES", "INFO", f"STREAM.INFO.{prng.choice(mine)}",
                                        f"CONSUMER.LIST.{prng.choice(mine)}"]))
    except (OSError, EOFError, KeyError, AssertionError, ValueError, IndexError):
        pass  # the server is gone, or refuses what a reload forbids


def probe(port, stop):
    while not stop.is_set():
        for path in ("/healthz", "/jsz", "/metrics"):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10).read()
            except (urllib.error.URLError, OSError):
                pass


class Hostile(unittest.TestCase):
    def setUp(self):
        self.prng = random.Random(os.environ.get("LATE_SEED", "4"))
        self.config = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self.addCleanup(self.config.close)
        self.limit(1 << 40)
        self.http = free_port()

    def limit(self, most):
        self.config.seek(0)
        self.config.truncate()
        self.config.write(f"jetstream {{ max_file_store: {most} }}\naccounts {{ A {{ jetstream: {{ max_file: {most} }}\n"
                          f"users: [ {{ user: a, password: a }} ] }} }}\nno_auth_user: a\n")
        self.config.flush()

    def disturb(self, server, kind):
        """Some time after the server is ready, which is somewhere in the opening."""
        stop = threading.Event()
        threads = [threading.Thread(target=hammer, args=(server.port, n, self.oracle, stop)) for n in range(4)]
        threads.append(threading.Thread(target=probe, args=(self.http, stop)))
        for thread in threads:
            thread.start()
        stop.wait(self.prng.choice([0, 0.01, 0.05, 0.2, 0.3, 0.4, 0.6]))
        if kind == "reload":
            self.limit(1 << 20)  # less than there is
            server.process.send_signal(signal.SIGHUP)
            stop.wait(self.prng.choice([0.01, 0.3]))
            self.limit(1 << 40)
            server.process.send_signal(signal.SIGHUP)
            stop.wait(0.3)
        if kind == "lame duck":
            server.process.send_signal(signal.SIGUSR2)
            stop.wait(self.prng.choice([0.1, 1]))
        code = server.end(signal.SIGTERM if kind == "term" else signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        if kind == "term":
            self.assertIn(code, (0, 1), server.log())

    def test_whatever_comes_in_the_midst_loses_nothing(self):
        with Server(["-c", self.config.name, "-m", str(self.http)]) as server:
            fill(server)
            with Requester(server.port) as client:
                self.oracle = Oracle(client)
            server.end(signal.SIGKILL)
            for n in range(ROUNDS):
                server.start()
                self.disturb(server, ["kill", "term", "reload", "kill", "lame duck", "kill"][n % 6])
                if n % 3 == 2:
                    server.start()
                    with Requester(server.port) as client:
                        self.oracle.check(self, client)
                    server.end(signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
