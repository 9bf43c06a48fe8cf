"""Three servers as one cluster, each ended, paused and found by its process id.

A paused node is a stopped process: its connections stay open, its answers come when it goes on.
"""

import asyncio
import os
import signal
import time

from client import Client, Lost
from serverprocess import Server, StartError, free_port

COUNT = 3
LEADER_S = 30


class Node(Server):
    """One member: a server that knows the routes of all."""

    def __init__(self, name, port, routes):
        arguments = ["--server_name", name, "--cluster_name", "CRASH"]
        arguments += ["--cluster", f"nats://127.0.0.1:{port}", "--routes", routes]
        super().__init__(arguments, prefix=f"millrace-cluster-{name}-")
        self.name = name
        self.paused = False

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

    def end(self, sig):
        self.paused = False  # SIGKILL ends a stopped process, too
        return super().end(sig)


class Cluster:
    """Leaving the context ends all nodes; their directories stay if `keep` is set."""

    def __init__(self):
        ports = [free_port() for _ in range(COUNT)]
        routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
        self.nodes = [Node(f"n{i}", port, routes) for i, port in enumerate(ports)]
        self.keep = False

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
