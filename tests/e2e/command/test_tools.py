"""bench, completion and installing."""

import json
import os
import pty
import select
import shutil
import subprocess
import time
import unittest
import xml.etree.ElementTree

from cli import FAILED, MISSING, RUN_S, TIMEOUT, USAGE, CliCase
from serverprocess import BINARY, ROOT


class Bench(CliCase):
    def test_every_kind_tells_rates_and_percentiles(self):
        self.assertRegex(self.out("bench", "pub", "x", "--msgs", "1000"), r"^pub: [\d,]+ msgs/sec ~ .*/sec, 1,000 messages")
        self.run_cli("stream", "add", "JS", "--subjects", "js", "--defaults")
        self.run_cli("kv", "add", "KB")
        reply = self.spawn("reply", "echo", "--echo")
        self.until_heard("echo")
        for words in (("js", "js"), ("kv", "KB"), ("request", "echo")):
            result = self.json("bench", *words, "--msgs", "300", "--size", "32")
            self.assertEqual((result["msgs"], result["size"]), (300, 32))
            latency = result["latency_ns"]
            order = [latency[key] for key in ("min", "p50", "p90", "p99", "p999", "max")]
            self.assertEqual(order, sorted(order))
            self.assertGreater(order[0], 0)
        self.assertEqual(self.json("stream", "info", "JS")["state"]["messages"], 300)

    def test_sub_counts_what_comes(self):
        sub = self.spawn("bench", "sub", "y", "--msgs", "500", "--json")
        self.until_heard("y")
        self.run_cli("bench", "pub", "y", "--msgs", "500", "--size", "10")
        self.assertEqual(json.loads(sub.communicate(timeout=RUN_S)[0])["size"], 10)

    def test_it_draws_what_came_out(self):
        self.run_cli("stream", "add", "P", "--subjects", "p", "--defaults")
        for words, panels in ((("js", "p", "--msgs", "400"), 2), (("pub", "x", "--msgs", "7000"), 1)):
            self.run_cli("bench", *words, "--plot", "it.svg")
            picture = xml.etree.ElementTree.parse(self.path("it.svg")).getroot()
            curves = [path.get("d") for path in picture.iter("{http://www.w3.org/2000/svg}path") if path.get("class") == "curve"]
            self.assertEqual(len(curves), panels)
            self.assertTrue(all(curve.count("L") > 10 for curve in curves), curves)
        self.fails(FAILED, "bench", "pub", "x", "--msgs", "10", "--plot", "/nowhere/it.svg", says="cannot write /nowhere/it.svg")

    def test_nobody_there_is_said(self):
        self.fails(TIMEOUT, "bench", "request", "nobody", says="nobody answers")
        self.fails(MISSING, "bench", "js", "nothing", says="no stream")
        self.fails(USAGE, "bench", "pub", "x", "--msgs", "0", says="out of range")


class Installed(CliCase):
    def test_completion_is_a_script_that_its_shell_takes(self):
        script = self.out("completion", "bash")
        complete = ("COMP_WORDS=(millrace str); COMP_CWORD=1; _millrace; echo ${COMPREPLY[@]};"
                    "COMP_WORDS=(millrace stream in); COMP_CWORD=2; _millrace; echo ${COMPREPLY[@]};"
                    "COMP_WORDS=(millrace pub x --cou); COMP_CWORD=3; _millrace; echo ${COMPREPLY[@]}")
        result = subprocess.run(["bash", "-c", script + complete], capture_output=True, text=True, check=True)
        self.assertEqual(result.stdout, "stream\ninfo\n--count\n")
        self.fails(USAGE, "completion", "tcsh", says='nothing is made for "tcsh"')

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh_completes_from_the_first_time_on(self):
        os.mkdir(self.path("functions"))
        with open(self.path("functions/_millrace"), "w") as file:
            file.write(self.out("completion", "zsh"))
        ours, theirs = pty.openpty()
        shell = subprocess.Popen(["zsh", "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.home,
                                 start_new_session=True, env={**self.env, "TERM": "dumb", "ZDOTDIR": self.home})
        os.close(theirs)
        self.addCleanup(lambda: (shell.kill(), shell.wait(), os.close(ours)))

        def typed(text, shows):
            os.write(ours, text.encode())
            shown, end = "", time.monotonic() + RUN_S
            while shows not in shown and time.monotonic() < end:
                if select.select([ours], [], [], 0.1)[0]:
                    shown += os.read(ours, 65536).decode(errors="replace")
            self.assertIn(shows, shown)

        typed("PS1='> '; fpath=($PWD/functions $fpath); autoload -U compinit; compinit -D -u; echo it is $((1 + 1))\n", "it is 2")
        for line, shows in (("millrace str", "millrace stream"), ("millrace stream inf", "millrace stream info"),
                            ("millrace pub x --cou", "millrace pub x --count")):
            typed(f"{line}\t", shows)
            typed("\x15echo next$((1 + 1))\n", "next2")

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish_completes(self):
        with open(self.path("c.fish"), "w") as file:
            file.write(self.out("completion", "fish"))
        asked = ("millrace str", "millrace stream in", "millrace pub x --cou", "millrace stream backup x --cons", "millrace rtt --ser")
        script = "source c.fish;" + ";".join(f"complete -C'{line}'" for line in asked)
        result = subprocess.run(["fish", "--private", "-c", script], capture_output=True, text=True, cwd=self.home, env=self.env, check=True)
        self.assertEqual(result.stdout.split(), ["stream", "info", "--count", "--consumers", "--server"])

    def test_the_manual_has_every_command(self):
        manual = self.out("completion", "man")
        for command in ("stream add", "kv put", "object get", "bench js", "check"):
            self.assertIn(f".SS {command} ", manual)

    @unittest.skipUnless(BINARY == os.path.join(ROOT, "build/millrace"), "installs the default build")
    def test_make_install_puts_everything_in_its_place(self):
        subprocess.run(["make", "-s", "install", f"DESTDIR={self.home}/root", "PREFIX=/usr"], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
        found = sorted(os.path.relpath(os.path.join(folder, name), f"{self.home}/root/usr")
                       for folder, _, names in os.walk(f"{self.home}/root") for name in names)
        self.assertEqual(found, ["bin/millrace", "share/bash-completion/completions/millrace",
                                 "share/fish/vendor_completions.d/millrace.fish", "share/man/man1/millrace.1",
                                 "share/zsh/site-functions/_millrace"])


if __name__ == "__main__":
    unittest.main()
