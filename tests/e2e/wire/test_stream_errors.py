"""Every error of JetStream by its number: error_rows.py says how each is brought about, or who does it, or why not."""

import glob
import json
import os
import re
import shutil
import tempfile
import unittest

from wire import Requester, own_promise  # finds serverprocess
from error_rows import CONFIG, GUARDS, NEVER, ROWS, TESTS
from serverprocess import ROOT, Server

TABLE = os.path.join(ROOT, "server", "api", "errors.inc")
ROW = re.compile(r'API_ERROR\((\d+), (\d+),\s*"(.*)"\)')


class StreamErrors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="millrace-errors-")
        cls.addClassCleanup(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, "c.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        cls.server = Server(["-c", path])
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        with open(TABLE, encoding="utf-8") as file:
            rows = ROW.findall(file.read().replace('"\n', '"').replace('""', ""))
        cls.table = {int(number): (int(code), description) for number, code, description in rows}

    def refusal(self, user, steps):
        """The error of the last step; those before it succeed."""
        with Requester(self.server.port, user=user, **{"pass": "p"}) as asker:
            try:
                for step in steps[:-1]:
                    self.ask(asker, step)
                return self.ask(asker, steps[-1]).get("error", {})
            finally:
                for name in ("S", "T"):
                    asker.ask(b"$JS.API.STREAM.DELETE." + name.encode())

    @staticmethod
    def ask(asker, step):
        if step[0] == "fast":
            return StreamErrors.ask_fast(asker, step[1])
        if step[0] == "pub":
            return json.loads(asker.ask(step[1].encode(), step[2], step[3])[1] or b"{}")  # of a batch: nothing
        headers = step[3] if len(step) > 3 else b""
        return json.loads(asker.ask(b"$JS.API." + step[1].encode(), step[2], headers)[1])

    @staticmethod
    def ask_fast(asker, mark):
        """What is said to the first message of a fast batch; its reply is the mark."""
        asker.send(b"SUB fast.> 9\r\nPUB S fast.%s.$FI 1\r\nx\r\n" % mark.encode())
        said = asker.message()[3]
        asker.send(b"UNSUB 9\r\n")
        asker.flush()
        return json.loads(said)

    def test_each_is_answered_with_its_code_and_description(self):
        for number, (user, steps) in ROWS.items():
            with self.subTest(number):
                error = self.refusal(user, steps)
                code, description = self.table[number]
                self.assertEqual(error.get("err_code"), number, error)
                self.assertEqual(error["code"], code)
                words = [re.escape(word) for word in re.split(r"\{\w+\}", description)]
                self.assertRegex(error["description"], "^" + ".*".join(words) + "$")

    @own_promise
    def test_every_row_is_brought_about_or_has_its_reason(self):
        elsewhere = [number for numbers in TESTS.values() for number in numbers]
        never = [number for numbers in [*NEVER.values(), *GUARDS.values()] for number in numbers]
        named = [*ROWS, *elsewhere, *never]
        self.assertEqual(len(named), len(set(named)), "each in one place")
        self.assertEqual(sorted(named), sorted(self.table))

    @own_promise
    def test_a_test_that_brings_some_about_names_them(self):
        for path, numbers in TESTS.items():
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                text = file.read()
            for number in numbers:
                self.assertRegex(text, rf"\b{number}\b", f"{path} does not bring about {number}")

    @own_promise
    def test_what_is_said_to_come_never_is_nowhere_in_the_source(self):
        never = {str(number) for numbers in NEVER.values() for number in numbers}
        for path in glob.glob(os.path.join(ROOT, "server", "**", "*.c"), recursive=True):
            with open(path, encoding="utf-8") as file:
                found = never & set(re.findall(r"\b10\d{3}\b", file.read()))
            self.assertEqual(found, set(), path)


if __name__ == "__main__":
    unittest.main()
