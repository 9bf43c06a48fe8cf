"""Damages the data files of a node that is down, as bad disks do: flipped bits, a file cut short,
a chunk that is again what it was some time ago.

Two things are left alone, since a replica does not mend them: files with nothing above the newest
state block, which are not read at a start (what is damaged there is found when a message is read),
and a file's header together with all that follows, whose log is then refused.
"""

import os

import replicas

FLIPS = 2  # a file, as good as
CHUNK = 4096
HEADER = 4096  # of a segment file
SIZE_MIN = HEADER + 512


def files(store):
    """The segments of all logs, streams' and metadata."""
    paths = []
    for directory, _, names in os.walk(os.path.join(store, "logs")):
        floor = replicas.floor_of(directory)
        for path in (os.path.join(directory, name) for name in names if name.endswith(".seg")):
            if os.path.getsize(path) > SIZE_MIN and begins_above(path, floor):
                paths.append(path)
    return sorted(paths)


def begins_above(path, floor):
    segment = replicas.read_segment(path)
    return segment is not None and min((index for index, _ in segment[2]), default=0) > floor


def used(path):
    """Where the last byte that is not zero ends: what is behind was never written."""
    with open(path, "rb") as file:
        return len(file.read().rstrip(b"\0"))


def remember(store):
    """What every file holds now, for a rollback."""
    now = {}
    for path in files(store):
        with open(path, "rb") as file:
            now[path] = file.read()
    return now


def flip_bit(rng, path, at):
    """Some bit of the byte at `at`."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << rng.randrange(8))]))


def flip(rng, store, _):
    for path in files(store):
        size = used(path)
        for _ in range(rng.randrange(FLIPS + 1)):
            flip_bit(rng, path, rng.randrange(size))


def truncate(rng, store, _):
    """Mostly a little, sometimes nearly all."""
    for path in files(store):
        if rng.random() < 0.5:
            size = used(path)
            lost = min(size - HEADER - 1, int(1 / (1 - rng.random()) ** 1.5) * 64)
            os.truncate(path, size - lost)


def rollback(rng, store, before):
    for path in files(store):
        old = before.get(path)
        if old is None:
            continue
        chunks = len(old) // CHUNK
        with open(path, "r+b") as file:
            for _ in range(rng.randrange(3)):
                at = rng.randrange(chunks) * CHUNK
                file.seek(at)
                file.write(old[at : at + CHUNK])


ACTS = {"flip": flip, "truncate": truncate, "rollback": rollback}
