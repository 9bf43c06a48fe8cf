"""Counters that are summed up from other streams: Nats-Counter-Sources and the increments that are made of it.

Two origins have no common order: each publish is waited for before the next one is made.
"""

from cases import api, info, pub, stream, update
from cases_counters import BIG, incr
from cases_origins import get, settle, wait


def take(name, count, *steps):
    """Each publish, and the message that comes of it: the count-th and those behind it."""
    taken = []
    for step in steps:
        taken += [step, settle(name, count), get(count, name)]
        count += 1
    return taken


def counter(name, **config):
    return stream(name, allow_msg_counter=True, **config)


ONE_SUBJECT = [
    {"name": "A", "subject_transforms": [{"src": "a.>", "dest": "sum.>"}]},
    {"name": "B", "subject_transforms": [{"src": "b.>", "dest": "sum.>"}]},
]

SCENARIOS = {
    "counters from sources": [
        counter("A", subjects=["a.>"]),
        counter("B", subjects=["b.>"]),
        counter("S", subjects=["sum.>"], sources=ONE_SUBJECT),
        wait(0.5),
        *take(
            "S", 1,
            incr("a.x", "5"), incr("b.x", "7"), incr("a.x", "-2"), incr("b.y", "1"), incr("b.x", BIG),
            incr("a.x", "+0"), incr("b.x", "-" + BIG), incr("sum.x", "100"), incr("a.x", "1"), incr("b.x", "1", "X: y"),
        ),
        info("S"),
        counter("T", sources=[{"name": "S"}]),
        settle("T", 10),
        *[get(n, "T") for n in range(1, 11)],
        stream("V", sources=[{"name": "S"}]),
        settle("V", 10),
        *[get(n, "V") for n in (1, 2, 8, 10)],
        stream("M", mirror={"name": "S"}),
        settle("M", 10),
        *[get(n, "M") for n in (1, 2, 8, 10)],
    ],
    "counters from sources that lost some": [
        counter("A", subjects=["a.>"], max_msgs_per_subject=1),
        incr("a.x", "1"),
        incr("a.x", "2"),
        incr("a.x", "3"),
        counter("S", sources=[{"name": "A"}]),
        settle("S", 1),
        get(1, "S"),
        *take("S", 2, incr("a.x", "4")),
        api("STREAM.PURGE.A", {"filter": "a.x"}),
        *take("S", 3, incr("a.x", "4"), incr("a.x", "1")),
        api("STREAM.PURGE.S"),
        *take("S", 1, incr("a.x", "1")),
        get(6, "S"),
    ],
    "counters from what is no counter": [
        counter("A", subjects=["a.>"]),
        stream("P", subjects=["p.>"], sources=[{"name": "A"}]),
        counter("S", sources=[{"name": "P"}]),
        wait(0.5),
        pub("p.x", "text"),
        wait(1.5),
        get(1, "S"),
        incr("a.x", "5"),
        wait(1.5),
        get(1, "S"),
        api("STREAM.PURGE.P", {"keep": 1}),
        wait(12.5),  # we ask again after 10 s
        get(1, "S"),
    ],
    "counters from a counter into a plain stream": [
        counter("A", subjects=["a.>"]),
        stream("P", sources=[{"name": "A"}]),
        counter("S", sources=[{"name": "P"}]),
        wait(0.5),
        *take("S", 1, incr("a.x", "5"), incr("a.x", "6")),
        get(1, "P"),
        get(2, "P"),
    ],
    "counters of one origin by two ways": [
        counter("A", subjects=["a.>"]),
        counter("S", sources=[
            {"name": "A", "filter_subject": "a.x"},
            {"name": "A", "subject_transforms": [{"src": "a.y", "dest": "a.x"}]},
        ]),
        wait(0.5),
        *take("S", 1, incr("a.x", "5"), incr("a.y", "7"), incr("a.x", "1"), incr("a.y", "1")),
        update("S", allow_msg_counter=True, sources=[{"name": "A", "filter_subject": "a.x"}]),
        wait(0.5),
        *take("S", 5, incr("a.x", "1")),
        info("S"),
    ],
}
