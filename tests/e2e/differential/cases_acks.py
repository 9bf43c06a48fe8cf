"""Acknowledgements in every form, redelivery, and what is said of both."""

from cases import SECOND, api, consumer, durable, events, listen, pub, stream
from flow import pull, reply_to, rest, say, sub, take

MS = SECOND // 1000
EXPLICIT = {"ack_policy": "explicit"}


def messages(count=5):
    return [pub(f"s.{i + 1}", f"m{i + 1}") for i in range(count)]


def delivered(config, count=3, stored=5):
    return [
        listen("$JS.EVENT.ADVISORY.CONSUMER.*.S.*"),
        stream(subjects=["s.*"]),
        *messages(stored),
        durable(config),
        sub("in"),
        sub("r"),
        pull({"batch": count}),
        take(),
    ]


def said(n, *bodies, label=None):
    """Each answered, and what the consumer looks like then."""
    return [
        step for body in bodies for step in (reply_to(n, body, "r"), take(), api("CONSUMER.INFO.S.C", label=label))
    ]


FORMS = [
    b"",
    b"+ACK",
    b"+OK",
    b"+ACK ",
    b" +ACK",
    b"+ack",
    b"+ACKx",
    b"-NAK",
    b"-NAK ",
    b"-NAKx",
    b"-nak",
    b"-NAK 10s",
    b"-NAK 10",
    b"-NAK 1h1m1s",
    b"-NAK -5s",
    b"-NAK x",
    b"-NAK {",
    b'-NAK {"delay": 10000000000}',
    b'-NAK {"delay": 0}',
    b'-NAK {"delay": -1}',
    b'-NAK {"delay": "10s"}',
    b'-NAK {"other": 1}',
    b"+WPI",
    b"+WPI ",
    b"+WPIx",
    b"+TERM",
    b"+TERM with a reason",
    b"+TERM   blanks  ",
    b"+TERMx",
    b"+NXT",
    b"+NXT 2",
    b"+NXT x",
    b'+NXT {"batch": 2, "no_wait": true}',
    b"+NXT {",
    b"+NXTx",
    b"junk",
    b"\x00",
]


def form(body):
    return [*delivered(EXPLICIT), *said(1, body), events(), pull({"batch": 2, "no_wait": True}), take(), events()]


SUBJECTS = [
    "$JS.ACK.S.C.1.2.2.0.0",
    "$JS.ACK.S.C.0.2.0.0.0",
    "$JS.ACK.S.C.9.2.9.9.9",
    "$JS.ACK.S.C.1.x.2.0.0",
    "$JS.ACK.S.C.1.-1.2.0.0",
    "$JS.ACK.S.C.1.99.99.0.0",
    "$JS.ACK.S.C.1.4.4.0.0",
    "$JS.ACK.S.C.1.0.0.0.0",
    "$JS.ACK.S.C.a.2.b.c.d",
    "$JS.ACK.S.C.1.2.2.0",
    "$JS.ACK.S.C.1.2.2.0.0.0",
    "$JS.ACK._.szMpdrwD.S.C.1.2.2.0.0",
    "$JS.ACK._.szMpdrwD.S.C.1.2.2.0.0.more.of.it",
    "$JS.ACK._.szMpdrwD.S.C.1.2.2.0",
    "$JS.ACK._.szMpdrwD.S.D.1.2.2.0.0",
    "$JS.ACK.x.szMpdrwD.S.C.1.2.2.0.0",
    "$JS.ACK._.x.S.C.1.2.2.0.0",
    "$JS.ACK.S.D.1.2.2.0.0",
]

SCENARIOS = {
    **{f"acks: {body.decode(errors='replace')!r}": form(body) for body in FORMS},
    **{
        f"acks: published to {subject}": [
            *delivered(EXPLICIT),
            say(subject, b"", "r"),
            take(label="an ack to nobody" if "szMpdrwD.S.D" in subject else None),
            api("CONSUMER.INFO.S.C"),
        ]
        for subject in SUBJECTS
    },
    "acks: in any order": [
        *delivered(EXPLICIT, 5),
        *[step for n in (3, 1, 0, 4, 2) for step in (reply_to(n, b"", "r"), take(), api("CONSUMER.INFO.S.C"))],
    ],
    "acks: twice": [*delivered(EXPLICIT), *said(1, b"", b"", b"-NAK", b"+WPI", b"+TERM")],
    "acks: after a termination": [*delivered(EXPLICIT), *said(0, b"+TERM why", b"", b"-NAK"), events()],
    "acks: of all": [*delivered({"ack_policy": "all"}, 4), *said(1, b""), *said(0, b""), *said(3, b""), *said(2, b"")],
    "acks: of all, terminated": [*delivered({"ack_policy": "all"}, 4), *said(2, b"+TERM"), events()],
    "acks: of all, not acknowledged": [
        *delivered({"ack_policy": "all"}, 4),
        *said(2, b"-NAK"),
        pull({"batch": 5, "no_wait": True}),
        take(),
        *said(4, b"", label="the floor of all"),
        events(),
    ],
    "acks: of none": [*delivered({"ack_policy": "none"}, 4), reply_to(2, b"", "r"), take(), api("CONSUMER.INFO.S.C")],
    "acks: not in time": [
        *delivered({**EXPLICIT, "ack_wait": 300 * MS, "max_deliver": 2}, 2),
        pull({"batch": 5, "expires": SECOND}),
        take(0.5),
        reply_to(0),
        take(0.5),
    ],
    "acks: in progress": [
        *delivered({**EXPLICIT, "ack_wait": 500 * MS}, 1, 1),
        rest(0.3),
        reply_to(0, b"+WPI"),
        pull({"batch": 1, "expires": 5 * SECOND}),
        rest(0.3),
        take(0.02),
        rest(0.3),
        take(0.2),
        api("CONSUMER.INFO.S.C"),
    ],
    "acks: backoff": [
        *delivered({**EXPLICIT, "backoff": [200 * MS, 500 * MS], "max_deliver": 3}, 1, 1),
        pull({"batch": 5, "expires": 5 * SECOND}),
        rest(0.15),
        take(0.15),
        take(0.2),
        rest(0.2),
        take(0.3),
        rest(0.6),
        api("CONSUMER.INFO.S.C", label="exhausted"),
        events(),
    ],
    "acks: delivered once only": [
        *delivered({**EXPLICIT, "max_deliver": 1, "ack_wait": 200 * MS}, 3, 3),
        rest(0.3),
        api("CONSUMER.INFO.S.C", label="exhausted"),
        events(),
        *said(1, b"", label="exhausted"),
        *said(0, b"-NAK", label="exhausted"),
        *said(2, b"+TERM", label="exhausted"),
        events(),
        pull({"batch": 2, "no_wait": True}),
        take(),
    ],
    "acks: not acknowledged for the last time": [
        *delivered({**EXPLICIT, "max_deliver": 1}, 3, 3),
        *said(0, b"-NAK", label="exhausted"),
        *said(1, b"-NAK 100ms", label="exhausted"),
        rest(0.2),
        events(),
        pull({"batch": 2, "no_wait": True}),
        take(),
        events(),
        api("CONSUMER.INFO.S.C", label="exhausted"),
    ],
    "acks: the order of redeliveries": [
        *delivered(EXPLICIT, 4, 4),
        reply_to(2, b"-NAK"),
        reply_to(0, b"-NAK"),
        reply_to(3, b"-NAK"),
        take(),
        pull({"batch": 4, "no_wait": True}),
        take(),
        reply_to(2, b"-NAK"),
        reply_to(4, b"-NAK"),
        take(),
        pull({"batch": 4, "no_wait": True}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "acks: new messages after redeliveries": [
        *delivered(EXPLICIT, 2, 4),
        reply_to(1, b"-NAK"),
        pull({"batch": 4, "no_wait": True}),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "acks: max_ack_pending": [
        *delivered({**EXPLICIT, "max_ack_pending": 2}, 5),
        api("CONSUMER.INFO.S.C"),
        reply_to(0, b"-NAK"),
        take(),
        reply_to(1),
        take(),
        reply_to(2),
        take(),
        api("CONSUMER.INFO.S.C"),
    ],
    "acks: max_ack_pending and what does not wait": [
        *delivered({**EXPLICIT, "max_ack_pending": 2}, 2),
        pull({"batch": 2, "no_wait": True}),
        take(),
        pull({"batch": 2, "no_wait": True, "expires": 300 * MS}),
        take(0.5, label="held back by max_ack_pending"),
        pull({"batch": 2, "expires": 300 * MS}),
        take(0.5),
    ],
    "acks: max_ack_pending raised": [
        *delivered({**EXPLICIT, "max_ack_pending": 1}, 5),
        durable({**EXPLICIT, "max_ack_pending": 3}),
        take(),
        durable({**EXPLICIT, "max_ack_pending": -1}),
        take(),
    ],
    "acks: the wait is made shorter": [
        *delivered(EXPLICIT, 1, 1),
        durable({**EXPLICIT, "ack_wait": 200 * MS}),
        pull({"batch": 1, "expires": SECOND}),
        take(0.5),
        api("CONSUMER.INFO.S.C"),
    ],
    "acks: max_deliver made smaller": [
        *delivered({**EXPLICIT, "ack_wait": 200 * MS}, 1, 1),
        pull({"batch": 1, "expires": SECOND}),
        take(0.4),
        durable({**EXPLICIT, "ack_wait": 200 * MS, "max_deliver": 2}),
        rest(0.3),
        events(),
        api("CONSUMER.INFO.S.C"),
    ],
    "acks: of what was deleted": [
        *delivered(EXPLICIT, 3, 3),
        api("STREAM.MSG.DELETE.S", {"seq": 2}),
        take(),
        api("CONSUMER.INFO.S.C"),
        *said(1, b"", b"-NAK"),
        *said(0, b""),
        events(),
    ],
    "acks: of what was purged": [
        *delivered(EXPLICIT, 3, 5),
        api("STREAM.PURGE.S", {"seq": 3}),
        take(),
        api("CONSUMER.INFO.S.C"),
        *said(0, b""),
        *said(2, b""),
        events(),
    ],
    "acks: of a stream that was purged whole": [
        *delivered(EXPLICIT, 3, 5),
        api("STREAM.PURGE.S"),
        take(),
        api("CONSUMER.INFO.S.C"),
        *said(2, b""),
        *messages(1),
        pull({"batch": 4, "no_wait": True}),
        take(),
        api("CONSUMER.INFO.S.C"),
        events(),
    ],
    "acks: of what the stream's limits took": [
        listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.*"),
        stream(subjects=["s.*"], max_msgs=3),
        *messages(3),
        durable(EXPLICIT),
        sub("in"),
        pull({"batch": 3}),
        take(),
        *messages(2),
        take(),
        reply_to(2),
        take(),
        pull({"batch": 4, "no_wait": True}),
        take(),
    ],
}
