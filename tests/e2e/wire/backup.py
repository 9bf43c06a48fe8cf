"""A client of backups: takes the chunks of a snapshot, sends those of a restore."""

import io
import json
import struct
import tarfile

from wire import Requester

CHUNK = 64 * 1024

# --- what is in an archive: an S2 stream around a tar. Ours has chunks that are not compressed (type 1).

BEGIN = b"\xff\x06\0\0S2sTwO"
CRC_TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    CRC_TABLE.append(n)


def masked_crc(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def entries_of(archive):
    """Name and content of each file, in order."""
    assert archive.startswith(BEGIN)
    plain, at = b"", len(BEGIN)
    while at < len(archive):
        size = int.from_bytes(archive[at + 1 : at + 4], "little")
        assert archive[at] == 1
        plain += archive[at + 8 : at + 4 + size]
        at += 4 + size
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar.getmembers()]


def archive_of(entries):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    plain, out = file.getvalue(), BEGIN
    for at in range(0, len(plain), CHUNK):
        part = plain[at : at + CHUNK]
        out += b"\x01" + (len(part) + 4).to_bytes(3, "little") + struct.pack("<I", masked_crc(part)) + part
    return out


# --- the transfer


class Snapshot(Requester):
    """Asks for a backup and takes as much of it as the test wants."""

    def begin(self, stream, **wish):
        self.send(b"SUB snap.in 7\r\n")
        self.answer = self.api(f"STREAM.SNAPSHOT.{stream}", {"deliver_subject": "snap.in", **wish})
        self.archive, self.status, self.last = b"", None, False
        return self.answer

    def chunk(self):
        """What comes next: reply, headers, body. Answers to other clients come by, too."""
        while True:
            to, reply, headers, body = self.message()
            if to == b"snap.in":
                return reply, headers, body

    def take(self, ack=True):
        """One chunk; False: there is no more."""
        reply, headers, body = self.chunk()
        if not body:
            self.status, self.last = headers, True
            return False
        self.archive += body
        if reply and ack:
            self.send(b"PUB %s 0\r\n\r\n" % reply)
        return True

    def rest(self):
        while self.take():
            pass
        return self.archive


def snapshot(port, stream, **wish):
    """The answer and the archive."""
    with Snapshot(port) as client:
        answer = client.begin(stream, **wish)
        assert "error" not in answer, answer
        archive = client.rest()
        assert client.status in (b"", b"NATS/1.0 204\r\n\r\n"), client.status
        return answer, archive


def restore_begin(client, answer):
    return client.api(f"STREAM.RESTORE.{answer['config']['name']}", {"config": answer["config"], "state": answer["state"]})


def restore(port, answer, archive, chunk=CHUNK):
    """What is answered at last, or by the chunk that ended it."""
    with Requester(port) as client:
        client.read_s = 60
        begun = restore_begin(client, answer)
        if "error" in begun:
            return begun
        to = begun["deliver_subject"].encode()
        for at in range(0, len(archive), chunk):
            _, body = client.ask(to, archive[at : at + chunk])
            if body:
                return json.loads(body)
        _, body = client.ask(to)
        return json.loads(body)
