"""Leaf nodes over WebSockets, and through a proxy: ours and the reference's at either end."""

import base64
import socket
import threading
import unittest
import zlib

from leaf import HAS_NATS, READ_S, LeafCase, free_port, with_nats
from test_cluster_tls import authority, certificate
from test_leaf import Pairs


KINDS = (False, True) if HAS_NATS else (False,)


def websocket(port, more=""):
    return f'websocket {{ listen: "127.0.0.1:{port}"\n{more}\n}}\n'


def remote(urls, more=""):
    return f'leafnodes {{ reconnect: "200ms", remotes: [{{ urls: [{urls}]\n{more}\n }}] }}'


class WebPairs(Pairs):
    """The promises of test_leaf, over WebSockets."""

    PORT_MORE, REMOTE_MORE, SCHEME, PATH = "no_tls: true", "", "ws", ""

    def setUp(self):
        LeafCase.setUp(self)
        port = free_port()
        self.hub = self.node(
            "hub", 'leafnodes { listen: "127.0.0.1:-1" }\n' + websocket(port, self.port_more()), self.HUB_IS_NATS
        )
        self.leaf = self.node(
            "leaf", remote(f'"{self.SCHEME}://127.0.0.1:{self.way_to(port)}{self.PATH}"', self.remote_more()), self.LEAF_IS_NATS
        )
        self.at_hub = self.client(self.hub)
        self.at_leaf = self.client(self.leaf)

    def way_to(self, port):
        return port

    def port_more(self):
        return self.PORT_MORE

    def remote_more(self):
        return self.REMOTE_MORE

    def test_both_say_that_it_is_a_websocket(self):
        self.linked(self.at_hub, self.at_leaf, b"a")
        for node in (self.hub, self.leaf):
            self.until(lambda node=node: "lid_ws:" in node.log(), "the log says so")


class Squeezed:
    PORT_MORE, REMOTE_MORE = "no_tls: true, compression: true", "ws_compression: true"


class Unmasked:
    REMOTE_MORE = "ws_no_masking: true"


class Both:
    PORT_MORE, REMOTE_MORE = "no_tls: true, compression: true", "ws_compression: true, ws_no_masking: true"
    PATH = "/some/where/"


class Secure:
    SCHEME = "wss"

    def port_more(self):
        authority(self.directory, "ca")
        certificate(self.directory, "server", "ca")
        return f'tls {{ cert_file: "{self.directory}/server.pem", key_file: "{self.directory}/server.key" }}'

    def remote_more(self):
        return f'tls {{ ca_file: "{self.directory}/ca.pem" }}'


class OursToOurs(WebPairs, LeafCase):
    pass


class OursSqueezed(Squeezed, WebPairs, LeafCase):
    pass


class OursUnmasked(Unmasked, WebPairs, LeafCase):
    pass


class OursBoth(Both, WebPairs, LeafCase):
    pass


class OursSecure(Secure, WebPairs, LeafCase):
    pass


@with_nats
class TheirLeaf(WebPairs, LeafCase):
    LEAF_IS_NATS = True


@with_nats
class TheirLeafUnmasked(Unmasked, WebPairs, LeafCase):
    LEAF_IS_NATS = True


@with_nats
class TheirLeafBoth(Both, WebPairs, LeafCase):
    LEAF_IS_NATS = True


@with_nats
class TheirLeafSecure(Secure, WebPairs, LeafCase):
    LEAF_IS_NATS = True


@with_nats
class TheirHub(WebPairs, LeafCase):
    HUB_IS_NATS = True


@with_nats
class TheirHubUnmasked(Unmasked, WebPairs, LeafCase):
    HUB_IS_NATS = True


@with_nats
class TheirHubBoth(Both, WebPairs, LeafCase):
    HUB_IS_NATS = True


@with_nats
class TheirHubSecure(Secure, WebPairs, LeafCase):
    HUB_IS_NATS = True


def asks(port, path, headers=b"", key=b"AAAAAAAAAAAAAAAAAAAAAA=="):
    """Asks for a WebSocket; the socket, and the head that came."""
    sock = socket.create_connection(("127.0.0.1", port), READ_S)
    sock.sendall(
        b"GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n" % (path, key, headers)
    )
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(1)
        if not piece:
            break
        head += piece
    return sock, head


def read_exactly(sock, size):
    got = b""
    while len(got) < size:
        piece = sock.recv(size - len(got))
        if not piece:
            return got
        got += piece
    return got


def read_frame(sock):
    """The opcode and payload of a short or middling frame; None: it was closed."""
    head = read_exactly(sock, 2)
    if len(head) < 2:
        return None
    size = head[1] & 0x7F
    if size == 126:
        size = int.from_bytes(read_exactly(sock, 2), "big")
    elif size == 127:
        size = int.from_bytes(read_exactly(sock, 8), "big")
    return head[0] & 15, read_exactly(sock, size)


def frame(opcode, payload, masked=True):
    head = bytes([0x80 | opcode, (0x80 if masked else 0) | (126 if len(payload) > 125 else len(payload))])
    if len(payload) > 125:
        head += len(payload).to_bytes(2, "big")
    return head + (b"\0\0\0\0" if masked else b"") + payload


CONNECT = b'CONNECT {"name":"x","headers":true,"remote_account":"A"}\r\n'


class Door(LeafCase):
    """What the WebSocket port answers to who says that it is a leaf."""

    def hub(self, leafnodes=True, nats=False, more=""):
        port = free_port()
        config = websocket(port, "no_tls: true\n" + more)
        if leafnodes:
            config += 'leafnodes { listen: "127.0.0.1:-1" }\n'
        return self.node("hub", config, nats), port

    def test_any_path_that_ends_so_is_a_leafs_and_no_other(self):
        for nats in KINDS:
            with self.subTest(nats=nats):
                _, port = self.hub(nats=nats)
                for path, leaf in ((b"/leafnode", True), (b"/a/leafnode", True), (b"/a/leafnode?b=c", True),
                                   (b"/leafnode/", False), (b"/", False), (b"/leafnodes", False)):  # fmt: skip
                    sock, head = asks(port, path)
                    self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
                    opcode, info = read_frame(sock)
                    self.assertEqual(opcode, 2)
                    self.assertTrue(info.startswith(b"INFO "))
                    self.assertEqual(b'"leafnode_urls"' in info, leaf, (path, info))
                    sock.close()

    def test_without_leafnodes_it_is_closed_behind_the_answer(self):
        for nats in KINDS:
            with self.subTest(nats=nats):
                node, port = self.hub(leafnodes=False, nats=nats)
                sock, head = asks(port, b"/leafnode")
                self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
                self.assertEqual(sock.recv(1), b"")
                self.until_logged(node, "Not configured to accept leaf node connections")

    def test_unmasked_is_agreed_on_and_then_masks_are_refused(self):
        _, port = self.hub()
        sock, head = asks(port, b"/leafnode", b"Nats-No-Masking: true\r\n")
        self.assertIn(b"\r\nNats-No-Masking: true\r\n", head)
        read_frame(sock)
        sock.sendall(frame(2, CONNECT, masked=False))
        self.assertIn(b'"connect_info":true', read_frame(sock)[1])
        sock.sendall(frame(9, b"hello", masked=False))
        while (got := read_frame(sock))[0] != 10:
            self.assertEqual(got[0], 2)
        self.assertEqual(got[1], b"hello")
        sock.sendall(frame(2, b"PING\r\n"))
        while (got := read_frame(sock)) is not None and got[0] != 8:
            self.assertEqual(got[0], 2)
        self.assertEqual(got[1][:2], b"\x03\xea")  # 1002
        sock.close()
        sock, head = asks(port, b"/leafnode")
        self.assertNotIn(b"No-Masking", head)
        read_frame(sock)
        sock.sendall(frame(2, CONNECT, masked=False))
        self.assertEqual(read_frame(sock)[0], 8)
        sock.close()

    def test_what_is_said_before_the_answer_is_refused_and_bad_lines_are_told(self):
        node, port = self.hub()
        sock = socket.create_connection(("127.0.0.1", port), READ_S)
        sock.sendall(b"GET /leafnode HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                     + frame(2, CONNECT))  # fmt: skip
        self.assertIn(b"HTTP/1.1 400 Bad Request", sock.recv(4096))
        self.until_logged(node, "client sent data before handshake is complete")
        sock.close()
        sock, _ = asks(port, b"/leafnode")
        self.addCleanup(sock.close)
        read_frame(sock)
        sock.sendall(frame(2, b"SUB a 1\r\n"))
        self.assertEqual(read_frame(sock), (2, b"-ERR 'Unknown Protocol Operation'\r\n"))
        self.assertEqual(read_frame(sock)[0], 8)
        sock.close()

    def test_a_line_without_an_end_and_a_bomb_are_bounded(self):
        node, port = self.hub(more="compression: true")
        sock, _ = asks(port, b"/leafnode")
        read_frame(sock)
        try:
            sock.sendall(frame(2, b"CONNECT {"))
            for _ in range(64):
                sock.sendall(frame(2, b"x" * 1024))
        except OSError:
            pass
        self.until_logged(node, "maximum control line exceeded")
        sock.close()
        sock, _ = asks(port, b"/leafnode", b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n")  # fmt: skip
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = packer.compress(CONNECT + b"PING\r\n" * 6_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
        sock.sendall(b"\xc2\xff" + len(bomb).to_bytes(8, "big") + b"\0\0\0\0" + bomb)
        self.client(node).flush()
        sock.close()
        self.client(node).flush()

    def test_who_never_speaks_is_closed_in_time(self):
        _, port = self.hub()
        sock, _ = asks(port, b"/leafnode")
        read_frame(sock)
        self.assertEqual(read_frame(sock), (2, b"-ERR 'Authentication Timeout'\r\n"))
        sock.close()


class Answers(LeafCase):
    """What our leaf makes of a hub that is none, or says strange things."""

    def fake(self, *replies):
        """A port that reads a head and gives the reply of its turn; what was asked."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        asked = []

        def run():
            count = 0
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = sock.recv(4096)
                    if not piece:
                        break
                    head += piece
                asked.append(head)
                try:
                    sock.sendall(replies[min(count, len(replies) - 1)])
                except OSError:
                    pass
                count += 1
                sock.close()

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1], asked

    def test_what_is_no_websocket_is_told_once_and_tried_again(self):
        for reply in (b"HTTP/1.1 404 Not Found\r\n\r\n", b"INFO {}\r\n\r\n",
                      b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"):  # fmt: skip
            with self.subTest(reply=reply):
                port, asked = self.fake(reply)
                leaf = self.node("leaf", remote(f'"ws://u:p@127.0.0.1:{port}/x/"'))
                self.until_logged(leaf, "(attempt 1): invalid websocket connection")
                self.until(lambda asked=asked: len(asked) >= 2, "it is tried again")
                self.assertTrue(asked[0].startswith(b"GET /x/leafnode HTTP/1.1\r\n"), asked[0])
                self.assertNotIn(b"u:p", asked[0])
                self.assertNotEqual(asked[0], asked[1])  # another key

    def test_a_head_without_an_end_is_bounded(self):
        port, _ = self.fake(b"HTTP/1.1 101 " + b"x" * 100000)
        leaf = self.node("leaf", remote(f'"ws://127.0.0.1:{port}"'))
        self.until_logged(leaf, "the head of an HTTP answer is too large")
        self.client(leaf).flush()


class Proxy:
    """Passes on whom CONNECT names, if it is asked with that user."""

    def __init__(self, credentials=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.credentials, self.asked = credentials, []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    @staticmethod
    def pump(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
        except OSError:
            pass
        for sock in (source, to):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve(self, sock):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = sock.recv(1)
            if not more:
                sock.close()
                return
            head += more
        self.asked.append(head)
        if self.credentials is not None and b"Basic " + base64.b64encode(self.credentials) not in head:
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            sock.close()
            return
        host, port = head.split(b" ")[1].decode().rsplit(":", 1)
        try:
            to = socket.create_connection((host, int(port)))
        except OSError:
            sock.close()
            return
        sock.sendall(b"HTTP/1.1 200 Connection established\r\nVia: us\r\n\r\n")
        threading.Thread(target=self.pump, args=(to, sock), daemon=True).start()
        self.pump(sock, to)


class Proxied:
    def way_to(self, port):
        self.hub_port = port
        self.proxy = Proxy(b"us:a b")
        self.addCleanup(self.proxy.listener.close)
        return port

    def remote_more(self):
        return super().remote_more() + f'\nproxy: {{ url: "http://127.0.0.1:{self.proxy.port}", username: us, password: "a b" }}'

    def test_the_proxy_was_asked_for_the_hub(self):
        self.linked(self.at_hub, self.at_leaf, b"a")
        line = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % (self.hub_port, self.hub_port)
        self.assertTrue(self.proxy.asked[0].startswith(line), self.proxy.asked[0])


class OursProxied(Proxied, WebPairs, LeafCase):
    pass


class OursProxiedSecure(Proxied, Secure, WebPairs, LeafCase):
    pass


@with_nats
class TheirHubProxied(Proxied, WebPairs, LeafCase):
    HUB_IS_NATS = True


@with_nats
class TheirHubProxiedSecure(Proxied, Secure, WebPairs, LeafCase):
    HUB_IS_NATS = True


class ProxyAnswers(Answers):
    def through(self, port, url='"ws://127.0.0.1:1"', more=""):
        return self.node("leaf", remote(url, f'proxy: {{ url: "http://127.0.0.1:{port}" {more} }}'))

    def test_a_refusal_is_told(self):
        port, asked = self.fake(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        leaf = self.through(port, more=', username: secretive, password: "hidden"')
        self.until_logged(leaf, "(attempt 1): proxy CONNECT failed: 407 Proxy Authentication Required")
        self.assertIn(b"Proxy-Authorization: Basic " + base64.b64encode(b"secretive:hidden") + b"\r\n", asked[0])
        self.assertNotIn("hidden", leaf.log())

    def test_what_a_proxy_says_ahead_of_the_hub_is_not_believed(self):
        port, _ = self.fake(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 x\r\n\r\n")
        leaf = self.through(port)
        self.until_logged(leaf, "(attempt 1): invalid websocket connection")

    def test_a_hub_on_tcp_is_reached_through_it_too(self):
        proxy, port = Proxy(), free_port()
        self.addCleanup(proxy.listener.close)
        hub = self.node("hub", f'leafnodes {{ listen: "127.0.0.1:{port}" }}')
        leaf = self.through(proxy.port, f'"nats-leaf://127.0.0.1:{port}"')
        self.linked(self.client(hub), self.client(leaf), b"a")
        self.assertEqual(len(proxy.asked), 1)


if __name__ == "__main__":
    unittest.main()
