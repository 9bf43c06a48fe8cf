"""Every answer of the API and every advisory has the form that the schemas of nats-io/jsm.go give it.

What is asked is what the comparison with the reference asks (tests/e2e/differential), without its waiting, then what
only a cluster answers. The schemas are those of $JSM_SCHEMAS or of build/tests/schemas, where `make e2e` puts them.
"""

import collections
import glob
import json
import os
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
E2E = os.path.dirname(HERE)
ROOT = os.path.dirname(os.path.dirname(E2E))
sys.path[:0] = [E2E, os.path.join(E2E, "wire"), os.path.join(E2E, "differential")]

import backup  # noqa: E402
import cluster  # noqa: E402
import run  # noqa: E402
import wire  # noqa: E402
from serverprocess import Server  # noqa: E402

SCHEMAS = os.environ.get("JSM_SCHEMAS") or os.path.join(ROOT, "build", "tests", "schemas")
PYTHON = os.path.join(ROOT, "build", "tests", "py", "bin", "python3")
API, ADVISORY, METRIC = (f"io.nats.jetstream.{kind}.v1." for kind in ("api", "advisory", "metric"))

WAITING = {"wait", "settle", "events", "listen"}

PAGES = ("stream_names", "stream_list", "consumer_names", "consumer_list", "consumer_pause")


def with_error(kind, place, words, document):
    return "error" in document and kind[len(API) :].removesuffix("_response") in PAGES and not place


def out_of_range(kind, place, words, document):
    limits = document.get("config", {}).get("consumer_limits", {})
    return kind == API + "stream_create_response" and any(value < -1 for value in limits.values())


def nameless_origin(kind, place, words, document):
    mirror = document.get("config", {}).get("mirror", {})
    return kind == API + "stream_create_response" and mirror.get("name") == "" and "external" in mirror


def older_form(kind, place, words, document):
    return kind == ADVISORY + "snapshot_create" and any(word in words for word in ("'blocks'", "'block_size'", "'state'"))


def alone(kind, place, words, document):
    return kind.startswith(ADVISORY + "consumer_group_") and words == "'server' is a required property"


def error_in_error(kind, place, words, document):
    return kind == API + "consumer_unpin_response" and place == "error" and words == "'error' is a required property"


def of_no_subject(kind, place, words, document):
    return kind == API + "system_response" and "error" in document


def sequence_as_number(kind, place, words, document):
    return kind in (ADVISORY + "nak", ADVISORY + "terminated") and place == "consumer_seq"


def many_replicas(kind, place, words, document):
    return kind.endswith(("_leader_elected", "_quorum_lost")) and place == "replicas" and isinstance(document["replicas"], list)


# Where a nats-server 2.14 says the same and does not keep to its schema, either.
REFERENCE_TOO = [
    with_error,  # an error beside an empty page, where the schema wants one of them
    out_of_range,  # limits of consumers that it takes, though the schema has a least value
    nameless_origin,  # likewise an external origin without a name
    older_form,  # the schema has the members of an earlier version
    alone,  # a server without a cluster does not name itself
    error_in_error,  # the schema has the error within an error
    sequence_as_number,  # which the schema has as a text
    many_replicas,  # a list of them, of which the schema has the form of one
    of_no_subject,  # a type without a schema: what is answered where nothing is asked for
]

# Types that nothing here brings about, and why.
UNSEEN = {
    ADVISORY + "domain_leader_elected": "of the system account, when the metadata group elects: tests/e2e/wire/test_system.py",
    ADVISORY + "server_out_of_space": "it takes a full disk",
    ADVISORY + "server_removed": "of the system account: tests/e2e/wire/test_cluster_leave.py",
    ADVISORY + "consumer_quorum_lost": "a consumer has no group of its own here",
    ADVISORY + "api_limit_reached": "it takes more requests under way than a client sends",
    API + "account_purge_response": "of the system account",
    API + "meta_server_remove_response": "of the system account",
    API + "meta_leader_stepdown_response": "of the system account",
}


def python():
    for candidate in filter(os.path.exists, (PYTHON, sys.executable)):
        if subprocess.run([candidate, "-c", "import jsonschema"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


class Documents:
    """All JSON that a server said, each form once: what differs in nothing but values of the same type is one."""

    def __init__(self):
        self.known = set()
        self.all = []

    def add(self, data):
        if not data.startswith(b"{"):
            return
        document = json.loads(data)
        kind = document.get("type")
        if kind is None and "stream" in document and "seq" in document:
            kind = API + "pub_ack_response"
        form = (kind, self.form(document))
        if kind is None or not kind.startswith("io.nats.jetstream.") or form in self.known:
            return
        self.known.add(form)
        self.all.append((kind, document))

    def form(self, value):
        if isinstance(value, dict):
            return tuple(sorted((key, self.form(member)) for key, member in value.items()))
        if isinstance(value, list):
            return tuple(sorted({self.form(member) for member in value}, key=repr))
        if isinstance(value, str):
            return "" if value else "empty"
        return value if not isinstance(value, (int, float)) or isinstance(value, bool) else value < 0

    def __len__(self):
        return len(self.all)


class Asker(run.Asker):
    def __init__(self, port, documents):
        self.documents = documents
        super().__init__(port)

    def message(self):
        subject, reply, head, data = super().message()
        self.documents.add(data)
        return subject, reply, head, data


class Listener(threading.Thread):
    """Reads every advisory and metric until it is told to stop."""

    def __init__(self, port, documents):
        super().__init__(daemon=True)
        self.connection = wire.Connection(port)
        self.connection.connect(headers=True)
        self.connection.send(b"SUB $JS.EVENT.> 1\r\n")
        self.connection.flush()
        self.documents = documents
        self.start()

    def run(self):
        try:
            while True:
                self.connection.read_s = 600
                self.documents.add(self.connection.message()[3])
        except (AssertionError, ValueError, OSError, wire.Timeout):
            pass

    def stop(self):
        before = -1
        while before < len(self.documents):  # some come by time
            before = len(self.documents)
            time.sleep(1)
        self.connection.socket.shutdown(2)
        self.join()


def ask_scenarios(port, documents):
    heard = Documents()
    listener = Listener(port, heard)
    run.ANSWER_S, run.SILENCE_S, run.EVENTS_S, run.FAST_S = 0.3, 0.02, 0.0, 0.02
    with Asker(port, documents) as asker:
        for name, steps in run.SCENARIOS.items():
            for step in steps:
                if step[1] == "take":
                    run.flow.run_take(asker, "0.02")
                elif step[1] not in WAITING:
                    run.ask(asker, step)
            run.flow.end(asker)
            run.empty(asker)
    listener.stop()
    for _, document in heard.all:
        documents.add(json.dumps(document).encode())


def ask_for_advisories(port, documents):
    """What becomes of deliveries, and of a backup that is restored."""
    heard = Documents()
    listener = Listener(port, heard)
    config = {"durable_name": "C", "ack_policy": "explicit", "ack_wait": 200_000_000, "max_deliver": 1, "sample_freq": "100"}
    pinned = {"name": "P", "ack_policy": "explicit", "priority_groups": ["A"], "priority_policy": "pinned_client"}
    with wire.Requester(port, inbox=b"mine") as client:
        client.api("STREAM.CREATE.S", {"name": "S"})
        client.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})
        client.api("CONSUMER.CREATE.S.P", {"stream_name": "S", "config": pinned})
        for answer in (b"+ACK", b"-NAK", b"+TERM", None):
            client.publish(b"S", b"x")
            client.send(b"SUB in 2\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.C in 0\r\n\r\n")
            reply = client.message()[1]
            client.send(b"UNSUB 2\r\n")
            if answer:
                client.send(b"PUB %s %d\r\n%s\r\n" % (reply, len(answer), answer))
        client.send(b"SUB in 3\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.P in 13\r\n{\"group\":\"A\"}\r\n")
        client.message()
        time.sleep(3)  # twice what the ack wait and the rest of it take
        answer, archive = backup.snapshot(port, "S")
        client.api("STREAM.DELETE.S")
        documents.add(json.dumps(backup.restore(port, answer, archive)).encode())
        client.api("STREAM.DELETE.S")
    listener.stop()
    for _, document in heard.all:
        documents.add(json.dumps(document).encode())


def problems(documents, program):
    lines = "".join(json.dumps(pair) + "\n" for pair in documents.all)
    done = subprocess.run([program, os.path.join(HERE, "validate.py"), SCHEMAS], input=lines, capture_output=True,
                          text=True, check=True, timeout=300)
    for line in done.stdout.splitlines():
        number, place, words = json.loads(line)
        kind, document = documents.all[number]
        yield kind, place, words, document


def every_type():
    """Of what a server says."""
    for path in glob.glob(os.path.join(SCHEMAS, "jetstream", "*", "v1", "*.json")):
        kind = os.path.basename(os.path.dirname(os.path.dirname(path)))
        name = os.path.basename(path)[: -len(".json")]
        if kind != "api" or name.endswith("_response"):
            yield f"io.nats.jetstream.{kind}.v1.{name}"


class Checked:
    program = python()
    seen = collections.Counter()

    def check(self, documents):
        self.seen.update(kind for kind, _ in documents.all)
        found = [p for p in problems(documents, self.program) if not any(excuse(*p) for excuse in REFERENCE_TOO)]
        for kind, place, words, document in found[:20]:
            print(kind, place, words, json.dumps(document)[:1000])
        self.assertEqual(len(found), 0)


needed = unittest.skipUnless(
    os.path.isdir(SCHEMAS) and Checked.program, "there are no schemas, or nothing to check them with"
)


@needed
class AOneServer(unittest.TestCase, Checked):
    def test_what_a_server_says_has_the_form_of_its_schema(self):
        documents = Documents()
        with Server() as server:
            ask_for_advisories(server.port, documents)
            ask_scenarios(server.port, documents)
        self.assertGreater(len(documents), 300)
        self.check(documents)


@needed
class BCluster(cluster.ClusterCase, Checked):
    def ask(self, node, subject, body=b""):
        """Until it is no refusal; every answer counts."""

        def ask():
            with wire.Requester(self.nodes[node].port) as client:
                data = client.ask(b"$JS.API." + subject.encode(), body)[1]
                self.documents.add(data)
                return json.loads(data)

        return self.until(lambda answer: "error" not in answer, ask)

    def lead_here(self):
        """Who leads S now; another is asked to lead if that is not the first node."""
        leader = self.leader_of("S")
        if leader != 0:
            self.ask(0, "STREAM.LEADER.STEPDOWN.S", b'{"placement":{"preferred":"n0"}}')
        return leader

    def test_what_a_cluster_says_has_the_form_of_its_schema(self):
        self.documents, heard = Documents(), Documents()
        config = {"name": "S", "num_replicas": 3, "subjects": ["s"]}
        self.ask(0, "STREAM.CREATE.S", json.dumps(config).encode())
        listener = Listener(self.nodes[0].port, heard)
        durable = {"stream_name": "S", "config": {"durable_name": "C", "ack_policy": "explicit"}}
        self.ask(1, "CONSUMER.CREATE.S.C", json.dumps(durable).encode())
        for subject in ("STREAM.LEADER.STEPDOWN.S", "CONSUMER.LEADER.STEPDOWN.S.C"):
            self.ask(0, subject)
        for subject in ("STREAM.INFO.S", "STREAM.LIST", "CONSUMER.INFO.S.C", "CONSUMER.LIST.S", "STREAM.NAMES", "INFO"):
            self.ask(2, subject)
        self.ask(0, "STREAM.CREATE.T", b'{"name":"T"}')
        self.ask(0, "STREAM.UPDATE.S", json.dumps({**config, "description": "d"}).encode())
        with wire.Requester(self.nodes[0].port) as client:  # there is no fourth server to take its place
            self.documents.add(client.ask(b"$JS.API.STREAM.PEER.REMOVE.S", b'{"peer":"n2"}')[1])
        self.until(lambda leader: leader == 0, self.lead_here)
        for node in (1, 2):
            self.nodes[node].kill()
        time.sleep(12)  # until the leader knows that it is none
        listener.stop()
        for _, document in heard.all:
            self.documents.add(json.dumps(document).encode())
        self.check(self.documents)


@needed
class CAll(unittest.TestCase, Checked):
    def test_every_type_was_said_or_has_its_reason(self):
        if not self.seen:
            self.skipTest("nothing was asked")
        every = set(every_type())
        self.assertEqual(sorted(every - set(self.seen) - set(UNSEEN)), [])
        self.assertEqual(sorted(set(UNSEEN) & set(self.seen)), [], "is said all the same")


if __name__ == "__main__":
    unittest.main()
