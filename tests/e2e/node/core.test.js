// Core messaging: subjects, queue groups, headers, requests and the limits a client sees.

import { Empty, errors, headers } from "@nats-io/transport-node";
import { all, assert, eventually, serverTest, sleep, take, WAIT_MS } from "./harness.js";

const text = (messages) => messages.map((m) => m.string());

serverTest("the greeting names a 2.14 server with headers and JetStream", async ({ nc }) => {
  assert.match(nc.info.version, /^2\.14\.\d+/);
  assert.equal(nc.info.headers, true);
  assert.equal(nc.info.jetstream, true);
  assert.equal(nc.info.max_payload, 1048576);
  assert.equal(nc.info.proto, 1);
  assert.ok(nc.info.client_id > 0);
});

serverTest("a subscriber gets the bytes that were published", async ({ nc, connect }) => {
  const sub = nc.subscribe("bytes");
  await nc.flush();
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);
  const other = await connect();
  other.publish("bytes", every);
  other.publish("bytes", Empty);
  other.publish("bytes", "\r\nPING\r\n");
  const [first, second, third] = await take(sub, 3);
  assert.deepEqual(Buffer.from(first.data), Buffer.from(every));
  assert.equal(second.data.length, 0);
  assert.equal(third.string(), "\r\nPING\r\n");
});

serverTest("one publisher's messages arrive in the order of publishing", async ({ nc, connect }) => {
  const sub = nc.subscribe("order.>");
  await nc.flush();
  const other = await connect();
  const sent = Array.from({ length: 5000 }, (_, i) => String(i));
  sent.forEach((n) => other.publish(`order.${n % 7}`, n));
  assert.deepEqual(text(await take(sub, sent.length, WAIT_MS)), sent);
});

serverTest("a star matches exactly one token", async ({ nc }) => {
  const sub = nc.subscribe("a.*.c");
  for (const subject of ["a.c", "a.b", "a.b.c", "a.b.c.d", "a.b.b.c", "x.b.c", "a.é.c"]) {
    nc.publish(subject, subject);
  }
  await nc.flush();
  assert.deepEqual(text(await take(sub, 2)), ["a.b.c", "a.é.c"]);
  assert.equal(sub.getPending(), 0);
});

serverTest("a tail wildcard matches one token or more", async ({ nc }) => {
  const sub = nc.subscribe("a.>");
  for (const subject of ["a", "ab", "a.b", "a.b.c", "b.a.c"]) nc.publish(subject, subject);
  await nc.flush();
  assert.deepEqual(text(await take(sub, 2)), ["a.b", "a.b.c"]);
  assert.equal(sub.getPending(), 0);
});

serverTest("overlapping subscriptions of one client each get the message", async ({ nc }) => {
  const subs = ["w.*", "w.x", ">"].map((subject) => nc.subscribe(subject));
  nc.publish("w.x", "once each");
  for (const sub of subs) assert.deepEqual(text(await take(sub, 1)), ["once each"]);
});

serverTest("a queue group gets each message once and shares the load", async ({ nc, connect }) => {
  const count = 600;
  const got = [[], [], []];
  const members = await Promise.all(got.map(() => connect()));
  members.forEach((member, i) => {
    member.subscribe("work", { queue: "crew", callback: (_, m) => got[i].push(m.string()) });
  });
  await Promise.all(members.map((member) => member.flush()));
  for (let i = 0; i < count; i++) nc.publish("work", String(i));
  await eventually("all messages", () => got.flat().length >= count);
  await Promise.all(members.map((member) => member.flush()));
  assert.equal(got.flat().length, count);
  assert.equal(new Set(got.flat()).size, count);
  got.forEach((share, i) => assert.ok(share.length > count / 30, `member ${i}: ${share.length}`));
});

serverTest("two queue groups and a plain subscriber each get every message", async ({ nc }) => {
  const subs = [
    nc.subscribe("q.x", { queue: "one" }),
    nc.subscribe("q.*", { queue: "two" }),
    nc.subscribe("q.>"),
  ];
  for (let i = 0; i < 10; i++) nc.publish("q.x", String(i));
  for (const sub of subs) assert.equal((await take(sub, 10)).length, 10);
});

serverTest("a queue group goes on when a member leaves", async ({ nc, connect }) => {
  const leaver = await connect();
  leaver.subscribe("work", { queue: "crew" });
  const stayer = nc.subscribe("work", { queue: "crew" });
  await Promise.all([nc.flush(), leaver.flush()]);
  await leaver.close();
  await eventually("the server to notice", async () => {
    nc.publish("work", "after");
    await nc.flush();
    return stayer.getReceived() >= 20;
  });
});

serverTest("headers arrive with their order, case and repeats", async ({ nc }) => {
  const sub = nc.subscribe("h");
  const h = headers();
  h.append("X-One", "1");
  h.append("x-one", "lower");
  h.append("X-One", "second");
  h.append("Text", "with: colons and  blanks");
  nc.publish("h", "body", { headers: h });
  const [m] = await take(sub, 1);
  assert.deepEqual(m.headers.values("X-One"), ["1", "second"]);
  assert.deepEqual(m.headers.values("x-one"), ["lower"]);
  assert.equal(m.headers.get("Text"), "with: colons and  blanks");
  assert.equal(m.string(), "body");
});

serverTest("a message without headers arrives without headers", async ({ nc }) => {
  const sub = nc.subscribe("h");
  nc.publish("h", "body");
  const [m] = await take(sub, 1);
  assert.equal(m.headers, undefined);
});

serverTest("a request gets its reply", async ({ nc, connect }) => {
  const service = await connect();
  service.subscribe("double", {
    callback: (_, m) => m.respond(String(2 * Number(m.string()))),
  });
  await service.flush();
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => nc.request("double", String(i), { timeout: WAIT_MS })),
  );
  assert.deepEqual(text(answers), answers.map((_, i) => String(2 * i)));
});

serverTest("a request that nobody serves fails at once", async ({ nc }) => {
  const begin = Date.now();
  await assert.rejects(nc.request("nobody", "", { timeout: 2 * WAIT_MS }), (error) => {
    const cause = error.cause ?? error;
    return cause instanceof errors.NoRespondersError || error instanceof errors.NoRespondersError;
  });
  assert.ok(Date.now() - begin < WAIT_MS, "took as long as a time-out");
});

serverTest("a request that is served but not answered times out", async ({ nc }) => {
  nc.subscribe("silent");
  await assert.rejects(nc.request("silent", "", { timeout: 300 }), errors.TimeoutError);
});

serverTest("a request gets the replies of all responders when it asks for them", async ({ nc }) => {
  for (let i = 0; i < 5; i++) {
    nc.subscribe("poll", { callback: (_, m) => m.respond(String(i)) });
  }
  await nc.flush();
  const replies = await nc.requestMany("poll", "", {
    strategy: "count",
    maxMessages: 5,
    maxWait: 10_000,
  });
  assert.deepEqual(text(await all(replies)).sort(), ["0", "1", "2", "3", "4"]);
});

serverTest("auto-unsubscribe ends a subscription after its count", async ({ nc, connect }) => {
  const sub = nc.subscribe("auto", { max: 3 });
  await nc.flush();
  const other = await connect();
  for (let i = 0; i < 10; i++) other.publish("auto", String(i));
  await other.flush();
  assert.deepEqual(text(await all(sub)), ["0", "1", "2"]);
  const begin = Date.now();
  await assert.rejects(other.request("auto", "", { timeout: 2 * WAIT_MS }), /no responders/);
  assert.ok(Date.now() - begin < WAIT_MS);
});

serverTest("after unsubscribe nothing more arrives", async ({ nc, connect }) => {
  const got = [];
  const sub = nc.subscribe("gone", { callback: (_, m) => got.push(m.string()) });
  const other = await connect();
  await nc.flush();
  other.publish("gone", "before");
  await eventually("the first message", () => got.length === 1);
  sub.unsubscribe();
  await nc.flush();
  other.publish("gone", "after");
  await other.flush();
  await nc.flush();
  assert.deepEqual(got, ["before"]);
});

serverTest("a drained subscription has handled all that was sent before", async ({ nc, connect }) => {
  const got = [];
  const sub = nc.subscribe("drain", { callback: (_, m) => got.push(m.string()) });
  await nc.flush();
  const other = await connect();
  for (let i = 0; i < 1000; i++) other.publish("drain", String(i));
  await other.flush();
  await sub.drain();
  assert.equal(got.length, 1000);
});

serverTest("a client without echo does not hear itself", async ({ nc, connect }) => {
  const quiet = await connect({ noEcho: true });
  const sub = quiet.subscribe("echo");
  await quiet.flush();
  quiet.publish("echo", "own");
  await quiet.flush();
  nc.publish("echo", "other");
  assert.deepEqual(text(await take(sub, 1)), ["other"]);
});

serverTest("a payload of exactly the limit passes, one byte more is refused", async ({ nc }) => {
  const sub = nc.subscribe("big");
  const limit = nc.info.max_payload;
  nc.publish("big", Buffer.alloc(limit, 7));
  const [m] = await take(sub, 1);
  assert.equal(m.data.length, limit);
  assert.throws(() => nc.publish("big", Buffer.alloc(limit + 1)), /max_payload|size exceeded/);
});

serverTest("a client that reconnects finds its subscriptions in force", async ({ nc, server }) => {
  const sub = nc.subscribe("again.>");
  await nc.flush();
  await server.killAndRestart();
  await eventually("a message through the new server", async () => {
    nc.publish("again.x", "hello");
    await sleep(20);
    return sub.getReceived() > 0;
  });
  assert.equal((await take(sub, 1))[0].string(), "hello");
});

serverTest("many clients at once each get their own answers", async ({ nc, connect }) => {
  nc.subscribe("who", { callback: (_, m) => m.respond(m.data) });
  await nc.flush();
  const clients = await Promise.all(Array.from({ length: 50 }, () => connect()));
  await Promise.all(clients.map(async (client, i) => {
    for (let n = 0; n < 10; n++) {
      const answer = await client.request("who", `${i}/${n}`, { timeout: WAIT_MS });
      assert.equal(answer.string(), `${i}/${n}`);
    }
  }));
});

serverTest("ten thousand subscriptions route each message to its own", async ({ nc }) => {
  const count = 10_000;
  const got = new Map();
  for (let i = 0; i < count; i++) {
    nc.subscribe(`many.${i}.x`, { callback: (_, m) => got.set(i, m.string()) });
  }
  await nc.flush();
  for (let i = 0; i < count; i++) nc.publish(`many.${i}.x`, String(i));
  await eventually("all messages", () => got.size === count, WAIT_MS);
  for (let i = 0; i < count; i++) assert.equal(got.get(i), String(i));
});
