"""Clients of every kind that move between shards all the time (docs/shards.md, Moving): nothing of theirs is lost,
doubled or out of order, and nothing is left behind. MILLRACE_MOVES=100000 makes it that many moves."""

import json
import os
import shutil
import signal
import tempfile
import time
import unittest
import urllib.request
from collections import Counter, defaultdict

from doors import Door, Framed, Secured, Squeezed, SqueezedSecured
from wire import READ_S, Requester  # finds serverprocess
from serverprocess import START_S, Server, free_port, is_millrace
from test_tls import make_certificates

MOVES = int(os.environ.get("MILLRACE_MOVES", "2000"))
BURST = 5
NOBODY = b"NATS/1.0 503\r\nNats-Subject: nobody.there\r\n\r\n"
CONFIG = """
http: 127.0.0.1:{http}
tls {{ cert_file: "{dir}/srv.pem", key_file: "{dir}/srv-key.pem" }}
allow_non_tls: true
websocket {{ host: 127.0.0.1, port: {web}, compression: true, {secure} }}
accounts {{
  A {{ jetstream: enabled, users: [
    {{user: a, password: a}}
    {{user: bound, password: b, permissions: {{publish: {{deny: "denied.>"}}, subscribe: {{deny: "secret.>"}}}}}}
    {{user: answers, password: c, permissions: {{publish: {{deny: ">"}}, allow_responses: {{max: 1, expires: "5m"}}}}}} ] }}
}}
"""
PASSWORDS = {"a": "a", "bound": "b", "answers": "c"}


class Mover:
    """One client, and what it has heard and said."""

    def __init__(self, door, number, user):
        self.door, self.number, self.user = door, number, user
        self.verbose = number == 1
        self.heard = defaultdict(list)
        self.errors, self.oks, self.commands, self.asked = [], 0, 0, []
        self.published, self.received = 0, 0
        said = {"user": user, "pass": PASSWORDS[user], "verbose": self.verbose, "pedantic": number == 2, "headers": True, "no_responders": True}
        self.say(b"CONNECT " + json.dumps(said).encode() + b"\r\n")

    def say(self, *lines):
        for line in lines:
            self.commands += 1
            self.published += line.startswith((b"PUB", b"HPUB"))
        self.door.send(b"".join(lines))

    def until_pong(self):
        """Takes everything up to the answer of a PING."""
        self.door.send(b"PING\r\n")
        while (line := self.door.line()) != b"PONG\r\n":
            self.take(line)

    def take(self, line):
        assert line, (self.number, "was disconnected")
        if line.startswith((b"MSG", b"HMSG")):
            words = line.split()
            head = int(words[-2]) if line.startswith(b"H") else 0
            body = self.door.exactly(int(words[-1]) + 2)[:-2]
            self.received += not body.startswith(b"NATS/1.0 503")  # which are not counted
            if words[1].startswith(b"ask."):
                self.asked.append(words[3])
            self.heard[words[1].decode()].append(body[:head] + body[head:])
        elif line == b"+OK\r\n":
            self.oks += 1
        elif line.startswith(b"-ERR"):
            self.errors.append(line)
        else:
            assert line.startswith(b"INFO "), line


def pub(subject, body, reply="", headers=False):
    body = body.encode()
    if not headers:
        return f"PUB {subject} {reply} {len(body)}\r\n".encode() + body + b"\r\n"
    head = b"NATS/1.0\r\nA: b\r\n\r\n"
    return f"HPUB {subject} {reply} {len(head)} {len(head) + len(body)}\r\n".encode() + head + body + b"\r\n"


@unittest.skipUnless(is_millrace(), "shards are ours")
class Moves(unittest.TestCase):
    SECURE = "no_tls: true"
    KINDS = (Door, Secured, Framed, Squeezed)

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-moves-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        make_certificates(self.directory)
        self.http, self.web = free_port(), free_port()
        path = os.path.join(self.directory, "c.conf")
        secure = self.SECURE.format(dir=self.directory)
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(http=self.http, web=self.web, dir=self.directory, secure=secure))
        self.server = Server(["-D", "-c", path])
        self.server.environment = {**os.environ, "MILLRACE_SHARDS_TEST": "storm"}
        self.addCleanup(self.server.__exit__)
        self.server.__enter__()

    def document(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}", timeout=START_S) as answer:
            return json.load(answer)

    def moves(self):
        return sum("Goes from shard" in line for line in self.server.lines)

    def join(self, number, user):
        kind = self.KINDS[number % len(self.KINDS)]
        mover = Mover(kind(self.web if issubclass(kind, Framed) else self.server.port), number, user)
        self.addCleanup(mover.door.socket.close)
        mover.say(b"SUB all.* 1\r\n", b"SUB one.* q 2\r\n", f"SUB in.{number}.* 3\r\n".encode())
        if user == "answers":
            mover.say(b"SUB ask.* r 4\r\n")
        if user == "bound":
            mover.say(b"SUB secret.x 5\r\n")
        mover.until_pong()
        return mover

    # --- one round

    def speak(self, mover, count):
        n, lines = mover.number, []
        for k in range(count, count + BURST):
            lines += [pub(f"all.{n}", str(k), headers=k % 2 == 1), pub(f"one.{n}", str(k)), pub("ask.x", f"{n} {k}", f"in.{n}.a{k}")]
            lines += [pub("nobody.there", "", f"in.{n}.n{k}"), pub(f"s.{n}", str(k), f"in.{n}.s{k}"), pub("secret.x", "")]
        sub = f"SUB tmp.{n} x{count}\r\nUNSUB x{count} 2\r\n".encode()
        lines += [sub, *[pub(f"tmp.{n}", str(k)) for k in range(3)]]
        mover.commands += 1  # two in one
        if mover.user == "bound":
            lines.append(pub("denied.x", "no"))
        mover.say(*lines)

    def round(self, movers, count):
        speakers = [mover for mover in movers if mover.user != "answers"]
        for mover in speakers:
            self.speak(mover, count)
        for _ in range(2):  # all have said it, and then all have heard it
            for mover in movers:
                mover.until_pong()
        for mover in movers:
            mover.say(*[f"PUB {reply.decode()} 2\r\nre\r\n".encode() for reply in mover.asked])
            mover.asked = []
            mover.until_pong()
        end = time.monotonic() + READ_S
        for mover in speakers:
            while not self.answered(mover, count) and time.monotonic() < end:
                mover.until_pong()
        self.check(movers, speakers, count)

    @staticmethod
    def answered(mover, count):
        return all(f"in.{mover.number}.{kind}{k}" in mover.heard for kind in "ans" for k in range(count, count + BURST))

    def check(self, movers, speakers, count):
        numbers = range(count, count + BURST)
        taken = Counter()
        for mover in movers:
            n, heard = mover.number, mover.heard
            for other in speakers:
                expected = [b"NATS/1.0\r\nA: b\r\n\r\n%d" % k if k % 2 else b"%d" % k for k in numbers]
                self.assertEqual(heard.pop(f"all.{other.number}", None), expected, (n, other.number))
                taken.update((other.number, int(k)) for k in heard.pop(f"one.{other.number}", ()))
            heard.pop("ask.x", None)
            if mover in speakers:
                self.assertEqual(heard.pop(f"tmp.{n}", None), [b"0", b"1"], n)
                for k in numbers:
                    self.assertEqual(heard.pop(f"in.{n}.a{k}", None), [b"re"], (n, k))
                    self.assertEqual(heard.pop(f"in.{n}.n{k}", None), [NOBODY], (n, k))
                    self.acks += [json.loads(body)["seq"] for body in heard.pop(f"in.{n}.s{k}", ())]
            self.assertEqual(dict(heard), {}, n)
            denied = [error for error in mover.errors if b'"denied.x"' in error]
            self.assertEqual((len(mover.errors), len(denied)), ((1, 1) if mover.user == "bound" else (0, 0)), mover.errors)
            mover.errors = []
        self.assertEqual(taken, Counter({(mover.number, k): 1 for mover in speakers for k in numbers}))

    def test_nothing_is_lost_doubled_or_out_of_order(self):
        requester = Requester(self.server.port, inbox=b"answers", user="a", **{"pass": "a"})
        self.addCleanup(requester.socket.close)
        requester.api("STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"]}')
        users = ["a", "a", "a", "a", "bound", "bound", "answers", "answers", "a", "a", "a", "a"]
        movers = [self.join(number, user) for number, user in enumerate(users)]
        for mover in movers:
            self.assertEqual(len(mover.errors), mover.user == "bound")
            mover.errors = []
        self.acks, count = [], 0
        while self.moves() < MOVES or count < 5 * BURST:
            self.round(movers, count)
            if count % (10 * BURST) == 0:
                self.server.process.send_signal(signal.SIGHUP)
            count += BURST
        speakers = len(movers) - 2
        self.assertEqual(sorted(self.acks), list(range(1, count * speakers + 1)))
        self.assertEqual(requester.api("STREAM.INFO.S")["state"]["messages"], len(self.acks))
        self.assertEqual(movers[1].oks, movers[1].commands)
        self.count(movers)
        self.leave(movers, requester)

    def held(self):
        """KiB, and descriptors."""
        process = f"/proc/{self.server.process.pid}"
        with open(f"{process}/statm", encoding="utf-8") as file:
            pages = int(file.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024, len(os.listdir(f"{process}/fd"))

    def test_a_move_leaves_nothing_behind(self):
        movers = [self.join(number, "a") for number in range(24)]
        for mover in movers:
            mover.say(*[f"SUB x.{mover.number}.{k} y{k}\r\n".encode() for k in range(20)])
        before, moves = None, 0
        while moves < MOVES * 5:
            for mover in movers:
                mover.say(pub("all.1", "x" * 100))
                mover.until_pong()
                mover.heard.clear()
            moves = self.moves()
            if before is None and moves > MOVES:
                before = self.held()
        now = self.held()
        self.assertLess((now[0] - before[0]) * 1024, 4 * MOVES * 512)  # far less than what any connection has
        self.assertLess(now[1] - before[1], 24)

    def count(self, movers):
        """What each has said and heard is what monitoring tells."""
        rows = {row["cid"]: row for row in self.document("connz?limit=100")["connections"]}
        for mover in movers:
            row = rows[mover.door.info()["client_id"]]
            self.assertEqual((row["in_msgs"], row["out_msgs"]), (mover.published, mover.received), mover.number)
        varz = self.document("varz")
        self.assertEqual(varz["in_msgs"], sum(row["in_msgs"] for row in rows.values()))
        self.assertEqual(varz["out_msgs"], sum(row["out_msgs"] for row in rows.values()))
        self.assertEqual((varz["connections"], varz["slow_consumers"]), (len(rows), 0))
        account = self.document("accstatz?unused=1")["account_statz"]
        self.assertEqual({one["acc"]: one["conns"] for one in account}["A"], len(rows))

    def leave(self, movers, requester):
        """Some go by themselves, the others are told to, and the server ends."""
        for mover in movers[::2]:
            mover.door.socket.close()
        left = len(movers[1::2]) + 1
        end = time.monotonic() + READ_S
        while (now := self.document("varz")["connections"]) != left:
            self.assertLess(time.monotonic(), end, now)
        self.server.process.send_signal(signal.SIGTERM)
        requester.until_end()
        for mover in movers[1::2]:
            mover.door.until_end()
        self.assertEqual(self.server.process.wait(READ_S), 0)


class SecureMoves(Moves):
    SECURE = 'tls {{ cert_file: "{dir}/srv.pem", key_file: "{dir}/srv-key.pem" }}'
    KINDS = (Door, Secured, SqueezedSecured)


if __name__ == "__main__":
    unittest.main()
