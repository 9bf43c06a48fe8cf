"""Streams that come and go while nodes die: what was confirmed stays so.

Each name is one client's at a time. What was not answered may have been done or not, now or later, so
that name rests until the storm is over; then it is one of both, on every node.
"""

import asyncio
import json
import time

import workload
from client import Client, Lost
from history import Violation
from nodes import ask_info

NAMES = [f"CHURN{i}" for i in range(12)]
ANSWER_S = 2.0
SETTLE_S = 30
NO_PLACE = 10005  # too few nodes are up


class Name:
    """One stream's life. `there`: True, False, or None when nobody knows."""

    def __init__(self, name):
        self.name = name
        self.there = False
        self.acked = self.sent = 0


class Churn:
    """`run` until its time is over, `check` when all nodes are back, `end` at the end of a round."""

    def __init__(self, rng, cluster):
        self.rng = rng
        self.cluster = cluster
        self.names = [Name(name) for name in NAMES]
        self.counts = dict.fromkeys(("created", "deleted", "unknown"), 0)

    async def run(self, seconds):
        end = time.monotonic() + seconds
        parts = [self.names[i::3] for i in range(3)]
        await asyncio.gather(*(self.work(part, end) for part in parts))

    async def work(self, names, end):
        while time.monotonic() < end and any(one.there is not None for one in names):
            serving = self.cluster.serving()
            if not serving:
                await asyncio.sleep(0.02)
                continue
            try:
                client = await Client.open(self.rng.choice(serving).port)
            except Lost:
                await asyncio.sleep(0.02)
                continue
            try:
                while time.monotonic() < end and not client.lost:
                    known = [one for one in names if one.there is not None]
                    if not known:
                        break
                    await self.step(client, self.rng.choice(known))
            finally:
                client.close()

    async def step(self, client, one):
        if not one.there:
            await self.create(client, one)
        elif self.rng.random() < 0.5:
            await self.publish(client, one)
        else:
            await self.delete(client, one)

    async def ask(self, client, subject, body=None):
        """The parsed answer, None when there was none."""
        payload = b"" if body is None else json.dumps(body).encode()
        try:
            message = await client.ask(b"$JS.API." + subject.encode(), payload, timeout=ANSWER_S)
        except (Lost, asyncio.TimeoutError):
            return None
        return None if message.status() == 503 else json.loads(message.body)

    def unsure(self, one, answer):
        """Nobody said yes or no."""
        error = (answer or {}).get("error")
        if answer is not None and error is None:
            return False
        if error is not None and error["code"] != 503 and error["err_code"] != NO_PLACE:
            raise Violation(f"{one.name} (there: {one.there}): {error}")
        one.there = None
        self.counts["unknown"] += 1
        return True

    async def create(self, client, one):
        config = {
            "name": one.name,
            "subjects": [f"churn.{one.name}.>"],
            "num_replicas": self.rng.choice((1, 3)),
        }
        one.acked = one.sent = 0
        answer = await self.ask(client, f"STREAM.CREATE.{one.name}", config)
        if not self.unsure(one, answer):
            one.there = True
            self.counts["created"] += 1

    async def delete(self, client, one):
        answer = await self.ask(client, f"STREAM.DELETE.{one.name}")
        if not self.unsure(one, answer):
            one.there = False
            self.counts["deleted"] += 1

    async def publish(self, client, one):
        one.sent += 1
        try:
            message = await client.ask(b"churn.%s.x" % one.name.encode(), b"x", timeout=ANSWER_S)
        except (Lost, asyncio.TimeoutError):
            return
        if b'"seq"' in message.body:
            one.acked += 1

    # --- checks

    async def names_of(self, node):
        client = await Client.open(node.port)
        try:
            answer = await self.ask(client, "STREAM.NAMES")
            return None if answer is None else set(answer.get("streams") or ())
        finally:
            client.close()

    async def wrong(self):
        """What any node says that cannot be, None: nothing. Unknown names become known."""
        lists = {node.name: await self.names_of(node) for node in self.cluster.nodes}
        if None in lists.values() or len({frozenset(names) for names in lists.values()}) > 1:
            return f"the nodes know {lists}"
        there = next(iter(lists.values()))
        for one in self.names:
            if one.there is not None and one.there != (one.name in there):
                raise Violation(f"{one.name} must {'' if one.there else 'not '}be there, and is it not" if one.there
                                else f"{one.name} was deleted and is there")
            if one.name not in there:
                continue
            answer = await ask_info(self.rng.choice(self.cluster.nodes), one.name)
            if "state" not in answer:
                return f"{one.name}: {answer}"
            held = answer["state"]["messages"]
            if not one.acked <= held <= one.sent:
                raise Violation(f"{one.name} has {held} messages; {one.acked} of {one.sent} were acked")
        for one in self.names:
            one.there = one.name in there
        return None

    async def check(self):
        await self.until_right(self.wrong)

    @staticmethod
    async def until_right(question):
        end = time.monotonic() + SETTLE_S
        while (what := await question()) is not None:
            if time.monotonic() > end:
                raise Violation(f"for {SETTLE_S} s: {what}")
            await asyncio.sleep(0.1)

    async def end(self, logs):
        """Takes all away. `logs` gives the number of logs that any node holds: nothing is left over."""
        client = await Client.open(self.rng.choice(self.cluster.nodes).port)
        for one in self.names:
            while one.there:
                answer = await self.ask(client, f"STREAM.DELETE.{one.name}")
                if answer is not None and answer.get("error", {}).get("code") != 503:
                    if "error" in answer:
                        raise Violation(f"{one.name} is there and cannot be deleted: {answer['error']}")
                    one.there = False
        client.close()
        await self.check()

        async def leftover():
            count = await asyncio.to_thread(logs)
            return None if count == BASE_LOGS else f"{count} logs are there instead of {BASE_LOGS}"

        await self.until_right(leftover)


BASE_LOGS = 5  # the catalogue, and the streams of cluster_load.py
assert workload  # the load beside it makes those
