"""Where we answer otherwise than the reference, and why. Everything else must be equal.

A row holds for the answers that its test accepts: a function of (label, subject, body, theirs, ours) with
parsed answers, None when there was none. A row that fits nothing in a whole run is reported: it is no longer true.
"""

UNSUPPORTED = "is not supported by this version of Millrace"


def error(answer):
    return (answer or {}).get("error", {}) if isinstance(answer, dict) else {}


def refused_as_unsupported(label, subject, body, theirs, ours):
    return label == "not built" and error(ours).get("description", "").endswith(UNSUPPORTED)


KNOWN = [
    ("features of later versions are refused by name", refused_as_unsupported),
]
