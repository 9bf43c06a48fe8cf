"""A client's bytes through every kind of door: plain, TLS, WebSocket, compressed WebSocket, and that within TLS."""

import base64
import os
import socket
import ssl
import struct
import time
import zlib

from wire import READ_S, Connection

TAIL = b"\0\0\xff\xff"
KEY = base64.b64encode(b"0123456789abcdef").decode()
BINARY, CLOSE, PING = 2, 8, 9


def open_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Door(Connection):
    """As Connection, of a plain port."""

    def __init__(self, port):
        self.raw = b""  # frames that are not whole
        self.received, self.ended, self.sid, self.read_s = bytearray(), False, b"", None
        self.begin(port)
        self.greeting = self.line()
        self.secure()

    def begin(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=READ_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def secure(self):
        pass

    def _more(self, end, what):
        self.socket.settimeout(max(end - time.monotonic(), 0.001))
        data = self.take_in(self.socket.recv(1 << 18))
        if data is None:
            self.ended = True
        else:
            self.received += data

    @staticmethod
    def take_in(data):
        return data or None


class Secured(Door):
    def secure(self):
        self.socket = open_context().wrap_socket(self.socket)


class Framed(Door):
    OFFER = ""

    def begin(self, port):
        super().begin(port)
        self.secure_first()
        self.parts = b""
        self.socket.sendall(
            f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{self.OFFER}"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self.raw:
            self.raw += self.socket.recv(65536)
        head, self.raw = self.raw.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.received += self.whole_ones() or b""

    def secure_first(self):
        pass

    @staticmethod
    def squeezed(data):
        return 0, data

    def send(self, data):
        bit, data = self.squeezed(data)
        if len(data) < 126:
            size = bytes([0x80 | len(data)])
        elif len(data) < 65536:
            size = bytes([0x80 | 126]) + struct.pack(">H", len(data))
        else:
            size = bytes([0x80 | 127]) + struct.pack(">Q", len(data))
        super().send(bytes([0x80 | bit | BINARY]) + size + bytes(4) + data)

    def frame(self):
        """The next whole one: its first byte and what it holds."""
        if len(self.raw) < 2:
            return None
        size, at = self.raw[1], 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(self.raw) < at:
                return None
            size = int.from_bytes(self.raw[2:at], "big")
        if len(self.raw) < at + size:
            return None
        first, payload = self.raw[0], self.raw[at : at + size]
        self.raw = self.raw[at + size :]
        return first, payload

    def take_in(self, data):
        self.raw += data
        return self.whole_ones() if data else None

    def whole_ones(self):
        out = b""
        while (frame := self.frame()) is not None:
            first, payload = frame
            assert first & 15 in (0, BINARY, CLOSE), first
            if first & 15 == CLOSE:
                return out or None
            if first & 15 == BINARY:
                self.whole = not first & 0x40
                self.parts = b""
            self.parts += payload
            if first & 0x80:
                out += self.parts if self.whole else zlib.decompressobj(wbits=-15).decompress(self.parts + TAIL)
        return out


class Squeezed(Framed):
    OFFER = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"

    @staticmethod
    def squeezed(data):
        squeezer = zlib.compressobj(wbits=-15)
        return 0x40, (squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


class SqueezedSecured(Squeezed):
    def secure_first(self):
        self.socket = open_context().wrap_socket(self.socket)
