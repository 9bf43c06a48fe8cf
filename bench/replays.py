#!/usr/bin/env python3
"""Ten consumers that read a stream from its disk, in a process of their own: half of `store.py cold`.

    replays.py PORT STREAM MESSAGES DIRECTORY

Each begins at a tenth of its own and reads on to the end, over and over. What is in memory of DIRECTORY's files leaves it
once a second, so that every read is cold. Says the bytes that came when its input ends. It runs only when nobody
else wants the processor (SCHED_IDLE): replaying clients are elsewhere. With nice 10 a sync's thread waited for it up to a tick of 4 ms.
"""
import json
import os
import select
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "e2e", "wire")]

from wire import Requester  # noqa: E402

REPLAYS, BATCH = 10, 200
EVICT_S = 1


def evict(directory, durable=False):
    """Out of memory; what is not on the disk yet cannot leave it, so that is to be written first."""
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    if durable:
                        os.fsync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            except FileNotFoundError:
                pass


class Replay:
    def __init__(self, port, stream, messages, number):
        self.inbox = b"drain%d" % number
        self.stream, self.messages, self.number = stream, messages, number
        self.client = Requester(port, self.inbox)
        self.mark = b"MSG " + stream.encode() + b"."
        self.made = b"MSG %s.made" % self.inbox
        self.bytes = self.seen = self.round = 0
        self.tail = b""
        self.begin(messages * number // REPLAYS)

    def begin(self, passed):
        """A consumer of its own for each time through the stream; the last one's goes by itself."""
        name = f"r{self.number}-{self.round}"
        self.round += 1
        self.left = self.messages - passed
        body = json.dumps({"stream_name": self.stream, "config": {
            "name": name, "ack_policy": "none", "mem_storage": True, "inactive_threshold": 10**10,
            "deliver_policy": "by_start_sequence", "opt_start_seq": passed + 1}})
        subject = f"$JS.API.CONSUMER.CREATE.{self.stream}.{name}"
        self.client.send(f"PUB {subject} {self.inbox.decode()}.made {len(body)}\r\n{body}\r\n".encode())
        request = f"PUB $JS.API.CONSUMER.MSG.NEXT.{self.stream}.{name} {self.inbox.decode()}.q"
        self.request = f"{request} {len(str(BATCH))}\r\n{BATCH}\r\n".encode()

    def read(self, buffer):
        """Asks again for each batch that has come."""
        count = self.client.socket.recv_into(buffer)
        self.bytes += count
        data = self.tail + bytes(memoryview(buffer)[:count])
        if self.made in data:
            self.client.send(self.request * 2)
            data = data.replace(self.made, b"", 1)
        seen = data.count(self.mark)
        self.seen += seen
        self.left -= seen
        self.tail = data[-len(self.mark) + 1 :]
        if self.left <= 0:
            self.seen = 0
            self.begin(0)
        while self.seen >= BATCH:
            self.seen -= BATCH
            self.client.send(self.request)
        return count > 0


def main():
    port, stream, messages, directory = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    over = threading.Event()

    def keep_cold():
        while not over.wait(EVICT_S):
            evict(directory)

    replays = [Replay(port, stream, messages, n) for n in range(REPLAYS)]
    threading.Thread(target=keep_cold, daemon=True).start()
    buffer = bytearray(1 << 18)
    sockets = {replay.client.socket: replay for replay in replays}
    print("begun", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin, *sockets], [], [])
        if sys.stdin in ready:
            break
        for each in ready:
            if not sockets[each].read(buffer):
                return
    over.set()
    print(sum(replay.bytes for replay in replays), min(replay.bytes for replay in replays), flush=True)


if __name__ == "__main__":
    main()
