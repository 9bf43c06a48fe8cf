"""The storms behind the scenarios of scenarios.py that no single fault makes: power cuts, clocks that
jump, a damaged catalogue, streams that come and go, a member removed by a minority.
"""

import asyncio
import os
import random
import time

import churn
import cluster_load as load
import damage
import replicas
import truth
import workload
from client import Client, Lost
from history import Violation

CATALOGUE = "0000000000000001"
UMOUNT_S = 10
YEARS = 10 * 365 * 86_400
LEADERS_MAX = 12  # deaths of a leader until a damaged node leads
SETTLE_S = 30


class Directed:
    """Of a Driver, beside its Storms."""

    churn = None  # made by the first such storm

    # --- power

    async def blow_power(self, _, whom):
        """All at the same moment: nobody hears of another's end. Without disks of their own they are
        only killed."""
        nodes = await self.victims(whom)
        for node in nodes:
            node.pause()
        for node in nodes:
            if node.disk is not None:
                await asyncio.to_thread(node.disk.cut)
        for node in nodes:
            await asyncio.to_thread(node.kill)
        for node in nodes:
            if node.disk is not None:
                await asyncio.to_thread(restore, node.disk)
        await self.start(nodes)

    # --- clocks

    async def blow_clock(self, _, whom):
        """Within what the window of message ids can bear."""
        await self.strobe(whom, (0, 0.1, 2, 200))

    async def blow_years(self, _, whom):
        await self.strobe(whom, (0, 1, 86_400, YEARS))

    async def strobe(self, whom, spans):
        """The clocks jump to and fro, apart from each other; the leader dies amid it."""
        nodes = await self.victims(whom)
        end = time.monotonic() + self.some_s(1.0, 2.0)
        dies = time.monotonic() + 0.5
        while time.monotonic() < end:
            for node in self.rng.sample(nodes, self.rng.randrange(1, len(nodes) + 1)):
                span = self.rng.choice(spans)
                node.clock.set(self.rng.uniform(-span, span))
            await asyncio.sleep(self.rng.random() * 0.05)
            if dies and time.monotonic() > dies:
                dies = None
                await self.kill(await self.cluster.leader(workload.LOG), measured=False)
        for node in self.cluster.nodes:
            node.clock.set(0)

    # --- the catalogue

    async def blow_catalogue(self, *_):
        """Its files on a minority are damaged, and one of those nodes leads it next."""
        nodes = await self.replaceable(self.cluster.minority())
        for node in nodes:
            await asyncio.to_thread(node.kill)
        for node in nodes:
            self.damage_catalogue(node.store())
        await self.start(nodes)
        await truth.check(self.cluster)  # until it is mended nobody can be made to lead
        for _ in range(LEADERS_MAX):
            leader = await self.cluster.meta_leader()
            if leader in nodes:
                return
            await self.kill(leader, measured=False)
            await truth.check(self.cluster)
        raise Violation(f"none of {[node.name for node in nodes]} ever leads the metadata")

    def damage_catalogue(self, store):
        """More than a bit here and there: at least one in each file."""
        directory = os.path.join(store, "logs", CATALOGUE)
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            size = damage.used(path) if name.endswith(".seg") else 0
            if size <= replicas.HEADER_SIZE:
                continue
            for _ in range(self.rng.randrange(1, 4)):
                damage.flip_bit(self.rng, path, self.rng.randrange(replicas.HEADER_SIZE, size))

    # --- streams come and go

    async def blow_churn(self, *_):
        if self.churn is None:
            self.churn = churn.Churn(random.Random(self.rng.random()), self.cluster)
        work = asyncio.create_task(self.churn.run(3.0))
        try:
            while not work.done():
                count = self.rng.randrange(1, len(self.cluster.nodes) + 1)
                await self.kill_several(self.rng.sample(self.cluster.nodes, count))
                await asyncio.sleep(0.2 + self.rng.random() * 0.8)
        finally:
            await work
        await self.settle()
        await self.churn.check()

    async def end_churn(self):
        def logs():
            held = [set(replicas.find_logs(node.store())) for node in self.cluster.nodes]
            return len(set().union(*held))

        if self.churn is not None:
            await self.churn.end(logs)

    # --- members

    async def blow_remove(self, *_):
        """One is cut off, it and two more die, and the rest is told to remove one of its own: it is
        no majority and must not. Then a majority is told the same while the leader dies."""
        nodes = self.rng.sample(self.cluster.nodes, len(self.cluster.nodes))
        dead, (removed, asked) = nodes[:3], nodes[3:]
        ways = self.ways(nodes[:1], nodes[1:])
        self.cluster.proxy.set(ways + [(b, a) for a, b in ways], hold=True)
        await asyncio.sleep(self.some_s(0.3))
        for node in dead:
            await asyncio.to_thread(node.kill)
        if await self.remove(asked, removed):
            raise Violation(f"{asked.name} and {removed.name} of five remove one without a majority")
        await truth.alone_is_told(asked)
        self.cluster.proxy.heal()
        await self.start(dead)
        await self.remove_with_majority()

    async def remove_with_majority(self):
        leader = await self.cluster.leader(workload.CAS)
        client = await Client.open(leader.port)
        peers = [node for node in self.cluster.nodes
                 if node is not leader and await self.holds(client, node, workload.CAS)]
        client.close()
        removed = self.rng.choice(peers)
        asked = self.rng.choice([node for node in self.cluster.nodes if node is not leader])
        asking = asyncio.create_task(self.remove(asked, removed))
        await asyncio.sleep(self.rng.random() * 0.02)
        await self.kill(leader, measured=False)
        if not await asking:
            return
        end = time.monotonic() + SETTLE_S
        client = await Client.open(asked.port)
        while await self.holds(client, removed, workload.CAS):
            if time.monotonic() > end:
                raise Violation(f"{removed.name} was removed and is a member after {SETTLE_S} s")
            await asyncio.sleep(0.1)
        client.close()

    @staticmethod
    async def remove(asked, removed):
        """True if it was said to be done."""
        client = await Client.open(asked.port)
        try:
            answer = await client.api(f"STREAM.PEER.REMOVE.{workload.CAS}", {"peer": removed.name}, timeout=3)
            return answer.get("success", False)
        except (Lost, asyncio.TimeoutError, RuntimeError):
            return False
        finally:
            client.close()


def restore(disk):
    """What the kernel still does for a dead process holds its files for a moment."""
    end = time.monotonic() + UMOUNT_S
    while True:
        try:
            disk.restore()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


assert load  # the streams that these storms speak of
