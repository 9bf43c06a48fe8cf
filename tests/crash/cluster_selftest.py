"""Shows that the cluster driver can fail: each kind of broken promise is noticed.

A short round runs for real. Then copies of its stores are damaged, each in one small way, and the
comparison must name a difference; so must a driver whose nodes all come back as they were before,
and a history that is shown one message less.
"""

import asyncio
import os
import shutil
import tempfile
import time

import cluster
import replicas
import workload
from history import Contents, Violation
from nodes import Cluster

CYCLES = 2
DAMAGED, OTHER = "n1", "n2"


# --- what a replica's log may be


def newest_log(store):
    """The file with the most batches that count, of the logs that another node has, too."""
    logs = os.path.join(store, "logs")
    others = os.listdir(os.path.join(os.path.dirname(store), OTHER, "logs"))
    replicated = [os.path.join(logs, name) for name in os.listdir(logs) if name in others]
    paths = [os.path.join(log, name) for log in replicated for name in os.listdir(log)]
    return max(paths, key=lambda path: len(batches(path)))


def highest_floor(path):
    """Of all nodes' replicas of the log that the file is of."""
    log = os.path.dirname(path)
    store = os.path.dirname(os.path.dirname(log))
    nodes = os.path.dirname(store)
    logs = [os.path.join(nodes, node, "logs", os.path.basename(log)) for node in os.listdir(nodes)]
    return max(replicas.floor_of(log) for log in logs if os.path.isdir(log))


def cut_after(path, file_id):
    """The last index of this file that no later file of the log has made void."""
    log = os.path.dirname(path)
    files = [replicas.read_segment(os.path.join(log, name)) for name in os.listdir(log)]
    return min((file[1] for file in files if file and file[0] > file_id), default=float("inf"))


def batches(path):
    """(position, content size) of each batch that counts: neither void nor told by a state block.
    None in a file that is no finished segment."""
    segment = replicas.read_segment(path)
    if segment is None:
        return []
    floor, last = highest_floor(path), cut_after(path, segment[0])
    at, found = replicas.HEADER_SIZE, []
    with open(path, "rb") as file:
        data = file.read()
    for index, _ in segment[2]:
        size, content_size = replicas.ENVELOPE.unpack_from(data, at)[4:6]
        if floor < index <= last:
            found.append((at, content_size))
        at += size
    return found


def change(path, at, by=1):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ by]))


def a_byte_of_a_message_is_changed(store):
    path = newest_log(store)
    at, size = batches(path)[-2]
    change(path, at + replicas.ENVELOPE.size + size - 1)


def the_last_batch_is_missing(store):
    path = newest_log(store)
    at, _ = batches(path)[-1]
    change(path, at + 8)  # the magic


def a_batch_in_the_middle_is_missing(store):
    path = newest_log(store)
    at, _ = batches(path)[len(batches(path)) // 2]
    change(path, at + 8)


def a_batch_names_another_hash(store):
    path = newest_log(store)
    at, _ = batches(path)[-2]
    change(path, at + 64)


def a_log_is_missing(store):
    shutil.rmtree(os.path.dirname(newest_log(store)))


DAMAGES = [
    a_byte_of_a_message_is_changed,
    the_last_batch_is_missing,
    a_batch_in_the_middle_is_missing,
    a_batch_names_another_hash,
    a_log_is_missing,
]


def damage_is_noticed(good, damage):
    """`good` are three equal stores; one is damaged in a copy."""
    with tempfile.TemporaryDirectory(prefix="millrace-selftest-") as directory:
        stores = {}
        for name, store in good.items():
            stores[name] = shutil.copytree(store, os.path.join(directory, name))
        if replicas.compare(stores, {3: 4}) is not None:
            return False
        damage(stores[DAMAGED])
        return replicas.compare(stores, {3: 4}) is not None


# --- what the driver must notice


def without(found, seq):
    messages = {key: content for key, content in found.messages.items() if key != seq}
    return Contents(min(messages), found.last, len(messages), messages)


def lost_message_is_noticed(driver, stream, choose):
    found = driver.found[stream]
    history = driver.histories[stream]
    history.check(found, workload.number_of)
    try:
        history.check(without(found, choose(found.messages)), workload.number_of)
    except Violation:
        return True
    return False


class Back(cluster.Driver):
    """All nodes come back as they were a storm before."""

    def while_down(self):
        for node in self.cluster.nodes:
            copy = node.directory + ".before"
            if self.cycles == 0:
                shutil.copytree(node.directory, copy)
            else:
                shutil.rmtree(node.directory)
                os.rename(copy, node.directory)

    async def blow(self, act, whom):
        await self.kill_several(self.cluster.nodes)


def lost_cycle_is_noticed(seed):
    with Cluster() as nodes:
        driver = Back(seed, nodes)
        try:
            asyncio.run(cluster.run_round(driver, 2, time.monotonic() + 60))
        except Violation:
            return driver.cycles == 1
        finally:
            for node in nodes.nodes:
                shutil.rmtree(node.directory + ".before", ignore_errors=True)
    return False


async def good_round(driver):
    await cluster.run_round(driver, CYCLES, time.monotonic() + 600)
    await driver.check_logs()
    for node in driver.cluster.nodes:
        node.pause()  # all at once: nobody sees another die and writes a new term


def main(options):
    results = {}
    with Cluster() as nodes:
        driver = cluster.Driver(options.seed, nodes)
        asyncio.run(good_round(driver))
        good = {node.name: node.store() for node in nodes.nodes}
        for damage in DAMAGES:
            name = damage.__name__.replace("_", " ")
            results[name] = damage_is_noticed(good, damage)
    results["all nodes fall back by a storm"] = lost_cycle_is_noticed(options.seed)
    for stream in driver.histories:
        name = f"an acked message of {stream} is gone"
        results[name] = lost_message_is_noticed(driver, stream, lambda there: sorted(there)[len(there) // 2])
        name = f"the newest message of {stream} is gone"
        results[name] = lost_message_is_noticed(driver, stream, max)
    for name, passed in results.items():
        print(f"{'noticed' if passed else 'NOT NOTICED'}: {name}")
    failed = sum(not passed for passed in results.values())
    print(f"cluster self-test: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0
