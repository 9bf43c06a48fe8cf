"""Consumers, key-value buckets and object buckets as the users of the `nats` command line have them. All of it also
holds for the reference server."""

import json
import os
import unittest

import command  # finds the modules below
from wire import Requester


class Case(command.Case):
    def tearDown(self):
        for name in self.nats("stream ls --names --all").split():
            self.nats(f"stream rm {name} --force")

    def got_object(self, line):
        """Its bytes. The library behind the command ends its own context when the last chunk has come, and
        sometimes looks at that before it has read to the end (objResult.Read of nats.go): then it is asked again."""
        for _ in range(10):
            try:
                self.nats(f"{line} -O {self.path('back')} --force --no-progress")
                break
            except command.Failed as failed:
                if "context canceled" not in str(failed):
                    raise
        with open(self.path("back"), "rb") as file:
            return file.read()

    def newer(self, line, status=0):
        """As nats; a version of the program without that command skips the test."""
        try:
            return self.nats(line, status)
        except command.Failed as failed:
            if "expected command but got" in str(failed) or "unknown" in str(failed):
                self.skipTest(f"this version of the program has no '{line}'")
            raise

    def path(self, name, content=None):
        path = os.path.join(self.server.directory, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        return path


@unittest.skipUnless(command.PROGRAM, command.WITHOUT)
class Consumers(Case):
    def setUp(self):
        self.nats("stream add S --subjects 's.>' --defaults")
        for i in range(6):
            self.nats(f"req s.{i % 2} 'message {i}'")

    def add(self, name="C", flags=""):
        return self.nats(f"consumer add S {name} --pull --ack explicit --defaults {flags}")

    def info(self, name="C"):
        return json.loads(self.nats(f"consumer info S {name} --json"))

    def test_add_shows_the_consumer_and_ls_names_it(self):
        said = self.add(flags="--filter s.1 --wait 10s --max-deliver 3")
        for wanted in ("Name: C", "Pull Mode: true", "Filter Subject: s.1", "Ack Policy: Explicit", "Ack Wait: 10.00s",
                       "Maximum Deliveries: 3", "Unprocessed Messages: 3"):
            self.assertIn(wanted, said)
        self.assertEqual(self.nats("consumer ls S --names").split(), ["C"])

    def test_next_takes_messages_in_order_and_acks_them(self):
        self.add()
        said = self.nats("consumer next S C --count 4 --ack --raw")
        self.assertEqual([f"message {i}" in said for i in range(6)], [True] * 4 + [False] * 2)
        info = self.info()
        self.assertEqual((info["num_pending"], info["num_ack_pending"], info["ack_floor"]["stream_seq"]), (2, 0, 4))

    def test_next_without_ack_leaves_it_pending(self):
        self.add()
        self.nats("consumer next S C --no-ack")
        self.assertEqual(self.info()["num_ack_pending"], 1)

    def test_pause_and_resume(self):
        self.add()
        self.newer("consumer pause S C 1h --force")
        self.assertTrue(self.info()["paused"])
        self.nats("consumer resume S C --force")
        self.assertFalse(self.info().get("paused", False))

    def test_report_counts(self):
        self.add()
        self.add("D", "--filter s.0")
        self.nats("consumer next S C --count 2 --ack")
        said = self.nats("consumer report S")
        rows = {line.split("│")[1].strip(): line for line in said.splitlines() if line.startswith("│")}
        self.assertIn("C", rows)
        self.assertIn("D", rows)
        self.assertRegex(rows["C"], r"Pull.*Explicit.*0.*0.*4")

    def test_edit_changes_what_may_change(self):
        self.add()
        self.nats("consumer edit S C --max-pending 7 --force")
        self.assertEqual(self.info()["config"]["max_ack_pending"], 7)

    def test_rm_removes_it(self):
        self.add()
        self.nats("consumer rm S C --force")
        self.assertIn("No Consumers", self.nats("consumer ls S"))
        self.nats("consumer info S C", status=1)

    def test_a_push_consumer_is_subscribed_to(self):
        self.nats("consumer add S P --target out --ack none --deliver all --replay instant --filter '' --defaults")
        said = self.nats("sub out --count 6 --raw")
        self.assertEqual([f"message {i}" in said for i in range(6)], [True] * 6)

    def test_unpin_of_a_consumer_without_a_group_says_so(self):
        self.add()
        said = self.nats("consumer unpin S C G --force", status=1)
        if "expected command" in said:
            self.skipTest("this version of the program has no 'consumer unpin'")

    def test_unpin_takes_the_pin_from_the_client_that_has_it(self):
        self.newer("consumer add S G --pull --ack explicit --pinned-groups g --pinned-ttl 1m --defaults")
        with Requester(self.server.port) as client:
            client.send(b"SUB in 9\r\n")
            body = b'{"batch":1,"group":"g","expires":5000000000}'
            client.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.G in %d\r\n%s\r\n" % (len(body), body))
            _, _, headers, _ = client.message()
            self.assertIn(b"Nats-Pin-Id", headers)
        self.assertTrue(self.info("G")["priority_groups"][0].get("pinned_client_id"))
        self.nats("consumer unpin S G g --force")
        self.assertFalse(self.info("G")["priority_groups"][0].get("pinned_client_id"))

    def test_copy_makes_another_like_it(self):
        self.add(flags="--filter s.1 --max-deliver 3")
        self.nats("consumer copy S C D --pull")
        config = self.info("D")["config"]
        self.assertEqual((config["filter_subject"], config["max_deliver"]), ("s.1", 3))

    def test_sub_shows_what_a_pull_consumer_has(self):
        self.add()
        said = command.run_in_terminal(self.server, ["consumer", "sub", "S", "C"], b"message 0")
        self.assertIn("message 0", said)

    def test_ls_says_when_there_is_none_and_info_and_rm_fail_then(self):
        self.assertIn("No Consumers", self.nats("consumer ls S"))
        self.nats("consumer info S NONE", status=1)
        self.nats("consumer rm S NONE --force", status=1)

    def bench(self, new, old):
        """The benchmarks were renamed between versions of the program."""
        try:
            return self.nats(new + " --no-progress")
        except command.Failed as failed:
            if "unexpected" not in str(failed) and "expected command" not in str(failed):
                raise
        return self.nats(old + " --no-progress")

    def test_bench_publishes_and_consumes(self):
        self.bench("bench js pub async bench.a --create --msgs 2000 --size 64 --batch 100",
                   "bench bench.a --js --pub 1 --msgs 2000 --size 64 --pubbatch 100")
        said = json.loads(self.nats("stream info benchstream --json"))
        self.assertEqual(said["state"]["messages"], 2000)
        self.bench("bench js consume --msgs 2000 --batch 100",
                   "bench bench.a --js --sub 1 --pull --msgs 2000 --consumerbatch 100")

    def test_bench_of_a_bucket_puts_and_gets(self):
        self.bench("bench kv put --msgs 500 --size 64", "bench b --kv --pub 1 --msgs 500 --size 64")
        self.bench("bench kv get --msgs 500", "bench b --kv --sub 1 --msgs 500")


@unittest.skipUnless(command.PROGRAM, command.WITHOUT)
class Buckets(Case):
    def test_a_value_is_put_got_listed_and_deleted(self):
        self.nats("kv add B --history 5 --ttl 1h")
        self.nats("kv put B key.one value")
        self.assertEqual(self.nats("kv get B key.one --raw"), "value")
        self.assertEqual(self.nats("kv ls B").split(), ["key.one"])
        self.nats("kv del B key.one --force")
        self.assertIn("not found", self.nats("kv get B key.one", status=1))

    def test_create_and_update_compare(self):
        self.nats("kv add B")
        self.nats("kv create B k 1")
        self.nats("kv create B k 2", status=1)
        self.nats("kv update B k 2 1")
        self.nats("kv update B k 3 1", status=1)
        self.assertEqual(self.nats("kv get B k --raw"), "2")

    def test_history_shows_what_is_kept_and_revert_goes_back(self):
        self.nats("kv add B --history 3")
        for value in "abcd":
            self.nats(f"kv put B k {value}")
        said = self.nats("kv history B k")
        self.assertEqual([f" {value} " in said for value in "abcd"], [False, True, True, True])
        self.nats("kv revert B k 2 --force")
        self.assertEqual(self.nats("kv get B k --raw"), "b")

    def test_purge_leaves_only_its_marker(self):
        self.nats("kv add B --history 5")
        for value in "ab":
            self.nats(f"kv put B k {value}")
        self.nats("kv purge B k --force")
        self.assertIn("PURGE", self.nats("kv history B k"))
        self.assertEqual(json.loads(self.nats("stream info KV_B --json"))["state"]["messages"], 1)

    def test_info_ls_and_rm(self):
        self.nats("kv add B --history 2 --description words")
        said = self.nats("kv info B")
        for wanted in ("History Kept: 2", "Description: words"):
            self.assertIn(wanted, said)
        self.assertIn("B", self.nats("kv ls --names").split())
        self.nats("kv rm B --force")
        self.assertNotIn("B", self.nats("kv ls --names").split())

    def test_a_watch_shows_what_is_there_and_what_comes(self):
        self.nats("kv add B")
        self.nats("kv put B k.one first")
        said = command.run_in_terminal(self.server, ["kv", "watch", "B"], b"first")
        self.assertIn("k.one", said)
        self.nats("kv put B other second")
        said = command.run_in_terminal(self.server, ["kv", "watch", "B", "oth*"], b"second")
        self.assertNotIn("k.one", said)

    def test_a_bucket_in_memory_with_limits_and_what_they_refuse(self):
        self.nats("kv add B --storage memory --max-value-size 10 --max-bucket-size 1000 --history 2")
        self.nats("kv put B k 123456789")
        self.nats("kv put B k 12345678901", status=1)
        config = json.loads(self.nats("stream info KV_B --json"))["config"]
        self.assertEqual((config["storage"], config["max_msg_size"], config["max_bytes"]), ("memory", 10, 1000))

    def test_compact_removes_old_markers(self):
        self.nats("kv add B")
        self.nats("kv put B k v")
        self.nats("kv del B k --force")
        self.nats("kv compact B --force")


@unittest.skipUnless(command.PROGRAM, command.WITHOUT)
class Objects(Case):
    def test_an_object_is_put_got_listed_and_deleted(self):
        content = os.urandom(300_001)
        self.nats("object add O")
        self.nats(f"object put O {self.path('content', content)} --name 'a name' --force --no-progress")
        self.assertEqual(self.got_object("object get O 'a name'"), content)
        self.assertIn("a name", self.nats("object ls O"))
        self.assertIn("SHA-256", self.nats("object info O 'a name'"))
        self.nats("object rm O 'a name' --force")
        self.nats("object info O 'a name'", status=1)
        self.assertEqual(json.loads(self.nats("stream info OBJ_O --json"))["state"]["messages"], 1)

    def test_a_watch_shows_objects_as_they_come(self):
        self.nats("object add O")
        self.nats(f"object put O {self.path('c', b'x' * 10)} --name thing --force --no-progress")
        self.assertIn("thing", command.run_in_terminal(self.server, ["object", "watch", "O"], b"thing"))

    def test_buckets_are_listed_with_their_sizes_and_removed(self):
        self.nats("object add O --description things")
        self.nats(f"object put O {self.path('c', b'x' * 1000)} --name thing --force --no-progress")
        self.assertIn("things", self.nats("object info O"))
        self.assertIn("O", self.nats("object ls"))
        self.nats("object rm O --force")
        self.assertNotIn("OBJ_O", self.nats("stream ls --names --all"))

    def test_an_object_that_is_put_again_is_got_as_it_is_now(self):
        self.nats("object add O")
        for content in (b"a" * 200_000, b"b" * 100):
            self.nats(f"object put O {self.path('c', content)} --name n --force --no-progress")
        self.assertEqual(self.got_object("object get O n"), b"b" * 100)
        self.assertEqual(json.loads(self.nats("stream info OBJ_O --json"))["state"]["messages"], 2)

    def test_a_sealed_bucket_takes_nothing_more(self):
        self.nats("object add O")
        self.nats(f"object put O {self.path('c', b'x')} --name n --force --no-progress")
        self.nats("object seal O --force")
        self.nats(f"object put O {self.path('c', b'y')} --name m --force --no-progress", status=1)


if __name__ == "__main__":
    unittest.main()
