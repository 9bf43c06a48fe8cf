"""Key-value and object buckets, request by request as clients of every language make them: the streams they make,
every operation on keys with what is told of it, watches, and the way of an object in and out."""

from cases import SECOND, api, consumer, head, info, many, pub, raw, stream, update
from flow import say, sub, take, unsub

ORDERED = {"ack_policy": "none", "max_deliver": 1, "flow_control": True, "idle_heartbeat": 5 * SECOND,
           "ack_wait": 22 * 3600 * SECOND, "mem_storage": True, "num_replicas": 1, "inactive_threshold": 300 * SECOND}


# ---- keys --------------------------------------------------------------------------------------------------------


def bucket(**config):
    return stream("KV_B", **{
        "subjects": ["$KV.B.>"], "max_msgs_per_subject": 5, "discard": "new", "allow_rollup_hdrs": True, "deny_delete": True,
        "allow_direct": True, "max_consumers": -1, "max_msgs": -1, "duplicate_window": 120 * SECOND, **config,
    })


def put(key, value="v", *lines):
    return pub(f"$KV.B.{key}", value, head(*lines) if lines else b"")


def create(key, value="v", revision=0, *lines):
    return put(key, value, f"Nats-Expected-Last-Subject-Sequence: {revision}", *lines)


def delete(key, *lines):
    return put(key, "", "KV-Operation: DEL", *lines)


def purge(key, *lines):
    return put(key, "", "KV-Operation: PURGE", "Nats-Rollup: sub", *lines)


def get(key):
    return raw(f"$JS.API.DIRECT.GET.KV_B.$KV.B.{key}")


def gets(key):
    """Each way in which clients get a key's newest, or one revision."""
    subject = f"$KV.B.{key}"
    return [
        get(key),
        raw("$JS.API.DIRECT.GET.KV_B", {"last_by_subj": subject}),
        api("STREAM.MSG.GET.KV_B", {"last_by_subj": subject}),
        raw("$JS.API.DIRECT.GET.KV_B", {"seq": 1, "next_by_subj": subject}),
        many("$JS.API.DIRECT.GET.KV_B", {"multi_last": [subject]}),
    ]


KEYS = ["a", "a.b", "a.b.c", "A-1", "_x", "x=1", "x/y", "1", "ключ", "a_b=c/d-e.f", "x" * 200, "a.*", "a.>", ">", "*", ".a", "a.", "a..b"]

WATCHES = [
    {"deliver_policy": "last_per_subject", "filter_subject": "$KV.B.>"},
    {"deliver_policy": "last_per_subject", "filter_subject": "$KV.B.a"},
    {"deliver_policy": "last_per_subject", "filter_subject": "$KV.B.a.*"},
    {"deliver_policy": "last_per_subject", "filter_subjects": ["$KV.B.a", "$KV.B.b.>"]},
    {"deliver_policy": "last_per_subject", "filter_subject": "$KV.B.>", "headers_only": True},
    {"deliver_policy": "last_per_subject", "filter_subject": "$KV.B.none"},
    {"deliver_policy": "new", "filter_subject": "$KV.B.>"},
    {"deliver_policy": "new", "filter_subject": "$KV.B.a", "headers_only": True},
    {"deliver_policy": "all", "filter_subject": "$KV.B.>"},
    {"deliver_policy": "all", "filter_subject": "$KV.B.a"},
    {"deliver_policy": "all", "filter_subject": "$KV.B.>", "headers_only": True},
    {"deliver_policy": "by_start_sequence", "opt_start_seq": 4, "filter_subject": "$KV.B.>"},
    {"deliver_policy": "by_start_sequence", "opt_start_seq": 400, "filter_subject": "$KV.B.>"},
]

LIFE = [
    put("a", "1"), put("a", "2"), create("b.c", "1"), create("b.c", "2"), create("a", "3", 2), create("a", "4", 2), delete("b.c"),
    create("b.c", "5", 0), create("b.c", "5", 5), put("a.b", "6"), purge("a.b"), put("d", ""), put("e", "7", "X: 1"), delete("e"),
]


def watched(number, config):
    inbox = f"w.{number}"
    return [
        sub(inbox),
        consumer({**ORDERED, "name": f"W{number}", "deliver_subject": inbox, **config}, f"W{number}", "KV_B"),
        take(),
        put("a", "live"), put("b.c", "live"), delete("a"), purge("b.c"), put("new.key", "live"),
        take(),
        api(f"CONSUMER.INFO.KV_B.W{number}"),
        unsub(inbox),
        api(f"CONSUMER.DELETE.KV_B.W{number}"),
    ]


CONFIGS = [
    {}, {"max_msgs_per_subject": 1}, {"max_msgs_per_subject": 64}, {"max_age": 3600 * SECOND},
    {"max_age": SECOND, "duplicate_window": SECOND}, {"max_age": SECOND}, {"max_bytes": 1000}, {"max_msg_size": 10},
    {"storage": "memory"}, {"compression": "s2"}, {"description": "words"}, {"metadata": {"k": "v"}}, {"num_replicas": 3},
    {"republish": {"src": ">", "dest": "out.>"}}, {"republish": {"src": "$KV.B.>", "dest": "$KV.B.x.>"}},
    {"placement": {"tags": ["t"]}}, {"mirror_direct": True}, {"allow_msg_ttl": True},
    {"allow_msg_ttl": True, "subject_delete_marker_ttl": SECOND}, {"subject_delete_marker_ttl": SECOND}, {"subjects": ["$KV.B.x.>"]},
    {"deny_purge": True, "allow_rollup_hdrs": True}, {"discard": "old"}, {"max_msgs_per_subject": -1}, {"duplicate_window": 0},
]


def bucket_config(config):
    return [bucket(**config), info("KV_B"), put("k", "123456789"), put("k", "x" * 40), get("k"), update(
        "KV_B", **{"subjects": ["$KV.B.>"], "max_msgs_per_subject": 2, "allow_rollup_hdrs": True, "deny_delete": True,
                   "allow_direct": True, "discard": "new", "description": "other"}), api("STREAM.DELETE.KV_B")]


MIRRORED = {"name": "KV_M", "mirror": {"name": "KV_B", "subject_transforms": [{"src": "$KV.B.>", "dest": "$KV.M.>"}]},
            "allow_direct": True, "max_msgs_per_subject": 1}


# ---- objects -----------------------------------------------------------------------------------------------------

CHUNKS, META = "$O.O.C.NUID1", "$O.O.M.YSBuYW1l"  # "a name"
META_BODY = {"name": "a name", "bucket": "O", "nuid": "NUID1", "size": 30, "chunks": 3, "mtime": "0001-01-01T00:00:00Z",
             "digest": "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", "options": {"max_chunk_size": 10}}


def objects(name="OBJ_O", **config):
    return stream(name, **{"subjects": ["$O.O.C.>", "$O.O.M.>"], "discard": "new", "allow_rollup_hdrs": True,
                              "allow_direct": True, **config})


def meta(body, *lines, subject=META):
    return pub(subject, body, head("Nats-Rollup: sub", *lines))


def reader(number, **config):
    inbox = f"o.{number}"
    return [
        sub(inbox),
        consumer({**ORDERED, "name": f"R{number}", "deliver_subject": inbox, "deliver_policy": "all", **config}, f"R{number}", "OBJ_O"),
        take(),
        unsub(inbox),
        api(f"CONSUMER.DELETE.OBJ_O.R{number}"),
    ]


OBJECT_CONFIGS = [
    {}, {"max_age": 3600 * SECOND}, {"max_bytes": 50}, {"storage": "memory"}, {"compression": "s2"}, {"description": "d"},
    {"metadata": {"a": "b"}}, {"sealed": True}, {"max_msg_size": 5}, {"num_replicas": 2}, {"placement": {"cluster": "X"}},
]


def object_config(number, config):
    name = f"OBJ_O{number}"  # of their own: in the reference what was deleted may still be there for a moment
    return [objects(name, **config), info(name), pub(CHUNKS, "0123456789"), meta(META_BODY), api(f"STREAM.DELETE.{name}")]


SCENARIOS = {
    "buckets: what a bucket may be": [step for config in CONFIGS for step in bucket_config(config)],
    "buckets: keys of every kind": [
        bucket(),
        *[step for key in KEYS for step in (put(key, "1"), create(key, "2"), create(key, "2", 1), get(key), delete(key), get(key))],
        api("STREAM.INFO.KV_B", {"subjects_filter": "$KV.B.>"}),
    ],
    "buckets: the life of a key": [
        bucket(),
        *[step for change in LIFE for step in (change, *gets("a"), *gets("b.c"))],
        *gets("none"),
        api("STREAM.INFO.KV_B", {"subjects_filter": "$KV.B.>"}),
        api("STREAM.INFO.KV_B", {"subjects_filter": "$KV.B.a.>"}),
        api("STREAM.PURGE.KV_B", {"filter": "$KV.B.a", "keep": 1}),
        api("STREAM.PURGE.KV_B", {"filter": "$KV.B.b.c"}),
        api("STREAM.MSG.DELETE.KV_B", {"seq": 1}),
        *gets("a"),
        *gets("b.c"),
        info("KV_B"),
    ],
    "buckets: watches": [
        bucket(),
        *LIFE,
        *[step for number, config in enumerate(WATCHES) for step in watched(number, config)],
    ],
    "buckets: keys that end by themselves": [
        bucket(allow_msg_ttl=True, subject_delete_marker_ttl=60 * SECOND),
        create("a", "1", 0, "Nats-TTL: 1s"),
        put("b", "1", "Nats-TTL: never"),
        put("c", "1", "Nats-TTL: x"),
        put("d", "1", "Nats-TTL: 0"),
        purge("b", "Nats-TTL: 1s"),
        delete("b", "Nats-TTL: 1s"),
        get("a"), get("b"),
        (None, "wait", "", b"2.5", b""),
        *gets("a"),
        *gets("b"),
        create("a", "2"),
        info("KV_B"),
    ],
    "buckets: history": [
        bucket(max_msgs_per_subject=3),
        *[put("a", str(i)) for i in range(6)],
        delete("a"),
        many("$JS.API.DIRECT.GET.KV_B", {"batch": 10, "seq": 1, "next_by_subj": "$KV.B.a"}),
        *watched(0, {"deliver_policy": "all", "filter_subject": "$KV.B.a"}),
        update("KV_B", subjects=["$KV.B.>"], max_msgs_per_subject=1, discard="new", allow_rollup_hdrs=True, deny_delete=True,
               allow_direct=True),
        info("KV_B"),
        many("$JS.API.DIRECT.GET.KV_B", {"batch": 10, "seq": 1, "next_by_subj": "$KV.B.a"}),
        update("KV_B", subjects=["$KV.B.>"], max_msgs_per_subject=1, discard="new", allow_rollup_hdrs=True, deny_delete=False,
               allow_direct=True),
    ],
    "buckets: a mirror under another name": [
        bucket(),
        put("a", "1"), put("b.c", "2"), delete("a"),
        api("STREAM.CREATE.KV_M", MIRRORED),
        (None, "settle", "KV_M", b"3", b""),
        raw("$JS.API.DIRECT.GET.KV_M.$KV.M.b.c"),
        raw("$JS.API.DIRECT.GET.KV_M", {"last_by_subj": "$KV.M.a"}),
        pub("$KV.M.x", "refused"),
    ],
    "buckets: what an object bucket may be": [step for number, config in enumerate(OBJECT_CONFIGS) for step in object_config(number, config)],
    "buckets: the way of an object": [
        objects(),
        *[pub(CHUNKS, str(i) * 10) for i in range(3)],
        raw(f"$JS.API.DIRECT.GET.OBJ_O.{META}"),
        meta(META_BODY),
        raw(f"$JS.API.DIRECT.GET.OBJ_O.{META}"),
        api("STREAM.MSG.GET.OBJ_O", {"last_by_subj": META}),
        *reader(0, filter_subject="$O.O.C.NUID1"),
        *reader(1, filter_subject="$O.O.M.>", deliver_policy="last_per_subject"),
        *reader(2, filter_subject="$O.O.M.>", deliver_policy="last_per_subject", headers_only=True),
        *reader(3, filter_subject="$O.O.C.NUID2"),
        meta({**META_BODY, "description": "changed"}),
        meta({"name": "link", "bucket": "O", "options": {"link": {"bucket": "O", "name": "a name"}}}, subject="$O.O.M.bGluaw=="),
        *reader(4, filter_subject="$O.O.M.>", deliver_policy="last_per_subject"),
        *[pub("$O.O.C.NUID2", str(i) * 10) for i in range(2)],
        meta({**META_BODY, "nuid": "NUID2", "chunks": 2, "size": 20}),
        api("STREAM.PURGE.OBJ_O", {"filter": "$O.O.C.NUID1"}),
        *reader(5, filter_subject="$O.O.C.>"),
        meta({"name": "a name", "bucket": "O", "nuid": "NUID2", "deleted": True, "size": 0, "chunks": 0}),
        api("STREAM.PURGE.OBJ_O", {"filter": "$O.O.C.NUID2"}),
        api("STREAM.INFO.OBJ_O", {"subjects_filter": "$O.O.>"}),
        update("OBJ_O", subjects=["$O.O.C.>", "$O.O.M.>"], discard="new", allow_rollup_hdrs=True, allow_direct=True, sealed=True),
        pub(CHUNKS, "refused"),
        meta(META_BODY),
        api("STREAM.PURGE.OBJ_O", {"filter": "$O.O.C.NUID2"}),
        *reader(6, filter_subject="$O.O.M.>", deliver_policy="last_per_subject"),
    ],
    "buckets: a watch of an object bucket": [
        objects(),
        sub("o.w"),
        consumer({**ORDERED, "name": "W", "deliver_subject": "o.w", "deliver_policy": "last_per_subject", "filter_subject": "$O.O.M.>"},
                 "W", "OBJ_O"),
        take(),
        pub(CHUNKS, "0" * 10),
        meta(META_BODY),
        take(),
        meta({**META_BODY, "deleted": True}),
        say("$O.O.M.eA==", b"not even JSON", headers=head("Nats-Rollup: sub")),
        take(),
        api("CONSUMER.INFO.OBJ_O.W"),
    ],
}
