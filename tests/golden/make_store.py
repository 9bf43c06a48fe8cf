#!/usr/bin/env python3
"""Makes tests/golden/store-<version>.tar.gz: a small data directory of the present format version, as
a server that was killed left it. One is made when the version rises; older ones stay."""

import os
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e", "wire"))

from wire import Requester  # finds serverprocess
from serverprocess import Server

VERSION = 1


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


def main():
    with Server() as server:
        with Requester(server.port) as client:
            fill(client)
        server.restart()  # so that there is more than one boot
        with Requester(server.port) as client:
            client.publish(b"w", b"more work")
        server.kill()
        path = os.path.join(HERE, f"store-{VERSION}.tar.gz")
        with tarfile.open(path, "w:gz") as archive:
            archive.add(os.path.join(server.directory, "millrace"), arcname="millrace", filter=nobody)
    print(path, os.path.getsize(path))


def nobody(entry):
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
