"""The transcripts of docs/cli.md are what the commands say."""

import os
import sys
import unittest

import cli  # noqa: F401, finds serverprocess
import transcripts
from test_every_command import normal

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cli"))

import command as nats_command  # noqa: E402


class Transcripts(unittest.TestCase):
    maxDiff = None

    def test_the_page_shows_what_the_commands_say(self):
        shown = transcripts.on_page()
        self.assertEqual([title for title, _, _ in shown], [task[0] for task in transcripts.TASKS])
        now = transcripts.run(with_nats=nats_command.PROGRAM is not None)
        for (title, theirs, ours), (_, theirs_now, ours_now) in zip(shown, now):
            self.assertEqual(normal(ours), normal(ours_now), title)
            if theirs_now is not None:
                self.assertEqual(normal(theirs), normal(theirs_now), title)


if __name__ == "__main__":
    unittest.main()
