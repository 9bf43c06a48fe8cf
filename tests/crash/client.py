"""A raw-protocol client for asyncio that can publish tens of thousands of messages a second.

It knows only what the load needs: one wildcard inbox whose answers go to a callback each, and
plain subscriptions. When the server dies every open request gets None: sent, never answered.
"""

import asyncio
import json

from deadline import within

CONNECT = {
    "verbose": False,
    "pedantic": False,
    "headers": True,
    "no_responders": True,
    "lang": "crash",
    "version": "1",
    "protocol": 1,
}
INBOX_SID = b"0"
CONNECT_S = 10
ANSWER_S = 30  # unless who asks knows better


class Message:
    """What arrived: `headers` is the raw block, empty when there was none."""

    __slots__ = ("subject", "reply", "headers", "body")

    def __init__(self, subject, reply, headers, body):
        self.subject = subject
        self.reply = reply
        self.headers = headers
        self.body = body

    def status(self):
        """The status code of an empty control message, else 0."""
        if self.body or not self.headers.startswith(b"NATS/1.0 "):
            return 0
        return int(self.headers[9:12])


class Lost(Exception):
    """The connection ended before the answer came."""


class Client(asyncio.Protocol):
    _count = 0

    def __init__(self):
        Client._count += 1
        self.inbox = b"_C.%d." % Client._count  # answers, all to one subscription
        self.deliver = b"_D.%d." % Client._count  # for subscriptions of their own
        self.transport = None
        self.buffer = bytearray()
        self.waiting = {}
        self.handlers = {}
        self.serial = 0
        self.sids = 0
        self.lost = False
        self.errors = []
        self.ready = asyncio.get_running_loop().create_future()
        self.closed = asyncio.get_running_loop().create_future()
        self.space = asyncio.Event()
        self.space.set()

    # --- the connection

    @classmethod
    async def open(cls, port, **said):
        """Connects to a server that is ready, saying who it is; raises Lost when it died meanwhile."""
        loop = asyncio.get_running_loop()
        try:
            _, client = await loop.create_connection(cls, "127.0.0.1", port)
            client.transport.write(
                b"CONNECT %s\r\nSUB %s* %s\r\nPING\r\n"
                % (json.dumps({**CONNECT, **said}).encode(), client.inbox, INBOX_SID)
            )
            await within(CONNECT_S, f"a greeting on port {port}", client.ready)
        except (OSError, asyncio.TimeoutError) as error:
            raise Lost(str(error)) from error
        return client

    def close(self):
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport):
        self.transport = transport

    def pause_writing(self):
        self.space.clear()

    def resume_writing(self):
        self.space.set()

    def connection_lost(self, exc):
        self.lost = True
        self.space.set()
        if not self.ready.done():
            self.ready.set_exception(Lost("closed while connecting"))
            self.ready.exception()
        waiting, self.waiting = self.waiting, {}
        for callback in waiting.values():
            callback(None)
        if not self.closed.done():
            self.closed.set_result(None)

    # --- sending

    def publish(self, subject, body=b"", headers=b"", reply=b""):
        if self.lost or self.transport.is_closing():
            return
        if headers:
            line = b"HPUB %s %s %d %d\r\n" % (
                subject,
                reply,
                len(headers),
                len(headers) + len(body),
            )
            self.transport.write(line + headers + body + b"\r\n")
        else:
            self.transport.write(b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(body), body))

    def request(self, subject, body, callback, headers=b""):
        """callback(Message) with the answer, callback(None) when the connection is lost."""
        if self.lost:
            callback(None)
            return
        self.serial += 1
        token = b"%d" % self.serial
        self.waiting[token] = callback
        self.publish(subject, body, headers, self.inbox + token)

    async def ask(self, subject, body=b"", headers=b"", timeout=ANSWER_S):
        """One request as a call: the Message, or Lost."""
        future = asyncio.get_running_loop().create_future()

        def answered(message):
            if not future.done():
                future.set_result(message)

        self.request(subject, body, answered, headers)
        message = await within(timeout, f"an answer to {subject.decode()}", future)
        if message is None:
            raise Lost("no answer")
        return message

    async def api(self, subject, body=None, timeout=ANSWER_S):
        """One JetStream API request: the parsed answer, errors included."""
        payload = b"" if body is None else json.dumps(body).encode()
        message = await self.ask(b"$JS.API." + subject.encode(), payload, timeout=timeout)
        if message.status() == 503:
            raise RuntimeError(f"nobody serves $JS.API.{subject}")
        return json.loads(message.body)

    def subscribe(self, subject, handler):
        self.sids += 1
        sid = b"%d" % self.sids
        self.handlers[sid] = handler
        if not self.lost:
            self.transport.write(b"SUB %s %s\r\n" % (subject, sid))
        return sid

    def unsubscribe(self, sid):
        self.handlers.pop(sid, None)
        if not self.lost:
            self.transport.write(b"UNSUB %s\r\n" % sid)

    # --- receiving

    def data_received(self, data):
        self.buffer += data
        buffer = self.buffer
        at = 0
        while True:
            end = buffer.find(b"\r\n", at)
            if end < 0:
                break
            if buffer[at] in b"MH":  # MSG or HMSG
                after = self._message(buffer, at, end)
                if after < 0:
                    break
                at = after
                continue
            self._line(bytes(buffer[at:end]))
            at = end + 2
        if at:
            del buffer[:at]

    def _message(self, buffer, at, end):
        """Handles the message whose control line is at..end; where the next begins, -1 for
        'not all here yet'."""
        words = bytes(buffer[at:end]).split()
        with_headers = words[0] == b"HMSG"
        total = int(words[-1])
        begin = end + 2
        if len(buffer) < begin + total + 2:
            return -1
        header_size = int(words[-2]) if with_headers else 0
        has_reply = len(words) == (6 if with_headers else 5)
        headers = bytes(buffer[begin : begin + header_size])
        body = bytes(buffer[begin + header_size : begin + total])
        message = Message(words[1], words[3] if has_reply else b"", headers, body)
        self._dispatch(words[2], message)
        return begin + total + 2

    def _dispatch(self, sid, message):
        if sid == INBOX_SID:
            callback = self.waiting.pop(message.subject[len(self.inbox) :], None)
            if callback is not None:
                callback(message)
        else:
            handler = self.handlers.get(sid)
            if handler is not None:
                handler(message)

    def _line(self, line):
        if line.startswith(b"PING"):
            self.transport.write(b"PONG\r\n")
        elif line.startswith(b"PONG"):
            if not self.ready.done():
                self.ready.set_result(None)
        elif line.startswith(b"-ERR"):
            self.errors.append(line)
