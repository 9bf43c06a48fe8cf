"""Three or five servers as one cluster, each ended, paused and found by its process id.

A paused node is a stopped process: its connections stay open, its answers come when it goes on.
Between the nodes stands a proxy (proxy.py). With small disks each node's directory is a file system
of its own (disks.py), so that it can be full or lose its power; with clocks each has a wall clock of
its own (clocks.py).
"""

import asyncio
import json
import os
import signal
import tempfile
import time
import urllib.error
import urllib.request

import clocks
import disks
from client import Client, Lost
from proxy import Proxy
from serverprocess import Server, StartError, free_port

LEADER_S = 30
MONITOR_S = 10
NOWHERE = "127.0.0.1:1"  # what nodes tell each other: they know each other by their routes alone


class Node(Server):
    """One member: a server that knows the routes of all."""

    def __init__(self, number, port, routes, small, clock):
        name = f"n{number}"
        arguments = ["--server_name", name, "--cluster_name", "CRASH"]
        arguments += ["--cluster", f"nats://127.0.0.1:{port}", "--cluster_advertise", NOWHERE]
        arguments += ["--routes", ",".join(f"nats://127.0.0.1:{route}" for route in routes)]
        self.monitor_port = free_port()
        arguments += ["-m", str(self.monitor_port)]
        super().__init__(arguments, prefix=f"millrace-cluster-{name}-")
        self.number = number
        self.name = name
        self.paused = False
        self.disk = disks.Disk(self.directory) if small else None
        self.clock = None
        if clock:
            handle, path = tempfile.mkstemp(prefix=f"millrace-clock-{name}-")
            os.close(handle)
            self.clock = clocks.Clock(path)
            self.environment = self.clock.environment()

    def __exit__(self, *arguments):
        self.end(signal.SIGKILL)
        if self.clock is not None:
            os.unlink(self.clock.path)
        if self.disk is not None and not self.keep:
            self.disk.close()
        super().__exit__(*arguments)

    def store(self):
        return os.path.join(self.directory, "millrace")

    def serves(self):
        return self.running() and not self.paused

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def monitor(self, path):
        """(status, document) of its monitoring."""
        request = f"http://127.0.0.1:{self.monitor_port}/{path}"
        try:
            with urllib.request.urlopen(request, timeout=MONITOR_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self, sig):
        self.paused = False  # SIGKILL ends a stopped process, too
        return super().end(sig)


class Cluster:
    """Leaving the context ends all nodes; their directories stay if `keep` is set."""

    def __init__(self, count=3, small_disks=False, own_clocks=False):
        ports = [free_port() for _ in range(count)]
        self.small_disks = small_disks
        self.own_clocks = own_clocks
        self.proxy = Proxy(ports)
        self.nodes = []
        for i, port in enumerate(ports):
            routes = [port if j == i else self.proxy.ports[i][j] for j in range(count)]
            self.nodes.append(Node(i, port, routes, small_disks, own_clocks))
        self.keep = False

    def majority(self):
        return len(self.nodes) // 2 + 1

    def minority(self):
        """How many may be lost."""
        return (len(self.nodes) - 1) // 2

    def __enter__(self):
        try:
            self.start(self.nodes)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.keep = self.keep
            node.__exit__()
        self.proxy.close()

    @staticmethod
    def start(nodes):
        for node in nodes:
            node.spawn()
        for node in nodes:
            node.wait_ready()

    def serving(self):
        return [node for node in self.nodes if node.serves()]

    def check_running(self):
        """Raises StartError for a node that ended by itself. All are meant to run."""
        for node in self.nodes:
            if not node.running():
                raise StartError(f"{node.name} ended by itself:\n{node.log()}")

    async def meta_leader(self, seconds=LEADER_S):
        """The node that leads the metadata, by the word of any that serves."""
        names = {node.name: node for node in self.nodes}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for node in self.serving():
                _, document = await asyncio.to_thread(node.monitor, "jsz")
                name = json.loads(document).get("meta_cluster", {}).get("leader")
                if name in names and names[name].serves():
                    return names[name]
            await asyncio.sleep(0.05)
        raise Lost(f"no leader of the metadata within {seconds} s")

    async def leader(self, stream, seconds=LEADER_S):
        """The node that leads the stream, by the word of any that serves."""
        names = {node.name: node for node in self.nodes}
        end = time.monotonic() + seconds
        answer = None
        while time.monotonic() < end:
            for node in self.serving():
                answer = await ask_info(node, stream)
                name = answer.get("cluster", {}).get("leader")
                if name in names and names[name].serves():
                    return names[name]
            await asyncio.sleep(0.05)
        raise Lost(f"no leader of {stream} within {seconds} s: {answer}")


async def ask_info(node, stream):
    """The stream's info through this node, {} when it gave none."""
    try:
        client = await Client.open(node.port)
    except Lost:
        return {}
    try:
        return await client.api(f"STREAM.INFO.{stream}", timeout=5)
    except (Lost, asyncio.TimeoutError, RuntimeError):
        return {}
    finally:
        client.close()
