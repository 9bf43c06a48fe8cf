"""Backups: what is answered and refused, and how the transfer ends. What is in an archive differs;
tests/e2e/wire/test_backup.py and the two servers' reading each other's (docs/testing.md) show that."""

from cases import api, pub, stream

CONFIG = {"name": "S", "subjects": ["s.*"], "retention": "limits", "max_consumers": -1, "max_msgs": -1, "max_bytes": -1,
          "max_age": 0, "storage": "file", "num_replicas": 1}

SNAPSHOT = "STREAM.SNAPSHOT.S"
RESTORE = "STREAM.RESTORE.S"

SCENARIOS = {
    "backup: refused": [
        api(SNAPSHOT),
        api(SNAPSHOT, {"deliver_subject": "d"}),
        stream(subjects=["s.*"]),
        api(SNAPSHOT),
        api(SNAPSHOT, {}),
        api(SNAPSHOT, {"deliver_subject": ""}),
        api(SNAPSHOT, {"deliver_subject": "d.*"}),
        api(SNAPSHOT, {"deliver_subject": "d..e"}),
        api(SNAPSHOT, {"deliver_subject": "d", "other": 1}),
        api(SNAPSHOT, {"deliver_subject": 1}),
        api(SNAPSHOT, {"deliver_subject": "d", "chunk_size": "x"}),
    ],
    "backup: of memory": [
        stream(subjects=["s.*"], storage="memory"),
        api(SNAPSHOT, {"deliver_subject": "d"}),
    ],
    "backup: answered": [
        stream(subjects=["s.*"]),
        *[pub("s.a", b"x") for _ in range(3)],
        api(SNAPSHOT, {"deliver_subject": "d"}),
    ],
    "restore: refused": [
        api(RESTORE),
        api(RESTORE, {}),
        api(RESTORE, {"config": {"name": "T"}, "state": {}}),
        api(RESTORE, {"config": {**CONFIG, "other": 1}, "state": {}}),
        api(RESTORE, {"config": {**CONFIG, "max_age": -1}, "state": {}}),
        stream(subjects=["s.*"]),
        api(RESTORE, {"config": CONFIG, "state": {}}),
    ],
}
