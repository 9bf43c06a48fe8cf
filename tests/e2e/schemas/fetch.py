"""Puts the schemas of nats-io/jsm.go, of a version and with a sum that are fixed here, into a directory.

    fetch.py DIRECTORY
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

MODULE = "github.com/nats-io/jsm.go@v0.4.1"  # what nats-server 2.14 is described by
SUM = "h1:hT0Ksd8Jk5wg9uZKiM5EMAJwSoC8zAu1ivPVB5UA9cI="


def main():
    with tempfile.TemporaryDirectory() as outside:  # of any module
        done = subprocess.run(["go", "mod", "download", "-json", MODULE], cwd=outside, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr.strip() or done.stdout.strip())
        return 1
    module = json.loads(done.stdout)
    if module["Sum"] != SUM:
        print(f"{MODULE} has the sum {module['Sum']}")
        return 1
    schemas = os.path.join(module["Dir"], "schemas", "jetstream")
    target = os.path.join(sys.argv[1], "jetstream")
    shutil.copytree(schemas, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FileNotFoundError as error:
        print(error)
        sys.exit(1)
