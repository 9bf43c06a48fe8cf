"""Subject transforms of streams and republishing; mirrors and sources."""

from cases import api, head, info, listen, events, pub, raw, stream, update

TRANSFORMS = [
    ("in.*", "bar.$1"), ("in.*", "bar.$2"), ("in.*", "bar.*"), ("in.>", "bar"), ("in.*", ""), ("", "bar"), ("", "bar.>"),
    ("", ""), ("in..a", "b"), ("i n", "b"), ("in.*", "b..c"), ("in.*", "b c"), ("in.*", "b.{{x}}"), ("in.*", "b.{{left(1,2)}}"),
    ("in.*", "b.{{split(1)}}"), ("in.*", "b.{{partition(5,3)}}"), ("in.*", "b.{{wildcard(1,2)}}"), ("in.*", "b.{{wildcard(x)}}"),
    ("in.*", "in.$1"), (">", ">"), ("in.*", "$JS.API.$1"), ("in.*", "b.$1.>"), ("in.*.>", "b.>.x"),
]
REPUBLISH = [
    {"dest": "r.>"}, {"src": "", "dest": "r.>"}, {"src": "in.*", "dest": "r.$1"}, {"src": "in.*", "dest": "in.$1"},
    {"src": "in.*", "dest": "r.*"}, {"src": "in.*", "dest": "r.>"}, {"src": "in.*", "dest": ""}, {"src": "in.*", "dest": "r.{{left(1,2)}}"},
    {"src": "in.*", "dest": "r.{{left(1)}}"}, {"src": "in.*", "dest": "r a"}, {"src": "in.*", "dest": "r..a"}, {"src": "in..a", "dest": "r"},
    {"src": "i n", "dest": "r"}, {"src": ">", "dest": ">"}, {"src": ">", "dest": "in.>"}, {"src": "in.a", "dest": "r", "headers_only": True},
    {"src": "in.a", "dest": "r", "headers_only": False}, {"src": "other.*", "dest": "r.$1"}, {"src": "in.*", "dest": "$JS.x"}, {"dest": ">"}, {},
    {"src": "in.*", "dest": "{{partition(3,1)}}.x"}, {"src": "in.*", "dest": "{{x}}.y"},
]
BOTH = [
    {"subject_transform": {"src": "in.*", "dest": "out.$1"}, "republish": {"src": ">", "dest": ">"}},
    {"subject_transform": {"src": "in.*", "dest": "out.$1"}, "republish": {"dest": ">"}},
    {"subject_transform": {"src": "in.a", "dest": "out.a"}, "republish": {"src": ">", "dest": ">"}},
    {"subject_transform": {"src": "in.*", "dest": "out.$1"}, "republish": {"src": "out.*", "dest": "in.$1"}},
    {"subject_transform": {"src": "in.*", "dest": "out.$1"}, "republish": {"src": "out.*", "dest": "r.$1"}},
    {"subject_transform": {"src": "in.*", "dest": "out.$9"}, "republish": {"src": "out.*", "dest": "in.$1"}},
    {"subject_transform": {"src": "in.*", "dest": "out.$9"}, "subjects": ["a b"]},
    {"subject_transform": {"src": "in.*", "dest": "out.$9"}, "placement": {"preferred": "x"}},
    {"republish": {"src": "in.*", "dest": "in.$1"}, "placement": {"preferred": "x"}},
]


def made(**config):
    """A stream that is made, if it can be, and deleted."""
    return [stream(**{"subjects": ["in.*"], **config}), api("STREAM.DELETE.S")]


def pedantic(**config):
    return [stream(**{"subjects": ["in.*"], "pedantic": True, **config}), api("STREAM.DELETE.S")]


def flat(lists):
    return [step for steps in lists for step in steps]


def get(sequence, name="S"):
    return api(f"STREAM.MSG.GET.{name}", {"seq": sequence})


def quiet(subject, body=b"x", headers=b""):
    """A publish whose acknowledgment is not the point."""
    return pub(subject, body, headers)


SCENARIOS = {
    "transforms of streams: config": flat(
        made(subject_transform={"src": source, "dest": destination}) for source, destination in TRANSFORMS
    ),
    "republish: config": flat(made(republish=config) for config in REPUBLISH)
    + flat(pedantic(republish=config) for config in REPUBLISH),
    "transforms and republish: config": flat(made(**config) for config in BOTH)
    + flat(pedantic(**config) for config in BOTH)
    + [
        stream(subjects=["in.*", "more.*"], subject_transform={"src": "in.*", "dest": "out.$1"}, republish={"src": ">", "dest": ">"}),
    ],
    "transforms of streams": [
        stream(subjects=["in.>", "other"], subject_transform={"src": "in.*.*", "dest": "out.$2.{{partition(7,1)}}.$1"},
               max_msgs_per_subject=2, allow_rollup_hdrs=True, duplicate_window=60_000_000_000),
        pub("in.a.b"),
        pub("in.a.b", b"2"),
        pub("in.a.b", b"3"),
        pub("in.a"),
        pub("other"),
        pub("in.a.c", headers=head("Nats-Expected-Last-Subject-Sequence: 0")),
        pub("in.a.c", headers=head("Nats-Expected-Last-Subject-Sequence: 0")),
        pub("in.x.c", headers=head("Nats-Rollup: sub")),
        pub("in.x.c", headers=head("Nats-Msg-Id: 1")),
        pub("in.y.c", headers=head("Nats-Msg-Id: 1")),
        *[get(n) for n in range(1, 10)],
        api("STREAM.INFO.S", {"subjects_filter": ">"}),
        update(subjects=["in.>", "other"], subject_transform={"src": "in.>", "dest": "new.>"}, max_msgs_per_subject=2,
               allow_rollup_hdrs=True),
        pub("in.a.b"),
        update(subjects=["in.>", "other"], max_msgs_per_subject=2, allow_rollup_hdrs=True),
        pub("in.a.b"),
        get(9),
        get(10),
        info(),
    ],
    "transforms that leave nothing": [
        stream(subjects=["in.*"], subject_transform={"src": "in.*", "dest": "b.{{split(1,-)}}.c"}),
        pub("in.-"),
        pub("in.--a"),
        pub("in.a-b"),
        get(1),
        get(2),
        get(3),
        info(),
    ],
    "republish": [
        stream(subjects=["in.*"], republish={"src": "in.*", "dest": "r.$1"}, duplicate_window=60_000_000_000),
        listen("r.>"),
        pub("in.a"),
        pub("in.a", b"22", head("Nats-Msg-Id: 1", "X: y")),
        pub("in.a", b"22", head("Nats-Msg-Id: 1", "X: y")),
        pub("in.b", b""),
        events(),
        update(subjects=["in.*"], republish={"src": "in.*", "dest": "r.$1", "headers_only": True}),
        pub("in.a", b"333"),
        pub("in.a", b"4444", head("X: y")),
        pub("in.b", b""),
        events(),
        update(subjects=["in.*"], republish={"src": "in.a", "dest": "r.fixed"}),
        pub("in.a"),
        pub("in.b"),
        events(),
        update(subjects=["in.*"]),
        pub("in.a"),
        events(),
    ],
    "republish of what was transformed": [
        stream(subjects=["in.*"], subject_transform={"src": "in.*", "dest": "out.$1"}, republish={"src": "out.*", "dest": "r.$1"}),
        listen("*.a"),
        pub("in.a"),
        pub("in.a"),
        events(),
        update(subjects=["in.*"], subject_transform={"src": "in.*", "dest": "out.$1"}, republish={"src": ">", "dest": ">"}),
        pub("in.a"),
        events(),
        info(),
    ],
    "republish into another stream": [
        stream("T", subjects=["r.*"]),
        stream(subjects=["in.*"], republish={"src": "in.*", "dest": "r.$1"}),
        pub("in.a", b"1"),
        pub("in.b", b"2"),
        events(),
        get(1, "T"),
        get(2, "T"),
        info("T"),
    ],
    "republish of what a limit or an expectation refuses": [
        stream(subjects=["in.*"], republish={"src": "in.*", "dest": "r.$1"}, max_msgs=1, discard="new"),
        listen("r.>"),
        pub("in.a"),
        pub("in.a"),
        pub("in.a", headers=head("Nats-Expected-Last-Sequence: 9")),
        events(),
    ],
}
