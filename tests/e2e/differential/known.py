"""Where we answer otherwise than the reference, and why. Everything else must be equal.

A row is a reason and a test of (label, subject, body, theirs, ours), with masked answers, None where nobody
answered. A row that holds nowhere in a whole run is reported: it is no longer true.
"""

import copy

UNSUPPORTED = "is not supported by this version of Millrace"


def error(answer):
    return (answer or {}).get("error", {}) if isinstance(answer, dict) else {}


def says_unsupported(answer):
    return UNSUPPORTED in error(answer).get("description", "")


def refused_as_unsupported(label, subject, body, theirs, ours):
    return says_unsupported(ours) and not error(theirs)


def nothing_to_delete(label, subject, body, theirs, ours):
    return label == "not built then deleted" and error(ours).get("err_code") in (10059, 10014)


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


def created_again(label, subject, body, theirs, ours):
    return b'"action": "create"' in body and error(theirs).get("err_code") == 10148 and not error(ours)


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


KNOWN = [
    ("consumers of a work queue stay apart also when one's filter is taken away", still_apart),
    ("features that later versions build are refused by name", refused_as_unsupported),
    ("what was refused cannot be deleted", nothing_to_delete),
    ("subjects of the API that mean nothing are refused, not swallowed", answered_instead_of_silence),
    ("a pause that is not set is not printed", unset_pause),
    ("the name that the server made up is part of the config", generated_name_in_config),
    ("a byte budget counts four bytes more for a message with headers, and what headers_only leaves out",
     labelled("a budget and headers")),
    ("a request whose sender has gone makes room at once", labelled("who waited has gone")),
    ("the ack floor passes over messages that were delivered as often as allowed", floor_ahead("exhausted")),
    ("the ack floor of all has the consumer sequence before that of the next message", floor_ahead("the floor of all")),
    ("a request that does not wait is held back by max_ack_pending until there is room or its time is over",
     labelled("held back by max_ack_pending")),
    ("another filter looks from behind the last delivery, not from where the old one had looked to",
     labelled("another filter")),
    ("an ack in the second form to a consumer that is not there is taken and ignored", labelled("an ack to nobody")),
    ("a consumer that is resumed goes on at once", labelled("resumed")),
    ("a request that gave no batch has none left, not -1", labelled("no batch and a budget")),
    ("a heartbeat tells how far the consumer has looked, which depends on when it looked", labelled("filtered heartbeats")),
    ("without max_file a stream may ask for more than the disk has: nothing is kept free for it", labelled("more than the disk has")),
    ("JSON is read to a depth of 64 and no further", too_deep),
    ("an ephemeral consumer can be created again with the same config, as a durable can", created_again),
]
