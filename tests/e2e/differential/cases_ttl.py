"""Per-message TTLs and the markers that stand for subjects whose last message expired."""

from cases import SECOND, api, head, info, pub, stream, update, wait


def ttl(subject, value, *more, body="x"):
    return pub(subject, body, head(f"Nats-TTL: {value}", *more))


VALUES = [
    "1",
    "60",
    "1s",
    "1h30m",
    "1.5s",
    "90s",
    "1m0s",
    "1h0m0.5s",
    "0",
    "00",
    "-1",
    "0s",
    "-1s",
    "500ms",
    "999ms",
    "1500ms",
    "never",
    "NEVER",
    "Never",
    "x",
    "1x",
    "1 ",
    " 1",
    "+1",
    "1.5",
    "2562048h",
    "",
]

# There they are taken for times in the past, here for times that are far.
FAR = ["9999999999", "9223372037", "99999999999999999999", "2562047h"]


def gets(first, last):
    return [api("STREAM.MSG.GET.S", {"seq": seq}) for seq in range(first, last + 1)]


SCENARIOS = {
    "message TTLs that are refused": [
        stream(subjects=["s.>"]),
        *[ttl("s.1", value) for value in VALUES],
        update(subjects=["s.>"], allow_msg_ttl=True),
        *[ttl("s.1", value) for value in VALUES],
        info(),
        *gets(1, 24),
        update(subjects=["s.>"]),
        api("STREAM.PURGE.S"),
        update(subjects=["s.>"], allow_msg_ttl=True, subject_delete_marker_ttl=2 * SECOND),
        update(subjects=["s.>"], allow_msg_ttl=True),
        *[ttl("s.1", value) for value in FAR],
    ],
    "message TTLs": [
        stream(subjects=["s.>"], allow_msg_ttl=True),
        ttl("s.1", "1"),
        ttl("s.2", "never"),
        ttl("s.3", "1s"),
        pub("s.4"),
        ttl("s.1", "100"),
        info(),
        wait(2.6),
        info(),
        api("STREAM.MSG.GET.S", {"last_by_subj": "s.3"}),
        *gets(1, 5),
        api("STREAM.PURGE.S"),
        info(),
    ],
    "message TTLs and ages": [
        stream(subjects=["s.>"], allow_msg_ttl=True, max_age=SECOND, duplicate_window=SECOND),
        ttl("s.1", "never"),
        ttl("s.2", "100"),
        pub("s.3"),
        wait(2.6),
        info(),
        *gets(1, 4),
        pub("s.4"),
        wait(2.6),
        info(),
    ],
    "markers of ages": [
        stream(subjects=["s.>"], max_age=SECOND, duplicate_window=SECOND, subject_delete_marker_ttl=100 * SECOND),
        pub("s.1", "a"),
        pub("s.1", "b"),
        pub("s.2", "c"),
        pub("s.3", "d", head("KV-Operation: PURGE")),
        pub("s.4", "e", head("KV-Operation: DEL")),
        pub("s.5", "f", head("Nats-Marker-Reason: x")),
        ttl("s.6", "never"),
        wait(2.8),
        info(),
        *[api("STREAM.MSG.GET.S", {"last_by_subj": f"s.{i}"}) for i in range(1, 8)],
    ],
    "markers of TTLs": [
        stream(subjects=["s.>"], subject_delete_marker_ttl=100 * SECOND, allow_direct=True),
        ttl("s.1", "1"),
        pub("s.2", "b"),
        api("STREAM.MSG.DELETE.S", {"seq": 2}),
        pub("s.3", "c"),
        api("STREAM.PURGE.S", {"filter": "s.3"}),
        *gets(1, 5),
        info(),
    ],
    "markers that expire": [
        stream(subjects=["s.>"], max_msgs_per_subject=1, subject_delete_marker_ttl=SECOND),
        ttl("s.1", "1", body="a"),
        ttl("s.2", "100", body="b"),
        wait(4.2),
        info(),
        *gets(1, 4),
    ],
    "TTLs below that of markers": [
        stream(subjects=["s.>"], subject_delete_marker_ttl=100 * SECOND),
        *[ttl("s.1", value) for value in ("1", "1s", "99", "100", "101", "never", "1m", "99.5s", "1h")],
        pub("s.2", "b", head("A: 1", "Nats-TTL: 5", "B: 2")),
        pub("s.2", "b", head("A: 1", "Nats-TTL:5", "B: 2")),
        pub("s.2", "b", head("A: 1", "nats-ttl: 5", "B: 2")),
        pub("s.2", "b", head("A: 1", "Nats-TTL: 5", "Nats-TTL: 6")),
        *gets(1, 14),
        update(subjects=["s.>"], subject_delete_marker_ttl=100 * SECOND, max_msgs_per_subject=1, allow_msg_ttl=True),
        ttl("s.1", "5"),
        api("STREAM.MSG.GET.S", {"last_by_subj": "s.1"}),
    ],
    "markers under ages": [
        stream(subjects=["s.>"], max_age=SECOND, duplicate_window=SECOND, subject_delete_marker_ttl=SECOND),
        pub("s.1", "a"),
        wait(4.0),
        info(),
        *gets(1, 3),
    ],
}
