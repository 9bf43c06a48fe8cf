"""A stream whose log can not be opened: what it had stays its own, and the rest of the server goes on."""

import glob
import os
import signal
import unittest

from wire import Requester, own_promise  # finds serverprocess
from serverprocess import Server


def spoil_the_newest_log(directory):
    """Overwrites every segment and the journal: then nothing says which log it is of."""
    logs = sorted(glob.glob(os.path.join(directory, "**", "logs", "*"), recursive=True))
    journal = glob.glob(os.path.join(directory, "**", "*.jnl"), recursive=True)
    for path in glob.glob(os.path.join(logs[-1], "*")) + journal:
        with open(path, "r+b") as file:
            file.write(b"\xa5" * os.path.getsize(path))


class Offline(unittest.TestCase):
    def create(self, client, name, subject):
        return client.api("STREAM.CREATE." + name, {"name": name, "subjects": [subject]})

    @own_promise
    def test_its_name_and_subjects_stay_taken(self):
        with Server() as server:
            with Requester(server.port) as client:
                self.assertNotIn("error", self.create(client, "GOOD", "good.>"))
                self.assertNotIn("error", self.create(client, "BAD", "bad.*"))
            server.end(signal.SIGTERM)
            spoil_the_newest_log(server.directory)
            server.start()
            with Requester(server.port) as client:
                self.assertEqual(self.create(client, "BAD", "other")["error"]["err_code"], 10194)
                self.assertEqual(self.create(client, "NEW", "bad.a")["error"]["err_code"], 10065)
                self.assertEqual(self.create(client, "NEW", "bad.>")["error"]["err_code"], 10065)
                self.assertNotIn("error", self.create(client, "NEW", "bad.a.b"))
                self.assertNotIn("error", client.api("STREAM.INFO.GOOD"))


if __name__ == "__main__":
    unittest.main()
