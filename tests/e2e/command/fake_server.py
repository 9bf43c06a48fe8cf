"""Servers that are none, or no honest ones: what they send is up to the test."""

import json
import socket
import threading

GREETING = b'INFO {"server_id":"X","server_name":"fake","version":"2.14.5","headers":true,"jetstream":true,"max_payload":1048576}\r\n'


class FakeServer:
    """Every connection goes to `talk(connection)` in a thread of its own and is closed behind it."""

    def __init__(self, talk):
        self.talk = talk
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                self.talk(connection)
            except (OSError, ValueError):
                pass  # the client has gone, or sends what is no protocol

    def close(self):
        # Wakes the thread that accepts; close alone would leave it there.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def says(text):
    """Sends that, then waits for the client to go."""

    def talk(connection):
        connection.sendall(text)
        while connection.recv(4096):
            pass

    return talk


def floods(text):
    """Greets, then says the same without an end."""

    def talk(connection):
        connection.sendall(GREETING)
        while True:
            connection.sendall(text * 10000)

    return talk


def answers(answer):
    """Speaks the protocol; each request is answered with answer(subject, payload): bytes, or what becomes JSON."""

    def talk(connection):
        connection.sendall(GREETING)
        sids = {}
        lines = connection.makefile("rb")
        for line in lines:
            words = line.split()
            if words[:1] == [b"PING"]:
                connection.sendall(b"PONG\r\n")
            elif words[:1] == [b"SUB"]:
                sids[words[1].rstrip(b"*")] = words[-1]
            elif words[:1] in ([b"PUB"], [b"HPUB"]):
                has_header = words[0] == b"HPUB"
                payload = lines.read(int(words[-1]) + 2)[int(words[-2]) if has_header else 0:-2]
                if len(words) < (5 if has_header else 4):
                    continue
                sid = next((sids[s] for s in sids if words[2].startswith(s)), b"1")
                said = answer(words[1].decode(), payload)
                if not isinstance(said, bytes):
                    said = json.dumps(said).encode()
                connection.sendall(b"MSG %s %s %d\r\n%s\r\n" % (words[2], sid, len(said), said))

    return talk
