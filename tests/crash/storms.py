"""What is done to the nodes of a loaded cluster, each storm by its name: "act whom".

Processes are killed and stopped, disks lost, damaged and filled (damage.py, disks.py), the network
between nodes cut, delayed and reset (proxy.py). Damage of files stays within a minority, since a
majority of good copies is what all promises rest on. When a storm is over every fault of it is
undone, and every node runs.
"""

import asyncio
import shutil
import time

import cluster_load as load
import damage
import workload
from client import Client
from directed import Directed
from history import Violation
from serverprocess import StartError

ACK_S = 30  # to the first ack of a majority that is left

# storm, weight
PROCESSES = {
    "kill leader": 8,
    "kill one": 2,
    "kill two": 2,
    "kill all": 2,
    "pause leader": 5,
    "pause one": 1,
    "pause all": 1,
    "wipe one": 2,
    "strand one": 3,  # a follower sleeps while the others commit, and wakes as the leader dies
}
NETWORK = {
    "cut leader": 3,
    "cut one": 1,
    "mute leader": 2,  # hears the others and is not heard
    "deaf leader": 2,  # is heard and hears nothing
    "split all": 2,  # a majority and the rest
    "bridge all": 2,  # two halves that only one node speaks to
    "slow all": 2,
    "slow leader": 1,
    "trickle leader": 1,
    "reset all": 2,
    "part-kill leader": 2,  # cut off, and one of the others dies
    "pause-kill leader": 2,  # stopped, and one of the others dies
}
FILES = {"flip some": 3, "truncate some": 2, "rollback some": 2}
DISKS = {"full one": 2, "full leader": 2, "full all": 1, "power one": 1, "power two": 2, "power all": 4}
CLOCKS = {"clock all": 3, "clock one": 1}
DIRECTED = ("catalogue two", "churn all", "remove one", "years all", "years one")  # of scenarios alone


def table(small_disks, own_clocks):
    return PROCESSES | NETWORK | FILES | (DISKS if small_disks else {}) | (CLOCKS if own_clocks else {})


NAMES = [*table(True, True), *DIRECTED]


class Storms(Directed):
    """Of a Driver: what it does to its cluster."""

    async def blow(self, act, whom):
        await {
            "kill": self.blow_kill,
            "wipe": self.blow_wipe,
            "pause": self.blow_pause,
            "strand": self.blow_strand,
            "cut": self.blow_cut,
            "mute": self.blow_cut,
            "deaf": self.blow_cut,
            "split": self.blow_split,
            "bridge": self.blow_bridge,
            "slow": self.blow_slow,
            "trickle": self.blow_slow,
            "reset": self.blow_reset,
            "part-kill": self.blow_kill_beside,
            "pause-kill": self.blow_kill_beside,
            "flip": self.blow_damage,
            "truncate": self.blow_damage,
            "rollback": self.blow_damage,
            "full": self.blow_full,
            "power": self.blow_power,
            "clock": self.blow_clock,
            "years": self.blow_years,
            "catalogue": self.blow_catalogue,
            "churn": self.blow_churn,
            "remove": self.blow_remove,
        }[act](act, whom)

    async def victims(self, whom):
        if whom == "leader":
            return [await self.cluster.leader(workload.LOG)]
        nodes = self.cluster.nodes
        return self.rng.sample(nodes, {"one": 1, "two": 2, "all": len(nodes)}[whom])

    async def replaceable(self, count):
        """Nodes whose disk may suffer: what has one replica goes with its disk, and of three replicas
        of a stream on five nodes no two may."""
        only = await self.cluster.leader(load.SOLO)
        client = await Client.open(only.port)
        of_three = [node for node in self.cluster.nodes if await self.holds(client, node, workload.CAS)]
        client.close()
        while True:
            nodes = self.rng.sample([node for node in self.cluster.nodes if node is not only], count)
            if sum(node in of_three for node in nodes) <= 1:
                return nodes

    def some_s(self, *choices):
        return self.rng.choice(choices) + self.rng.random() * 0.3

    # --- processes

    async def blow_kill(self, _, whom):
        nodes = await self.victims(whom)
        if len(nodes) > 1:
            await self.kill_several(nodes)
        else:
            await self.kill(nodes[0], measured=whom == "leader")

    async def blow_wipe(self, *_):
        (node,) = await self.replaceable(1)
        await self.kill(node, measured=False, meanwhile=lambda: shutil.rmtree(node.store()))

    async def blow_pause(self, _, whom):
        nodes = await self.victims(whom)
        for node in nodes:
            node.pause()
        await asyncio.sleep(self.some_s(0.1, 0.5, 1.0, 2.5))
        for node in nodes:
            node.resume()

    async def blow_strand(self, *_):
        """Only those that were awake have everything: one of them must lead."""
        leader = await self.cluster.leader(workload.LOG)
        followers = [node for node in self.cluster.nodes if node is not leader]
        asleep = self.rng.sample(followers, self.cluster.minority())
        others = await self.clients_of(followers)
        for node in asleep:
            node.pause()
        await asyncio.sleep(0.3 + self.rng.random() * 0.7)
        since = time.monotonic()
        await asyncio.to_thread(leader.kill)
        for node in asleep:
            node.resume()
        await self.probe(others, since, False)
        await self.start([leader])

    async def kill(self, node, measured, meanwhile=None):
        others = await self.clients_of(other for other in self.cluster.nodes if other is not node)
        since = time.monotonic()
        await asyncio.to_thread(node.kill)
        await self.probe(others, since, measured)
        await asyncio.sleep(self.rng.random() * 0.7)
        if meanwhile is not None:
            meanwhile()
        await self.start([node])

    async def kill_several(self, nodes):
        for node in nodes:
            await asyncio.to_thread(node.kill)
        self.while_down()
        await self.start(nodes)

    def while_down(self):
        """Where the self-test does its damage."""

    async def start(self, nodes):
        """Sometimes they are killed again while they recover."""
        while self.rng.random() < 0.2:
            for node in nodes:
                node.spawn()
            await asyncio.sleep(self.rng.random() * 0.2)
            for node in nodes:
                node.kill()
        try:
            await asyncio.to_thread(self.cluster.start, nodes)
        except StartError as error:
            raise Violation(f"a node does not start again: {error}") from error

    # --- the network

    def ways(self, some, others):
        """From each of some to each of the others."""
        return [(a.number, b.number) for a in some for b in others if a is not b]

    async def blow_cut(self, act, whom):
        nodes = await self.victims(whom)
        others = [node for node in self.cluster.nodes if node not in nodes]
        ways = self.ways(nodes, others) if act != "deaf" else []
        ways += self.ways(others, nodes) if act != "mute" else []
        await self.cut(ways, others)

    async def blow_split(self, *_):
        nodes = self.rng.sample(self.cluster.nodes, len(self.cluster.nodes))
        few, many = nodes[: self.cluster.minority()], nodes[self.cluster.minority() :]
        await self.cut(self.ways(few, many) + self.ways(many, few), many)

    async def blow_bridge(self, *_):
        """The one in the middle has a majority to each side, or, of three, is one with each."""
        nodes = self.rng.sample(self.cluster.nodes, len(self.cluster.nodes))
        half = self.cluster.minority()
        left, right = nodes[1 : 1 + half], nodes[1 + half :]
        await self.cut(self.ways(left, right) + self.ways(right, left), nodes)

    async def cut(self, ways, majority):
        """The majority must go on before the cut heals."""
        clients = await self.clients_of(majority)
        self.cluster.proxy.set(ways, hold=True)
        try:
            await self.probe(clients, time.monotonic(), False)
            await asyncio.sleep(self.some_s(0.1, 1.0, 3.0))
        finally:
            if self.rng.random() < 0.5:
                self.cluster.proxy.reset(ways)
            self.cluster.proxy.heal()

    async def blow_slow(self, act, whom):
        nodes = await self.victims(whom)
        ways = self.ways(nodes, self.cluster.nodes)
        if act == "trickle":
            self.cluster.proxy.set(ways, rate=self.rng.choice((2_000, 20_000, 200_000)))
        else:
            self.cluster.proxy.set(ways, delay=self.rng.choice((0.01, 0.05)), jitter=0.1)
        await asyncio.sleep(self.some_s(1.0, 2.0, 3.0))
        self.cluster.proxy.heal()

    async def blow_reset(self, *_):
        for _ in range(self.rng.randrange(1, 12)):
            pairs = self.rng.sample(self.cluster.proxy.pairs, self.rng.randrange(1, 4))
            self.cluster.proxy.reset(pairs)
            await asyncio.sleep(self.rng.random() * 0.3)

    async def blow_kill_beside(self, act, _):
        """The leader is cut off or stopped, another dies and comes back, then the leader does."""
        leader = await self.cluster.leader(workload.LOG)
        others = [node for node in self.cluster.nodes if node is not leader]
        if act == "pause-kill":
            leader.pause()
        else:
            self.cluster.proxy.set(self.ways([leader], others) + self.ways(others, [leader]), hold=True)
        await asyncio.sleep(self.some_s(0.05, 0.3, 1.5))
        victim = self.rng.choice(others)
        await asyncio.to_thread(victim.kill)
        await asyncio.sleep(self.some_s(0.05, 0.5))
        await self.start([victim])
        await asyncio.sleep(self.some_s(0.05, 1.0))
        if act == "pause-kill":
            leader.resume()
        self.cluster.proxy.heal()

    # --- disks

    async def blow_damage(self, act, _):
        """Files of a minority are damaged while their nodes are down."""
        nodes = await self.replaceable(self.rng.randrange(1, self.cluster.minority() + 1))
        before = {node: damage.remember(node.store()) for node in nodes}
        await asyncio.sleep(self.some_s(0.1, 0.5))
        for node in nodes:
            await asyncio.to_thread(node.kill)
        for node in nodes:
            damage.ACTS[act](self.rng, node.store(), before[node])
        await self.start(nodes)

    async def blow_full(self, _, whom):
        nodes = await self.victims(whom)
        for node in nodes:
            await asyncio.to_thread(node.disk.fill)
        try:
            await asyncio.sleep(self.some_s(0.5, 2.0))
            if len(nodes) <= self.cluster.minority():
                others = [node for node in self.cluster.nodes if node not in nodes]
                await self.probe(await self.clients_of(others), time.monotonic(), False)
        finally:
            for node in nodes:
                node.disk.free()

    # --- who is left must go on

    async def clients_of(self, nodes):
        return [await Client.open(node.port) for node in nodes]

    async def probe(self, clients, since, measured):
        """A majority must go on; how soon is measured when the leader died."""
        prober = load.Prober(self.shared, clients, since)
        await prober.run(ACK_S)
        for client in clients:
            client.close()
        if prober.acked_after is None:
            raise Violation(f"a majority of the nodes acked nothing within {ACK_S} s")
        if measured:
            self.ack_gaps.append(prober.acked_after)
