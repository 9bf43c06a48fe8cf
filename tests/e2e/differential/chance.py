#!/usr/bin/env python3
"""Scripts made by chance, asked of both servers as run.py's are; the smallest that differs is printed.

    chance.py [--nats-server PATH] [--seed N] [--seconds S] [--steps K]
"""

import argparse
import io
import os
import random
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout

import run
from cases import SECOND, api, consumer, head, info, many, pub, raw, stream, update
from flow import end, pull, reply_to, sub, take

SUBJECTS = ["a", "b", "a.b", "a.c", "b.c", "a.b.c", "d"]
FILTERS = [*SUBJECTS, "a.*", "*", ">", "*.c", "a.>", "x"]
SEQUENCES = [0, 1, 2, 3, 4, 5, 6, 8, 12, 20]
HOURS = 3600 * SECOND


def some(chance, **fields):
    """Each field with its own likelihood: name=(likelihood, values)."""
    return {name: chance.choice(values) for name, (likely, values) in fields.items() if chance.random() < likely}


def stream_config(chance):
    return {
        "subjects": chance.choice([[">"], ["a", "b", "a.*", "b.*", "a.*.*"], ["a.>", "a", "d"], ["a", "b", "d", "a.b"], ["*", "*.*"]]),
        **some(
            chance,
            retention=(0.4, ["limits", "interest", "workqueue"]),
            storage=(0.5, ["file", "memory"]),
            max_msgs=(0.25, [-1, 0, 1, 3, 5]),
            max_bytes=(0.15, [-1, 0, 40, 120, 300]),
            max_msgs_per_subject=(0.3, [-1, 0, 1, 2]),
            max_msg_size=(0.1, [-1, 0, 3, 30]),
            max_age=(0.1, [0, HOURS]),
            max_consumers=(0.08, [-1, 0, 1, 2]),
            discard=(0.35, ["old", "new"]),
            discard_new_per_subject=(0.2, [True]),
            duplicate_window=(0.15, [0, SECOND // 10, HOURS, 60 * SECOND]),
            allow_rollup_hdrs=(0.4, [True]),
            deny_delete=(0.08, [True]),
            deny_purge=(0.08, [True]),
            allow_direct=(0.6, [True]),
            mirror_direct=(0.05, [True]),
            allow_msg_ttl=(0.4, [True]),
            subject_delete_marker_ttl=(0.15, [SECOND, HOURS, 1]),
            allow_atomic=(0.3, [True]),
            allow_msg_counter=(0.12, [True]),
            allow_msg_schedules=(0.12, [True]),
            first_seq=(0.1, [0, 1, 5, 100]),
            no_ack=(0.03, [True]),
            sealed=(0.02, [True]),
            compression=(0.1, ["none", "s2"]),
            persist_mode=(0.05, ["async", "default", ""]),
            description=(0.05, ["d", ""]),
            metadata=(0.05, [{"k": "v"}, {"_nats.x": "y"}, {}]),
            subject_transform=(0.1, [{"src": "a.*", "dest": "t.{{wildcard(1)}}"}, {"src": ">", "dest": "t.>"}, {"src": "", "dest": "t"}]),
            republish=(0.1, [{"src": "a.*", "dest": "r.{{wildcard(1)}}"}, {"src": ">", "dest": "r.>", "headers_only": True}]),
            consumer_limits=(0.05, [{"max_ack_pending": 3}, {"inactive_threshold": 60 * SECOND}]),
            num_replicas=(0.03, [0, 1, 3]),
        ),
    }  # fmt: skip


def publish_headers(chance):
    lines = []
    for likely, choices in (
        (0.2, [f"Nats-Msg-Id: {i}" for i in "123"]),
        (0.12, [f"Nats-Expected-Last-Sequence: {n}" for n in (0, 1, 2, 3, 5, "x", -1)]),
        (0.15, [f"Nats-Expected-Last-Subject-Sequence: {n}" for n in (0, 1, 2, 3, 5, "x")]),
        (0.07, [f"Nats-Expected-Last-Subject-Sequence-Subject: {s}" for s in FILTERS]),
        (0.06, [f"Nats-Expected-Last-Msg-Id: {n}" for n in "123"]),
        (0.05, ["Nats-Expected-Stream: S", "Nats-Expected-Stream: T"]),
        (0.15, ["Nats-Rollup: sub", "Nats-Rollup: all", "Nats-Rollup: x"]),
        (0.12, [f"Nats-TTL: {t}" for t in ("1h", "never", "100", "0", "x", "-1", "500ms", "1s")]),
        (0.1, [f"Nats-Incr: {n}" for n in ("+1", "-3", "5", "x", "+99999999999999999999999")]),
        (0.05, ["X: y", "Nats-Marker-Reason: Purge", "KV-Operation: DEL"]),
        (0.04, ["Nats-Schedule: @at 2099-01-01T00:00:00Z", "Nats-Schedule: @every 1h", "Nats-Schedule: x"]),
        (0.04, ["Nats-Schedule-Target: d", "Nats-Schedule-Target: a.b", "Nats-Schedule-Target: *"]),
        (0.03, ["Nats-Required-Api-Level: 1", "Nats-Required-Api-Level: 99"]),
    ):
        if chance.random() < likely:
            lines.append(chance.choice(choices))
    chance.shuffle(lines)
    return head(*lines) if lines else b""


def publish(chance):
    return [pub(chance.choice(SUBJECTS), chance.choice(["x", "", "xxxx", "x" * 40]), publish_headers(chance))]


def batch(chance):
    """An atomic one of a few messages; some with a gap or never committed."""
    name = chance.choice("PQ")
    size = chance.randint(1, 4)
    steps = []
    for i in range(1, size + 1):
        number = i + (chance.random() < 0.05)
        lines = [f"Nats-Batch-Id: {name}", f"Nats-Batch-Sequence: {number}"]
        if i == size and chance.random() < 0.9:
            lines.append("Nats-Batch-Commit: " + chance.choice(["1", "1", "eob", "x"]))
        more = publish_headers(chance)[len(b"NATS/1.0\r\n"):-2].decode() if chance.random() < 0.4 else ""
        lines += [line for line in more.split("\r\n") if line]
        steps.append(raw(chance.choice(SUBJECTS), "x", head(*lines)))
    return steps


def change(chance):
    config = stream_config(chance)
    if config.get("retention") == "interest":
        del config["retention"]  # what nobody needs then goes at once here, and there at some time
    if chance.random() < 0.7:
        config = {"subjects": [">"], **{k: v for k, v in config.items() if k != "subjects" and chance.random() < 0.3}}
    return [update(**config)]


def get(chance):
    request = chance.choice(
        [
            {"seq": chance.choice(SEQUENCES)},
            {"last_by_subj": chance.choice(FILTERS)},
            {"seq": chance.choice(SEQUENCES), "next_by_subj": chance.choice(FILTERS)},
            {"next_by_subj": chance.choice(FILTERS)},
            {"seq": 1, "last_by_subj": "a"},
            {},
        ]
    )
    if chance.random() < 0.1:
        request["no_hdr"] = True
    if chance.random() < 0.5:
        return [api("STREAM.MSG.GET.S", request)]
    return [raw("$JS.API.DIRECT.GET.S", run.json.dumps(request))]


def get_many(chance):
    request = some(
        chance,
        multi_last=(0.6, [["a"], ["a", "b"], ["a.*"], [">"], ["a.*", "a.b"], ["x"], []]),
        batch=(0.5, [0, 1, 2, 3, 10]),
        up_to_seq=(0.2, SEQUENCES),
        seq=(0.4, SEQUENCES),
        next_by_subj=(0.3, FILTERS),
        max_bytes=(0.15, [0, 1, 60, 1000]),
    )
    return [many("$JS.API.DIRECT.GET.S", run.json.dumps(request))]


def get_last(chance):
    return [raw("$JS.API.DIRECT.GET.S." + chance.choice(SUBJECTS), b"")]


def delete(chance):
    return [api("STREAM.MSG.DELETE.S", {"seq": chance.choice(SEQUENCES), **some(chance, no_erase=(0.5, [True, False]))})]


def purge(chance):
    return [api("STREAM.PURGE.S", some(chance, filter=(0.6, FILTERS), seq=(0.3, SEQUENCES), keep=(0.3, [0, 1, 2, 3])))]


def look(chance):
    asked = some(
        chance,
        deleted_details=(0.5, [True]),
        subjects_filter=(0.6, FILTERS),
        offset=(0.1, [0, 1, 5]),
    )
    return [chance.choice([api("STREAM.INFO.S", asked), api("STREAM.LIST", some(chance, subject=(0.5, FILTERS))), api("STREAM.NAMES", some(chance, subject=(0.7, FILTERS)))])]  # fmt: skip


def consumer_config(chance, name):
    config = some(
        chance,
        ack_policy=(0.85, ["explicit", "explicit", "none", "all"]),
        deliver_policy=(0.5, ["all", "last", "new", "last_per_subject", "by_start_sequence", "by_start_time"]),
        filter_subject=(0.3, FILTERS),
        filter_subjects=(0.15, [["a", "b"], ["a.*", "d"], ["a", "a.*"], ["a", "a"], [">"], ["a.*", "*.c"]]),
        max_deliver=(0.2, [-1, 0, 1, 2]),
        max_ack_pending=(0.2, [-1, 0, 1, 2]),
        ack_wait=(0.2, [HOURS, 60 * SECOND, 0]),
        max_waiting=(0.1, [0, 1, 2]),
        max_batch=(0.1, [0, 1, 2]),
        max_expires=(0.1, [0, SECOND]),
        max_bytes=(0.05, [0, 100]),
        headers_only=(0.1, [True]),
        mem_storage=(0.1, [True]),
        backoff=(0.05, [[SECOND], [HOURS, HOURS], [SECOND, 2 * SECOND]]),
        replay_policy=(0.1, ["instant", "original"]),
        inactive_threshold=(0.1, [HOURS, 0]),
        sample_freq=(0.05, ["100", "50%", "x"]),
        priority_policy=(0.06, ["none", "overflow", "pinned_client"]),
        priority_groups=(0.06, [["g"], ["g", "h"], []]),
        opt_start_seq=(0.06, SEQUENCES),
        flow_control=(0.03, [True]),
        idle_heartbeat=(0.03, [SECOND]),
        deliver_group=(0.02, ["q"]),
        rate_limit_bps=(0.03, [1000]),
        num_replicas=(0.03, [0, 1, 3]),
        metadata=(0.05, [{"k": "v"}]),
        pause_until=(0.03, ["2099-01-01T00:00:00Z"]),
    )
    if config.get("deliver_policy") == "by_start_sequence" and chance.random() < 0.9:
        config["opt_start_seq"] = chance.choice(SEQUENCES)
    if config.get("deliver_policy") == "by_start_time" and chance.random() < 0.9:
        config["opt_start_time"] = chance.choice(["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
    config["durable_name"] = name
    return config


def make_consumer(chance):
    name = chance.choice("CCD")
    action = some(chance, action=(0.3, ["create", "update", "", "x"]))
    return [consumer(consumer_config(chance, name), name, **action)]


def drop_consumer(chance):
    return [api("CONSUMER.DELETE.S." + chance.choice("CD"))]


def look_at_consumer(chance):
    return [chance.choice([api("CONSUMER.INFO.S." + chance.choice("CCD")), api("CONSUMER.NAMES.S"), api("CONSUMER.LIST.S")])]


def draw(chance):
    asked = {"batch": chance.choice([1, 1, 2, 3, 5]), "no_wait": True, **some(chance, max_bytes=(0.1, [1, 60, 200]), group=(0.05, ["g"]), min_pending=(0.03, [2]))}  # fmt: skip
    return [pull(run.json.dumps(asked), consumer=chance.choice("CCD")), take()]


def settle(chance):
    body = chance.choice(["+ACK", "+ACK", "+ACK", "", "-NAK", "+WPI", "+TERM", "+TERM why", '-NAK {"delay":3600000000000}', "x"])
    return [reply_to(chance.randrange(6), body.encode(), "in"), take()]


def reset(chance):
    return [api("CONSUMER.RESET.S." + chance.choice("CD"), some(chance, seq=(0.7, SEQUENCES)))]


def pause(chance):
    return [api("CONSUMER.PAUSE.S." + chance.choice("CD"), some(chance, pause_until=(0.7, ["2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "x"])))]


ACTIONS = [
    (10, publish), (2, batch), (2, change), (3, get), (2, get_many), (1, get_last), (2, delete), (2, purge), (3, look),
    (4, make_consumer), (0.5, drop_consumer), (3, look_at_consumer), (4, draw), (4, settle), (0.5, reset), (0.3, pause),
]  # fmt: skip


def script(seed, length):
    chance = random.Random(seed)
    weights, actions = zip(*ACTIONS)
    # most configurations by chance are refused: so a plain one follows, which then is
    groups = [[stream(**stream_config(chance))], [stream(subjects=[">"] if chance.random() < 0.02 else ["a", "b", "d", "a.>", "b.*"], allow_direct=True)], [sub("in")]]
    groups += [action(chance) for action in chance.choices(actions, weights, k=length)]
    return [*groups, [info()], [api("CONSUMER.LIST.S")]]


def nothing_deleted(theirs, ours):
    """They say of a stream that never had anything that 0 is deleted."""
    state = theirs.get("state", {}) if isinstance(theirs, dict) else {}
    if state.get("deleted") == [0]:
        del state["deleted"], state["num_deleted"]


EXCUSES = [nothing_deleted]


class Pair:
    def __init__(self, theirs, ours):
        self.both = (theirs, ours)
        self.threads = ThreadPoolExecutor(2)

    def clean(self):
        for asker in self.both:
            asker.send(b"UNSUB 2\r\n")
            end(asker)
            run.empty(asker)

    def differs(self, groups):
        """What differs first, as text, and how many groups were asked by then; (None, 0): nothing."""
        comparison = run.Comparison(False)
        try:
            for i, group in enumerate(groups):
                for step in group:
                    said = io.StringIO()
                    answers = list(self.threads.map(run.ask, self.both, (step, step)))
                    for excuse in EXCUSES:
                        excuse(*answers)
                    with redirect_stdout(said):
                        comparison.step("", step, *answers)
                    if comparison.failed:
                        return said.getvalue(), i + 1
            return None, 0
        finally:
            self.clean()

    def smallest(self, groups, said):
        kind = said.split("\n")[0].split("{")[0]
        at = len(groups) - 2
        while at >= 0:
            fewer = groups[:at] + groups[at + 1:]
            found, count = self.differs(fewer)
            if found and found.split("\n")[0].split("{")[0] == kind:
                groups, said = fewer[:count], found
                at = min(at, len(groups) - 1)
            at -= 1
        return groups, said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nats-server", default=os.environ.get("NATS_SERVER") or shutil.which("nats-server"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--steps", type=int, default=25)
    arguments = parser.parse_args()
    with run.Reference(arguments.nats_server) as reference, run.serverprocess.Server() as server:
        with run.Asker(reference.port) as theirs, run.Asker(server.port) as ours:
            pair = Pair(theirs, ours)
            until = time.monotonic() + arguments.seconds
            seed, failed = arguments.seed, 0
            while time.monotonic() < until and server.running():
                groups = script(seed, arguments.steps)
                said, count = pair.differs(groups)
                if said:
                    failed += 1
                    groups, said = pair.smallest(groups[:count], said)
                    print(f"seed {seed}:")
                    for group in groups:
                        for label, kind, subject, body, headers in group:
                            print("   ", kind, label or "", subject, body.decode(), repr(headers.decode()) if headers else "")
                    print(said, flush=True)
                seed += 1
    print(f"chance: seeds {arguments.seed} to {seed - 1}, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
