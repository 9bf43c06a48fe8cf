// Pulling: next, fetch and consume as clients do them, and the requests underneath.

import { createInbox } from "@nats-io/transport-node";
import {
  all,
  assert,
  consumed,
  eventually,
  ownPromise,
  serverTest,
  sleep,
  within,
  WAIT_MS,
} from "./harness.js";

async function setUp(jsm, config = {}) {
  await jsm.streams.add({ name: "S", subjects: ["s.*"] });
  await jsm.consumers.add("S", { durable_name: "C", ack_policy: "explicit", ...config });
}

async function publish(js, count, size = 0) {
  for (let i = 0; i < count; i++) await js.publish("s.a", size ? Buffer.alloc(size) : String(i));
}

// A raw pull. It ends with `count` messages, or with a status that is not a heartbeat.
async function pull(nc, request, count = Infinity, ms = WAIT_MS) {
  const inbox = createInbox();
  const result = { sequences: [], heartbeats: 0, status: undefined };
  const ended = new Promise((resolve) => {
    const sub = nc.subscribe(inbox, {
      callback: (_, m) => {
        if (m.data.length === 0 && m.headers?.code === 100) result.heartbeats++;
        else if (m.data.length === 0 && m.headers?.code > 0) result.status = m.headers;
        else result.sequences.push(Number(m.reply.split(".")[5]));
        if (result.status === undefined && result.sequences.length < count) return;
        sub.unsubscribe();
        resolve(result);
      },
    });
  });
  const body = typeof request === "string" ? request : JSON.stringify(request);
  nc.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", body, { reply: inbox });
  return within(ms, `the end of the pull ${body}`, ended);
}

serverTest("next hands out one message with everything about it", async ({ jsm, js }) => {
  await setUp(jsm);
  await publish(js, 3);
  const consumer = await js.consumers.get("S", "C");
  const m = await consumer.next({ expires: 5000 });
  assert.deepEqual([m.subject, m.string(), m.seq, m.redelivered], ["s.a", "0", 1, false]);
  assert.deepEqual([m.info.stream, m.info.consumer], ["S", "C"]);
  assert.deepEqual([m.info.streamSequence, m.info.deliverySequence], [1, 1]);
  assert.deepEqual([m.info.deliveryCount, m.info.pending], [1, 2]);
  const stored = await jsm.streams.getMessage("S", { seq: 1 });
  assert.equal(m.time.getTime(), stored.time.getTime());
  m.ack();
  assert.equal((await consumer.next({ expires: 5000 })).seq, 2);
});

serverTest("next on an empty stream waits and then gives up", async ({ jsm, js }) => {
  await setUp(jsm);
  const consumer = await js.consumers.get("S", "C");
  const begin = Date.now();
  assert.equal(await consumer.next({ expires: 1000 }), null);
  assert.ok(Date.now() - begin >= 900);
});

serverTest("next gets a message that arrives while it waits", async ({ jsm, js }) => {
  await setUp(jsm);
  const consumer = await js.consumers.get("S", "C");
  const waiting = consumer.next({ expires: 20_000 });
  await eventually("the pull", async () => (await consumer.info()).num_waiting === 1);
  await publish(js, 1);
  assert.equal((await within(WAIT_MS, "the message", waiting)).seq, 1);
});

serverTest("fetch hands out what is there, in order, up to its count", async ({ jsm, js }) => {
  await setUp(jsm);
  await publish(js, 25);
  const consumer = await js.consumers.get("S", "C");
  const got = [];
  for (const size of [10, 10, 10]) {
    for await (const m of await consumer.fetch({ max_messages: size, expires: 5000 })) {
      got.push(m.seq);
      m.ack();
    }
  }
  assert.deepEqual(got, Array.from({ length: 25 }, (_, i) => i + 1));
});

serverTest("fetch by bytes stays within its bytes", async ({ jsm, js }) => {
  await setUp(jsm);
  await publish(js, 10, 1000);
  const consumer = await js.consumers.get("S", "C");
  const got = [];
  const reading = (async () => {
    for await (const m of await consumer.fetch({ max_bytes: 3500, expires: 30_000 })) got.push(m);
  })();
  await assert.rejects(within(WAIT_MS, "the end of the fetch", reading), /exceeds maxbytes/);
  assert.equal(got.length, 3);
});

serverTest("consume keeps handing out what is published", async ({ jsm, js }) => {
  await setUp(jsm);
  const consumer = await js.consumers.get("S", "C");
  const messages = await consumer.consume({ max_messages: 50 });
  const publishing = publish(js, 500);
  const got = await consumed(messages, 500, WAIT_MS);
  got.forEach((m) => m.ack());
  await publishing;
  assert.deepEqual(got.map((m) => m.string()), got.map((_, i) => String(i)));
  await eventually("all acks", async () => (await consumer.info()).ack_floor.stream_seq === 500);
});

serverTest("an idle consume is kept alive by heartbeats", async ({ jsm, js }) => {
  await setUp(jsm);
  const consumer = await js.consumers.get("S", "C");
  const messages = await consumer.consume({
    max_messages: 10,
    expires: 30_000,
    idle_heartbeat: 5000,
    callback: () => {},
  });
  const seen = new Set();
  const watching = (async () => {
    for await (const { type } of messages.status()) seen.add(type);
  })();
  await eventually("heartbeats", () => seen.has("heartbeat"));
  assert.equal(seen.has("heartbeats_missed"), false);
  await messages.close();
  await within(WAIT_MS, "the end of the status", watching);
});

serverTest("two consumes on one consumer share its messages", async ({ jsm, js, connect }) => {
  await setUp(jsm);
  await publish(js, 400);
  const { jetstream } = await import("@nats-io/jetstream");
  const got = [[], []];
  const stops = [];
  for (const mine of got) {
    const consumer = await jetstream(await connect()).consumers.get("S", "C");
    stops.push(await consumer.consume({
      max_messages: 20,
      callback: (m) => {
        mine.push(m.seq);
        m.ack();
      },
    }));
  }
  await eventually("all messages", () => got.flat().length >= 400, WAIT_MS);
  await Promise.all(stops.map((s) => s.close()));
  assert.equal(new Set(got.flat()).size, 400);
  assert.equal(got.flat().length, 400);
  assert.ok(got[0].length > 0 && got[1].length > 0, `${got[0].length} and ${got[1].length}`);
});

serverTest("a pull's body may be empty, a number or JSON", async ({ jsm, js, nc }) => {
  await setUp(jsm);
  await publish(js, 20);
  assert.deepEqual((await pull(nc, "", 1)).sequences, [1]);
  assert.deepEqual((await pull(nc, "3", 3)).sequences, [2, 3, 4]);
  assert.deepEqual((await pull(nc, { batch: 2 }, 2)).sequences, [5, 6]);
  assert.deepEqual((await pull(nc, { batch: 4, no_wait: true }, 4)).sequences, [7, 8, 9, 10]);
});

serverTest("no_wait on nothing answers 404 at once", async ({ jsm, nc }) => {
  await setUp(jsm);
  const { status } = await pull(nc, { batch: 5, no_wait: true });
  assert.deepEqual([status.code, status.description], [404, "No Messages"]);
});

serverTest("no_wait hands out what is there and then answers 404", async ({ jsm, js, nc }) => {
  await setUp(jsm);
  await publish(js, 3);
  const { sequences, status } = await pull(nc, { batch: 10, no_wait: true });
  assert.deepEqual(sequences, [1, 2, 3]);
  assert.deepEqual([status.code, status.description], [404, "No Messages"]);
});

serverTest("an expired pull answers 408 with what it did not get", async ({ jsm, js, nc }) => {
  await setUp(jsm);
  await publish(js, 2);
  const begin = Date.now();
  const { sequences, status } = await pull(nc, { batch: 5, expires: 500e6 });
  assert.ok(Date.now() - begin >= 450);
  assert.deepEqual(sequences, [1, 2]);
  assert.deepEqual([status.code, status.description], [408, "Request Timeout"]);
  assert.equal(status.get("Nats-Pending-Messages"), "3");
  assert.equal(status.get("Nats-Pending-Bytes"), "0");
});

serverTest("a waiting pull gets heartbeats while it is idle", async ({ jsm, nc }) => {
  await setUp(jsm);
  const { heartbeats, status } = await pull(nc, {
    batch: 1,
    expires: 3000e6,
    idle_heartbeat: 200e6,
  });
  assert.ok(heartbeats >= 2, String(heartbeats));
  assert.equal(status.code, 408);
});

serverTest("a pull that asks for the impossible is told so", async ({ jsm, js, nc }) => {
  await setUp(jsm, { max_batch: 10, max_expires: 60e9, max_bytes: 5000 });
  await publish(js, 1, 6000);
  const cases = [
    [{ batch: 11 }, 409, "Exceeded MaxRequestBatch of 10"],
    [{ batch: 1, expires: 61e9 }, 409, "Exceeded MaxRequestExpires of 1m0s"],
    [{ batch: 1, max_bytes: 5001 }, 409, "Exceeded MaxRequestMaxBytes of 5000"],
    [{ batch: 1, expires: 1e9, idle_heartbeat: 1e9 }, 400, /heartbeat value too large/],
    [{ batch: 1, expires: 5e9, max_bytes: 1000 }, 409, "Message Size Exceeds MaxBytes"],
    ['{"batch":', 400, /^Bad Request/],
  ];
  for (const [request, code, description] of cases) {
    const { status } = await pull(nc, request);
    assert.equal(status.code, code, JSON.stringify(request));
    if (description instanceof RegExp) assert.match(status.description, description);
    else assert.equal(status.description, description);
  }
});

serverTest("more waiting pulls than max_waiting are refused", async ({ jsm, nc }) => {
  await setUp(jsm, { max_waiting: 2 });
  const waiting = [1, 2].map(() => pull(nc, { batch: 1, expires: 8e9 }));
  await eventually("two pulls", async () => {
    return (await jsm.consumers.info("S", "C")).num_waiting === 2;
  });
  const { status } = await pull(nc, { batch: 1, expires: 8e9 });
  assert.deepEqual([status.code, status.description], [409, "Exceeded MaxWaiting"]);
  await Promise.all(waiting);
});

serverTest("a pull on a push consumer is refused", async ({ jsm, nc }) => {
  await setUp(jsm, { deliver_subject: "push.here" });
  const answer = pull(nc, "1", 1, 5000);
  const { status } = await answer;
  assert.deepEqual([status.code, status.description], [409, "Consumer is push based"]);
});

serverTest("waiting pulls are served in turn", async ({ jsm, js, nc }) => {
  await setUp(jsm);
  const pulls = [1, 2, 3].map(() => pull(nc, { batch: 2, expires: 50e9 }, 2));
  await eventually("three pulls", async () => {
    return (await jsm.consumers.info("S", "C")).num_waiting === 3;
  });
  await publish(js, 6);
  const shares = (await Promise.all(pulls)).map(({ sequences }) => sequences);
  assert.deepEqual(shares, [[1, 4], [2, 5], [3, 6]]);
});

serverTest("a pull whose asker is gone takes no message with it", async ({ jsm, js, connect }) => {
  await setUp(jsm);
  const asker = await connect();
  asker.subscribe("inbox.gone");
  asker.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", '{"batch":1,"expires":60000000000}', {
    reply: "inbox.gone",
  });
  await asker.flush();
  await asker.close();
  await sleep(100);
  await publish(js, 1);
  const consumer = await js.consumers.get("S", "C");
  const m = await consumer.next({ expires: 5000 });
  assert.deepEqual([m?.seq, m?.info.deliveryCount], [1, 1]);
});

serverTest("headers_only hands out the size in place of the body", async ({ jsm, js }) => {
  await setUp(jsm, { headers_only: true });
  await publish(js, 1, 1234);
  const consumer = await js.consumers.get("S", "C");
  const m = await consumer.next({ expires: 5000 });
  assert.equal(m.data.length, 0);
  assert.equal(m.headers.get("Nats-Msg-Size"), "1234");
});

// Five were handed out and three of them acked with a confirmation when the server is killed.
async function killAfterThreeAcks({ jsm, js, server }) {
  await setUp(jsm, { ack_wait: 1e9 });
  await publish(js, 10);
  const consumer = await js.consumers.get("S", "C");
  const first = await all(await consumer.fetch({ max_messages: 5, expires: 5000 }));
  for (const m of first.slice(0, 3)) assert.equal(await m.ackAck(), true);
  await server.killAndRestart();
  const counts = new Map();
  await eventually("the rest", async () => {
    for await (const m of await consumer.fetch({ max_messages: 10, expires: 1500 })) {
      counts.set(m.seq, m.info.deliveryCount);
      m.ack();
    }
    return [4, 5, 6, 7, 8, 9, 10].every((seq) => counts.has(seq));
  }, WAIT_MS);
  return counts;
}

serverTest("after a kill everything unacked is handed out", async (t) => {
  await killAfterThreeAcks(t);
});

ownPromise("after a kill nothing acked comes again and the counts go on", async (t) => {
  const counts = await killAfterThreeAcks(t);
  assert.deepEqual([...counts.keys()].sort((a, b) => a - b), [4, 5, 6, 7, 8, 9, 10]);
  assert.ok(counts.get(4) >= 2 && counts.get(5) >= 2, JSON.stringify([...counts]));
  assert.equal(counts.get(6), 1);
});
