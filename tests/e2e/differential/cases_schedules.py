"""Message schedules: what is refused, what is stored, what is produced and what is left."""

from cases import api, head, info, pub, stream, update, wait


def schedules(**config):
    return stream(subjects=["s.>"], allow_msg_schedules=True, **config)


def schedule(pattern, *lines, subject="s.1", target="s.target", body="x"):
    lines = [f"Nats-Schedule: {pattern}", *lines]
    if target is not None:
        lines.append(f"Nats-Schedule-Target: {target}")
    return pub(subject, body, head(*lines))


def last(subject):
    return api("STREAM.MSG.GET.S", {"last_by_subj": subject})


FAR = "@at 2200-01-01T00:00:00Z"
LONG_AGO = "@at 2000-01-01T00:00:00Z"

BAD_PATTERNS = [
    "x",
    "@at",
    "@at x",
    "@at 2200-01-01",
    "@every",
    "@every x",
    "@every 999ms",
    "@every -1s",
    "@hour",
    "* * * * *",
    "* * * * * * *",
    "60 * * * * *",
    "* 60 * * * *",
    "* * 24 * * *",
    "* * * 0 * *",
    "* * * 32 * *",
    "* * * * 0 *",
    "* * * * 13 *",
    "* * * * * 7",
    "* * * * foo *",
    "5-1 * * * * *",
    "*/0 * * * * *",
    "1-2-3 * * * * *",
    "1/2/3 * * * * *",
    "-1 * * * * *",
    "0 0 0 30 2 *",
    "0 0 0 31 2,4,6,9,11 *",
]

GOOD_PATTERNS = [
    FAR,
    "@at 2200-01-01T00:00:00.5+02:00",
    "@every 1h",
    "@every 1h30m1.5s",
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
    "0 0 0 1 1 *",
    "0 0 0 29 2 *",
    "0 0 12 * jan mon",
    "0 0 12 1,15 1-6 ?",
    "0 0/30 8-10 1-31/7 JAN,Dec sun-sat/2",
    "0 0 3 , * *,",
]

ZONES = ["", "X/Y", "UTC", "Europe/Amsterdam", "America/New_York", "../x", "/etc/x", "Asia/Kolkata"]


SCENARIOS = {
    "schedules are off": [
        stream(subjects=["s.>"]),
        schedule(FAR),
        schedule("x"),
        schedule(FAR, "Nats-Schedule-Time-Zone: X"),
        pub("s.1", headers=head("Nats-Scheduler: s.2")),
        pub("s.1", headers=head("Nats-Scheduler: s.2", "Nats-Schedule-Next: purge")),
        update(subjects=["s.>"], allow_msg_schedules=True),
        schedule(FAR),
        update(subjects=["s.>"], allow_msg_schedules=False),
    ],
    "patterns of schedules": [
        schedules(),
        *[schedule(pattern) for pattern in BAD_PATTERNS],
        *[schedule(pattern, subject=f"s.{i}") for i, pattern in enumerate(GOOD_PATTERNS)],
        *[schedule("0 0 3 1 1 *", f"Nats-Schedule-Time-Zone: {zone}") for zone in ZONES],
        schedule(FAR, "Nats-Schedule-Time-Zone: UTC"),
        schedule("@every 1h", "Nats-Schedule-Time-Zone: UTC"),
        pub("s.1", headers=head("Nats-Schedule-Time-Zone: X")),
        info(),
    ],
    "schedules that are refused": [
        schedules(),
        schedule(FAR, target=None),
        schedule(FAR, target="s.1"),
        schedule(FAR, target="s.*"),
        schedule(FAR, target="t.1"),
        schedule(FAR, target="s..x"),
        schedule(FAR, "Nats-Schedule-Source: s.1"),
        schedule(FAR, "Nats-Schedule-Source: s.target"),
        schedule(FAR, "Nats-Schedule-Source: s.>"),
        schedule(FAR, "Nats-Schedule-Source: t.1"),
        schedule(FAR, "Nats-Schedule-Source: s.2"),
        schedule(FAR, "Nats-Schedule-TTL: x"),
        schedule(FAR, "Nats-Schedule-TTL: 5"),
        schedule(FAR, "Nats-Schedule-Rollup: all"),
        schedule(FAR, "Nats-Schedule-Rollup: sub"),
        schedule(FAR, "Nats-Rollup: all"),
        schedule(FAR, "Nats-Rollup: SUB"),
        schedule(FAR, "Nats-Expected-Last-Sequence: 99"),
        pub("s.9", headers=head("Nats-Schedule-Next: purge")),
        pub("s.9", headers=head("Nats-Schedule-Next: x", "Nats-Scheduler: s.1")),
        pub("s.9", headers=head("Nats-Scheduler: s.1")),
        pub("s.9", headers=head("Nats-Schedule-Next: purge", "Nats-Scheduler: s.9")),
        pub("s.9", headers=head("Nats-Schedule-Next: purge", "Nats-Scheduler: s.*")),
        pub("s.8"),
        pub("s.9", headers=head("Nats-Schedule-Next: purge", "Nats-Scheduler: s.8")),
        pub("s.9", headers=head("Nats-Schedule-Next: purge", "Nats-Scheduler: s.7")),
        info(),
        pub("s.9", headers=head("Nats-Schedule-Next: purge", "Nats-Scheduler: s.1")),
        info(),
        last("s.9"),
    ],
    "schedules with times to live": [
        schedules(allow_msg_ttl=True),
        schedule(FAR, "Nats-Schedule-TTL: x"),
        schedule(FAR, "Nats-Schedule-TTL: 0"),
        schedule(FAR, "Nats-Schedule-TTL: never"),
        schedule(FAR, "Nats-Schedule-TTL: 5m"),
        last("s.1"),
        schedule(LONG_AGO, "Nats-Schedule-TTL: 5m", "Nats-TTL: 1h", "Nats-Msg-Id: i"),
        wait(1.5),
        info(),
        last("s.target"),
    ],
    "schedules fire once": [
        schedules(),
        schedule(LONG_AGO, "X: 1", "Nats-Expected-Stream: S", "Nats-Msg-Id: i", body="hello"),
        wait(1.5),
        info(),
        last("s.1"),
        last("s.target"),
        pub("s.2", "first", head("Y: 2", "Nats-Expected-Stream: S")),
        schedule(LONG_AGO, "Nats-Schedule-Source: s.2", "Nats-Schedule-Rollup: sub", body="own"),
        schedule(LONG_AGO, "Nats-Schedule-Source: s.none", subject="s.3", target="s.t3", body="own"),
        wait(1.5),
        info(),
        last("s.target"),
        last("s.t3"),
    ],
    "schedules that are replaced": [
        schedules(max_msgs_per_subject=3),
        schedule("@every 1s"),
        pub("s.1", "plain"),
        wait(2.2),
        info(),
        last("s.1"),
        schedule("@every 1h"),
        schedule("@every 2h"),
        api("STREAM.PURGE.S", {"filter": "s.1"}),
        info(),
    ],
}
