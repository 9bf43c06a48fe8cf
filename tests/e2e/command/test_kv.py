"""kv: every command of the group."""

import json
import unittest

from cli import EXISTS, MISSING, RUN_S, USAGE, CliCase


class Buckets(CliCase):
    def setUp(self):
        super().setUp()
        self.run_cli("kv", "add", "B", "--history", "5")
        self.addCleanup(self.run_cli, "kv", "del", "B", "--force")

    def put(self, key, value):
        self.run_cli("kv", "put", "B", key, value)

    def test_a_bucket_is_the_stream_that_clients_expect(self):
        self.run_cli("kv", "add", "T", "--ttl", "1h", "--max-value-size", "1KB", "--storage", "memory")
        self.addCleanup(self.run_cli, "kv", "del", "T", "--force")
        config = self.json("stream", "info", "KV_T")["config"]
        for key, value in {"subjects": ["$KV.T.>"], "max_age": 3600 * 10**9, "max_msg_size": 1024, "storage": "memory",
                           "max_msgs_per_subject": 1, "allow_rollup_hdrs": True, "deny_delete": True,
                           "discard": "new", "allow_direct": True}.items():
            self.assertEqual(config[key], value, key)

    def test_what_is_put_is_got(self):
        self.assertEqual(self.out("kv", "put", "B", "a.b", "hello"), "hello\n")
        self.assertEqual(self.out("kv", "get", "B", "a.b", "--raw"), "hello")
        self.assertRegex(self.out("kv", "get", "B", "a.b"), r"^B > a\.b revision: 1 created @ \d{4}-.*\n\nhello\n\n$")
        self.run_cli("kv", "put", "B", "file", stdin=b"\x00\xff")
        self.assertEqual(self.json("kv", "get", "B", "file")["data"], "AP8=")
        got = self.json("kv", "get", "B", "a.b")
        self.assertEqual((got["key"], got["revision"], got["operation"], got["payload"]), ("a.b", 1, "PUT", "hello"))

    def test_create_and_update_are_compare_and_set(self):
        self.run_cli("kv", "create", "B", "lock", "me")
        self.fails(EXISTS, "kv", "create", "B", "lock", "you", says="lock is at revision 1")
        self.fails(EXISTS, "kv", "update", "B", "lock", "you", "9", says="lock is at revision 1")
        self.run_cli("kv", "update", "B", "lock", "you", "1")
        self.run_cli("kv", "del", "B", "lock", "--force")
        self.run_cli("kv", "create", "B", "lock", "again")
        self.assertEqual(self.out("kv", "get", "B", "lock", "--raw"), "again")
        self.fails(USAGE, "kv", "update", "B", "lock", "you", "zero", says="which revision")

    def test_deletes_stay_in_the_history_and_purges_do_not(self):
        for value in ("one", "two"):
            self.put("k", value)
        self.assertEqual(self.out("kv", "get", "B", "k", "--raw", "--revision", "1"), "one")
        self.run_cli("kv", "del", "B", "k", "--force")
        self.fails(MISSING, "kv", "get", "B", "k", says="no key k in B", next_says="kv ls B")
        self.assertEqual([json.loads(line)["operation"] for line in self.out("kv", "history", "B", "k", "--json").splitlines()],
                         ["PUT", "PUT", "DEL"])
        self.assertRegex(self.out("kv", "history", "B", "k"), r"│ k +│ +2 │ PUT +│ .* │ 3 +│ two ")
        self.run_cli("kv", "purge", "B", "k", "--force")
        self.assertEqual(len(self.out("kv", "history", "B", "k", "--json").splitlines()), 1)

    def test_lists(self):
        for key in ("db.host", "db.port", "web"):
            self.put(key, "v-" + key)
        self.run_cli("kv", "del", "B", "web", "--force")
        self.assertEqual(self.out("kv", "ls", "B"), "db.host\ndb.port\n")
        self.assertEqual(self.out("kv", "ls", "B", "db.h*".replace("h*", "*"), "--values"), "db.host: v-db.host\ndb.port: v-db.port\n")
        self.assertRegex(self.out("kv", "ls"), r"│ B +│ +│ \d{4}-")
        self.assertEqual(self.out("kv", "ls", "--names"), "B\n")
        self.assertIn("History Kept: 5\n", self.out("kv", "status", "B"))

    def test_watch_shows_what_is_there_and_what_comes(self):
        self.put("w.a", "1")
        before = self.consumers("KV_B")
        watch = self.spawn("kv", "watch", "B", "w.>", "--count", "3")
        self.until_read("KV_B", before)
        self.put("other", "x")
        self.put("w.b", "2")
        self.run_cli("kv", "del", "B", "w.a", "--force")
        out, _ = watch.communicate(timeout=RUN_S)
        self.assertEqual([line.split("] ")[1] for line in out.splitlines()],
                         ["PUT B > w.a: 1", "PUT B > w.b: 2", "DEL B > w.a"])

    def test_wrong_input_is_refused_with_a_reason(self):
        self.fails(USAGE, "kv", "add", "a.b", says="name|bucket")
        self.fails(USAGE, "kv", "add", "H", "--history", "65", says="64")
        self.fails(USAGE, "kv", "put", "B", "a b", "x", says='"a b" is no key')
        self.fails(USAGE, "kv", "get", "B", "a.*", says="no key")
        self.fails(MISSING, "kv", "get", "NONE", "k", says="not found|no bucket")
        self.fails(MISSING, "kv", "put", "NONE", "k", "v", says="no bucket NONE", next_says="kv add NONE")
        self.fails(MISSING, "kv", "ls", "NONE", says="no bucket NONE")
        self.fails(MISSING, "kv", "get", "B", "none", says="no key none")
        self.fails(USAGE, "kv", "del", "B", "k", says="nobody is there", next_says="--force")


if __name__ == "__main__":
    unittest.main()
