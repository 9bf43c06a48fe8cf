"""Help and completion of every command that there is: what fits a screen, what tells everything, and that they agree."""

import re
import unittest

from cli import USAGE, CliCase
from tour import STOPS

LINES, COLUMNS = 24, 80  # of a screen

PROGRAMS = ("serve", "check", "dump", "backup", "restore")  # have no table of flags
CROWDED = ("stream add", "stream edit", "consumer add", "consumer edit")  # have more flags than a screen has lines


def named(text):
    """The flags that a text tells of."""
    return set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*)", text))


class Complete(CliCase):
    def groups(self):
        rows = self.out("help").partition("Groups:\n")[2].split("\n\n")[0].splitlines()
        return [cell.split()[0] for row in rows for cell in re.split(r"\s{3,}(?=[a-z]+\s)", row.strip())]

    def commands(self):
        """All of them, by the lists of help."""
        overview = self.out("help").partition("Commands:\n")[2].partition("Groups:\n")[0]
        found = [line.split()[0] for line in overview.splitlines()]
        for group in self.groups():
            rows = self.out("help", group).partition("Commands:\n")[2].splitlines()
            found += [" ".join(row.split()[:2]) for row in rows if row.startswith("  ")]
        return found

    def accepted(self):
        """What each command accepts, by completion, and below "" what all do."""
        script = self.out("completion", "bash")
        flags = {}
        for command, words in re.findall(r"(?m)^        '([a-z -]+)'(?:\\ \*)?\) words=\"(.*)\" ;;$", script):
            flags[command] = named(words)
        flags[""] = named(re.search(r'words\+=" (.*)"', script)[1])
        return flags

    def fits(self, text, what):
        self.assertLessEqual(len(text.splitlines()), LINES, what)
        for line in text.splitlines():
            self.assertLessEqual(len(line), COLUMNS, f"{what}: {line}")

    def test_help_and_completion_know_the_same_commands(self):
        commands = set(self.commands())
        self.assertEqual(commands - set(PROGRAMS), set(self.accepted()) - {""})
        self.assertLessEqual({*PROGRAMS, *CROWDED, "pub", "object get", "context rm"}, commands)

    def test_the_tour_stops_at_every_command(self):
        toured = {" ".join(words) for words, _ in STOPS}
        for command in self.commands():
            if command not in PROGRAMS:  # tested where servers are
                self.assertTrue(any(f"{words} ".startswith(f"{command} ") for words in toured), command)

    def test_help_of_every_command_fits_a_screen_and_has_an_example(self):
        for command in self.commands():
            text = self.out("help", *command.split())
            self.fits(text, command)
            self.assertRegex(text, r"\nExample:\n  (millrace |source <\(millrace )" + command, command)
            if command != "serve":  # whose --help is that of nats-server
                self.assertEqual(text, self.out(*command.split(), "--help"))

    def test_lists_of_commands_fit_a_screen(self):
        self.fits(self.out("help"), "help")
        self.fits(self.out("help", "flags"), "flags")
        for group in self.groups():
            self.fits(self.out("help", group), group)

    def test_on_a_terminal_help_fits_a_screen_too(self):
        for command in (*CROWDED, "pub", "top"):
            code, screen = self.terminal(*command.split(), "--help", columns=COLUMNS)
            self.assertEqual(code, 0, screen)
            self.fits(screen, command)

    def test_all_tells_every_flag_that_the_command_accepts(self):
        accepted = self.accepted()
        for command in self.commands():
            text = self.out("help", *command.split(), "--all")
            self.assertIn("\nExample:\n", text)
            if command in PROGRAMS:
                continue
            self.assertEqual(text, self.out(*command.split(), "--help", "--all"))
            told = set(re.findall(r"(?m)^  (?:-\w, |    )--([a-z0-9-]+)", text))
            self.assertEqual(told, accepted[command] | accepted[""], command)
            for line in text.splitlines():
                self.assertLessEqual(len(line), COLUMNS, f"{command}: {line}")

    def test_help_of_the_programs_tells_every_flag_that_their_usage_names(self):
        for program in PROGRAMS:
            if program == "serve":
                continue
            usage = named(self.run_cli(program, "--no-such-flag", code=USAGE).stderr)
            self.assertGreater(len(usage), 0, program)
            self.assertLessEqual(usage, named(self.out("help", program)), program)

    def test_the_manual_page_tells_every_command_and_every_flag_of_it(self):
        page = self.out("completion", "man").replace("\\-", "-")
        sections = {}
        for section in page.partition("\n.SH FLAGS OF EVERY COMMAND")[0].split("\n.SS ")[1:]:
            sections[section.partition("\n")[0]] = section
        accepted = self.accepted()
        for command in self.commands():
            found = [text for head, text in sections.items() if f"{head} ".startswith(f"{command} ")]
            self.assertEqual(len(found), 1, command)
            if command in PROGRAMS:
                self.assertLessEqual(named(self.out("help", command)), named(found[0]), command)
            else:
                told = set(re.findall(r"(?m)^\.TP\n(?:-\w, )?--([a-z0-9-]+)", found[0]))
                self.assertEqual(told, accepted[command], command)
        shared = page.partition("\n.SH FLAGS OF EVERY COMMAND")[2].partition("\n.SH ")[0]
        self.assertEqual(set(re.findall(r"(?m)^\.TP\n(?:-\w, )?--([a-z0-9-]+)", shared)), accepted[""])

    def test_short_help_leads_to_the_rest(self):
        accepted = self.accepted()
        for command in self.commands():
            text = self.out("help", *command.split())
            if command not in PROGRAMS:
                self.assertTrue(text.endswith(f": millrace help {command} --all\n"), text)
            if command in CROWDED:
                count = len(accepted[command] | accepted[""])
                self.assertIn(f"\nAll {count} flags, and what each does: ", text)
                self.assertGreater(len(named(text)), 20, command)
            elif command not in PROGRAMS:
                self.assertLessEqual(accepted[command], named(text), command)

    def test_help_that_is_asked_for_comes_before_what_is_wrong_but_not_behind_two_dashes(self):
        self.assertEqual(self.out("help", "pub"), self.out("pub", "--no-such-flag", "--help"))
        self.assertEqual(self.out("help", "pub"), self.out("--help", "pub"))
        self.assertEqual(self.out("help", "pub"), self.out("pub", "-h", "a", "b", "c"))
        self.fails(USAGE, "pub", "--", "no subject", "--help", says="no subject")
        self.fails(USAGE, "pub", "a", "b", "--all", says="unknown flag --all")
        self.assertIn("usage: millrace check ", self.out("check", "--help"))
        for word in ("-h", "--help"):  # the server's: whoever looks for the commands is told where they are
            self.assertIn('see "millrace help"', self.out(word))
        self.assertIn("usage: millrace stream <command>", self.out("stream", "--help"))


if __name__ == "__main__":
    unittest.main()
