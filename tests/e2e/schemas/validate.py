"""Validates JSON against the schemas of its type: one document a line comes in, one problem a line goes out.

    validate.py DIRECTORY < documents

DIRECTORY has the schemas of jsm.go. A line is a list of the schema's type and the document; a problem is a list of
the line's number, the place in the document and what is wrong there.
"""

import glob
import json
import os
import sys

import jsonschema


def load(directory):
    validators = {}
    for path in glob.glob(os.path.join(directory, "jetstream", "*", "v1", "*.json")):
        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
        validators[schema["title"]] = jsonschema.Draft7Validator(schema)
    return validators


def main():
    validators = load(sys.argv[1])
    for number, line in enumerate(sys.stdin):
        kind, document = json.loads(line)
        if kind not in validators:
            print(json.dumps([number, "", f"there is no schema of {kind}"]))
            continue
        for error in validators[kind].iter_errors(document):
            print(json.dumps([number, "/".join(str(part) for part in error.absolute_path), error.message[:300]]))


if __name__ == "__main__":
    main()
