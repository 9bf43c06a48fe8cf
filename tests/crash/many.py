#!/usr/bin/env python3
"""Ten million messages over a million subjects, acknowledged; a SIGKILL amid them and one behind the last: each is
there, in order, under its sequence, with its subject and its bytes, and so once more after each start.

    many.py [--messages N] [--subjects N]

Some minutes; prints what was looked at. Its last line goes to tests/ledger.tsv (docs/testing.md, Long runs).
"""
import argparse
import os
import random
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "..", "e2e", "wire")]

from serverprocess import BINARY, Server
from wire import Connection, Requester, Timeout

WINDOW, PIECE = 4000, 1000
ASK_S = 600
FILLS = [random.Random(n).randbytes(200).hex().encode() for n in range(64)]


class Told:
    """What each message is: its sequence alone says it."""

    def __init__(self, subjects):
        self.subjects = subjects

    def subject(self, sequence):
        return b"s.%07d" % (sequence * 7919 % self.subjects)

    def body(self, sequence):
        return b"%010d %s" % (sequence, FILLS[sequence % 64][: 60 + sequence % 61])

    def line(self, sequence):
        body = self.body(sequence)
        return b"PUB %s acks.a %d\r\n%s\r\n" % (self.subject(sequence), len(body), body)


def acks_of(data):
    return [int(number) for number in re.findall(rb'"seq":(\d+)[,}]', data)]


def publish(server, told, first, last, killed):
    """From `first` on, in order, acknowledged. `killed`: with that many on their way the server dies."""
    with Connection(server.port) as connection:
        connection.connect(headers=True, no_responders=True)
        connection.send(b"SUB acks.* 1\r\n")
        connection.flush()
        connection.socket.settimeout(ASK_S)
        sent, acked, tail = first - 1, first - 1, b""
        while acked < last:
            while sent < last and sent - acked <= WINDOW - PIECE:
                upto = min(sent + PIECE, last)
                connection.socket.sendall(b"".join(told.line(i) for i in range(sent + 1, upto + 1)))
                sent = upto
            if killed and sent == last:
                return acked
            data = tail + connection.socket.recv(1 << 20)
            end = data.rfind(b"\r\n") + 2
            tail = data[end:]
            for sequence in acks_of(data[:end]):
                assert sequence == acked + 1, (sequence, acked)
                acked += 1
            if b"PING\r\n" in data[:end]:
                connection.send(b"PONG\r\n")
        return acked


def verify(server, told, last, to):
    """All of the stream, in order, byte by byte. `to`: a subject of its own, earlier consumers may go on."""
    with Connection(server.port) as connection:
        connection.connect(headers=True)
        connection.send(b"SUB %s 5\r\nSUB answers 6\r\n" % to)
        config = b'{"stream_name":"S","config":{"deliver_subject":"%s","ack_policy":"none","deliver_policy":"all"}}' % to
        connection.send(b"PUB $JS.API.CONSUMER.CREATE.S answers %d\r\n%s\r\n" % (len(config), config))
        connection.socket.settimeout(ASK_S)
        data, at, sequence = b"", 0, 0
        while sequence < last:
            data = data[at:] + connection.socket.recv(4 << 20)
            at = 0
            while (found := data.find(b"\r\n", at)) >= 0 and sequence < last:
                line = data[at:found]
                if line == b"PING":
                    connection.send(b"PONG\r\n")
                    at = found + 2
                    continue
                words = line.split(b" ")
                assert words[0] == b"MSG" or line.startswith((b"INFO", b"PONG", b"+OK")), line
                if words[0] != b"MSG":
                    at = found + 2
                    continue
                size = int(words[-1])
                if len(data) < found + 2 + size + 2:
                    break
                if words[2] == b"5":
                    sequence += 1
                    body = data[found + 2 : found + 2 + size]
                    assert words[1] == told.subject(sequence), (sequence, words)
                    assert body == told.body(sequence), (sequence, body)
                    assert words[3].split(b".")[5] == b"%d" % sequence, (sequence, words)
                else:
                    assert b'"error"' not in data[found + 2 : found + 2 + size], data[found + 2 : found + 2 + size]
                at = found + 2 + size + 2


def ask(server, subject, body=None):
    end = time.monotonic() + ASK_S
    while True:
        try:
            with Requester(server.port, read_s=60) as client:
                return client.api(subject, body) if body is not None else client.api(subject)
        except (OSError, Timeout):
            assert time.monotonic() < end, "no answer"
            time.sleep(0.5)


def look(server, told, last, what):
    state = ask(server, "STREAM.INFO.S")["state"]
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (last, 1, last), state
    assert state["num_subjects"] == min(told.subjects, last), state
    verify(server, told, last, what.split()[0].encode())
    for _ in range(200):  # the newest of a subject
        sequence = random.randrange(max(1, last - told.subjects + 1), last + 1)
        newest = sequence + (last - sequence) // told.subjects * told.subjects
        found = ask(server, "STREAM.MSG.GET.S", {"last_by_subj": told.subject(sequence).decode()})["message"]
        assert found["seq"] == newest, (sequence, found)
    print(f"{what}: {last} messages of {state['num_subjects']} subjects are what they were", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--subjects", type=int, default=1_000_000)
    arguments = parser.parse_args()
    told, begun = Told(arguments.subjects), time.monotonic()
    with Server() as server:
        answer = ask(server, "STREAM.CREATE.S", {"name": "S", "subjects": ["s.*"]})
        assert "error" not in answer, answer
        half = arguments.messages // 2
        acked = publish(server, told, 1, half, killed=True)
        server.restart(signal.SIGKILL)
        last = ask(server, "STREAM.INFO.S")["state"]["last_seq"]
        assert acked <= last <= half, (acked, last, half)
        print(f"SIGKILL with {half - acked} on their way: {last - acked} of them are there", flush=True)
        publish(server, told, last + 1, arguments.messages, killed=False)
        look(server, told, arguments.messages, "before a SIGKILL")
        server.restart(signal.SIGKILL)
        look(server, told, arguments.messages, "after it")
        server.end(signal.SIGTERM)
        check = subprocess.run([BINARY, "check", server.directory], capture_output=True, text=True, check=False)
        assert check.returncode == 0, check.stdout + check.stderr
    print(f"{arguments.messages} messages, {arguments.subjects} subjects, 2 SIGKILLs, {time.monotonic() - begun:.0f} s: all there")


if __name__ == "__main__":
    main()
