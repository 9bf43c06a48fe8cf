"""Fast batches: what is said to each message, in both gap modes."""

from cases import head, info, pub, stream, text, update

START, APPEND, COMMIT, END, PING = range(5)
NO_HEADERS = head()


def fast(number, op, batch="b", flow=10, gap="ok", subject="s.1", lines=(), body="x"):
    """One message; its label is the middle of its reply subject."""
    return mark(f"{batch}.{flow}.{gap}.{number}.{op}", subject, lines, body)


def mark(middle, subject="s.1", lines=(), body="x"):
    return (middle, "fast", subject, text(body), head(*lines) if lines else NO_HEADERS)


def batched(**config):
    return stream(subjects=["s.>"], allow_batched=True, **config)


def run(first, last, **rest):
    return [fast(n, START if n == 1 else APPEND, **rest) for n in range(first, last + 1)]


BAD = ["x", "9", "1.9", "0.0", "2.0", "1.1", "1.3", "x.1", "18446744073709551615.1", "-1.1"]


SCENARIOS = {
    "fast batches are off": [
        stream(subjects=["s.>"]),
        fast(1, START),
        fast(2, APPEND),
        mark("x"),
        update(subjects=["s.>"], allow_batched=True),
        fast(1, START),
        update(subjects=["s.>"], allow_batched=False),
        fast(2, APPEND),
        update(subjects=["s.>"], allow_batched=True),
        fast(2, APPEND),
        update(subjects=["s.>"], allow_batched=True, sealed=True),
        fast(1, START),
    ],
    "fast batches and their replies": [
        batched(max_msg_size=100),
        *[mark(f"b.10.ok.{bad}") for bad in BAD],
        mark("b.10.no.1.0"),
        mark("10.ok.1.0"),
        mark("b.x.ok.1.0"),
        mark("c.-5.ok.1.0"),
        mark("d.0.ok.1.0"),
        mark("e.99999.ok.1.0"),
        mark("f" * 64 + ".1.ok.1.2"),
        mark("f" * 65 + ".1.ok.1.0"),
        fast(2, APPEND, "unknown"),
        fast(2, END, "unknown"),
        fast(2, PING, "unknown"),
        fast(1, START, "g", body="x" * 101),
        fast(1, START, "g", lines=["Nats-Required-Api-Level: 4"]),
        fast(2, APPEND, "g", lines=["Nats-Required-Api-Level: 5"]),
        fast(2, APPEND, "g"),
        info(),
    ],
    "fast batches commit": [
        batched(),
        fast(1, COMMIT),
        fast(1, COMMIT, gap="fail"),
        *run(1, 3),
        fast(4, COMMIT),
        *run(1, 3, gap="fail"),
        fast(4, END, gap="fail"),
        fast(1, START),
        fast(2, END),
        fast(3, APPEND),
        info(),
    ],
    "fast batches and acks": [
        batched(),
        *run(1, 9, flow=3),
        fast(9, PING, flow=3),
        fast(10, COMMIT, flow=3),
        *run(1, 3, flow=2),
        *run(1, 12, batch="c", flow=5),
        *run(4, 6, flow=2),
        fast(7, COMMIT, flow=2),
        *run(13, 20, batch="c", flow=5),
        fast(21, COMMIT, batch="c", flow=5),
        *run(1, 4, flow=1),
        fast(4, PING, flow=1),
        fast(2, PING, flow=1),
        fast(5, END, flow=1),
    ],
    "fast batches and gaps that are fine": [
        batched(),
        *run(1, 2, flow=4),
        fast(5, APPEND, flow=4),
        fast(6, APPEND, flow=4),
        fast(9, PING, flow=4),
        fast(9, PING, flow=4),
        fast(20, PING, flow=4),
        fast(21, APPEND, flow=4),
        fast(21, APPEND, flow=4),
        fast(22, APPEND, flow=4),
        *run(1, 2, batch="c"),
        fast(5, COMMIT, batch="c"),
        *run(1, 2, batch="d"),
        fast(5, END, batch="d"),
        info(),
    ],
    "fast batches and gaps that end them": [
        batched(),
        *run(1, 2, gap="fail"),
        fast(4, APPEND, gap="fail"),
        fast(5, APPEND, gap="fail"),
        *run(1, 2, gap="fail"),
        fast(4, COMMIT, gap="fail"),
        *run(1, 2, gap="fail"),
        fast(4, END, gap="fail"),
        *run(1, 2, gap="fail"),
        fast(1, START, gap="fail"),
        fast(3, APPEND, gap="fail"),
        *run(1, 2, gap="fail"),
        fast(2, PING, gap="fail"),
        fast(3, PING, gap="fail"),
        fast(3, APPEND, gap="fail"),
        fast(1, PING, gap="fail"),
        fast(1, PING, batch="c"),
        fast(1, START, batch="c"),
        fast(2, APPEND, batch="c"),
        info(),
    ],
    "fast batches and refused messages": [
        batched(),
        *[
            step
            for gap in ("ok", "fail")
            for step in (
                fast(1, START, gap=gap, lines=["Nats-Expected-Stream: T"]),
                fast(2, APPEND, gap=gap),
                fast(3, APPEND, gap=gap, lines=["Nats-Expected-Last-Sequence: 99"]),
                fast(4, APPEND, gap=gap),
                fast(5, COMMIT, gap=gap),
                fast(1, START, gap=gap),
                fast(2, APPEND, gap=gap, lines=["Nats-TTL: 5"]),
                fast(3, APPEND, gap=gap),
                fast(4, COMMIT, gap=gap, lines=["Nats-Incr: 5"]),
                fast(5, APPEND, gap=gap),
                fast(1, COMMIT, gap=gap, lines=["Nats-Rollup: sub"]),
                fast(1, START, gap=gap),
                fast(2, COMMIT, gap=gap, lines=["Nats-Rollup: sub"]),
                info(),
            )
        ],
    ],
    "fast batches and duplicates": [
        batched(),
        pub("s.0", headers=head("Nats-Msg-Id: i")),
        *[
            step
            for gap in ("ok", "fail")
            for step in (
                fast(1, START, gap=gap, flow=2, lines=["Nats-Msg-Id: i"]),
                fast(2, APPEND, gap=gap, flow=2, lines=["Nats-Msg-Id: i"]),
                fast(3, APPEND, gap=gap, flow=2),
                fast(4, APPEND, gap=gap, flow=2, lines=["Nats-Msg-Id: i"]),
                fast(5, COMMIT, gap=gap, flow=2, lines=["Nats-Msg-Id: i"]),
                fast(1, COMMIT, gap=gap, flow=2, lines=["Nats-Msg-Id: i"]),
                info(),
            )
        ],
    ],
}
