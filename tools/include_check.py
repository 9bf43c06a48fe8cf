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
    "server": {"base", "storage", "raft", "consumers"},
    "cli": {"base", "kv", "objstore"},
    "bench": set(),
    "tests": {"base", "storage", "raft", "consumers", "kv", "objstore", "server", "cli", "tests"},
}

# What of server/ its own folders may know, whole folders with a slash behind: contracts, not the program around
# them. The folders that are not named (clients, shards, jetstream, api, monitor, system, program) may know all.
SERVER_MAY = {
    "server/tls": set(),
    "server/auth": {"server/tls/", "server/share_options.h"},
    "server/backup": {"server/tls/digest.h"},
    "server/websocket": {"server/tls/digest.h", "server/auth/auth_options.h", "server/auth/base64.h"},
    "server/config": {
        "server/auth/", "server/options.h", "server/tls/digest.h", "server/router/share.h", "server/router/share_check.h", "server/router/subject_transform.h",
        "server/cluster/route_url.h", "server/leaf/leaf_hello.h", "server/websocket/upgrade.h",
    },
    "server/router": {
        "server/auth/auth_options.h", "server/options.h", "server/share_options.h", "server/clients/client.h", "server/shards/shard_ask.h",
        "server/monitor/content_encoding.h", "server/monitor/monitor_priv.h",
    },
    "server/cluster": {
        "server/router/", "server/tls/", "server/options.h", "server/cluster_options.h", "server/listener.h",
    },
    "server/leaf": {
        "server/auth/", "server/tls/", "server/websocket/", "server/router/", "server/options.h", "server/leaf_options.h", "server/info.h", "server/urls.h",
        "server/clients/callout_desk.h", "server/clients/client.h", "server/clients/client_row.h", "server/clients/proto.h",
        "server/cluster/core_shards.h", "server/cluster/route_url.h", "server/resolver/resolver_subject.h",
    },
    "server/resolver": {
        "server/auth/", "server/config/", "server/tls/", "server/options.h", "server/server_priv.h", "server/router/share.h", "server/router/share_check.h",
        "server/monitor/monitor_priv.h", "server/system/system_priv.h",
    },
    "server/stream": {
        "server/jetstream/jetstream.h", "server/jetstream/jetstream_core.h", "server/jetstream/jetstream_flaws.h", "server/jetstream/log_clock.h",
        "server/router/message_trace.h", "server/router/router.h", "server/router/sublist.h", "server/router/subject_transform.h", "server/server.h", "server/options.h",
        "server/api/api.h", "server/api/advisory.h", "server/tls/digest.h", "server/backup/archive.h", "server/backup/consumer_file.h",
    },
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
    "openssl/": re.compile(r"^server/tls|^cli/(crypto|tls_client)\.c$"),
    "zstd.h": re.compile(r"^storage/compress"),
    "wslay/": re.compile(r"^server/websocket/frames"),
    "zlib.h": re.compile(r"^server/websocket/deflate|^server/monitor/content_encoding\.c$"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def folder(path):
    return path.split("/", 1)[0]


def check_in_server(path, target, problems):
    home = path.rsplit("/", 1)[0]
    may = SERVER_MAY.get(home)
    if may is None or target.startswith(home + "/") or target in may or target.rsplit("/", 1)[0] + "/" in may:
        return
    problems.append(f"{path}: {home} may not include {target}")


def check_own(path, target, problems):
    home = folder(path)
    if home == "tests" and "/" not in target:
        return  # a header beside its test
    if home == "server" and folder(target) == "server":
        check_in_server(path, target, problems)
        return
    if home not in ALLOWED or folder(target) == home or folder(target) in ALLOWED[home]:
        return
    if (path == "cli/doctor_files.c" and target in DOCTOR_MAY) or (home == "cli" and target in CLI_MAY) or (path == "server/main.c" and target == "cli/cli.h"):
        return
    if home in ("kv", "objstore") and target in VIEWS_MAY:
        return
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
