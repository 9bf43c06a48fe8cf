"""JetStream of one side of a leaf connection, used from the other by its domain."""

import json
import os
import unittest

from leaf import HAS_NATS, LeafCase, free_port, hub, remote

KINDS = [(a, b) for a in (False, True) for b in (False, True) if not (a and b) and (HAS_NATS or not (a or b))]


class Domains(LeafCase):
    def jetstream(self, name, domain):
        domain = f"domain: {domain}, " if domain else ""
        return f'jetstream {{ {domain} store_dir: "{os.path.join(self.directory, name)}" }}\n'

    def pair(self, number, hub_nats, leaf_nats, domains=("H", "L")):
        port = free_port()
        self.hub = self.node("hub", self.jetstream(f"h{number}", domains[0]) + hub(port), hub_nats)
        self.leaf = self.node("leaf", self.jetstream(f"l{number}", domains[1]) + remote(port), leaf_nats)

    def ask(self, client, subject, body=b""):
        self.asked = getattr(self, "asked", 0) + 1
        inbox = b"_A.%d" % self.asked
        client.send(b"SUB %s 77\r\nPUB %s %s %d\r\n%s\r\n" % (inbox, subject, inbox, len(body), body))
        _, _, headers, answer = client.message()
        while client.sid != b"77":  # what was sent to see whether they are linked
            _, _, headers, answer = client.message()
        client.send(b"UNSUB 77\r\n")
        return json.loads(answer) if answer else headers

    def test_each_side_reaches_the_other_by_its_domain(self):
        for number, (hub_nats, leaf_nats) in enumerate(KINDS):
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                self.pair(number, hub_nats, leaf_nats)
                for server, domain in ((self.leaf, b"H"), (self.hub, b"L")):
                    client = self.client(server)
                    api = b"$JS.%s.API." % domain
                    self.until_taken(client, api + b"INFO")
                    config = json.dumps({"name": "S" + domain.decode(), "subjects": ["s." + domain.decode()]}).encode()
                    made = self.ask(client, api + b"STREAM.CREATE.S" + domain, config)
                    self.assertNotIn("error", made)
                    self.until_taken(client, b"s." + domain)
                    ack = self.ask(client, b"s." + domain, b"x")
                    self.assertEqual(ack["stream"], "S" + domain.decode())
                    info = self.ask(client, api + b"STREAM.INFO.S" + domain)
                    self.assertEqual(info["state"]["messages"], ack["seq"])
                    consumer = json.dumps({"stream_name": "S" + domain.decode(), "config": {"durable_name": "C", "ack_policy": "explicit"}}).encode()
                    self.assertNotIn("error", self.ask(client, api + b"CONSUMER.DURABLE.CREATE.S%s.C" % domain, consumer))
                    client.send(b"SUB _N 9\r\nPUB %sCONSUMER.MSG.NEXT.S%s.C _N 1\r\n1\r\n" % (api, domain))
                    subject, reply, _, _ = client.message()
                    self.assertEqual(subject, b"s." + domain)
                    client.send(b"PUB %s 4\r\n+ACK\r\n" % reply)
                    self.until(lambda: self.ask(client, api + b"CONSUMER.INFO.S%s.C" % domain)["ack_floor"]["stream_seq"] == 1, "the ack arrives")  # fmt: skip
                    own = self.ask(client, b"$JS.API.STREAM.INFO.S" + domain)
                    self.assertEqual(own["error"]["err_code"], 10059)

    def test_buckets_are_reached_by_the_domain_from_both_sides(self):
        for number, (hub_nats, leaf_nats) in enumerate(KINDS):
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                self.pair(number, hub_nats, leaf_nats)
                for own, other, domain in ((self.hub, self.leaf, b"H"), (self.leaf, self.hub, b"L")):
                    at_own, at_other = self.client(own), self.client(other)
                    api = b"$JS.%s.API." % domain
                    for stream, subject in ((b"KV_B", b"$KV.B.k"), (b"OBJ_B", b"$OBJ.B.M.k")):
                        config = json.dumps({"name": stream.decode(), "subjects": [subject.decode()]}).encode()
                        self.assertNotIn("error", self.ask(at_own, b"$JS.API.STREAM.CREATE." + stream, config))
                        self.until_taken(at_other, api + subject)
                        last = 0  # what was sent to see whether it is taken may still be under way
                        for client in (at_own, at_other):
                            ack = self.ask(client, api + subject, b"x")
                            self.assertEqual(ack["stream"], stream.decode())
                            self.assertGreater(ack["seq"], last)
                            last = ack["seq"]

    def test_without_domains_each_side_has_its_own(self):
        for number, (hub_nats, leaf_nats) in enumerate(KINDS):
            with self.subTest(hub_nats=hub_nats, leaf_nats=leaf_nats):
                self.pair(number, hub_nats, leaf_nats, (None, None))
                at_hub, at_leaf = self.client(self.hub), self.client(self.leaf)
                self.linked(at_hub, at_leaf, b"probe")
                made = self.ask(at_leaf, b"$JS.API.STREAM.CREATE.S", b'{"name":"S","subjects":["s"]}')
                self.assertNotIn("error", made)
                self.assertEqual(self.ask(at_hub, b"$JS.API.STREAM.INFO.S")["error"]["err_code"], 10059)
                self.until_taken(at_hub, b"s")
                self.assertEqual(self.ask(at_hub, b"s", b"x")["stream"], "S")


if __name__ == "__main__":
    unittest.main()
