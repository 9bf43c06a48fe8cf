"""Storage and retention policies. Loaded by run.py; the helpers are those of cases.py."""

from cases import SECOND, api, consumer, durable, events, head, info, listen, pub, raw, stream, update

def usage():
    """What the account takes, without how often it asked."""
    return api("INFO", label="usage")


SCENARIOS = {
    "memory: a stream": [
        stream(storage="memory", subjects=["s.>"], max_bytes=100000),
        usage(),
        pub("s.1", b"one"),
        pub("s.2", b"two", head("A: b")),
        pub("s.1", b"three", head("Nats-Msg-Id: x")),
        pub("s.1", b"three", head("Nats-Msg-Id: x")),
        usage(),
        info(),
        api("STREAM.INFO.S", {"subjects_filter": ">"}),
        api("STREAM.MSG.GET.S", {"seq": 2}),
        api("STREAM.MSG.GET.S", {"last_by_subj": "s.1"}),
        api("STREAM.MSG.DELETE.S", {"seq": 2}),
        usage(),
        api("STREAM.PURGE.S", {"filter": "s.1", "keep": 1}),
        info(),
        durable({"ack_policy": "explicit", "mem_storage": True}),
        consumer({"ack_policy": "none", "deliver_subject": "d"}, name="P"),
        usage(),
        update(storage="file", subjects=["s.>"]),
        update(storage="memory", subjects=["s.>"], max_msgs=1),
        api("STREAM.PURGE.S"),
        info(),
        api("STREAM.DELETE.S"),
        usage(),
    ],
    "memory: limits": [
        stream(storage="memory", subjects=["s.>"], max_msgs=3, max_msgs_per_subject=2),
        *[pub(f"s.{i % 2}", b"m") for i in range(8)],
        info(),
        update(storage="memory", subjects=["s.>"], max_msgs=3, discard="new"),
        pub("s.1", b"m"),
        pub("s.2", b"m"),
        update(storage="memory", subjects=["s.>"], max_bytes=60, discard="new"),
        info(),
        pub("s.1", b"m" * 100),
    ],
    "memory: a direct get": [
        stream(storage="memory", subjects=["s.>"], allow_direct=True),
        pub("s.1", b"one"),
        raw("$JS.API.DIRECT.GET.S.s.1"),
        raw("$JS.API.DIRECT.GET.S", {"seq": 1}),
    ],
    "memory: messages larger than a file takes": [
        stream(storage="memory", subjects=["s.>"]),
        pub("s.1", b"x" * 900000),
        info(),
    ],
}
