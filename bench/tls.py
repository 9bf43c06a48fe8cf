#!/usr/bin/env python3
"""Publishes over TLS beside nats-server: processor time of the server for each message, and how much memory many
connections take that say CONNECT and then nothing.

    bench/tls.py [--nats-server PATH] [--rounds N] [--messages N] [--size BYTES] [--idle N] [--idle-tls N]

The two servers take turns; what counts is the median. Rates are not compared: the publisher is this program.
"""

import argparse
import glob
import os
import resource
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "e2e", "wire"))

from test_tls import make_certificates  # noqa: E402

START_S = 60
CONNECT = b'CONNECT {"verbose":false}\r\nPING\r\n'


def cpu_ns(pid):
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def anonymous(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))


class Peer:
    def __init__(self, program, directory, tls):
        self.ports = tempfile.mkdtemp(dir=directory)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        path = os.path.join(self.ports, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"listen: 127.0.0.1:{self.port}\nping_interval: 1h\nmax_payload: 1MB\n")
            if tls:
                file.write(f'tls {{ cert_file: "{directory}/srv.pem", key_file: "{directory}/srv-key.pem", timeout: 60 }}\n')
        self.context = ssl.create_default_context(cafile=f"{directory}/ca.pem") if tls else None
        self.process = subprocess.Popen([program, "-c", path], stderr=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=START_S)
        while not raw.recv(1 << 16).endswith(b"\r\n"):
            pass
        client = self.context.wrap_socket(raw, server_hostname="localhost") if self.context else raw
        client.sendall(CONNECT)
        self.wait(client)
        return client

    @staticmethod
    def wait(client):
        said = b""
        while b"PONG\r\n" not in said:
            data = client.recv(1 << 16)
            if not data:
                raise OSError(said)
            said = said[-16:] + data

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def publish(peer, count, size):
    """Nanoseconds a message."""
    line = b"PUB bench.tls %d\r\n%s\r\n" % (size, b"x" * size)
    each = max(1, (1 << 20) // len(line))
    chunk = line * each
    client = peer.connect()
    before = cpu_ns(peer.process.pid)
    for _ in range(count // each):
        client.sendall(chunk)
    client.sendall(b"PING\r\n")
    peer.wait(client)
    after = cpu_ns(peer.process.pid)
    client.close()
    return (after - before) / (count // each * each)


def publishing(programs, directory, arguments):
    peers = {name: Peer(program, directory, True) for name, program in programs.items()}
    figures = {name: [] for name in programs}
    for _ in range(arguments.rounds):
        for name, peer in peers.items():
            figures[name].append(publish(peer, arguments.messages, arguments.size))
    for peer in peers.values():
        peer.end()
    middle = {name: statistics.median(values) for name, values in figures.items()}
    for name, value in middle.items():
        print(f"publish of {arguments.size} B over TLS, {name}: {value:.1f} ns of its processor time")
    if len(middle) == 2:
        print(f"messages a processor second beside theirs: {middle['nats-server'] / middle['millrace']:.2f}x")


def idle(programs, directory, count, tls):
    for name, program in programs.items():
        peer = Peer(program, directory, tls)
        time.sleep(1)
        before, clients = anonymous(peer.process.pid), []
        try:
            for _ in range(count):
                clients.append(peer.connect())
            time.sleep(3)
            each = (anonymous(peer.process.pid) - before) / count
            print(f"{count} idle connections{' with TLS' if tls else ''}, {name}: {each:.0f} bytes each")
        finally:
            for client in clients:
                client.close()
            peer.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nats-server", default=os.environ.get("NATS_SERVER") or shutil.which("nats-server"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--idle", type=int, default=0)
    parser.add_argument("--idle-tls", type=int, default=0)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    programs = {"millrace": os.path.join(HERE, "..", "build", "millrace")}
    if arguments.nats_server:
        programs["nats-server"] = arguments.nats_server
    with tempfile.TemporaryDirectory(prefix="millrace-tls-bench-") as directory:
        make_certificates(directory)
        publishing(programs, directory, arguments)
        if arguments.idle:
            idle(programs, directory, arguments.idle, False)
        if arguments.idle_tls:
            idle(programs, directory, arguments.idle_tls, True)


if __name__ == "__main__":
    main()
