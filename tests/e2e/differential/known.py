"""Where we answer otherwise than the reference, and why. Everything else must be equal.

A row says what it is about, what both do, why, and how such an answer is known: by a test of (label, subject, body,
theirs, ours), with masked answers, None where nobody answered. A row that holds nowhere in a whole run is reported:
it is no longer true. report.py makes a table of docs/compatibility.md of them.
"""

import copy
from typing import Callable, NamedTuple

def error(answer):
    return (answer or {}).get("error", {}) if isinstance(answer, dict) else {}


def answered_instead_of_silence(label, subject, body, theirs, ours):
    if theirs is not None:
        return False
    if "CONSUMER.RESET" in subject and error(ours).get("err_code") in (10059, 10014):
        return True
    return error(ours).get("err_code") in (10003, 10010, 10016) or "503" in (ours or {}).get("headers", "")


def unset_pause(label, subject, body, theirs, ours):
    without = copy.deepcopy(theirs)
    if not isinstance(without, dict) or "config" not in without:
        return False
    return without["config"].pop("pause_until", None) == "0001-01-01T00:00:00Z" and without == ours


def generated_name_in_config(label, subject, body, theirs, ours):
    without = copy.deepcopy(ours)
    if label != "generated name" or "config" not in without:
        return False
    return without["config"].pop("name", None) == "GENERATED" and without == theirs


def too_deep(label, subject, body, theirs, ours):
    return label == "deep JSON" and error(theirs).get("err_code") == error(ours).get("err_code") == 10025


def labelled(name):
    return lambda label, *_: label == name


def floor_ahead(name):
    """Infos that differ in nothing but an ack floor that is further on here."""

    def accepts(label, subject, body, theirs, ours):
        without = copy.deepcopy(theirs)
        if label != name or "ack_floor" not in ours or "ack_floor" not in theirs:
            return False
        without["ack_floor"] = ours["ack_floor"]
        return without == ours and ours["ack_floor"]["stream_seq"] >= theirs["ack_floor"]["stream_seq"]

    return accepts


def still_apart(label, subject, body, theirs, ours):
    return error(ours).get("err_code") == 10099 and not error(theirs)


class Known(NamedTuple):
    what: str
    theirs: str
    ours: str
    why: str
    accepts: Callable


KNOWN = [
    Known("a consumer of a work queue loses its filter", "may then overlap with others", "error 10099",
          "each message is for one consumer", still_apart),
    Known("subjects below `$JS.API` that mean nothing, or that only a cluster serves", "no answer",
          "error 10003, 10010 or 10016, or no responders", "silence helps nobody", answered_instead_of_silence),
    Known("`pause_until` when not set", "printed as the zero time after some updates", "left out", "nothing is there", unset_pause),
    Known("`config.name` of a consumer whose name the server made up", "left out", "there", "it has one", generated_name_in_config),
    Known("a byte budget, for messages with headers or headers only", "exact", "counts four bytes more, or what is left out",
          "the index knows one size of a message", labelled("a budget and headers")),
    Known("a pull whose sender has gone, when `max_waiting` is reached", "counts", "makes room at once",
          "nobody waits for it any more", labelled("who waited has gone")),
    Known("ack floor after a message was delivered as often as allowed", "stays until the next ack", "passes over it",
          "nobody is to ack it any more", floor_ahead("exhausted")),
    Known("the ack floor's consumer sequence with `ack_policy: all`", "that of the acknowledged delivery",
          "the one before that of the next message", "a floor is where the next begins", floor_ahead("the floor of all")),
    Known("a request that does not wait, held back by `max_ack_pending`", "told at once that there is nothing",
          "held until there is room or its time is over", "there are messages", labelled("held back by max_ack_pending")),
    Known("another filter for a consumer", "looks from where the old one had looked to", "looks from behind the last delivery",
          "where it had looked to is nobody's promise", labelled("another filter")),
    Known("a consumer that is resumed", "goes on with the next event", "goes on at once", "it was asked to", labelled("resumed")),
    Known("`Nats-Pending-Messages` of a request that gave no batch", "may be -1", "0", "clients read an unsigned number",
          labelled("no batch and a budget")),
    Known("a heartbeat of a consumer with filters", "how far it has looked, when it had looked", "likewise, at other moments",
          "it depends on when it looked", labelled("filtered heartbeats")),
    Known("`max_bytes` of a stream where no `max_file` is set", "refused when it is more than three quarters of the free disk", "taken",
          "nothing is kept free for it either way", labelled("more than the disk has")),
    Known("JSON", "of any depth", "at most 64 deep", "bounded before it is understood", too_deep),
]
