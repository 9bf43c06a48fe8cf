#!/usr/bin/env python3
"""Asks the monitoring of Millrace and of the reference server the same and compares the answers.

    monitoring.py [--nats-server PATH] [--show]

Both get the same configuration and the same clients. Documents are compared member by member: names
and types always, values unless they are times, sizes of the process, or numbers that depend on how a
server is built (LOOSE). Without a reference nothing is compared.
"""

import argparse
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "wire")]

import serverprocess  # noqa: E402
import wire  # noqa: E402

CONFIG = """
server_name: S
http: "127.0.0.1:%d"
jetstream {
  store_dir: "%s", max_mem: 1G, max_file: 1G
  limits {
    max_ack_pending: 500, duplicate_window: "10m"
    batch { max_inflight_per_stream: 3, max_inflight_total: 4, max_msgs: 5, timeout: "2s" }
  }
}
accounts {
  A { users: [{user: a, password: a}], jetstream: enabled }
  B { users: [{user: b, password: b}] }
  SYS { users: [{user: sys, password: sys}] }
}
system_account: SYS
"""

# What may differ in value: it is of the machine, of the moment, or of how a server is made.
LOOSE = {
    "server_id", "now", "start", "last_activity", "stop", "rtt", "uptime", "idle", "port", "cid", "mem",
    "cpu", "cores", "gomaxprocs", "gomemlimit", "git_commit", "go", "update_time", "created", "ts", "config_load_time",
    "config_digest", "num_cache", "num_matches", "cache_hit_rate", "max_fanout", "avg_fanout", "num_inserts",
    "num_removes", "num_subscriptions", "subscriptions", "last_ts", "first_ts", "http_port", "store_dir",
    "http_req_stats", "in_msgs", "in_bytes", "out_msgs", "out_bytes", "in_client_msgs", "in_client_bytes",
    "out_client_msgs", "out_client_bytes", "msgs", "bytes", "storage", "reason", "active", "last_active",
}  # fmt: skip

# Members that only one of the two has, and why.
ONLY_OURS = {"millrace": "our version", "sync_always": "what is acknowledged is on disk"}
ONLY_THEIRS = {
    "git_commit": "none is built in",
    "gomaxprocs": "no Go runtime", "gomemlimit": "no Go runtime",
    "disk_io_wait_stats": "disk operations do not wait for one another",
    "imports": "those that every account has by itself are not listed",
    "exports": "those that every account has by itself are not listed",
    "feature_flags": "the reference's own switches",
    "stale_connection_stats": "only when there are any",
}  # fmt: skip

PATHS = [
    "connz", "connz?auth=1", "connz?subs=1", "connz?subs=detail", "connz?subs=1&auth=1", "connz?auth=1&acc=A",
    "connz?acc=X", "connz?acc=B", "connz?user=a&auth=1", "connz?user=zz", "connz?limit=1", "connz?limit=1&offset=1",
    "connz?offset=50", "connz?state=closed", "connz?state=closed&auth=1", "connz?state=any", "connz?state=all&limit=2",
    "connz?sort=cid", "connz?sort=start", "connz?sort=last&limit=1", "connz?sort=msgs_to", "connz?sort=stop",
    "connz?sort=reason", "connz?sort=stop&state=closed", "connz?sort=reason&state=closed", "connz?sort=zz",
    "connz?limit=zz", "connz?offset=zz", "connz?subs=zz", "connz?auth=zz", "connz?state=zz", "connz?cid=zz",
    "connz?cid=999", "connz?mqtt_client=x", "connz?callback=f", "connz?limit=0", "connz?limit=-4", "connz?offset=-4",
    "/varz", "//connz?subs=1", "subsz", "subsz?subs=zz", "subsz?limit=zz", "subsz?offset=zz", "subsz?test=a.*", "subsz?test=a..b",
    "subsz?subs=1&test=foo.bar&acc=A", "subsz?subs=1&test=nothing.here", "subsz?acc=X&subs=1", "subscriptionsz",
    "accountz", "accountz?acc=A", "accountz?acc=SYS", "accountz?acc=$G", "accountz?acc=X",
    "accstatz", "accstatz?unused=1", "accstatz?unused=0", "accstatz?unused=zz",
    "jsz", "jsz?accounts=1", "jsz?streams=1", "jsz?consumers=1", "jsz?config=1&consumers=1", "jsz?raft=1",
    "jsz?acc=A", "jsz?acc=A&streams=1", "jsz?acc=X", "jsz?acc=B", "jsz?accounts=zz", "jsz?limit=zz", "jsz?offset=zz",
    "jsz?accounts=1&offset=7", "jsz?leader-only=zz", "jsz?stream-leader-only=1&streams=1",
    "jsz?direct-consumers=1&consumers=1",
    "gatewayz", "gatewayz?accs=1", "leafz", "leafz?subs=1", "routez", "routez?subs=1", "ipqueuesz", "raftz",
    "healthz", "healthz?details=1", "healthz?js-enabled-only=1", "healthz?js-server-only=1", "healthz?js-meta-only=1",
    "healthz?js-enabled-only=zz", "healthz?account=A", "healthz?account=X", "healthz?account=B",
    "healthz?account=A&stream=S", "healthz?account=A&stream=X", "healthz?account=A&stream=S&consumer=C",
    "healthz?account=A&stream=S&consumer=X", "healthz?account=A&stream=X&consumer=X", "healthz?stream=S",
    "healthz?account=A&consumer=C", "healthz?account=X&details=1", "healthz?account=A&stream=X&details=1",
    "healthz?account=A&stream=S&consumer=X&details=1", "healthz?stream=S&details=1", "healthz?consumer=S&details=true",
    "varz", "nothing", "varz/more", "healthz?account=%24G", "accountz?acc=%41",
]  # fmt: skip


class Monitored(serverprocess.Server):
    def __init__(self, program):
        super().__init__(jetstream=False, prefix="millrace-monitored-")
        self.http = serverprocess.free_port()
        self.program = program
        path = os.path.join(self.directory, "server.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG % (self.http, os.path.join(self.directory, "js")))
        self.arguments = ["-c", path]

    def command(self):
        return [self.program, *super().command()[1:]]

    def get(self, path):
        """Status, kind of content, body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}", timeout=10) as answer:
                return answer.status, answer.headers.get_content_type(), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get_content_type(), error.read().decode()


def populate(port):
    """The same clients everywhere: two that stay, one that leaves."""
    kept = []
    for user, subject in (("a", b"foo.*"), ("b", b"x"), ("a", b"gone")):
        client = wire.Requester(port, user=user, **{"pass": user}, name=f"of {user}", lang="test", version="1")
        client.send(b"SUB %s q 7\r\nSUB bar 8\r\nUNSUB 8 5\r\nPUB baz 2\r\nhi\r\n" % subject)
        client.flush()
        kept.append(client)
        time.sleep(0.05)
    kept.pop().__exit__()
    kept[0].api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.*"]})
    config = {"durable_name": "C", "ack_policy": "explicit"}
    kept[0].api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})
    kept[0].publish(b"s.a", b"one")
    kept[0].api("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "S"}})
    sources = [{"name": "S", "filter_subject": "s.a"}, {"name": "X", "external": {"api": "x.API", "deliver": "x"}}]
    kept[0].api("STREAM.CREATE.T", {"name": "T", "sources": sources})
    time.sleep(0.5)
    return kept


def kinds_of(consumers):
    """Consumers of mirrors and sources, whose names end with what is made up: what they begin with."""
    return sorted((each | {"name": each["name"].rsplit("_", 1)[0]} for each in consumers), key=lambda d: d["name"])


def differences(theirs, ours, path="", key=""):
    if key == "http_req_stats":
        return
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in sorted(theirs.keys() | ours.keys()):
            if name not in theirs:
                if name not in ONLY_OURS:
                    yield f"{path}.{name}: only ours: {ours[name]!r}"
            elif name not in ours:
                if name not in ONLY_THEIRS:
                    yield f"{path}.{name}: only theirs: {theirs[name]!r}"
            else:
                yield from differences(theirs[name], ours[name], f"{path}.{name}", name)
    elif isinstance(theirs, list) and isinstance(ours, list):
        if key in ("accounts", "subscriptions_list"):
            theirs, ours = sorted(theirs), sorted(ours)
        if key in ("sources", "stream_detail"):
            theirs, ours = (sorted(v, key=lambda d: d["name"]) for v in (theirs, ours))
        if key == "direct_consumer_detail":
            theirs, ours = (kinds_of(v) for v in (theirs, ours))
        if key in ("account_statz", "subscriptions_list_detail"):
            theirs, ours = (sorted(v, key=lambda d: (d.get("acc"), d.get("sid"))) for v in (theirs, ours))
        if len(theirs) != len(ours):
            yield f"{path}: theirs {len(theirs)}, ours {len(ours)}"
        for i, (a, b) in enumerate(zip(theirs, ours)):
            yield from differences(a, b, f"{path}[{i}]", key)
    elif key in LOOSE:
        if isinstance(theirs, str) != isinstance(ours, str):
            yield f"{path}: theirs {theirs!r}, ours {ours!r}"
    elif theirs != ours:
        yield f"{path}: theirs {theirs!r}, ours {ours!r}"


def compare(path, theirs, ours, show):
    if show:
        print(f"{path}\n    {theirs[0]} {theirs[2][:400]}")
    if theirs[:2] != ours[:2]:
        return [f"theirs {theirs[:2]}, ours {ours[:2]}"]
    if theirs[1] != "application/json":
        return [] if theirs[2] == ours[2] else [f"theirs {theirs[2]!r}, ours {ours[2]!r}"]
    if ("\n" in theirs[2]) != ("\n" in ours[2]):
        return ["indented differently"]
    return list(differences(json.loads(theirs[2]), json.loads(ours[2])))


def run(program, show):
    failed = 0
    with Monitored(program) as reference, Monitored(serverprocess.BINARY) as server:
        clients = [populate(reference.port), populate(server.port)]
        for path in PATHS:
            found = compare(path, reference.get(path), server.get(path), show)
            failed += bool(found)
            for line in found[:10]:
                print(f"/{path}: {line}")
        for each in clients:
            for client in each:
                client.__exit__()
    print(f"monitoring: {len(PATHS) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nats-server", default=os.environ.get("NATS_SERVER") or shutil.which("nats-server"))
    parser.add_argument("--show", action="store_true", help="print every question and the reference's answer")
    arguments = parser.parse_args()
    if not arguments.nats_server:
        print("monitoring: no nats-server in $NATS_SERVER or PATH: nothing is compared")
        return 0
    return run(arguments.nats_server, arguments.show)


if __name__ == "__main__":
    sys.exit(main())
