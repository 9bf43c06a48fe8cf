"""Consumers: what survives a kill, and requests that once ended the server."""

import signal
import sys
import unittest

from wire import Requester, WireCase, own_promise  # finds serverprocess

EXPLICIT = {"ack_policy": "explicit"}


class Consumers(WireCase):
    def stream(self, asker, messages):
        asker.api("STREAM.DELETE.S")
        asker.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
        for i in range(messages):
            asker.publish(b"s.%d" % i, b"x")

    def consumer(self, asker, name, **config):
        body = {"stream_name": "S", "config": {"durable_name": name, **EXPLICIT, **config}}
        return asker.api(f"CONSUMER.CREATE.S.{name}", body)

    @own_promise
    def test_a_reset_and_a_purge_are_remembered_by_consumers_after_a_kill(self):
        with self.requester() as asker:
            self.stream(asker, 5)
            self.consumer(asker, "reset")
            self.consumer(asker, "purged")
            asker.send(b"SUB in 9\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.reset in 1\r\n4\r\n")
            for _ in range(4):
                asker.message()
            answer = asker.api("CONSUMER.RESET.S.reset", {"seq": 4})
            self.assertEqual(answer["reset_seq"], 4)
            asker.api("STREAM.PURGE.S", {"seq": 3})
        with Requester(self.restarted()) as asker:
            for name, last in (("reset", 3), ("purged", 2)):
                info = asker.api(f"CONSUMER.INFO.S.{name}")
                self.assertEqual(info["delivered"], {"consumer_seq": 0, "stream_seq": last})
                self.assertEqual(info["ack_floor"], {"consumer_seq": 0, "stream_seq": last})
                self.assertEqual(info["num_ack_pending"], 0)
                self.assertEqual(info["num_pending"], 5 - last)

    def restarted(self, sig=signal.SIGKILL):
        self.server.restart(sig)
        type(self).bystander.__exit__()
        type(self).bystander = self.open()
        self.bystander.connect()
        self.bystander.send(b"SUB bystander.here 1\r\n")
        self.bystander.flush()
        return self.server.port

    def test_nobody_was_active_in_a_server_s_life_before_something_was(self):
        with self.requester() as asker:
            self.stream(asker, 3)
            self.consumer(asker, "C")
            asker.send(b"SUB in 9\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.C in 1\r\n3\r\n")
            _, reply, _, _ = asker.message()
            asker.message(), asker.message()
            asker.ask(reply, b"+ACK")
            info = asker.api("CONSUMER.INFO.S.C")
            self.assertTrue({"last_active"} <= info["ack_floor"].keys() & info["delivered"].keys(), info)
        with Requester(self.restarted(signal.SIGTERM)) as asker:
            info = asker.api("CONSUMER.INFO.S.C")
            self.assertEqual(info["ack_floor"], {"consumer_seq": 1, "stream_seq": 1})
            self.assertEqual(info["delivered"], {"consumer_seq": 3, "stream_seq": 3})

    def create(self, asker, name, **config):
        """What a second `create` of the same answers, with the first's success as given."""
        body = {"stream_name": "S", "action": "create", "config": {"name": name, **config}}
        self.assertNotIn("error", asker.api(f"CONSUMER.CREATE.S.{name}", body))
        return asker.api(f"CONSUMER.CREATE.S.{name}", body)

    def test_to_create_an_ephemeral_consumer_again_is_refused_unless_it_says_its_threshold(self):
        with self.requester() as asker:
            self.stream(asker, 0)
            for name, config in (("plain", {}), ("acked", EXPLICIT), ("zero", {"inactive_threshold": 0})):
                with self.subTest(name):
                    self.assertEqual(self.create(asker, name, **config)["error"]["err_code"], 10148)
            for name, config in (("said", {"inactive_threshold": 5_000_000_000}), ("durable", {"durable_name": "durable"})):
                with self.subTest(name):
                    self.assertEqual(self.create(asker, name, **config)["name"], name)
            again = {"stream_name": "S", "config": {"name": "plain"}}
            self.assertEqual(asker.api("CONSUMER.CREATE.S.plain", again)["name"], "plain")
            shown = asker.api("CONSUMER.INFO.S.plain")["config"]
            again = {"stream_name": "S", "action": "create", "config": shown}
            self.assertEqual(asker.api("CONSUMER.CREATE.S.plain", again)["name"], "plain")

    def test_a_deliver_subject_of_the_api_harms_nobody(self):
        with self.requester() as asker:
            self.stream(asker, 2)
            asker.api("CONSUMER.CREATE.S.a", {"stream_name": "S", "config": {"deliver_subject": "$JS.API.x"}})
            asker.send(b"SUB $JS.API.x 9\r\n")
            for _ in range(2):
                self.assertEqual(asker.message()[3], b"x")
            self.assertEqual(asker.api("STREAM.INFO.S")["state"]["messages"], 2)

    @own_promise
    def test_a_consumer_with_thousands_of_filters_lives_through_a_kill(self):
        with self.requester() as asker:
            self.stream(asker, 3)
            answer = self.consumer(asker, "many", filter_subjects=[f"s.{i}.{'x' * 60}" for i in range(8000)])
            self.assertNotIn("error", answer)
        with Requester(self.restarted()) as asker:
            info = asker.api("CONSUMER.INFO.S.many")
            self.assertEqual(len(info["config"]["filter_subjects"]), 8000)

    @own_promise
    def test_the_answer_to_a_creation_comes_before_the_first_message(self):
        """Clients set the limits of what may wait when they have the answer."""
        with self.requester() as asker:
            self.stream(asker, 50)
            for i in range(20):
                asker.send(b"SUB here.%d 9\r\n" % i)
                kind = {"mem_storage": True, "ack_policy": "none"} if i % 2 else {"ack_policy": "all"}
                config = {"name": f"p{i}", "deliver_subject": f"here.{i}", **kind}
                # asks for the answer and takes it only when it is the first that comes
                answer = asker.api(f"CONSUMER.CREATE.S.p{i}", {"stream_name": "S", "config": config})
                self.assertNotIn("error", answer)
                for sequence in range(50):
                    self.assertEqual(asker.message()[0], b"s.%d" % sequence)
                asker.send(b"UNSUB 9\r\n")
                asker.flush()


if __name__ == "__main__":
    sys.exit(unittest.main())
