"""A server process for tests: found, started on a free port, ended by its process id.

Everything that waits has a deadline. A server is left running by nobody: Server is a context
manager, and leaving it kills the process and removes its directory unless keep is set.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from ports import free_port  # noqa: E402,F401  pylint: disable=unused-import

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(ROOT, os.environ.get("MILLRACE_BIN", "build/millrace"))

START_S = 60.0
STOP_S = 60.0
READY = "Server is ready"


def is_millrace():
    """False for the reference server, which makes fewer promises."""
    out = subprocess.run([BINARY, "--help"], capture_output=True, timeout=START_S, check=False)
    return re.search(rb"millrace", out.stdout + out.stderr, re.IGNORECASE) is not None


class StartError(Exception):
    """The process ended, or stayed silent, instead of becoming ready."""


class Server:
    """One server process after another on the same port and directory."""

    def __init__(self, arguments=(), jetstream=True, prefix="millrace-test-", keep=False):
        self.directory = tempfile.mkdtemp(prefix=prefix)
        self.port = free_port()
        self.arguments = list(arguments)
        self.jetstream = jetstream
        self.keep = keep
        self.environment = None  # that of this process
        self.process = None
        self.lines = []
        self._reader = None
        self._ready = threading.Event()

    def __enter__(self):
        try:
            for attempt in range(5):
                try:
                    self.start()
                    break
                except StartError:
                    # Another program may have taken the port between the probe and our start.
                    if attempt == 4 or "address already in use" not in self.log():
                        raise
                    self.port = free_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
        if not self.keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def command(self):
        store = ["-js", "-sd", self.directory] if self.jetstream else []
        return [BINARY, "-a", "127.0.0.1", "-p", str(self.port), *store, *self.arguments]

    def spawn(self):
        """Starts the process and returns at once."""
        self.lines = []
        self._ready.clear()
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=self.environment,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process):
        for line in process.stderr:
            self.lines.append(line)
            if READY in line:
                self._ready.set()
        process.stderr.close()

    def start(self):
        """Starts the process and waits until it serves."""
        self.spawn()
        self.wait_ready()

    def wait_ready(self):
        end = time.monotonic() + START_S
        while not self._ready.wait(0.005):
            if self.process.poll() is not None:
                self._reader.join(STOP_S)
                raise StartError(f"ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > end:
                raise StartError(f"not ready within {START_S} s:\n{self.log()}")

    def end(self, sig):
        """Sends the signal, waits for the end and returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)
            raise
        self._reader.join(STOP_S)
        self.process = None
        return code

    def kill(self):
        return self.end(signal.SIGKILL)

    def restart(self, sig=signal.SIGKILL):
        self.end(sig)
        self.start()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return "".join(self.lines)
