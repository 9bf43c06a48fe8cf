"""The load: clients that publish, expect, roll up, purge, delete, read and ack, all at once.

Each actor tells the history what it sends and what it is answered, and ends by itself when its
connection is lost. Everything random comes from the round's generator.
"""

import json
import re

from history import Op, State

LOG = "LOG"
CAS = "CAS"
KEYS = "KEYS"
TRIM = "TRIM"
CONSUMER = "READER"

MESSAGE_SIZE_MAX = 60_000
ACK_WAIT_NS = 1_000_000_000

WRONG_LAST = re.compile(rb"wrong last sequence: (\d+)")
NUMBER = re.compile(rb"(\d+):")
FILLER = bytes(range(256)) * (1 + MESSAGE_SIZE_MAX // 256)


def stream_configs(depth):
    return [
        {
            "name": LOG,
            "subjects": ["log.>"],
            "max_msg_size": MESSAGE_SIZE_MAX,
            "duplicate_window": 600_000_000_000,
        },
        {"name": CAS, "subjects": ["cas.>"], "allow_direct": True},
        {
            "name": KEYS,
            "subjects": ["keys.>"],
            "max_msgs_per_subject": depth,
            "discard": "new",
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_direct": True,
        },
        {"name": TRIM, "subjects": ["trim.*"]},
    ]


CONSUMER_CONFIG = {
    "stream_name": LOG,
    "config": {
        "durable_name": CONSUMER,
        "ack_policy": "explicit",
        "ack_wait": ACK_WAIT_NS,
        "max_ack_pending": 2000,
    },
}


def number_of(content):
    """The operation that a stored message says it is; -1 when it says nothing."""
    match = NUMBER.match(content[2])
    return int(match[1]) if match else -1


def header_block(pairs):
    lines = b"".join(b"%s: %s\r\n" % pair for pair in pairs)
    return b"NATS/1.0\r\n" + lines + b"\r\n" if pairs else b""


class Round:
    """What the actors of one round share."""

    def __init__(self, rng, histories, consumer):
        self.rng = rng
        self.histories = histories
        self.consumer = consumer
        self.numbers = 0
        self.failure = None
        self.stopping = False
        self.counts = dict.fromkeys(("acked", "refused", "unknown", "delivered", "confirmed"), 0)

    def fail(self, violation):
        """The first violation counts; actors run in callbacks and cannot raise to anyone."""
        if self.failure is None:
            self.failure = violation

    def op(self, subject, pairs=(), **more):
        self.numbers += 1
        size = self.size()
        offset = self.numbers % 251
        body = b"%d:" % self.numbers + FILLER[offset : offset + size]
        pairs = list(pairs)
        if self.numbers % 3 == 0:
            pairs.append((b"Op", b"%d" % self.numbers))
        return Op(self.numbers, subject, header_block(pairs), body, **more)

    def size(self):
        chance = self.rng.random()
        if chance < 0.9:
            return self.rng.randrange(0, 300)
        if chance < 0.99:
            return self.rng.randrange(300, 5_000)
        return self.rng.randrange(5_000, MESSAGE_SIZE_MAX - 500)


def guarded(method):
    """A callback whose violation becomes the round's failure."""

    def run(self, *arguments):
        try:
            return method(self, *arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the round has failed
            self.round.fail(error)
            return None

    return run


class Publisher:
    """Keeps `window` publishes in flight on one connection. Subclasses make the operations and
    learn from the answers."""

    stream = LOG

    def __init__(self, shared, client, index, window):
        self.round = shared
        self.client = client
        self.index = index
        self.window = window
        self.outstanding = 0
        self.history = shared.histories[self.stream]

    def make(self):
        raise NotImplementedError

    def learn(self, op, seq):
        """`seq` is the sequence acked, or None for a refusal."""

    @guarded
    def pump(self):
        while self.outstanding < self.window and not self.round.stopping and not self.client.lost:
            op = self.make()
            if op is None:
                return
            self.send(op)

    def send(self, op):
        self.outstanding += 1
        if op.number not in self.history.ops:
            self.history.add(op)
        self.client.request(
            op.subject, op.body, lambda message: self.answered(op, message), op.headers
        )

    @guarded
    def answered(self, op, message):
        self.outstanding -= 1
        if message is None:
            self.history.unanswered(op)
            self.round.counts["unknown"] += 1
            return
        self.settle(op, message)
        self.pump()

    def settle(self, op, message):
        answer = json.loads(message.body) if message.body else {}
        error = answer.get("error")
        if error is None and "seq" in answer:
            self.history.acked(op, answer["seq"], answer.get("duplicate", False))
            self.round.counts["acked"] += 1
            self.learn(op, answer["seq"])
            return
        if error is None or error.get("err_code") not in self.refusals:
            raise self.history.violation(f"{op} was answered {message.headers + message.body!r}")
        self.history.refused(op)
        self.round.counts["refused"] += 1
        match = WRONG_LAST.search(message.body)
        if match:
            self.history.answered_last(int(match[1]))
        self.learn(op, None)

    refusals = ()


class PlainPublisher(Publisher):
    """Messages without ids, some of which must be refused."""

    refusals = (10060, 10054)

    def make(self):
        rng = self.round.rng
        subject = b"log.%d.%d" % (self.index, rng.randrange(20))
        if rng.random() < 0.02:
            pairs = [(b"Nats-Expected-Stream", b"OTHER")]
            return self.round.op(subject, pairs, doomed=True)
        op = self.round.op(subject)
        if rng.random() < 0.005:
            op.body += FILLER
            op.doomed = True
        return op


class IdPublisher(Publisher):
    """Messages with ids: sent again until acked, also over restarts, and sometimes twice."""

    def __init__(self, shared, client, index, window, again=()):
        super().__init__(shared, client, index, window)
        self.again = list(again)

    def make(self):
        if self.again:
            return self.again.pop()
        rng = self.round.rng
        number = self.round.numbers + 1
        name = b"id-%d-%d" % (self.index, number)
        subject = b"log.id.%d" % rng.randrange(50)
        op = self.round.op(subject, [(b"Nats-Msg-Id", name)], id=name)
        if rng.random() < 0.1:
            self.again.append(op)
        return op


class StreamExpecter(Publisher):
    """Names the stream's last sequence; others publish meanwhile, so many are refused."""

    stream = CAS
    refusals = (10071,)

    def __init__(self, shared, client, index, window, last):
        super().__init__(shared, client, index, window)
        self.last = last
        self.ahead = 0

    def make(self):
        expected = self.last + self.ahead
        self.ahead += 1
        pairs = [(b"Nats-Expected-Last-Sequence", b"%d" % expected)]
        return self.round.op(b"cas.s%d" % self.index, pairs, expected=("stream", expected))

    def learn(self, op, seq):
        if seq is None:
            self.last, self.ahead = self.history.last_seen, self.outstanding
        else:
            self.last, self.ahead = seq, self.outstanding


class SubjectExpecter(Publisher):
    """Names the last sequence of a subject that several publishers share."""

    stream = CAS
    refusals = (10071,)

    def __init__(self, shared, client, index, window, known):
        super().__init__(shared, client, index, window)
        self.known = known  # shared by the publishers: subject -> sequence last heard of

    def make(self):
        subject = b"cas.k.%d" % self.round.rng.randrange(6)
        expected = self.known.get(subject, 0)
        pairs = [(b"Nats-Expected-Last-Subject-Sequence", b"%d" % expected)]
        return self.round.op(subject, pairs, expected=("subject", expected))

    def settle(self, op, message):
        super().settle(op, message)
        match = WRONG_LAST.search(message.body)
        heard = int(match[1]) if match else op.seq
        if op.state is State.ACKED or match:
            self.known[op.subject] = max(heard, self.known.get(op.subject, 0))


class KeyWriter(Publisher):
    """Owns its keys: one operation in flight per key. Puts, roll-ups, updates, stale updates
    that must be refused, and reads of its own writes."""

    stream = KEYS
    refusals = (10071,)

    def __init__(self, shared, client, index, window, keys=12):
        super().__init__(shared, client, index, window)
        self.idle = [b"keys.%d.%d" % (index, k) for k in range(keys)]

    def make(self):
        if not self.idle:
            return None
        rng = self.round.rng
        subject = self.idle.pop(rng.randrange(len(self.idle)))
        live = self.history.live.get(subject, [])
        last = live[-1].seq if live else 0
        chance = rng.random()
        if chance < 0.15:
            op = self.round.op(subject, [(b"Nats-Rollup", b"sub")], rollup=True)
        elif chance < 0.30:
            pairs = [(b"Nats-Expected-Last-Subject-Sequence", b"%d" % last)]
            op = self.round.op(subject, pairs, expected=("subject", last))
        elif chance < 0.40:
            pairs = [(b"Nats-Expected-Last-Subject-Sequence", b"%d" % (last + 1))]
            op = self.round.op(subject, pairs, doomed=True)
        else:
            op = self.round.op(subject)
        self.history.send(op)
        return op

    def learn(self, op, seq):
        if seq is None or self.round.rng.random() > 0.1:
            self.idle.append(op.subject)
            return
        subject = b"$JS.API.DIRECT.GET.KEYS." + op.subject
        self.client.request(subject, b"", lambda message: self.read(op, message))

    @guarded
    def read(self, op, message):
        if message is None:
            return
        sequence = b"Nats-Sequence: %d\r\n" % op.seq
        if message.body != op.body or sequence not in message.headers:
            raise self.history.violation(f"{op} was acked, a read found {message.headers!r}")
        self.idle.append(op.subject)
        self.pump()


class Trimmer(Publisher):
    """Publishes a batch, waits for all of it, removes something, and so on."""

    stream = TRIM

    def __init__(self, shared, client, index, window):
        super().__init__(shared, client, index, window)
        self.left = 50

    def make(self):
        if self.left == 0:
            return None
        self.left -= 1
        return self.round.op(b"trim.%d" % self.round.rng.randrange(8))

    def learn(self, op, seq):
        if self.left == 0 and self.outstanding == 0:
            self.trim()

    def trim(self):
        rng = self.round.rng
        live = self.history.live()
        subject = b"trim.%d" % rng.randrange(8)
        chance = rng.random()
        if chance < 0.3:
            body = {"filter": subject.decode()}
            gone = [seq for seq, op in live.items() if op.subject == subject]
        elif chance < 0.6:
            keep = rng.randrange(1, 40)
            body = {"keep": keep}
            gone = sorted(live)[:-keep]
        elif chance < 0.9:
            seq = rng.choice(sorted(live)) if live else 1
            body = {"seq": seq}
            gone = [s for s in live if s < seq]
        else:
            body = {}
            gone = list(live)
        self.history.removal_sent(gone)
        subject = b"$JS.API.STREAM.PURGE.TRIM"
        self.client.request(subject, json.dumps(body).encode(), self.trimmed)

    @guarded
    def trimmed(self, message):
        if message is None:
            return
        answer = json.loads(message.body)
        if not answer.get("success"):
            raise self.history.violation(f"a purge was answered {message.body!r}")
        self.history.removal_answered(answer["purged"])
        self.left = self.round.rng.randrange(1, 100)
        self.pump()


class Deleter:
    """Deletes single acked messages without ids, one at a time."""

    def __init__(self, shared, client):
        self.round = shared
        self.client = client
        self.history = shared.histories[LOG]
        self.candidates = []

    def pump(self):
        if self.round.stopping or self.client.lost:
            return
        op = self.pick()
        if op is None:
            return
        self.history.delete_sent(op.seq)
        body = json.dumps({"seq": op.seq, "no_erase": self.round.rng.random() < 0.5}).encode()
        self.client.request(
            b"$JS.API.STREAM.MSG.DELETE.LOG", body, lambda message: self.answered(op, message)
        )

    def pick(self):
        """Some recent message, so that deletes meet what was just written."""
        rng = self.round.rng
        last = self.history.last_seen
        for _ in range(20):
            op = self.history.placed.get(rng.randrange(max(1, last - 500), last + 2))
            busy = op is None or op.seq in self.history.removed or op.seq in self.history.removing
            if not busy and op.state is State.ACKED and op.id is None:
                return op
        return None

    @guarded
    def answered(self, op, message):
        if message is None:
            return
        answer = json.loads(message.body)
        if not answer.get("success"):
            raise self.history.violation(f"deleting {op} was answered {message.body!r}")
        self.history.delete_answered(op.seq)
        self.pump()


class Reader:
    """Pulls from the durable consumer and acks most of what comes, in one way or another."""

    BATCH = 200

    def __init__(self, shared, client, sincere=False):
        self.round = shared
        self.client = client
        self.sincere = sincere  # ack everything, with confirmation
        self.history = shared.histories[LOG]
        self.consumer = shared.consumer
        self.asked = 0
        self.sid = None

    def pump(self):
        if self.round.stopping or self.client.lost:
            return
        if self.sid is None:
            self.sid = self.client.subscribe(self.client.deliver + b"pull", self.arrived)
        if self.asked == 0:
            self.asked = self.BATCH
            self.client.publish(
                b"$JS.API.CONSUMER.MSG.NEXT.LOG.READER",
                b'{"batch":%d,"expires":1000000000}' % self.BATCH,
                reply=self.client.deliver + b"pull",
            )

    @guarded
    def arrived(self, message):
        if message.status():
            self.asked = 0
            self.pump()
            return
        self.asked -= 1
        words = message.reply.split(b".")
        count, seq, delivery = int(words[4]), int(words[5]), int(words[6])
        content = (message.subject, message.headers, message.body)
        self.history.delivered(number_of(content), seq, content)
        self.consumer.delivered(seq, count, delivery)
        self.round.counts["delivered"] += 1
        self.acknowledge(seq, message.reply)
        self.pump()

    def acknowledge(self, seq, reply):
        chance = 0.0 if self.sincere else self.round.rng.random()
        if chance < 0.6:
            self.consumer.ack_sent(seq)
            self.client.request(reply, b"+ACK", lambda answer: self.confirmed(seq, answer))
        elif chance < 0.8:
            self.consumer.ack_sent(seq)
            self.client.publish(reply, b"+ACK")
        elif chance < 0.85:
            self.consumer.ack_sent(seq)
            self.client.request(reply, b"+TERM", lambda answer: self.confirmed(seq, answer))
        elif chance < 0.95:
            self.client.publish(reply, b"-NAK")
        # else: not acked, so it comes again

    @guarded
    def confirmed(self, seq, message):
        if message is None:
            return
        if message.headers or message.body:
            raise self.consumer.violation(f"the ack of {seq} got {message.headers + message.body!r}")
        self.consumer.ack_confirmed(seq)
        self.round.counts["confirmed"] += 1
