"""Steps whose answer is what arrives over time: subscribe, say something, take what came.

A scenario subscribes (`sub`), publishes without waiting (`say`, `pull`, `reply_to`) and compares everything that
came (`take`). Times in ack subjects, flow-control ids and pin ids are masked; "$PIN" in a body stands for the
last pin id that was seen, "$REPLY<n>" in a subject for the n-th reply that was taken.
"""

import json
import re
import socket

import wire

QUIET_S = 0.12
FIRST_SID = 10

ACK_TIME = re.compile(r"^(\$JS\.ACK\..*)\.\d+\.(\d+)$")
ACK_TIME_IN_HEADER = re.compile(r"(\$JS\.ACK(?:\.[^.\s]+){5})\.\d+\.(\d+)")
FLOW_ID = re.compile(r"(\$JS\.FC\.[^.\s]+\.[^.\s]+)\.[0-9A-Za-z]{4}\b")
PIN = re.compile(r"(Nats-Pin-Id: )([0-9A-Za-z]{22})")


def text(body):
    if isinstance(body, (dict, list)):
        return json.dumps(body).encode()
    return body.encode() if isinstance(body, str) else body


# --- steps


def sub(subject, queue=""):
    return (None, "sub", subject, queue.encode(), b"")


def unsub(subject):
    """Ends the oldest subscription to that subject."""
    return (None, "unsub", subject, b"", b"")


def say(subject, body=b"", reply="", headers=b""):
    return (reply, "say", subject, text(body), headers)  # the reply stands where others have a label


def pull(body=b"", inbox="in", consumer="C", stream="S", headers=b""):
    return say(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", body, inbox, headers)


def reply_to(n, body=b"", reply="", headers=b""):
    """Publishes to the n-th reply subject taken so far."""
    return say(f"$REPLY{n}", body, reply, headers)


def take(quiet=QUIET_S, label=None):
    """What came since the last time, in order, once it has been quiet for so long."""
    return (label, "take", str(quiet), b"", b"")


def rest(seconds):
    return (None, "wait", "", str(seconds).encode(), b"")


def forget():
    """The replies to come are counted from 0 again."""
    return (None, "forget", "", b"", b"")


# --- carrying them out


def begin(asker):
    asker.subscribed = {}  # sid -> subject
    asker.arrived = []
    asker.replies = []
    asker.pin = b"P" * 22
    asker.sid_next = FIRST_SID


def end(asker):
    for sid in asker.subscribed:
        asker.send(b"UNSUB %s\r\n" % sid)
    synced(asker)  # what was on its way is nobody's
    asker.events = []
    begin(asker)


def filled(asker, body):
    return body.replace(b"$PIN", asker.pin)


def arrival(asker, subject, reply, headers, data):
    """One message as it is compared."""
    head = headers.decode(errors="replace")
    pinned = PIN.search(head)
    if pinned:
        asker.pin = pinned.group(2).encode()
    if reply.startswith(b"$JS."):
        asker.replies.append(reply.decode())
    stalled = re.search(r"Nats-Consumer-Stalled: (\S+)", head)
    if stalled:
        asker.replies.append(stalled.group(1))
    masked = ACK_TIME.sub(r"\1.TIME.\2", FLOW_ID.sub(r"\1.ID", reply.decode()))
    return {
        "at": asker.subscribed[asker.sid].decode(),
        "subject": subject.decode(),
        "reply": masked,
        "headers": ACK_TIME_IN_HEADER.sub(r"\1.TIME.\2", PIN.sub(r"\1PIN", FLOW_ID.sub(r"\1.ID", head))),
        "body": data.decode(errors="replace"),
    }


def run_sub(asker, subject, queue, *_):
    sid = b"%d" % asker.sid_next
    asker.sid_next += 1
    asker.subscribed[sid] = subject.encode()
    asker.send(b" ".join(part for part in (b"SUB", subject.encode(), queue, sid) if part) + b"\r\n")
    return synced(asker)


def run_unsub(asker, subject, *_):
    for sid, of in asker.subscribed.items():
        if of == subject.encode():
            asker.send(b"UNSUB %s\r\n" % sid)
            drain(asker, QUIET_S)
            del asker.subscribed[sid]
            break
    return synced(asker)


def run_say(asker, subject, body, headers, reply):
    if subject.startswith("$REPLY"):
        n = int(subject[len("$REPLY"):])
        if n >= len(asker.replies):
            return f"only {len(asker.replies)} replies came"
        subject = asker.replies[n]
    body = filled(asker, body)
    parts = [b"HPUB" if headers else b"PUB", subject.encode(), reply.encode()]
    if headers:
        parts.append(b"%d" % len(headers))
    parts.append(b"%d" % (len(headers) + len(body)))
    asker.send(b" ".join(part for part in parts if part) + b"\r\n" + headers + body + b"\r\n")
    return "said"


def drain(asker, quiet):
    asker.read_s, before = quiet, asker.read_s
    try:
        while True:
            to, reply, head, data = asker.message()
            asker.keep(to, reply, head, data)
    except (wire.Timeout, socket.timeout):
        pass
    finally:
        asker.read_s = before


def synced(asker):
    """Until what was sent has been read: the server has answered something that came after it."""
    asker.send(b"PUB answers.sync 0\r\n\r\n")
    while True:
        to, reply, head, data = asker.message()
        if to == b"answers.sync":
            return "done"
        asker.keep(to, reply, head, data)


def run_take(asker, quiet, *_):
    drain(asker, float(quiet))
    taken, asker.arrived = asker.arrived, []
    return taken


def run_forget(asker, *_):
    asker.replies = []
    return "forgotten"


KINDS = {"forget": run_forget, "sub": run_sub, "unsub": run_unsub, "say": run_say, "take": run_take}
