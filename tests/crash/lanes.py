#!/usr/bin/env python3
"""Streams that several threads turn (docs/shards.md): loaded from connections on all shards, which move between them, while
monitoring, the system account and reloads look at all of them, and streams and consumers come and go; then the server is
killed, or ended, and started again, now and then with another number of shards. No acked message may be lost, none be
there twice, each connection's stand in order, and nothing is delivered whose ack was confirmed.

    lanes.py --seconds N [--seed S] [--shards N] [--life S]
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

import lanes_load  # noqa: E402
import reading  # noqa: E402
from client import Client, Lost  # noqa: E402
from deadline import within  # noqa: E402
from history import Violation  # noqa: E402
from lanes_load import STREAMS, name_of  # noqa: E402
from serverprocess import Server, StartError, free_port  # noqa: E402

END_S = 60
CHECK_S = 240
FED_S = 120
PULL = {"durable_name": "pull", "ack_policy": "explicit", "ack_wait": 5_000_000_000, "max_ack_pending": 1000}

CONFIG = """
accounts {
  USERS { jetstream: { max_file: %dGB, max_mem: 1GB }, users: [ { user: u, password: u } ] }
  SYS { users: [ { user: sys, password: sys } ] }
}
system_account: SYS
no_auth_user: u
max_payload: %d
"""


class Run:
    """One directory and one server after another on it."""

    def __init__(self, options, server):
        self.options = options
        self.rng = random.Random(options.seed)
        self.server = server
        self.http = free_port()
        self.config = os.path.join(server.directory, "server.conf")
        self.oracle = lanes_load.Oracle()
        self.churned, self.in_memory = {}, {}
        self.stopping = self.killed = False
        self.failure = None
        self.cycles = 0
        self.write_config()
        server.arguments = ["-c", self.config, "-m", str(self.http)]
        self.set_shards(options.shards)

    def set_shards(self, shards):
        self.server.environment = {
            **os.environ, "MILLRACE_SHARDS_TEST": str(shards), "MILLRACE_SHARDS_MOVES": "1"}

    def write_config(self):
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(CONFIG % (self.rng.randrange(10, 20), self.rng.randrange(1 << 19, 1 << 20)))
        os.rename(self.config + ".new", self.config)

    def reload(self):
        self.write_config()
        if self.server.running() and not self.killed:
            self.server.process.send_signal(signal.SIGHUP)

    def fail(self, violation):
        self.failure = self.failure or violation
        self.stopping = True

    # --- a life

    async def set_up(self):
        client = await Client.open(self.server.port)
        for config in lanes_load.configs():
            answer = await client.api(f"STREAM.CREATE.{config['name']}", config)
            if "error" in answer:
                raise Violation(f"{config['name']}: {answer['error']}")
        for stream in map(name_of, range(STREAMS)):
            answer = await client.api(f"CONSUMER.CREATE.{stream}.pull", {"stream_name": stream, "config": PULL})
            if "error" in answer:
                raise Violation(f"{stream}: {answer['error']}")
        client.close()

    async def live(self):
        """Load up to the end of the process."""
        self.stopping = self.killed = False
        clients = [await Client.open(self.server.port) for _ in range(lanes_load.PUBLISHERS)]
        publishers = [lanes_load.Publisher(self, client) for client in clients]
        actors = [asyncio.ensure_future(actor.work()) for actor in lanes_load.actors(self)]
        end = time.monotonic() + self.rng.random() * self.options.life
        while time.monotonic() < end and self.failure is None and self.server.running():
            await asyncio.sleep(0.05)
        if not self.server.running():
            raise Violation(f"the server ended by itself:\n{self.server.log()}")
        if self.failure is None:
            await asyncio.to_thread(self.end)
        self.stopping = True
        for client in clients:
            client.close()
        await within(END_S, "the end of all actors", asyncio.gather(*actors))
        if self.failure is not None:
            raise self.failure
        return publishers

    def end(self):
        self.killed = True
        sig = signal.SIGTERM if self.rng.random() < 0.3 else signal.SIGKILL
        code = self.server.end(sig)
        if code not in (0, -signal.SIGKILL) and not (code == 1 and sig == signal.SIGTERM):
            raise Violation(f"it ended with {code} after signal {sig}:\n{self.server.log()}")

    async def restart(self):
        if self.rng.random() < 0.3:
            self.set_shards(self.rng.choice((1, 2, 3, 5)))
        else:
            self.set_shards(self.options.shards)
        try:
            await asyncio.to_thread(self.server.start)
        except StartError as error:
            raise Violation(f"the server does not start again: {error}") from error

    # --- what must hold

    async def read(self, client, stream):
        found = await reading.contents(client, stream)
        return {sequence: content[2] for sequence, content in found.messages.items()}

    async def check(self):
        client = await Client.open(self.server.port)
        whole = [await self.read(client, name_of(stream)) for stream in range(STREAMS)]
        for stream, found in enumerate(whole):
            self.oracle.check_stream(stream, found)
            info = await reading.consumer_info(client, name_of(stream), "pull")
            if info["ack_floor"]["stream_seq"] > max(found, default=0):
                raise Violation(f"{name_of(stream)}: a floor behind its end: {info}")
        await self.check_fed(client, whole)
        await self.check_churned(client)
        client.close()

    async def check_fed(self, client, whole):
        """A mirror and sources have all of their origins in the end, once."""
        count = sum(map(len, whole))
        end = time.monotonic() + FED_S
        while (held := [(await reading.info(client, name))["state"]["messages"] for name in ("COPY", "SUM")]) \
                != [len(whole[1]), count]:
            if time.monotonic() > end:
                raise Violation(f"COPY and SUM have {held} messages, their origins {len(whole[1])} and {count}")
            await asyncio.sleep(0.1)
        if await self.read(client, "COPY") != whole[1]:
            raise Violation("COPY differs from its origin")
        bodies = sorted((await self.read(client, "SUM")).values())
        if bodies != sorted(body for found in whole for body in found.values()):
            raise Violation("SUM has others than its origins")

    async def check_churned(self, client):
        there = set((await client.api("STREAM.NAMES")).get("streams") or ())
        for name, known in self.churned.items():
            if known is not None and known != (name in there) and not (known and self.in_memory[name]):
                raise Violation(f"{name} must {'' if known else 'not '}be there")
            self.churned[name] = name in there

    async def all(self):
        end = time.monotonic() + self.options.seconds
        await within(END_S, "setting up", self.set_up())
        while True:
            await self.live()
            await self.restart()
            await within(CHECK_S, "the check", self.check())
            self.cycles += 1
            if time.monotonic() > end:
                return


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--life", type=float, default=4, help="the longest of a process, in seconds")
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    failed = 0
    server = Server(prefix="millrace-lanes-")
    run = Run(options, server)
    with server:
        try:
            asyncio.run(run.all())
        except (Violation, Lost, asyncio.TimeoutError, RuntimeError) as error:
            failed = 1
            server.keep = True
            print(f"VIOLATION with seed {options.seed}, life {run.cycles + 1}\n{type(error).__name__}: {error}")
            print(f"directory kept: {server.directory}\nthe server's last lines:")
            print("".join(server.lines[-15:]), flush=True)
    print(f"seed {options.seed}: {run.cycles} lives, {run.oracle.counts}")
    print(f"lanes: {run.cycles} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
