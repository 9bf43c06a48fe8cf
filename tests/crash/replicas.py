"""Reads the logs of a node's store, as docs/formats.md describes them, and compares replicas.

It follows the bytes alone and trusts no answer of a server. Files may be read while their server
runs: what is being written reads as not yet there.
"""

import hashlib
import os
import struct

HEADER_SIZE = 4096
SEGMENT_MAGIC = b"MRsegm01"
BATCH_MAGIC = b"MRb1"
ENVELOPE = struct.Struct("<Q4sHHIIQQQQQ16sII")  # checksum .. low half of the sums' hash
CONTENT = struct.Struct("<16sQQ16sqII")  # incarnation .. zero


class Entry:
    """One batch: where the content came from in Raft's terms, and a hash of its bytes."""

    __slots__ = ("term", "named", "before", "digest", "size", "records")

    def __init__(self, term, named, before, digest, size, records):
        self.term = term
        self.named = named  # the content hash that the envelope names
        self.before = before  # the hash of the content before it
        self.digest = digest  # of the content's bytes, computed here
        self.size = size
        self.records = records

    def same(self, other):
        return (self.digest, self.named) == (other.digest, other.named)

    def __repr__(self):
        return f"term {self.term}, {self.size} bytes, {self.records} records, {self.named.hex()}"


def read_segment(path):
    """(file id, index before its first batch, [(index, Entry)]), None for an unfinished file."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < HEADER_SIZE or data[8:16] != SEGMENT_MAGIC:
        return None
    file_id, _, before = struct.unpack_from("<QQQ", data, 48)
    entries = []
    at = HEADER_SIZE
    while at + ENVELOPE.size + CONTENT.size <= len(data):
        fields = ENVELOPE.unpack_from(data, at)
        magic, size, content_size = fields[1], fields[4], fields[5]
        position, index, named = fields[7], fields[10], fields[11]
        if magic != BATCH_MAGIC or position != at or size < ENVELOPE.size + content_size:
            break
        content = data[at + ENVELOPE.size : at + ENVELOPE.size + content_size]
        if content_size < CONTENT.size or len(content) < content_size:
            break
        _, term, inner, chain, _, records, _ = CONTENT.unpack_from(content)
        if inner != index:
            break
        digest = hashlib.blake2b(content, digest_size=16).digest()
        entries.append((index, Entry(term, named, chain, digest, content_size, records)))
        at += size
    return file_id, before, entries


class Log(dict):
    """index -> Entry. At and below `floor`, the index of the newest state block, entries may be
    missing: the block stands for them."""

    floor = 0


def floor_of(directory):
    """The index of the newest state block, which names its file; 0: there is none."""
    names = [name[: -len(".blk")] for name in os.listdir(directory) if name.endswith(".blk")]
    return max((int(name, 16) for name in names), default=0)


def read_log(directory):
    """What stands behind a cut that a later file names is void."""
    files = []
    for name in os.listdir(directory):
        if name.endswith(".seg"):
            found = read_segment(os.path.join(directory, name))
            if found is not None:
                files.append(found)
    log = Log()
    log.floor = floor_of(directory)
    for _, before, entries in sorted(files, key=lambda file: file[0]):
        for index in [index for index in log if index > before]:
            del log[index]
        log.update(entries)
    return log


def find_logs(store):
    """log id -> its directory; of all lanes (docs/formats.md)."""
    lanes = os.path.join(store, "lanes")
    stores = [store, *(os.path.join(lanes, lane) for lane in (os.listdir(lanes) if os.path.isdir(lanes) else ()))]
    logs = [os.path.join(one, "logs") for one in stores]
    return {
        name: os.path.join(one, name)
        for one in logs
        if os.path.isdir(one)
        for name in os.listdir(one)
        if "." not in name
    }


def read_logs(store):
    """log id -> its log; of a server that does not run."""
    return {name: read_log(directory) for name, directory in find_logs(store).items()}


def broken_chain(log):
    """The first index whose content does not follow the one before it, or None."""
    for index in sorted(log):
        before = log.get(index - 1)
        if before is not None and before.named != log[index].before:
            return index
        if before is None and index > log.floor + 1:
            return index
    return None


def difference(logs):
    """What is not the same in the logs of one group (node name -> log), or None.

    While the nodes run, a difference may be one that they are about to settle."""
    for name, log in logs.items():
        if not log and not log.floor:
            return f"the log of {name} is empty"
        index = broken_chain(log)
        if index is not None:
            return f"the log of {name} does not hang together at index {index}"
    (first, reference), *others = logs.items()
    for name, log in others:
        for index in sorted(reference.keys() & log.keys()):
            if not reference[index].same(log[index]):
                return (
                    f"index {index} is not the same\n  {first}: {reference[index]}\n  {name}: {log[index]}"
                )
        floor = max(reference.floor, log.floor)
        if {index for index in reference.keys() ^ log.keys() if index > floor}:
            return f"{first} has {extent(reference)}, {name} has {extent(log)}"
    return None


def extent(log):
    return f"{min(log, default=0)}..{max(log, default=0)} and a block at {log.floor}"


def compare(stores, needed):
    """Compares what the nodes' stores (name -> path) hold of each log. `needed` says how many logs
    must be on how many nodes ({3: 2}: two logs on three nodes); others are on one. The difference as
    text, or None."""
    logs = {name: read_logs(store) for name, store in stores.items()}
    ids = set().union(*logs.values())
    counts = dict.fromkeys(needed, 0)
    for log_id in sorted(ids):
        holders = {name: found[log_id] for name, found in logs.items() if log_id in found}
        if len(holders) in counts:
            counts[len(holders)] += 1
        elif len(holders) > 1:
            return f"log {log_id} is on {', '.join(holders)} only"
        what = difference(holders)
        if what is not None:
            return f"log {log_id}: {what}"
    for nodes, logs_needed in needed.items():
        if counts[nodes] < logs_needed:
            return f"{counts[nodes]} logs are on {nodes} nodes, not {logs_needed}"
    return None
