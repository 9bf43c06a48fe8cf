"""Keys and signed claims for tests, made with the openssl command."""

import base64
import json
import os
import subprocess
import tempfile
import time

KINDS = {"O": 0x70, "A": 0x00, "U": 0xA0}
PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


class Key:
    """A key pair whose public half is text of that kind: "O", "A" or "U"."""

    def __init__(self, kind):
        self.private = PKCS8 + os.urandom(32)
        public = openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", data=self.private)[-32:]
        self.kind = kind
        raw = bytes([KINDS[kind]]) + public
        self.text = base64.b32encode(raw + crc16(raw).to_bytes(2, "little")).decode().rstrip("=")

    def seed(self):
        """The private half, as text."""
        kind = KINDS[self.kind]
        raw = bytes([18 << 3 | kind >> 5, (kind & 31) << 3]) + self.private[-32:]
        return base64.b32encode(raw + crc16(raw).to_bytes(2, "little")).decode().rstrip("=")

    def credentials(self, path, token):
        """Writes what a client is given to show who it is."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n")
            file.write(f"-----BEGIN USER NKEY SEED-----\n{self.seed()}\n------END USER NKEY SEED------\n")
        return path

    def sign(self, data):
        with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as text:
            key.write(self.private), key.flush()
            text.write(data), text.flush()
            return openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", key.name, "-in", text.name)

    def token(self, kind, subject, /, version=2, expires=None, issued=None, name="n", aud=None, **claims):
        """What this key says of another."""
        body = {"jti": os.urandom(16).hex(), "iat": int(issued or time.time()), "iss": self.text, "name": name, "sub": subject}
        if expires is not None:
            body["exp"] = int(expires)
        if aud is not None:
            body["aud"] = aud
        if version == 1:
            body["type"] = kind
            body["nats"] = claims
        else:
            body["nats"] = {"type": kind, "version": 2, **claims}
        header = {"typ": "JWT" if version == 2 else "jwt", "alg": "ed25519-nkey" if version == 2 else "ed25519"}
        parts = [url(json.dumps(part).encode()) for part in (header, body)]
        signed = b".".join(parts) if version == 2 else parts[1]
        return b".".join([*parts, url(self.sign(signed))]).decode()
