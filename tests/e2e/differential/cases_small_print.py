"""Small print that clients rely on."""

from cases import SECOND, api, durable, head, pub, stream
from flow import pull, reply_to, rest, sub, take

MS = SECOND // 1000
EXPLICIT = {"ack_policy": "explicit"}


def deletes(storage):
    sequences = [(1, False), (1, True), (2, True), (1, True), (3, True), (3, False), (4, True), (0, False)]
    return [
        stream(subjects=["s.*"], storage=storage),
        api("STREAM.MSG.DELETE.S", {"seq": 0}),
        api("STREAM.MSG.DELETE.S", {"seq": 1}),
        *[pub(f"s.{i}") for i in range(3)],
        *[api("STREAM.MSG.DELETE.S", {"seq": seq, "no_erase": keep}) for seq, keep in sequences],
    ]


SCENARIOS = {
    "an info right behind acks that nobody waits for shows them": [
        stream(subjects=["s.*"]),
        durable(EXPLICIT),
        *[pub(f"s.{i}") for i in range(4)],
        sub("in"),
        pull(b'{"batch":4}'),
        take(),
        *[step for i in range(4) for step in (reply_to(i, b"+ACK"), api("CONSUMER.INFO.S.C"))],
    ],
    "deletes of what is not there, in a file": deletes("file"),
    "deletes of what is not there, in memory": deletes("memory"),
    "a pull that does not wait, held up by acks, ends with its first heartbeat": [
        stream(subjects=["s.*"]),
        durable({**EXPLICIT, "max_ack_pending": 2}),
        *[pub(f"s.{i}") for i in range(4)],
        sub("in"),
        pull({"batch": 4, "no_wait": True, "expires": 2 * SECOND, "idle_heartbeat": 200 * MS}),
        rest(0.4),
        take(),
    ],
    "a roll-up of a subject with wildcards takes the place of all that it matches": [
        stream(subjects=["s.>"], allow_rollup_hdrs=True),
        *[pub(f"s.{i}") for i in range(3)],
        pub("s.a.b"),
        pub("s.*", "y", head("Nats-Rollup: sub")),
        pub("s.7"),
        api("STREAM.INFO.S", {"subjects_filter": ">"}),
        pub("s.>", "z", head("Nats-Rollup: sub")),
        api("STREAM.INFO.S", {"subjects_filter": ">"}),
    ],
}
