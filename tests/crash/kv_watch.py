"""Watches of a bucket while its server is killed, and what is left of each key in the end.

A watch goes on behind the last revision that it saw, as clients do. What it is told has to be in order, once, and without
a gap but for what has been replaced so often that the bucket keeps it no more; when it is told that it has seen all that
there was, that has to be so. What a bucket keeps of a key is exactly its newest, as many as it was made for."""

import json
import re
import socket

HISTORY = 3
ORDERED = {"ack_policy": "none", "max_deliver": 1, "flow_control": True, "idle_heartbeat": 5_000_000_000,
           "ack_wait": 79_200_000_000_000, "mem_storage": True, "num_replicas": 1, "filter_subject": "$KV.B.>"}
PURGE = re.compile(rb"KV-Operation: PURGE")


class Watch:
    def __init__(self, number):
        self.number = number
        self.life = 0
        self.last = 0  # the newest revision that was seen
        self.seen = {}  # revision to (key, id, purged)
        self.problems = []
        self.socket = None

    def connect(self, port, known):
        """`known`: the newest revision of each key that was acknowledged by now."""
        self.life += 1
        self.known = dict(known)
        self.complete = False
        self.count = 0
        self.received = bytearray()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        start = {"deliver_policy": "by_start_sequence", "opt_start_seq": self.last + 1} if self.last else {"deliver_policy": "all"}
        name = f"W{self.number}L{self.life}"
        config = {**ORDERED, **start, "name": name, "deliver_subject": f"W.{self.number}.{self.life}"}
        body = json.dumps({"stream_name": "KV_B", "config": config}).encode()
        self.socket.sendall(
            b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB W.%d.* 1\r\nSUB A.%d 2\r\n'
            b"PUB $JS.API.CONSUMER.CREATE.KV_B.%s A.%d %d\r\n%s\r\n"
            % (self.number, self.number, name.encode(), self.number, len(body), body))

    def lost(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def read(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError
        self.received += data
        at = 0
        while (end := self.received.find(b"\r\n", at)) >= 0:
            words = bytes(self.received[at:end]).split()
            if words[0] == b"PING":
                self.socket.sendall(b"PONG\r\n")
            if words[0] not in (b"MSG", b"HMSG"):
                at = end + 2
                continue
            size = int(words[-1])
            if len(self.received) < end + 2 + size + 2:
                break
            head = int(words[-2]) if words[0] == b"HMSG" else 0
            body = bytes(self.received[end + 2 : end + 2 + size])
            at = end + 2 + size + 2
            self.told(words, body[:head], body[head:])
        del self.received[:at]

    def told(self, words, headers, body):
        reply = words[3] if len(words) > (5 if words[0] == b"HMSG" else 4) else b""
        if words[2] == b"2":
            error = json.loads(body).get("error")
            if error:
                self.problems.append(f"watch {self.number} could not begin: {error}")
        elif headers.startswith(b"NATS/1.0 100"):
            if reply.startswith(b"$JS.FC."):
                self.socket.sendall(b"PUB %s 0\r\n\r\n" % reply)
        else:
            self.shown(words[1], reply, headers, body)

    def shown(self, subject, reply, headers, body):
        numbers = reply.split(b".")
        revision, count, pending = int(numbers[5]), int(numbers[6]), int(numbers[8])
        if revision <= self.last:
            self.problems.append(f"watch {self.number} was told of {revision} behind {self.last}")
        if count != self.count + 1:
            self.problems.append(f"watch {self.number} missed a delivery before its {count}.")
        self.last, self.count = max(revision, self.last), count
        self.seen[revision] = (subject.decode(), body.decode(), bool(PURGE.search(headers)))
        if pending == 0 and not self.complete:
            self.complete = True
            self.check_complete()

    def check_complete(self):
        newest = {}
        for revision, (key, _, _) in self.seen.items():
            newest[key] = max(revision, newest.get(key, 0))
        for key, revision in self.known.items():
            if newest.get(key, 0) < revision:
                self.problems.append(f"watch {self.number} had seen all, but not revision {revision} of {key}")

    def check(self, acked):
        """`acked`: (key, revision) to the id of every write that was acknowledged. What was skipped was replaced."""
        later = {}
        for revision, (key, id_, purged) in self.seen.items():
            later.setdefault(key, []).append((revision, purged))
            if acked.get((key, revision), id_) != id_:
                self.problems.append(f"watch {self.number} saw {id_} as revision {revision} of {key}, which is another's")
        for (key, revision), id_ in acked.items():
            if revision in self.seen:
                continue
            behind = [purged for number, purged in later.get(key, ()) if number > revision]
            if len(behind) < HISTORY and not any(behind):
                self.problems.append(f"watch {self.number} never saw revision {revision} of {key} ({id_})")


def check_kept(key, kept, acked):
    """`kept`: (revision, id, purged) of what is stored, in order."""
    problems = []
    if len(kept) > HISTORY:
        problems.append(f"{key}: {len(kept)} revisions are kept")
    stored = {revision: id_ for revision, id_, _ in kept}
    first = kept[0][0] if kept else float("inf")
    whole = len(kept) == HISTORY or (kept and kept[0][2])  # what is older had to go
    for (of, revision), id_ in acked.items():
        if of != key:
            continue
        if revision in stored and stored[revision] != id_:
            problems.append(f"{key}: revision {revision} is {stored[revision]}, not {id_}")
        if revision not in stored and (revision > first or not whole):
            problems.append(f"{key}: revision {revision} ({id_}) is gone")
    if any(purged for _, _, purged in kept[1:]):
        problems.append(f"{key}: something older than a purge is kept")
    return problems


def self_test():
    """Wrong stories are found wrong, and the right one is not. Names of what failed."""
    def watch(*told):
        w = Watch(0)
        w.known, w.complete, w.count = {"k": 2}, False, 0
        for count, (revision, id_, pending) in enumerate(told, 1):
            w.shown(b"k", b"$JS.ACK.KV_B.W.1.%d.%d.0.%d" % (revision, count, pending), b"", id_)
        w.check({("k", 1): "a", ("k", 2): "b"})
        return w.problems

    failed = []
    if watch((1, b"a", 1), (2, b"b", 0)):
        failed.append("a good watch")
    for name, told in {
        "a revision twice": [(1, b"a", 1), (1, b"a", 1), (2, b"b", 0)],
        "an older one behind": [(2, b"b", 1), (1, b"a", 0)],
        "one that is missing": [(1, b"a", 0)],
        "all seen too early": [(1, b"a", 0), (2, b"b", 0)],
        "another's value": [(1, b"x", 1), (2, b"b", 0)],
    }.items():
        if not watch(*told):
            failed.append(name)
    acked = {("k", 1): "a", ("k", 2): "b", ("k", 3): "c", ("k", 4): "d"}
    good = [(2, "b", False), (3, "c", False), (4, "d", False)]
    if check_kept("k", good, acked):
        failed.append("a good history")
    for name, kept in {
        "too many": [(1, "a", False), *good],
        "too few": good[1:],
        "a hole": [(1, "a", False), good[0], good[2]],
        "older than a purge": [(2, "b", False), (3, "c", True), (4, "d", False)],
        "another's": [(2, "x", False), *good[1:]],
    }.items():
        if not check_kept("k", kept, acked):
            failed.append(name)
    return failed, 12
