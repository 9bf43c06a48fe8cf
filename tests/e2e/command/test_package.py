"""make deb: the package is installed, upgraded, removed and purged in a clean root."""

import glob
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

import cli  # noqa: F401, finds serverprocess
from serverprocess import BINARY, ROOT


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("dpkg-shlibdeps") and BINARY == os.path.join(ROOT, "build/millrace"),
                     "needs root, dpkg-dev and the default build")
class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run(["make", "-s", "deb"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        cls.deb = glob.glob(os.path.join(ROOT, "build/deb/millrace_*.deb"))[0]

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="millrace-root-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
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

        with open(self.path("etc/millrace.conf"), "a") as file:
            file.write("# mine\n")
        with open(self.path("var/lib/millrace/kept"), "w") as file:
            file.write("data")
        self.dpkg("--force-confold", "-i", self.deb)  # an upgrade
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
