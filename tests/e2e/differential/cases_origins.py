"""Subject transforms of streams and republishing; mirrors and sources."""

from cases import api, head, info, listen, events, pub, stream, update

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


MIRRORS = [
    {"mirror": {"name": "O"}},
    {"mirror": {"name": "X"}},
    {"mirror": {}},
    {"mirror": {"name": "a.b"}},
    {"mirror": {"name": "a b"}},
    {"mirror": {"name": "n" * 256}},
    {"mirror": {"name": "O"}, "first_seq": 5},
    {"mirror": {"name": "O"}, "subjects": ["a"]},
    {"mirror": {"name": "O"}, "sources": [{"name": "X"}]},
    {"mirror": {"name": "O", "filter_subject": "o.a"}},
    {"mirror": {"name": "O", "filter_subject": "o a"}},
    {"mirror": {"name": "O", "filter_subject": "o.a", "subject_transforms": [{"src": "o.*", "dest": "x.$1"}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.$1"}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.$2"}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o..a", "dest": "x"}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o.*", "dest": ""}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "", "dest": "x.>"}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o.a", "dest": "x"}, {"src": "o.b", "dest": "y"}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o.a", "dest": "x"}, {"src": "o.*", "dest": "y.$1"}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o.a.*", "dest": "x.$1"}, {"src": "o.*.b", "dest": "y.$1"}]}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o.a", "dest": "x"}, {"src": "o.b", "dest": "y.$4"}]}},
    {"mirror": {"name": "O", "opt_start_seq": 3, "opt_start_time": "2026-01-01T00:00:00Z"}},
    {"mirror": {"name": "O", "opt_start_seq": 3}},
    {"mirror": {"name": "O"}, "max_msg_size": 10},
    {"mirror": {"name": "O"}, "max_msg_size": 1000},
    {"mirror": {"name": "O"}, "duplicate_window": 1_000_000_000},
    {"mirror": {"name": "O"}, "mirror_direct": True},
    {"mirror": {"name": "O"}, "subject_delete_marker_ttl": 1_000_000_000, "allow_msg_ttl": True, "allow_rollup_hdrs": True},
    {"mirror": {"name": "M"}},
    {"mirror": {"name": "O", "external": {"api": "$JS.API", "deliver": "d"}}},
    {"mirror": {"name": "O", "external": {"api": "$JS.hub.API", "deliver": "d.*"}}},
    {"mirror": {"name": "O", "external": {"api": "$JS.*.API", "deliver": ""}}},
    {"mirror": {"name": "O", "external": {"api": "$JS.>", "deliver": ""}}},
    {"mirror": {"name": "O", "external": {"api": "a b", "deliver": ""}}},
    {"mirror": {"name": "", "external": {"api": "$JS.hub.API", "deliver": ""}}},
    {"mirror": {"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.$1"}]}, "republish": {"src": "x.*", "dest": "y.$1"}},
    {"mirror": {"name": "O"}, "subject_transform": {"src": "o.*", "dest": "x.$1"}},
    {"mirror": {"name": "O"}, "republish": {"src": "o.*", "dest": "o.$1"}},
    {"mirror": {"name": "O"}, "discard": "new", "max_msgs": 1},
    {"mirror": {"name": "O"}, "allow_direct": True},
]
SOURCES = [
    [{"name": "O"}],
    [{"name": "X"}],
    [{}],
    [None],
    [{"name": "a.b"}],
    [{"name": "O"}, {"name": "O"}],
    [{"name": "O"}, {"name": "O", "filter_subject": "o.a"}],
    [{"name": "O", "filter_subject": "o.a"}, {"name": "O", "filter_subject": "o.a"}],
    [{"name": "O", "opt_start_seq": 1}, {"name": "O", "opt_start_seq": 2}],
    [{"name": "O", "filter_subject": "o.a", "subject_transforms": [{"src": "o.*", "dest": "x.$1"}]}],
    [{"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.$1"}]}],
    [{"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.$1"}]}] * 2,
    [{"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.$2"}]}],
    [{"name": "O", "subject_transforms": [{"src": "o..a", "dest": "x"}]}],
    [{"name": "O", "subject_transforms": [{"src": "o.a", "dest": "x"}, {"src": "o.*", "dest": "y.$1"}]}],
    [{"name": "O", "subject_transforms": [{"src": "o.*", "dest": "y.$1"}, {"src": "o.a", "dest": "x"}]}],
    [{"name": "O", "subject_transforms": [{"src": "o.a.*", "dest": "x.$1"}, {"src": "o.*.b", "dest": "y.$1"}]}],
    [{"name": "O", "subject_transforms": [{"src": "o.a", "dest": "x"}, {"src": "o.a", "dest": "y"}]}],
    [{"name": "S"}],
    [{"name": "S", "filter_subject": "q"}],
    [{"name": "O", "external": {"api": "$JS.API", "deliver": "d"}}],
    [{"name": "O", "external": {"api": "$JS.hub.API", "deliver": "d.*"}}],
    [{"name": "O"}, {"name": "O", "external": {"api": "$JS.hub.API", "deliver": "o"}}],
    [{"name": "O", "external": {"api": "$JS.*.API", "deliver": ""}}],
    [{"name": "O", "external": {"api": "$JS.hub.API", "deliver": ""}}],
    [{"name": "O", "filter_subject": "o a"}],
]


def settle(name, messages):
    return (None, "settle", name, str(messages).encode(), b"")


def wait(seconds):
    return (None, "wait", "", str(seconds).encode(), b"")


def sent(count, subject="o.a", first=1, **extra):
    return [pub(subject, str(n).encode()) for n in range(first, first + count)]


def all_of(name, *sequences):
    return [get(n, name) for n in sequences]


# Consumers that were made beforehand.
MADE = {"name": "C", "deliver_subject": "del.x"}
CONSUMERS = [
    {"consumer": {}}, {"consumer": {"name": "C"}}, {"consumer": {"deliver_subject": "a"}}, {"consumer": {"name": "a.b", "deliver_subject": "a"}},
    {"consumer": {"name": "C", "deliver_subject": "a.*"}}, {"consumer": {"name": "C", "deliver_subject": "a b"}},
    {"consumer": {"name": "C/", "deliver_subject": "a"}}, {"consumer": MADE, "opt_start_seq": 1}, {"consumer": MADE, "filter_subject": "o.a"},
    {"consumer": MADE, "opt_start_time": "2020-01-01T00:00:00Z"}, {"consumer": MADE},
    {"consumer": MADE, "subject_transforms": [{"src": "o.a", "dest": "b"}]}, {"consumer": MADE, "external": {"api": "x.API", "deliver": "zz"}},
    {"consumer": {}, "filter_subject": "o.a", "subject_transforms": [{"src": "o.a", "dest": "b"}]},
]


def kept(retention):
    """Streams that take from one whose messages live until they are acknowledged."""
    config = {"durable_name": "C", "name": "C", "deliver_subject": "del.c", "ack_policy": "flow_control", "flow_control": True}
    config |= {"idle_heartbeat": 10**9, "max_ack_pending": 100, "filter_subject": "o.made"}
    return [
        stream("O", subjects=["o.>"], retention=retention),
        api("CONSUMER.CREATE.O.C.o.made", {"stream_name": "O", "config": config}),
        stream("D", sources=[{"name": "O", "filter_subject": "o.a"}]),
        stream("E", sources=[{"name": "O", "consumer": {"name": "C", "deliver_subject": "del.c"}}]),
        (None, "wait", "", b"0.6", b""),
        pub("o.a", "1"), pub("o.a", "2"), pub("o.made", "3"),
        settle("D", 2), settle("E", 1), settle("O", 0),
        api("STREAM.MSG.GET.D", {"seq": 2}), api("STREAM.MSG.GET.E", {"seq": 1}),
    ]


SCENARIOS = {
    "origins that let go: work queue": kept("workqueue"),
    "origins that let go: interest": kept("interest"),
    "origins: consumers made beforehand": [stream("O", subjects=["o.>"])]
    + flat([stream("M", mirror={"name": "O", **c}), api("STREAM.DELETE.M")] for c in CONSUMERS)
    + flat([stream("S", sources=[{"name": "O", **c}]), api("STREAM.DELETE.S")] for c in CONSUMERS)
    + [
        stream("S", sources=[{"name": "O", "consumer": MADE}, {"name": "O", "consumer": MADE}]),
        stream("S", sources=[{"name": "O", "consumer": MADE}, {"name": "O", "consumer": MADE, "subject_transforms": [{"src": "o.a", "dest": "b"}]}]),
        stream("S", sources=[{"name": "O", "consumer": MADE}, {"name": "O"}]),
    ],
    "mirrors: config": [stream("O", subjects=["o.>"], max_msg_size=100)]
    + flat([stream("M", **config), api("STREAM.DELETE.M")] for config in MIRRORS)
    + flat([stream("M", pedantic=True, **config), api("STREAM.DELETE.M")] for config in MIRRORS),
    "mirrors: direct gets as the origin's": [
        stream("O", subjects=["o.>"], allow_direct=True),
        stream("M", mirror={"name": "O"}),
        api("STREAM.INFO.M"),
        stream("M", mirror={"name": "O"}),
        stream("M", mirror={"name": "O"}, mirror_direct=True),
        stream("N", mirror={"name": "O"}, pedantic=True),
        stream("N", mirror={"name": "O"}, pedantic=True, mirror_direct=True),
        update("O", subjects=["o.>"]),
        update("M", mirror={"name": "O"}, description="x"),
    ],
    "mirrors: updates": [
        stream("O", subjects=["o.>"]),
        stream("M", mirror={"name": "O"}),
        update("M", mirror={"name": "O", "filter_subject": "o.a"}),
        update("M", mirror={"name": "P"}),
        update("M", mirror={"name": "O"}, description="x"),
        update("M", mirror={"name": "O"}, subjects=["x"]),
        update("M", subjects=["x"]),
        update("M", mirror={"name": "O"}),
        stream("N", mirror={"name": "O"}),
        update("N"),
        info("N"),
        update("O", mirror={"name": "P"}),
    ],
    "sources: config": [stream("O", subjects=["o.>"], max_msg_size=100)]
    + flat([stream("S", sources=sources), api("STREAM.DELETE.S")] for sources in SOURCES)
    + flat([stream("S", sources=sources, subjects=["s"]), api("STREAM.DELETE.S")] for sources in SOURCES)
    + [
        stream("S", sources=[{"name": "O"}], max_msg_size=10),
        stream("S", sources=[{"name": "O"}], allow_msg_schedules=True),
        stream("S", sources=[{"name": "O"}], duplicate_window=1_000_000_000),
        update("S", sources=[{"name": "O", "filter_subject": "o.a"}]),
        update("S", sources=[{"name": "O"}, {"name": "O"}]),
        update("S", sources=[], subjects=["x"]),
        update("S", sources=[{"name": "O"}], subjects=["x"], max_msg_size=10),
    ],
    "sources: cycles": [
        stream("A", subjects=["a"]),
        stream("B", subjects=["b"], sources=[{"name": "A"}]),
        update("A", subjects=["a"], sources=[{"name": "B"}]),
        update("A", subjects=["a"], sources=[{"name": "B", "filter_subject": "b"}]),
        update("A", subjects=["a"], sources=[{"name": "B", "filter_subject": "a"}]),
        stream("C", mirror={"name": "B"}),
        update("A", subjects=["a"], sources=[{"name": "C"}]),
        stream("D", mirror={"name": "E"}),
        stream("E", mirror={"name": "D"}),
    ],
    "mirrors": [
        stream("O", subjects=["o.>"], allow_rollup_hdrs=True),
        *sent(3),
        pub("o.b", b"4", head("A: b", "Nats-Msg-Id: 1", "Nats-Expected-Stream: O")),
        pub("o.b", b"5", head("Nats-Expected-Stream: O")),
        api("STREAM.MSG.DELETE.O", {"seq": 2}),
        stream("M", mirror={"name": "O"}),
        settle("M", 4),
        *all_of("M", 1, 2, 3, 4, 5, 6),
        info("M"),
        pub("o.c", b"6"),
        pub("o.c", b"7", head("Nats-Rollup: sub")),
        settle("M", 6),
        *all_of("M", 6, 7),
        api("STREAM.INFO.M", {"subjects_filter": ">", "deleted_details": True}),
        api("STREAM.PURGE.O"),
        pub("o.d", b"8"),
        settle("M", 7),
        info("M"),
        get(8, "M"),
        update("M", subjects=["m"]),
        pub("m", b"own"),
        pub("o.d", b"9"),
        wait(0.3),
        info("M"),
        get(9, "M"),
    ],
    "mirrors that roll up, transform, republish and filter": [
        stream("O", subjects=["o.>"], allow_rollup_hdrs=True),
        *sent(3),
        pub("o.a", b"4", head("Nats-Rollup: sub")),
        *sent(2, "o.b.c", 5),
        stream("M", mirror={"name": "O"}, allow_rollup_hdrs=True),
        settle("M", 3),
        info("M"),
        pub("o.b.c", b"7", head("Nats-Rollup: sub")),
        settle("M", 2),
        info("M"),
        stream("F", mirror={"name": "O", "filter_subject": "o.b.>"}),
        settle("F", 1),
        info("F"),
        *all_of("F", 5, 6, 7),
        listen("r.>"),
        stream("T", mirror={"name": "O", "subject_transforms": [{"src": "o.a", "dest": "t.a"}, {"src": "o.b.*", "dest": "t.$1"}]},
               subject_transform={"src": "t.*", "dest": "u.$1"}, republish={"src": "u.*", "dest": "r.$1"}),
        settle("T", 2),
        info("T"),
        *all_of("T", 4, 7),
        events(),
    ],
    "mirrors that start later": [
        stream("O", subjects=["o.>"]),
        *sent(5),
        stream("M", mirror={"name": "O", "opt_start_seq": 4}),
        settle("M", 2),
        info("M"),
        stream("N", mirror={"name": "O", "opt_start_time": "2200-01-01T00:00:00Z"}),
        wait(0.5),
        info("N"),
        pub("o.a", b"6"),
        settle("N", 1),
        info("N"),
        api("STREAM.PURGE.O"),
        stream("P", mirror={"name": "O"}),
        wait(0.5),
        info("P"),
        pub("o.a", b"7"),
        settle("P", 1),
        stream("L", mirror={"name": "O"}, max_msgs=2),
        wait(0.5),
        info("L"),
    ],
    "sources": [
        stream("O", subjects=["o.>"]),
        stream("P", subjects=["p.>"]),
        *sent(2),
        pub("o.b", b"3", head("A: b", "Nats-Expected-Last-Sequence: 2")),
        pub("o.b", b"4", head("Nats-Stream-Source: X 1 > > x", "C: d")),
        stream("S", sources=[{"name": "O"}]),
        settle("S", 4),
        *all_of("S", 1, 2, 3, 4),
        info("S"),
        update("S", sources=[{"name": "O"}, {"name": "P", "filter_subject": "p.*"}], subjects=["s"]),
        pub("s", b"own"),
        pub("p.a", b"p"),
        settle("S", 6),
        pub("p.a.b", b"p"),
        pub("o.c", b"5"),
        settle("S", 7),
        *all_of("S", 5, 6, 7),
        info("S"),
        stream("T", sources=[{"name": "S", "subject_transforms": [{"src": "o.*", "dest": "t.$1"}, {"src": "s", "dest": ""}]}]),
        settle("T", 6),
        get(1, "T"),
        info("T"),
    ],
    "sources of one origin": [
        stream("O", subjects=["o.>"]),
        *sent(2),
        pub("o.b", b"3"),
        stream("S", sources=[{"name": "O", "filter_subject": "o.a"}]),
        settle("S", 2),
        update("S", sources=[{"name": "O", "filter_subject": "o.a"}, {"name": "O", "filter_subject": "o.b", "opt_start_seq": 2}]),
        settle("S", 3),
        *all_of("S", 1, 2, 3),
        update("S", sources=[{"name": "O", "filter_subject": "o.b", "opt_start_seq": 2}]),
        pub("o.a", b"4"),
        pub("o.b", b"5"),
        settle("S", 4),
        update("S", sources=[{"name": "O", "filter_subject": "o.a"}, {"name": "O", "filter_subject": "o.b"}]),
        settle("S", 5),
        *all_of("S", 4, 5),
    ],
    "sources with duplicates": [
        stream("O", subjects=["o.>"]),
        stream("P", subjects=["p.>"]),
        pub("o.a", b"1", head("Nats-Msg-Id: 1")),
        pub("p.a", b"2", head("Nats-Msg-Id: 1")),
        pub("p.a", b"3", head("Nats-Msg-Id: 2")),
        stream("S", sources=[{"name": "O"}], duplicate_window=100_000_000_000),
        settle("S", 1),
        update("S", sources=[{"name": "O"}, {"name": "P"}], duplicate_window=100_000_000_000),
        settle("S", 2),
        *all_of("S", 1, 2),
        info("S"),
    ],
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
        settle("T", 2),
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
