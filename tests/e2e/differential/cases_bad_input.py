"""What no client should send: numbers at and beyond their ends, strings that are no names or subjects, deep, huge
and repeated JSON, and one stream asked for by several at once."""

from cases import api, info, raw, stream, update


def text(subject, body):
    return (None, "json", "$JS.API." + subject, body if isinstance(body, bytes) else body.encode(), b"")


def with_field(name, value):
    """The stream with that one field as it stands, and an end of it if it came to be."""
    label = "more than the disk has" if (name, value) == ("max_bytes", 2**63 - 1) else None
    ask, end = text("STREAM.CREATE.S", '{"name":"S","%s":%s}' % (name, value)), api("STREAM.DELETE.S")
    return [(label, *ask[1:]), (label, *end[1:])]


def flat(lists):
    return [step for steps in lists for step in steps]


# The fields of a stream that are numbers, and the bits of each.
NUMBERS = {
    "max_consumers": 64, "max_msgs": 64, "max_bytes": 64, "max_age": 64, "max_msgs_per_subject": 64, "max_msg_size": 32,
    "num_replicas": 64, "duplicate_window": 64, "first_seq": 65, "subject_delete_marker_ttl": 64,
}
NUMBERS_NESTED = {"consumer_limits": ("inactive_threshold", "max_ack_pending")}


def ends(bits):
    """The ends of the type, one beyond each, and what is no whole number at all; 65: without a sign."""
    if bits == 65:
        low, high = 0, 2**64 - 1
    else:
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return [low, low - 1, high, high + 1, -1, "1.5", "1e3", '"1"', "true", "[]", "{}", "null", "10" * 20, "-0", "01"]


# A sequence that large is the end of the stream here and there, but at another one.
SKIPPED = {("first_seq", 2**64 - 1)}

STRINGS = [
    "", "x" * 255, "x" * 256, "x" * 5000, "a.b", "a*", "a>", "*", ">", "a b", "a\\\\b", "a/b", "../../etc", "a\\tb", "a\\nb", "a\\r\\nb",
    "a\\u0000b", "a\\u0001b", "\\u007f", "\\u00e4", "\\ud83d\\ude00", "\\ud800", "$", "-", "_", "%s%n", "name with spaces",
]
SUBJECTS = STRINGS + ["a..b", ".a", "a.", ".", "..", "a.>.b", "a.*b", "*.>", "a." * 40 + "b", "$JS.API.x", "$SYS.x", "$KV.x.>", "_INBOX.x"]


def named(name):
    """In the body alone: the subject has the name of another, so what is wrong with it is all that is said."""
    return text("STREAM.CREATE.S", '{"name":"%s"}' % name)


TEXTS = {
    "description": ["", "x" * 4096, "x" * 4097, "a\\u0000b", "\\ud800"],
    "retention": ["", "Limits", "limits ", "x"], "discard": ["", "OLD", "x"], "storage": ["", "File", "x"],
    "compression": ["", "S2", "x"], "persist_mode": ["", "Async", "x"],
}

DEEP = [
    "[" * 5000 + "]" * 5000, '{"name":' * 200 + "1" + "}" * 200, '{"metadata":' + '{"a":' * 50 + '"b"' + "}" * 51, "[[[[[[[[[[]]]]]]]]]]",
]
BROKEN = [
    "", " ", "{", "}", "[", "]", '{"name"', '{"name":', '{"name":"S"', '{"name":"S",}', '{,"name":"S"}', '{"name":"S"}}', '{"name" "S"}',
    "null", "true", "1", '"S"', "[]", '[{"name":"S"}]', '{"name":null}', '{"name":1}', '{"name":["S"]}', "{'name':'S'}", '{"name":"S"}x',
    '{"name":"S\n"}', '{"name":"\\x"}', '{"name":"\\u12"}', '{"Name":"S"}', '{"NAME":"S","subjects":null}', "\ufeff{}",
]
REPEATED = [
    '{"name":"S","name":"T"}', '{"name":"T","name":"S"}', '{"name":"S","max_msgs":1,"max_msgs":2}',
    '{"name":"S","subjects":["a"],"subjects":["b"]}', '{"name":"S","consumer_limits":{"max_ack_pending":1},"consumer_limits":{}}',
    '{"name":"S","metadata":{"a":"1"},"metadata":{"b":"2"}}', '{"name":"S","metadata":{"a":"1","a":"2"}}',
    '{"name":"S","Name":"T"}',
    '{"name":"S"}{"max_msgs":5}', '{"name":"S","storage":"file","storage":"memory"}',
]

GETS = [
    {"seq": value} for value in (0, -1, 2**63, 2**64 - 1, 2**64, 1.5, "1", None, [], True)
] + [{"last_by_subj": value} for value in ("", "a b", "a..b", ">", "*", "x" * 3000, 1, None)]

SCENARIOS = {
    "bad input: numbers": flat(
        with_field(name, value) for name, bits in NUMBERS.items() for value in ends(bits) if (name, value) not in SKIPPED
    )
    + flat(
        [text("STREAM.CREATE.S", '{"name":"S","%s":{"%s":%s}}' % (parent, name, value)), api("STREAM.DELETE.S")]
        for parent, names in NUMBERS_NESTED.items() for name in names for value in ends(64)
    ),
    "bad input: names": [named(name) for name in STRINGS],
    "bad input: subjects": flat(with_field("subjects", '["%s"]' % subject) for subject in SUBJECTS),
    "bad input: texts": flat(with_field(name, '"%s"' % value) for name, values in TEXTS.items() for value in values),
    "bad input: broken JSON": flat([text("STREAM.CREATE.S", body), api("STREAM.DELETE.S")] for body in BROKEN),
    "bad input: deep JSON": flat([("deep JSON", *text("STREAM.CREATE.S", body)[1:]), api("STREAM.DELETE.S")] for body in DEEP),
    "bad input: repeated keys": flat([text("STREAM.CREATE.S", body), info("S"), api("STREAM.DELETE.S")] for body in REPEATED),
    "bad input: updates": [stream("S", subjects=["s"])]
    + flat([text("STREAM.UPDATE.S", '{"name":"S","subjects":["s"],"%s":%s}' % (n, v)), update("S", subjects=["s"])]
           for n, v in (("max_msgs", 2**63 - 1), ("max_msgs", 2**63), ("max_bytes", -5), ("max_age", -1), ("max_msg_size", 2**31),
                        ("max_msg_size", 2**31 - 1), ("num_replicas", -1), ("num_replicas", 6), ("duplicate_window", -1)))
    + [info("S")],
    "bad input: gets": [stream("S", subjects=["s"]), raw("s", "x")] + [api("STREAM.MSG.GET.S", body) for body in GETS],
    "bad input: deletes and purges": [stream("S", subjects=["s"]), raw("s", "x")]
    + [api("STREAM.MSG.DELETE.S", {"seq": value}) for value in (0, -1, 2, 2**64 - 1, 2**64, "1", None)]
    + [api("STREAM.PURGE.S", body) for body in (
        {"seq": -1}, {"seq": 2**64}, {"keep": -1}, {"keep": 2**64}, {"filter": "a b"}, {"filter": "a..b"}, {"seq": 1, "keep": 1}, {"x": 1})]
    + [info("S")],
}
