// What the server does not understand or does not offer is refused, never silently accepted.

import { api, assert, serverTest, WAIT_MS } from "./harness.js";

// Asserts an error answer and that it names `codes`, one error code or one of several.
function assertRefused(answer, codes, what) {
  assert.ok(answer.error, `accepted: ${what}`);
  const allowed = [codes].flat();
  assert.ok(
    allowed.includes(answer.error.err_code),
    `${what}: ${answer.error.err_code} "${answer.error.description}", not ${allowed}`,
  );
  assert.ok(answer.error.code >= 400 && answer.error.description.length > 0, what);
}

const streamConfigs = [
  [{ name: "" }, [10052, 10056]],
  [{ name: "other" }, 10056],
  [{ subjects: ["a..b"] }, 10052],
  [{ subjects: ["a b"] }, 10052],
  [{ subjects: [">.a"] }, 10052],
  [{ subjects: [""] }, 10052],
  [{ subjects: [">"] }, 10052],
  [{ subjects: ["$JS.API.>"] }, 10052],
  [{ subjects: ["$SYS.x"] }, 10052],
  [{ description: "x".repeat(4097) }, 10052],
  [{ max_age: -1 }, 10052],
  [{ max_age: 1e6 }, 10052],
  [{ duplicate_window: -1 }, 10052],
  [{ duplicate_window: 1e6 }, 10052],
  [{ max_age: 1e9, duplicate_window: 2e9 }, 10052],
  [{ deny_purge: true, allow_rollup_hdrs: true }, 10052],
  [{ discard_new_per_subject: true }, 10052],
  [{ discard_new_per_subject: true, discard: "new" }, 10052],
  [{ num_replicas: 3 }, 10074],
  [{ num_replicas: 6 }, 10052],
  [{ num_replicas: -1 }, 10133],
  [{ sealed: true }, 10052],
  [{ retention: "forever" }, 10025],
  [{ storage: "tape" }, 10025],
  [{ discard: "some" }, 10025],
  [{ compression: "zip" }, 10025],
  [{ no_such_field: 1 }, 10025],
  [{ template_owner: "x" }, 10025],
  [{ max_msgs: "5" }, 10025],
  [{ max_msgs: 1.5 }, 10025],
  [{ max_msgs: 1e30 }, 10025],
  [{ max_msg_size: 2147483648 }, 10025],
  [{ subjects: "s" }, 10025],
  [{ subjects: [5] }, 10025],
  [{ allow_direct: "yes" }, 10025],
  [{ metadata: { a: 5 } }, 10025],
  [{ mirror: { name: "m" }, subjects: ["s"] }, 10034],
  [{ mirror_direct: true }, 10052],
  [{ subject_transform: { src: "a..b", dest: "c" } }, [10052, 10155]],
];

serverTest("stream configs that make no sense are refused each with its code", async ({ nc }) => {
  for (const [config, codes] of streamConfigs) {
    const body = { name: "S", subjects: ["s"], ...config };
    if (config.mirror_direct) delete body.subjects;
    assertRefused(await api(nc, "STREAM.CREATE.S", body), codes, JSON.stringify(config).slice(0, 99));
  }
  assert.equal((await api(nc, "STREAM.NAMES")).total, 0);
});

serverTest("stream names that make no sense are refused", async ({ nc }) => {
  for (const name of ["a*b", "a>b", "a/b", "a\\b", "x".repeat(256)]) {
    const subject = `STREAM.CREATE.${name}`;
    assertRefused(await api(nc, subject, { name, subjects: ["s"] }), [10052, 10128], name);
  }
  assertRefused(await api(nc, "STREAM.CREATE.S", { name: "a.b", subjects: ["s"] }), 10056, "a.b");
  assert.equal((await api(nc, "STREAM.NAMES")).total, 0);
});

const consumerConfigs = [
  [{ filter_subject: "a..b" }, 10052],
  [{ filter_subject: "s.a", filter_subjects: ["s.b"] }, 10136],
  [{ filter_subjects: ["s.a", "s.a"] }, 10138],
  [{ deliver_policy: "by_start_sequence" }, 10094],
  [{ deliver_policy: "by_start_time" }, 10094],
  [{ deliver_policy: "all", opt_start_seq: 5 }, 10094],
  [{ deliver_policy: "last_per_subject" }, 10094],
  [{ ack_wait: -1 }, 10183],
  [{ backoff: [-1] }, 10184],
  [{ backoff: [1e9, 2e9, 3e9], max_deliver: 2 }, 10116],
  [{ description: "x".repeat(4097) }, 10107],
  [{ num_replicas: 3 }, [10074, 10126]],
  [{ max_expires: 1000 }, 10115],
  [{ rate_limit_bps: 1000 }, 10086],
  [{ sample_freq: "often" }, 10095],
  [{ ack_policy: "maybe" }, 10025],
  [{ deliver_policy: "some" }, 10025],
  [{ replay_policy: "fast" }, 10025],
  [{ no_such_field: 1 }, 10025],
  [{ ack_wait: "30s" }, 10025],
  [{ max_deliver: 1e30 }, 10025],
  [{ opt_start_time: "yesterday", deliver_policy: "by_start_time" }, 10025],
  [{ durable_name: "other" }, 10017],
];

serverTest("consumer configs that make no sense are refused each with its code", async ({ nc, jsm }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  for (const [config, codes] of consumerConfigs) {
    const body = {
      stream_name: "S",
      config: { durable_name: "C", ack_policy: "explicit", ...config },
    };
    const answer = await api(nc, "CONSUMER.CREATE.S.C", body);
    assertRefused(answer, codes, JSON.stringify(config).slice(0, 99));
  }
  const other = { stream_name: "T", config: { durable_name: "C" } };
  assertRefused(await api(nc, "CONSUMER.CREATE.S.C", other), 10056, "another stream's name");
  assert.equal((await api(nc, "CONSUMER.NAMES.S")).total, 0);
});

serverTest("unknown API subjects are never answered with a success", async ({ nc }) => {
  const subjects = [
    "NO.SUCH.THING",
    "STREAM.FROBNICATE.S",
    "STREAM.CREATE",
    "STREAM.CREATE.a.b",
    "STREAM.TEMPLATE.NAMES",
    "CONSUMER.FROBNICATE.S.C",
    "INFO.x",
    "",
  ];
  for (const subject of subjects) {
    const answer = await nc
      .request(`$JS.API.${subject || "X"}`, "{}", { timeout: 400 })
      .then((m) => m.json(), (error) => ({ thrown: error }));
    assert.ok(answer.thrown || answer.error, `${subject}: ${JSON.stringify(answer)}`);
  }
});

serverTest("endpoints that take no body refuse one", async ({ nc, jsm }) => {
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit" });
  for (const subject of ["STREAM.DELETE.S", "CONSUMER.DELETE.S.C", "CONSUMER.INFO.S.C"]) {
    for (const body of ['{"a":1}', "[]", "text"]) {
      assertRefused(await api(nc, subject, body), 10038, `${subject} ${body}`);
    }
  }
  assert.equal((await jsm.consumers.info("S", "C")).name, "C");
});

serverTest("a request for a higher API level than the server's is refused", async ({ nc }) => {
  const { headers } = await import("@nats-io/transport-node");
  for (const level of ["99", "x"]) {
    const h = headers();
    h.set("Nats-Required-Api-Level", level);
    const m = await nc.request("$JS.API.STREAM.NAMES", "", { headers: h, timeout: WAIT_MS });
    assert.deepEqual([m.json().error.code, m.json().error.err_code], [412, 10185], level);
  }
});

// A thin server may refuse what a later one offers; it must not accept it and then not do it.
const laterFeatures = [
  { retention: "workqueue" },
  { retention: "interest" },
  { subject_transform: { src: "s", dest: "t" } },
  { republish: { src: ">", dest: "r.>" } },
  { allow_atomic: true },
  { allow_msg_schedules: true },
  { allow_batched: true },
  { subjects: undefined, mirror: { name: "origin" } },
  { subjects: undefined, sources: [{ name: "origin" }] },
];

serverTest("a feature is either shown in the config or refused with an error", async ({ nc }) => {
  for (const feature of laterFeatures) {
    const answer = await api(nc, "STREAM.CREATE.S", { name: "S", subjects: ["s"], ...feature });
    const what = JSON.stringify(feature);
    if (answer.error) {
      assert.ok(answer.error.err_code >= 10000 && answer.error.description, what);
      continue;
    }
    for (const [key, value] of Object.entries(feature)) {
      if (value === undefined) continue;
      assert.ok(answer.config[key] !== undefined, `${key} was dropped: ${what}`);
      if (typeof value !== "object") assert.equal(answer.config[key], value, what);
    }
    await api(nc, "STREAM.DELETE.S");
  }
});
