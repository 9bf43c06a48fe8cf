"""Ports for servers of tests, which a server that was killed finds free when it comes back.

A port that the kernel picks is free at that moment only: while a server is down, any connection of any program may get
it as its own end. So these are from below the range of such ports, and no other test process takes one as long as this one runs:
it locks a byte of a file for each.
"""

import fcntl
import os
import random
import socket
import tempfile
import threading

FIRST, LAST = 10000, 32000  # Linux gives connections 32768 and above

_guard = threading.Lock()
_taken = set()
_file = None


def _lock(port):
    """False: another process has it."""
    global _file  # pylint: disable=global-statement
    if _file is None:
        path = os.path.join(tempfile.gettempdir(), f"millrace-test-ports-{os.getuid()}")
        _file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """One that is this process's until it ends."""
    with _guard:
        for port in random.SystemRandom().sample(range(FIRST, LAST), 1000):
            if port not in _taken and _lock(port) and _is_free(port):
                _taken.add(port)
                return port
    raise RuntimeError("no port is free")
