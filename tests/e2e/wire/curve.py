"""Curve keys for tests, in plain Python: X25519, XSalsa20 and Poly1305 as nkeys put them together ("xkv1")."""

import base64
import os
import struct

from claims import crc16

P = 2**255 - 19
WORDS = b"expand 32-byte k"
VERSION = b"xkv1"


def multiply(scalar, point):
    """RFC 7748."""
    k = int.from_bytes(bytes([scalar[0] & 248, *scalar[1:31], scalar[31] & 127 | 64]), "little")
    x1 = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b = x2 + z2, x2 - z2
        aa, bb = a * a, b * b
        e = aa - bb
        da, cb = (x3 - z3) * a, (x3 + z3) * b
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def mix(key, data):
    sigma = struct.unpack("<4I", WORDS)
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", data)
    before = [sigma[0], *k[:4], sigma[1], *n, sigma[2], *k[4:], sigma[3]]
    x = list(before)

    def quarter(a, b, c, d):
        for to, one, two, by in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
            value = (x[one] + x[two]) & 0xFFFFFFFF
            x[to] ^= (value << by | value >> (32 - by)) & 0xFFFFFFFF

    for _ in range(10):
        for places in ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11), (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)):
            quarter(*places)
    return before, x


def hsalsa(key, data):
    _, x = mix(key, data)
    return struct.pack("<8I", x[0], x[5], x[10], x[15], *x[6:10])


def stream(key, nonce, size):
    out = b""
    while len(out) < size:
        before, x = mix(key, nonce + struct.pack("<Q", len(out) // 64))
        out += struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(before, x)))
    return out[:size]


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(data), 16):
        total = (total + int.from_bytes(data[i : i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


class CurveKey:
    def __init__(self):
        self.private = os.urandom(32)
        raw = bytes([0xB8]) + multiply(self.private, (9).to_bytes(32, "little"))
        self.text = base64.b32encode(raw + crc16(raw).to_bytes(2, "little")).decode().rstrip("=")

    def _key(self, peer, nonce):
        public = base64.b32decode(peer + "=" * (-len(peer) % 8))[1:33]
        return hsalsa(hsalsa(multiply(self.private, public), bytes(16)), nonce[:16])

    def seal(self, peer, data):
        nonce = os.urandom(24)
        flow = stream(self._key(peer, nonce), nonce[16:], 32 + len(data))
        body = bytes(a ^ b for a, b in zip(data, flow[32:]))
        return VERSION + nonce + poly1305(flow[:32], body) + body

    def open(self, peer, sealed):
        assert sealed[:4] == VERSION
        nonce, proof, body = sealed[4:28], sealed[28:44], sealed[44:]
        flow = stream(self._key(peer, nonce), nonce[16:], 32 + len(body))
        assert poly1305(flow[:32], body) == proof
        return bytes(a ^ b for a, b in zip(body, flow[32:]))
