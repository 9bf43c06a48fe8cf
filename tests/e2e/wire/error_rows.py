"""Every row of the table of errors: how it is brought about, which other test does it, or why nothing can.

ROWS: number: steps as that user, the last of which is refused with it. It holds for the reference server as well.
"""

import json

SECOND = 1_000_000_000
MIB = 1 << 20
CONFIG = """
accounts {
  ALL { jetstream: enabled, users: [{user: all, password: p}] }
  NONE { users: [{user: none, password: p}] }
  FEW { jetstream { max_streams: 1, max_store: 1MB, max_mem: 1MB }, users: [{user: few, password: p}] }
  SIZED { jetstream { max_store: 10MB, disk_max_stream_bytes: 1MB, max_bytes_required: true }, users: [{user: sized, password: p}] }
}
"""


def api(subject, **body):
    return ("api", subject, json.dumps(body).encode() if body else b"")


def text(subject, body):
    return ("api", subject, body)


def create(name="S", **config):
    return api(f"STREAM.CREATE.{name}", name=name, **config)


def update(**config):
    return api("STREAM.UPDATE.S", name="S", **config)


def pub(*lines, subject="S", body=b"x"):
    head = b"NATS/1.0\r\n" + b"".join(line.encode() + b"\r\n" for line in lines) + b"\r\n" if lines else b""
    return ("pub", subject, body, head)


def level(subject, value, **body):
    return ("api", subject, json.dumps(body).encode(), f"NATS/1.0\r\nNats-Required-Api-Level: {value}\r\n\r\n".encode())


MIRROR = {"mirror": {"name": "X"}}
SCHEDULE = {"allow_msg_schedules": True, "allow_rollup_hdrs": True}
COUNTER = {"allow_msg_counter": True}
BATCH = {"allow_atomic": True}

# number: steps as that user, the last of which is refused with it
ROWS = {
    10002: ("few", [create(), *[pub(body=b"x" * 900_000)] * 2]),
    10003: ("all", [create(), text("STREAM.MSG.GET.S", b"{}")]),
    10010: ("all", [create(), api("STREAM.LEADER.STEPDOWN.S")]),
    10025: ("all", [text("STREAM.CREATE.S", b'{"x":1}')]),
    10026: (
        "all",
        [
            create(max_consumers=1),
            *[
                api(f"CONSUMER.CREATE.S.{name}", stream_name="S", config={"name": name, "ack_policy": "explicit"})
                for name in ("A", "B")
            ],
        ],
    ),
    10027: ("few", [create(), create("T")]),
    10028: ("few", [create(storage="memory", max_bytes=2 * MIB)]),
    10031: ("all", [create(**MIRROR, sources=[{"name": "Y"}])]),
    10034: ("all", [create(**MIRROR, subjects=["s"])]),
    10037: ("all", [create(), api("STREAM.MSG.GET.S", seq=5)]),
    10038: ("all", [create(), api("STREAM.DELETE.S", x=1)]),
    10039: ("none", [api("STREAM.NAMES")]),
    10043: ("all", [create(), pub(), pub(), pub(), *[api("STREAM.MSG.DELETE.S", seq=2)] * 2]),
    10047: ("few", [create(max_bytes=2 * MIB)]),
    10052: ("all", [create(max_age=-1)]),
    10054: ("all", [create(max_msg_size=1), pub(body=b"xx")]),
    10055: ("all", [create(), update(**MIRROR)]),
    10056: ("all", [api("STREAM.CREATE.S", name="T")]),
    10057: ("all", [create(), api("STREAM.MSG.DELETE.S", seq=9)]),
    10058: ("all", [create(), create(max_msgs=5)]),
    10059: ("all", [api("STREAM.INFO.S")]),
    10060: ("all", [create(), pub("Nats-Expected-Stream: T")]),
    10065: ("all", [create(), create("T", subjects=["S"])]),
    10070: ("all", [create(), pub("Nats-Expected-Last-Msg-Id: x")]),
    10071: ("all", [create(), pub("Nats-Expected-Last-Sequence: 9")]),
    10074: ("all", [create(num_replicas=3)]),
    10077: ("all", [create(max_msgs=1, discard="new"), pub(), pub()]),
    10097: ("all", [create(), pub("X: " + "x" * 65536)]),
    10109: ("all", [create(), update(sealed=True), pub()]),
    10110: ("all", [create(deny_purge=True), api("STREAM.PURGE.S")]),
    10111: ("all", [create(), pub("Nats-Rollup: sub")]),
    10113: ("sized", [create()]),
    10122: ("sized", [create(max_bytes=2 * MIB)]),
    10128: ("all", [api("STREAM.CREATE.a/b", name="a/b")]),
    10133: ("all", [create(num_replicas=-1)]),
    10143: ("all", [create(**MIRROR, first_seq=5)]),
    10157: ("all", [create(max_msgs=-2, pedantic=True)]),
    10165: ("all", [create(allow_msg_ttl=True), pub("Nats-TTL: x")]),
    10166: ("all", [create(), pub("Nats-TTL: 5")]),
    10168: ("all", [create(), pub("Nats-Incr: 1", body=b"")]),
    10169: ("all", [create(**COUNTER), pub(body=b"")]),
    10170: ("all", [create(**COUNTER), pub("Nats-Incr: 1")]),
    10171: ("all", [create(**COUNTER), pub("Nats-Incr: x", body=b"")]),
    10172: (
        "all",
        [
            create(**COUNTER),
            pub("Nats-Incr: 1", "Nats-Counter-Sources: x", body=b""),
            pub("Nats-Incr: 1", body=b""),
        ],
    ),
    10173: ("all", [create(**MIRROR, **COUNTER)]),
    10174: ("all", [create(), pub("Nats-Batch-Id: b", "Nats-Batch-Sequence: 1")]),
    10175: ("all", [create(**BATCH), pub("Nats-Batch-Id: b")]),
    10176: ("all", [create(**BATCH), pub("Nats-Batch-Id: b", "Nats-Batch-Sequence: 2")]),
    10179: ("all", [create(**BATCH), pub("Nats-Batch-Id: " + "b" * 65, "Nats-Batch-Sequence: 1")]),
    10185: ("all", [level("STREAM.CREATE.S", 99, name="S")]),
    10186: ("all", [create(**MIRROR, **SCHEDULE)]),
    10187: ("all", [create(sources=[{"name": "Y"}], **SCHEDULE)]),
    10188: ("all", [create(), pub("Nats-Schedule: @every 1h", "Nats-Schedule-Target: t")]),
    10193: ("all", [create(), pub("Nats-Expected-Last-Subject-Sequence-Subject: x")]),
    10198: ("all", [create(**MIRROR, **BATCH)]),
    10209: ("all", [create(**MIRROR, allow_batched=True)]),
    10212: ("all", [create(), pub("Nats-Schedule-Next: x")]),
}


def consumer(name="C", stream="S", filtered="", **config):
    """The form with the name in the subject."""
    body = {"stream_name": stream, "config": {"name": name, "ack_policy": "explicit", **config}}
    return api(f"CONSUMER.CREATE.{stream}.{name}{'.' + filtered if filtered else ''}", **body)


def durable(token, **config):
    return api(f"CONSUMER.DURABLE.CREATE.S.{token}", stream_name="S", config={"ack_policy": "explicit", **config})


def legacy(**config):
    return api("CONSUMER.CREATE.S", stream_name="S", config={"ack_policy": "explicit", **config})


def made(name):
    """A consumer made beforehand, as a mirror or source names it."""
    return {"name": name, "deliver_subject": "del.x"}


def sourced(**source):
    return create(sources=[{"name": "X", **source}])


def mirrored(**mirror):
    return create(mirror={"name": "X", **mirror})


def transforms(*pairs):
    return {"subject_transforms": [{"src": source, "dest": destination} for source, destination in pairs]}


def schedule(pattern="@every 1h", *lines, target="t.x"):
    return pub(f"Nats-Schedule: {pattern}", f"Nats-Schedule-Target: {target}", *lines, subject="t.s")


WORK = create(retention="workqueue")
FLOW = {"ack_policy": "flow_control", "deliver_subject": "d", "flow_control": True, "idle_heartbeat": SECOND,
        "max_ack_pending": 100}  # fmt: skip
FAST = create(allow_batched=True)
SCHEDULED = create(subjects=["t.>"], **SCHEDULE)
PINNED = {"priority_groups": ["A"], "priority_policy": "pinned_client", "ack_wait": 10 * SECOND}

# Of consumers
ROWS |= {
    10012: ("all", [create(), consumer(), consumer(ack_policy="all")]),
    10014: ("all", [create(), api("CONSUMER.INFO.S.C")]),
    10016: ("all", [create(), durable("C.x", durable_name="C")]),
    10017: ("all", [create(), durable("C", durable_name="D")]),
    10018: ("all", [create(), durable("C")]),
    10020: ("all", [create(), legacy(durable_name="C")]),
    10079: ("all", [create(), consumer(deliver_subject="a.*")]),
    10080: ("all", [create(), consumer(deliver_subject="d", max_waiting=5)]),
    10081: ("all", [create(), consumer(deliver_subject="S")]),
    10084: ("all", [WORK, consumer(ack_policy="none")]),
    10098: ("all", [WORK, consumer(deliver_subject="d", ack_policy="none")]),
    10099: ("all", [WORK, consumer(), consumer("D")]),
    10100: ("all", [create(subjects=["a.>"], retention="workqueue"), consumer(filter_subject="a.b"), consumer("D", filter_subject="a.*")]),
    10101: ("all", [WORK, consumer(deliver_policy="new")]),
    10102: ("all", [create(), durable("c" * 256, durable_name="c" * 256)]),
    10107: ("all", [create(), consumer(description="x" * 4097)]),
    10127: ("all", [create(), consumer("a/b")]),
    10131: ("all", [create(), consumer(filtered="S", filter_subject="T")]),
    10135: ("all", [create(), consumer(metadata={"a": "x" * 131073})]),
    10137: ("all", [create(), consumer(filtered="S", filter_subjects=["S"])]),
    10160: ("all", [create(), consumer(**PINNED), api("CONSUMER.UNPIN.S.C", group="B")]),
    10204: ("all", [create(), consumer(deliver_policy="by_start_sequence", opt_start_seq=5), api("CONSUMER.RESET.S.C", seq=1)]),
    10219: ("all", [create(), api("CONSUMER.CREATE.S.C", stream_name="S", pedantic=True, config={"name": "C", **FLOW, "flow_control": False})]),
    10220: ("all", [create(), consumer(**{**FLOW, "max_ack_pending": -1})]),
    10221: ("all", [create(), consumer(**FLOW, ack_wait=SECOND)]),
    10222: ("all", [create(), consumer(**FLOW, max_deliver=5)]),
}

# Of mirrors, sources and transforms
ROWS |= {
    10015: ("all", [create(), api("STREAM.SNAPSHOT.S", deliver_subject="a.*")]),
    10021: ("all", [sourced(external={"api": "$JS.API", "deliver": "d"})]),
    10022: ("all", [create("T", subjects=["o.>"]), create(sources=[{"name": "T"}, {"name": "X", "external": {"api": "$JS.h.API", "deliver": "o"}}])]),
    10024: ("all", [sourced(external={"api": "$JS.h.API", "deliver": "d.*"})]),
    10030: ("all", [create("T", max_msg_size=100), create(mirror={"name": "T"}, max_msg_size=10)]),
    10046: ("all", [create("T", max_msg_size=100), create(sources=[{"name": "T"}], max_msg_size=10)]),
    10140: ("all", [create(sources=[{"name": "X"}, {"name": "X"}])]),
    10141: ("all", [sourced(name="a.b")]),
    10142: ("all", [mirrored(name="a.b")]),
    10144: ("all", [sourced(filter_subject="a", **transforms(("a", "b")))]),
    10145: ("all", [sourced(**transforms(("a..b", "b")))]),
    10146: ("all", [sourced(**transforms(("a.*", "b.$2")))]),
    10147: ("all", [sourced(**transforms(("a.b", "x"), ("a.*", "y.$1")))]),
    10150: ("all", [mirrored(filter_subject="a", **transforms(("a", "b")))]),
    10151: ("all", [mirrored(**transforms(("a..b", "b")))]),
    10152: ("all", [mirrored(**transforms(("a.b", "x"), ("a.*", "y.$1")))]),
    10154: ("all", [mirrored(**transforms(("a.*", "b.$2")))]),
    10155: ("all", [create(subject_transform={"src": "S..x", "dest": "a"})]),
    10156: ("all", [create(subject_transform={"src": "S", "dest": "a.$1"})]),
    10213: ("all", [mirrored(consumer={"name": "C"})]),
    10215: ("all", [sourced(consumer={"name": "C"})]),
    10216: ("all", [create(sources=[{"name": "X", "consumer": made("C")}, {"name": "X", "consumer": made("C"), **transforms(("a", "b"))}])]),
}

# Of batches, schedules and updates
ROWS |= {
    10069: ("all", [create(), consumer(inactive_threshold=10 * SECOND), update(consumer_limits={"inactive_threshold": SECOND})]),
    10177: ("all", [create(**BATCH), *[pub("Nats-Batch-Id: b", f"Nats-Batch-Sequence: {n}", *more) for n, more in ((1, ["Nats-Expected-Last-Msg-Id: x"]), (2, ["Nats-Batch-Commit: 1"]))]]),
    10189: ("all", [SCHEDULED, schedule("x")]),
    10190: ("all", [SCHEDULED, schedule(target="a.*")]),
    10191: ("all", [SCHEDULED, schedule("@every 1h", "Nats-Schedule-TTL: x")]),
    10192: ("all", [SCHEDULED, schedule("@every 1h", "Nats-Schedule-Rollup: x")]),
    10200: ("all", [create(**BATCH), pub("Nats-Batch-Id: b", "Nats-Batch-Sequence: 1", "Nats-Batch-Commit: 2")]),
    10203: ("all", [SCHEDULED, schedule("@every 1h", "Nats-Schedule-Source: a.*")]),
    10205: ("all", [create(), ("fast", "b.10.ok.1.0")]),
    10206: ("all", [FAST, ("fast", "b.10.ok.1.9")]),
    10207: ("all", [FAST, ("fast", "b" * 65 + ".10.ok.1.0")]),
    10208: ("all", [FAST, ("fast", "b.10.ok.2.1")]),
    10223: ("all", [SCHEDULED, schedule("0 0 0 1 1 *", "Nats-Schedule-Time-Zone: X/Y")]),
}

# Brought about by other tests, which name the number.
TESTS = {
    "tests/unit/server/consumer_check_rows.inc": [
        10082, 10083, 10086, 10088, 10089, 10090, 10091, 10094, 10095, 10108, 10112, 10115, 10116, 10136, 10138, 10139,
        10159, 10161, 10162, 10178, 10183, 10184, 10196, 10197, 10218,
    ],
    "tests/unit/server/test_consumer_check.c": [10013, 10121, 10153],
    "tests/e2e/node/refusals.test.js": [10126],
    "tests/e2e/node/consumers.test.js": [10148, 10149],
    "tests/unit/server/test_decide_atomic.c": [10164, 10201],
    "tests/e2e/wire/test_batches.py": [10199, 10210],
    "tests/unit/server/test_fast_batches.c": [10211],
    "tests/e2e/wire/test_origins_kept.py": [10214, 10217],
    "tests/e2e/wire/test_account_purge.py": [10051],
    "tests/e2e/wire/test_backup.py": [10062, 10064, 10130],
    "tests/e2e/wire/test_cluster_features.py": [10005, 10123],
    "tests/e2e/wire/test_cluster_leave.py": [10041, 10044],
    "tests/e2e/wire/test_server_errors.py": [10023, 10040, 10075, 10134],
    "tests/unit/server/test_scenes.c": [10008, 10049],
    "tests/e2e/wire/test_offline.py": [10194],
    "tests/e2e/wire/test_tiers.py": [10120],
    "tests/sim/user.c": [10167],
}  # fmt: skip

# In the source, for a state that nothing that is sent can bring about.
GUARDS = {
    "it stands in the event of a traced message that waited for a leader that is gone": [10009],
    "a server is removed before the next request is looked at, unless others went down in that moment": [10202],
    "the token of the subject is the name by then, and a durable name that differs from it has been refused (10017)": [10132],
}

# Nowhere in the source, and why.
NEVER = {
    "it wraps what goes wrong in making a thing, each of which has a number of its own here": [
        10029, 10045, 10048, 10050, 10053, 10104, 10106,
    ],
    "a request without a configuration is one with an empty one, which is refused for its name (10025, 10052)": [10078],
    "earlier versions of the reference refused so what 2.14 takes": [10032, 10033, 10085, 10087, 10093, 10103, 10105, 10114],
    "an unknown policy is no JSON of a configuration (10025)": [10181, 10182],
    "the limit on the batch of a request has no option (docs/config.md)": [10125],
    "push consumers cannot be asked directly": [10092],
    "a log that cannot be opened is the stream's (10194); consumers are in it": [10118, 10119, 10195],
    "servers that have JetStream take part in its cluster, or do not start": [10006, 10007, 10036],
    "a change of members waits for the one before it": [10124, 10129, 10226],
    "a restore subscribes and opens no file, which could fail": [10042, 10072],
    "an account of operators without JetStream answers 10039": [10035],
    "JetStream that is off answers by its silence": [10076],
    "an id that is in flight is answered when it is stored": [10158],
    "no version since 2.10 sends it": [10004, 10011, 10019, 10061, 10063, 10066, 10067, 10068, 10073, 10096, 10117, 10163, 10180],
    "of later versions": [10224, 10225, 10227],
}
