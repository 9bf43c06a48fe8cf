"""Messages over a WebSocket, compressed (RFC 7692). It holds for the reference server as well."""

import os
import unittest
import zlib

from test_websocket import BINARY, OWN_PING, PING, PONG, WebSockets
from wire import READ_S, Connection, own_promise

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
SQUEEZED = 0x40
TAIL = b"\0\0\xff\xff"


def squeeze(data):
    squeezer = zlib.compressobj(wbits=-15)
    return (squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


class CompressedCase(WebSockets):
    BLOCK = "no_tls: true, compression: true"

    def raw_next(self, peer):
        """Final, compressed, opcode, payload."""
        first, second = peer.take(2)
        size = second
        if size == 126:
            size = int.from_bytes(peer.take(2), "big")
        elif size == 127:
            size = int.from_bytes(peer.take(8), "big")
        return bool(first & 0x80), bool(first & SQUEEZED), first & 15, peer.take(size)

    def message(self, peer):
        """The next message, whatever its frames: its content, whether it was compressed, their sizes."""
        final, squeezed, opcode, payload = self.raw_next(peer)
        self.assertEqual(opcode, BINARY)
        sizes = [len(payload)]
        while not final:
            final, more, opcode, part = self.raw_next(peer)
            self.assertEqual((more, opcode), (False, 0))
            payload += part
            sizes.append(len(part))
        if squeezed:
            payload = zlib.decompressobj(wbits=-15).decompress(payload + TAIL)
        return payload, squeezed, sizes

    def until(self, peer, end):
        got, squeezed, sizes = b"", False, []
        while not got.endswith((end, end + OWN_PING)):
            content, was, parts = self.message(peer)
            got += content
            squeezed |= was
            sizes += parts
        return got.replace(OWN_PING, b""), squeezed, sizes

    def greeted(self, headers=OFFER):
        peer = self.peer()
        head = peer.upgrade(headers)
        _, squeezed, _ = self.until(peer, b"\r\n")
        peer.send(b'CONNECT {"verbose":false}\r\n')
        return peer, head, squeezed


class Compressed(CompressedCase):
    def test_it_is_agreed_on_and_info_is_compressed(self):
        _, head, squeezed = self.greeted()
        self.assertIn("permessage-deflate; server_no_context_takeover; client_no_context_takeover", head)
        self.assertTrue(squeezed)

    def test_who_does_not_offer_it_gets_none(self):
        for headers in ({}, {"Sec-WebSocket-Extensions": "x-webkit-deflate-frame"}):
            peer, head, squeezed = self.greeted(headers)
            self.assertNotIn("permessage", head)
            self.assertFalse(squeezed)
            del peer

    def test_messages_cross_in_both_directions(self):
        peer, _, _ = self.greeted()
        body = b"so it goes. " * 2000
        peer.send(squeeze(b"SUB a 1\r\nPUB a %d\r\n%s\r\nPING\r\n" % (len(body), body)), opcode=BINARY | SQUEEZED)
        got, squeezed, sizes = self.until(peer, b"PONG\r\n")
        self.assertEqual(got, b"MSG a 1 %d\r\n%s\r\nPONG\r\n" % (len(body), body))
        self.assertTrue(squeezed)
        self.assertLess(sum(sizes), len(body) // 10)

    def test_short_ones_leave_as_they_are(self):
        peer, _, _ = self.greeted()
        peer.send(b"PING\r\n")
        self.assertEqual(self.message(peer), (b"PONG\r\n", False, [6]))

    def test_a_compressed_message_may_be_cut_anywhere_with_a_ping_between(self):
        peer, _, _ = self.greeted()
        data = squeeze(b"SUB b 1\r\nPUB b 3\r\nabc\r\nPING\r\n")
        peer.send(data[:3], opcode=BINARY | SQUEEZED, final=False)
        peer.send(b"", opcode=PING)
        peer.send(data[3:-1], opcode=0, final=False)
        peer.send(data[-1:], opcode=0)
        self.assertEqual(self.raw_next(peer)[2], PONG)
        self.assertEqual(self.until(peer, b"PONG\r\n")[0], b"MSG b 1 3\r\nabc\r\nPONG\r\n")

    def test_plain_and_compressed_messages_mix(self):
        peer, _, _ = self.greeted()
        peer.send(b"SUB c 1\r\n")
        peer.send(squeeze(b"PUB c 1\r\nx\r\n"), opcode=BINARY | SQUEEZED)
        peer.send(b"PING\r\n")
        self.assertEqual(self.until(peer, b"PONG\r\n")[0], b"MSG c 1 1\r\nx\r\nPONG\r\n")

    def browser(self, agent):
        peer, _, _ = self.greeted({**OFFER, "User-Agent": agent})
        body = os.urandom(20000).hex().encode()
        peer.send(squeeze(b"SUB d 1\r\nPUB d %d\r\n%s\r\nPING\r\n" % (len(body), body)), opcode=BINARY | SQUEEZED)
        got, _, sizes = self.until(peer, b"PONG\r\n")
        self.assertEqual(got, b"MSG d 1 %d\r\n%s\r\nPONG\r\n" % (len(body), body))
        return sizes

    def test_a_browser_gets_short_frames(self):
        self.assertLessEqual(max(self.browser("Mozilla/5.0 Chrome/120 Safari/537")), 4096)

    def test_safari_gets_whole_messages(self):
        self.assertGreater(max(self.browser("Mozilla/5.0 Version/17 Safari/605")), 4096)

    def test_what_is_not_compressed_as_it_says_ends_the_connection(self):
        peer, _, _ = self.greeted()
        peer.send(b"\xff\xff\xff\xff\xff", opcode=BINARY | SQUEEZED)
        with self.assertRaises((EOFError, ConnectionError)):
            while True:
                self.raw_next(peer)
        self.assertTrue(self.server.running())

    @own_promise
    def test_a_message_that_grows_beyond_its_limit_ends_the_connection(self):
        peer, _, _ = self.greeted()
        bomb = squeeze(b"PING\r\n" * (3 << 20))  # 18 MB, of 8 that a message may have
        self.assertLess(len(bomb), 65536)
        peer.send(bomb, opcode=BINARY | SQUEEZED)
        peer.socket.settimeout(READ_S)
        with self.assertRaises((EOFError, ConnectionError)):
            while True:
                self.raw_next(peer)
        self.assertTrue(self.server.running())

    @own_promise
    def test_an_offer_that_wants_a_smaller_window_is_passed_over(self):
        narrow = "permessage-deflate; server_max_window_bits=9"
        self.assertNotIn("permessage", self.greeted({"Sec-WebSocket-Extensions": narrow})[1])
        both = narrow + ", permessage-deflate"
        self.assertIn("permessage", self.greeted({"Sec-WebSocket-Extensions": both})[1])


class Behind(CompressedCase):
    REST = "max_payload: 1024"

    @own_promise
    def test_who_is_far_behind_gets_frames_that_clients_take(self):
        """Go's refuses those of more than eight times max_payload, however much waits."""
        for headers in ({}, OFFER):
            peer, _, _ = self.greeted(headers)
            peer.send(b"SUB a 1\r\nPING\r\n")
            self.until(peer, b"PONG\r\n")
            body = os.urandom(500).hex().encode()
            with Connection(self.server.port) as other:
                other.connect()
                for _ in range(16):  # more than both ends' sockets take
                    other.send(b"PUB a 1000\r\n%s\r\n" % body * 1024)
                    other.flush()
            got, largest = 0, 0
            while got < 16 * 1024 * (len(b"MSG a 1 1000\r\n") + 1002):
                content, _, sizes = self.message(peer)
                got += len(content.replace(OWN_PING, b""))
                largest = max(largest, *sizes)
            self.assertLessEqual(largest, 8 * 1024)


class NotAsked(WebSockets):
    def test_it_is_off_unless_configured(self):
        peer = self.peer()
        self.assertNotIn("permessage", peer.upgrade(OFFER))

    def test_a_compressed_frame_nobody_agreed_on_ends_the_connection(self):
        peer = self.client()
        peer.send(squeeze(b"PING\r\n"), opcode=BINARY | SQUEEZED)
        with self.assertRaises((EOFError, ConnectionError)):
            while True:
                peer.next()


if __name__ == "__main__":
    unittest.main()
