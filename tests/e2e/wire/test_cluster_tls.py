"""Nodes that speak TLS among themselves: what crosses, and who is kept out."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from cluster import NODES, WITHIN_S, ClusterCase, start_together
from wire import READ_S, Connection  # finds serverprocess
from serverprocess import START_S, Server, free_port


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True, timeout=START_S)


def authority(directory, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-days", "2", "-keyout", f"{name}.key", "-out", f"{name}.pem", cwd=directory)  # fmt: skip


def certificate(directory, name, signer, alternative="IP:127.0.0.1,DNS:localhost"):
    with open(os.path.join(directory, f"{name}.ext"), "w", encoding="utf-8") as file:
        file.write(f"subjectAltName={alternative}\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=directory)  # fmt: skip
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-CAcreateserial",
            "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem", cwd=directory)  # fmt: skip


class Encrypted(ClusterCase):
    MORE = ""  # in the tls block

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-cluster-tls-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        authority(self.directory, "ours")
        authority(self.directory, "theirs")
        for name in ("n0", "n1", "n2"):
            certificate(self.directory, name, "ours")
        certificate(self.directory, "stranger", "theirs")
        certificate(self.directory, "elsewhere", "ours", "DNS:elsewhere.example")
        self.links = [free_port() for _ in range(NODES)]
        self.nodes = [self.node(i, f"n{i}", self.links[i]) for i in range(NODES)]
        start_together(self.nodes)
        self.until(lambda up: up, lambda: all(self.routed(node) for node in self.nodes))

    def node(self, number, shows, port, tls=True, authority="ours"):
        routes = ", ".join(f'"nats://127.0.0.1:{link}"' for link in self.links)
        files = "".join(f'{key}: "{self.directory}/{file}", ' for key, file in (
            ("cert_file", f"{shows}.pem"), ("key_file", f"{shows}.key"), ("ca_file", f"{authority}.pem")))  # fmt: skip
        path = os.path.join(self.directory, f"{number}-{shows}.conf")
        with open(path, "w", encoding="utf-8") as file:
            block = f"tls {{ {files} {self.MORE} }}" if tls else ""
            file.write(f"server_name: x{number}\ncluster {{ name: C, listen: 127.0.0.1:{port}, routes: [{routes}], {block} }}\n")
        server = Server(["-c", path])
        self.addCleanup(server.__exit__)
        return server

    @staticmethod
    def routed(node, count=NODES - 1):
        return node.log().count("Route connection created") >= count

    def said(self, node, text):
        end = time.monotonic() + WITHIN_S
        while text not in node.log():
            self.assertLess(time.monotonic(), end, node.log())
            time.sleep(0.05)


class Speaking(Encrypted):
    def test_messages_and_streams_cross_and_outlive_a_node(self):
        with Connection(self.nodes[0].port) as a, Connection(self.nodes[1].port) as b:
            a.connect()
            b.connect()
            a.send(b"SUB s.> 1\r\n")
            a.flush()
            payload = b"x" * 300_000
            end = time.monotonic() + READ_S
            while b"MSG" not in a.flush():  # until the interest is known there
                self.assertLess(time.monotonic(), end)
                b.send(b"PUB s.probe 0\r\n\r\n")
                b.flush()
                time.sleep(0.05)
            b.send(b"PUB s.large %d\r\n" % len(payload) + payload + b"\r\n")
            while (message := a.message())[0] != b"s.large":
                pass
            self.assertEqual(message[3], payload)
        self.api(0, "STREAM.CREATE.S", {"name": "S", "subjects": ["m"], "num_replicas": 3})
        for number in range(1, 21):
            self.assertEqual(self.publish(number % NODES), number)
        self.nodes[2].restart(signal.SIGKILL)
        self.assertEqual(self.publish(2), 21)
        self.api(1, "STREAM.INFO.S", wanted=self.whole)

    def test_nothing_is_said_plainly(self):
        with socket.create_connection(("127.0.0.1", self.links[0]), timeout=READ_S) as plain:
            plain.sendall(b'CONNECT {"verbose":false}\r\n')
            got = plain.recv(100)
            self.assertEqual(got, b"")
        self.said(self.nodes[0], "Route refused: it speaks no TLS; a client, or a node without it?")

    def test_a_node_without_tls_is_kept_out_and_says_why(self):
        plain = self.node(7, "n0", free_port(), tls=False)
        plain.start()
        self.said(plain, "Error trying to connect to route 127.0.0.1")
        self.assertFalse(self.routed(plain, 1))

    def test_a_certificate_of_another_authority_is_refused(self):
        stranger = self.node(8, "stranger", free_port())
        stranger.start()
        self.said(self.nodes[0], "Route refused: TLS handshake error: certificate verify failed")
        self.assertFalse(self.routed(stranger, 1))

    def test_who_trusts_another_authority_does_not_link(self):
        wary = self.node(9, "n0", free_port(), authority="theirs")
        wary.start()
        self.said(wary, "TLS handshake error: certificate verify failed")
        self.assertFalse(self.routed(wary, 1))

    def test_a_reload_takes_new_certificates(self):
        certificate(self.directory, "renewed", "ours")
        for suffix in ("pem", "key"):
            shutil.copy(os.path.join(self.directory, f"renewed.{suffix}"), os.path.join(self.directory, f"n0.{suffix}"))
        self.nodes[0].process.send_signal(signal.SIGHUP)
        self.said(self.nodes[0], "Reloaded server configuration")
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.links[0]}", "-cert", "n1.pem", "-key", "n1.key"],
            cwd=self.directory, input=b"", capture_output=True, timeout=START_S, check=False,
        )
        self.assertIn(b"renewed", shown.stdout)


class Elsewhere(Encrypted):
    def test_a_certificate_for_another_name_is_not_believed(self):
        odd = self.node(6, "elsewhere", free_port())
        odd.start()  # it is believed when it calls: whom it trusts and who trusts it is one authority
        self.assertTrue(self.until(lambda up: up, lambda: self.routed(odd)))
        self.links.append(int(odd.log().split("Listening for route connections on 127.0.0.1:")[1].split()[0]))
        caller = self.node(5, "n1", free_port())
        caller.start()
        self.said(caller, f"Error trying to connect to route 127.0.0.1:{self.links[-1]}")
        self.said(caller, "certificate verify failed")


class Careless(Encrypted):
    MORE = "insecure: true"

    def test_a_name_does_not_count_when_it_is_said_so(self):
        self.said(self.nodes[0], "will not be verified. DO NOT USE IN PRODUCTION!")
        odd = self.node(6, "elsewhere", free_port())
        odd.start()
        self.assertTrue(self.until(lambda up: up, lambda: self.routed(odd)))


class Refused(unittest.TestCase):
    def test_blocks_that_cannot_be(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("cluster { listen: 127.0.0.1:-1, tls { verify: true } }\n")
            file.flush()
            server = Server(["-c", file.name])
            result = subprocess.run(server.command(), capture_output=True, text=True, timeout=START_S, check=False)
            shutil.rmtree(server.directory)
            self.assertEqual(result.returncode, 1)
            self.assertIn("nodes have to show a certificate", result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
