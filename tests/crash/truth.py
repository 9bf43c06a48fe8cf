"""What the nodes' own monitoring says of a cluster, held against what is so.

When all nodes run and nothing is under way, `/healthz` is ok everywhere, `/raftz` names for each group
one leader, in one term, the same on all nodes, every replica is a voter, and whole: who came back with
an empty disk is a learner until it has everything, and one that has lost entries does not vote. While
one of three does not, one more death is one too many: no storm begins before all do.
"""

import asyncio
import json
import time

from history import Violation

SETTLE_S = 30
LEADER = "LEADER"


def read(node):
    """(what is wrong by /healthz or None, group -> what /raftz says of it)."""
    status, document = node.monitor("healthz")
    _, groups = node.monitor("raftz")
    groups = json.loads(groups) if groups.startswith("{") else {}
    flat = {name: group for account in groups.values() for name, group in account.items()}
    return (None if status == 200 else document), flat


def doubt(said):
    """What cannot be of `said` (node name -> what read gave), None: nothing."""
    for name, (wrong, _) in said.items():
        if wrong is not None:
            return f"{name} says {wrong}"
    for group in sorted({group for _, groups in said.values() for group in groups}):
        of = {name: groups[group] for name, (_, groups) in said.items() if group in groups}
        for name, one in of.items():
            if not one["voter"]:
                return f"{name} is no voter in {group}"
            if not one["whole"]:
                return f"{name} is not whole in {group}"
        if len({(one.get("leader"), one["term"]) for one in of.values()}) > 1:
            return f"{group}: {({name: (one.get('leader'), one['term']) for name, one in of.items()})}"
        if sum(one["state"] == LEADER for one in of.values()) != 1:
            return f"{group} has {({name: one['state'] for name, one in of.items()})}"
    return None


async def check(cluster):
    end = time.monotonic() + SETTLE_S
    while True:
        said = {node.name: await asyncio.to_thread(read, node) for node in cluster.nodes}
        what = doubt(said)
        if what is None:
            return
        if time.monotonic() > end:
            raise Violation(f"for {SETTLE_S} s after a storm, by the nodes' own word: {what}")
        await asyncio.sleep(0.1)


async def alone_is_told(node):
    """Soon: a node without a majority does not call itself well."""
    end = time.monotonic() + SETTLE_S
    while (await asyncio.to_thread(node.monitor, "healthz"))[0] == 200:
        if time.monotonic() > end:
            raise Violation(f"{node.name} has no majority and calls itself well for {SETTLE_S} s")
        await asyncio.sleep(0.05)
