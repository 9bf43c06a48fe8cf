"""A small disk for one node: an ext4 file system in a file, mounted over the node's directory.

Needs the right to mount; where that is missing (`available` is False) no disk is ever full here, and
none loses its power. The file is sparse, and what fills the disk is only reserved, so a full disk costs
no space.

A power cut is the file system's own: it is told to stop at once. What it had not written to its device
by then, pages as well as its journal, never gets there; the next mount recovers as after any cut.
"""

import fcntl
import os
import struct
import subprocess
import tempfile

SIZE = 1 << 30
RESERVE_STEP = 1 << 20
SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
WITHOUT_FLUSH = 2  # not even the journal is written


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


class Disk:
    """Mounted over `directory` until close."""

    def __init__(self, directory, size=SIZE):
        self.directory = directory
        self.mounted = False
        handle, self.image = tempfile.mkstemp(prefix="millrace-disk-", suffix=".img")
        os.close(handle)
        try:
            os.truncate(self.image, size)
            run("mkfs.ext4", "-q", "-m", "0", self.image)
            self.mount()
        except OSError:
            os.unlink(self.image)
            raise

    def ballast(self):
        return os.path.join(self.directory, "ballast")

    def fill(self):
        """Takes what is free, to the last megabyte and then to the last block."""
        with open(self.ballast(), "ab") as file:
            step = RESERVE_STEP
            while step >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
                except OSError:
                    step //= 2

    def free(self):
        if os.path.exists(self.ballast()):
            os.unlink(self.ballast())

    def mount(self):
        run("mount", "-o", "loop", self.image, self.directory)
        self.mounted = True

    def cut(self):
        """The power is gone. Whoever has files open here gets errors from now on."""
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(directory)

    def restore(self):
        """The power is back. Nobody may have files open. Raises OSError while the kernel holds the old
        file system, as for another mount namespace that was made meanwhile: to be tried again."""
        if self.mounted:
            run("umount", self.directory)
            self.mounted = False
        self.mount()
        probe = os.path.join(self.directory, "probe")
        os.mkdir(probe)  # fails where what was mounted is the one that was shut down
        os.rmdir(probe)

    def close(self):
        run("umount", "-l", self.directory)
        os.unlink(self.image)


def available():
    try:
        with tempfile.TemporaryDirectory(prefix="millrace-disk-") as directory:
            Disk(directory, 4 << 20).close()
        return True
    except OSError:
        return False
