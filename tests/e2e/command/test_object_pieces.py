"""object get when what the server sends comes in pieces of any size: every byte in its place, over TLS as well."""

import os
import random
import socket
import threading
import unittest

from cli import CliCase, UNREACHABLE
import test_logins

SIZES = (3000, 32767, 32768, 40000, 131072, 1000000)  # of chunks, around what is read without a copy


class Pieces:
    """Stands between client and server and passes on what the server says in pieces."""

    def __init__(self, port, seed, cut=None):
        self.port, self.random, self.cut = port, random.Random(seed), cut
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self.copy, args=(client, server), daemon=True)
        back.start()
        passed = 0
        while chunk := server.recv(1 << 20):
            at = 0
            while at < len(chunk):
                piece = chunk[at:at + self.random.choice((1, 2, 3, 60, 4096, 33000, 200000))]
                try:
                    client.sendall(piece)
                except OSError:
                    break
                at += len(piece)
                passed += len(piece)
                if self.cut and passed > self.cut:
                    client.shutdown(socket.SHUT_RDWR)
                    client.close()
                    server.close()
                    return
        client.close()
        server.close()

    @staticmethod
    def copy(source, target):
        try:
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()
        self.thread.join(10)


class InPieces(CliCase):
    def test_every_byte_comes_to_its_place(self):
        self.run_cli("object", "add", "P")
        for seed, size in enumerate(SIZES):
            content = os.urandom(size * 7 + 11)
            with open(self.path("file"), "wb") as file:
                file.write(content)
            self.run_cli("object", "put", "P", "file", "--chunk-size", str(size), "--force")
            between = Pieces(self.server.port, seed)
            self.run_cli("object", "get", "P", "file", "-O", "back", "--force", "--server", between.url)
            between.close()
            with open(self.path("back"), "rb") as file:
                self.assertEqual(file.read(), content, f"chunks of {size}, seed {seed}")
            back = self.run_cli("object", "get", "P", "file", "-O", "-", stdin=b"").stdout
            self.assertEqual(back, content)

    def test_room_that_was_reserved_and_not_needed_is_given_back(self):
        self.run_cli("object", "add", "R")
        with open(self.path("file"), "wb") as file:
            file.write(os.urandom(20 << 20))
        self.run_cli("object", "put", "R", "file")
        self.run_cli("object", "get", "R", "file", "-O", "back")
        self.assertEqual(os.stat(self.path("back")).st_size, 20 << 20)
        self.assertLess(os.stat(self.path("back")).st_blocks * 512, 21 << 20)

    def test_a_connection_that_ends_within_a_chunk_leaves_no_file(self):
        self.run_cli("object", "add", "Q")
        with open(self.path("file"), "wb") as file:
            file.write(os.urandom(3 << 20))
        self.run_cli("object", "put", "Q", "file")
        between = Pieces(self.server.port, 1, cut=1 << 20)
        self.fails(UNREACHABLE, "object", "get", "Q", "file", "-O", "back", "--server", between.url, says="")
        between.close()
        self.assertEqual(os.listdir(self.home), ["file"])


class OverTls(test_logins.LoginCase):
    config = 'jetstream {}\ntls { cert_file: "TMP/srv.pem", key_file: "TMP/srv-key.pem" }'

    @classmethod
    def prepare(cls):
        test_logins.make_certificates(cls.folder)

    def test_every_byte_comes_to_its_place(self):
        self.env["NATS_CA"] = self.file("ca.pem")
        content = os.urandom(1000003)
        with open(self.path("file"), "wb") as file:
            file.write(content)
        self.run_cli("object", "add", "T")
        self.run_cli("object", "put", "T", "file")
        self.run_cli("object", "get", "T", "file", "-O", "back")
        with open(self.path("back"), "rb") as file:
            self.assertEqual(file.read(), content)


if __name__ == "__main__":
    unittest.main()
