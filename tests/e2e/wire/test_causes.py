"""What one client knows when another begins: chains of causes over connections of all shards (docs/shards.md).

Each chain is a few steps, each by some connection, each begun when the step before it was answered: a PONG, a PubAck, an answer of
the API, a reply. What must be seen is what a server with one thread shows; the reference keeps all of it but where it says MILLRACE. Meanwhile
others flood all shards with large messages, so that their turns are long and what they send is in pieces.

    MILLRACE_CAUSES_SEED=n MILLRACE_CAUSES_CHAINS=n python3 -m unittest test_causes     # longer, or one again
    MILLRACE_BIN=PATH                                                                   # another server
"""

import json
import os
import random
import shutil
import tempfile
import threading
import unittest

from wire import MILLRACE, Connection  # finds serverprocess
from serverprocess import Server

SEED = int(os.environ.get("MILLRACE_CAUSES_SEED", random.SystemRandom().randrange(1 << 31)))
CHAINS = int(os.environ.get("MILLRACE_CAUSES_CHAINS", 400))
TALKERS = 9
FLOODS = 3
CONFIG = """
accounts {
  ONE: { users: [ {user: one, password: p} ], jetstream: enabled, exports: [ {stream: "told.>"}, {service: "svc.>"} ] }
  TWO: { users: [ {user: two, password: p} ], imports: [ {stream: {account: ONE, subject: "told.>"}}, {service: {account: ONE, subject: "svc.>"}} ] }
  FLOOD: { users: [ {user: flood, password: p} ] }
}
"""


class Talker(Connection):
    """One that keeps what it hears by subscription."""

    def __init__(self, port, user, number):
        super().__init__(port)
        self.number = number
        self.heard = {}
        self.answers = {}
        self.pongs = 0
        self.last = 1
        self.connect(user=user, **{"pass": "p"}, pedantic=False, headers=True, no_responders=True)
        self.send(b"SUB in.%d.* 1\r\n" % number)
        self.sync()

    def read_one(self):
        line = self.line()
        assert not line.startswith(b"-ERR") and line, line
        if line == b"PONG\r\n":
            self.pongs += 1
            return
        words = line.split()
        assert words[0] in (b"MSG", b"HMSG"), line
        sizes = 2 if words[0] == b"HMSG" else 1
        head = int(words[-2]) if sizes == 2 else 0
        reply = words[3] if len(words) == 4 + sizes else b""
        data = self.exactly(int(words[-1]) + 2)
        message = (words[1], reply, data[:head], data[head:-2])
        if words[2] == b"1":
            self.answers[words[1]] = message
        else:
            self.heard.setdefault(int(words[2]), []).append(message)

    def sync(self, text=b""):
        """All that it says is done, and all that is for it is heard."""
        wanted = self.pongs + 1
        self.send(text + b"PING\r\n")
        while self.pongs < wanted:
            self.read_one()

    def subscribe(self, subject, queue=b""):
        self.last += 1
        self.sync(b"SUB %s %s %d\r\n" % (subject, queue, self.last))
        return self.last

    def unsubscribe(self, sid):
        self.sync(b"UNSUB %d\r\n" % sid)
        return self.bodies(sid)

    def bodies(self, sid):
        return [message[3] for message in self.heard.pop(sid, [])]

    def await_one(self, sid):
        while not self.heard.get(sid):
            self.read_one()
        return self.heard[sid].pop(0)

    def begin(self, subject, body=b"", headers=b""):
        self.last += 1
        inbox = b"in.%d.%d" % (self.number, self.last)
        self.send(publish(subject, body, inbox, headers))
        return inbox

    def answer(self, inbox):
        while inbox not in self.answers:
            self.read_one()
        return self.answers.pop(inbox)

    def ask(self, subject, body=b"", headers=b""):
        """The answer's headers and body."""
        return self.answer(self.begin(subject, body, headers))[2:]

    def api(self, request, **body):
        head, data = self.ask(b"$JS.API." + request.encode(), json.dumps(body).encode() if body else b"")
        assert not head, (request, head)
        return json.loads(data)

    def store(self, subject, body=b"", headers=b""):
        head, data = self.ask(subject, body, headers)
        assert not head, (subject, head)
        ack = json.loads(data)
        assert "seq" in ack, (subject, ack)
        return ack["seq"]


def publish(subject, body=b"", reply=b"", headers=b""):
    if not headers:
        return b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(body), body)
    return b"HPUB %s %s %d %d\r\n%s%s\r\n" % (subject, reply, len(headers), len(headers) + len(body), headers, body)


def header(name, value):
    return b"NATS/1.0\r\n%s: %s\r\n\r\n" % (name, value)


class Flood(threading.Thread):
    """Large messages from one shard to all, in a window."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.hears = [Connection(port) for _ in range(FLOODS)]
        self.says = [Connection(port) for _ in range(FLOODS)]
        for one in self.hears + self.says:
            one.connect(user="flood", **{"pass": "p"}, pedantic=False)
        for one in self.hears:
            one.send(b"SUB flood 1\r\n")
            one.flush()

    def run(self):
        piece = publish(b"flood", bytes(45000)) * 4 + publish(b"flood", b"x" * 100) * 20
        while not self.over.is_set():
            for one in self.says:
                one.send(piece)
            for one in self.says + self.hears:
                one.flush()

    def end(self):
        self.over.set()
        self.join()
        for one in self.hears + self.says:
            one.socket.close()


class Chains:
    """Each method is one chain. `self.some(n)` are n connections, mostly of several shards."""

    def __init__(self, case, port, rng):
        self.case, self.rng, self.count = case, rng, 0
        self.all = [Talker(port, "one", number) for number in range(TALKERS)]
        self.two = [Talker(port, "two", 100 + number) for number in range(3)]
        for number in range(4):
            self.all[0].api(f"STREAM.CREATE.L{number}", name=f"L{number}", subjects=[f"l{number}.>"], storage="memory", allow_direct=True,
                            max_msgs=1000, republish={"src": f"l{number}.r.>", "dest": f"re.l{number}.r.>"})
            self.all[0].api(f"STREAM.CREATE.Q{number}", name=f"Q{number}", subjects=[f"q{number}.>"], storage="memory", retention="workqueue")
            self.consumer(self.all[0], f"Q{number}", "w", ack_policy="explicit")
        self.named = [name[len("chain_"):] for name in dir(self) if name.startswith("chain_")]

    def end(self):
        for one in self.all + self.two:
            one.socket.close()

    def some(self, count):
        return self.rng.sample(self.all, count)

    def name(self, prefix="s"):
        self.count += 1
        return f"{prefix}{self.count}"

    def subject(self):
        return self.name("x").encode()

    def one_of(self, kind):
        return f"{kind}{self.rng.randrange(4)}"

    def kept(self):
        """A stream with some messages, and a subject of its own in it."""
        stream = self.one_of("L")
        return stream, f"{stream.lower()}.{self.name()}".encode()

    @staticmethod
    def consumer(by, stream, name, **config):
        answer = by.api(f"CONSUMER.CREATE.{stream}.{name}", stream_name=stream, action="create",
                        config={"name": name, "durable_name": name, "mem_storage": True, **config})
        assert "error" not in answer, answer
        return answer

    def stream(self, by, **config):
        name = self.name()
        answer = by.api(f"STREAM.CREATE.{name}", name=name, subjects=[f"{name}.>"], storage="memory", allow_direct=True, **config)
        assert "error" not in answer, answer
        return name

    def pull(self, by, stream, consumer, **body):
        """Asks for one message, which comes to the subscription that this is."""
        by.last += 1
        body = json.dumps(body or {"no_wait": True, "batch": 1}).encode()
        request = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}".encode()
        by.send(b"SUB %s.pull %d\r\nUNSUB %d 1\r\n" % (self.subject(), by.last, by.last)
                + publish(request, body, b"x%d.pull" % self.count))
        return by.last

    @staticmethod
    def last(by, stream, subject):
        return by.ask(f"$JS.API.DIRECT.GET.{stream}.".encode() + subject)

    # --- messages

    def chain_two_publishers(self):
        a, b, c, d = self.some(4)
        subject = self.subject()
        sids = [(one, one.subscribe(subject)) for one in (c, d)]
        for number in range(self.rng.randrange(2, 6)):
            self.rng.choice((a, b, c)).sync(publish(subject, b"%d" % number))
        for one, sid in sids:
            heard = one.unsubscribe(sid)
            self.case.assertEqual(heard, [b"%d" % n for n in range(number + 1)])

    def chain_accounts(self):
        a, b = self.some(2)
        c = self.rng.choice(self.two)
        subject = b"told." + self.subject()
        sid = c.subscribe(subject)
        for number in range(4):
            self.rng.choice((a, b)).sync(publish(subject, b"%d" % number))
        self.case.assertEqual(c.unsubscribe(sid), [b"0", b"1", b"2", b"3"])

    def chain_subscription(self):
        a, b = self.some(2)
        subject = self.subject()
        if self.rng.randrange(2):
            b.sync(publish(subject, b"nobody"))
        sid = a.subscribe(subject)
        b.sync(publish(subject, b"1"))
        a.sync()
        self.case.assertEqual(a.bodies(sid), [b"1"])
        a.unsubscribe(sid)
        head, _ = b.ask(subject, b"2")
        self.case.assertTrue(head.startswith(b"NATS/1.0 503"), head)
        a.sync()
        self.case.assertEqual(a.bodies(sid), [])

    def chain_group(self):
        a, b, c, d = self.some(4)
        subject = self.subject()
        members = [(one, one.subscribe(subject, b"q")) for one in (a, b, c)]
        d.sync(publish(subject, b"1") * 6)
        gone, sid = members.pop()
        count = len(gone.unsubscribe(sid))
        d.sync(publish(subject, b"2") * 6)
        for one, sid in members:
            count += len(one.unsubscribe(sid))
        self.case.assertEqual(count, 12)

    def chain_service(self):
        """The one that serves tells a third before it answers."""
        a, b, c = self.some(3)
        a = self.rng.choice((a, self.rng.choice(self.two)))
        subject, told = b"svc." + self.subject(), self.subject()
        sid, heard = b.subscribe(subject, self.rng.choice((b"", b"q"))), c.subscribe(told)
        for number in range(3):
            inbox = a.begin(subject, b"%d" % number)
            request = b.await_one(sid)
            b.send(publish(told, request[3]) + publish(request[1], request[3]))
            self.case.assertEqual(a.answer(inbox)[3], b"%d" % number)
            c.sync()
            self.case.assertEqual(c.bodies(heard), [b"%d" % number])
        b.unsubscribe(sid)
        c.unsubscribe(heard)

    # --- what is stored

    def chain_stored_in_order(self):
        a, b, c = self.some(3)
        stream, subject = self.kept()
        a.sync(publish(subject, b"1"))
        second = b.store(subject, b"2")
        b.sync(publish(subject, b"3"))
        fourth = c.store(subject, b"4")
        self.case.assertEqual(fourth, second + 2)
        for sequence, body in ((second - 1, b"1"), (second, b"2"), (second + 1, b"3"), (fourth, b"4")):
            head, data = self.rng.choice((a, b, c)).ask(f"$JS.API.DIRECT.GET.{stream}".encode(), b'{"seq":%d}' % sequence)
            self.case.assertIn(b"Nats-Subject: " + subject, head)
            self.case.assertEqual(data, body)

    def chain_stored_and_read(self):
        a, b, c = self.some(3)
        stream, subject = self.kept()
        for number in range(3):
            sequence = a.store(subject, b"%d" % number)
            way = self.rng.randrange(4)
            if way == 0:
                self.case.assertEqual(self.last(b, stream, subject)[1], b"%d" % number)
            elif way == 1:
                self.case.assertEqual(b.api(f"STREAM.INFO.{stream}")["state"]["last_seq"], sequence)
            elif way == 2:
                self.case.assertEqual(b.api(f"STREAM.MSG.GET.{stream}", last_by_subj=subject.decode())["message"]["seq"], sequence)
            else:
                name = self.name("c")
                made = self.consumer(b, stream, name, filter_subject=subject.decode(), ack_policy="none")
                self.case.assertEqual(made["num_pending"], number + 1)
                if self.rng.randrange(2):
                    got = [c.await_one(self.pull(c, stream, name))[3] for _ in range(number + 1)]
                    self.case.assertEqual(got, [b"%d" % n for n in range(number + 1)])
                self.case.assertTrue(c.api(f"CONSUMER.DELETE.{stream}.{name}")["success"])
                self.case.assertTrue(b.await_one(self.pull(b, stream, name))[2].startswith(b"NATS/1.0 503"))
            a, b, c = self.some(3)

    def chain_expected(self):
        """Compare and set, as keys of buckets are."""
        a, b, c = self.some(3)
        stream, subject = self.kept()
        sequence = a.store(subject, b"1", header(b"Nats-Expected-Last-Subject-Sequence", b"0"))
        self.case.assertEqual(b.store(subject, b"2", header(b"Nats-Expected-Last-Subject-Sequence", b"%d" % sequence)), sequence + 1)
        _, data = c.ask(subject, b"3", header(b"Nats-Expected-Last-Subject-Sequence", b"%d" % sequence))
        self.case.assertIn(b"wrong last sequence: %d" % (sequence + 1), data)
        a.sync(publish(subject, b"3"))
        self.case.assertEqual(c.store(subject, b"4", header(b"Nats-Expected-Last-Sequence", b"%d" % (sequence + 2))), sequence + 3)

    def chain_twice(self):
        a, b = self.some(2)
        _, subject = self.kept()
        marked = header(b"Nats-Msg-Id", subject)
        sequence = a.store(subject, b"1", marked)
        answer = json.loads(b.ask(subject, b"1", marked)[1])
        self.case.assertEqual((answer["seq"], answer.get("duplicate")), (sequence, True))

    def chain_stored_and_told(self):
        """Who is subscribed, and who gets what a stream publishes again, has it before the ack."""
        a, b, c = self.some(3)
        stream = self.one_of("L").lower()
        subject = f"{stream}.r.{self.name()}".encode()
        plain, again = b.subscribe(subject), c.subscribe(b"re." + subject)
        for number in range(3):
            a.store(subject, b"%d" % number)
            b.sync()
            c.sync()
            self.case.assertEqual(b.bodies(plain), [b"%d" % number])
            self.case.assertEqual(c.bodies(again), [b"%d" % number])
        b.unsubscribe(plain)
        c.unsubscribe(again)

    # --- what comes and goes

    def chain_stream_comes_and_goes(self):
        a, b, c, d = self.some(4)
        name = self.stream(a)
        subject = f"{name}.a".encode()
        self.case.assertEqual(b.store(subject, b"1"), 1)
        self.case.assertEqual(self.last(c, name, subject)[1], b"1")
        self.case.assertIn(name, d.api("STREAM.NAMES", subject=subject.decode())["streams"])
        updated = a.api(f"STREAM.UPDATE.{name}", name=name, subjects=[f"{name}2.>"], storage="memory", allow_direct=True)
        self.case.assertNotIn("error", updated)
        head, _ = b.ask(subject, b"2")
        self.case.assertTrue(head.startswith(b"NATS/1.0 503"), head)
        self.case.assertEqual(c.store(f"{name}2.b".encode(), b"2"), 2)
        self.case.assertTrue(d.api(f"STREAM.DELETE.{name}")["success"])
        head, _ = a.ask(f"{name}2.b".encode(), b"3")
        self.case.assertTrue(head.startswith(b"NATS/1.0 503"), head)
        head, _ = b.ask(f"$JS.API.DIRECT.GET.{name}".encode(), b'{"seq":1}')
        self.case.assertTrue(head.startswith(b"NATS/1.0 503"), head)
        self.case.assertEqual(c.api(f"STREAM.INFO.{name}")["error"]["err_code"], 10059)
        again = self.rng.choice((a, b, c))
        again.api(f"STREAM.CREATE.{name}", name=name, subjects=[f"{name}.>"], storage="memory", allow_direct=True)
        self.case.assertEqual(d.store(subject, b"1"), 1)
        d.api(f"STREAM.DELETE.{name}")

    def chain_messages_go(self):
        a, b, c = self.some(3)
        stream, subject = self.kept()
        sequence = a.store(subject, b"1")
        b.sync(publish(subject, b"2"))
        self.case.assertTrue(c.api(f"STREAM.MSG.DELETE.{stream}", seq=sequence, no_erase=True)["success"])
        head, _ = a.ask(f"$JS.API.DIRECT.GET.{stream}".encode(), b'{"seq":%d}' % sequence)
        self.case.assertTrue(head.startswith(b"NATS/1.0 404"), head)
        self.case.assertEqual(self.last(b, stream, subject)[1], b"2")
        if MILLRACE:
            c.sync(publish(subject, b"3"))
        else:
            c.store(subject, b"3")
        self.case.assertEqual(a.api(f"STREAM.PURGE.{stream}", filter=subject.decode())["purged"], 2)
        head, _ = self.last(b, stream, subject)
        self.case.assertTrue(head.startswith(b"NATS/1.0 404"), head)

    # --- consumers

    def chain_work(self):
        a, b, c, d = self.some(4)
        queue = self.one_of("Q")
        before = a.api(f"STREAM.INFO.{queue}")["state"]["messages"]
        self.case.assertEqual(before, 0)
        b.store(f"{queue.lower()}.a".encode(), b"1")
        if MILLRACE:
            self.case.assertEqual(c.api(f"CONSUMER.INFO.{queue}.w")["num_pending"], 1)
        message = d.await_one(self.pull(d, queue, "w", **({} if MILLRACE else {"expires": 60_000_000_000})))
        self.case.assertEqual(message[3], b"1")
        info = a.api(f"CONSUMER.INFO.{queue}.w")
        self.case.assertEqual((info["num_pending"], info["num_ack_pending"]), (0, 1))
        self.rng.choice((b, c, d)).ask(message[1], b"+ACK")
        info = c.api(f"CONSUMER.INFO.{queue}.w")
        self.case.assertEqual((info["num_ack_pending"], info["ack_floor"]["stream_seq"]), (0, info["delivered"]["stream_seq"]))
        self.case.assertEqual(a.api(f"STREAM.INFO.{queue}")["state"]["messages"], 0)
        head = b.await_one(self.pull(b, queue, "w"))[2]
        self.case.assertTrue(head.startswith(b"NATS/1.0 404"), head)

    def chain_pulls_in_turn(self):
        a, b, c, d = self.some(4)
        stream, subject = self.kept()
        name = self.name("c")
        self.consumer(a, stream, name, filter_subject=subject.decode(), ack_policy="none")
        first = self.pull(b, stream, name, batch=1, expires=60_000_000_000)
        b.sync()
        second = self.pull(c, stream, name, batch=1, expires=60_000_000_000)
        c.sync()
        if MILLRACE:
            self.case.assertEqual(a.api(f"CONSUMER.INFO.{stream}.{name}")["num_waiting"], 2)
        d.sync(publish(subject, b"1"))
        a.sync(publish(subject, b"2"))
        self.case.assertEqual(b.await_one(first)[3], b"1")
        self.case.assertEqual(c.await_one(second)[3], b"2")
        d.api(f"CONSUMER.DELETE.{stream}.{name}")

    def chain_pushed(self):
        a, b, c = self.some(3)
        stream, subject = self.kept()
        a.store(subject, b"0")
        b.sync(publish(subject, b"1"))
        inbox, name = self.subject(), self.name("c")
        sid = b.subscribe(inbox)
        self.consumer(c, stream, name, filter_subject=subject.decode(), ack_policy="none", deliver_subject=inbox.decode())
        a.sync(publish(subject, b"2"))
        c.store(subject, b"3")
        self.case.assertEqual([b.await_one(sid)[3] for _ in range(4)], [b"0", b"1", b"2", b"3"])
        self.case.assertTrue(a.api(f"CONSUMER.DELETE.{stream}.{name}")["success"])
        c.store(subject, b"4")
        self.case.assertEqual(b.unsubscribe(sid), [])


class Causes(unittest.TestCase):
    def test_what_is_known_is_seen(self):
        directory = tempfile.mkdtemp(prefix="millrace-causes-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        server = Server(["-c", path, *(["--shards", "3"] if MILLRACE else [])])
        server.__enter__()
        self.addCleanup(server.__exit__)
        flood = Flood(server.port)
        flood.start()
        self.addCleanup(flood.end)
        rng = random.Random(SEED)
        chains = Chains(self, server.port, rng)
        self.addCleanup(chains.end)
        for number in range(CHAINS):
            name = rng.choice(chains.named)
            try:
                getattr(chains, "chain_" + name)()
            except Exception as error:
                raise AssertionError(f"MILLRACE_CAUSES_SEED={SEED}, chain {number}, {name}: {error}") from error
