"""Interest and work-queue streams: what stays is what somebody still needs, always and on every replica.

A model in this file says what must be there; it is compared after every kill and change of leaders.
"""

import json
import random
import signal
import time
import unittest

from cluster import NODES, ClusterCase
from wire import ASK_S, MILLRACE, Requester, Timeout, own_promise  # finds serverprocess
from serverprocess import Server

SUBJECTS = [b"q.0", b"q.1", b"q.2"]
FILTERS = {"A": None, "B": b"q.1", "C": b"q.2"}
SETTLES_S = 10.0


class Model:
    """Which sequences each consumer still owes an ack for, and so what the stream holds."""

    def __init__(self, work_queue):
        self.work_queue = work_queue
        self.consumers = {}
        self.subjects = {}  # of what was published and is not removed
        self.owed = {}  # consumer -> sequences

    def published(self, sequence, subject):
        takers = [name for name, filter in self.consumers.items() if filter in (None, subject)]
        for name in takers:
            self.owed[name].add(sequence)
        if takers or self.work_queue:
            self.subjects[sequence] = subject

    def created(self, name, filter):
        self.consumers[name] = filter
        self.owed[name] = {s for s, subject in self.subjects.items() if filter in (None, subject)}

    def acked(self, name, sequence):
        self.owed[name].discard(sequence)
        self.release(sequence)

    def deleted(self, name):
        del self.consumers[name]
        owed = self.owed.pop(name)
        if not self.work_queue:
            for sequence in owed:
                self.release(sequence)

    def release(self, sequence):
        if not any(sequence in owed for owed in self.owed.values()):
            self.subjects.pop(sequence, None)


class Work:
    """Random work on one stream, told to the model when it has been confirmed."""

    def __init__(self, case, port, seed, work_queue):
        self.case, self.port = case, port
        self.random = random.Random(seed)
        self.model = Model(work_queue)
        self.replies = {}  # (consumer, sequence) -> where to ack
        self.names = ["B", "C"] if work_queue else ["A", "B", "C"]

    def ask(self, ask):
        """Until it is answered; what is asked twice must not matter."""
        end = time.monotonic() + 90
        while True:
            try:
                with Requester(self.port(), read_s=ASK_S) as client:
                    answer = ask(client)
                if not isinstance(answer, dict) or answer.get("error", {}).get("code") != 503:
                    return answer
            except (Timeout, OSError, AssertionError) as problem:
                answer = problem
            self.case.assertLess(time.monotonic(), end, answer)
            time.sleep(0.1)

    def publish(self):
        subject = self.random.choice(SUBJECTS)
        number = self.random.getrandbits(64)
        headers = b"NATS/1.0\r\nNats-Msg-Id: %d\r\n\r\n" % number
        answer = self.ask(lambda client: client.publish(subject, b"x", headers))
        self.model.published(answer["seq"], subject)

    def create(self):
        name = self.random.choice(self.names)
        if name in self.model.consumers:
            return
        config = {"durable_name": name, "ack_policy": "explicit", "ack_wait": 10**12}
        if FILTERS[name]:
            config["filter_subject"] = FILTERS[name].decode()
        body = {"stream_name": "Q", "config": config}
        answer = self.ask(lambda client: client.api("CONSUMER.DURABLE.CREATE.Q." + name, body))
        self.case.assertNotIn("error", answer)
        self.model.created(name, FILTERS[name])

    def delete(self):
        if not self.model.consumers or self.random.random() < 0.7:
            return
        name = self.random.choice(sorted(self.model.consumers))
        self.ask(lambda client: client.api("CONSUMER.DELETE.Q." + name))
        self.model.deleted(name)
        self.replies = {key: to for key, to in self.replies.items() if key[0] != name}

    def pull(self):
        if not self.model.consumers:
            return
        name = self.random.choice(sorted(self.model.consumers))
        batch = self.random.randint(1, 5)

        def ask(client):
            client.send(b"SUB in 9\r\n")
            body = json.dumps({"batch": batch, "no_wait": True}).encode()
            client.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.Q.%s in %d\r\n" % (name.encode(), len(body)) + body + b"\r\n")
            for _ in range(batch):
                _, reply, headers, _ = client.message()
                if not reply.startswith(b"$JS.ACK."):
                    self.case.assertNotIn(b" 503", headers)
                    return
                sequence = int(reply.split(b".")[5])
                self.case.assertIn(sequence, self.model.owed[name], "delivered after its ack, or before it was stored")
                self.replies[name, sequence] = reply

        self.ask(ask)

    def ack(self):
        if not self.replies:
            return
        name, sequence = self.random.choice(sorted(self.replies))
        reply = self.replies.pop((name, sequence))
        kind = self.random.choice([b"+ACK", b"+TERM"])

        def ask(client):
            head, _ = client.ask(reply, kind)  # the answer says that it is committed
            self.case.assertNotIn(b" 503", head)  # nobody leads

        self.ask(ask)
        self.model.acked(name, sequence)

    def step(self):
        self.random.choice([self.publish, self.publish, self.publish, self.create, self.delete, self.pull, self.ack, self.ack])()

    def audit(self):
        """The stream holds what the model says, to the message."""
        end = time.monotonic() + SETTLES_S
        while True:
            state = self.ask(lambda client: client.api("STREAM.INFO.Q", {"deleted_details": True}))["state"]
            there = set(range(state["first_seq"], state["last_seq"] + 1)) - set(state.get("deleted", []))
            if there == set(self.model.subjects) or MILLRACE or time.monotonic() > end:
                break
            time.sleep(0.1)  # the reference removes later than it confirms
        self.case.assertEqual(there, set(self.model.subjects))
        self.case.assertEqual(state["messages"], len(there))


def config(work_queue, **more):
    return {"name": "Q", "subjects": ["q.*"], "retention": "workqueue" if work_queue else "interest", **more}


class Alone(unittest.TestCase):
    def run_with(self, work_queue, seed):
        with Server() as server:
            work = Work(self, lambda: server.port, seed, work_queue)
            work.ask(lambda client: client.api("STREAM.CREATE.Q", config(work_queue)))
            for step in range(240):
                work.step()
                if step % 40 == 39:
                    work.audit()
                    server.restart(signal.SIGKILL)
                    work.audit()
            for name in sorted(work.model.consumers):
                work.ask(lambda client, name=name: client.api("CONSUMER.DELETE.Q." + name))
                work.model.deleted(name)
            work.audit()

    @own_promise
    def test_a_work_queue_holds_what_is_not_acked(self):
        for seed in range(2):
            self.run_with(True, seed)

    @own_promise
    def test_an_interest_stream_holds_what_somebody_needs(self):
        for seed in range(2):
            self.run_with(False, seed)

    @own_promise
    def test_what_nobody_needs_goes_when_limits_become_interest(self):
        with Server() as server:
            with Requester(server.port) as client:
                client.api("STREAM.CREATE.Q", {"name": "Q", "subjects": ["q.*"]})
                for subject in SUBJECTS:
                    client.publish(subject, b"x")
                body = {"config": {"durable_name": "B", "ack_policy": "explicit", "filter_subject": "q.1"}, "stream_name": "Q"}
                client.api("CONSUMER.DURABLE.CREATE.Q.B", body)
                state = client.api("STREAM.UPDATE.Q", config(False))["state"]
                self.assertEqual((state["messages"], state["first_seq"], state["last_seq"]), (1, 2, 3))
            server.restart(signal.SIGKILL)
            with Requester(server.port) as client:
                self.assertEqual(client.api("STREAM.INFO.Q")["state"]["messages"], 1)


class InACluster(ClusterCase):
    def run_with(self, work_queue, storage):
        node = random.Random(4)
        work = Work(self, lambda: self.nodes[node.randrange(NODES)].port, 7, work_queue)
        self.api(0, "STREAM.CREATE.Q", config(work_queue, num_replicas=NODES, storage=storage))
        for step in range(120):
            work.step()
            if step % 30 == 29:
                work.audit()
                self.nodes[self.leader_of("Q")].restart(signal.SIGKILL)
                self.api(step % NODES, "STREAM.INFO.Q", wanted=self.whole)
                work.audit()

    @own_promise
    def test_a_work_queue_of_three_replicas_outlives_its_leaders(self):
        self.run_with(True, "file")

    @own_promise
    def test_an_interest_stream_of_three_replicas_in_memory_outlives_its_leaders(self):
        self.run_with(False, "memory")


if __name__ == "__main__":
    unittest.main()
