"""A server with several shards (docs/shards.md): what clients see is one server."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

from wire import READ_S, Connection, Requester  # finds serverprocess
from cluster import WITHIN_S, ClusterCase
from serverprocess import BINARY, START_S, Server, free_port, is_millrace

CLIENTS = 6  # two on each of three shards


class ShardsCase(unittest.TestCase):
    def start(self, *flags):
        server = Server(["--shards", "3", *flags])
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def clients(self, server, count=CLIENTS, **said):
        made = [Connection(server.port) for _ in range(count)]
        for client in made:
            self.addCleanup(client.socket.close)
            client.connect(pedantic=False, headers=True, no_responders=True, **said)
            client.flush()
        return made

    def directory(self):
        directory = tempfile.mkdtemp(prefix="millrace-shards-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        return directory

    def write(self, text):
        path = os.path.join(self.directory(), "server.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


@unittest.skipUnless(is_millrace(), "shards are ours")
class Shards(ShardsCase):

    def test_every_client_hears_every_other_one_in_order(self):
        clients = self.clients(self.start())
        for client in clients:
            client.send(b"SUB all.* 1\r\n")
            client.flush()
        for number in range(50):
            for n, client in enumerate(clients):
                client.send(b"PUB all.%d 2\r\n%02d\r\n" % (n, number))
        for client in clients:
            heard = {}
            for _ in range(50 * CLIENTS):
                subject, _, _, body = client.message()
                heard.setdefault(subject, []).append(body)
            self.assertEqual(len(heard), CLIENTS)
            for bodies in heard.values():
                self.assertEqual(bodies, [b"%02d" % number for number in range(50)])

    def test_a_subscription_is_in_force_when_its_pong_has_come(self):
        clients = self.clients(self.start())
        for round_number in range(30):
            for n, client in enumerate(clients):
                other = clients[(n + round_number) % CLIENTS]
                client.send(b"SUB x.%d.%d %d\r\n" % (round_number, n, round_number + 1))
                client.flush()
                other.send(b"PUB x.%d.%d 2\r\nhi\r\n" % (round_number, n))
                self.assertEqual(client.message()[3], b"hi")

    def test_a_request_is_answered_by_one_member_or_by_nobody_wherever_they_are(self):
        clients = self.clients(self.start())
        for client in clients[1:]:
            client.send(b"SUB work q 1\r\n")
            client.flush()
        clients[0].send(b"SUB r 9\r\n")
        for _ in range(60):
            clients[0].send(b"PUB work r 0\r\n\r\n")
        clients[0].flush()
        taken = sum(client.flush().count(b"MSG work") for client in clients[1:])
        for client in clients[1:]:
            taken += client.flush().count(b"MSG work")
            client.send(b"UNSUB 1\r\n")
            client.flush()
        self.assertEqual(taken, 60)
        clients[0].send(b"PUB work r 0\r\n\r\n")
        self.assertIn(b"NATS/1.0 503", clients[0].flush())

    def test_streams_are_served_to_clients_of_all_shards(self):
        server = self.start()
        requesters = [Requester(server.port, inbox=b"answers%d" % n) for n in range(4)]
        for requester in requesters:
            self.addCleanup(requester.socket.close)
        requesters[1].api("STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"]}')
        sequences = [requester.publish(b"s.1", b"x")["seq"] for requester in requesters * 5]
        self.assertEqual(sequences, list(range(1, 21)))
        for requester in requesters:
            self.assertEqual(requester.api("STREAM.INFO.S")["state"]["messages"], 20)

    def test_monitoring_sees_the_connections_of_all_shards(self):
        port = free_port()
        clients = self.clients(self.start("-m", str(port)))
        clients[2].send(b"SUB seen 1\r\n")
        clients[2].flush()
        clients[3].send(b"PUB seen 2\r\nhi\r\n")
        self.assertEqual(clients[2].message()[3], b"hi")
        connz = self.document(port, "connz?subs=1")
        varz = self.document(port, "varz")
        self.assertEqual({one["cid"] for one in connz["connections"]},
                         {client.info()["client_id"] for client in clients})
        self.assertIn(["seen"], [one.get("subscriptions_list") for one in connz["connections"]])
        self.assertEqual((varz["connections"], varz["in_msgs"], varz["out_msgs"]), (CLIENTS, 1, 1))

    @staticmethod
    def document(port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=START_S) as answer:
            return json.load(answer)

    def test_a_traced_message_is_told_of_once_with_its_receivers_on_all_shards(self):
        clients = self.clients(self.start())
        for client in clients:
            client.send(b"SUB t 1\r\nSUB t q 2\r\n")
            client.flush()
        teller = clients[4]
        teller.send(b"SUB told 9\r\n")
        teller.flush()
        for publisher in clients[:3]:
            headers = b"NATS/1.0\r\nNats-Trace-Dest: told\r\n\r\n"
            publisher.send(b"HPUB t %d %d\r\n%s\r\n" % (len(headers), len(headers), headers))
            publisher.flush()
            heard = [teller.message() for _ in range(2)]
            while heard[-1][0] != b"told":
                heard.append(teller.message())
            left = [one for one in json.loads(heard[-1][3])["events"] if one["type"] == "eg"]
            self.assertEqual(sorted(one["cid"] for one in left if "queue" not in one),
                             sorted(client.info()["client_id"] for client in clients))
            self.assertEqual(len([one for one in left if "queue" in one]), 1)
            for client in clients:
                client.flush()

    def test_the_option_says_how_many_and_stays_as_it_is(self):
        path = self.write("shards: 2\n")
        server = Server(["-c", path])
        server.environment = {k: v for k, v in os.environ.items() if k != "MILLRACE_SHARDS_TEST"}
        server.__enter__()
        self.addCleanup(server.__exit__)
        self.clients(server, 1)
        self.assertEqual(self.shard_threads(server), ["shard 1"])
        with open(path, "w", encoding="utf-8") as file:
            file.write("shards: 3\n")
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + READ_S
        while "Failed to reload" not in server.log():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        self.assertIn("config reload not supported for shards: old=2, new=3", server.log())

    def test_a_start_that_fails_ends_although_the_shards_stand_still_until_it_is_over(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = subprocess.run([BINARY, "--shards", "3", "-a", "127.0.0.1",
                                   "-p", str(taken.getsockname()[1])],
                                  capture_output=True, timeout=START_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"address already in use", done.stderr)

    @staticmethod
    def shard_threads(server):
        names = []
        for task in os.listdir(f"/proc/{server.process.pid}/task"):
            try:
                with open(f"/proc/{server.process.pid}/task/{task}/comm", encoding="utf-8") as file:
                    names.append(file.read().strip())
            except OSError:
                pass  # it has just ended
        return sorted(name for name in names if name.startswith("shard"))

    def without_options(self, *flags, **environment):
        server = Server(list(flags))
        server.environment = {k: v for k, v in os.environ.items() if k != "MILLRACE_SHARDS_TEST"}
        server.environment.update(environment)
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def test_a_server_without_the_option_is_one_thread_while_it_is_not_busy(self):
        for flags in ((), ("--shards", "auto")):
            server = self.without_options(*flags)
            self.clients(server, 20)
            self.assertEqual(self.shard_threads(server), [])

    def test_further_shards_are_begun_when_those_there_are_are_busy(self):
        server = self.without_options(MILLRACE_SHARDS_TEST="auto")  # each says that it is, now and then
        requester = Requester(server.port, inbox=b"answers")
        self.addCleanup(requester.socket.close)
        requester.api("STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"]}')
        clients = self.clients(server, 2)
        for client in clients:
            client.send(b"SUB all 1\r\n")
            client.flush()
        end = time.monotonic() + 20 * READ_S
        while len(self.shard_threads(server)) < 3:
            self.assertLess(time.monotonic(), end)
            clients += self.clients(server, 1)
            clients[-1].send(b"SUB all 1\r\n")
            clients[-1].flush()
            time.sleep(0.1)
        for number, client in enumerate(clients):
            client.send(b"PUB s.%d 0\r\n\r\nPUB all 4\r\n%04d\r\n" % (number, number))
        for client in clients:
            bodies = sorted(client.message()[3] for _ in clients)
            self.assertEqual(bodies, [b"%04d" % number for number in range(len(clients))])
        self.assertEqual(requester.api("STREAM.INFO.S")["state"]["messages"], len(clients))

    @staticmethod
    def heard(client):
        """What it has by its PONG."""
        client.send(b"PING\r\n")
        while (line := client.line()) != b"PONG\r\n":
            words = line.split()
            yield words[1], client.exactly(int(words[-1]) + 2)[:-2]

    def test_clients_that_move_lose_nothing_and_keep_the_order(self):
        server = self.without_options("-D", MILLRACE_SHARDS_TEST="auto")  # where they move all the time
        requester = Requester(server.port, inbox=b"answers")
        self.addCleanup(requester.socket.close)
        requester.api("STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"]}')
        clients = self.clients(server, CLIENTS)
        for client in clients:
            client.send(b"SUB all.* 1\r\nSUB one.* q 2\r\n")
            client.flush()
        end = time.monotonic() + 20 * READ_S
        moves, number, sequence = 0, 0, 0
        while moves < 200 or len(self.shard_threads(server)) < 2:
            self.assertLess(time.monotonic(), end)
            if len(self.shard_threads(server)) < 2:
                other = self.clients(server, 1)[0]  # may be what begins another shard
                other.socket.close()
            for _ in range(20):
                number += 1
                for n, client in enumerate(clients):
                    client.send(b"PUB all.%d 6\r\n%06d\r\nPUB one.%d 6\r\n%06d\r\n" % (n, number, n, number))
                sequence += 1
                self.assertEqual(requester.publish(b"s.1", b"x")["seq"], sequence)
            heard, taken = {}, 0
            while sum(map(len, heard.values())) < 20 * CLIENTS * CLIENTS or taken < 20 * CLIENTS:
                for n, client in enumerate(clients):
                    for subject, body in self.heard(client):
                        if subject.startswith(b"one"):
                            taken += 1
                        else:
                            heard.setdefault((n, subject), []).append(int(body))
            self.assertEqual(taken, 20 * CLIENTS)
            for numbers in heard.values():
                self.assertEqual(numbers, list(range(number - 19, number + 1)))
            moves = server.log().count("Goes from shard")

    def test_who_is_to_move_is_heard_while_it_does_not_read(self):
        config = os.path.join(self.directory(), "c.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write('write_deadline: "120s"\n')  # who does not read for a while is none too slow
        server = self.without_options("-D", "-c", config, MILLRACE_SHARDS_TEST="auto")
        others = self.clients(server, 2)
        end = time.monotonic() + 20 * READ_S
        while len(self.shard_threads(server)) < 2:
            self.assertLess(time.monotonic(), end)
            self.clients(server, 1)[0].socket.close()
            time.sleep(0.1)
        deaf = self.clients(server, 1)[0]
        deaf.send(b"SUB flood 1\r\n")
        deaf.flush()
        for _ in range(512):  # more than both ends' sockets take
            others[0].send(b"PUB flood 32768\r\n" + bytes(32768) + b"\r\n")
        before, moves = server.log().count("Goes from shard"), 0
        while moves < 30:  # it would have been told to, too
            self.assertLess(time.monotonic(), end)
            for other in others:
                other.flush()
            moves = server.log().count("Goes from shard") - before
        others[1].send(b"SUB x 1\r\n")
        others[1].flush()
        for _ in range(1024):
            deaf.send(b"PUB x 32768\r\n" + bytes(32768) + b"\r\n")
        for _ in range(1024):
            self.assertEqual(others[1].message()[0], b"x")
        for _ in range(512):
            self.assertEqual(deaf.message()[0], b"flood")

    def test_who_has_nothing_to_do_is_not_woken_by_those_who_use_streams(self):
        server = self.start("-D")
        clients = [Requester(server.port, inbox=b"answers%d" % number) for number in range(CLIENTS)]
        for client in clients:
            self.addCleanup(client.socket.close)
        clients[0].api("STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"],"storage":"memory"}')
        end = time.monotonic() + 20 * READ_S
        while server.log().count("Goes from shard") < CLIENTS * 2 // 3:  # to where it is
            self.assertLess(time.monotonic(), end)
            for client in clients:
                client.publish(b"s.1", b"x")
        before = self.wakes(server)
        for number in range(500 * CLIENTS):
            clients[number % CLIENTS].publish(b"s.1", b"x")
        self.assertEqual(len(before), 2)
        woken = [thread for thread, wakes in self.wakes(server).items() if wakes - before[thread] >= 250 * CLIENTS]
        self.assertLessEqual(len(woken), 1, "who has not the stream looks up once or twice a second")

    @staticmethod
    def wakes(server):
        """How often each thread of a further shard has gone to sleep."""
        found, path = {}, f"/proc/{server.process.pid}/task"
        for thread in os.listdir(path):
            with open(f"{path}/{thread}/comm", encoding="utf-8") as comm, open(f"{path}/{thread}/status", encoding="utf-8") as status:
                if comm.read().startswith("shard "):
                    found[thread] = int(status.read().split("\nvoluntary_ctxt_switches:")[1].split()[0])
        return found

    def test_home_evens_out_when_it_has_nothing_else_to_do(self):
        server = self.without_options("-D", MILLRACE_SHARDS_TEST="auto")
        end = time.monotonic() + 20 * READ_S
        while len(self.shard_threads(server)) < 2:
            self.assertLess(time.monotonic(), end)
            self.clients(server, 1)[0].socket.close()
            time.sleep(0.1)
        only = self.clients(server, 1)[0]
        while server.log().count("Goes from shard") < 20:  # those to home among them, and away again
            self.assertLess(time.monotonic(), end)
            only.flush()

    def test_a_number_that_cannot_be_is_refused_with_its_place(self):
        for text, line, why in (
            ("port: -1\n\nshards: 33\n", 3, "shards: 33 is not between 1 and 32"),
            ("port: -1\n\nshards: 0\n", 3, "shards: 0 is not between 1 and 32"),
        ):
            path = self.write(text)
            result = subprocess.run([BINARY, "-c", path], capture_output=True, text=True,
                                    timeout=START_S, check=False)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(why, result.stderr)
            self.assertIn(f"{path}:{line}:", result.stderr)


ACCOUNTS = """
accounts {
  A { users: [{user: a, password: a}], exports: [{stream: "s.>"}, {service: "ask.*"}] }
  B { users: [{user: b, password: b}], imports: %s }
}
"""
IMPORTS = '[{stream: {account: A, subject: "s.>"}, prefix: "from"}, {service: {account: A, subject: "ask.*"}, to: "a.*"}]'


@unittest.skipUnless(is_millrace(), "shards are ours")
class Accounts(ShardsCase):
    """Three of each account, so on every shard."""

    def setUp(self):
        self.path = self.write(ACCOUNTS % IMPORTS)
        self.server = self.start("-c", self.path)
        self.a = self.clients(self.server, 3, user="a", **{"pass": "a"})
        self.b = self.clients(self.server, 3, user="b", **{"pass": "b"})

    def test_what_is_published_anywhere_reaches_importers_everywhere_in_its_order(self):
        for client in self.b:
            client.send(b"SUB from.s.> 1\r\n")
            client.flush()
        for number in range(20):
            for n, client in enumerate(self.a):
                client.send(b"PUB s.%d 2\r\n%02d\r\n" % (n, number))
        for client in self.b:
            heard = {}
            for _ in range(60):
                subject, _, _, body = client.message()
                heard.setdefault(subject, []).append(body)
            self.assertEqual(heard, {b"from.s.%d" % n: [b"%02d" % i for i in range(20)] for n in range(3)})

    def test_a_request_is_answered_across_accounts_and_shards(self):
        for server in self.a:
            server.send(b"SUB ask.* q 1\r\n")
            server.flush()
        for client in self.b:
            client.send(b"SUB back 1\r\n")
            client.flush()
        for round_number in range(9):
            for client in self.b:
                client.send(b"PUB a.x back 2\r\nhi\r\n")
                client.flush()
                for server in self.a:  # one of them
                    for line in server.flush().split(b"\r\n"):
                        if b"MSG ask.x" in line:
                            server.send(b"PUB %s 2\r\nok\r\n" % line.split()[3])
                self.assertEqual(client.message()[3], b"ok")

    def test_a_request_that_finds_nobody_over_there_is_told_so_in_its_own_words(self):
        for client in self.b:
            client.send(b"SUB back 1\r\nPUB a.x back 0\r\n\r\n")
            self.assertIn(b"NATS/1.0 503\r\nNats-Subject: a.x\r\n", client.flush())

    def test_imports_that_a_reload_takes_away_or_brings_count_on_all_shards(self):
        for client in self.b:
            client.send(b"SUB from.s.> 1\r\n")
            client.flush()
        for imports, heard in (("[]", b""), (IMPORTS, b"MSG from.s.x 1 2\r\nhi\r\n")):
            seen = self.server.log().count("Reloaded")
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(ACCOUNTS % imports)
            self.server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + READ_S
            while self.server.log().count("Reloaded") == seen:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)
            for publisher in self.a:
                publisher.send(b"PUB s.x 2\r\nhi\r\n")
                publisher.flush()
                self.assertEqual([client.flush() for client in self.b], [heard] * 3)


class Nodes(ClusterCase):
    """Three nodes of two shards each, two clients on each shard."""

    def arguments(self, number):
        return ["--shards", "2"]

    def setUp(self):
        super().setUp()
        self.clients = [[self.client(node) for _ in range(4)] for node in self.nodes]
        self.all = [client for clients in self.clients for client in clients]

    def client(self, node):
        client = Connection(node.port)
        self.addCleanup(client.socket.close)
        client.connect(pedantic=False, headers=True, no_responders=True)
        client.flush()
        return client

    @staticmethod
    def take(client):
        """What it has by its PONG. More may come with that, whole or not: others are still sending."""
        client.send(b"PING\r\n")
        said = b""
        while b"PONG\r\n" not in said and not client.ended:
            said += client.line()
        return said

    def know(self, subject, count):
        """Until every client has `count` of what each of them says there. What it said before has come by then, too, since
        what one says arrives in order: nothing of it is left for later."""
        end = time.monotonic() + WITHIN_S
        for n, client in enumerate(self.all):
            tries, heard = 0, 0
            while heard < count:
                self.assertLess(time.monotonic(), end, f"{heard} of {count} have heard {client} in the last of {tries} tries")
                tries, heard = tries + 1, 0
                word = b"<%d-%d>" % (n, tries)
                client.send(b"PUB %s %d\r\n%s\r\n" % (subject, len(word), word))
                patience = time.monotonic() + 0.5
                while heard < count and time.monotonic() < patience:
                    heard += sum(self.take(one).count(word) for one in self.all)


@unittest.skipUnless(is_millrace(), "shards are ours")
class Clustered(Nodes):
    def test_every_client_hears_every_other_one_once_and_in_order(self):
        for client in self.all:
            client.send(b"SUB all.* 1\r\nSUB known 2\r\n")
            client.flush()
        self.know(b"known", len(self.all))
        for number in range(20):
            for n, client in enumerate(self.all):
                client.send(b"PUB all.%d 2\r\n%02d\r\n" % (n, number))
        for client in self.all:
            heard = {}
            for _ in range(20 * len(self.all)):
                subject, _, _, body = client.message()
                heard.setdefault(subject, []).append(body)
            self.assertEqual(heard, {b"all.%d" % n: [b"%02d" % i for i in range(20)]
                                     for n in range(len(self.all))})
            self.assertEqual(client.flush(), b"")

    def test_a_group_is_served_once_and_by_all_its_members(self):
        for client in self.all:
            client.send(b"SUB work crew 1\r\nSUB known 2\r\n")
            client.flush()
        self.know(b"known", len(self.all))
        for client in self.all:
            for _ in range(100):
                client.send(b"PUB work 0\r\n\r\n")
        taken = [0] * len(self.all)
        end = time.monotonic() + READ_S
        while sum(taken) < 100 * len(self.all) and time.monotonic() < end:
            for n, client in enumerate(self.all):
                taken[n] += self.take(client).count(b"MSG work")
        self.assertEqual(sum(taken), 100 * len(self.all))
        self.assertGreater(min(taken), 50)

    def test_a_request_is_known_with_its_inbox_wherever_both_are(self):
        for n, clients in enumerate(self.clients):
            clients[0].send(b"SUB ask.%d.0 1\r\nSUB known 2\r\n" % n)
            clients[1].send(b"SUB ask.%d.1 1\r\nSUB known 2\r\n" % n)
            for client in clients:
                client.send(b"SUB known 3\r\n")
                client.flush()
        self.know(b"known", len(self.all) + 6)
        for round_number in range(5):
            for asker in self.all:
                for n, clients in enumerate(self.clients):
                    for i in range(2):  # its inbox is told before the request
                        inbox = b"in.%d.%d.%d.%d" % (round_number, self.all.index(asker), n, i)
                        asker.send(b"SUB %s 9\r\nPUB ask.%d.%d %s 2\r\nhi\r\n" % (inbox, n, i, inbox))
                        self.assertEqual(clients[i].message()[1], inbox)
                        clients[i].send(b"PUB %s 2\r\nok\r\n" % inbox)
                        self.assertEqual(asker.message()[3], b"ok")
                        asker.send(b"UNSUB 9\r\n")
        self.all[0].send(b"SUB back 9\r\nPUB nobody back 0\r\n\r\n")
        self.assertIn(b"NATS/1.0 503", self.all[0].flush())

    def test_very_many_subscriptions_of_one_that_goes_are_forgotten_by_all_nodes(self):
        gone, asker = self.client(self.nodes[0]), self.all[4]
        gone.send(b"".join(b"SUB gone.%d %d\r\n" % (n, n) for n in range(20_000)))
        gone.flush()
        asker.send(b"SUB back 9\r\n")

        def asked(n):
            asker.send(b"PUB gone.%d back 0\r\n\r\n" % n)
            return b"Nats-Subject: gone.%d\r\n" % n in self.take(asker)

        for n in (0, 9_999, 19_999):
            self.until(lambda nobody: not nobody, lambda n=n: asked(n))
        gone.leave()
        for n in (0, 9_999, 19_999):
            self.until(lambda nobody: nobody, lambda n=n: asked(n))

    def test_a_node_that_comes_back_is_told_of_the_clients_of_all_shards(self):
        for client in self.clients[0] + self.clients[1]:
            client.send(b"SUB known 1\r\nSUB work crew 2\r\n")
            client.flush()
        self.nodes[2].restart()
        self.clients[2] = [self.client(self.nodes[2]) for _ in range(4)]
        self.all = [client for clients in self.clients for client in clients]
        self.know(b"known", 8)
        for client in self.clients[2]:
            client.send(b"PUB work 0\r\n\r\n" * 50)
        taken = 0
        end = time.monotonic() + READ_S
        while taken < 200 and time.monotonic() < end:
            taken += sum(self.take(client).count(b"MSG work") for client in self.all)
        self.assertEqual(taken, 200)
        for client in self.clients[0] + self.clients[1]:  # and of their end
            client.send(b"UNSUB 1\r\n")
            client.flush()
        self.all[8].send(b"SUB back 9\r\n")

        def nobody():
            self.all[8].send(b"PUB known back 0\r\n\r\n")
            return self.take(self.all[8])

        self.until(lambda answer: b"NATS/1.0 503" in answer, nobody)

    def test_streams_are_served_to_clients_of_all_nodes_and_shards(self):
        self.api(0, "STREAM.CREATE.S", b'{"name":"S","subjects":["s.>"],"num_replicas":3}')
        requesters = [Requester(node.port, inbox=b"answers%d" % n) for n, node in enumerate(self.nodes * 2)]
        for requester in requesters:
            self.addCleanup(requester.socket.close)
        sequences = [requester.publish(b"s.1", b"x")["seq"] for requester in requesters * 5]
        self.assertEqual(sequences, list(range(1, 31)))


if __name__ == "__main__":
    unittest.main()
