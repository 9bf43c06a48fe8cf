"""make deb: the package is installed, upgraded, removed and purged in a clean root."""

import glob
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from cli import RUN_S  # finds serverprocess
from serverprocess import BINARY, ROOT, free_port


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("dpkg-shlibdeps") and BINARY == os.path.join(ROOT, "build/millrace"),
                     "needs root, dpkg-dev and the default build")
class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run(["make", "-s", "deb"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        cls.deb = glob.glob(os.path.join(ROOT, "build/deb/millrace_*.deb"))[0]

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="millrace-root-")
        self.work = tempfile.mkdtemp(prefix="millrace-deb-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        for folder in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/lib", "var/log"):
            os.makedirs(self.path(folder), exist_ok=True)
        for name, text in (("etc/passwd", "root:x:0:0::/root:/bin/sh\n"), ("etc/group", "root:x:0:\n"),
                           ("etc/shadow", "root:*:1::::::\n"), ("var/lib/dpkg/status", "")):
            with open(self.path(name), "w") as file:
                file.write(text)

    def path(self, name):
        return os.path.join(self.root, name)

    def dpkg(self, *words):
        result = subprocess.run(["dpkg", f"--root={self.root}", "--force-script-chrootless", "--force-depends", *words],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def later(self):
        """The same as a later version."""
        tree = os.path.join(self.work, "tree")
        subprocess.run(["dpkg-deb", "-R", self.deb, tree], check=True)
        control = os.path.join(tree, "DEBIAN/control")
        with open(control) as file:
            text = re.sub(r"(?m)^Version: .*", "Version: 99.0", file.read())
        with open(control, "w") as file:
            file.write(text)
        subprocess.run(["dpkg-deb", "-b", tree, os.path.join(self.work, "later.deb")], check=True, stdout=subprocess.DEVNULL)
        return os.path.join(self.work, "later.deb")

    def serves(self, uid, gid, *kept):
        """As its own user, with the data directory of the package; the stream holds what `kept` says, the last added now."""
        os.chmod(self.root, 0o755)
        program, port = self.path("usr/bin/millrace"), free_port()
        server = subprocess.Popen([program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", self.path("var/lib/millrace")],
                                  user=uid, group=gid, extra_groups=[], stderr=subprocess.PIPE, text=True)
        try:
            for line in server.stderr:
                if "Server is ready" in line:
                    break
            else:
                self.fail("it does not start")

            def run(*words):
                return subprocess.run([program, *words, "-s", f"127.0.0.1:{port}"], check=True, capture_output=True, text=True,
                                      stdin=subprocess.DEVNULL, timeout=RUN_S).stdout

            run("stream", "add", "S", "--subjects", "s", "--defaults")
            run("pub", "s", kept[-1], "--jetstream")
            self.assertEqual(run("stream", "view", "S", "--raw").splitlines(), list(kept))
        finally:
            server.kill()
            server.wait()
            server.stderr.close()

    def user(self):
        with open(self.path("etc/passwd")) as file:
            return [line.split(":") for line in file if line.startswith("millrace:")]

    def test_its_life(self):
        self.dpkg("-i", self.deb)
        user = self.user()[0]
        data = os.stat(self.path("var/lib/millrace"))
        self.assertEqual((data.st_uid, stat.S_IMODE(data.st_mode)), (int(user[2]), 0o750))
        self.assertNotEqual(data.st_uid, 0)
        result = subprocess.run([self.path("usr/bin/millrace"), "-t", "-c", self.path("etc/millrace.conf")],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("lib/systemd/system/millrace.service")) as file:
            self.assertIn("ExecStart=/usr/bin/millrace -c /etc/millrace.conf\n", file.read())

        self.serves(int(user[2]), int(user[3]), "before the upgrade")

        with open(self.path("etc/millrace.conf"), "a") as file:
            file.write("# mine\n")
        with open(self.path("var/lib/millrace/kept"), "w") as file:
            file.write("data")
        self.dpkg("--force-confold", "-i", self.later())
        self.assertIn("\nVersion: 99.0\n", self.dpkg("-s", "millrace"))
        self.serves(int(user[2]), int(user[3]), "before the upgrade", "after it")
        self.assertEqual(len(self.user()), 1)
        with open(self.path("etc/millrace.conf")) as file:
            self.assertIn("# mine\n", file.read())

        self.dpkg("-r", "millrace")
        self.assertFalse(os.path.exists(self.path("usr/bin/millrace")))
        self.assertTrue(os.path.exists(self.path("var/lib/millrace/kept")))
        self.assertTrue(os.path.exists(self.path("etc/millrace.conf")))

        self.dpkg("-P", "millrace")
        self.assertFalse(os.path.exists(self.path("var/lib/millrace")))
        self.assertFalse(os.path.exists(self.path("etc/millrace.conf")))
        self.assertEqual(self.user(), [])


if __name__ == "__main__":
    unittest.main()
