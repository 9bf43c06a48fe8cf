"""connect_urls: clients are told of the servers of their cluster by the port of the kind that they came by, and of
no server that is about to go. What is no own promise holds for the reference, too."""

import json
import os
import shutil
import signal
import socket
import tempfile
import time
import unittest
import urllib.request

from wire import READ_S, Connection  # finds serverprocess
from serverprocess import Server, free_port
from cluster import start_together
from test_websocket import Peer

NODES = 3
WITHIN_S = 60


class Told:
    """A client that hears INFO, by either port."""

    def __init__(self, port, websocket):
        self.peer = Peer(port) if websocket else None
        if websocket:
            self.peer.upgrade()
        else:
            self.connection = Connection(port)
        self.said = b""
        self.send(b'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n')

    def send(self, data):
        if self.peer:
            self.peer.send(data)
        else:
            self.connection.send(data)

    def more(self):
        if self.peer:
            self.said += self.peer.next()[1]
            return
        data = self.connection.socket.recv(1 << 16)
        if not data:
            raise EOFError(self.said)
        self.said += data

    def until(self, wanted):
        """The first INFO that is as wanted."""
        end = time.monotonic() + WITHIN_S
        seen = []
        while time.monotonic() < end:
            while b"\r\n" in self.said:
                line, self.said = self.said.split(b"\r\n", 1)
                if line == b"PING":
                    self.send(b"PONG\r\n")
                elif line.startswith(b"INFO "):
                    seen.append(json.loads(line[5:]))
                    if wanted(seen[-1]):
                        return seen[-1]
            try:
                self.more()
            except TimeoutError:
                pass
        raise AssertionError(seen)

    def close(self):
        (self.peer or self.connection.socket).close()


class Urls(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-urls-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(NODES)]
        self.websocket = [free_port() for _ in range(NODES)]
        self.http = free_port()
        self.nodes = []
        for i, port in enumerate(self.websocket):
            path = os.path.join(self.directory, f"{i}.conf")
            more = f"advertise: \"ws.example:{port}\"" if i == 2 else ""
            http = f"http: 127.0.0.1:{self.http}\n" if i == 0 else ""
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"{http}lame_duck_duration: 30s\nlame_duck_grace_period: 20s\n")
                file.write(f"websocket {{ host: 127.0.0.1, port: {port}, no_tls: true, {more} }}\n")
            flags = ["-c", path, "--server_name", f"n{i}", "--cluster_name", "C", "--cluster", routes[i]]
            self.nodes.append(Server([*flags, "--routes", ",".join(routes)], jetstream=False))
            self.addCleanup(self.nodes[-1].__exit__)
        start_together(self.nodes)
        self.urls = [f"127.0.0.1:{port}" for port in self.websocket[:2]] + [f"ws.example:{self.websocket[2]}"]
        self.clients_urls = [f"127.0.0.1:{node.port}" for node in self.nodes]

    def told(self, node, websocket):
        told = Told(self.websocket[node] if websocket else self.nodes[node].port, websocket)
        self.addCleanup(told.close)
        return told

    def test_clients_are_told_of_the_ports_of_their_kind(self):
        for websocket, urls in ((True, self.urls), (False, self.clients_urls)):
            for node in range(NODES):
                info = self.told(node, websocket).until(lambda i: len(i.get("connect_urls", ())) == NODES)
                self.assertEqual(sorted(info["connect_urls"]), sorted(urls))
                self.assertEqual(info["connect_urls"][0], urls[node], "its own is not the first")
                self.assertNotIn("ws_connect_urls", info)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/varz", timeout=READ_S) as answer:
            varz = json.load(answer)
        self.assertEqual(sorted(varz["ws_connect_urls"]), sorted(self.urls))
        self.assertEqual(sorted(varz["connect_urls"]), sorted(self.clients_urls))

    def test_who_is_about_to_go_tells_only_of_others_and_lets_nobody_in(self):
        told = [(self.told(0, websocket), urls) for websocket, urls in ((True, self.urls), (False, self.clients_urls))]
        for client, _ in told:
            client.until(lambda i: len(i.get("connect_urls", ())) == NODES)
        self.nodes[0].process.send_signal(signal.SIGUSR2)
        for client, urls in told:
            info = client.until(lambda i: i.get("ldm"))
            self.assertEqual(sorted(info["connect_urls"]), sorted(urls[1:]))
        for port in (self.websocket[0], self.nodes[0].port):
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=READ_S).close()


class RouteUrls(unittest.TestCase):
    """Routes as a URL may be written: without a scheme, with who asks escaped."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-routes-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def pair(self, who, authorization=""):
        """Clients of either are told of both."""
        ports = [free_port() for _ in range(2)]
        routes = ", ".join(f'"//{who}127.0.0.1:{port}"' for port in ports)
        nodes = []
        for i, port in enumerate(ports):
            path = os.path.join(self.directory, f"r{i}.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"server_name: r{i}\n")
                file.write(f"cluster {{ name: C, listen: 127.0.0.1:{port}, {authorization} routes: [{routes}] }}\n")
            nodes.append(Server(["-c", path], jetstream=False))
            self.addCleanup(nodes[-1].__exit__)
        start_together(nodes)
        for node in nodes:
            told = Told(node.port, False)
            self.addCleanup(told.close)
            told.until(lambda i: len(i.get("connect_urls", ())) == len(nodes))

    def test_a_route_needs_no_scheme(self):
        self.pair("")

    def test_user_and_password_of_a_route_are_escaped(self):
        self.pair("u%40x:p%3Aw%25@", 'authorization { user: "u@x", password: "p:w%" },')


if __name__ == "__main__":
    unittest.main()
