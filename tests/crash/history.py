"""What the clients know: every operation sent, what was answered, and what follows from it.

The history never asks the server what is true. It is told what was sent, what was answered and
what was delivered, and after each restart it is shown what the server holds. Whatever contradicts
an earlier answer raises a Violation.

The life of an operation (a publish):

    SENT -> ACKED      the server answered with its sequence
         -> REFUSED    the server answered with an error: it must never be seen
         -> UNKNOWN    the connection ended first: it may have been stored or not
    UNKNOWN -> PLACED  seen after the restart: from now on as good as acked
            -> LOST    not there after the restart: it must never be seen
            -> SENT    not there, and sent again under its message id
"""

from enum import Enum


class State(Enum):
    SENT = 1
    ACKED = 2
    REFUSED = 3
    UNKNOWN = 4
    PLACED = 5
    LOST = 6


class Violation(Exception):
    """A promise was broken; the text is for a reader."""


class Op:
    """One publish. `expected` is what an expected-sequence header demanded, None without."""

    __slots__ = (
        "number",
        "subject",
        "headers",
        "body",
        "state",
        "seq",
        "expected",
        "id",
        "rollup",
        "doomed",
    )

    def __init__(
        self, number, subject, headers, body, expected=None, id=None, rollup=False, doomed=False
    ):
        self.number = number
        self.subject = subject
        self.headers = headers
        self.body = body
        self.state = State.SENT
        self.seq = None
        self.expected = expected  # ("stream" or "subject", sequence)
        self.id = id
        self.rollup = rollup
        self.doomed = doomed  # sent so that it must be refused

    def content(self):
        return (self.subject, self.headers, self.body)

    def __repr__(self):
        extra = f" id {self.id.decode()}" if self.id else ""
        return f"op {self.number} on {self.subject.decode()}{extra}, {self.state.name} seq {self.seq}"


class Contents:
    """What a server was found to hold of one stream after a restart."""

    def __init__(self, first, last, count, messages):
        self.first = first
        self.last = last
        self.count = count
        self.messages = messages  # sequence -> (subject, headers, body)


def show(content):
    subject, headers, body = content
    head = headers.decode(errors="replace").replace("\r\n", " | ")
    return f"{subject.decode()} [{head}] {len(body)} bytes {bytes(body[:40])!r}"


class StreamHistory:
    """One stream. `placed` says which operation owns a sequence, for good: also after the
    message was removed, since a sequence is never given out twice."""

    def __init__(self, name):
        self.name = name
        self.ops = {}
        self.placed = {}
        self.removed = set()  # sequences whose removal was confirmed
        self.removing = set()  # sequences whose removal was asked for and not answered
        self.last_seen = 0

    def violation(self, text):
        return Violation(f"stream {self.name}: {text}")

    # --- while the server runs

    def add(self, op):
        self.ops[op.number] = op

    def _saw(self, seq):
        self.last_seen = max(self.last_seen, seq)

    def _place(self, op, seq, how):
        owner = self.placed.get(seq)
        if owner is not None and owner is not op:
            raise self.violation(f"{how}: sequence {seq} belongs to {owner}, now to {op}")
        if op.seq is not None and op.seq != seq:
            raise self.violation(f"{how}: {op} is now at sequence {seq}")
        if op.doomed:
            raise self.violation(f"{how}: {op} had to be refused, and is at {seq}")
        if op.state in (State.REFUSED, State.LOST):
            raise self.violation(f"{how}: {op} was not stored, and is now at {seq}")
        self.placed[seq] = op
        op.seq = seq
        self._saw(seq)

    def acked(self, op, seq, duplicate):
        if duplicate and op.id is None:
            raise self.violation(f"{op} has no message id and was called a duplicate of {seq}")
        self._place(op, seq, "ack")
        op.state = State.ACKED

    def refused(self, op):
        if op.seq is not None:
            raise self.violation(f"{op} was stored and then refused")
        op.state = State.REFUSED

    def answered_last(self, seq):
        """The server named `seq` as its last sequence, so that far it is durable."""
        self._saw(seq)

    def unanswered(self, op):
        if op.state is State.SENT:
            op.state = State.PLACED if op.seq is not None else State.UNKNOWN

    def delete_sent(self, seq):
        self.removing.add(seq)

    def delete_answered(self, seq):
        self.removing.discard(seq)
        self.removed.add(seq)

    def lookup(self, number, content, where):
        op = self.ops.get(number)
        if op is None:
            raise self.violation(f"{where}: nobody sent {show(content)}")
        if op.content() != content:
            raise self.violation(
                f"{where}: not what was sent\n  sent: {show(op.content())}\n  is:   {show(content)}"
            )
        return op

    def delivered(self, number, seq, content):
        """A consumer handed it out: from now on it must be there."""
        self._place(self.lookup(number, content, f"delivered at {seq}"), seq, "delivery")

    # --- after a restart

    def check(self, contents, number_of):
        """Compares everything; resolves what was unknown. The stream keeps all but what was
        removed by sequence; streams with rules of their own override check_kept."""
        self.check_numbers(contents)
        ops = self.check_each(contents, number_of)
        self.check_kept(contents, ops)
        self.resolve(ops)
        self.check_gone(contents)

    def check_numbers(self, contents):
        if contents.last < self.last_seen:
            raise self.violation(f"last sequence {contents.last}, {self.last_seen} was seen before")
        if contents.count != len(contents.messages):
            raise self.violation(f"says {contents.count} messages, has {len(contents.messages)}")
        first = min(contents.messages, default=contents.last + 1)
        if contents.first != first and (contents.messages or contents.last):
            raise self.violation(f"says first {contents.first}, is {first}")
        if contents.messages and max(contents.messages) > contents.last:
            raise self.violation(f"says last {contents.last}, has {max(contents.messages)}")
        self._saw(contents.last)

    def check_each(self, contents, number_of):
        """Every message was sent by someone, once, is unchanged and where it was before."""
        ops = {}
        for seq, content in contents.messages.items():
            op = self.lookup(number_of(content), content, f"found at {seq}")
            self._place(op, seq, "found")
            if op.number in ops:
                raise self.violation(f"{op} is stored twice, at {ops[op.number].seq} and {seq}")
            ops[op.number] = op
        return ops

    def check_kept(self, contents, ops):
        there = contents.messages
        for seq, op in self.placed.items():
            if seq in there or seq in self.removed:
                continue
            if seq in self.removing:
                self.removed.add(seq)
                continue
            raise self.violation(f"{op} is gone")
        self.removing.clear()

    def check_gone(self, contents):
        """What was removed stays away, and every other sequence is accounted for."""
        for seq in self.removed:
            if seq in contents.messages:
                raise self.violation(f"{self.placed.get(seq)} was removed and is back")
        for seq in range(1, contents.last + 1):
            if seq not in self.placed:
                raise self.violation(f"sequence {seq} of {contents.last} was never given to anyone")

    def resolve(self, ops):
        for op in self.ops.values():
            if op.state in (State.UNKNOWN, State.SENT):
                op.state = State.PLACED if op.number in ops else State.LOST

    # --- message ids

    def to_retry(self):
        """Operations with an id that were not seen: their senders send them again."""
        again = [op for op in self.ops.values() if op.state is State.LOST and op.id is not None]
        for op in again:
            op.state = State.SENT
        return again


class ExpectingHistory(StreamHistory):
    """Publishes that name the sequence they expect: whatever was stored expected the truth."""

    def check_kept(self, contents, ops):
        super().check_kept(contents, ops)
        last_of = {}
        for seq in sorted(contents.messages):
            op = self.placed[seq]
            if op.expected is not None:
                kind, expected = op.expected
                actual = seq - 1 if kind == "stream" else last_of.get(op.subject, 0)
                if expected != actual:
                    raise self.violation(f"{op} expected {kind} at {expected}, it was at {actual}")
            last_of[op.subject] = seq


class KeyHistory(StreamHistory):
    """Keys with one writer each, a limit per subject and roll-ups: what must be there follows
    from the order of the writer's operations. Not `strict`: what a roll-up removed may be back
    after a kill, as it is with the reference server."""

    def __init__(self, name, depth, strict):
        super().__init__(name)
        self.depth = depth
        self.strict = strict
        self.live = {}  # subject -> operations that are there, oldest first
        self.in_flight = {}  # subject -> the one operation without an answer

    def apply(self, op):
        """What the key holds after `op`."""
        before = [] if op.rollup else self.live.get(op.subject, [])
        return (before + [op])[-self.depth :]

    def send(self, op):
        self.add(op)
        self.in_flight[op.subject] = op

    def acked(self, op, seq, duplicate):
        super().acked(op, seq, duplicate)
        self.live[op.subject] = self.apply(op)
        self.in_flight.pop(op.subject, None)

    def refused(self, op):
        super().refused(op)
        self.in_flight.pop(op.subject, None)

    def check_kept(self, contents, ops):
        found = {}
        for seq in sorted(contents.messages):
            op = self.placed[seq]
            found.setdefault(op.subject, []).append(op)
        for subject in set(found) | set(self.live) | set(self.in_flight):
            self._check_key(subject, found.get(subject, []))
        self.in_flight.clear()

    def _check_key(self, subject, found):
        without = self.live.get(subject, [])
        op = self.in_flight.get(subject)
        if found == without:
            return
        with_op = without if op is None else self.apply(op)
        if found == with_op or (not self.strict and self._back(found, without, with_op)):
            self.live[subject] = found
            return
        raise self.violation(
            f"key {subject.decode()} (depth {self.depth})\n"
            f"  must be: {without}\n  or with: {op}\n  is:      {found}"
        )

    @staticmethod
    def _back(found, *allowed):
        return any(found[-len(ops) :] == ops for ops in allowed if ops)

    def check_gone(self, contents):
        pass  # check_kept said exactly what is there


class TrimHistory(StreamHistory):
    """Publishes and purges by one client, never both in flight."""

    def __init__(self, name, atomic):
        super().__init__(name)
        self.atomic = atomic  # whether an unanswered purge is all or nothing

    def live(self):
        return {seq: op for seq, op in self.placed.items() if seq not in self.removed}

    def removal_sent(self, sequences):
        self.removing = set(sequences)

    def removal_answered(self, purged):
        if purged != len(self.removing):
            raise self.violation(f"a purge of {len(self.removing)} messages said {purged}")
        self.removed |= self.removing
        self.removing = set()

    def check_kept(self, contents, ops):
        asked = set(self.removing)
        gone = {seq for seq in asked if seq not in contents.messages}
        if self.atomic and gone and gone != asked:
            raise self.violation(f"half a purge: {len(gone)} of {len(asked)} messages are gone")
        super().check_kept(contents, ops)


class ConsumerHistory:
    """One durable consumer with explicit acks, read over one connection, so that the order of
    arrival is the server's order. `strict` holds confirmed acks, counts and positions over a
    crash, which Millrace promises and the reference server does not."""

    def __init__(self, name, strict):
        self.name = name
        self.strict = strict
        self.counts = {}  # sequence -> highest delivery count seen
        self.confirmed = set()  # acks and terms that were answered
        self.delivery_last = 0
        self.sequence_last = 0
        self.ever_delivered = set()
        self.ever_acked = set()  # acks and terms that were sent, answered or not

    def violation(self, text):
        return Violation(f"consumer {self.name}: {text}")

    def delivered(self, seq, count, delivery):
        if seq in self.confirmed:
            raise self.violation(f"{seq} came again (count {count}) after a confirmed ack")
        before = self.counts.get(seq, 0)
        if count <= before:
            raise self.violation(f"{seq} came with count {count} after count {before}")
        if delivery <= self.delivery_last:
            raise self.violation(f"delivery {delivery} came after {self.delivery_last}")
        self.counts[seq] = count
        self.delivery_last = delivery
        self.sequence_last = max(seq, self.sequence_last)
        self.ever_delivered.add(seq)

    def ack_sent(self, seq):
        self.ever_acked.add(seq)

    def ack_confirmed(self, seq):
        self.confirmed.add(seq)

    def restarted(self):
        if not self.strict:
            self.counts = {}
            self.confirmed = set()
            self.delivery_last = 0
            self.sequence_last = 0

    def check(self, info, there):
        """Where the consumer stands after a restart; `there` are the stream's sequences."""
        floor = info["ack_floor"]["stream_seq"]
        delivered = info["delivered"]["stream_seq"]
        if floor > delivered:
            raise self.violation(f"ack floor {floor} is beyond delivered {delivered}")
        if delivered < self.sequence_last:
            raise self.violation(f"delivered {delivered}, {self.sequence_last} was handed out")
        sure = 0
        holding = True
        for seq in sorted(there):
            if seq <= floor and seq not in self.ever_acked:
                raise self.violation(f"ack floor {floor}, but nobody acked {seq}")
            holding = holding and seq in self.confirmed
            sure = seq if holding else sure
        if floor < sure:
            raise self.violation(f"ack floor {floor}, everything to {sure} was confirmed")

    def check_complete(self, there):
        """After the drain: everything was handed out at least once."""
        missed = sorted(seq for seq in there if seq not in self.ever_delivered)
        if missed:
            raise self.violation(f"{len(missed)} messages were never delivered: {missed[:20]}")
