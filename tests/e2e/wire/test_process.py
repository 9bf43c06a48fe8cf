"""The server as a process: what it prints, which files it makes, how it refuses and how it ends."""

import contextlib
import ctypes
import ctypes.util
import glob
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from wire import READ_S, Connection, Requester, WireCase, own_promise  # finds serverprocess
from serverprocess import BINARY, START_S, STOP_S, Server, free_port


def run(*arguments):
    """A server that must end by itself."""
    return subprocess.run(
        [BINARY, *arguments], capture_output=True, text=True, timeout=START_S, check=False
    )


class Directory(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-process-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)


class Words(unittest.TestCase):
    def test_the_version_is_one_line_of_the_reference_form(self):
        for flag in ("-v", "--version", "-version"):
            with self.subTest(flag):
                result = run(flag)
                self.assertEqual(result.returncode, 0)
                self.assertRegex(result.stdout + result.stderr, r"^nats-server: v2\.14\.\d+\n$")

    def test_help_goes_to_stdout_and_ends_well(self):
        for flag in ("-h", "--help"):
            with self.subTest(flag):
                result = run(flag)
                self.assertEqual(result.returncode, 0)
                for word in ("--port", "--addr", "--store_dir", "--jetstream", "--pid", "--log"):
                    self.assertIn(word, result.stdout)

    def test_an_unknown_flag_is_named(self):
        result = run("--no-such-flag")
        said = result.stdout + result.stderr
        self.assertIn("flag provided but not defined: -no-such-flag", said)

    def test_an_unknown_word_is_named(self):
        result = run("frobnicate")
        self.assertIn(result.returncode, (1, 2))  # ours is the command line's code for wrong words
        self.assertIn('unrecognized command: "frobnicate"', result.stdout + result.stderr)

    def test_a_port_that_is_no_number_is_refused(self):
        result = run("-p", "abc")
        self.assertIn('invalid value "abc" for flag -p', result.stdout + result.stderr)


class Start(Directory):
    def test_it_says_where_it_listens_and_that_it_is_ready(self):
        with Server() as server:
            where = rf"Listening for client connections on 127\.0\.0\.1:{server.port}\n"
            self.assertRegex(server.log(), r"\[INF\] " + where)
            self.assertRegex(server.log(), r"\[INF\] Server is ready\n")
            self.assertLess(server.log().find("Listening"), server.log().find("Server is ready"))
            store = re.search(r'Store Directory: "(.*)"', server.log())
            self.assertTrue(store and store[1].startswith(server.directory), server.log())

    def test_it_says_what_may_be_stored_and_of_which_cluster_and_domain_it_is(self):
        with open(self.path("c.conf"), "w", encoding="utf-8") as file:
            limits = "domain: here, max_mem: 256MB, max_file: 1500MB"
            file.write(f'cluster {{ name: hub }}\njetstream {{ store_dir: "{self.directory}", {limits} }}\n')
        with Server(("-c", self.path("c.conf")), jetstream=False) as server:
            for line in ("Cluster:  hub", "Max Memory:      256.00 MB", "Max Storage:     1.46 GB", "Domain:          here"):
                self.assertIn(f"[INF]   {line}\n", server.log())
            self.assertNotIn("Temporary storage", server.log())

    def test_data_in_a_place_that_nobody_chose_is_warned_of(self):
        end = time.monotonic() + START_S
        process = subprocess.Popen(
            [BINARY, "-js", "-a", "127.0.0.1", "-p", str(free_port())],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": self.directory}
        )  # fmt: skip
        try:
            said = ""
            while "Server is ready" not in said and time.monotonic() < end:
                said += process.stderr.readline()
            self.assertIn("[WRN] Temporary storage directory used, data could be lost on system reboot", said)
        finally:
            process.kill()
            process.communicate()

    @own_promise
    def test_a_port_that_stays_taken_is_waited_for_aloud(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = run("-a", "127.0.0.1", "-p", str(port))
        address = f"127.0.0.1:{port}"
        busy = f"listen tcp {address}: bind: address already in use"
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, rf"\[WRN\] {busy}, trying again for \d seconds\n")
        self.assertIn(f'[FTL] Error listening on port: {address}, "{busy}"\n', result.stderr)
        self.assertEqual(result.stderr.count("in use"), 2, result.stderr)

    @own_promise
    def test_the_port_of_a_server_that_lives_is_not_waited_for(self):
        with Server(jetstream=False) as server:
            result = run("-a", "127.0.0.1", "-p", str(server.port))
        self.assertEqual(result.returncode, 1)
        self.assertIn("Error listening on port", result.stderr)
        self.assertNotIn("trying again", result.stderr)

    def test_flags_may_be_written_in_every_way(self):
        for form in (
            ("--addr", "127.0.0.1", "--port", "{port}", "--jetstream", "--store_dir", "{store}"),
            ("-a=127.0.0.1", "-p={port}", "-js=true", "-sd={store}"),
            ("--net", "127.0.0.1", "-port={port}", "-jetstream", "--store_dir={store}"),
        ):
            with self.subTest(form):
                port = free_port()
                values = {"port": port, "store": self.path(str(port))}
                with Server(jetstream=False) as server:
                    server.kill()
                    server.port = port
                    server.command = lambda: [BINARY, *(f.format(**values) for f in form)]
                    server.start()
                    with Connection(port) as connection:
                        self.assertIs(connection.info()["jetstream"], True)

    def test_without_the_flag_there_is_no_jetstream(self):
        with Server(jetstream=False) as server, Requester(server.port) as client:
            self.assertNotIn("jetstream", client.info())
            head, _ = client.ask(b"$JS.API.INFO")
            self.assertTrue(head.startswith(b"NATS/1.0 503"), head)

    def test_the_server_has_the_name_it_is_given(self):
        for flag in ("-n", "--name", "--server_name"):
            with self.subTest(flag), Server((flag, "mill")) as server:
                with Connection(server.port) as connection:
                    self.assertEqual(connection.info()["server_name"], "mill")

    def test_the_pid_file_holds_the_number_and_nothing_else(self):
        with Server(("-P", self.path("pid"))) as server:
            with open(self.path("pid"), "rb") as file:
                self.assertEqual(file.read(), b"%d" % server.process.pid)

    def test_the_log_goes_to_the_file_it_is_given(self):
        command = [BINARY, "-a", "127.0.0.1", "-p", str(free_port()), "-l", self.path("log")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                self.wait_for_log("Server is ready")
            finally:
                process.send_signal(signal.SIGTERM)
                out, err = process.communicate(timeout=STOP_S)
        self.assertEqual((out, err, process.returncode), (b"", b"", 0))

    def wait_for_log(self, text):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if os.path.exists(self.path("log")):
                with open(self.path("log"), encoding="utf-8") as file:
                    if text in file.read():
                        return
            time.sleep(0.02)
        self.fail(f"no {text!r} in the log within {START_S} s")


class Refusals(Directory):
    def refuses(self, reason, *arguments):
        """It ends with code 1, and its last line says why."""
        result = run("-a", "127.0.0.1", *arguments)
        self.assertEqual(result.returncode, 1, result.stderr)
        last = result.stderr.strip().split("\n")[-1]
        self.assertRegex(last, reason)
        return last

    def test_a_port_in_use(self):
        with Server() as server:
            where = f"127.0.0.1:{server.port}"
            reason = re.escape(f"[FTL] Error listening on port: {where}")
            self.refuses(reason + ".*address already in use", "-p", str(server.port))
            with Connection(server.port) as connection:
                connection.connect()
                self.assertEqual(connection.flush(), b"")

    @own_promise
    def test_a_port_of_one_that_lives_is_not_waited_for(self):
        """Of one that was killed it is: the kernel has its port for a while, and nothing is said there."""
        came = []

        def speak():
            with contextlib.suppress(OSError):  # closed: the end of the test
                while True:
                    came.append(taken.accept()[0])
                    came[-1].sendall(b"INFO {}\r\n")

        with socket.create_server(("127.0.0.1", 0)) as taken:
            threading.Thread(target=speak, daemon=True).start()
            self.refuses("address already in use", "-p", str(taken.getsockname()[1]))
            self.assertEqual(len(came), 1)
            taken.shutdown(socket.SHUT_RDWR)
        for connection in came:
            connection.close()

    def test_a_monitoring_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            self.refuses("address already in use", "-p", str(free_port()), "-m", port)

    def test_an_address_of_another_machine(self):
        self.refuses("cannot assign requested address", "-a", "203.0.113.7", "-p", str(free_port()))

    def test_a_port_that_does_not_exist(self):
        result = run("-a", "127.0.0.1", "-p", "99999")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("99999", result.stdout + result.stderr)

    def test_a_store_directory_that_is_a_file(self):
        with open(self.path("file"), "w", encoding="utf-8") as file:
            file.write("not a directory")
        store = ("-js", "-sd", self.path("file"))
        self.refuses(r"\[FTL\] .*directory", "-p", str(free_port()), *store)
        with open(self.path("file"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "not a directory")

    def test_a_store_directory_that_cannot_be_made(self):
        store = ("-js", "-sd", "/proc/no/such/place")
        self.refuses(r"\[FTL\] ", "-p", str(free_port()), *store)

    def test_a_pid_file_that_cannot_be_written(self):
        pid = self.path("none/pid")
        self.refuses(re.escape(pid), "-p", str(free_port()), "-P", pid)

    def test_a_log_file_that_cannot_be_written(self):
        log = self.path("none/log")
        self.refuses(re.escape(log), "-p", str(free_port()), "-l", log)

    @own_promise
    def test_a_store_directory_that_another_server_holds(self):
        with Server() as server, Requester(server.port) as client:
            client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]})
            store = ("-js", "-sd", server.directory)
            last = self.refuses(r"\[FTL\] ", "-p", str(free_port()), *store)
            self.assertIn(server.directory, last)
            self.assertEqual(client.publish(b"s", b"x")["seq"], 1)

    @own_promise
    def test_a_store_directory_is_free_again_after_a_kill(self):
        with Server() as server:
            server.restart(signal.SIGKILL)
            with Requester(server.port) as client:
                self.assertEqual(client.api("STREAM.NAMES")["total"], 0)

    @own_promise
    def test_streams_that_the_reference_left_there_are_told_of(self):
        for below, said in (("jetstream/$G/streams/S", 1), ("jetstream/$G/streams/T", 2), ("jetstream/A/streams/S", 3)):
            os.makedirs(self.path(below))
            with open(self.path(below + "/meta.inf"), "w", encoding="utf-8") as file:
                file.write("{}")
            os.makedirs(self.path(f"jetstream/$SYS/_js_/{said}"))
            for store in (self.directory, self.path("jetstream"), self.path("jetstream/")):
                with self.subTest(said=said, store=store):
                    with Server(("-js", "-sd", store), jetstream=False) as server:
                        self.assertRegex(server.log(), rf"\[WRN\] .*{said} streams? of nats-server.*migration\.md")
        with Server() as server:
            self.assertNotIn("of nats-server", server.log())

    @own_promise
    def test_a_store_of_a_newer_format_is_left_alone(self):
        with Server() as server:
            server.end(signal.SIGTERM)
            node = min(glob.glob(server.directory + "/**/node", recursive=True), key=len)  # home's
            with open(node, "rb") as file:
                newer = with_version(file.read(), 2)
            with open(node, "wb") as file:
                file.write(newer)
            store = ("-js", "-sd", server.directory)
            self.refuses(r"\[FTL\] .*(version|format)", "-p", str(free_port()), *store)
            with open(node, "rb") as file:
                self.assertEqual(file.read(), newer)


def with_version(block, version):
    """A `node` file (docs/formats.md) as a later server would have written it."""
    name = ctypes.util.find_library("xxhash")
    if name is None:
        raise unittest.SkipTest("no libxxhash to write the checksum with")
    xxhash = ctypes.CDLL(name)
    xxhash.XXH3_64bits.restype = ctypes.c_uint64
    rest = bytearray(block[8:])
    rest[8:12] = version.to_bytes(4, "little")
    rest = bytes(rest)
    return xxhash.XXH3_64bits(rest, len(rest)).to_bytes(8, "little") + rest


class End(unittest.TestCase):
    def test_term_and_int_end_it_well(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(sig), Server() as server:
                self.assertEqual(server.end(sig), 0)

    def test_it_closes_its_connections_without_an_error(self):
        with Server() as server, Connection(server.port) as connection:
            connection.connect()
            connection.flush()
            server.end(signal.SIGTERM)
            self.assertEqual(connection.until_end(), b"")

    def test_it_ends_with_work_in_flight_and_loses_nothing_acked(self):
        with Server() as server:
            with Requester(server.port) as client:
                client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]})
                for i in range(200):
                    self.assertEqual(client.publish(b"s", b"%d" % i)["seq"], i + 1)
                client.send(b"PUB s answers.x 1\r\nx\r\n" * 200)
                self.assertEqual(server.end(signal.SIGTERM), 0)
                acked = client.until_end().count(b'"seq":')
            server.start()
            with Requester(server.port) as client:
                state = client.api("STREAM.INFO.S")["state"]
                self.assertGreaterEqual(state["messages"], 200 + acked)
                self.assertEqual(state["first_seq"], 1)


class Monitoring(WireCase):
    @classmethod
    def setUpClass(cls):
        cls.monitor = free_port()
        cls.arguments = ("-m", str(cls.monitor))
        super().setUpClass()

    def get(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.monitor, timeout=READ_S)
        self.addCleanup(connection.close)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read()

    def test_healthz_says_ok(self):
        answer, body = self.get("/healthz")
        self.assertEqual((answer.status, json.loads(body)), (200, {"status": "ok"}))
        self.assertEqual(answer.getheader("Content-Type"), "application/json")

    def test_varz_says_who_the_server_is_and_what_it_does(self):
        with self.open() as connection:
            answer, body = self.get("/varz")
            self.assertEqual(answer.status, 200)
            varz = json.loads(body)
            info = connection.info()
            for key in ("server_id", "server_name", "version", "max_payload", "proto"):
                self.assertEqual(varz[key], info[key], key)
            self.assertEqual((varz["host"], varz["port"]), ("127.0.0.1", self.server.port))
            self.assertEqual(varz["http_port"], self.monitor)
            self.assertGreaterEqual(varz["connections"], 2)
            self.assertGreaterEqual(varz["total_connections"], varz["connections"])
            store = varz["jetstream"]["config"]["store_dir"]
            self.assertTrue(store.startswith(self.server.directory), store)
            for key in ("mem", "cores", "uptime", "in_msgs", "out_msgs", "in_bytes", "out_bytes"):
                self.assertIn(key, varz)

    def test_varz_counts_messages_and_subscriptions(self):
        before = json.loads(self.get("/varz")[1])
        with self.open() as connection:
            connection.connect()
            connection.send(b"SUB m 1\r\n" + b"PUB m 5\r\nhello\r\n" * 10)
            connection.flush()
            after = json.loads(self.get("/varz")[1])
        self.assertGreaterEqual(after["in_msgs"] - before["in_msgs"], 10)
        self.assertGreaterEqual(after["out_msgs"] - before["out_msgs"], 10)
        self.assertGreaterEqual(after["in_bytes"] - before["in_bytes"], 50)
        self.assertGreater(after["subscriptions"], 0)

    def test_an_unknown_path_is_not_found(self):
        self.assertEqual(self.get("/no/such/page")[0].status, 404)

    def test_what_is_no_http_does_no_harm(self):
        for garbage in (b"\0" * 100, b"GARBAGE\r\n\r\n", b"GET /" + b"x" * 100_000, b"GET /varz\r\n"):
            with socket.create_connection(("127.0.0.1", self.monitor), timeout=READ_S) as raw:
                try:
                    raw.sendall(garbage)
                except OSError:
                    pass  # it may have been cut off already
            self.assertEqual(self.get("/healthz")[0].status, 200)


class FullDisk(unittest.TestCase):
    """A small file system that fills up while a client publishes."""

    SIZE_MIB = 192
    LEFT_MIB = 3

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.__exit__)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={self.SIZE_MIB}m", "none", self.server.directory]
        try:
            done = subprocess.run(mount, capture_output=True, timeout=START_S, check=False)
        except OSError as error:
            self.skipTest(f"cannot mount: {error}")
        if done.returncode != 0:
            self.skipTest("cannot mount a small file system here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.server.directory], check=False)
        self.addCleanup(self.server.kill)
        self.server.start()

    def fill(self):
        """Takes the space but for a few MiB, with a file that can be removed again."""
        space = os.statvfs(self.server.directory)
        size = space.f_bavail * space.f_frsize - self.LEFT_MIB * 2**20
        path = os.path.join(self.server.directory, "filler")
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        return path

    def publish_until_refused(self):
        """The count of acked messages and the first answer that was none."""
        with Requester(self.server.port) as client:
            body = b"x" * 50_000
            for i in range(10 * 2**20 * self.LEFT_MIB // len(body)):
                answer = client.publish(b"s", b"%08d" % i + body)
                if "error" in answer:
                    return i, answer["error"]
                self.assertEqual(answer["seq"], i + 1)
        self.fail("a full disk took everything")

    def make_stream(self):
        with Requester(self.server.port) as client:
            client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s"]})

    @own_promise
    def test_a_full_disk_refuses_and_loses_nothing_acked(self):
        self.make_stream()
        filler = self.fill()
        acked, error = self.publish_until_refused()
        self.assertGreaterEqual(error["err_code"], 10000, error)
        self.assertTrue(self.server.running())
        os.unlink(filler)
        self.server.restart(signal.SIGKILL)
        with Requester(self.server.port) as client:
            state = client.api("STREAM.INFO.S")["state"]
            self.assertGreaterEqual(state["messages"], acked)
            for seq in range(1, acked + 1):
                self.assertIn("message", client.api("STREAM.MSG.GET.S", {"seq": seq}))
            self.assertIn("seq", client.publish(b"s", b"after"))


if __name__ == "__main__":
    unittest.main()
