// Core messaging in a cluster of three: subjects, groups and requests across servers, and what
// clients do when theirs goes.

import { errors, headers } from "@nats-io/transport-node";
import { clusterTest } from "./cluster.js";
import { assert, eventually, sleep, take, WAIT_MS } from "./harness.js";

// What a subscription hears, as it comes.
function heardBy(nc, subject, options = {}) {
  const heard = [];
  nc.subscribe(subject, { ...options, callback: (_, m) => heard.push(m.string()) });
  return heard;
}

clusterTest("a message reaches every subscriber of the cluster once", async ({ servers, connect, settled }) => {
  const clients = await Promise.all([...servers, ...servers].map((server) => connect(server)));
  const heard = clients.map((nc, i) => heardBy(nc, i % 2 ? "a.*" : "a.>"));
  await settled();
  clients.forEach((nc, i) => nc.publish("a.b", `from ${i}`));
  await eventually("all messages", () => heard.every((h) => h.length >= clients.length));
  await sleep(200); // for one too many
  const wanted = clients.map((_, i) => `from ${i}`);
  for (const h of heard) assert.deepEqual([...h].sort(), wanted);
});

clusterTest("one publisher's messages arrive in order at another server", async ({ servers, connect, settled }) => {
  const from = await connect(servers[0]);
  const to = await connect(servers[2]);
  const sub = to.subscribe("order.>");
  await settled();
  const sent = Array.from({ length: 5000 }, (_, i) => String(i));
  sent.forEach((n) => from.publish(`order.${n % 7}`, n));
  assert.deepEqual((await take(sub, sent.length, WAIT_MS)).map((m) => m.string()), sent);
});

clusterTest("headers, replies and any bytes come along", async ({ servers, connect, settled }) => {
  const from = await connect(servers[0]);
  const to = await connect(servers[1]);
  const sub = to.subscribe("x");
  await settled();
  const h = headers();
  h.append("Key", "one");
  h.append("Key", "two");
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);
  from.publish("x", every, { headers: h, reply: "re.ply" });
  from.publish("x", new Uint8Array(1_000_000));
  const [small, large] = await take(sub, 2);
  assert.deepEqual(small.headers.values("Key"), ["one", "two"]);
  assert.equal(small.reply, "re.ply");
  assert.deepEqual(Buffer.from(small.data), Buffer.from(every));
  assert.equal(large.data.length, 1_000_000);
});

clusterTest("a queue group's members share fairly wherever they are", async ({ servers, connect, settled }) => {
  const clients = await Promise.all(servers.map((server) => connect(server)));
  const members = [0, 0, 1, 2].map((i) => heardBy(clients[i], "job", { queue: "crew" }));
  await settled();
  for (let i = 0; i < 2000; i++) clients[i % 3].publish("job", String(i));
  await eventually("all jobs", () => members.flat().length >= 2000);
  await sleep(200);
  assert.equal(new Set(members.flat()).size, 2000);
  assert.equal(members.flat().length, 2000);
  for (const m of members) assert.ok(m.length > 350 && m.length < 650, `${m.length} of 2000`);
});

clusterTest("requests are answered by a service elsewhere, or refused at once", async ({ servers, connect, settled }) => {
  const clients = await Promise.all(servers.map((server) => connect(server)));
  const old = await connect(servers[0], { noMux: true });
  for (const nc of clients.slice(1))
    nc.subscribe("svc", { queue: "q", callback: (_, m) => m.respond(`${m.string()} done`) });
  await settled();
  for (let i = 0; i < 200; i++) {
    const asks = i % 2 ? clients[0] : old;
    const answer = await asks.request("svc", String(i), { timeout: WAIT_MS, noMux: asks === old });
    assert.equal(answer.string(), `${i} done`);
  }
  await assert.rejects(
    clients[0].request("nobody", "", { timeout: WAIT_MS }),
    (error) => error instanceof errors.NoRespondersError || error.cause instanceof errors.NoRespondersError ||
      /no responders/i.test(error.message),
  );
});

clusterTest("a client learns of all servers and goes to another when its own is gone", async ({ servers, connect, settled }) => {
  const nc = await connect(servers[0]);
  const other = await connect(servers[1]);
  const urls = servers.map((server) => server.url);
  await eventually("all URLs", () => (nc.info.connect_urls ?? []).length === 3);
  assert.deepEqual([...nc.info.connect_urls].sort(), [...urls].sort());
  assert.equal(nc.info.connect_urls[0], urls[0]);
  assert.equal(nc.info.cluster, "C");
  const heard = heardBy(nc, "still.here");
  await nc.flush();
  await servers[0].kill();
  await eventually("the reconnect elsewhere", () => !nc.isClosed() && urls.slice(1).includes(nc.getServer()), WAIT_MS);
  await eventually("messages again", () => {
    other.publish("still.here", "x");
    return heard.length > 0;
  }, WAIT_MS);
  await eventually("the dead server's URL to be gone", () => other.info.connect_urls.length === 2);
  await servers[0].start();
  await settled();
  await eventually("its return", () => other.info.connect_urls.length === 3);
});

clusterTest("a server that was killed and started again knows everybody and is known", async ({ servers, connect, settled }) => {
  const stays = await connect(servers[0]);
  const before = heardBy(stays, "to.those.who.stayed");
  await settled();
  for (let round = 0; round < 3; round++) {
    await servers[1].kill();
    stays.publish("to.those.who.returned", "lost");
    await servers[1].start();
    const back = await connect(servers[1], { reconnect: false });
    const after = heardBy(back, "to.those.who.returned");
    await settled();
    back.publish("to.those.who.stayed", String(round));
    stays.publish("to.those.who.returned", String(round));
    await eventually("both messages", () => before.length === round + 1 && after.length === 1);
    assert.deepEqual(after, [String(round)]);
  }
  assert.deepEqual(before, ["0", "1", "2"]);
});

clusterTest("no request is lost between two servers while the third comes and goes", async ({ servers, connect, settled }) => {
  const asks = await connect(servers[0]);
  const answers = await connect(servers[1]);
  answers.subscribe("svc", { callback: (_, m) => m.respond(m.data) });
  await settled();
  let asking = true;
  const asked = (async () => {
    let count = 0;
    for (; asking || count <= 100; count++) {
      const answer = await asks.request("svc", String(count), { timeout: WAIT_MS });
      assert.equal(answer.string(), String(count));
    }
    return count;
  })();
  for (let round = 0; round < 3; round++) {
    await servers[2].kill();
    await servers[2].start();
    await sleep(200);
  }
  asking = false;
  assert.ok((await asked) > 100);
});
