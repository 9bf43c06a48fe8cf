#!/usr/bin/env python3
"""Refuses an include that points the wrong way (docs/architecture.md, "Folders").

A folder may include itself and the folders its row lists; a third-party library is included by its
one door only.
"""
import re
import subprocess
import sys

ALLOWED = {
    "base": set(),
    "storage": {"base"},
    "raft": {"base", "storage"},
    "consumers": {"base"},
    "kv": {"base"},
    "objstore": {"base"},
    "server/stream": {"base", "storage", "raft", "consumers", "server"},
    "server": {"base", "storage", "raft", "consumers"},
    "cli": {"base", "kv", "objstore"},
    "bench": set(),
    "tests": {"base", "storage", "raft", "consumers", "kv", "objstore", "server", "cli", "tests"},
}

# Headers of server/ that its stream folder may know: contracts, not the program around them.
STREAM_MAY = {
    "server/jetstream.h", "server/jetstream_core.h", "server/jetstream_flaws.h", "server/log_clock.h", "server/message_trace.h", "server/router.h", "server/server.h", "server/sublist.h", "server/options.h",
    "server/api/api.h", "server/api/advisory.h", "server/subject_transform.h",
    "server/tls/digest.h", "server/backup/archive.h", "server/backup/consumer_file.h",
}

# What the command line shares with the server: encodings and names, none of its state.
CLI_MAY = {"server/auth/base64.h", "server/auth/nkey.h", "server/options.h", "server/stream/stream_config.h"}
# What looks at a stopped server's files for the doctor.
DOCTOR_MAY = {f"server/program/{name}.h" for name in ("check", "configured", "file_system", "foreign_data", "gauge", "inspect")}
# Buckets are streams with rules: of the server they know what a stream is told and what a message looks like.
VIEWS_MAY = {"server/stream/stream_config.h", "server/stream/header_block.h"}

DOORS = {
    "liburing.h": re.compile(r"^base/io_uring"),
    "xxhash.h": re.compile(r"^base/bytes\.c$|^storage/hash\.[ch]$|^base/io_sim"),
    "xxh_x86dispatch.h": re.compile(r"^storage/hash\.c$"),
    "lmdb.h": re.compile(r"^storage/meta"),
    "openssl/": re.compile(r"^server/tls|^cli/(crypto|tls_client)\.c$"),
    "zstd.h": re.compile(r"^storage/compress"),
    "wslay/": re.compile(r"^server/websocket/frames"),
    "zlib.h": re.compile(r"^server/websocket/deflate|^server/content_encoding\.c$"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def folder(path):
    return "server/stream" if path.startswith("server/stream/") else path.split("/", 1)[0]


def check_own(path, target, problems):
    home = folder(path)
    if home == "tests" and "/" not in target:
        return  # a header beside its test
    if home not in ALLOWED or target.split("/", 1)[0] == home:
        return
    if home == "server/stream":
        if target.startswith("server/stream/"):
            return
        if target.startswith("server/"):
            if target not in STREAM_MAY:
                problems.append(f"{path}: server/stream may not include {target}")
            return
    if (path == "cli/doctor_files.c" and target in DOCTOR_MAY) or (home == "cli" and target in CLI_MAY) or (path == "server/main.c" and target == "cli/cli.h"):
        return
    if home in ("kv", "objstore") and target in VIEWS_MAY:
        return
    if folder(target) not in ALLOWED[home] and target.split("/", 1)[0] not in ALLOWED[home]:
        problems.append(f"{path}: {home} may not include {target}")


def check_library(path, target, problems):
    if path.startswith(("tests/", "bench/")):
        return
    for library, door in DOORS.items():
        if target.startswith(library) and not door.match(path):
            problems.append(f"{path}: {target} has a door of its own ({door.pattern})")


def main():
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h"],
                           capture_output=True, text=True, check=True).stdout.split()
    problems = []
    for path in files:
        try:
            text = open(path, encoding="utf-8").read()
        except FileNotFoundError:
            continue
        for line in text.splitlines():
            match = INCLUDE.match(line)
            if not match:
                continue
            (check_own if match[1] == '"' else check_library)(path, match[2], problems)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
