#!/usr/bin/env python3
"""Many clients put, create, update, delete and get few keys of one bucket, and others watch it, while the server is killed
and started again; in the end the history of every key is checked for linearizability (kv_history.py), and what the
watches saw and what the bucket keeps against it (kv_watch.py).

    kv.py --seconds N [--seed S] [--self-test]
"""

import argparse
import collections
import json
import os
import random
import selectors
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from kv_history import NEVER, SEE, WRITE, Op, check  # noqa: E402
import kv_watch  # noqa: E402
from serverprocess import Server  # noqa: E402

ACTORS = 24
WATCHES = 2
KEYS = 12
LIVES_S = (1.0, 4.0)
BUCKET = {
    "name": "KV_B", "subjects": ["$KV.B.>"], "max_msgs_per_subject": kv_watch.HISTORY, "discard": "new", "allow_rollup_hdrs": True,
    "deny_delete": True, "allow_direct": True,
}


class Actor:
    """A connection with one operation under way."""

    def __init__(self, run, number):
        self.run = run
        self.number = number
        self.serial = 0
        self.socket = None
        self.known = {}  # key to the revision seen last

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.run.server.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.op = None
        connect = b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _I.%d.* 1\r\n' % self.number
        self.socket.sendall(connect)

    def send(self, subject, headers=b"", body=b""):
        reply = b"_I.%d.%d" % (self.number, self.serial)
        head = b"NATS/1.0\r\n" + headers + b"\r\n"
        self.socket.sendall(b"HPUB %s %s %d %d\r\n%s%s\r\n" % (subject, reply, len(head), len(head) + len(body), head,
                                                              body))

    def begin(self):
        self.serial += 1
        key = self.run.random.randrange(KEYS)
        subject = b"$KV.B.k%d" % key
        drawn = self.run.random.random()
        self.op = {"key": key, "begun": time.monotonic_ns(), "expected": None, "id": None}
        if drawn < 0.4:
            self.send(b"$JS.API.DIRECT.GET.KV_B." + subject)
            return
        self.op["id"] = f"{self.number}.{self.serial}"
        headers = b""
        if drawn < 0.7:
            self.op["expected"] = 0 if drawn < 0.42 else self.known.get(key, 0)
            headers = b"Nats-Expected-Last-Subject-Sequence: %d\r\n" % self.op["expected"]
        elif drawn < 0.8:
            # The marker says whose it is, so a delete can be told from another.
            headers = b"KV-Operation: DEL\r\n"
        elif drawn < 0.83:
            headers = b"KV-Operation: PURGE\r\nNats-Rollup: sub\r\n"
        self.send(subject, headers, self.op["id"].encode())

    def lost(self):
        """The connection has ended: what was written may have happened."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        if self.op is not None and self.op["id"] is not None:
            self.record(WRITE, NEVER, None, self.op["id"])
        self.op = None

    def record(self, kind, ended, revision, id_):
        op = self.op
        self.run.histories[op["key"]].append(Op(kind, op["begun"], ended, revision, id_, op["expected"]))
        self.run.count += 1
        if revision:
            self.known[op["key"]] = revision

    def read(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError
        self.received += data
        while True:
            end = self.received.find(b"\r\n")
            if end < 0:
                return
            words = bytes(self.received[:end]).split()
            if words[0] not in (b"MSG", b"HMSG"):
                if words[0] == b"PING":
                    self.socket.sendall(b"PONG\r\n")
                del self.received[: end + 2]
                continue
            size = int(words[-1])
            if len(self.received) < end + 2 + size + 2:
                return
            head = int(words[-2]) if words[0] == b"HMSG" else 0
            body = bytes(self.received[end + 2 : end + 2 + size])
            del self.received[: end + 2 + size + 2]
            if words[1].endswith(b".%d" % self.serial) and self.op is not None:
                self.answered(body[:head], body[head:])

    def answered(self, headers, body):
        now = time.monotonic_ns()
        if self.op["id"] is None:
            self.got(now, headers, body)
        elif headers.startswith(b"NATS/1.0 503"):
            self.record(WRITE, NEVER, None, self.op["id"])
        else:
            self.wrote(now, json.loads(body))
        self.op = None

    def got(self, now, headers, body):
        if headers.startswith(b"NATS/1.0 404"):
            self.record(SEE, now, 0, None)
        elif b"Nats-Sequence: " in headers:
            revision = int(headers.split(b"Nats-Sequence: ")[1].split(b"\r\n")[0])
            self.record(SEE, now, revision, body.decode())

    def wrote(self, now, answer):
        error = answer.get("error")
        if error is None:
            self.record(WRITE, now, answer["seq"], self.op["id"])
        elif error["err_code"] == 10071:  # it was not written, and the last revision was seen
            self.record(SEE, now, int(error["description"].rsplit(" ", 1)[1]), None)
        else:
            self.record(WRITE, NEVER, None, self.op["id"])


class Run:
    def __init__(self, server, seed):
        self.server = server
        self.random = random.Random(seed)
        self.histories = collections.defaultdict(list)
        self.count = 0
        self.kills = 0
        self.actors = [Actor(self, i) for i in range(ACTORS)]
        self.watches = [kv_watch.Watch(i) for i in range(WATCHES)]

    def make(self):
        actor = self.actors[0]
        actor.connect()
        actor.send(b"$JS.API.STREAM.CREATE.KV_B", b"", json.dumps(BUCKET).encode())
        time.sleep(0.5)
        actor.lost()

    def life(self, seconds):
        """Everybody works until the server is killed."""
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            for actor in self.actors:
                actor.connect()
                selector.register(actor.socket, selectors.EVENT_READ, actor)
            for watch in self.watches:
                watch.connect(self.server.port, self.newest())
                selector.register(watch.socket, selectors.EVENT_READ, watch)
            while time.monotonic() < end:
                for actor in self.actors:
                    if actor.op is None:
                        actor.begin()
                for key, _ in selector.select(0.1):
                    key.data.read()
        self.server.end(signal.SIGKILL)
        self.kills += 1
        for one in self.actors + self.watches:
            one.lost()
        self.server.start()

    def acked(self):
        """(key, revision) to id, of every write that was acknowledged."""
        return {(f"$KV.B.k{key}", op.revision): op.id
                for key, ops in self.histories.items() for op in ops if op.kind == WRITE and op.revision}

    def newest(self):
        found = {}
        for key, revision in self.acked():
            found[key] = max(revision, found.get(key, 0))
        return found

    def watch_to_the_end(self):
        """Nobody writes any more: the watches see what there is, up to its end."""
        for watch in self.watches:
            watch.connect(self.server.port, self.newest())
            end = time.monotonic() + 20
            last = max((revision for _, revision in self.acked()), default=0)
            while watch.last < last and time.monotonic() < end:
                watch.socket.settimeout(1)
                try:
                    watch.read()
                except TimeoutError:
                    pass
            watch.lost()
            watch.check(self.acked())

    def kept(self, key):
        """What the bucket keeps of a key, one message after the other."""
        actor, found, sequence = self.actors[0], [], 1
        while True:
            actor.connect()
            actor.op = {"key": None, "id": None}
            actor.got = lambda now, headers, body: answers.append((headers, body))
            answers = []
            asked = json.dumps({"seq": sequence, "next_by_subj": key}).encode()
            actor.send(b"$JS.API.DIRECT.GET.KV_B", b"", asked)
            while not answers:
                actor.read()
            actor.op = None
            actor.lost()
            headers, body = answers[0]
            if b"Nats-Sequence: " not in headers:
                return found
            sequence = int(headers.split(b"Nats-Sequence: ")[1].split(b"\r\n")[0])
            found.append((sequence, body.decode(), b"KV-Operation: PURGE" in headers))
            sequence += 1

    def problems(self):
        found = [f"k{key}: {what}" for key, ops in self.histories.items() for what in check(ops)]
        for watch in self.watches:
            found += watch.problems
        for key in range(KEYS):
            subject = f"$KV.B.k{key}"
            found += kv_watch.check_kept(subject, self.kept(subject), self.acked())
        return found


def self_test():
    """Histories that are wrong are found wrong, and right ones are not."""
    good = [Op(WRITE, 1, 2, 5, "a", None), Op(SEE, 3, 4, 5, "a", None), Op(WRITE, 5, 6, 7, "b", 5),
            Op(WRITE, 5, NEVER, None, "c", None), Op(SEE, 8, 9, 9, "c", None)]
    bad = {
        "a stale get": good + [Op(SEE, 10, 11, 7, "b", None)],
        "a value that nobody wrote": good + [Op(SEE, 10, 11, 12, "x", None)],
        "one revision for two": good + [Op(WRITE, 10, 11, 9, "y", None)],
        "a comparison that did not hold": good + [Op(WRITE, 10, 11, 12, "z", 7)],
        "a get of the future": good + [Op(SEE, 10, 11, 13, "f", None), Op(WRITE, 12, 13, 13, "f", None)],
        "a key that is gone": good + [Op(SEE, 10, 11, 0, None, None)],
        "a write behind one that came later": good + [Op(WRITE, 10, 11, 8, "o", None)],
    }
    failed = [] if not check(good) else ["a good history"]
    failed += [name for name, ops in bad.items() if not check(ops)]
    more, count = kv_watch.self_test()
    failed += more
    for name in failed:
        print("wrong about:", name)
    print(f"{len(bad) + 1 + count - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    with Server() as server:
        run = Run(server, seed)
        run.make()
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            run.life(run.random.uniform(*LIVES_S))
        run.watch_to_the_end()
        problems = run.problems()
    seen = sum(len(watch.seen) for watch in run.watches)
    for problem in problems[:20]:
        print(problem)
    print(f"kv: seed {seed}, {run.count} operations, {seen} seen by watches, {run.kills} kills, {len(problems)} problems")
    print(f"{0 if problems else 1} passed, {1 if problems else 0} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
