#!/usr/bin/env python3
"""Proves that the load generator refuses what is wrong: `make bench-check`.

A server of a few lines answers well enough for a run to pass; then it lies in one way at a time, and
the load generator must notice. A benchmark that cannot fail measures nothing.
"""

import os
import socket
import subprocess
import sys
import threading
import unittest

LOAD = os.path.join(os.environ.get("BUILD", "build"), "bench", "load")
MESSAGES = 20


class Liar:
    """Serves one client at a time. `lie` names what it does wrong; None: nothing."""

    def __init__(self, lie=None):
        self.lie = lie
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.subs = []  # subject, sid, socket
        self.stored = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        try:
            with peer, peer.makefile("rb") as lines:
                peer.sendall(b'INFO {"headers":true}\r\n')
                for line in lines:
                    words = line.split()
                    if words[0] == b"PING":
                        peer.sendall(b"PONG\r\n")
                    elif words[0] == b"SUB":
                        self.subs.append((words[1].decode(), words[-1].decode(), peer))
                    elif words[0] == b"PUB":
                        payload = lines.read(int(words[-1]) + 2)[:-2]
                        reply = words[2].decode() if len(words) == 4 else ""
                        with self.lock:
                            self.publish(words[1].decode(), reply, payload, peer)
        except OSError:
            pass

    def publish(self, subject, reply, payload, peer):
        if subject.startswith("$JS.API.DIRECT.GET."):
            self.direct_get(subject, reply)
        elif subject.startswith("$JS.API."):
            messages = self.stored + (1 if self.lie == "count" else 0)
            answer = b'{"state":{"messages":%d}}' % messages
            if self.lie == "refuse":
                answer = b'{"error":{"code":503}}'
            self.send(reply, "", answer)
        elif subject.startswith(("bench.js", "bench.kv.")):
            self.store(reply, peer)
        else:
            self.send(subject, reply, payload)
            if self.lie == "twice" and subject == "bench.fan":
                self.send(subject, reply, payload)

    def store(self, reply, peer):
        self.stored += 1
        if self.stored == MESSAGES // 2:
            if self.lie == "silent":
                return
            if self.lie == "close":
                peer.shutdown(socket.SHUT_RDWR)
                return
            if self.lie == "garbage":
                peer.sendall(b"nonsense\r\n")
                return
            if self.lie == "bad ack":
                self.send(reply, "", b'{"error":{"code":500}}')
                return
            if self.lie == "ack twice":
                self.send(reply, "", b'{"stream":"BENCH","seq":%d}' % self.stored)
        sequence = self.stored + (1 if self.lie == "sequence" else 0)
        self.send(reply, "", b'{"stream":"BENCH", "seq":%d}' % sequence)

    def direct_get(self, subject, reply):
        key = int(subject.rsplit(".", 1)[1])
        if self.lie == "key":
            key += 1
        header = b"NATS/1.0\r\nNats-Sequence: 1\r\n\r\n"
        if self.lie == "not found":
            header = b"NATS/1.0 404 Message Not Found\r\n\r\n"
        payload = b"" if self.lie == "not found" else key.to_bytes(8, "little") + b"x" * 120
        for _, sid, peer in self.matching(reply):
            peer.sendall(f"HMSG {reply} {sid} {len(header)} {len(header) + len(payload)}\r\n"
                         .encode() + header + payload + b"\r\n")

    def matching(self, subject):
        return [s for s in self.subs if s[0] == subject
                or s[0].endswith("*") and subject.startswith(s[0][:-1])]

    def send(self, subject, reply, payload):
        if self.lie == "short" and subject == "bench.fan":
            payload = payload[:-1]
        line = f"MSG {subject} {{}} {reply + ' ' if reply else ''}{len(payload)}\r\n"
        for _, sid, peer in self.matching(subject):
            peer.sendall(line.format(sid).encode() + payload + b"\r\n")


def run(mode, lie=None):
    server = Liar(lie)
    try:
        return subprocess.run(
            [LOAD, mode, "--port", str(server.port), "--messages", str(MESSAGES), "--keys", "5",
             "--seconds", "1", "--deadline", "3"],
            capture_output=True, text=True, timeout=20, check=False)
    finally:
        server.close()


class LoadGenerator(unittest.TestCase):
    def passes(self, mode):
        done = run(mode)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"errors":0', done.stdout)

    def notices(self, mode, lie, words):
        done = run(mode, lie)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(words, done.stderr)

    def test_an_honest_server_passes(self):
        for mode in ("pub", "fan1", "fan4", "reqrep1", "reqrepw", "jspub1", "jspubw", "dget1"):
            with self.subTest(mode):
                self.passes(mode)

    def test_a_refused_request_is_noticed(self):
        self.notices("jspub1", "refuse", "refused")

    def test_a_refused_publish_is_noticed(self):
        self.notices("jspubw", "bad ack", '"code":500')

    def test_a_wrong_sequence_is_noticed(self):
        self.notices("jspubw", "sequence", "got sequence")

    def test_a_second_ack_is_noticed(self):
        self.notices("jspubw", "ack twice", "second or early")

    def test_a_stream_that_lost_or_made_up_a_message_is_noticed(self):
        self.notices("jspub1", "count", "the stream holds")

    def test_an_ack_that_never_comes_ends_the_run(self):
        self.notices("jspub1", "silent", "deadline")

    def test_a_closed_connection_ends_the_run(self):
        self.notices("jspub1", "close", "closed connection")

    def test_a_broken_protocol_ends_the_run(self):
        self.notices("jspub1", "garbage", "the server sent")

    def test_a_message_delivered_twice_is_noticed(self):
        self.notices("fan4", "twice", "was due")

    def test_a_shortened_payload_is_noticed(self):
        self.notices("fan1", "short", "payload of 127 bytes")

    def test_the_wrong_key_is_noticed(self):
        self.notices("dget1", "key", "gave")

    def test_a_key_not_found_is_noticed(self):
        self.notices("dget1", "not found", "404")


if __name__ == "__main__":
    if not os.access(LOAD, os.X_OK):
        sys.exit(f"no program at {LOAD}: make bench-programs")
    unittest.main()
