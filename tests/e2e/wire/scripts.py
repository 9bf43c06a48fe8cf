"""Small scripts of the client protocol: bytes that one or two connections send, in order.

A script is (name, server, steps). `server` names a configuration of CONFIGS. A step is (connection, bytes):
what that connection sends; a pause follows, in which what is due arrives. Compared is everything that each
connection receives after its greeting, and whether it was closed (differential.py).
"""

CONFIGS = {
    "open": "",
    "small": "max_payload: 64\nmax_control_line: 128\n",
    "few": "max_subscriptions: 2\n",
    "tokens": "max_subscription_tokens: 3\n",
    "users": """
authorization {
  users = [
    {user: u, password: p}
    {user: only, password: p, permissions: {publish: ["a.>", "b"], subscribe: ["a.*", "c.>", "q.x work", "in.>"]}}
    {user: not, password: p, permissions: {publish: {allow: ">", deny: ["a.>", "b"]}, subscribe: {deny: ["a.*", "c.>", "q.x work"]}}}
    {user: both, password: p, permissions: {publish: {allow: "a.>", deny: "a.b.>"}, subscribe: {allow: "a.>", deny: "a.b.>"}}}
    {user: answers, password: p, permissions: {subscribe: ["req.>", "in.>"], allow_responses: true}}
  ]
}
""",
    "token": "authorization { token: sesame }\n",
    "noheaders": "no_header_support: true\n",
}  # fmt: skip

QUIET = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
HEADERS = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'
RESPONDERS = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'


def login(user, password="p", **more):
    extra = "".join(f',"{key}":{value}' for key, value in more.items())
    return f'CONNECT {{"verbose":false,"pedantic":false,"user":"{user}","pass":"{password}"{extra}}}\r\n'.encode()


SCRIPTS = []


def add(name, *steps, server="open"):
    SCRIPTS.append((name, server, [(0, step) if isinstance(step, bytes) else step for step in steps]))


def each(name, texts, before=QUIET, after=b"PING\r\n", server="open"):
    """One script per text."""
    for number, text in enumerate(texts):
        add(f"{name} {number}: {text[:40]!r}", before + text + after, server=server)


# --- how commands may be written

each("ping", [b"PING\r\n", b"ping\r\n", b"PiNg\n", b"PING  \r\n", b"PING x\r\n", b"PING\n\n", b"\r\nPING\r\n", b"PIN\r\n", b"PINGG\r\n"])
each("pong", [b"PONG\r\n", b"pong\n", b"PONG 1 2 3\r\n", b"PON\r\n", b"+OK\r\n", b"+ok\r\n", b"+NO\r\n", b"-ERR 'x'\r\n", b"-ERR\r\n", b"-err x\r\n"])
each("unknown", [b"HELLO\r\n", b"GET / HTTP/1.1\r\n", b"\x00", b"\xff\xfe\r\n", b"MSG a 1 2\r\nhi\r\n", b"HMSG a 1 2 2\r\nhi\r\n", b"RS+ x\r\n", b"A+ x\r\n", b"LS+ x\r\n", b"1\r\n", b" PING\r\n", b"\tPING\r\n", b"INFO {}\r\n", b"INFO x\r\n", b"info {\"a\":1}\r\n"])
each("sub", [
    b"SUB a 1\r\n", b"sub a 1\r\n", b"SUB a q 1\r\n", b"SUB  a   1  \r\n", b"SUB\ta\t1\r\n", b"SUB a\r\n", b"SUB\r\n", b"SUB a b c d\r\n",
    b"SUB a. 1\r\n", b"SUB .a 1\r\n", b"SUB a..b 1\r\n", b"SUB * 1\r\n", b"SUB > 1\r\n", b"SUB a.* 1\r\n", b"SUB a.> 1\r\n",
    b"SUB a.>.b 1\r\n", b"SUB >.a 1\r\n", b"SUB a*b 1\r\n", b"SUB a.b> 1\r\n", b"SUB a.**.b 1\r\n", b"SUB . 1\r\n", b"SUB \xc3\xa9 1\r\n",
    b"SUB a _sys_ 1\r\n", b"SUB a q* 1\r\n", b"SUB a sid-with-text\r\n", b"SUB a 1\n", b"SUBa 1\r\n", b"SUB $SYS.x 1\r\n", b"SUB a.b.c.d.e.f.g.h 1\r\n",
])  # fmt: skip
each("unsub", [b"UNSUB 1\r\n", b"SUB a 1\r\nUNSUB 1\r\n", b"SUB a 1\r\nUNSUB 1 2\r\n", b"SUB a 1\r\nUNSUB 1 x\r\n", b"UNSUB\r\n", b"UNSUB 1 2 3\r\n", b"SUB a 1\r\nUNSUB 1 -1\r\n", b"SUB a 1\r\nUNSUB 1 0\r\n", b"unsub 1\r\n", b"UNSUB  1  \r\n"])
each("pub", [
    b"PUB a 0\r\n\r\n", b"pub a 0\r\n\r\n", b"PUB a 2\r\nhi\r\n", b"PUB a r 2\r\nhi\r\n", b"PUB  a  2 \r\nhi\r\n", b"PUB a\t2\r\nhi\r\n", b"PUB a\r\n",
    b"PUB\r\n", b"PUB a b c 2\r\nhi\r\n", b"PUB a x\r\nhi\r\n", b"PUB a -1\r\nhi\r\n", b"PUB a 2\r\nhix\r\n", b"PUB a 2\r\nhi\n", b"PUB a 2\r\nhi\r\r\n",
    b"PUB a 2\nhi\r\n", b"PUB a. 2\r\nhi\r\n", b"PUB a..b 2\r\nhi\r\n", b"PUB .a 2\r\nhi\r\n", b"PUB * 2\r\nhi\r\n", b"PUB > 2\r\nhi\r\n", b"PUB a.* 2\r\nhi\r\n",
    b"PUB a 02\r\nhi\r\n", b"PUB a 2.0\r\nhi\r\n", b"PUB a 99999999999999999999\r\nhi\r\n", b"PUB a 2000000\r\n", b"PUB _R_.x 2\r\nhi\r\n",
    b"PUB a _R_.x 2\r\nhi\r\n", b"PUB a $JS.ACK.x 2\r\nhi\r\n", b"PUB _GR_.x 2\r\nhi\r\n", b"PUB $NRG.x 2\r\nhi\r\n", b"PUB a r* 2\r\nhi\r\n", b"PUB $SYS.x 2\r\nhi\r\n",
], before=QUIET + b"SUB > 9\r\n")  # fmt: skip
each("pedantic pub", [b"PUB a.* 2\r\nhi\r\n", b"PUB > 2\r\nhi\r\n", b"PUB a..b 2\r\nhi\r\n", b"PUB a. 2\r\nhi\r\n", b"PUB a 2\r\nhi\r\n"], before=b'CONNECT {"verbose":false,"pedantic":true}\r\nSUB a 9\r\n')
each("hpub", [
    b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", b"hpub a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", b"HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    b"HPUB a 14 12\r\nNATS/1.0\r\n\r\n\r\n", b"HPUB a 2 4\r\nabcd\r\n", b"HPUB a 0 2\r\nhi\r\n", b"HPUB a 12\r\nNATS/1.0\r\n\r\n\r\n", b"HPUB a x 2\r\nhi\r\n", b"HPUB a 1 x\r\nhi\r\n",
    b"HPUB a -1 2\r\nhi\r\n", b"HPUB\r\n", b"HPUB a b c 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", b"HPUB a 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n", b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhix\r\n",
], before=HEADERS + b"SUB a 9\r\n")  # fmt: skip
each("hpub without headers", [b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"], before=QUIET)
each("hpub refused", [b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"], before=HEADERS, server="noheaders")
each("connect", [
    b"CONNECT {}\r\n", b"connect {}\r\n", b"CONNECT\r\n", b"CONNECT x\r\n", b"CONNECT []\r\n", b"CONNECT null\r\n", b"CONNECT {\r\n", b'CONNECT {"verbose":1}\r\n', b'CONNECT {"verbose":false}\r\n',
    b'CONNECT {"verbose":true}\r\nSUB a 1\r\nPUB a 0\r\n\r\nUNSUB 1\r\n', b'CONNECT {"protocol":2}\r\n', b'CONNECT {"protocol":-1}\r\n', b'CONNECT {"protocol":"1"}\r\n',
    b'CONNECT {"no_responders":true}\r\n', b'CONNECT {"no_responders":true,"headers":true}\r\n', b'CONNECT {"echo":false,"verbose":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n', b'CONNECT {"lang":5}\r\n',
    b'CONNECT {"name":"x","unknown":{"a":[1,2]}}\r\n', b'CONNECT {"user":"nobody","pass":"x"}\r\n', b'CONNECT {"auth_token":"x"}\r\n', b'CONNECT {"account":"A"}\r\n', b'CONNECT {"verbose":false}  \r\n',
    b'CONNECT  {"verbose":false}\r\n', b'CONNECT {"verbose":false}\n', b'CONNECT {"VERBOSE":false}\r\n', b'CONNECT {"verbose":false} x\r\n',
], before=b"")  # fmt: skip
each("nothing said before", [b"SUB a 1\r\nPUB a 2\r\nhi\r\n", b"PING\r\n", b"PUB a 0\r\n\r\n", b"UNSUB 1\r\n"], before=b"")

# --- limits

each("small payload", [b"PUB a 64\r\n" + b"x" * 64 + b"\r\n", b"PUB a 65\r\n" + b"x" * 65 + b"\r\n", b"PUB a 1000000\r\n"], server="small", before=QUIET + b"SUB a 1\r\n")
each("small line", [
    b"SUB " + b"a" * 100 + b" 1\r\n", b"SUB " + b"a" * 122 + b" 1\r\n", b"SUB " + b"a" * 140 + b" 1\r\n", b"PUB " + b"a" * 140 + b" 0\r\n\r\n",
    b"UNSUB " + b"1" * 140 + b"\r\n", b"PING" + b" " * 300 + b"\r\n", b"SUB " + b"a" * 1000,
], server="small", after=b"")  # fmt: skip
each("few", [b"SUB a 1\r\nSUB b 2\r\n", b"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPUB c 2\r\nhi\r\n", b"SUB a 1\r\nSUB b 2\r\nUNSUB 1\r\nSUB c 3\r\nPUB c 2\r\nhi\r\n", b"SUB a 1\r\nSUB b 2\r\nSUB b 2\r\n"], server="few")
each("tokens", [b"SUB a.b.c 1\r\n", b"SUB a.b.c.d 1\r\nPUB a.b.c.d 0\r\n\r\n", b"SUB a.b.> 1\r\n", b"SUB *.*.*.* 1\r\n"], server="tokens")

# --- delivery

FILTERS = [b"a", b"a.b", b"*", b">", b"a.*", b"*.b", b"a.>", b"*.*", b"a.b.c", b"a.*.c", b"a.b.>"]
for text in FILTERS:
    publish = b"".join(b"PUB %s 1\r\nx\r\n" % s for s in (b"a", b"b", b"a.b", b"b.b", b"a.b.c", b"a.c.c", b"a.b.c.d", b"A", b"a.*"))
    add(f"what {text.decode()} matches", QUIET + b"SUB %s 1\r\n" % text + publish + b"PING\r\n")
for count in range(5):
    add(f"unsubscribed after {count}", QUIET + b"SUB a 1\r\nUNSUB 1 %d\r\n" % count + b"PUB a 0\r\n\r\n" * 4 + b"PING\r\n")
    add(f"unsubscribed after {count}, later", QUIET + b"SUB a 1\r\n" + b"PUB a 0\r\n\r\n" * 2, b"UNSUB 1 %d\r\n" % count + b"PUB a 0\r\n\r\n" * 3 + b"PING\r\n")
for size in (0, 1, 2, 9, 10, 99, 100, 1000, 9999, 65536):
    add(f"a payload of {size}", QUIET + b"SUB a 1\r\nPUB a %d\r\n" % size + b"x" * size + b"\r\nPING\r\n")
add("the same sid twice", QUIET + b"SUB a 1\r\nSUB b 1\r\nPUB a 1\r\n1\r\nPUB b 1\r\n2\r\nPING\r\n")
add("a reply goes with the message", QUIET + b"SUB a 1\r\nPUB a back.here 2\r\nhi\r\nPING\r\n")
add("one of a queue", QUIET + b"SUB a q 1\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\nPING\r\n")
add("a queue and a plain one", QUIET + b"SUB a q 1\r\nSUB a 2\r\nPUB a 1\r\nx\r\nPING\r\n")
add("without headers for whoever takes none", (0, HEADERS), (1, QUIET + b"SUB a 1\r\nPING\r\n"), (0, b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n"))
add("with headers for whoever takes them", (0, HEADERS), (1, HEADERS + b"SUB a 1\r\nPING\r\n"), (0, b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n"))
add("from one to another", (0, QUIET + b"SUB a 1\r\nPING\r\n"), (1, QUIET + b"PUB a 2\r\nhi\r\nPING\r\n"))
add("to both", (0, QUIET + b"SUB a 1\r\nPING\r\n"), (1, QUIET + b"SUB > 7\r\nPUB a 2\r\nhi\r\nPING\r\n"))
for subject in (b"nobody", b"nobody.here", b"a..b", b"$JS.API.INFO"):
    add(f"no responders on {subject.decode()}", RESPONDERS + b"SUB in.* 1\r\nPUB %s in.1 0\r\n\r\nPING\r\n" % subject)
    add(f"no responders on {subject.decode()}, not asked for", HEADERS + b"SUB in.* 1\r\nPUB %s in.1 0\r\n\r\nPING\r\n" % subject)
add("no responders, no inbox", RESPONDERS + b"PUB nobody in.1 0\r\n\r\nPING\r\n")
add("no responders, in a queue", RESPONDERS + b"SUB in.* q 1\r\nPUB nobody in.1 0\r\n\r\nPING\r\n")
add("a responder is there", (0, QUIET + b"SUB s 1\r\nPING\r\n"), (1, RESPONDERS + b"SUB in.* 1\r\nPUB s in.1 0\r\n\r\nPING\r\n"))

# --- frames in pieces

WHOLE = QUIET + b"SUB a 1\r\nPUB a 5\r\nhello\r\nPING\r\n"
for at in range(40, len(WHOLE), 3):
    add(f"cut at {at}", WHOLE[:at], WHOLE[at:])

# --- who may

each("token", [b'CONNECT {"auth_token":"sesame","verbose":false}\r\n', b'CONNECT {"auth_token":"x"}\r\n', b"CONNECT {}\r\n", b"PING\r\n", b"SUB a 1\r\n", b'CONNECT {"user":"sesame"}\r\n'], before=b"", server="token")
each("users", [login("u"), login("u", "x"), login("nobody"), login(""), b"PING\r\n", b"CONNECT {}\r\n", b"HELLO\r\n", login("u") + login("only")], before=b"", server="users")
SUBJECTS = (b"a", b"b", b"a.b", b"a.b.c", b"a.c", b"a.*", b"a.>", b"c.d", b"c.>", b"c.*", b">", b"*", b"*.b", b"a.*.c", b"a.b.>", b"q.x", b"z")
for user in ("only", "not", "both", "answers"):
    for subject in SUBJECTS:
        if b"*" not in subject and b">" not in subject:
            add(f"{user} publishes {subject.decode()}", (1, login("u") + b"SUB > 1\r\nPING\r\n"), (0, login(user) + b"PUB %s 1\r\nx\r\nPING\r\n" % subject), server="users")
        add(f"{user} subscribes {subject.decode()}", (0, login(user) + b"SUB %s 1\r\nPING\r\n" % subject), (1, login("u") + b"".join(b"PUB %s 1\r\nx\r\n" % s for s in SUBJECTS if b"*" not in s and b">" not in s) + b"PING\r\n"), (0, b"PING\r\n"), server="users")
    for queue in (b"work", b"play"):
        add(f"{user} subscribes q.x in {queue.decode()}", login(user) + b"SUB q.x %s 1\r\nPING\r\n" % queue, server="users")
add("one answer is allowed", (0, login("answers") + b"SUB req.> 1\r\nPING\r\n"), (1, login("u") + b"SUB in.> 1\r\nPUB req.a in.1 0\r\n\r\nPING\r\n"), (0, b"PUB in.1 1\r\n1\r\nPUB in.1 1\r\n2\r\nPUB in.2 1\r\n3\r\nPING\r\n"), (1, b"PING\r\n"), server="users")
