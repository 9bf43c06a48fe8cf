"""Runs a command that the system refuses certain calls, as the seccomp profiles of containers do.

    forbid.py ERRNO CALL... -- COMMAND ARGUMENT...

The numbers of these calls are the same on every architecture.
"""

import ctypes
import errno
import os
import struct
import sys

CALLS = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "epoll_pwait2": 441}

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_NUMBER = (0x20, 0, 0, 0)  # of seccomp_data, the first word
ALLOW = (0x06, 0, 0, 0x7FFF0000)


def program(calls, number):
    refuse = (0x06, 0, 0, 0x00050000 | number)
    steps = [LOAD_NUMBER]
    for call in calls:
        steps += [(0x15, 0, 1, CALLS[call]), refuse]
    return [*steps, ALLOW]


def forbid(calls, number):
    """From here on, in this process and what it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    steps = program(calls, number)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    filled = Program(len(steps), ctypes.addressof(code))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filled)
    ):
        raise OSError(ctypes.get_errno(), "no seccomp filter")


def main():
    split = sys.argv.index("--")
    forbid(sys.argv[2:split], getattr(errno, sys.argv[1]))
    os.execvp(sys.argv[split + 1], sys.argv[split + 1 :])


if __name__ == "__main__":
    main()
