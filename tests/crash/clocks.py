"""A wall clock for each node that the driver sets: clock.c, put before libc when the node starts."""

import os
import struct

from serverprocess import ROOT

LIBRARY = os.path.join(ROOT, "build", "tests", "clock.so")
OFFSET = struct.Struct("<q")


def available():
    return os.path.exists(LIBRARY)


class Clock:
    """`path` is the file that the node's process maps; it is right until set."""

    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        """How far it is ahead, or behind when below zero."""
        if not os.path.exists(self.path):
            with open(self.path, "wb") as file:
                file.write(bytes(OFFSET.size))
        with open(self.path, "r+b") as file:  # in place: a process has it mapped
            file.write(OFFSET.pack(int(seconds * 1e9)))

    def environment(self):
        return {**os.environ, "LD_PRELOAD": LIBRARY, "MILLRACE_CLOCK": self.path}
