"""A client of backups: takes the chunks of a snapshot, sends those of a restore."""

import json

from wire import Requester

CHUNK = 64 * 1024


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
