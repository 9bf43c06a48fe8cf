"""A client in another language beside the driver's own: the JavaScript client as its users run it
(tests/e2e/node/history.js), whose history is read line by line into the driver's.

One process lives for one cycle's load. It publishes into a stream of its own and works off a consumer
of it, so nobody hears of a message before its line is read.
"""

import asyncio
import json
import os

import workload
from cluster_load import NODE, ClusterConsumer
from history import Op, Violation

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e", "node", "history.js")
MODULES = os.path.join(os.path.dirname(PROGRAM), "node_modules", "@nats-io", "jetstream")
CONSUMER = "NODEREADER"
SUBJECT = "node"
NUMBERS_FROM = 1_000_000_000  # apart from the driver's own
STOP_S = 60  # what it wrote last is read in this time, by a driver that may be slow

CONSUMER_CONFIG = {
    "stream_name": NODE,
    "config": {
        "durable_name": CONSUMER,
        "ack_policy": "explicit",
        "ack_wait": workload.ACK_WAIT_NS,
        "max_ack_pending": 500,
    },
}


def available():
    return os.path.isdir(MODULES)


class Foreign:
    """Over a round; `begin` and `end` once a cycle."""

    def __init__(self, shared):
        self.round = shared
        self.history = shared.histories[NODE]
        self.consumer = ClusterConsumer(CONSUMER)
        self.first = NUMBERS_FROM
        self.open = {}  # number -> operation without an answer
        self.process = None
        self.reading = None
        self.stopped = False

    async def begin(self, ports, window):
        options = {
            "servers": [f"127.0.0.1:{port}" for port in ports],
            "stream": NODE,
            "consumer": CONSUMER,
            "subject": SUBJECT,
            "first": self.first,
            "window": window,
        }
        pipe = asyncio.subprocess.PIPE
        self.stopped = False
        self.process = await asyncio.create_subprocess_exec(
            "node", PROGRAM, json.dumps(options), stdin=pipe, stdout=pipe
        )
        self.reading = asyncio.create_task(self.read())

    async def end(self):
        """Everything that it did is in the history, and it does nothing more."""
        if self.process is None:
            return
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.reading, STOP_S)
            await asyncio.wait_for(self.process.wait(), STOP_S)
        except asyncio.TimeoutError:
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()
        self.process = None
        for op in self.open.values():
            self.history.unanswered(op)
        self.open = {}
        if not self.stopped:
            raise Violation("the client in JavaScript did not come to its end")

    async def read(self):
        while line := await self.process.stdout.readline():
            self.heard(json.loads(line))

    @workload.guarded
    def heard(self, words):
        getattr(self, "heard_" + words[0])(*words[1:])

    def heard_sent(self, number, subject, body):
        self.first = number + 1
        op = Op(number, subject.encode(), b"", body.encode())
        self.open[number] = op
        self.history.add(op)

    def heard_acked(self, number, seq, duplicate):
        self.history.acked(self.open.pop(number), seq, duplicate)
        self.round.counts["acked"] += 1

    def heard_refused(self, number):
        self.history.refused(self.open.pop(number))
        self.round.counts["refused"] += 1

    def heard_unknown(self, number):
        self.history.unanswered(self.open.pop(number))
        self.round.counts["unknown"] += 1

    def heard_delivered(self, seq, count, delivery, number):
        op = self.history.ops.get(number)
        if op is None:
            raise self.history.violation(f"{seq} was delivered as {number}, which nobody sent")
        self.history.delivered(number, seq, op.content())
        self.consumer.delivered(seq, count, delivery)
        self.round.counts["delivered"] += 1

    def heard_ack_sent(self, seq):
        self.consumer.ack_sent(seq)

    def heard_confirmed(self, seq):
        self.consumer.ack_confirmed(seq)
        self.round.counts["confirmed"] += 1

    def heard_surprise(self, text):
        raise Violation(f"the client in JavaScript: {text}")

    def heard_stopped(self):
        self.stopped = True
