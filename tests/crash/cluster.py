#!/usr/bin/env python3
"""Kills and pauses the nodes of a loaded cluster and checks every promise against the history.

    cluster.py --seconds 45 --seed 1     until the time is over or a promise is broken
    cluster.py --rounds 1 --seed 42      one round
    cluster.py --scenario J7             the directed scenario of that name (scenarios.py), or all
    cluster.py --self-test               shows that broken promises are noticed

A round is a fresh cluster of three or five and some cycles of: load, a storm (storms.py), everything
back, check. The check begins when a message published through each node has been acked: what was
under way has arrived by then. It holds the streams and the consumer to the history and the nodes' logs to each other.
"""

import argparse
import asyncio
import logging
import os
import random
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import clocks  # noqa: E402
import cluster_load as load  # noqa: E402
import disks  # noqa: E402
import foreign  # noqa: E402
import ledger  # noqa: E402
import reading  # noqa: E402
import replicas  # noqa: E402
import scenarios  # noqa: E402
import storms  # noqa: E402
import truth  # noqa: E402
import workload  # noqa: E402
from client import Client, Lost  # noqa: E402
from deadline import within  # noqa: E402
from history import Violation  # noqa: E402
from nodes import Cluster  # noqa: E402
from serverprocess import BINARY, StartError  # noqa: E402
from storms import ACK_S, Storms  # noqa: E402

FORM_S = 60
SETTLE_S = 30
STORM_S = 120
CHECK_S = 180
DRAIN_S = 120
QUIET_S = 2.5
TICK_S = 0.01
OPEN_S = 1  # then another server is tried
OPS_MAX = 60_000

STREAM_OF = {"log": workload.LOG, "cas": workload.CAS, "node": load.NODE, "solo": load.SOLO}

class Load:
    """The actors, each on a connection to some node that serves; a lost one is replaced."""

    def __init__(self, driver):
        self.driver = driver
        self.rng = driver.rng
        shared, histories = driver.shared, driver.histories
        again = histories[workload.LOG].to_retry()
        with_id = load.WithId if driver.with_ids else load.WithoutId
        known, last = driver.known, histories[workload.CAS].last_seen
        self.makers = [
            lambda client: load.Plain(shared, client, 0, self.window()),
            lambda client: load.Plain(shared, client, 1, self.window()),
            lambda client: with_id(shared, client, 2, self.window(), self.take(again)),
            lambda client: with_id(shared, client, 3, self.window(), self.take(again)),
            lambda client: load.StreamExpecter(shared, client, 4, 3, last),
            lambda client: load.SubjectExpecter(shared, client, 5, 4, known),
            lambda client: load.SubjectExpecter(shared, client, 6, 4, known),
            lambda client: load.Solo(shared, client, 7, self.window()),
            lambda client: load.Reader(shared, client),
        ]
        self.actors = [None] * len(self.makers)
        self.again = again

    def window(self):
        return self.rng.choice((1, 4, 30))

    @staticmethod
    def take(again):
        taken = again[:]
        again.clear()
        return taken

    async def open(self, index):
        """An actor on a new connection; what its predecessor would send again goes on."""
        old = self.actors[index]
        if isinstance(old, load.WithId):
            self.again += old.again
        serving = self.driver.cluster.serving()
        if not serving:
            return
        try:
            client = await asyncio.wait_for(Client.open(self.rng.choice(serving).port), OPEN_S)
        except (Lost, asyncio.TimeoutError):
            return
        self.actors[index] = self.makers[index](client)
        self.actors[index].pump()

    async def tend(self):
        """Until the load stops: replaces what was lost, gives up what is not answered."""
        while not self.driver.shared.stopping:
            for index, actor in enumerate(self.actors):
                if actor is None or actor.client.lost:
                    await self.open(index)
                else:
                    actor.give_up()
            await asyncio.sleep(TICK_S)

    def idle(self):
        publishers = [actor for actor in self.actors if isinstance(actor, workload.Publisher)]
        return all(actor.outstanding == 0 or actor.client.lost for actor in publishers)

    async def close(self):
        """Nobody starts anything more; what is not answered soon never will be."""
        end = time.monotonic() + QUIET_S
        while not self.idle() and time.monotonic() < end:
            await asyncio.sleep(TICK_S)
        clients = [actor.client for actor in self.actors if actor is not None]
        for client in clients:
            client.close()
        await within(SETTLE_S, "closing the clients", asyncio.gather(*(client.closed for client in clients)))
        for client in clients:
            if client.errors:
                raise Violation(f"a server said {client.errors[0]!r}")


class Driver(Storms):
    """One round: a cluster, a history and the cycles over them."""

    def __init__(self, seed, cluster, storm=None, script=(), with_ids=True):
        self.storms = {storm: 1} if storm else storms.table(cluster.small_disks, cluster.own_clocks)
        self.script = list(script)  # storms in their order, before any by chance
        self.with_ids = with_ids
        self.seed = seed
        self.rng = random.Random(seed)
        self.cluster = cluster
        self.histories = load.histories()
        self.consumer = load.ClusterConsumer(workload.CONSUMER)
        self.shared = workload.Round(self.rng, self.histories, self.consumer)
        self.foreign = foreign.Foreign(self.shared) if foreign.available() else None
        self.known = {}
        self.found = {}
        self.cycles = 0
        self.storm = "no storm"
        self.blown = []
        self.ack_gaps = []  # seconds from a leader's SIGKILL to the next ack

    def consumers(self):
        return [self.consumer, self.foreign.consumer] if self.foreign else [self.consumer]

    async def set_up(self):
        client = await Client.open(self.rng.choice(self.cluster.nodes).port)
        for config in load.streams(len(self.cluster.nodes)):
            await until_served(client, f"STREAM.CREATE.{config['name']}", config)
        name = f"CONSUMER.DURABLE.CREATE.{workload.LOG}.{workload.CONSUMER}"
        await until_served(client, name, workload.CONSUMER_CONFIG)
        name = f"CONSUMER.DURABLE.CREATE.{load.NODE}.{foreign.CONSUMER}"
        await until_served(client, name, foreign.CONSUMER_CONFIG)
        client.close()

    # --- load and storm

    async def cycle(self):
        await within(STORM_S, "the storm", self.load_and_storm())
        self.cluster.check_running()
        await within(STORM_S, "settling after the storm", self.settle())
        await within(CHECK_S, "the check", self.check())
        self.cycles += 1

    async def load_and_storm(self):
        self.shared.stopping = False
        actors = Load(self)
        tending = asyncio.create_task(actors.tend())
        if self.foreign:
            await self.foreign.begin([node.port for node in self.cluster.nodes], actors.window())
        try:
            await asyncio.sleep(0.2 + self.rng.random() * 0.8)
            self.raise_failure(tending)
            for consumer in self.consumers():
                consumer.stormy = True
            self.storm = self.next_storm()
            self.blown.append(self.storm)
            await self.blow(*self.storm.split())
            await asyncio.sleep(self.rng.random() * 0.6)
            self.raise_failure(tending)
        finally:
            self.shared.stopping = True
            # Not cancelled: asyncio.wait_for may swallow that, and who tends on would send on.
            await asyncio.wait({tending}, timeout=SETTLE_S)
            if self.foreign:
                await self.foreign.end()
        await actors.close()
        self.raise_failure()

    def next_storm(self):
        if self.script:
            return self.script.pop(0)
        return self.rng.choices(list(self.storms), self.storms.values())[0]

    def raise_failure(self, tending=None):
        if self.shared.failure is not None:
            raise self.shared.failure
        if tending is not None and tending.done():
            tending.result()
            raise Violation("nobody tends the load")

    # --- checks

    async def settle(self):
        """An ack for every stream through every node: nothing that was sent before is under way."""
        for node in self.cluster.nodes:
            client = await Client.open(node.port)
            for subject, stream in STREAM_OF.items():
                await self.settle_stream(client, node, subject, self.histories[stream])
            client.close()
        for consumer in self.consumers():
            consumer.calm()
        await truth.check(self.cluster)

    async def settle_stream(self, client, node, subject, history):
        end = time.monotonic() + ACK_S
        while time.monotonic() < end:
            op = self.shared.op(b"%s.settle" % subject.encode())
            history.add(op)
            try:
                answer = await client.ask(op.subject, op.body, op.headers, timeout=5)
            except asyncio.TimeoutError:
                history.unanswered(op)
                continue
            if not load.unavailable(answer):
                history.acked(op, load.json.loads(answer.body)["seq"], False)
                return
            history.refused(op)
            await asyncio.sleep(0.02)
        raise Violation(f"{node.name} gets no ack from {history.name} within {ACK_S} s")

    async def check(self):
        client = await Client.open(self.rng.choice(self.cluster.nodes).port)
        for name, history in self.histories.items():
            found = await reading.contents(client, name)
            history.check(found, workload.number_of)
            span = range(max(1, found.last - 50), found.last + 2)
            await reading.check_gets(client, name, found, self.rng.sample(span, min(5, len(span))))
            self.found[name] = found
        info = await reading.consumer_info(client, workload.LOG, workload.CONSUMER)
        self.consumer.check(info, self.found[workload.LOG].messages)
        if self.foreign:
            info = await reading.consumer_info(client, load.NODE, foreign.CONSUMER)
            self.foreign.consumer.check(info, self.found[load.NODE].messages)
        client.close()
        await self.check_logs()

    async def check_logs(self):
        """All hold the same, entry by entry: the catalogue and both replicated streams."""
        count = len(self.cluster.nodes)
        needed = {3: 4} if count == 3 else {count: 3, 3: 1}
        stores = {node.name: node.store() for node in self.cluster.nodes}
        end = time.monotonic() + SETTLE_S
        while True:
            different = await asyncio.to_thread(replicas.compare, stores, needed)
            if different is None:
                return
            if time.monotonic() > end:
                raise Violation(f"replicas differ for {SETTLE_S} s: {different}")
            await asyncio.sleep(0.2)

    async def drain(self):
        """At the end of a round the consumer hands out all that is left and is then idle."""
        self.shared.stopping = False
        client = await Client.open(self.rng.choice(self.cluster.nodes).port)
        reader = load.Reader(self.shared, client, sincere=True)
        reader.pump()
        end = time.monotonic() + DRAIN_S
        while True:
            self.raise_failure()
            info = await reading.consumer_info(client, workload.LOG, workload.CONSUMER)
            if info["num_pending"] == 0 and info["num_ack_pending"] == 0:
                break
            if time.monotonic() > end:
                raise Violation(f"the consumer is not drained within {DRAIN_S} s: {info}")
            reader.give_up()
            await asyncio.sleep(0.1)
        self.shared.stopping = True
        client.close()
        self.consumer.check_complete(self.found[workload.LOG].messages)

    async def check_each_leader(self):
        """Every replica leads in turn and holds what the others held."""
        for node in self.cluster.nodes:
            client = await Client.open(node.port)
            for name in (workload.LOG, workload.CAS, load.NODE):
                if not await self.holds(client, node, name):
                    continue
                await self.lead(client, node, name)
                found = await reading.contents(client, name)
                if vars(found) != vars(self.found[name]):
                    raise Violation(f"{node.name} as leader of {name} holds other messages")
            client.close()

    @staticmethod
    async def holds(client, node, stream):
        cluster = (await reading.info(client, stream))["cluster"]
        return node.name in [cluster["leader"], *(peer["name"] for peer in cluster["replicas"])]

    async def lead(self, client, node, stream):
        body = {"placement": {"preferred": node.name}}
        end = time.monotonic() + ACK_S
        while await self.cluster.leader(stream) is not node:
            if time.monotonic() > end:
                raise Violation(f"{node.name} does not become the leader of {stream}")
            await client.api(f"STREAM.LEADER.STEPDOWN.{stream}", body)
            await asyncio.sleep(0.1)


async def until_served(client, subject, body):
    """An API request that may come before the cluster has formed."""
    end = time.monotonic() + FORM_S
    while True:
        answer = await client.api(subject, body)
        error = answer.get("error")
        if error is None:
            return
        if error["code"] != 503 or time.monotonic() > end:
            raise Violation(f"{subject}: {error}")
        await asyncio.sleep(0.1)


async def run_round(driver, cycles, deadline):
    await driver.set_up()
    for _ in range(cycles):
        await driver.cycle()
        if time.monotonic() > deadline or driver.shared.numbers > OPS_MAX:
            break
    await within(CHECK_S, "removing what churned", driver.end_churn())
    await within(DRAIN_S + SETTLE_S, "draining the consumer", driver.drain())
    await within(CHECK_S, "every replica leading in turn", driver.check_each_leader())


def report(driver, error):
    print(f"VIOLATION in the round of seed {driver.seed}, cycle {driver.cycles + 1}: {driver.storm}")
    print(f"{type(error).__name__}: {error}")
    for node in driver.cluster.nodes:
        print(f"{node.name}: directory kept: {node.directory}; its last lines:")
        print("".join(node.lines[-10:]), flush=True)


class Totals:
    def __init__(self):
        self.rounds = self.cycles = self.failed = 0
        self.counts = {}
        self.ack_gaps = []

    def add(self, driver):
        self.rounds += 1
        self.cycles += driver.cycles
        self.ack_gaps += driver.ack_gaps
        for key, value in driver.shared.counts.items():
            self.counts[key] = self.counts.get(key, 0) + value

    def print(self, seconds):
        counts = ", ".join(f"{value} {key}" for key, value in self.counts.items())
        print(f"{self.rounds} rounds, {self.cycles} cycles: {counts} in {seconds:.0f} s")
        gaps = sorted(self.ack_gaps)
        if gaps:
            p50, p99 = gaps[len(gaps) // 2], gaps[min(len(gaps) - 1, len(gaps) * 99 // 100)]
            print(
                f"from a leader's SIGKILL to the next ack, {len(gaps)} times: "
                f"p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, max {gaps[-1] * 1e3:.0f} ms"
            )


BROKEN = (Violation, Lost, StartError, asyncio.TimeoutError, RuntimeError, KeyError)


def play(cluster, driver, cycles, deadline, totals):
    """One round. True when every promise held."""
    failed = False
    try:
        asyncio.run(run_round(driver, cycles, deadline))
    except BROKEN as error:
        cluster.keep = failed = True
        totals.failed += 1
        report(driver, error)
    totals.add(driver)
    what = f"{len(cluster.nodes)} nodes, {driver.cycles} cycles ({', '.join(driver.blown)})"
    print(f"seed {driver.seed}: {what}, {driver.shared.counts}", flush=True)
    return not failed


def one_round(seed, options, deadline, totals):
    rng = random.Random(seed)
    count = options.nodes or rng.choice((3, 3, 5))
    small_disks = options.small_disks and (options.storm is not None or rng.random() < 0.3)
    own_clocks = options.own_clocks and (options.storm is not None or rng.random() < 0.3)
    with Cluster(count, small_disks, own_clocks) as cluster:
        driver = Driver(seed, cluster, options.storm)
        return play(cluster, driver, options.cycles, deadline, totals)


def run_scenarios(options):
    """One after the other; each counts as one test."""
    totals = Totals()
    start = time.monotonic()
    held = {}
    has = {"disks": options.small_disks, "clocks": options.own_clocks, None: True}
    for name in scenarios.SCENARIOS if options.scenario == "all" else [options.scenario]:
        scenario = scenarios.SCENARIOS[name]
        if not has[scenario.needs]:
            print(f"{name} ({scenario.what}) is left out: no {scenario.needs} of their own here")
            continue
        begun = time.monotonic()
        disks_needed, clocks_needed = scenario.needs == "disks", scenario.needs == "clocks"
        with Cluster(scenario.nodes, disks_needed, clocks_needed) as cluster:
            seed = options.seed if options.seeded else scenario.seed
            driver = Driver(seed, cluster, None, scenario.storms, scenario.with_ids)
            held[name] = play(cluster, driver, len(scenario.storms), float("inf"), totals)
        outcome = "held" if held[name] else "BROKEN"
        print(f"{name} {outcome}: {scenario.what}, {time.monotonic() - begun:.0f} s", flush=True)
    totals.print(time.monotonic() - start)
    failed = sum(not good for good in held.values())
    if options.ledger:
        names = ",".join(held)
        ledger.append("cluster scenarios", names, totals.cycles, f"{failed} broken" if failed else "held")
    print(f"scenarios: {len(held) - failed} passed, {failed} failed")
    return 1 if failed else 0


def run(options):
    totals = Totals()
    start = time.monotonic()
    deadline = start + options.seconds
    seed = options.seed
    while one_round(seed, options, deadline, totals):
        seed += 1
        if (options.rounds and totals.rounds >= options.rounds) or time.monotonic() > deadline:
            break
    totals.print(time.monotonic() - start)
    if options.ledger:
        seeds = f"{options.seed}..{options.seed + totals.rounds - 1}"
        outcome = f"violation in seed {seed}" if totals.failed else "held"
        ledger.append("cluster", seeds, totals.cycles, outcome)
    print(f"cluster: {totals.cycles} passed, {totals.failed} failed")
    return 1 if totals.failed else 0


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--seed", type=int, default=None, help="of the first round")
    parser.add_argument("--rounds", type=int, default=0, help="0: as the time allows")
    parser.add_argument("--cycles", type=int, default=6, help="storms in a round")
    parser.add_argument("--ledger", action="store_true", help="append to tests/ledger.tsv")
    parser.add_argument("--storm", choices=storms.NAMES, help="only this one")
    parser.add_argument("--scenario", choices=[*scenarios.SCENARIOS, "all"], help="a directed one")
    parser.add_argument("--nodes", type=int, choices=(3, 5), help="instead of three or five")
    parser.add_argument("--true-clocks", action="store_true", help="all are right: a sanitizer bears no library before it")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args(arguments)
    options.seeded = options.seed is not None
    if options.seed is None:
        options.seed = int(time.time()) % 1_000_000 * 100
    if not foreign.available():
        print("cluster: no JavaScript client (make cluster-test installs it): the driver's own alone")
    options.small_disks = disks.available()
    if not options.small_disks:
        print("cluster: no right to mount file systems: no disk will be full or lose its power")
    options.own_clocks = clocks.available() and not options.true_clocks
    if not options.own_clocks and not options.true_clocks:
        print("cluster: no library for clocks (make cluster-test builds it): all are right")
    return options


def main():
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it reports every write after a kill
    if not os.access(BINARY, os.X_OK):
        print(f"cluster: no server at {BINARY}")
        return 1
    if options.self_test:
        import cluster_selftest

        return cluster_selftest.main(options)
    return run_scenarios(options) if options.scenario else run(options)


if __name__ == "__main__":
    sys.exit(main())
