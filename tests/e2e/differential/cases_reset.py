"""CONSUMER.RESET: what is refused, and what a consumer delivers afterwards."""

from cases import SECOND, api, consumer, durable, listen, events, pub, stream
from flow import pull, reply_to, sub, take

EXPLICIT = {"ack_policy": "explicit"}
BODIES = [
    b"",
    b"{}",
    b"null",
    b"{",
    b"[]",
    b"text",
    b"5",
    {"seq": 0},
    {"seq": -1},
    {"seq": "x"},
    {"seq": 1.5},
    {"x": 1},
    {"seq": 1},
    {"seq": 2},
    {"seq": 3},
    {"seq": 4},
    {"seq": 5},
    {"seq": 6},
    {"seq": 7},
    {"seq": 100},
    {"seq": 2, "x": 1},
    {"SEQ": 2},
]


def messages(count=5):
    return [pub(f"s.{i + 1}", f"m{i + 1}") for i in range(count)]


def resets(config, bodies=BODIES):
    return [
        stream(subjects=["s.*"]),
        *messages(),
        consumer(config, "C"),
        *[step for body in bodies for step in (api("CONSUMER.RESET.S.C", body), api("CONSUMER.INFO.S.C"))],
    ]


def after(config, steps, count=3):
    """Some are delivered, some acked, then it is reset in that way."""
    return [
        stream(subjects=["s.*"]),
        *messages(),
        durable(config),
        sub("in"),
        pull({"batch": count}),
        take(),
        *steps,
        pull({"batch": 10, "no_wait": True}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ]


SCENARIOS = {
    "reset: all": resets(EXPLICIT),
    "reset: all, acks of all": resets({"ack_policy": "all"}, BODIES[:1] + BODIES[12:20]),
    "reset: all, no acks": resets({"ack_policy": "none"}, BODIES[:1] + BODIES[12:20]),
    "reset: last": resets({**EXPLICIT, "deliver_policy": "last"}),
    "reset: new": resets({**EXPLICIT, "deliver_policy": "new"}, BODIES[:1] + BODIES[12:20]),
    "reset: last per subject": resets(
        {**EXPLICIT, "deliver_policy": "last_per_subject", "filter_subject": "s.*"}, BODIES[:1] + BODIES[12:20]
    ),
    "reset: by start sequence": resets(
        {**EXPLICIT, "deliver_policy": "by_start_sequence", "opt_start_seq": 3}, BODIES[:1] + BODIES[12:20]
    ),
    "reset: by start time, before all": resets(
        {**EXPLICIT, "deliver_policy": "by_start_time", "opt_start_time": "2020-01-01T00:00:00Z"},
        BODIES[:1] + BODIES[12:20],
    ),
    "reset: by start time, after all": resets(
        {**EXPLICIT, "deliver_policy": "by_start_time", "opt_start_time": "2200-01-01T00:00:00Z"},
        BODIES[:1] + BODIES[12:20],
    ),
    "reset: filtered": resets({**EXPLICIT, "filter_subject": "s.4"}, BODIES[:1] + BODIES[12:20]),
    "reset: of an empty stream": [
        stream(subjects=["s.*"]),
        durable(EXPLICIT),
        *[api("CONSUMER.RESET.S.C", body) for body in (b"", {"seq": 1}, {"seq": 5})],
        *messages(2),
        sub("in"),
        pull({"batch": 10, "no_wait": True}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "reset: purged": [
        stream(subjects=["s.*"]),
        *messages(),
        durable(EXPLICIT),
        api("STREAM.PURGE.S", {"seq": 4}),
        *[api("CONSUMER.RESET.S.C", body) for body in (b"", {"seq": 1}, {"seq": 4}, {"seq": 6})],
        sub("in"),
        pull({"batch": 10, "no_wait": True}),
        take(),
        api("CONSUMER.RESET.S.C", {"seq": 1}),
        pull({"batch": 10, "no_wait": True}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "reset: nothing acked": after(EXPLICIT, [api("CONSUMER.RESET.S.C")]),
    "reset: some acked": after(EXPLICIT, [reply_to(0), reply_to(2), take(), api("CONSUMER.RESET.S.C")]),
    "reset: all acked": after(EXPLICIT, [reply_to(0), reply_to(1), reply_to(2), take(), api("CONSUMER.RESET.S.C")]),
    "reset: to a place": after(EXPLICIT, [reply_to(0), take(), api("CONSUMER.RESET.S.C", {"seq": 2})]),
    "reset: forward": after(EXPLICIT, [reply_to(0), take(), api("CONSUMER.RESET.S.C", {"seq": 5})]),
    "reset: to the beginning": after(EXPLICIT, [reply_to(0), take(), api("CONSUMER.RESET.S.C", {"seq": 1})]),
    "reset: acks of all": after({"ack_policy": "all"}, [reply_to(1), take(), api("CONSUMER.RESET.S.C")]),
    "reset: no acks": after({"ack_policy": "none"}, [api("CONSUMER.RESET.S.C", {"seq": 2})]),
    "reset: no acks, from the floor": after({"ack_policy": "none"}, [api("CONSUMER.RESET.S.C")]),
    "reset: redelivered": after(
        {**EXPLICIT, "max_deliver": 2},
        [reply_to(0, b"-NAK"), pull({"batch": 1}), take(), reply_to(3, b"-NAK"), take(), api("CONSUMER.INFO.S.C"),
         api("CONSUMER.RESET.S.C")],
    ),
    "reset: an ack from before": after(
        EXPLICIT,
        [
            api("CONSUMER.RESET.S.C"),
            reply_to(0, b"", "in"),
            take(),
            api("CONSUMER.INFO.S.C"),
            pull({"batch": 1}),
            take(),
            reply_to(0, b"", "in"),
            take(),
        ],
    ),
    "reset: with requests waiting": [
        listen("$JS.EVENT.ADVISORY.CONSUMER.>"),
        stream(subjects=["s.*"]),
        *messages(2),
        durable(EXPLICIT),
        sub("in"),
        pull({"batch": 6, "expires": 5 * SECOND}),
        take(),
        api("CONSUMER.RESET.S.C"),
        take(),
        api("CONSUMER.RESET.S.C", {"seq": 2}),
        take(),
        *messages(1),
        take(),
        api("CONSUMER.INFO.S.C"),
        events(),
    ],
    "reset: push": [
        stream(subjects=["s.*"]),
        *messages(3),
        sub("d"),
        durable({**EXPLICIT, "deliver_subject": "d"}),
        take(),
        api("CONSUMER.RESET.S.C"),
        take(),
        reply_to(3),
        take(),
        api("CONSUMER.RESET.S.C"),
        take(),
        api("CONSUMER.RESET.S.C", {"seq": 3}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "reset: push without acks": [
        stream(subjects=["s.*"]),
        *messages(3),
        sub("d"),
        consumer({"deliver_subject": "d", "mem_storage": True}, "C"),
        take(),
        api("CONSUMER.RESET.S.C"),
        take(),
        api("CONSUMER.RESET.S.C", {"seq": 2}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "reset: paused": [
        stream(subjects=["s.*"]),
        *messages(3),
        durable({**EXPLICIT, "pause_until": "2200-01-01T00:00:00Z"}),
        api("CONSUMER.RESET.S.C", {"seq": 2}),
        api("CONSUMER.INFO.S.C"),
    ],
    "reset: what is not there": [
        api("CONSUMER.RESET.S.C", label="unknown subject"),
        stream(subjects=["s.*"]),
        api("CONSUMER.RESET.S.C", label="unknown subject"),
        api("CONSUMER.RESET.S", label="unknown subject"),
    ],
}
