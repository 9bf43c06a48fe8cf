"""Consumers by the row: every form of an ack under every policy, every delivery option from every start, and
every field updated from a value to another one."""

from cases import SECOND, api, consumer, events, head, listen, pub, stream
from flow import forget, pull, reply_to, rest, sub, take, unsub

MS = SECOND // 1000


def messages(count, subjects=3):
    return [pub(f"s.{i % subjects}", f"m{i + 1}", head(f"N: {i + 1}") if i % 2 else b"") for i in range(count)]


# What clients and people publish to an ack subject.
ACKS = [
    b"", b"+ACK", b"+OK", b"-NAK", b'-NAK {"delay":50000000}', b"-NAK 60ms", b'-NAK {"delay":0}', b'-NAK {"delay":-1}',
    b'-NAK {"delay":"1s"}', b"-NAK x", b"-NAK ", b"-NAKx", b"+WPI", b"+WPI x", b"+TERM", b"+TERM because of it", b"+TERM ",
    b"+TERMx", b"+NXT", b"+NXT 2", b'+NXT {"batch":2}', b'+NXT {"batch":1,"no_wait":true}', b"+NXT x", b"+NXT {", b"+NXT -1",
    b"+ack", b"ACK", b"+ACK ", b" +ACK", b"+", b"-", b"\x00", b"{}", b"null", b"+ACK+ACK", b"-nak", b"+PROGRESS",
]


def acks(config):
    """Three messages are out, the second is answered, and what is left is looked at."""
    steps = [stream(subjects=["s.*"]), *messages(6), sub("in")]
    for body in ACKS:
        steps += [
            consumer({"durable_name": "C", "ack_wait": 30 * SECOND, **config}, "C"),
            forget(),
            pull(b"3"),
            take(),
            reply_to(1, body, "in"),
            take(0.15),
            api("CONSUMER.INFO.S.C"),
            api("CONSUMER.DELETE.S.C"),
        ]
    return steps


# Ways to be delivered to, each from every start.
OPTIONS = [
    {},
    {"headers_only": True},
    {"filter_subject": "s.1"},
    {"filter_subjects": ["s.0", "s.2"]},
    {"filter_subject": "s.none"},
    {"max_deliver": 1},
    {"ack_policy": "all"},
    {"ack_policy": "explicit", "max_ack_pending": 2},
    {"ack_policy": "explicit", "max_ack_pending": 2, "headers_only": True},
    {"flow_control": True, "idle_heartbeat": SECOND},
    {"rate_limit_bps": 1_000_000},
    {"mem_storage": True, "inactive_threshold": 5 * SECOND},
    {"deliver_group": "g"},
    {"sample_freq": "100%", "ack_policy": "explicit"},
]
STARTS = [
    {"deliver_policy": "all"},
    {"deliver_policy": "last"},
    {"deliver_policy": "new"},
    {"deliver_policy": "last_per_subject"},
    {"deliver_policy": "last_per_subject", "filter_subject": "s.>"},
    {"deliver_policy": "by_start_sequence", "opt_start_seq": 5},
    {"deliver_policy": "by_start_sequence", "opt_start_seq": 50},
    {"deliver_policy": "by_start_time", "opt_start_time": "2020-01-01T00:00:00Z"},
    {"deliver_policy": "by_start_time", "opt_start_time": "2120-01-01T00:00:00Z"},
]


def delivered(option, start):
    return [
        sub("d", "g" if "deliver_group" in option else ""),
        consumer({"durable_name": "C", "deliver_subject": "d", "ack_policy": "none", **start, **option}, "C"),
        take(),
        pub("s.1", "late"),
        take(),
        api("CONSUMER.INFO.S.C"),
        unsub("d"),
        api("CONSUMER.DELETE.S.C"),
        api("STREAM.PURGE.S", {"keep": 8}),
    ]


def deliveries(option):
    steps = [stream(subjects=["s.*"]), *messages(8)]
    for start in STARTS:
        steps += delivered(option, start)
    return steps


# An update from the first to the second.
UPDATES = [
    ("ack_wait", 5 * SECOND, 7 * SECOND), ("ack_wait", 5 * SECOND, -1), ("ack_wait", 5 * SECOND, 0),
    ("max_deliver", 5, 6), ("max_deliver", 5, -1), ("max_deliver", 5, 0), ("max_deliver", 5, -2),
    ("max_ack_pending", 10, 20), ("max_ack_pending", 10, -1), ("max_ack_pending", 10, 0), ("max_ack_pending", -1, 10),
    ("max_waiting", 10, 20), ("max_waiting", 10, 5), ("max_waiting", 10, 0), ("max_waiting", 10, -1),
    ("max_batch", 0, 10), ("max_batch", 10, 0), ("max_batch", 10, -1), ("max_expires", 0, SECOND), ("max_expires", SECOND, 0),
    ("max_expires", SECOND, MS // 2), ("max_bytes", 0, 100), ("max_bytes", 100, 0), ("max_bytes", 100, -1),
    ("backoff", [SECOND], [SECOND, 2 * SECOND]), ("backoff", [SECOND, 2 * SECOND], []), ("backoff", [SECOND], [SECOND, 1, 1]),
    ("description", "a", "b"), ("description", "a", ""), ("description", "a", "x" * 5000),
    ("sample_freq", "10", "20%"), ("sample_freq", "10", ""), ("sample_freq", "10", "x"), ("headers_only", False, True),
    ("headers_only", True, False), ("filter_subject", "s.1", "s.2"), ("filter_subject", "s.1", ""), ("filter_subject", "s.1", "t"),
    ("filter_subjects", ["s.1", "s.2"], ["s.1"]), ("filter_subjects", ["s.1", "s.2"], ["s.1", "s.>"]),
    ("filter_subjects", ["s.1", "s.2"], []), ("inactive_threshold", 0, SECOND), ("inactive_threshold", 5 * SECOND, 0),
    ("inactive_threshold", 5 * SECOND, -1), ("metadata", {"a": "1"}, {"a": "2"}), ("metadata", {"a": "1"}, {}),
    ("metadata", {"a": "1"}, {"_nats.x": "2"}), ("deliver_policy", "all", "new"), ("deliver_policy", "last", "all"),
    ("ack_policy", "explicit", "all"), ("ack_policy", "explicit", "none"), ("replay_policy", "instant", "original"),
    ("mem_storage", False, True), ("mem_storage", True, False), ("num_replicas", 0, 1), ("num_replicas", 1, 3),
    ("rate_limit_bps", 0, 1000), ("flow_control", False, True), ("idle_heartbeat", 0, SECOND), ("deliver_subject", "", "d"),
    ("priority_policy", "none", "overflow"), ("priority_timeout", 0, SECOND), ("direct", False, True),
    ("pause_until", "2120-01-01T00:00:00Z", "2121-01-01T00:00:00Z"),
]
PUSHED = [
    ("deliver_subject", "d", "e"), ("deliver_subject", "d", ""), ("deliver_subject", "d", "s.1"), ("deliver_subject", "d", "d.*"),
    ("deliver_group", "g", "h"), ("deliver_group", "g", ""), ("deliver_group", "", "g"), ("idle_heartbeat", SECOND, 2 * SECOND),
    ("idle_heartbeat", SECOND, 0), ("idle_heartbeat", SECOND, MS), ("flow_control", True, False), ("rate_limit_bps", 1000, 2000),
    ("rate_limit_bps", 1000, 0), ("max_waiting", 0, 10), ("max_batch", 0, 10), ("headers_only", False, True),
]


def updated(base, field, before, after):
    def made(value, **rest_of_it):
        config = {"durable_name": "C", "ack_policy": "explicit", **base, field: value}
        return consumer({k: v for k, v in config.items() if v is not None}, "C", **rest_of_it)

    return [
        made(before),
        made(before, action="update"),
        made(after, action="update"),
        made(after, action="create"),
        made(after),
        api("CONSUMER.INFO.S.C"),
        api("CONSUMER.DELETE.S.C"),
    ]


def updates(base, rows):
    return [stream(subjects=["s.*"]), *messages(3), *[step for row in rows for step in updated(base, *row)]]


SCENARIOS = {
    **{f"matrix: delivered with {sorted(option)}": deliveries(option) for option in OPTIONS},
    **{
        f"matrix: acks of policy {policy}, {sorted(more)}": acks({"ack_policy": policy, **more})
        for policy, more in (
            ("explicit", {}),
            ("explicit", {"backoff": [SECOND, 2 * SECOND], "max_deliver": 3}),
            ("explicit", {"max_deliver": 1}),
            ("all", {}),
            ("none", {}),
        )
    },
    "matrix: updates of a pull consumer": updates({}, UPDATES),
    "matrix: updates of a push consumer": updates(
        {"deliver_subject": "d", "idle_heartbeat": SECOND, "flow_control": True}, PUSHED
    ),
    "matrix: advisories of what is acked, refused and given up": [
        stream(subjects=["s.*"]),
        *messages(5),
        listen("$JS.EVENT.>"),
        consumer(
            {"durable_name": "C", "ack_policy": "explicit", "sample_freq": "100", "max_deliver": 2, "ack_wait": 200 * MS}, "C"
        ),
        sub("in"),
        pull(b"5"),
        take(),
        reply_to(0, b"+ACK"),
        reply_to(1, b"-NAK"),
        reply_to(2, b"+TERM enough"),
        rest(0.4),
        pull(b"5"),
        take(),
        rest(0.5),
        events(),
        api("CONSUMER.INFO.S.C", label="exhausted"),
    ],
}
