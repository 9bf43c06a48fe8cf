"""Pull requests: every field, every status with what provokes it, and who is served when."""

from cases import SECOND, api, consumer, durable, head, pub, raw, stream
from flow import pull, rest, sub, take, unsub

MS = SECOND // 1000
EXPLICIT = {"ack_policy": "explicit"}
LIMITED = {**EXPLICIT, "max_batch": 5, "max_expires": SECOND, "max_bytes": 100}


def messages(count=5, size=0):
    return [pub(f"s.{i + 1}", f"m{i + 1}" + "." * size) for i in range(count)]


def ready(config=None, stored=0):
    return [stream(subjects=["s.*"]), *messages(stored), durable(config or EXPLICIT), sub("in"), sub("other")]


# Bodies of requests where three messages are to be had.
BODIES = [
    b"",
    b" ",
    b"1",
    b"2",
    b"+2",
    b"02",
    b"0",
    b"-1",
    b"x",
    b"2x",
    b"1.5",
    b"99999999999999999999",
    b"null",
    b"[]",
    b'"2"',
    b"{}",
    b"{",
    b"{} x",
    b'{"batch":2,}',
    {"batch": 2},
    {"batch": 0},
    {"batch": -2},
    {"batch": "2"},
    {"batch": 1.5},
    {"batch": None},
    {"BATCH": 2},
    {"batch": 2, "unknown": 1},
    {"batch": 5, "no_wait": True},
    {"batch": 3, "no_wait": True},
    {"batch": 2, "no_wait": True},
    {"no_wait": 1},
    {"no_wait": "true"},
    {"batch": 2, "max_bytes": 1},
    {"batch": 2, "max_bytes": 44},
    {"batch": 2, "max_bytes": 43},
    {"batch": 2, "max_bytes": 60},
    {"batch": 2, "max_bytes": 88},
    {"batch": 2, "max_bytes": 1000},
    {"batch": 5, "max_bytes": 100},
    {"batch": 5, "max_bytes": 100, "no_wait": True},
    {"batch": 5, "max_bytes": 1000, "no_wait": True},
    {"batch": 2, "max_bytes": 0},
    {"batch": 2, "max_bytes": -1},
    {"batch": 2, "max_bytes": "x"},
    {"max_bytes": 1000},
    {"batch": 5, "expires": 300 * MS},
    {"batch": 5, "expires": 300 * MS, "max_bytes": 1000},
    {"batch": 5, "expires": 300 * MS, "no_wait": True},
    {"batch": 2, "expires": 300 * MS},
    {"batch": 2, "expires": 0},
    {"batch": 2, "expires": -1},
    {"batch": 2, "expires": "1s"},
    {"expires": 300 * MS},
    {"batch": 5, "expires": 300 * MS, "idle_heartbeat": 200 * MS},
    {"batch": 5, "expires": 300 * MS, "idle_heartbeat": 150 * MS},
    {"batch": 5, "expires": 450 * MS, "idle_heartbeat": 200 * MS},
    {"batch": 2, "idle_heartbeat": 100 * MS},
    {"batch": 2, "idle_heartbeat": -1},
    {"batch": 2, "idle_heartbeat": "x"},
    {"batch": 2, "group": "A"},
    {"batch": 2, "priority": 5},
    {"batch": 2, "min_pending": 5},
    {"batch": 2, "id": ""},
]

# The same where nothing is to be had.
EMPTY = [
    {"no_wait": True},
    {"no_wait": True, "batch": 5},
    {"no_wait": True, "expires": 200 * MS},
    {"no_wait": True, "expires": 200 * MS, "batch": 5, "max_bytes": 100},
    {"expires": 200 * MS},
    {"expires": 200 * MS, "batch": 5},
    {"expires": 200 * MS, "batch": 5, "max_bytes": 100},
    {"expires": 500 * MS, "batch": 5, "idle_heartbeat": 200 * MS},
    {"expires": 1},
    {"expires": -1, "batch": 3},
]

# What a consumer with limits refuses.
TOO_MUCH = [
    {"batch": 5},
    {"batch": 6},
    b"6",
    {"expires": SECOND},
    {"expires": 2 * SECOND},
    {"expires": 61 * SECOND},
    {"max_bytes": 100},
    {"max_bytes": 101},
    {"batch": 6, "expires": 2 * SECOND, "max_bytes": 101},
    {"batch": 6, "idle_heartbeat": SECOND},
    {},
    {"no_wait": True},
    {"batch": 6, "id": "x"},
    {"batch": 5, "expires": 200 * MS, "max_bytes": 99},
]


def shown(body):
    return body.decode() if isinstance(body, bytes) else ", ".join(f"{k} {v}" for k, v in body.items())


SCENARIOS = {
    **{
        f"pull: {shown(body)!r}": [
            *ready(stored=3),
            pull(body),
            take(
                0.4 if isinstance(body, dict) and "expires" in body else 0.1,
                label="no batch and a budget" if body == {"max_bytes": 1000} else None,
            ),
            api("CONSUMER.INFO.S.C"),
        ]
        for body in BODIES
    },
    "pull: nothing is there": [
        *ready(),
        *[step for body in EMPTY for step in (pull(body), take(0.35))],
        api("CONSUMER.INFO.S.C"),
    ],
    "pull: more than the consumer allows": [
        *ready(LIMITED, 1),
        *[step for body in TOO_MUCH for step in (pull(body), take(0.1))],
    ],
    "pull: required level": [
        *ready(stored=1),
        *[
            step
            for level in ("0", "4", "5", "x", "-1", "")
            for step in (pull({"no_wait": True}, headers=head(f"Nats-Required-Api-Level: {level}")), take(0.1))
        ],
    ],
    "pull: a push consumer": [
        stream(subjects=["s.*"]),
        *messages(1),
        consumer({"deliver_subject": "d"}, "C"),
        sub("in"),
        pull(b""),
        pull({"batch": 5}),
        pull(b"{"),
        take(),
    ],
    "pull: nobody to answer to": [*ready(stored=1), pull(b"", ""), take(), api("CONSUMER.INFO.S.C")],
    "pull: nobody listens": [
        *ready(stored=1),
        pull(b"1", "nobody"),
        take(),
        api("CONSUMER.INFO.S.C"),
        pull(b"1"),
        take(),
    ],
    "pull: too many wait": [
        *ready({**EXPLICIT, "max_waiting": 2}),
        pull({"expires": SECOND}),
        pull({"expires": SECOND}),
        pull({"expires": SECOND}, "other"),
        take(),
        pull({"expires": SECOND, "idle_heartbeat": 500 * MS}, "other"),
        take(),
        pull({"no_wait": True}, "other"),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "pull: too many wait, and some have gone": [
        *ready({**EXPLICIT, "max_waiting": 2}),
        pull({"expires": 5 * SECOND}),
        pull({"expires": 5 * SECOND}),
        take(),
        unsub("in"),
        rest(0.2),
        pull({"expires": SECOND}, "other"),
        *messages(1),
        take(label="who waited has gone"),
    ],
    "pull: requests before it want what is there": [
        *ready(),
        pull({"batch": 5, "expires": 5 * SECOND}),
        take(),
        pull({"batch": 1, "no_wait": True}, "other"),
        take(),
        *messages(2),
        take(),
    ],
    "pull: in turns": [
        *ready(),
        pull({"batch": 3, "expires": 5 * SECOND}),
        pull({"batch": 2, "expires": 5 * SECOND}, "other"),
        take(),
        *messages(5),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "pull: budgets that differ": [
        *ready(),
        pull({"batch": 3, "expires": 5 * SECOND, "max_bytes": 60}),
        pull({"batch": 3, "expires": 5 * SECOND, "max_bytes": 1000}, "other"),
        take(),
        pub("s.1", b"small"),
        pub("s.2", b"x" * 100),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "pull: deleted while it waits": [
        *ready(),
        pull({"batch": 3, "expires": 5 * SECOND, "max_bytes": 60}),
        pull({"batch": 3, "expires": 5 * SECOND}, "other"),
        take(),
        api("CONSUMER.DELETE.S.C"),
        take(),
    ],
    "pull: the stream is deleted while it waits": [
        *ready(),
        pull({"batch": 3, "expires": 5 * SECOND}),
        take(),
        api("STREAM.DELETE.S"),
        take(),
    ],
    "pull: paused": [
        *ready(stored=2),
        api("CONSUMER.PAUSE.S.C", {"pause_until": "2200-01-01T00:00:00Z"}),
        pull({"batch": 3, "expires": 400 * MS, "idle_heartbeat": 150 * MS}),
        take(0.6),
        pull({"batch": 3, "no_wait": True}),
        take(),
        pull({"batch": 1, "expires": 5 * SECOND}, "other"),
        take(),
        api("CONSUMER.PAUSE.S.C"),
        take(label="resumed"),
    ],
    "pull: heartbeats between messages": [
        *ready(),
        pull({"batch": 5, "expires": 900 * MS, "idle_heartbeat": 250 * MS}),
        rest(0.15),
        *messages(1),
        rest(0.35),
        take(0.01),
        rest(0.2),
        take(0.3),
    ],
    "pull: headers only": [
        *ready({**EXPLICIT, "headers_only": True}, 2),
        pull({"batch": 2, "max_bytes": 1000}),
        take(label="a budget and headers"),
    ],
    "pull: filtered": [
        *ready({**EXPLICIT, "filter_subjects": ["s.2", "s.4"]}, 5),
        pull({"batch": 5, "no_wait": True}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "pull: last per subject": [
        stream(subjects=["s.*"]),
        *messages(3),
        *messages(2),
        durable({**EXPLICIT, "deliver_policy": "last_per_subject", "filter_subject": "s.*"}),
        sub("in"),
        pull({"batch": 5, "no_wait": True}),
        take(),
        *messages(1),
        pull({"batch": 5, "no_wait": True}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "pull: another max_waiting cannot be": [
        *ready({**EXPLICIT, "max_waiting": 2}),
        durable({**EXPLICIT, "max_waiting": 3}),
        durable({**EXPLICIT, "max_waiting": 2, "max_batch": 1}),
        pull({"batch": 2}),
        take(),
    ],
    "pull: what is not there": [
        stream(subjects=["s.*"]),
        raw("$JS.API.CONSUMER.MSG.NEXT.S.C", b"1"),
        raw("$JS.API.CONSUMER.MSG.NEXT.X.C", b"1"),
        durable(EXPLICIT),
        raw("$JS.API.CONSUMER.MSG.NEXT.S.C", {"no_wait": True}),
        api("CONSUMER.DELETE.S.C"),
        raw("$JS.API.CONSUMER.MSG.NEXT.S.C", {"no_wait": True}),
    ],
    "pull: an inactive one goes": [
        stream(subjects=["s.*"]),
        consumer({**EXPLICIT, "inactive_threshold": 200 * MS}, "C"),
        durable({**EXPLICIT, "inactive_threshold": 200 * MS}, "D"),
        durable(EXPLICIT, "E"),
        sub("in"),
        pull({"batch": 1, "expires": 2 * SECOND}, "in", "C"),
        rest(1.5),
        api("CONSUMER.INFO.S.C"),
        api("CONSUMER.INFO.S.D"),
        api("CONSUMER.INFO.S.E"),
    ],
}
