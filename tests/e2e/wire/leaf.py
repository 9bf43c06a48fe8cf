"""Servers as hubs and leaves of each other, ours and the reference's, for tests."""

import os
import shutil
import tempfile
import time
import unittest

from wire import READ_S, Connection  # finds serverprocess
from serverprocess import Server, free_port

NATS_SERVER = os.environ.get("NATS_SERVER") or shutil.which("nats-server") or "/opt/peer/nats-server"
HAS_NATS = os.path.exists(NATS_SERVER)
with_nats = unittest.skipUnless(HAS_NATS, "no nats-server in $NATS_SERVER or PATH")
WITHIN_S = 120.0
SOON_S = 0.02


class Node(Server):
    """A server of either kind with a configuration of its own."""

    def __init__(self, directory, name, config, nats=False):
        super().__init__([], jetstream=False)
        self.nats = nats
        path = os.path.join(directory, f"{name}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"server_name: {name}\n{config}\n")
        self.arguments = ["-c", path]

    def command(self):
        command = super().command()
        return [NATS_SERVER, *command[1:]] if self.nats else command


class LeafCase(unittest.TestCase):
    """`node` starts servers, which end with the test."""

    marks = 0

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-test-leaf-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def node(self, name, config, nats=False):
        node = Node(self.directory, name, config, nats)
        self.addCleanup(node.__exit__)
        node.start()
        return node

    def client(self, node, **options):
        client = Connection(node.port)
        client.port, client.options = node.port, options
        self.addCleanup(client.__exit__)
        client.connect(headers=True, no_responders=True, **options)
        client.flush()
        return client

    def until(self, wanted, what):
        end = time.monotonic() + WITHIN_S
        while not wanted():
            if time.monotonic() > end:
                self.fail(f"not within {WITHIN_S:g} s: {what}")
            time.sleep(SOON_S)

    def until_logged(self, node, text):
        self.until(lambda: text in node.log(), f"{text!r} in\n{node.log()}")

    def has_responder(self, client, subject):
        """Does somebody take what is published there, at the client's server?"""
        with Connection(client.port) as asks:
            asks.connect(headers=True, no_responders=True, **client.options)
            asks.send(b"SUB _I.> i\r\nPUB %s _I.x 0\r\n\r\n" % subject)
            asks.send(b"PING\r\n")
            while (said := asks.line()) not in (b"PONG\r\n", b""):
                if b" 503" in said:
                    return False
            return True

    def until_taken(self, client, subject):
        """What is published by the client to that subject finds somebody."""
        self.until(lambda: self.has_responder(client, subject), f"somebody takes {subject!r}")

    def until_not_taken(self, client, subject):
        self.until(lambda: not self.has_responder(client, subject), f"nobody takes {subject!r}")

    def pass_over(self, to, source, subject):
        """Whatever `to` was sent until what `source` publishes now."""
        self.marks += 1
        mark = b"mark%d" % self.marks
        source.send(b"PUB %s %d\r\n%s\r\n" % (subject, len(mark), mark))
        while to.message()[3] != mark:
            pass

    def linked(self, to, source, subject, sid=b"1"):
        """`to` subscribes, and what `source` publishes from now on arrives."""
        to.send(b"SUB %s %s\r\n" % (subject, sid))
        to.flush()
        probe = subject.replace(b"*", b"probe")
        self.until_taken(source, probe)
        self.pass_over(to, source, probe)

    def nothing_comes(self, client):
        self.assertEqual(client.flush(), b"")


def remote(port, more="", scheme="nats-leaf", host="127.0.0.1", user=""):
    return f'leafnodes {{ reconnect: "200ms", remotes: [{{ url: "{scheme}://{user}{host}:{port}"\n{more}\n }}] }}'


def hub(port, more=""):
    return f'leafnodes {{ listen: "127.0.0.1:{port}"\n{more}\n}}'


__all__ = ["HAS_NATS", "LeafCase", "Node", "READ_S", "free_port", "hub", "remote", "with_nats"]
