"""stream: every command of the group, in a pipe and on a terminal."""

import json
import unittest

from cli import EXISTS, MISSING, USAGE, CliCase


class Streams(CliCase):
    def add(self, name, *more):
        self.run_cli("stream", "add", name, "--subjects", f"{name}.>", "--defaults", *more)
        self.addCleanup(self.forget, name)

    def forget(self, name):
        import subprocess

        from cli import BINARY
        subprocess.run([BINARY, "stream", "rm", name, "--force"], env=self.env, capture_output=True, check=False)

    def fill(self, name, count=3):
        self.run_cli("pub", f"{name}.new", "order {{Count}}", "--count", str(count), "--jetstream")

    def test_flags_become_the_configuration(self):
        self.add("CONF", "--max-msgs", "10", "--max-bytes", "1MB", "--max-age", "7d", "--discard", "new",
                 "--storage", "memory", "--retention", "work", "--description", "all of it", "--metadata", "a=b",
                 "--dupe-window", "10s", "--allow-rollup", "--deny-delete", "--max-msg-size", "1KB")
        config = self.json("stream", "info", "CONF")["config"]
        for key, value in {"subjects": ["CONF.>"], "max_msgs": 10, "max_bytes": 1048576, "discard": "new",
                           "max_age": 7 * 86400 * 10**9, "storage": "memory", "retention": "workqueue",
                           "description": "all of it", "duplicate_window": 10**10, "allow_rollup_hdrs": True,
                           "deny_delete": True, "max_msg_size": 1024}.items():
            self.assertEqual(config[key], value, key)
        self.assertEqual(config["metadata"]["a"], "b")

    def test_a_configuration_is_saved_and_made_from_a_file(self):
        self.run_cli("stream", "add", "FILE", "--subjects", "file.>", "--output", self.path("c.json"))
        self.fails(MISSING, "stream", "info", "FILE", says="stream not found", next_says="stream ls")
        self.addCleanup(self.forget, "FILE")
        self.assertEqual(self.json("stream", "add", "--config", self.path("c.json"))["config"]["subjects"], ["file.>"])

    def test_info_reads_like_the_nats_command(self):
        self.add("LIKE")
        self.fill("LIKE")
        text = self.out("stream", "info", "LIKE")
        for line in ("Information for Stream LIKE created ", "              Subjects: LIKE.>\n",
                     "               Storage: File\n", "             Retention: Limits\n",
                     "      Maximum Messages: unlimited\n", "              Messages: 3\n",
                     "      Active Consumers: 0\n"):
            self.assertIn(line, text)

    def test_lists_reports_and_finds(self):
        self.assertEqual(self.out("stream", "ls"), "No Streams defined\n")
        self.add("L1")
        self.add("L2")
        self.fill("L1")
        self.assertEqual(self.out("stream", "ls", "--names"), "L1\nL2\n")
        self.assertEqual(self.out("stream", "ls", "-n", "--subject", "L1.new"), "L1\n")
        self.assertEqual(self.out("stream", "find", "--empty", "-n"), "L2\n")
        self.assertEqual(self.out("stream", "find", "--empty", "-n", "--invert"), "L1\n")
        for words in (("ls", "--subject", "other"), ("find", "--consumers", "0", "--mirrored"), ("find", "--subject", "other")):
            self.assertEqual(self.out("stream", *words), "No Streams match\n")
        self.assertEqual([s["config"]["name"] for s in self.json("stream", "report")], ["L1", "L2"])
        self.assertRegex(self.out("stream", "ls"), r"│ L1 +│ +│ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d │ 3 ")
        self.assertEqual(self.json("stream", "subjects", "L1"), {"L1.new": 3})

    def test_tables_are_cut_to_the_terminal_and_not_in_a_pipe(self):
        self.add("WIDE", "--description", "a description that is much longer than a terminal of sixty columns is wide")
        code, screen = self.terminal("stream", "ls", columns=60)
        self.assertEqual(code, 0)
        self.assertIn("…", screen)
        self.assertLessEqual(max(map(len, screen.replace("\033[1m", "").replace("\033[0m", "").splitlines())), 60)
        self.assertIn("\033[", screen)
        self.assertIn("sixty columns is wide", self.out("stream", "ls"))
        self.assertNotIn("\033[", self.out("stream", "ls"))

    def test_messages_are_got_viewed_and_removed(self):
        self.add("MSG")
        self.fill("MSG")
        self.assertRegex(self.out("stream", "get", "MSG", "2"),
                         r"^Item: MSG#2 received .* on Subject MSG\.new\n\norder 2\n\n$")
        self.assertEqual(self.json("stream", "get", "MSG", "--last-for", "MSG.new")["payload"], "order 3")
        self.assertEqual(self.out("stream", "view", "MSG", "--raw"), "order 1\norder 2\norder 3\n")
        self.assertEqual(self.out("stream", "view", "MSG", "--raw", "--id", "2", "--count", "1"), "order 2\n")
        self.run_cli("stream", "rmm", "MSG", "2", "--force")
        self.fails(MISSING, "stream", "get", "MSG", "2", says="no such message")
        self.assertEqual(self.out("stream", "view", "MSG", "--raw"), "order 1\norder 3\n")
        self.fails(USAGE, "stream", "get", "MSG", "two", says="sequence number")

    def test_edit_shows_what_changes_and_changes_it(self):
        self.add("EDIT")
        shown = self.run_cli("stream", "edit", "EDIT", "--max-msgs", "5", "--dry-run").stderr
        self.assertIn("-max_msgs: -1\n  +max_msgs: 5\n", shown)
        shown = self.run_cli("stream", "edit", "EDIT", "--subjects", "a<b&c>d.>", "--dry-run").stderr
        self.assertIn('-subjects: ["EDIT.>"]\n  +subjects: ["a<b&c>d.>"]\n', shown)
        config = self.path("edit.json")  # as people write it
        with open(config, "w", encoding="utf-8") as file:
            file.write(self.out("stream", "info", "EDIT", "--json").replace("\\u003e", ">"))
        self.fails(USAGE, "stream", "edit", "EDIT", "--config", config, "--force", says="nothing would change")
        self.assertEqual(self.json("stream", "info", "EDIT")["config"]["max_msgs"], -1)
        self.run_cli("stream", "edit", "EDIT", "--max-msgs", "5", "--force")
        self.assertEqual(self.json("stream", "info", "EDIT")["config"]["max_msgs"], 5)
        self.fails(USAGE, "stream", "edit", "EDIT", "--max-msgs", "5", "--force", says="nothing would change")

    def test_purge_and_rm_ask_on_a_terminal_and_refuse_in_a_pipe(self):
        self.add("GONE")
        self.fill("GONE")
        self.fails(USAGE, "stream", "purge", "GONE", says="Really purge", next_says="--force")
        self.assertEqual(self.json("stream", "purge", "GONE", "--keep", "1", "--force")["purged"], 2)
        code, screen = self.terminal("stream", "rm", "GONE", answers=["n"])
        self.assertEqual(code, USAGE)
        self.assertIn("? Really delete Stream GONE (y/N)", screen)
        code, screen = self.terminal("stream", "rm", "GONE", answers=["y"])
        self.assertEqual((code, "Removed Stream GONE" in screen), (0, True))

    def test_a_new_user_is_asked_on_a_terminal(self):
        self.addCleanup(self.forget, "ASKED")
        code, screen = self.terminal("stream", "add", answers=["ASKED", "asked.>", "memory", "", "", "", "100", "",
                                                               "", "1h", ""])
        self.assertEqual(code, 0, screen)
        config = self.json("stream", "info", "ASKED")["config"]
        self.assertEqual((config["subjects"], config["storage"], config["max_msgs"], config["max_age"]),
                         (["asked.>"], "memory", 100, 3600 * 10**9))

    def test_a_stream_is_picked_on_a_terminal(self):
        self.add("PICK")
        code, screen = self.terminal("stream", "info", answers=["1"])
        self.assertEqual(code, 0, screen)
        self.assertIn("Information for Stream PICK", screen)
        self.fails(USAGE, "stream", "info", says="which stream")

    def test_wrong_input_is_refused_with_a_reason(self):
        self.add("WRONG")
        self.fails(MISSING, "stream", "info", "NONE", says=r"stream not found \(10059\)", next_says="stream ls")
        self.fails(USAGE, "stream", "add", "a.b", "--defaults", says="no name for a stream")
        self.fails(USAGE, "stream", "add", "X", "--defaults", says="needs subjects", next_says="--subjects")
        self.fails(USAGE, "stream", "add", "X", "--subjects", "x", "--storage", "disk", says="no storage", next_says="file, memory")
        self.fails(USAGE, "stream", "add", "X", "--subjects", "x", "--max-bytes", "lots", says="takes a size")
        self.fails(USAGE, "stream", "add", "--config", "/nowhere", says="cannot read /nowhere")
        self.fails(EXISTS, "stream", "add", "WRONG", "--subjects", "other", "--defaults", says="already in use")
        self.fails(1, "stream", "add", "X", "--subjects", "WRONG.a", "--defaults", says="overlap")


if __name__ == "__main__":
    unittest.main()
