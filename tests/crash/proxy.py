#!/usr/bin/env python3
"""A TCP proxy between the nodes of a cluster that delays, trickles, cuts one way and resets.

Each node dials each other node through a port of its own, so the proxy knows who speaks to whom.
What a way (from one node to another) does is set while it runs:

    hold    nothing passes; what is sent waits here and then in the senders' kernels
    delay   seconds that each chunk is late, plus up to `jitter` more; order is kept
    rate    bytes a second; 0: as fast as they come

Bytes are never lost or changed: that is what TCP would do with a bad network under it. A reset
ends connections at once, whatever was under way.

As a program it reads one JSON object a line from stdin, answers each with a line and ends with stdin.
`Proxy` runs that program.
"""

import asyncio
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time

CHUNK = 65536
QUEUED_MAX = 64  # chunks under way in one direction of one connection
TICK_S = 0.02
COMMAND_S = 10
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: a close resets


class Way:
    """From one node to another: how its bytes travel just now."""

    def __init__(self):
        self.open = asyncio.Event()
        self.set({})

    def set(self, fault):
        self.delay = fault.get("delay", 0.0)
        self.jitter = fault.get("jitter", 0.0)
        self.rate = fault.get("rate", 0)
        if fault.get("hold"):
            self.open.clear()
        else:
            self.open.set()

    def late(self):
        return self.delay + random.random() * self.jitter


class Pipe:
    """One connection through the proxy, both directions."""

    def __init__(self, near, far):
        self.sides = (near, far)
        self.tasks = []

    def begin(self, to_far, to_near):
        (near_reader, near_writer), (far_reader, far_writer) = self.sides
        self.tasks = [
            asyncio.create_task(self.carry(near_reader, far_writer, to_far)),
            asyncio.create_task(self.carry(far_reader, near_writer, to_near)),
        ]

    async def carry(self, reader, writer, way):
        queue = asyncio.Queue(QUEUED_MAX)
        feeding = asyncio.create_task(self.feed(reader, queue, way))
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self.pass_on(data, writer, way)
                if not data:
                    return
        except OSError:
            self.reset()
        finally:
            feeding.cancel()

    async def feed(self, reader, queue, way):
        data = b" "
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                self.reset()
                return
            await queue.put((time.monotonic() + way.late(), data))

    async def pass_on(self, data, writer, way):
        await way.open.wait()
        if not data:
            writer.close()
            return
        at = 0
        while at < len(data):
            await way.open.wait()
            size = max(1, int(way.rate * TICK_S)) if way.rate else len(data)
            writer.write(data[at : at + size])
            await writer.drain()
            at += size
            if way.rate:
                await asyncio.sleep(TICK_S)

    def reset(self):
        for _, writer in self.sides:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            writer.transport.abort()

    async def ended(self):
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.reset()


class Switchboard:
    """All ways, all connections. Keys are "FROM>TO" with the nodes' numbers."""

    def __init__(self):
        self.ways = {}
        self.pipes = {}  # "DIALLER>ANSWERER" -> open pipes

    async def listen(self, dialler, answerer, target):
        """The port through which one node dials another."""
        there, back = f"{dialler}>{answerer}", f"{answerer}>{dialler}"
        for key in (there, back):
            self.ways.setdefault(key, Way())
        open_pipes = self.pipes.setdefault(there, set())

        async def accepted(reader, writer):
            try:
                far = await asyncio.open_connection("127.0.0.1", target)
            except OSError:
                writer.transport.abort()
                return
            pipe = Pipe((reader, writer), far)
            open_pipes.add(pipe)
            pipe.begin(self.ways[there], self.ways[back])
            await pipe.ended()
            open_pipes.discard(pipe)

        server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def run(self, command):
        if "listen" in command:
            return [await self.listen(*link) for link in command["listen"]]
        for key, fault in command.get("set", {}).items():
            self.ways[key].set(fault)
        for key in command.get("reset", ()):
            for pipe in list(self.pipes.get(key, ())):
                pipe.reset()
        return None


async def serve():
    board = Switchboard()
    stdin = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        print(json.dumps(await board.run(json.loads(line))), flush=True)
    os._exit(0)  # with whatever is under way


class Proxy:
    """The program above, with a link for each ordered pair of nodes. `ports[a][b]` is where a
    dials b."""

    def __init__(self, targets):
        self.count = len(targets)
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        pairs = [(a, b) for a in range(self.count) for b in range(self.count) if a != b]
        ports = self.command(listen=[(a, b, targets[b]) for a, b in pairs])
        self.ports = {a: {} for a in range(self.count)}
        for (a, b), port in zip(pairs, ports):
            self.ports[a][b] = port
        self.pairs = pairs

    def command(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the proxy ended")
        return json.loads(line)

    def set(self, pairs, **fault):
        """For each (from, to)."""
        self.command(set={f"{a}>{b}": fault for a, b in pairs})

    def reset(self, pairs):
        self.command(reset=[f"{a}>{b}" for a, b in pairs])

    def heal(self):
        self.set(self.pairs)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(COMMAND_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


if __name__ == "__main__":
    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        pass
