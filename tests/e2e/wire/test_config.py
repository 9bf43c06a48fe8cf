"""Configuration files as a process meets them: -c, -t, what overrides what, exit codes and words.

Everything here that is not marked as our own promise also holds for the reference server.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from wire import READ_S, Connection, own_promise  # finds serverprocess
from serverprocess import BINARY, START_S, STOP_S, Server, free_port


class Directory(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-config-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def write(self, text, name="c.conf"):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def wait_for(self, path, text):
        """The content of a file once `text` is in it."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    content = file.read()
                if text in content:
                    return content
            time.sleep(0.02)
        self.fail(f"no {text!r} in {path}")

    def ports(self, server):
        """What the ports file says, which comes after the server says that it is ready."""
        name = f"{os.path.basename(BINARY)}_{server.process.pid}.ports"
        return json.loads(self.wait_for(os.path.join(self.directory, name), "}"))

    def run_server(self, *arguments, **environment):
        """A server that must end by itself."""
        return subprocess.run(
            [BINARY, *arguments],
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
            cwd=self.directory,
            env={**os.environ, **environment},
        )


class Named(Directory):
    def test_a_cluster_without_a_port_is_only_named_and_the_server_stands_alone(self):
        path = self.write(f'cluster {{ name: hub }}\njetstream {{ store_dir: "{self.directory}" }}\n')
        with Server(("-c", path), jetstream=False) as server:
            self.assertNotIn("Listening for route", server.log())
            connection = Connection(server.port)
            self.addCleanup(connection.socket.close)
            self.assertEqual(connection.info().get("cluster"), "hub")
            connection.connect(headers=True, no_responders=True)
            connection.send(b"SUB in 1\r\n")
            request = b'{"name":"S","subjects":["s"]}'
            connection.send(b"PUB $JS.API.STREAM.CREATE.S in %d\r\n%s\r\n" % (len(request), request))
            self.assertNotIn("error", json.loads(connection.message()[3]))
            connection.send(b"PUB $JS.API.STREAM.INFO.S in 0\r\n\r\n")
            answer = json.loads(connection.message()[3])
            self.assertEqual(answer["cluster"]["name"], "hub", answer)


class Hosts(Directory):
    """Names to listen on are looked up at the start."""

    LISTENERS = (
        ('listen: "{}:{}"', "nats"),
        ('port: -1\nhttp: "{}:{}"', "monitoring"),
        ('port: -1\ncluster {{ name: c, listen: "{}:{}" }}', "cluster"),
        ('port: -1\nleafnodes {{ listen: "{}:{}" }}', "leafnodes"),
        ('port: -1\nwebsocket {{ listen: "{}:{}", no_tls: true }}', "websocket"),
    )

    def test_it_listens_where_a_name_says(self):
        name = socket.gethostname()
        try:
            address = socket.gethostbyname(name)
        except OSError:
            name, address = "localhost", "127.0.0.1"
        for text, what in self.LISTENERS:
            with self.subTest(what):
                port = free_port()
                path = self.write(text.format(name, port))
                with Server(jetstream=False) as server:
                    server.kill()
                    server.command = lambda path=path: [BINARY, "-c", path]
                    server.start()
                    end = time.monotonic() + START_S
                    while f"{name}:{port}\n" not in server.log():
                        self.assertLess(time.monotonic(), end, server.log())
                        time.sleep(0.02)
                    socket.create_connection((address, port), READ_S).close()

    @own_promise
    def test_a_name_that_is_nobodys_is_told_with_its_place(self):
        for text, what in self.LISTENERS:
            with self.subTest(what):
                path = self.write("\n" + text.format("no such host", free_port()))
                result = self.run_server("-c", path)
                self.assertEqual(result.returncode, 1, result.stderr)
                line = 2 + text.count("\n")
                self.assertRegex(
                    result.stderr,
                    rf"\[FTL\] .*listen tcp: lookup no such host: no such host \({re.escape(path)}:{line}:\d+\)",
                )

    @own_promise
    def test_a_flag_has_no_place(self):
        path = self.write('host: "no such host"')
        for host in ("nor this one", "no such host"):
            result = self.run_server("-c", path, "-a", host)
            self.assertIn(f'"listen tcp: lookup {host}: no such host"\n', result.stderr)


class Check(Directory):
    def accepts(self, text, **environment):
        path = self.write(text)
        result = self.run_server("-t", "-c", path, **environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(
            result.stderr,
            rf"^nats-server: configuration file {re.escape(path)} is valid \(sha256:[0-9a-f]{{64}}\)\n$",
        )

    def refuses(self, text, *words, **environment):
        path = self.write(text)
        result = self.run_server("-t", "-c", path, **environment)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertTrue(result.stderr.startswith("nats-server: "), result.stderr)
        for word in words:
            self.assertIn(word.replace("FILE", path), result.stderr)

    def test_good_files_are_valid(self):
        self.accepts("port: 4222")
        self.accepts('{"port": 4222, "server_name": "x"}')
        self.accepts("X = 4222\nport: $X # and so on\njetstream { max_mem: 1G, max_file: 2GB }")
        self.accepts("server_name: $SERVER_NAME_OF_TEST", SERVER_NAME_OF_TEST="abc")

    def test_what_is_wrong_is_said_with_its_place(self):
        self.refuses("foo: bar", 'FILE:1:0: unknown field "foo"')
        self.refuses("port: 1\nfoo: bar\nbar: foo", 'FILE:2:1: unknown field "foo"', "FILE:3:1: ")
        self.refuses("port: [", "Parse error on line 1: ")
        self.refuses("port: $NO_SUCH_VARIABLE", "variable reference for 'NO_SUCH_VARIABLE'")
        self.refuses("include nope.conf", "error parsing include file 'nope.conf', open ")
        self.refuses("ping_interval: 5", "ping_interval should be converted to a duration")
        self.refuses("", "config has no values or is empty")

    @own_promise
    def test_routes_of_no_cluster_are_refused(self):
        routes = 'routes: [ "nats://127.0.0.1:1" ]'
        self.refuses(f"cluster {{ name: c, {routes} }}", "solicited routes require cluster capabilities")
        self.accepts(f"cluster {{ name: c, port: -1, {routes} }}")

    def test_a_member_of_a_cluster_with_streams_has_names_that_last(self):
        """Under a new name after each start it would be one more member, and the old ones would be waited for."""
        for text, missing in (("", "`server_name`"), ("server_name: a\n", "`cluster.name`")):
            path = self.write(f"port: -1\n{text}cluster {{ port: -1 }}\njetstream: enabled\n")
            result = self.run_server("-c", path, "-sd", self.directory)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(f"jetstream cluster requires {missing} to be set", result.stderr)
        self.accepts("server_name: a\ncluster { name: c, port: -1 }\njetstream: enabled")
        self.accepts("cluster { port: -1 }")

    def test_where_the_data_is_stands_in_the_file_or_in_a_flag_and_not_in_both(self):
        for text, place in (('jetstream { store_dir: "a" }', "1:12"), ('jetstream: true\nstore_dir: "a"', "2:1")):
            path = self.write(text)
            for flags in (("-sd", "a"), ("-js", "--store_dir=b")):
                with self.subTest(text, flags=flags):
                    result = self.run_server("-t", "-c", path, *flags)
                    self.assertEqual(result.returncode, 1, result.stderr)
                    self.assertIn(f"{path}:{place}: Duplicate 'store_dir' configuration", result.stderr)
            self.accepts(text)
        path = self.write("jetstream: true")
        self.assertEqual(self.run_server("-t", "-c", path, "-sd", "a").returncode, 0)

    @own_promise
    def test_what_has_no_effect_is_said_with_its_place_and_is_valid(self):
        path = self.write(
            'prof_port: 1\njetstream {\n  request_queue_limit: 9\n}\n'
            "cluster { name: c, port: -1, compression: s2_fast }\nserver_name: a"
        )
        result = self.run_server("-t", "-c", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 4, lines)
        for line, start in zip(lines, ('1:0: "prof_port" ', '3:3: "request_queue_limit" ', "5:30: ")):
            self.assertTrue(line.startswith(f"{path}:{start}"), line)
        self.assertIn(f"nats-server: configuration file {path} is valid (sha256:", lines[3])

    def test_t_wants_a_file(self):
        result = self.run_server("-t")
        self.assertEqual(result.returncode, 1)
        self.assertIn("must specify [-c, --config] option", result.stderr)

    def test_a_file_that_is_not_there(self):
        result = self.run_server("-c", "nope")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "nats-server: open nope: no such file or directory\n")

    @own_promise
    def test_what_is_not_built_is_refused_with_its_place(self):
        for text in ("mqtt { port: 1883 }", "gateway {}"):
            with self.subTest(text):
                self.refuses(text, "FILE:1:0: ", "is not supported yet")

    @own_promise
    def test_files_that_include_each_other_are_refused(self):
        self.write("include b.conf", "a.conf")
        self.write("include a.conf", "b.conf")
        self.refuses("include a.conf", "include each other")


class Configured(Directory):
    def start(self, text, *arguments, jetstream=False):
        server = Server(("-c", self.write(text), *arguments), jetstream=jetstream)
        self.addCleanup(server.__exit__)
        return server.__enter__()

    def info(self, server):
        with Connection(server.port) as connection:
            return connection.info()

    def test_the_file_is_obeyed_and_flags_override_it(self):
        server = self.start("server_name: a\nmax_payload: 2000\nport: 1", "-n", "b")
        info = self.info(server)
        self.assertEqual((info["server_name"], info["max_payload"]), ("b", 2000))
        self.assertIn("Using configuration file: ", server.log())

    def test_included_files_are_relative_to_the_one_that_names_them(self):
        os.mkdir(os.path.join(self.directory, "sub"))
        self.write("include more.conf", "sub/first.conf")
        self.write("max_payload: 3000", "sub/more.conf")
        self.assertEqual(self.info(self.start("include sub/first.conf"))["max_payload"], 3000)

    def test_monitoring_and_process_files_are_where_the_file_says(self):
        monitor = free_port()
        server = self.start(
            f'http: "127.0.0.1:{monitor}"\npid_file: "{self.directory}/pid"\n'
            f'ports_file_dir: "{self.directory}"\n'
        )
        with open(f"{self.directory}/pid", encoding="utf-8") as file:
            self.assertEqual(file.read(), str(server.process.pid))
        ports = self.ports(server)
        self.assertEqual(ports["nats"], [f"nats://127.0.0.1:{server.port}"])
        self.assertEqual(ports["monitoring"], [f"http://127.0.0.1:{monitor}"])

    def monitor(self, port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=READ_S) as answer:
            return json.load(answer)

    def test_monitoring_says_how_the_server_is_configured(self):
        port = free_port()
        self.start(
            f'http: "127.0.0.1:{port}"\nhttp_base_path: "/a/b"\nserver_tags: ["x:y", z]\n'
            "server_metadata { k: v }\nmax_subscriptions: 77\nping_max: 5\n"
            "authorization { token: t, timeout: 1.5 }\n"
            f'jetstream {{ store_dir: "{self.directory}/js", max_mem: 1M, max_file: 2M, domain: D }}\n'
        )
        varz = self.monitor(port, "/a/b/varz")
        expected = {
            "auth_required": True,
            "max_subscriptions": 77,
            "ping_max": 5,
            "http_base_path": "/a/b",
            "auth_timeout": 1.5,
            "tags": ["x:y", "z"],
            "metadata": {"k": "v"},
            "system_account": "$SYS",
        }
        self.assertEqual({key: varz.get(key) for key in expected}, expected)
        self.assertRegex(varz["config_digest"], "^sha256:")
        self.assertEqual(
            {key: varz["jetstream"]["config"].get(key) for key in ("max_memory", "max_storage", "domain")},
            {"max_memory": 1000000, "max_storage": 2000000, "domain": "D"},
        )
        for path in ("/varz", "/a/varz", "/a/bvarz"):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.monitor(port, path)
            self.assertEqual(refused.exception.code, 404)
            refused.exception.close()

    def test_a_limit_of_connections_is_kept(self):
        server = self.start("max_connections: 1")
        with Connection(server.port) as first, Connection(server.port) as second:
            first.connect()
            self.assertEqual(first.flush(), b"")
            self.assertIn(b"-ERR 'maximum connections exceeded'", second.until_end())


class Signals(Directory):
    def signal(self, text):
        return self.run_server("--signal", text)

    def test_a_process_can_tell_another_to_end(self):
        for command in ("term", "quit"):
            with self.subTest(command), Server(jetstream=False) as server:
                result = self.signal(f"{command}={server.process.pid}")
                self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
                self.assertEqual(server.process.wait(STOP_S), 0)

    def test_the_process_can_be_named_by_its_pid_file(self):
        pid = os.path.join(self.directory, "pid")
        with Server(("-P", pid), jetstream=False) as server:
            self.assertEqual(self.signal(f"stop={pid}").returncode, 0)
            self.assertEqual(server.process.wait(STOP_S), -signal.SIGKILL)

    def test_the_log_file_is_opened_again_when_told(self):
        log = os.path.join(self.directory, "log")
        with Server(jetstream=False) as server:
            server.kill()
            server.arguments = ["-l", log]
            server.spawn()
            self.wait_for(log, "Server is ready")
            os.rename(log, log + ".old")
            self.assertEqual(self.signal(f"reopen={server.process.pid}").returncode, 0)
            self.wait_for(log, "File log re-opened")

    def test_who_is_not_there_cannot_be_told(self):
        result = self.signal("reload=abc")
        self.assertEqual((result.returncode, result.stderr), (1, "nats-server: invalid pid: abc\n"))
        self.assertIn("no such process", self.signal("reload=4194304").stderr)


class LogFiles(Directory):
    @own_promise
    def test_a_large_log_is_put_aside_and_the_oldest_removed(self):
        log = os.path.join(self.directory, "log")
        with Server(jetstream=False) as server:
            server.kill()
            server.arguments = ["-D", "-c", self.write(f'log_file: "{log}"\nlog_size_limit: 2000\nlog_max_num: 3')]
            server.spawn()
            self.wait_for(log, "Server is ready")
            for _ in range(60):
                with Connection(server.port) as connection:
                    connection.connect()
                    connection.flush()
            server.end(signal.SIGTERM)  # it still writes of the last one
            names = sorted(os.listdir(self.directory))
            aside = [n for n in names if re.fullmatch(r"log(\.\d+){7}", n)]
            self.assertEqual(len(aside), 2, names)
            for name in aside:
                self.assertLess(os.path.getsize(os.path.join(self.directory, name)), 6000)


if __name__ == "__main__":
    unittest.main()
