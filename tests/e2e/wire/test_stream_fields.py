"""What a stream was made with it has after a restart, and whoever leads it."""

import json
import unittest

from cluster import ClusterCase
from wire import Requester  # finds serverprocess
from serverprocess import Server

SECOND = 1_000_000_000

# Each with fields that may stand together; every field of a stream's config is in one of them.
CONFIGS = {
    "LIMITS": {
        "description": "what it is for", "subjects": ["limits.a", "limits.b.>"], "max_consumers": 3, "max_msgs": 1000,
        "max_bytes": 1_000_000, "max_age": 3600 * SECOND, "max_msgs_per_subject": 7, "max_msg_size": 5000, "discard": "new",
        "discard_new_per_subject": True, "duplicate_window": 60 * SECOND, "compression": "s2", "allow_direct": True,
        "consumer_limits": {"inactive_threshold": 5 * SECOND, "max_ack_pending": 9}, "metadata": {"team": "a", "cost": "b"},
        "first_seq": 100,
    },
    "GUARDED": {"subjects": ["guarded"], "deny_delete": True, "deny_purge": True, "no_ack": True},
    "QUEUE": {"subjects": ["queue.>"], "retention": "workqueue", "storage": "file"},
    "INTEREST": {"subjects": ["interest.>"], "retention": "interest"},
    "MOVED": {
        "subjects": ["moved.>"], "subject_transform": {"src": "moved.*", "dest": "moved.to.$1"},
        "republish": {"src": "moved.>", "dest": "copies.>", "headers_only": True},
    },
    "TTL": {"subjects": ["ttl.>"], "allow_msg_ttl": True, "subject_delete_marker_ttl": 5 * SECOND, "allow_rollup_hdrs": True},
    "COUNTER": {"subjects": ["counter.>"], "allow_msg_counter": True},
    "BATCHES": {"subjects": ["batches.>"], "allow_atomic": True, "allow_batched": True},
    "TIMED": {"subjects": ["timed.>"], "allow_msg_schedules": True, "allow_rollup_hdrs": True},
    "MIRROR": {"mirror": {"name": "LIMITS", "filter_subject": "limits.a", "opt_start_seq": 5}, "mirror_direct": True},
    "SOURCES": {
        "sources": [
            {"name": "QUEUE", "subject_transforms": [{"src": "queue.*", "dest": "from.queue.$1"}]},
            {"name": "LIMITS", "opt_start_time": "2020-01-01T00:00:00Z"},
            {"name": "FAR", "external": {"api": "far.API", "deliver": "far.to"}},
            {"name": "INTEREST", "consumer": {"name": "C", "deliver_subject": "to.sources"}},
        ]
    },
}
ALONE = {"ASYNC": {"subjects": ["async"], "persist_mode": "async"}}
CLUSTERED = {"PLACED": {"subjects": ["placed"], "placement": {"cluster": "C"}}}


class Alone(unittest.TestCase):
    def test_every_field_is_kept_over_kills_and_so_is_its_update(self):
        configs = {**CONFIGS, **ALONE}
        with Server() as server:
            with Requester(server.port) as api:
                for name, config in configs.items():
                    answer = api.api(f"STREAM.CREATE.{name}", {"name": name, **config})
                    self.assertNotIn("error", answer)
                    for key, value in config.items():
                        found = answer["config"].get(key)
                        if key == "metadata":  # the server adds its own
                            found = {k: v for k, v in found.items() if not k.startswith("_nats.")}
                        self.assertEqual(found, value, (name, key))
            before = self.configs(server, configs)
            server.kill()
            server.start()
            self.assertEqual(self.configs(server, configs), before)
            with Requester(server.port) as api:
                for name in configs:
                    wanted = {**before[name], "description": "changed"}
                    self.assertNotIn("error", api.api(f"STREAM.UPDATE.{name}", wanted))
            changed = self.configs(server, configs)
            server.kill()
            server.start()
            self.assertEqual(self.configs(server, configs), changed)
            for name in configs:
                self.assertEqual(changed[name], {**before[name], "description": "changed"})

    def configs(self, server, names):
        with Requester(server.port) as api:
            return {name: api.api(f"STREAM.INFO.{name}")["config"] for name in names}


class Replicated(ClusterCase):
    def info(self, node, name):
        return self.api(node, f"STREAM.INFO.{name}", wanted=lambda a: a.get("cluster", {}).get("leader"))

    def led_by_another(self, name, led):
        """What is said of it; one that is led by the same again is handed over once more."""
        info = self.info(2, name)
        if info["cluster"]["leader"] == led:
            self.api(0, f"STREAM.LEADER.STEPDOWN.{name}")
        return info

    def test_every_field_is_kept_by_whoever_leads(self):
        configs = {**CONFIGS, **CLUSTERED}
        for name, config in configs.items():
            self.api(0, f"STREAM.CREATE.{name}", json.dumps({"name": name, "num_replicas": 3, **config}))
        before = {name: self.info(1, name) for name in configs}
        for name in configs:
            self.api(0, f"STREAM.LEADER.STEPDOWN.{name}")
        for name in configs:
            led = before[name]["cluster"]["leader"]
            after = self.until(lambda a: a["cluster"]["leader"] != led, lambda: self.led_by_another(name, led))
            self.assertEqual(after["config"], before[name]["config"])
        self.nodes[0].kill()
        for name in configs:
            self.assertEqual(self.info(1, name)["config"], before[name]["config"])


del ClusterCase

if __name__ == "__main__":
    unittest.main()
