"""Fields of a stream's config that say what it is for, where it is, and what its consumers may ask."""

from cases import SECOND, api, durable, info, pub, stream, update

LIMITS = {"inactive_threshold": 10 * SECOND, "max_ack_pending": 100}

SCENARIOS = {
    "limits of a stream's consumers": [
        stream(subjects=["s.>"], consumer_limits=LIMITS),
        durable({"ack_policy": "explicit"}, "A"),
        durable({"ack_policy": "explicit", "max_ack_pending": 100}, "B"),
        durable({"ack_policy": "explicit", "max_ack_pending": 101}, "C"),
        durable({"ack_policy": "explicit", "max_ack_pending": -1}, "D"),
        durable({"ack_policy": "explicit", "inactive_threshold": 10 * SECOND}, "E"),
        durable({"ack_policy": "explicit", "inactive_threshold": 11 * SECOND}, "F"),
        durable({"ack_policy": "none"}, "G"),
        update(subjects=["s.>"], consumer_limits={"max_ack_pending": 50}),
        update(subjects=["s.>"], consumer_limits={"inactive_threshold": SECOND}),
        update(subjects=["s.>"]),
        durable({"ack_policy": "explicit", "max_ack_pending": 5000}, "H"),
        info(),
    ],
    "limits of consumers that make no sense": [
        *[
            stream(subjects=["s.>"], consumer_limits=limits)
            for limits in (
                {"inactive_threshold": -1},
                {"max_ack_pending": -1},
                {"max_ack_pending": -2},
                {"max_ack_pending": 2 ** 40},
                {"inactive_threshold": 1},
                {},
                {"x": 1},
            )
        ],
        api("STREAM.DELETE.S"),
    ],
    "compression, persistence and placement": [
        stream(subjects=["s.>"], compression="s2", description="d", metadata={"a": "b"}),
        pub("s.a"),
        info(),
        update(subjects=["s.>"], compression="none", description="e", metadata={"c": "d"}),
        update(subjects=["s.>"], compression="s2"),
        update(subjects=["s.>"], persist_mode="async"),
        update(subjects=["s.>"], placement={"cluster": "x", "tags": ["a", "!b"]}),
        info(),
        update(subjects=["s.>"], placement={"preferred": "x"}),
        api("STREAM.DELETE.S"),
        stream(subjects=["s.>"], persist_mode="async", placement={"tags": ["a"]}, storage="file"),
        pub("s.a"),
        update(subjects=["s.>"]),
        info(),
    ],
}
