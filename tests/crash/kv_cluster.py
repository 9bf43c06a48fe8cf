#!/usr/bin/env python3
"""As kv.py, over a cluster of three: the bucket has three replicas, each client and each watch is connected to one of the
servers, and in the middle of each life one of them, mostly the one that leads the bucket, is killed while the clients go on
at the others. Each key's history must be linearizable, wherever it was written and read.

    kv_cluster.py --seconds N [--seed S]
"""

import argparse
import json
import os
import selectors
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import kv  # noqa: E402
import kv_watch  # noqa: E402
from kv_history import NEVER, WRITE  # noqa: E402
from nodes import Cluster  # noqa: E402
from serverprocess import StartError  # noqa: E402

PATIENCE_S = 3  # without an answer nobody knows, and the client goes on
SETTLE_S = 60
LIFE_S = (2.0, 6.0)


class Place:
    """Where a client connects to: a server of the cluster that is up."""

    def __init__(self, run):
        self.run = run

    @property
    def port(self):
        return self.run.random.choice(self.run.cluster.serving()).port


class Actor(kv.Actor):
    """Gives up what is not answered: it may have happened, or happen later."""

    def connect(self):
        self.serial += 1  # another server may still send what the last connection had asked for
        super().connect()
        self.since = time.monotonic()

    def begin(self):
        self.since = time.monotonic()
        super().begin()

    def give_up(self):
        if self.op is not None and time.monotonic() - self.since > PATIENCE_S:
            if self.op["id"] is not None:
                self.record(WRITE, NEVER, None, self.op["id"])
            self.op = None


class Watch(kv_watch.Watch):
    """As clients do it: one whose deliveries are not numbered on, as after a change of leaders, sees nothing more in this life."""

    def connect(self, port, known):
        super().connect(port, known)
        self.ended = False

    def shown(self, subject, reply, headers, body):
        if reply.split(b".")[3] != b"W%dL%d" % (self.number, self.life):
            return  # the consumer of a life before
        self.ended = self.ended or int(reply.split(b".")[6]) != self.count + 1
        if not self.ended:
            super().shown(subject, reply, headers, body)


def request(port, subject, body=b"", seconds=5):
    """The answer, or None."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            lines = connection.makefile("rb")
            connection.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _A 1\r\n'
                               b"PUB %s _A %d\r\n%s\r\n" % (subject.encode(), len(body), body))
            while line := lines.readline():
                if line.startswith(b"MSG"):
                    return json.loads(lines.read(int(line.split()[-1])))
                if line.startswith(b"HMSG"):
                    return None
    except OSError:
        pass
    return None


class Run(kv.Run):
    def __init__(self, cluster, seed):
        self.cluster = cluster
        super().__init__(Place(self), seed)
        self.actors = [Actor(self, i) for i in range(kv.ACTORS)]
        self.watches = [Watch(i) for i in range(kv.WATCHES)]

    def make(self):
        body = json.dumps({**kv.BUCKET, "num_replicas": 3}).encode()
        self.until(lambda: "config" in (request(self.cluster.nodes[0].port, "$JS.API.STREAM.CREATE.KV_B", body) or {}))

    def until(self, so):
        end = time.monotonic() + SETTLE_S
        while not so():
            if time.monotonic() > end:
                raise StartError("the bucket is not served by all")
            time.sleep(0.05)

    def leader(self, node):
        info = request(node.port, "$JS.API.STREAM.INFO.KV_B") or {}
        return info.get("cluster", {}).get("leader")

    def settle(self):
        """All servers are up and say who leads the bucket, and none of its replicas is behind."""
        def level(node):
            info = request(node.port, "$JS.API.STREAM.INFO.KV_B") or {}
            replicas = info.get("cluster", {}).get("replicas", [])
            return len(replicas) == 2 and all(peer["current"] for peer in replicas)

        self.until(lambda: all(level(node) for node in self.cluster.nodes))

    def calm(self):
        """An ack through each server: nothing that was sent before is under way."""
        self.settle()
        for node in self.cluster.nodes:
            self.until(lambda node=node: "seq" in (request(node.port, "$KV.B.calm") or {}))

    def connect(self, one, selector):
        if isinstance(one, Actor):
            one.connect()
        else:
            one.connect(self.server.port, self.newest())
        selector.register(one.socket, selectors.EVENT_READ, one)

    def drop(self, one, selector):
        """Its server has died. Who writes goes to another one at once, who watches in the next life."""
        selector.unregister(one.socket)
        one.lost()
        if isinstance(one, Actor):
            self.connect(one, selector)

    def turn(self, selector):
        for actor in self.actors:
            actor.give_up()
            if actor.op is None:
                try:
                    actor.begin()
                except OSError:
                    self.drop(actor, selector)
        for key, _ in selector.select(0.1):
            if key.data.socket is not key.fileobj:
                continue
            try:
                key.data.read()
            except OSError:
                self.drop(key.data, selector)

    def life(self, seconds):
        self.settle()
        end = time.monotonic() + seconds
        killed, kill_at = None, time.monotonic() + self.random.uniform(0, seconds / 2)
        with selectors.DefaultSelector() as selector:
            for one in self.actors + self.watches:
                self.connect(one, selector)
            while time.monotonic() < end:
                if killed is None and time.monotonic() > kill_at:
                    killed = self.kill()
                self.turn(selector)
        for one in self.actors + self.watches:
            one.lost()
        if killed is not None:
            self.cluster.start([killed])

    def kill(self):
        name = self.leader(self.cluster.nodes[0]) if self.random.random() < 0.7 else None
        named = [node for node in self.cluster.nodes if node.name == name]
        node = named[0] if named else self.random.choice(self.cluster.nodes)
        node.end(signal.SIGKILL)
        self.kills += 1
        return node


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    with Cluster(3) as cluster:
        run = Run(cluster, seed)
        run.make()
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            run.life(run.random.uniform(*LIFE_S))
        run.calm()
        run.watch_to_the_end()
        problems = run.problems()
        cluster.keep = bool(problems)
    seen = sum(len(watch.seen) for watch in run.watches)
    for problem in problems[:20]:
        print(problem)
    print(f"kv over a cluster: seed {seed}, {run.count} operations, {seen} seen by watches, {run.kills} kills, {len(problems)} problems")
    print(f"{0 if problems else 1} passed, {1 if problems else 0} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
