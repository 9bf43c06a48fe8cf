"""Hostile and absurd input: one clear line, the documented exit code, in time, and nothing that a terminal would obey."""

import os
import re
import subprocess
import time
import unittest

from cli import BINARY, DONE, FAILED, REFUSED, RUN_S, UNREACHABLE, USAGE, CliCase
from fake_server import GREETING, FakeServer, answers, floods, says

# Clears the screen, rings, ends the line; and the same as a C1 control in UTF-8.
EVIL = "\x1b[2J\x07\nx\x9b2J"
LEAST, MOST = -(2**63), 2**64 - 1

STREAM = {
    "config": {"name": "A" + EVIL, "subjects": ["a" + EVIL], "retention": "", "storage": "", "discard": "",
               "max_age": LEAST, "duplicate_window": LEAST, "num_replicas": LEAST, "max_msgs": LEAST, "max_bytes": MOST,
               "description": EVIL, "metadata": {"a" + EVIL: EVIL}},
    "state": {"messages": MOST, "bytes": MOST, "first_seq": MOST, "last_seq": 0, "first_ts": "zz",
              "last_ts": "9999-99-99T99:99:99Z", "consumer_count": LEAST, "subjects": {"x" + EVIL: 5}},
    "created": "0000-00-00T00:00:00Z",
    "cluster": {"name": EVIL, "leader": EVIL, "replicas": [{"name": EVIL, "active": LEAST, "lag": MOST}, 5, None, []]},
    "mirror": {"name": EVIL, "lag": LEAST, "active": LEAST}, "sources": [5, {"name": EVIL, "active": LEAST}],
}
CONSUMER = {
    "stream_name": "A" + EVIL, "name": "B" + EVIL,
    "config": {"durable_name": "B", "ack_wait": LEAST, "deliver_policy": "", "ack_policy": "", "backoff": [LEAST, "x"],
               "inactive_threshold": LEAST, "idle_heartbeat": LEAST, "pause_until": "zz", "filter_subjects": [5, EVIL]},
    "delivered": {"consumer_seq": MOST, "stream_seq": MOST, "last_active": "zz"},
    "ack_floor": {"consumer_seq": LEAST, "last_active": "9999-12-31T23:59:59Z"},
    "num_pending": MOST, "num_ack_pending": LEAST, "paused": True, "pause_remaining": LEAST, "created": "x",
}
EVERYTHING = {
    **CONSUMER, **STREAM, "total": 10**9, "offset": 0, "limit": 256,
    "streams": [STREAM, 5, None, [], EVIL], "consumers": [CONSUMER, 5],
    "message": {"subject": "a" + EVIL, "seq": MOST, "data": "not base64!", "hdrs": "%%%", "time": "zz"},
    "limits": {"max_streams": LEAST}, "api": {"total": LEAST}, "success": "maybe", "purged": LEAST,
    "server": {"name": EVIL, "id": EVIL, "cluster": EVIL, "version": EVIL},
    "data": {"account_details": [{"name": EVIL, "stream_detail": [STREAM]}],
             "connections": [{"cid": LEAST, "name": EVIL, "ip": EVIL}],
             "meta_cluster": {"leader": EVIL, "replicas": [{"name": EVIL, "active": LEAST}]}},
}
COMMANDS = [
    "stream ls", "stream info A", "stream report", "stream find --empty", "stream subjects A", "stream get A 1",
    "stream view A", "stream edit A --max-msgs 5 -f", "stream rm A -f", "stream purge A -f", "stream add A --subjects a --defaults",
    "consumer ls A", "consumer info A B", "consumer report A", "consumer next A B", "consumer add A B --pull --defaults",
    "consumer pause A B 1h -f", "consumer rm A B -f", "kv ls", "kv ls B", "kv get B k", "kv put B k v", "kv history B k",
    "kv status B", "kv add B", "object ls", "object ls F", "object info F n", "object add F", "object seal F -f",
    "server info", "server ls", "server ping --count 1", "server report jetstream", "server report connections",
    "cluster status", "account info", "rtt", "doctor server", "doctor cluster", "top --count 1", "pub x hi --jetstream",
]
FEW = ("stream ls", "stream info A", "stream get A 1", "consumer info A B", "kv get B k", "account info")


class Hostile(CliCase):
    def against(self, talk):
        """The environment of a client of that server."""
        server = FakeServer(talk)
        self.addCleanup(server.close)
        return {"NATS_URL": server.url, "NATS_TIMEOUT": "1s"}

    def ends_well(self, words, result, seconds):
        said = f"{words}: {result.returncode}\n{result.stdout[-2000:]}\n--- stderr\n{result.stderr[-2000:]}"
        self.assertIn(result.returncode, range(8), said)
        self.assertNotIn("Sanitizer", result.stderr, said)
        self.assertNotIn("Assertion", result.stderr, said)
        self.assertLess(seconds, RUN_S / 2, said)
        self.assertLessEqual(result.stderr.count("millrace: error: "), 1, said)
        for evil in ("\x1b", "\x07", "\x9b"):
            self.assertNotIn(evil, result.stderr, said)
            self.assertNotIn(evil, result.stdout, said)

    def attack(self, words, env):
        begun = time.monotonic()
        result = subprocess.run([BINARY, *words], env={**self.env, **env}, input="", capture_output=True, text=True,
                                errors="replace", timeout=RUN_S, cwd=self.home, check=False)
        self.ends_well(words, result, time.monotonic() - begun)
        return result


class Servers(Hostile):
    def test_whoever_speaks_something_else_is_no_server(self):
        for name, text in {"HTTP": b"HTTP/1.1 400 Bad\r\n\r\n", "no JSON": b"INFO zzz\r\n", "an array": b"INFO []\r\n",
                           "deep": b"INFO " + b"[" * 500000 + b"\r\n", "endless": b'INFO {"a":"' + b"x" * 5000000,
                           "zeros": b"\0" * 5000, "nothing": b"", "half": b'INFO {"server_id"'}.items():
            with self.subTest(name):
                self.assertEqual(self.attack(["stream", "ls"], self.against(says(text))).returncode, UNREACHABLE)

    def test_a_server_that_never_stops_talking_does_not_keep_us_past_the_timeout(self):
        for name, text in {"+OK": b"+OK\r\n", "messages": b"MSG a 99 2\r\nhi\r\n", "pings": b"PING\r\n",
                           "greetings": GREETING}.items():
            with self.subTest(name):
                self.assertEqual(self.attack(["stream", "ls"], self.against(floods(text))).returncode, UNREACHABLE)

    def test_words_of_a_server_reach_the_terminal_without_what_it_would_obey(self):
        talk = says(GREETING + b"-ERR '" + EVIL.replace("\n", " ").encode() + b"'\r\n")
        result = self.attack(["pub", "a", "b"], self.against(talk))
        self.assertEqual(result.returncode, REFUSED)
        self.assertIn("?[2J?", result.stderr)

    def test_a_refusal_without_a_word_is_said_in_words(self):
        for text in (b"-ERR\r\n", b"-ERR '\r\n", b"-ERR ''\r\n"):
            result = self.attack(["pub", "a", "b"], self.against(says(GREETING + text)))
            self.assertRegex(result.stderr, r"error: \S")

    def test_no_answer_brings_a_command_down(self):
        for words in COMMANDS:
            for name, answer in {"everything": EVERYTHING, "stream": STREAM, "consumer": CONSUMER, "empty": b"",
                                 "null": b"null", "deep": b'{"a":' * 100000, "text": b"hello"}.items():
                if name != "everything" and words not in FEW:
                    continue
                with self.subTest(words=words, answer=name):
                    self.attack(words.split(), self.against(answers(lambda _s, _p, answer=answer: answer)))

    def test_the_same_page_again_ends_a_list(self):
        page = {"total": 10**9, "offset": 0, "limit": 256, "streams": [STREAM] * 256}
        result = self.attack(["stream", "ls"], self.against(answers(lambda _s, _p: page)))
        self.assertEqual(result.returncode, FAILED)
        self.assertIn("another page", result.stderr)

    def test_the_same_message_again_ends_a_view(self):
        message = {"message": {"subject": "a", "seq": 3, "data": "aGk=", "time": "2026-01-01T00:00:00Z"}}
        result = self.attack(["stream", "view", "A"], self.against(answers(lambda _s, _p: message)))
        self.assertEqual(result.returncode, FAILED)
        self.assertIn("message 3 where 4 or later", result.stderr)

    def test_descriptions_keep_a_table_in_one_piece(self):
        self.out("stream", "add", "EVIL", "--subjects", "evil", "--defaults", "--description", EVIL)
        lines = self.out("stream", "ls").splitlines()
        self.assertEqual({len(line) for line in lines}, {len(lines[0])})
        self.assertIn("?[2J??x", self.out("stream", "info", "EVIL"))
        code, screen = self.terminal("stream", "ls", columns=20)
        self.assertEqual(code, DONE)
        self.assertNotIn("\x1b[2J", screen)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", screen)
        self.assertLessEqual(max(len(line) for line in plain.splitlines()), 20, screen)


class Words(Hostile):
    """Flags and words that cannot be meant."""

    def test_nothing_that_we_are_given_ends_a_line_of_the_protocol(self):
        evil = "q 1\r\nPUB y 2\r\nhi\r\n"
        for words in (["sub", "x", "--queue", evil], ["sub", "x", "--queue", "a b"], ["reply", "x", "hi", "--queue", "a b"],
                      ["pub", "x", "hi", "--reply", evil], ["pub", "x", "hi", "--reply", "a.*"],
                      ["request", "x", "hi", "--inbox-prefix", evil], ["request", "x", "hi", "--inbox-prefix", ">"],
                      ["stream", "ls", "--js-api-prefix", evil], ["stream", "ls", "--js-api-prefix", "a..b"],
                      ["stream", "ls", "--js-domain", "a b"], ["stream", "ls", "--js-domain", "*"],
                      ["stream", "ls", "--js-event-prefix", "x" * 70]):
            with self.subTest(words):
                result = self.attack(words, {})
                self.assertEqual(result.returncode, USAGE)
                self.assertEqual(result.stderr.count("\n"), 2)  # the error and what to do

    def test_what_a_server_refuses_but_not_for_our_rights_is_code_1(self):
        self.fails(FAILED, "request", "x" * 5000, "hi", says="maximum control line exceeded")

    def test_a_timeout_and_colours_that_are_none_say_what_they_should_be(self):
        for timeout in ("0", "-1s", "-1ns"):
            self.fails(USAGE, "rtt", "--timeout", timeout, says="positive duration", next_says="help flags")
        self.fails(USAGE, "rtt", "--colors", "purple", says="auto, always or never", next_says="--colors never")

    def test_a_proxy_that_is_not_there_is_called_a_proxy(self):
        self.fails(UNREACHABLE, "rtt", "--socks-proxy", "socks5://127.0.0.1:1", says=r"no SOCKS proxy at 127\.0\.0\.1:1")
        self.fails(UNREACHABLE, "rtt", "-s", "nats://[::1]:1", says=r"no server at \[::1\]:1")

    def test_a_count_below_one_is_refused_instead_of_nothing_done(self):
        self.run_cli("stream", "add", "COUNT", "--subjects", "count", "--defaults")
        for words in (["pub", "x", "hi"], ["request", "x", "hi"], ["sub", "x"], ["reply", "x", "hi"], ["top"], ["events"],
                      ["rtt"], ["stream", "view", "COUNT"], ["consumer", "next", "COUNT", "c"], ["kv", "watch", "B"],
                      ["object", "watch", "B"]):
            for count in ("0", "-1", str(LEAST)):
                self.fails(USAGE, *words, "--count", count, says="--count must be at least 1", next_says="--count 10")

    def test_figures_at_the_end_of_their_range_are_out_of_range(self):
        for words in (["--msgs", str(2**63 - 1)], ["--msgs", "0"], ["--msgs", "-1"], ["--size", str(2**62)]):
            self.fails(USAGE, "bench", "pub", "x", *words, says="out of range")

    def test_minus_one_is_no_limit_for_an_age_too(self):
        self.out("stream", "add", "AGES", "--subjects", "ages", "--max-age", "1h", "--defaults")
        self.assertEqual(self.json("stream", "edit", "AGES", "--max-age", "-1", "--force")["config"]["max_age"], 0)
        self.out("stream", "add", "AGED", "--subjects", "aged", "--max-age=-1", "--defaults")

    def test_check_and_dump_fail_in_the_words_of_every_command(self):
        for tool in ("check", "dump"):
            self.fails(USAGE, tool, "/nowhere", says="/nowhere is no data directory", next_says="-sd, or store_dir")
            self.fails(USAGE, tool, self.server.directory, says="in use by a running server", next_says="stop it first")

    def test_the_name_of_an_object_obeys_no_terminal(self):
        name = "x\n\x1b[2J"
        self.out("object", "add", "NAMES")
        self.run_cli("object", "put", "NAMES", "--name", name, stdin="content")
        for words in (["object", "info", "NAMES", name], ["object", "ls", "NAMES"]):
            self.assertIn("x??[2J", self.attack(words, {}).stdout)

    def test_a_bar_stays_on_its_line_on_a_terminal_of_any_width(self):
        self.out("kv", "add", "BAR")
        for columns in (60, 20, 6):
            for count in (2000, 8000, 32000, 128000):  # until it takes long enough for one
                code, screen = self.terminal("bench", "kv", "BAR", "--msgs", str(count), "--size", "16", columns=columns)
                self.assertEqual(code, DONE, screen)
                drawn = re.findall(r"\r( *\d+%[^\r]*)", screen)
                if drawn:
                    break
            self.assertGreater(len(drawn), 0, screen)
            self.assertEqual([bar for bar in drawn if len(bar.rstrip("\n")) > columns], [])


class Contexts(Hostile):
    def save(self, text):
        folder = self.path(".config/nats/context")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "evil.json"), "wb") as file:
            file.write(text)

    def test_a_member_of_another_kind_is_named_instead_of_passed_over(self):
        for text, says_ in ((b'{"url": 5}', "url is no text"), (b'{"url": ["a"]}', "url is no text"),
                            (b'{"url": "nats://127.0.0.1:1\\u0000x"}', "url is no text"),
                            (b'{"tls_first": "yes"}', "tls_first is no truth value"), (b"[]", "not an object"),
                            (b'{"inbox_prefix": "a b"}', "no prefix for subjects"), (b"[" * 60000, "damaged")):
            with self.subTest(text[:40]):
                self.save(text)
                self.fails(USAGE, "rtt", "--context", "evil", says=says_, next_says="context ls",
                           env={"NATS_URL": ""})

    def test_a_file_that_cannot_be_read_says_why(self):
        self.save(b" " * 100000)
        self.fails(USAGE, "rtt", "--context", "evil", says="cannot read context evil: File too large")

    def test_members_that_are_null_or_unknown_do_no_harm(self):
        self.save(b'{"url": null, "user": null, "tls_first": null, "color_scheme": {"a": [1]}}')
        self.out("rtt", "--context", "evil")

    def test_a_damaged_context_is_not_saved_over(self):
        for text in (b"[]", b"{", b'{"url": 5}'):
            self.save(text)
            self.fails(FAILED, "context", "save", "evil", "-s", "nats://a", says="damaged")


if __name__ == "__main__":
    unittest.main()
