#!/usr/bin/env python3
"""Makes tests/golden/store-<version>.tar.gz: a small data directory of the present format version, as
a server that was killed left it, store-<version>-packed.tar.gz, with packed files, and store-<version>-blocks.tar.gz, with a state
block of many subjects. One is made when the version rises; older ones stay."""

import glob
import os
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e", "wire"))

from wire import Requester  # finds serverprocess
from serverprocess import Server

VERSION = 1
PACKED_MESSAGES = 460
BLOCK_MESSAGES = 8000
BLOCK_SUBJECTS = 4500


def fill(client):
    config = {"name": "S", "subjects": ["s.>"], "allow_msg_ttl": True, "max_msgs_per_subject": 3}
    assert "error" not in client.api("STREAM.CREATE.S", config)
    for i in range(1, 21):
        client.publish(b"s.%d" % (i % 4), b"message %d" % i, b"NATS/1.0\r\nNats-Msg-Id: id%d\r\n\r\n" % i)
    assert client.api("STREAM.MSG.DELETE.S", {"seq": 15})["success"]
    durable = {"durable_name": "C", "name": "C", "ack_policy": "explicit"}
    assert "error" not in client.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": durable})
    client.send(b"SUB pulled 9\r\n")
    client.send(b'PUB $JS.API.CONSUMER.MSG.NEXT.S.C pulled 11\r\n{"batch":4}\r\n')
    replies = [client.message()[1] for _ in range(4)]
    client.ask(replies[0], b"+ACK")
    assert "error" not in client.api("STREAM.CREATE.W", {"name": "W", "subjects": ["w"], "retention": "workqueue"})
    client.publish(b"w", b"work")


def fill_packed(client, directory):
    """Text that compresses, until some of it is packed."""
    config = {"name": "Z", "subjects": ["z"], "compression": "s2"}
    assert "error" not in client.api("STREAM.CREATE.Z", config)
    for i in range(1, PACKED_MESSAGES + 1):
        client.publish(b"z", packed_payload(i))
    end = time.monotonic() + 20
    while not glob.glob(os.path.join(directory, "millrace", "logs", "*", "*.pak")):
        assert time.monotonic() < end, "nothing was packed"
        time.sleep(0.1)


def packed_payload(i):
    return b"message %06d " % i * 4096


def make_packed():
    with Server() as server:
        with Requester(server.port) as client:
            fill_packed(client, server.directory)
        server.kill()
        save(server, f"store-{VERSION}-packed.tar.gz")


def block_payload(i):
    return b"message %06d " % i * 100


def fill_blocks(client, directory):
    """More subjects than a state block names one by one, until there is one; then some more, and some go."""
    assert "error" not in client.api("STREAM.CREATE.B", {"name": "B", "subjects": ["b.>"]})
    for i in range(1, BLOCK_MESSAGES + 1):
        subject, payload = b"b.%d" % (i * 7 % BLOCK_SUBJECTS), block_payload(i)
        if i % 100 != 0:  # one batch for many
            client.send(b"PUB %s %d\r\n%s\r\n" % (subject, len(payload), payload))
            continue
        assert client.publish(subject, payload)["seq"] == i
        assert client.api("STREAM.MSG.DELETE.B", {"seq": i - 50, "no_erase": True})["success"]
    assert glob.glob(os.path.join(directory, "millrace", "logs", "0000000000000010", "*.blk")), "there is no block"


def make_blocks():
    with Server() as server:
        with Requester(server.port) as client:
            fill_blocks(client, server.directory)
        server.kill()
        save(server, f"store-{VERSION}-blocks.tar.gz")


def save(server, name):
    path = os.path.join(HERE, name)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(os.path.join(server.directory, "millrace"), arcname="millrace", filter=nobody)
    print(path, os.path.getsize(path))


def make():
    with Server() as server:
        with Requester(server.port) as client:
            fill(client)
        server.restart()  # so that there is more than one boot
        with Requester(server.port) as client:
            client.publish(b"w", b"more work")
        server.kill()
        save(server, f"store-{VERSION}.tar.gz")


def nobody(entry):
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return None if entry.name.endswith("/reserve") else entry


if __name__ == "__main__":
    if "--packed" not in sys.argv and "--blocks" not in sys.argv:
        make()
    if "--blocks" not in sys.argv:
        make_packed()
    make_blocks()
