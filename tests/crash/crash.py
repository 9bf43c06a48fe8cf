#!/usr/bin/env python3
"""Kills a loaded server again and again and checks every promise against the clients' history.

    crash.py --seconds 180 --seed 1      until the time is over or a promise is broken
    crash.py --rounds 1 --seed 42        one round
    crash.py --self-test                 shows that each kind of broken promise is noticed

A round is a fresh directory and some cycles of: load, SIGKILL at a random moment, restart, check.
Its seed decides the load and the moments; the interleaving is the machine's. A violation ends the
run with exit code 1, prints what was sent and what was found, and keeps the directory.
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

import ledger  # noqa: E402
import reading  # noqa: E402
import workload  # noqa: E402
from client import Client, Lost  # noqa: E402
from deadline import within  # noqa: E402
from history import (  # noqa: E402
    ConsumerHistory,
    ExpectingHistory,
    KeyHistory,
    State,
    StreamHistory,
    TrimHistory,
    Violation,
)
from serverprocess import BINARY, Server, StartError, is_millrace  # noqa: E402

KILL_AFTER_S = 1.5
SETUP_S = 60
CHECK_S = 180
DRAIN_S = 120
CLOSE_S = 20
OPS_MAX = 60_000  # a longer history makes the checks slower than the load


class Driver:
    """One round: a directory, a history and the cycles over them."""

    def __init__(self, seed, strict, server):
        self.seed = seed
        self.rng = random.Random(seed)
        self.server = server
        depth = self.rng.randrange(1, 4)
        self.configs = workload.stream_configs(depth)
        self.histories = {
            workload.LOG: StreamHistory(workload.LOG),
            workload.CAS: ExpectingHistory(workload.CAS),
            workload.KEYS: KeyHistory(workload.KEYS, depth, strict),
            workload.TRIM: TrimHistory(workload.TRIM, atomic=strict),
        }
        self.consumer = ConsumerHistory(workload.CONSUMER, strict)
        self.shared = workload.Round(self.rng, self.histories, self.consumer)
        self.known = {}
        self.found = {}
        self.cycles = 0

    # --- the server

    async def set_up(self):
        client = await Client.open(self.server.port)
        for config in self.configs:
            answer = await client.api(f"STREAM.CREATE.{config['name']}", config)
            if "error" in answer:
                raise Violation(f"no stream {config['name']}: {answer['error']}")
        name = f"CONSUMER.DURABLE.CREATE.{workload.LOG}.{workload.CONSUMER}"
        answer = await client.api(name, workload.CONSUMER_CONFIG)
        if "error" in answer:
            raise Violation(f"no consumer: {answer['error']}")
        client.close()

    async def restart(self):
        """Sometimes it is killed again while it recovers."""
        while self.rng.random() < 0.2:
            self.server.spawn()
            await asyncio.sleep(self.rng.random() * 0.1)
            self.server.kill()
        try:
            await asyncio.to_thread(self.server.start)
        except StartError as error:
            raise Violation(f"the server does not start again: {error}") from error

    # --- load and kill

    def actors(self, clients):
        shared, rng = self.shared, self.rng
        last = self.histories[workload.CAS].last_seen
        again = self.histories[workload.LOG].to_retry()

        def window():
            return rng.choice((1, 4, 30, 120))

        return [
            workload.PlainPublisher(shared, clients[0], 0, window()),
            workload.PlainPublisher(shared, clients[1], 1, window()),
            workload.IdPublisher(shared, clients[2], 2, window(), again[::2]),
            workload.IdPublisher(shared, clients[3], 3, window(), again[1::2]),
            workload.StreamExpecter(shared, clients[4], 4, 3, last),
            workload.SubjectExpecter(shared, clients[0], 5, 5, self.known),
            workload.SubjectExpecter(shared, clients[4], 6, 5, self.known),
            workload.KeyWriter(shared, clients[1], 7, 12),
            workload.KeyWriter(shared, clients[3], 8, 3),
            workload.Trimmer(shared, clients[2], 9, window()),
            workload.Deleter(shared, clients[5]),
            workload.Reader(shared, clients[6]),
        ]

    async def load_and_kill(self):
        """The load of one life of the server, up to its SIGKILL."""
        lifetime = self.rng.random() ** 2 * KILL_AFTER_S  # early kills cost least and find most
        clients = [await Client.open(self.server.port) for _ in range(7)]
        for actor in self.actors(clients):
            actor.pump()
        end = time.monotonic() + lifetime
        while time.monotonic() < end and self.shared.failure is None:
            await asyncio.sleep(min(0.05, max(0.001, end - time.monotonic())))
            self.wake(clients)
        if not self.server.running():
            raise Violation(f"the server ended by itself:\n{self.server.log()}")
        await asyncio.to_thread(self.server.kill)
        closed = asyncio.gather(*(client.closed for client in clients))
        await within(CLOSE_S, "the connection's end after the kill", closed)
        self.raise_failure()
        for client in clients:
            if client.errors:
                raise Violation(f"the server said {client.errors[0]!r}")

    def wake(self, clients):
        """The deleter stops when there is nothing to delete; a new one looks again."""
        if not clients[5].waiting:
            workload.Deleter(self.shared, clients[5]).pump()

    def raise_failure(self):
        if self.shared.failure is not None:
            raise self.shared.failure

    # --- checks

    async def check(self):
        client = await Client.open(self.server.port)
        for name, history in self.histories.items():
            found = await reading.contents(client, name)
            history.check(found, workload.number_of)
            span = range(max(1, found.last - 50), found.last + 2)
            await reading.check_gets(client, name, found, self.rng.sample(span, min(10, len(span))))
            self.found[name] = found
        self.consumer.restarted()
        info = await reading.consumer_info(client, workload.LOG, workload.CONSUMER)
        self.consumer.check(info, self.found[workload.LOG].messages)
        client.close()

    async def drain(self):
        """At the end of a round the consumer hands out all that is left and is then idle."""
        client = await Client.open(self.server.port)
        workload.Reader(self.shared, client, sincere=True).pump()
        end = time.monotonic() + DRAIN_S
        while True:
            self.raise_failure()
            info = await reading.consumer_info(client, workload.LOG, workload.CONSUMER)
            if info["num_pending"] == 0 and info["num_ack_pending"] == 0:
                break
            if time.monotonic() > end:
                raise Violation(f"the consumer is not drained within {DRAIN_S} s: {info}")
            await asyncio.sleep(0.1)
        self.raise_failure()
        self.consumer.check_complete(self.found[workload.LOG].messages)
        client.close()

    async def cycle(self):
        try:
            await within(SETUP_S, "load and kill", self.load_and_kill())
        except Lost as error:
            raise Violation(f"a running server dropped a connection: {error}") from error
        self.while_down()
        await self.restart()
        await within(CHECK_S, "the check", self.check())
        self.cycles += 1

    def while_down(self):
        """Where the self-test does its damage."""

    def operations(self):
        return self.shared.numbers


class Totals:
    def __init__(self):
        self.rounds = 0
        self.cycles = 0
        self.failed = 0
        self.counts = {}

    def add(self, driver):
        self.rounds += 1
        self.cycles += driver.cycles
        for key, value in driver.shared.counts.items():
            self.counts[key] = self.counts.get(key, 0) + value

    def text(self):
        counts = ", ".join(f"{value} {key}" for key, value in self.counts.items())
        return f"{self.rounds} rounds, {self.cycles} cycles: {counts}"


async def run_round(driver, cycles, deadline):
    await within(SETUP_S, "setting up", driver.set_up())
    for _ in range(cycles):
        await driver.cycle()
        if time.monotonic() > deadline or driver.operations() > OPS_MAX:
            break
    await driver.drain()


def report(driver, error):
    print(f"VIOLATION in the round of seed {driver.seed}, cycle {driver.cycles + 1}", flush=True)
    print(f"{type(error).__name__}: {error}")
    print(f"directory kept: {driver.server.directory}")
    print("the server's last lines:")
    print("".join(driver.server.lines[-15:]), flush=True)


def one_round(seed, strict, cycles, deadline, totals):
    """True when every promise held."""
    with Server(prefix="millrace-crash-") as server:
        driver = Driver(seed, strict, server)
        try:
            asyncio.run(run_round(driver, cycles, deadline))
        except (Violation, Lost, asyncio.TimeoutError, RuntimeError, KeyError) as error:
            server.keep = True
            totals.failed += 1
            report(driver, error)
        totals.add(driver)
        counts = driver.shared.counts
        open_ops = sum(
            op.state is State.LOST for h in driver.histories.values() for op in h.ops.values()
        )
        print(f"seed {seed}: {driver.cycles} cycles, {counts}, {open_ops} lost unacked", flush=True)
    return totals.failed == 0


def run(options, strict):
    totals = Totals()
    start = time.monotonic()
    deadline = start + options.seconds
    seed = options.seed
    while True:
        if not one_round(seed, strict, options.cycles, deadline, totals):
            break
        seed += 1
        if options.rounds and totals.rounds >= options.rounds:
            break
        if time.monotonic() > deadline:
            break
    print(f"{totals.text()} in {time.monotonic() - start:.0f} s")
    if options.ledger:
        seeds = f"{options.seed}..{options.seed + totals.rounds - 1}"
        outcome = f"violation in seed {seed}" if totals.failed else "held"
        ledger.append("crash", seeds, totals.cycles, outcome)
    print(f"crash: {totals.cycles} passed, {totals.failed} failed")
    return 1 if totals.failed else 0


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None, help="of the first round")
    parser.add_argument("--rounds", type=int, default=0, help="0: as the time allows")
    parser.add_argument("--cycles", type=int, default=10, help="kills in a round")
    parser.add_argument("--ledger", action="store_true", help="append to tests/ledger.tsv")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument(
        "--promises",
        choices=("auto", "all", "reference"),
        default="auto",
        help="what to hold the server to; auto: what it is known to promise",
    )
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = int(time.time()) % 1_000_000 * 100
    return options


def is_strict(options):
    return is_millrace() if options.promises == "auto" else options.promises == "all"


def main():
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it reports every write after a kill
    if not os.access(BINARY, os.X_OK):
        print(f"crash: no server at {BINARY}")
        return 1
    strict = is_strict(options)
    print(f"{BINARY}: {'every promise' if strict else 'the promises of the reference server'}")
    if options.self_test:
        import selftest

        return selftest.main(options)
    return run(options, strict)


if __name__ == "__main__":
    sys.exit(main())
