#!/usr/bin/env python3
"""Flips the bytes of a small store one at a time: `check` finds it, or a server serves what it did before.

    tests/crash/flips.py [--every N] [--from I] [--seconds S] [--seed S]

The store is tests/golden/store-1.tar.gz. Every byte that is not a zero among zeros is a place; `--every N` takes each
Nth of them. What `check` does not find is served by a server, which must say the same as before, byte by byte.
"""

import argparse
import base64
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e", "wire"))

from wire import Requester  # finds serverprocess
from serverprocess import BINARY, Server, StartError

GOLDEN = os.path.join(HERE, "..", "golden", "store-1.tar.gz")
SERVED = {i: (f"s.{i % 4}", f"message {i}") for i in range(9, 21) if i != 15}
AROUND = 64  # zeros that far from anything written are looked at no more


def places(directory):
    """Every (file, offset) that a reader may look at."""
    for folder, _, names in sorted(os.walk(directory)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                content = file.read()
            last = 0
            for offset, byte in enumerate(content):
                if byte:
                    last = offset
                if byte or (offset - last < AROUND and last):
                    yield path, offset


def check(directory):
    done = subprocess.run([BINARY, "check", directory], capture_output=True, timeout=60, check=False)
    return done.returncode


def serves_the_same(directory):
    """What is not served may be missing, and said to be; what is served is what was stored."""
    with Server() as server:
        server.end(9)
        shutil.rmtree(os.path.join(server.directory, "millrace"), ignore_errors=True)
        shutil.copytree(os.path.join(directory, "millrace"), os.path.join(server.directory, "millrace"))
        try:
            server.start()
        except StartError:
            return True  # refused
        with Requester(server.port) as client:
            for seq in range(1, 21):
                message = client.api("STREAM.MSG.GET.S", {"seq": seq}).get("message")
                if message is None:
                    if seq in SERVED and "damaged" not in server.log():
                        return False
                elif SERVED.get(seq) != (message["subject"], base64.b64decode(message["data"]).decode()):
                    return False
    return True


def flip(path, offset, bit):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0] ^ (1 << bit)
        file.seek(offset)
        file.write(bytes([byte]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    end = time.monotonic() + options.seconds
    found = harmless = 0
    with tempfile.TemporaryDirectory(prefix="millrace-flips-") as directory:
        with tarfile.open(GOLDEN) as archive:
            archive.extractall(directory)
        everything = list(places(directory))
        chosen = everything[options.first :: options.every]
        for path, offset in chosen:
            bit = rng.randrange(8)
            flip(path, offset, bit)
            if check(directory) == 0:
                if not serves_the_same(directory):
                    print(f"{path} at {offset}, bit {bit}: not found, and served otherwise")
                    sys.exit(1)
                harmless += 1
            else:
                found += 1
            flip(path, offset, bit)
            if time.monotonic() > end:
                break
    print(f"{found + harmless} of {len(everything)} bytes flipped: {found} found, {harmless} harmless, 0 served wrongly")


if __name__ == "__main__":
    main()
