#!/usr/bin/env python3
"""Sends the same bytes to Millrace and to the reference server and compares what comes back.

    differential.py [--nats-server PATH] [--show] [word...]

Scripts stand in scripts.py; words choose those whose names hold one of them. Without a reference nothing is
compared.
"""

import argparse
import os
import re
import shutil
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import serverprocess  # noqa: E402
from scripts import CONFIGS, SCRIPTS  # noqa: E402

QUIET_S = 0.02  # a connection that says nothing for so long has said all
LONGEST_S = 2.0

# Scripts whose answers differ, and why.
KNOWN = {
    "pub 21: b'PUB a 02\\r\\nhi\\r\\n'": "a size is delivered as a number, not as it was written",
}

INFO = re.compile(rb"INFO \{.*?\}\s*\r\n")


class Peer(serverprocess.Server):
    def __init__(self, program, config):
        super().__init__(jetstream=False, prefix="millrace-bytes-")
        self.program = program
        path = os.path.join(self.directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("server_name: S\n" + config)
        self.arguments = ["-c", path]

    def command(self):
        return [self.program, *super().command()[1:]]


def listen(sockets, said, ended):
    """Takes what arrives until nobody says anything more."""
    end = time.monotonic() + LONGEST_S
    quiet = time.monotonic() + QUIET_S
    while time.monotonic() < min(end, quiet):
        for number, connection in sockets.items():
            if number in ended:
                continue
            try:
                data = connection.recv(1 << 20)
            except BlockingIOError:
                continue
            except ConnectionError:
                data = b""
            if not data:
                ended.add(number)
            said[number] += data
            quiet = time.monotonic() + QUIET_S
        time.sleep(0.001)


def play(port, steps):
    """What each connection was told, and which were closed."""
    sockets, said, ended = {}, {}, set()
    for number in sorted({number for number, _ in steps}):
        sockets[number] = socket.create_connection(("127.0.0.1", port), timeout=LONGEST_S)
        sockets[number].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said[number] = b""
        while b"\r\n" not in said[number]:
            said[number] += sockets[number].recv(1 << 16)
        sockets[number].setblocking(False)
    for number, data in steps:
        try:
            sockets[number].setblocking(True)
            sockets[number].sendall(data)
        except OSError:
            pass
        sockets[number].setblocking(False)
        listen(sockets, said, ended)
    for connection in sockets.values():
        connection.close()
    # Its pings come when they come; what INFO says is compared elsewhere.
    texts = {number: INFO.sub(b"", text).replace(b"PING\r\n", b"") for number, text in said.items()}
    return texts, sorted(ended)


def run(scripts, program, show):
    equal = known = failed = 0
    peers = {}
    try:
        for name, config, steps in scripts:
            if config not in peers:
                pair = [Peer(path, CONFIGS[config]) for path in (program, serverprocess.BINARY)]
                peers[config] = [peer.__enter__() for peer in pair]
            theirs, ours = (play(peer.port, steps) for peer in peers[config])
            if show:
                print(f"{name}: {theirs}")
            if theirs == ours:
                equal += 1
            elif name in KNOWN:
                known += 1
            else:
                failed += 1
                print(f"{name}\n    theirs {theirs}\n    ours   {ours}")
    finally:
        for pair in peers.values():
            for peer in pair:
                peer.__exit__()
    print(f"{equal} equal, {known} known differences")
    print(f"bytes: {equal + known} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nats-server", default=os.environ.get("NATS_SERVER") or shutil.which("nats-server"))
    parser.add_argument("--show", action="store_true", help="print every answer of the reference")
    parser.add_argument("word", nargs="*")
    arguments = parser.parse_args()
    if not arguments.nats_server:
        print("bytes: no nats-server in $NATS_SERVER or PATH: nothing is compared")
        return 0
    chosen = [s for s in SCRIPTS if not arguments.word or any(word in s[0] for word in arguments.word)]
    return run(chosen, arguments.nats_server, arguments.show)


if __name__ == "__main__":
    sys.exit(main())
