// Message schedules with the JavaScript client: fired once, in time, across SIGKILL and another leader.

import { clusterTest } from "./cluster.js";
import { assert, eventually, serverTest, sleep, WAIT_MS } from "./harness.js";

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";

const CONFIG = { name: "S", subjects: ["s.>"], allow_msg_schedules: true };

function schedule(pattern, target) {
  const h = headers();
  h.set("Nats-Schedule", pattern);
  h.set("Nats-Schedule-Target", target);
  return h;
}

const at = (ms) => `@at ${new Date(Date.now() + ms).toISOString()}`;
const managed = (nc) =>
  eventually("JetStream", () => jetstreamManager(nc, { timeout: 10_000 }).catch(() => null), WAIT_MS);

async function produced(jsm, filter) {
  const info = await jsm.streams.info("S", { subjects_filter: filter }).catch(() => null);
  return info?.state.subjects ?? {};
}

serverTest("a schedule fires in time, and is gone", async ({ js, jsm }) => {
  await jsm.streams.add(CONFIG);
  const produced = () => jsm.streams.getMessage("S", { last_by_subj: "s.target" });
  let due;
  for (const ms of [1000, 4000, 15_000, 40_000]) {
    due = Date.now() + ms;
    await js.publish("s.schedule", "hello", { headers: schedule(at(ms), "s.target") });
    await sleep(ms / 2);
    const early = await produced();
    if (Date.now() < due) {
      assert.equal(early, null);
      break;
    }
    await jsm.streams.purge("S"); // this machine was too slow to see it not there yet
  }
  const m = await eventually("the message", produced);
  assert.ok(m.time.getTime() >= due, `${m.time} before ${due}`);
  assert.equal(m.string(), "hello");
  assert.equal(m.header.get("Nats-Scheduler"), "s.schedule");
  assert.equal(m.header.get("Nats-Schedule-Next"), "purge");
  assert.equal((await jsm.streams.info("S")).state.messages, 1);
});

serverTest("every second is every second, until it is told to end", async ({ js, jsm }) => {
  await jsm.streams.add(CONFIG);
  const begun = Date.now();
  await js.publish("s.schedule", "tick", { headers: schedule("@every 1s", "s.target") });
  await sleep(3600);
  const ticks = await eventually("two ticks", async () => {
    const { "s.target": count } = await produced(jsm, "s.target");
    return count >= 2 && count;
  });
  assert.ok(ticks <= (Date.now() - begun) / 1000 + 1, `${ticks} in ${Date.now() - begun} ms`);
  const h = headers();
  h.set("Nats-Scheduler", "s.schedule");
  h.set("Nats-Schedule-Next", "purge");
  await js.publish("s.end", "", { headers: h });
  const before = (await produced(jsm, "s.target"))["s.target"];
  await sleep(1500);
  assert.deepEqual(await produced(jsm, ">"), { "s.end": 1, "s.target": before });
});

serverTest("a thousand schedules fire once each, though the server is killed among them", async (t) => {
  await t.jsm.streams.add(CONFIG);
  const due = at(1500);
  await Promise.all(Array.from({ length: 1000 }, (_, i) =>
    t.js.publish(`s.schedule.${i}`, `${i}`, { headers: schedule(due, `s.target.${i}`), timeout: WAIT_MS })));
  await sleep(1400);
  await t.server.killAndRestart();
  const jsm = await jetstreamManager(await t.connect());
  await eventually("all of them", async () => Object.keys(await produced(jsm, "s.target.*")).length === 1000, WAIT_MS);
  await sleep(500); // for one too many
  const all = await produced(jsm, ">");
  assert.equal(Object.keys(all).length, 1000);
  for (const [subject, count] of Object.entries(all)) assert.equal(count, 1, subject);
});

clusterTest("the next leader fires what is due, once", async ({ servers, connect }) => {
  const nc = await connect(servers[0]);
  const jsm = await managed(nc);
  const js = jetstream(nc, { timeout: WAIT_MS });
  await eventually("the stream", () => jsm.streams.add({ ...CONFIG, num_replicas: 3 }).catch(() => null), WAIT_MS);
  const due = at(2500);
  for (let i = 0; i < 20; i++) {
    await js.publish(`s.schedule.${i}`, `${i}`, { headers: schedule(due, `s.target.${i}`) });
  }
  const { cluster } = await jsm.streams.info("S");
  const leader = servers.find((server) => server.name === cluster.leader);
  const others = servers.filter((server) => server !== leader);
  const left = await connect(others[0]);
  await leader.kill();
  const manager = await managed(left);
  await eventually("all of them", async () => Object.keys(await produced(manager, "s.target.*")).length === 20, WAIT_MS);
  await sleep(500);
  const all = await produced(manager, ">");
  assert.equal(Object.keys(all).length, 20);
  for (const [subject, count] of Object.entries(all)) assert.equal(count, 1, subject);
});
