"""Counters: the streams that add up what is published."""

from cases import api, head, info, pub, stream, update

BIG = "123456789012345678901234567890123456789012345678901234567890"


def incr(subject, value, *more, body=b""):
    return pub(subject, body, head(f"Nats-Incr: {value}", *more))


def get(seq):
    return api("STREAM.MSG.GET.S", {"seq": seq})


VALUES = [
    "1",
    "+1",
    "-1",
    "0",
    "00",
    "-0",
    "+0",
    "007",
    "1.5",
    "1e3",
    "x",
    "",
    " 5",
    "5 ",
    "--1",
    "+-1",
    "+",
    "-",
    "1_000",
    "0x10",
    "0b1",
    "0o7",
    "١",
    BIG,
    "-" + BIG,
    "9223372036854775807",
    "9223372036854775808",
    "9" * 300,
    "-" + "9" * 300,
]

SCENARIOS = {
    "counters": [
        stream(subjects=["s.>"], allow_msg_counter=True),
        *[incr("s.a", value) for value in VALUES],
        incr("s.b", "5"),
        incr("s.b", "-7"),
        pub("s.b", "x"),
        pub("s.b", "x", head("A: 1")),
        incr("s.c", "1", body=b"x"),
        incr("s.c", "1", "A: 1"),
        incr("s.c", "1", "Nats-Incr: 2"),
        *[get(seq) for seq in range(1, 27)],
        info(),
    ],
    "counters and other headers": [
        stream(subjects=["s.>"], allow_msg_counter=True, allow_rollup_hdrs=True),
        incr("s.a", "1", "Nats-Msg-Id: i"),
        incr("s.a", "1", "Nats-Msg-Id: i"),
        incr("s.a", "1", "Nats-Rollup: sub"),
        incr("s.a", "1", "Nats-Rollup: all"),
        incr("s.a", "1", "Nats-Rollup: x"),
        incr("s.a", "1", "Nats-Expected-Last-Sequence: 1"),
        incr("s.a", "1", "Nats-Expected-Last-Sequence: 9"),
        incr("s.a", "1", "Nats-Expected-Last-Subject-Sequence: 1"),
        incr("s.a", "1", "Nats-Expected-Last-Subject-Sequence: 2"),
        incr("s.a", "1", "Nats-Expected-Stream: S"),
        incr("s.a", "1", "Nats-Expected-Stream: T"),
        incr("s.a", "1", "Nats-Expected-Last-Msg-Id: x"),
        incr("s.a", "1", "Nats-TTL: 5"),
        incr("s.a", "1", "Nats-Schedule: @at 2030-01-01T00:00:00Z", "Nats-Schedule-Target: s.b"),
        incr("s.a", "x", "Nats-Rollup: sub"),
        incr("s.a", "1", 'Nats-Counter-Sources: {"x":{"s.a":"5"}}'),
        pub("s.a", "", head("Nats-Msg-Id: j")),
        pub("s.a", "", head("Nats-Expected-Last-Sequence: 99")),
        pub("s.a", ""),
        incr("s.a", "2"),
        *[get(seq) for seq in range(1, 8)],
        api("STREAM.PURGE.S", {"filter": "s.a"}),
        incr("s.a", "3"),
        info(),
    ],
    "counters with sources that make no sense": [
        stream(subjects=["s.>"], allow_msg_counter=True),
        incr("s.a", "1", "Nats-Counter-Sources: x"),
        incr("s.a", "1"),
        incr("s.b", "1", 'Nats-Counter-Sources: {"x":{"y":"5"}}'),
        incr("s.b", "1"),
        incr("s.c", "1", 'Nats-Counter-Sources: {"x":5}'),
        incr("s.c", "1"),
        *[get(seq) for seq in range(1, 6)],
    ],
    "counters elsewhere": [
        stream(subjects=["s.>"]),
        incr("s.a", "1"),
        incr("s.a", "x"),
        incr("s.a", "1", body=b"x"),
        incr("s.a", ""),
        pub("s.a", "text"),
        pub("s.b", '{"val":"5"}'),
        info(),
        update(subjects=["s.>"], allow_msg_counter=True),
    ],
    "counters behind deletes": [
        stream(subjects=["s.>"], allow_msg_counter=True, max_msgs_per_subject=2),
        incr("s.a", "10"),
        incr("s.a", "10"),
        incr("s.a", "10"),
        api("STREAM.MSG.DELETE.S", {"seq": 3}),
        incr("s.a", "1"),
        get(4),
        info(),
        update(subjects=["s.>"]),
        update(subjects=["s.>"], allow_msg_counter=True, max_msg_size=60),
        incr("s.a", "1"),
        incr("s.a", "9" * 40),
        incr("s.a", "9" * 4),
    ],
}
