#!/usr/bin/env python3
"""Asks Millrace and the reference server the same and compares the answers.

    run.py [--nats-server PATH] [--show] [--part K/N] [--record] [scenario...]

The reference is $NATS_SERVER or nats-server in PATH; without one nothing is compared. Times and generated
names are masked; what else differs is either in known.py, with its reason, or a failure. With --record what was
counted goes into counts.json, of which report.py makes docs/compatibility.md; --part runs the K-th of N parts.
"""

import argparse
import base64
import glob
import importlib
import json
import os
import re
import shutil
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "wire")]

import flow  # noqa: E402
import report  # noqa: E402
import serverprocess  # noqa: E402
from cases import SCENARIOS  # noqa: E402
from known import KNOWN  # noqa: E402
import wire  # noqa: E402

for path in sorted(glob.glob(os.path.join(HERE, "cases_*.py"))):
    SCENARIOS.update(importlib.import_module(os.path.basename(path)[:-3]).SCENARIOS)

ANSWER_S = 5.0
FAST_S = 0.15  # what is said to a message of a fast batch comes within
EVENTS_S = 0.2  # what follows an answer comes within
SILENCE_S = 0.5  # the reference stays silent on purpose here and there: known by the labels
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
ANY_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UNSET = "0001-01-01T00:00:00Z"
STATUS = re.compile(rb"NATS/1.0 \d\d\d")
GENERATED = re.compile(r"^[0-9A-Za-z]{8}$")
SILENT = {"unknown subject", "durable without name"}


class Reference(serverprocess.Server):
    def __init__(self, program):
        super().__init__(prefix="millrace-reference-")
        self.program = program

    def command(self):
        return [self.program, *super().command()[1:]]


class Asker(wire.Requester):
    """One answer per question; None when nobody answers in time. Advisories are kept in `events`."""

    def __init__(self, port):
        self.events = []
        flow.begin(self)
        super().__init__(port)

    def connect(self, **options):
        super().connect(pedantic=False, **options)  # clients publish to subjects with wildcards (filters)

    def question(self, subject, body, headers):
        """Sends it; the inbox that the answers come to."""
        self.serial += 1
        inbox = b"answers.%d" % self.serial
        subject = subject.encode()
        body = flow.filled(self, body)
        if headers:
            self.send(b"HPUB %s %s %d %d\r\n" % (subject, inbox, len(headers), len(headers) + len(body)))
            self.send(headers + body + b"\r\n")
        else:
            self.send(b"PUB %s %s %d\r\n" % (subject, inbox, len(body)) + body + b"\r\n")
        return inbox

    def ask_within(self, subject, body, headers, seconds):
        return self.answer(self.question(subject, body, headers), seconds)

    def ask_many(self, subject, body, headers):
        """All answers: up to a status without payload, or to silence."""
        inbox = self.question(subject, body, headers)
        answers = []
        while answer := self.answer(inbox, SILENCE_S if answers else ANSWER_S):
            answers.append(answer)
            if STATUS.match(answer[0]) and not answer[1]:
                break
        return answers

    def answer(self, inbox, seconds):
        self.read_s = seconds
        try:
            while True:
                to, reply, head, data = self.message()
                if to == inbox:
                    return head, data
                self.keep(to, reply, head, data)
        except (wire.Timeout, socket.timeout):
            return None
        finally:
            self.read_s = ANSWER_S

    def keep(self, subject, reply, head, data):
        if self.sid in self.subscribed:
            self.arrived.append(flow.arrival(self, subject, reply, head, data))
        elif subject.startswith(b"$JS.EVENT."):
            self.events.append((subject.decode(), event(json.loads(data))))
        elif not subject.startswith(b"answers."):
            self.events.append((subject.decode(), raw_answer(head, data)))

    def take_events(self):
        """All that came since the last time, sorted by subject: subjects have no common order there."""
        time.sleep(EVENTS_S)
        self.send(b"PUB answers.end 0\r\n\r\n")
        while True:
            to, reply, head, data = self.message()
            if to == b"answers.end":
                break
            self.keep(to, reply, head, data)
        taken, self.events = self.events, []
        return sorted(taken, key=lambda pair: pair[0])


def event(body):
    """An advisory without what differs from server to server and from time to time."""
    body["id"] = len(body["id"])
    body.pop("client", None)
    if "server" in body:
        body["server"] = "SERVER"
    if "response" in body:
        body["response"] = mask(json.loads(body["response"]))
    return mask(body)


def mask(value, key="", asked=b""):
    """Times that the server chose and names that it made up, wherever they stand."""
    if isinstance(value, dict):
        return {k: mask(v, k, asked) for k, v in value.items() if k not in ("pause_remaining", "ack_time")}
    if isinstance(value, list):
        masked = [mask(v, key, asked) for v in value]
        if key == "sources" and all(isinstance(v, dict) and "lag" in v for v in masked):
            masked.sort(key=json.dumps)  # in no order there
        return sorted(masked) if "GENERATED" in masked else masked
    if key == "active" and isinstance(value, int):
        return "ACTIVE"
    if isinstance(value, str):
        if TIME.match(value) and value != UNSET and value.encode() not in asked:
            return "TIME"
        if key == "description" and value.startswith("change to limits violates consumers: "):
            return sorted(re.split(r"[ ,]+", value))  # in no order there
        if key == "hdrs":
            return ANY_TIME.sub("TIME", base64.b64decode(value).decode(errors="replace"))
        if key == "leader":
            return "SERVER"
        if key in ("pinned_id", "pinned_client_id"):
            return "PIN"
        if key in ("name", "consumers") and GENERATED.match(value) and value.encode() not in asked:
            return "GENERATED"
    return value


def raw_answer(head, data):
    return {"headers": ANY_TIME.sub("TIME", head.decode()), "body": data.decode(errors="replace")}


def settled(asker, stream, messages):
    """How many messages the stream has when it has as many as it should, or when that does not happen."""
    end = time.monotonic() + ANSWER_S
    while True:
        answer = json.loads(asker.ask_within("$JS.API.STREAM.INFO." + stream, b"", b"", ANSWER_S)[1])
        found = answer.get("state", {}).get("messages")
        if found == messages or time.monotonic() > end:
            return found
        time.sleep(0.02)


def fast(asker, subject, body, headers, mark):
    """A message of a fast batch: everything that is said to its reply until nothing comes any more."""
    if "fast" not in vars(asker):
        asker.fast = True
        asker.send(b"SUB fast.> 3\r\n")
    asker.send(
        b"HPUB %s fast.%s.$FI %d %d\r\n%s%s\r\n"
        % (subject.encode(), mark.encode(), len(headers), len(headers) + len(body), headers, body)
    )
    said = []
    wire.READ_S = FAST_S
    try:
        while True:
            to, _, _, data = asker.message()
            said.append([to.decode(), data.decode()])
    except (wire.Timeout, socket.timeout):
        return said
    finally:
        wire.READ_S = ANSWER_S


def ask(asker, step):
    label, kind, subject, body, headers = step
    if kind == "listen":
        asker.send(b"SUB %s 2\r\n" % subject.encode())
        return "listening"
    if kind == "events":
        return asker.take_events()
    if kind in flow.KINDS:
        return flow.KINDS[kind](asker, subject, body, headers, label)
    if kind == "settle":
        return settled(asker, subject, int(body))
    if kind == "wait":
        time.sleep(float(body))
        return "waited"
    if kind == "fast":
        return fast(asker, subject, body, headers, label)
    if kind == "many":
        return [raw_answer(*answer) for answer in asker.ask_many(subject, body, headers)]
    answer = asker.ask_within(subject, body, headers, SILENCE_S if label in SILENT else ANSWER_S)
    if answer is None:
        return None
    head, data = answer
    if kind == "raw" or head:
        return raw_answer(head, data)
    parsed = json.loads(data)
    if label == "usage":
        del parsed["api"]  # counts what earlier scenarios asked, too
    return mask(parsed, asked=body + subject.encode())


def empty(asker):
    """Deletes every stream."""
    while True:
        names = ask(asker, (None, "json", "$JS.API.STREAM.NAMES", b"", b""))["streams"]
        if not names:
            return
        for name in names:
            asker.ask_within("$JS.API.STREAM.DELETE." + name, b"", b"", ANSWER_S)


def differences(theirs, ours, path=""):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            if key not in theirs:
                yield f"{path}.{key}: only ours: {ours[key]!r}"
            elif key not in ours:
                yield f"{path}.{key}: only theirs: {theirs[key]!r}"
            else:
                yield from differences(theirs[key], ours[key], f"{path}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for i, (a, b) in enumerate(zip(theirs, ours)):
            yield from differences(a, b, f"{path}[{i}]")
    elif theirs != ours:
        yield f"{path}: theirs {theirs!r}, ours {ours!r}"


class Comparison:
    def __init__(self, show):
        self.show = show
        self.equal = self.known = self.failed = 0
        self.used = set()
        self.counts = {}  # of the scenarios that were run

    def step(self, scenario, step, theirs, ours):
        label, kind, subject, body, _ = step
        counts = self.counts.setdefault(scenario, {"requests": 0, "known": {}})
        counts["requests"] += kind in report.REQUESTS
        if self.show:
            print(f"{subject} {body[:200].decode(errors='replace')}\n    {json.dumps(theirs)}")
        if theirs == ours:
            self.equal += 1
            return
        for known in KNOWN:
            if known.accepts(label, subject, body, theirs, ours):
                self.known += 1
                self.used.add(known.why)
                counts["known"][known.why] = counts["known"].get(known.why, 0) + 1
                return
        self.failed += 1
        counts["failed"] = True
        print(f"{scenario}: {subject} {body[:300].decode(errors='replace')}")
        for line in list(differences(theirs, ours))[:12]:
            print(f"    {line}")

    def summary(self, whole):
        if whole:
            for known in KNOWN:
                if known.why not in self.used:
                    print(f"no longer true: {known.why}")
                    self.failed += 1
        print(f"{self.equal} equal answers, {self.known} known differences ({len(self.used)} reasons)")
        print(f"differential: {self.equal + self.known} passed, {self.failed} failed")
        return 1 if self.failed else 0


def compare(names, program, show, record):
    comparison = Comparison(show)
    with Reference(program) as reference, serverprocess.Server() as server, ThreadPoolExecutor(2) as threads:
        with Asker(reference.port) as theirs, Asker(server.port) as ours:
            for name in names:
                for step in SCENARIOS[name]:
                    answers = threads.map(ask, (theirs, ours), (step, step))  # at the same time
                    comparison.step(name, step, *answers)
                for asker in (theirs, ours):
                    asker.send(b"UNSUB 2\r\n")
                    flow.end(asker)
                    empty(asker)
                if not server.running():
                    print(server.log())
                    break
    if record:
        report.record({name: row for name, row in comparison.counts.items() if "failed" not in row}, SCENARIOS)
    return comparison.summary(len(names) == len(SCENARIOS))


def part_of(names, part):
    """The K-th of N parts of about as many steps."""
    k, n = (int(number) for number in part.split("/"))
    parts = [[] for _ in range(n)]
    for name in sorted(names, key=lambda name: -len(SCENARIOS[name])):
        min(parts, key=lambda names: sum(len(SCENARIOS[other]) for other in names)).append(name)
    return [name for name in names if name in parts[k - 1]]  # what was asked before is counted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nats-server", default=os.environ.get("NATS_SERVER") or shutil.which("nats-server"))
    parser.add_argument("--show", action="store_true", help="print every question and the reference's answer")
    parser.add_argument("--part", metavar="K/N", help="of all scenarios")
    parser.add_argument("--record", action="store_true", help="keep the counts for docs/compatibility.md")
    parser.add_argument("scenario", nargs="*", help="of: " + ", ".join(SCENARIOS))
    arguments = parser.parse_args()
    if not arguments.nats_server:
        print("differential: no nats-server in $NATS_SERVER or PATH: nothing is compared")
        return 0
    names = arguments.scenario or list(SCENARIOS)
    if arguments.part:
        names = part_of(names, arguments.part)
    return compare(names, arguments.nats_server, arguments.show, arguments.record)


if __name__ == "__main__":
    sys.exit(main())
