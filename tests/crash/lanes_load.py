"""What lanes.py does to a server whose streams are turned by several threads, and what must hold after it.

Each actor ends by itself when its connection is lost. What was confirmed is known; what was sent and never answered may
have happened or not.
"""

import asyncio
import base64
import json
import urllib.request

from client import Client, Lost
from history import Violation

STREAMS = 7  # no multiple of the lanes: each has several
PUBLISHERS = 4
WINDOW = 60
BATCH = 40
CHURNS = 5
NAMES = 3  # of each churner
HTTP_S = 30
COMES_S = 60
NOT_FOUND = 10059
NO_CONSUMER = 10014


def name_of(stream):
    return f"S{stream}"


def configs():
    """The streams that live through all: one of them in memory, two fed by others, whichever lanes these are on."""
    plain = [{"name": name_of(i), "subjects": [f"s.{i}.>"], "allow_direct": True} for i in range(STREAMS)]
    return [
        *plain,
        {"name": "COPY", "mirror": {"name": name_of(1)}},
        {"name": "SUM", "sources": [{"name": name_of(i)} for i in range(STREAMS)]},
    ]


class Oracle:
    """What is known of the messages and of the consumers."""

    def __init__(self):
        self.acked = [{} for _ in range(STREAMS)]  # sequence to body
        self.sent = [set() for _ in range(STREAMS)]
        self.confirmed = [set() for _ in range(STREAMS)]  # sequences whose ack was answered
        self.serial = 0
        self.counts = dict.fromkeys(("acked", "delivered", "confirmed", "created", "deleted", "asked", "reloads"), 0)

    def take_ack(self, stream, sequence, body):
        before = self.acked[stream].setdefault(sequence, body)
        if before != body:
            raise Violation(f"{name_of(stream)}: sequence {sequence} was given to {before} and to {body}")
        self.counts["acked"] += 1

    def check_body(self, stream, sequence, body):
        """Of any message that is read anywhere."""
        known = self.acked[stream].get(sequence)
        if known is not None and known != body:
            raise Violation(f"{name_of(stream)}: {sequence} was acked as {known} and is {body}")
        if body not in self.sent[stream]:
            raise Violation(f"{name_of(stream)}: {sequence} is {body}, which nobody sent there")

    def check_stream(self, stream, found):
        """All that it holds after a start."""
        seen, newest = {}, {}
        for sequence in sorted(self.acked[stream]):
            if sequence not in found:
                raise Violation(f"{name_of(stream)}: {sequence} was acked and is gone; it has {len(found)} messages")
        for sequence in sorted(found):
            body = found[sequence]
            self.check_body(stream, sequence, body)
            if body in seen:
                raise Violation(f"{name_of(stream)}: {body} is at {seen[body]} and at {sequence}")
            seen[body] = sequence
            publisher, _, number = body.partition(b":")
            if newest.get(publisher, -1) >= int(number):
                raise Violation(f"{name_of(stream)}: {body} at {sequence} stands behind number {newest[publisher]}")
            newest[publisher] = int(number)


class Publisher:
    """A window of publishes into all streams at once."""

    def __init__(self, run, client):
        self.run = run
        self.client = client
        run.oracle.serial += 1
        self.name = b"p%d" % run.oracle.serial  # of this connection: what it sends is in order
        self.number = 0
        for _ in range(WINDOW):
            self.send()

    def send(self):
        if self.client.lost or self.run.stopping:
            return
        stream = self.run.rng.randrange(STREAMS)
        self.number += 1
        body = b"%s:%d" % (self.name, self.number)
        self.run.oracle.sent[stream].add(body)
        self.client.request(b"s.%d.x" % stream, body, lambda message: self.answered(stream, body, message))

    def answered(self, stream, body, message):
        if message is None:
            return
        try:
            if message.status() == 503:
                raise Violation(f"{name_of(stream)} took nothing of {body}; ending: {self.run.killed}")
            answer = json.loads(message.body)
            if "error" in answer or answer["stream"] != name_of(stream):
                raise Violation(f"{name_of(stream)}: {answer}")
            self.run.oracle.take_ack(stream, answer["seq"], body)
        except Violation as violation:
            self.run.fail(violation)
            return
        self.send()


class Once:
    """Something that comes, or the connection ends."""

    def __init__(self):
        self.future = asyncio.get_running_loop().create_future()

    def come(self):
        if not self.future.done():
            self.future.set_result(None)

    async def wait(self, client):
        await asyncio.wait({self.future, client.closed}, timeout=COMES_S, return_when="FIRST_COMPLETED")
        return self.future.done() or client.lost


class Actor:
    """A loop of steps on a connection of its own."""

    said = {}

    def __init__(self, run):
        self.run = run
        self.oracle = run.oracle
        self.rng = run.rng

    async def work(self):
        try:
            client = await Client.open(self.run.server.port, **self.said)
        except Lost:
            return
        try:
            while not client.lost and not self.run.stopping:
                await self.step(client)
        except Lost:
            pass
        except (Violation, asyncio.TimeoutError, KeyError) as error:
            if not self.run.killed:
                self.run.fail(error if isinstance(error, Violation) else Violation(f"{type(self).__name__}: {error!r}"))
        finally:
            client.close()

    async def must(self, client, subject, body=None):
        answer = await client.api(subject, body)
        if "error" in answer:
            raise Violation(f"{subject}: {answer['error']}")
        return answer

    async def fetch(self, client, stream, consumer, count):
        """So many messages, or fewer when there are no more."""
        got, over = [], Once()

        def arrived(message):
            if message.status():
                over.come()
            else:
                got.append(message)
                if len(got) == count:
                    over.come()

        inbox = client.deliver + b"%d" % client.serial
        client.serial += 1
        sid = client.subscribe(inbox, arrived)
        body = json.dumps({"batch": count, "expires": 300_000_000}).encode()
        client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}".encode(), body, reply=inbox)
        if not await over.wait(client):
            raise Violation(f"{stream}: a pull request of {consumer} has no end")
        client.unsubscribe(sid)
        return got


class Puller(Actor):
    """Takes from the durable consumer of one stream after the other, and acknowledges with confirmation."""

    async def step(self, client):
        stream = self.rng.randrange(STREAMS)
        got = await self.fetch(client, name_of(stream), "pull", BATCH)
        await asyncio.gather(*(self.take(client, stream, message) for message in got))

    async def take(self, client, stream, message):
        sequence = int(message.reply.split(b".")[5])
        self.oracle.counts["delivered"] += 1
        self.oracle.check_body(stream, sequence, message.body)
        if sequence in self.oracle.confirmed[stream]:
            raise Violation(f"{name_of(stream)}: {sequence} was delivered after its ack was confirmed")
        await client.ask(message.reply, b"+ACK")
        self.oracle.confirmed[stream].add(sequence)
        self.oracle.counts["confirmed"] += 1


class Churner(Actor):
    """Makes streams and consumers, uses them and takes them away; each name is one actor's."""

    def __init__(self, run, number):
        super().__init__(run)
        self.names = [f"C{number}_{i}" for i in range(NAMES)]

    async def step(self, client):
        name = self.rng.choice(self.names)
        there = self.run.churned.get(name, False)
        self.run.churned[name] = None  # until it is answered
        if there is None:
            there = "error" not in await client.api(f"STREAM.INFO.{name}")
        if there:
            await self.must(client, f"STREAM.DELETE.{name}")
            answer = await client.api(f"STREAM.INFO.{name}")
            if answer.get("error", {}).get("err_code") != NOT_FOUND:
                raise Violation(f"{name} was deleted and is there: {answer}")
            self.oracle.counts["deleted"] += 1
        else:
            await self.live(client, name)
            self.oracle.counts["created"] += 1
        self.run.churned[name] = not there

    async def live(self, client, name):
        storage = self.rng.choice(("file", "memory"))
        self.run.in_memory[name] = storage == "memory"
        await self.must(client, f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"c.{name}"], "storage": storage})
        for number in range(1, 6):
            answer = json.loads((await client.ask(b"c.%s" % name.encode(), b"%d" % number)).body)
            if answer.get("seq") != number:
                raise Violation(f"{name}: publish {number} was answered {answer}")
        for durable in ("a", "b"):
            await self.must(client, f"CONSUMER.CREATE.{name}.{durable}", {
                "stream_name": name, "config": {"durable_name": durable, "ack_policy": "explicit"}})
        await self.must(client, f"CONSUMER.DELETE.{name}.a")
        bodies = [message.body for message in await self.fetch(client, name, "b", 5)]
        if bodies != [b"1", b"2", b"3", b"4", b"5"] and not client.lost:
            raise Violation(f"{name}: a consumer delivers {bodies}")
        await self.must(client, f"STREAM.PURGE.{name}", {"keep": 2})
        state = (await self.must(client, f"STREAM.INFO.{name}"))["state"]
        if (state["messages"], state["last_seq"]) != (2, 5):
            raise Violation(f"{name}: {state}")


class Asker(Actor):
    """What home is asked that concerns streams of all lanes."""

    async def step(self, client):
        stream = name_of(self.rng.randrange(STREAMS))
        what = self.rng.randrange(9)
        if what == 0:
            names = {one["config"]["name"] for one in (await self.must(client, "STREAM.LIST"))["streams"]}
            if not {config["name"] for config in configs()} <= names:
                raise Violation(f"STREAM.LIST: {names}")
        elif what == 1:
            await self.must(client, f"STREAM.INFO.{stream}", {"subjects_filter": ">", "deleted_details": True})
        elif what == 2:
            await self.must(client, "INFO")
        elif what == 3:
            await self.must(client, f"CONSUMER.LIST.{stream}")
        elif what == 4:
            await self.get(client, self.rng.randrange(STREAMS))
        elif what == 5:
            await self.direct(client, self.rng.randrange(STREAMS))
        elif what == 6:
            await self.ephemeral(client, stream)
        elif what == 7:
            i = int(stream[1:])
            config = {**configs()[i], "description": f"{self.rng.random()}"}
            await self.must(client, f"STREAM.UPDATE.{stream}", config)
        else:
            await self.must(client, f"CONSUMER.INFO.{stream}.pull")
        self.oracle.counts["asked"] += 1

    def known(self, stream):
        acked = self.oracle.acked[stream]
        return self.rng.choice(list(acked.items())[-200:]) if acked else None

    async def get(self, client, stream):
        known = self.known(stream)
        if known is None:
            return
        message = (await self.must(client, f"STREAM.MSG.GET.{name_of(stream)}", {"seq": known[0]}))["message"]
        if base64.b64decode(message["data"]) != known[1]:
            raise Violation(f"{name_of(stream)}: {known} was acked, {message} is there")

    async def direct(self, client, stream):
        known = self.known(stream)
        if known is None:
            return
        subject = b"$JS.API.DIRECT.GET.%s" % name_of(stream).encode()
        message = await client.ask(subject, json.dumps({"seq": known[0]}).encode())
        if message.body != known[1]:
            raise Violation(f"{name_of(stream)}: {known} was acked, {message.body} {message.headers} is there")

    async def ephemeral(self, client, stream):
        """A push consumer of what is new."""
        heard = Once()
        inbox = client.deliver + b"e%d" % client.serial
        client.serial += 1
        sid = client.subscribe(inbox, lambda message: heard.come())
        made = await self.must(client, f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": {
            "deliver_subject": inbox.decode(), "deliver_policy": "last", "ack_policy": "none", "mem_storage": True}})
        if self.oracle.acked[int(stream[1:])] and not await heard.wait(client):
            raise Violation(f"{stream}: a push consumer delivers nothing")
        answer = await client.api(f"CONSUMER.DELETE.{stream}.{made['name']}")
        if "error" in answer and answer["error"]["err_code"] != NO_CONSUMER:
            raise Violation(f"{stream}: {answer}")
        client.unsubscribe(sid)


class System(Actor):
    """Requests in the system account, which look at all streams and connections."""

    said = {"user": "sys", "pass": "sys"}

    async def step(self, client):
        what = self.rng.choice(("JSZ", "VARZ", "HEALTHZ", "CONNZ", "ACCOUNTZ", "STATSZ", "SUBSZ"))
        body = {"streams": True, "consumer": True, "config": True, "accounts": True} if what == "JSZ" else {}
        message = await client.ask(b"$SYS.REQ.SERVER.PING.%s" % what.encode(), json.dumps(body).encode())
        if "error" in json.loads(message.body):
            raise Violation(f"{what}: {message.body}")
        for subject in (b"$SYS.REQ.ACCOUNT.USERS.JSZ", b"$SYS.REQ.ACCOUNT.USERS.INFO"):
            json.loads((await client.ask(subject)).body)
        self.oracle.counts["asked"] += 3


class Monitor(Actor):
    """The same over HTTP."""

    async def step(self, client):
        path = self.rng.choice(("jsz?streams=1&consumers=1&config=1&accounts=1", "healthz", "metrics", "varz", "connz?subs=1",
                                "accstatz", "subsz"))
        try:
            text = await asyncio.to_thread(self.fetch, path)
        except OSError as error:
            await asyncio.sleep(0.2)
            if client.lost or self.run.killed:
                return
            raise Violation(f"/{path}: {error}") from error
        if path != "metrics":
            json.loads(text)
        self.oracle.counts["asked"] += 1

    def fetch(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.run.http}/{path}", timeout=HTTP_S) as response:
            return response.read()


class Reloader(Actor):
    """Another configuration now and then; it is asked until the server says so."""

    async def step(self, client):
        await asyncio.sleep(0.3)
        if not client.lost:
            self.run.reload()
            self.oracle.counts["reloads"] += 1


def actors(run):
    return [Puller(run), Puller(run), *(Churner(run, i) for i in range(CHURNS)), Asker(run), Asker(run), System(run),
            Monitor(run), Reloader(run)]
