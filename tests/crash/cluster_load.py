"""The load on a cluster: the crash driver's actors, made to live on when nobody answers.

A publish in flight at a leader that dies is never answered while its connection, to another node,
lives on. So each actor gives up waiting after a while: the operation is then unknown, and one with
a message id is sent again.
"""

import asyncio
import json
import time

import workload
from history import ConsumerHistory, ExpectingHistory, StreamHistory

SOLO = "SOLO"  # one replica
NODE = "NODE"  # what the JavaScript client uses
ANSWER_S = 2.0
PAUSE_S = 0.02  # after a refusal for want of a leader
READER_S = 1.5
PROBE_S = 0.004


def streams(nodes):
    """Two on all nodes, one on three, one on one."""
    return [
        {
            "name": workload.LOG,
            "subjects": ["log.>"],
            "num_replicas": nodes,
            "max_msg_size": workload.MESSAGE_SIZE_MAX,
            "duplicate_window": 600_000_000_000,
        },
        {"name": NODE, "subjects": ["node.>"], "num_replicas": nodes},
        {"name": workload.CAS, "subjects": ["cas.>"], "num_replicas": 3},
        {"name": SOLO, "subjects": ["solo.>"], "num_replicas": 1},
    ]


def unavailable(message):
    """The answers that say that nobody leads just now, and that nothing was done."""
    return message.status() == 503 or b'"code":503' in message.body


class Patient:
    """Of a Publisher: forgets what is not answered in time, pauses when nobody leads."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.waiting = {}  # serial -> (when sent, operation)
        self.serials = 0
        self.paused_to = 0.0

    def pump(self):
        if time.monotonic() >= self.paused_to:
            super().pump()

    def send(self, op):
        self.serials += 1
        serial = self.serials
        self.waiting[serial] = (time.monotonic(), op)
        self.outstanding += 1
        if op.number not in self.history.ops:
            self.history.add(op)
        self.client.request(
            op.subject, op.body, lambda message: self.arrived(serial, op, message), op.headers
        )

    def arrived(self, serial, op, message):
        if self.waiting.pop(serial, None) is None:
            self.outstanding += 1  # given up before; answered() takes it away again
        self.answered(op, message)

    def give_up(self):
        """Called now and then."""
        now = time.monotonic()
        for serial, (sent, op) in list(self.waiting.items()):
            if now - sent < ANSWER_S:
                break
            del self.waiting[serial]
            self.outstanding -= 1
            self.history.unanswered(op)
            self.round.counts["unknown"] += 1
            self.send_again(op)
        self.pump()

    def send_again(self, op):
        """Operations with an id may be."""

    def settle(self, op, message):
        if not unavailable(message):
            super().settle(op, message)
            return
        self.paused_to = time.monotonic() + PAUSE_S
        self.round.counts["refused"] += 1
        if op.id is not None:
            self.history.unanswered(op)  # another copy of it may be under way
            self.send_again(op)
        else:
            self.history.refused(op)
        self.learn(op, None)


class Plain(Patient, workload.PlainPublisher):
    pass


class Solo(Plain):
    stream = SOLO

    def make(self):
        return self.round.op(b"solo.%d" % self.round.rng.randrange(20))


class WithId(Patient, workload.IdPublisher):
    def answered(self, op, message):
        if message is None:
            self.send_again(op)  # by whoever follows on another connection
        super().answered(op, message)

    def send_again(self, op):
        self.again.append(op)


class WithoutId(Plain):
    """Where clocks jump by years no window of ids lasts."""

    def __init__(self, shared, client, index, window, _):
        super().__init__(shared, client, index, window)


class StreamExpecter(Patient, workload.StreamExpecter):
    def give_up(self):
        super().give_up()
        if not self.outstanding:
            self.last, self.ahead = self.history.last_seen, 0


class SubjectExpecter(Patient, workload.SubjectExpecter):
    pass


class Reader(workload.Reader):
    """Asks again when the request it had open died with a leader."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.heard = time.monotonic()

    def arrived(self, message):
        self.heard = time.monotonic()
        super().arrived(message)

    def confirmed(self, seq, message):
        if message is not None and message.status() == 503:
            return
        super().confirmed(seq, message)

    def give_up(self):
        if time.monotonic() - self.heard > READER_S:
            self.heard = time.monotonic()
            self.asked = 0
        self.pump()


class Prober:
    """Measures how long nobody is acknowledged: publishes every few milliseconds through all nodes
    that serve, until one publish that was sent after `since` is acked."""

    def __init__(self, shared, clients, since):
        self.round = shared
        self.clients = clients
        self.since = since
        self.history = shared.histories[workload.LOG]
        self.acked_after = None

    async def run(self, seconds):
        while self.acked_after is None and time.monotonic() - self.since < seconds:
            for client in self.clients:
                self.send(client)
            await asyncio.sleep(PROBE_S)

    def send(self, client):
        op = self.round.op(b"log.probe")
        self.history.add(op)
        client.request(op.subject, op.body, lambda message: self.answered(op, message), op.headers)

    @workload.guarded
    def answered(self, op, message):
        if message is None:
            self.history.unanswered(op)
            return
        if unavailable(message):
            self.history.refused(op)
            return
        answer = json.loads(message.body)
        if "seq" not in answer:
            raise self.history.violation(f"{op} was answered {message.body!r}")
        self.history.acked(op, answer["seq"], False)
        if self.acked_after is None:
            self.acked_after = time.monotonic() - self.since


class ClusterConsumer(ConsumerHistory):
    """A durable consumer whose leader may change while deliveries are under way. While one leader
    leads, what reaches the reader comes in its order. In a storm an old leader's deliveries may
    arrive late, so there only this holds: a delivery number names one hand-out of one message, and
    what was confirmed before the storm never comes again."""

    def __init__(self, name):
        super().__init__(name, strict=True)
        self.stormy = False
        self.unsettled = set()  # confirmed in this storm
        self.hand_outs = {}  # delivery number -> (sequence, count)

    def delivered(self, seq, count, delivery):
        what = self.hand_outs.setdefault(delivery, (seq, count))
        if what != (seq, count):
            raise self.violation(f"delivery {delivery} is of {what} and of {(seq, count)}")
        if self.stormy:
            self.delivered_late(seq, count, delivery)
        else:
            super().delivered(seq, count, delivery)

    def delivered_late(self, seq, count, delivery):
        if seq in self.confirmed:
            raise self.violation(f"{seq} came again (count {count}) after a confirmed ack")
        self.counts[seq] = max(count, self.counts.get(seq, 0))
        self.delivery_last = max(delivery, self.delivery_last)
        self.sequence_last = max(seq, self.sequence_last)
        self.ever_delivered.add(seq)

    def ack_confirmed(self, seq):
        (self.unsettled if self.stormy else self.confirmed).add(seq)

    def calm(self):
        """All nodes serve, and nothing is under way any more."""
        self.stormy = False
        self.confirmed |= self.unsettled
        self.unsettled = set()


def histories():
    """One for each stream."""
    some = {config["name"]: StreamHistory(config["name"]) for config in streams(3)}
    some[workload.CAS] = ExpectingHistory(workload.CAS)
    return some
