"""Is the history of one key linearizable? Every write that was answered has a revision, which orders the writes; what
remains to be checked is that this order fits the times at which things were asked and answered, and what was seen.

An operation is a tuple Op. Times are of one clock. A write without an answer may have happened at any time since it
was asked, or not at all; it has no revision until somebody sees its value."""

import collections
import heapq

WRITE, SEE = "write", "see"

# kind: WRITE with its id, `revision` None if unanswered, `expected` None unless it was a comparison;
#       SEE (a get, or a refusal that names the last revision) with the id that was seen, None if it was not told.
Op = collections.namedtuple("Op", "kind begun ended revision id expected")
NEVER = float("inf")


def learn(ops, problems):
    """The revision and the beginning of each write, by its id."""
    revisions, begun, ids = {}, {}, {}
    for op in ops:
        if op.kind == WRITE:
            begun[op.id] = op.begun
        if op.revision is None or op.id is None or op.revision == 0:
            continue
        if revisions.setdefault(op.id, op.revision) != op.revision:
            problems.append(f"{op.id} has the revisions {revisions[op.id]} and {op.revision}")
        if ids.setdefault(op.revision, op.id) != op.id:
            problems.append(f"revision {op.revision} is {ids[op.revision]} and {op.id}")
    return revisions, begun, ids


def check_times(ops, begun, ids, problems):
    """What ended before something else began is not behind it in the order of revisions."""
    ended = []  # of those that have begun
    highest = 0
    for op in sorted((op for op in ops if op.revision is not None), key=lambda op: op.begun):
        while ended and ended[0][0] < op.begun:
            highest = max(highest, heapq.heappop(ended)[1])
        if op.revision < highest or (op.kind == WRITE and op.revision == highest):
            problems.append(f"{op} although revision {highest} was known before it was asked")
        heapq.heappush(ended, (op.ended, op.revision))
        writer = ids.get(op.revision)
        if op.kind == SEE and writer is not None and begun.get(writer, NEVER) > op.ended:
            problems.append(f"{op} before that was written")


def check_comparisons(ops, revisions, problems):
    """Between what a comparison expected and what it wrote there is no other write."""
    order = sorted(set(revisions.values()) | {op.revision for op in ops if op.revision})
    before = {revision: order[i - 1] if i else 0 for i, revision in enumerate(order)}
    for op in ops:
        if op.kind == WRITE and op.expected is not None and op.id in revisions:
            if before[revisions[op.id]] != op.expected:
                problems.append(f"{op} although revision {before[revisions[op.id]]} was there")


def check(ops):
    """What is wrong with the history of a key, in words; empty: nothing."""
    problems = []
    revisions, begun, ids = learn(ops, problems)
    for id_ in revisions:
        if id_ not in begun:
            problems.append(f"{id_} was seen and never written")
    check_times(ops, begun, ids, problems)
    check_comparisons(ops, revisions, problems)
    return problems
