// A client that writes its history: publishes into a stream and works off a consumer until it is
// told to stop, and prints each thing that it did or was told as one JSON array a line.
//
//     node history.js '{"servers": [URL...], "stream": S, "consumer": C, "subject": S, "first": N, "window": N}'
//
//     ["sent", n, subject, body]   before it leaves          ["delivered", seq, count, delivery, n]
//     ["acked", n, seq, dup]                                 ["ack_sent", seq]
//     ["refused", n]      nobody took it                     ["confirmed", seq]
//     ["unknown", n]      no answer                          ["stopped"]
//     ["surprise", text]  an answer nobody should get
//
// A line on stdin, or its end, means stop. Whether what is printed keeps the promises is for the
// reader to say (tests/crash/foreign.py).

import { jetstream, JetStreamApiError } from "@nats-io/jetstream";
import { connect, errors } from "@nats-io/transport-node";

const ANSWER_MS = 2_000;
const PAUSE_MS = 20;
const EXPIRES_MS = 1_000;
const FILLER = "abcdefghijklmnopqrstuvwxyz".repeat(20);

const options = JSON.parse(process.argv[2]);
let stopping = false;
let next = options.first;

const say = (...what) => process.stdout.write(JSON.stringify(what) + "\n");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const nobody = (error) =>
  error instanceof errors.NoRespondersError ||
  error?.name === "JetStreamNotEnabled" || // what the client makes of no responders
  (error instanceof JetStreamApiError && error.status === 503);

const silent = (error) =>
  error instanceof errors.TimeoutError ||
  error instanceof errors.ConnectionError ||
  error instanceof errors.ClosedConnectionError ||
  error instanceof errors.RequestError;

async function publishOne(js) {
  const n = next++;
  const subject = `${options.subject}.${n % 7}`;
  const body = `${n}:${FILLER.slice(0, n % 500)}`;
  say("sent", n, subject, body);
  try {
    const ack = await js.publish(subject, body, { timeout: ANSWER_MS, retries: 0 });
    say("acked", n, ack.seq, ack.duplicate);
  } catch (error) {
    if (nobody(error) || nobody(error.cause)) {
      say("refused", n);
      await sleep(PAUSE_MS);
    } else {
      say(silent(error) ? "unknown" : "surprise", silent(error) ? n : `publish ${n}: ${error}`);
    }
  }
}

async function publishing(js) {
  while (!stopping) await publishOne(js);
}

async function work(m) {
  say("delivered", m.seq, m.info.deliveryCount, m.info.deliverySequence, Number(m.string().split(":")[0]));
  if (m.seq % 10 === 0 && m.info.deliveryCount === 1) return m.nak();
  if (m.seq % 13 === 0 && m.info.deliveryCount === 1) return undefined; // its ack wait runs out
  say("ack_sent", m.seq);
  return m.ackAck({ timeout: ANSWER_MS }).then((done) => done && say("confirmed", m.seq), () => {});
}

async function working(js) {
  while (!stopping) {
    try {
      const consumer = await js.consumers.get(options.stream, options.consumer);
      const messages = await consumer.fetch({ max_messages: 50, expires: EXPIRES_MS });
      for await (const m of messages) work(m);
    } catch {
      await sleep(PAUSE_MS); // nobody leads; it is asked again
    }
  }
}

const nc = await connect({
  servers: options.servers,
  timeout: ANSWER_MS,
  reconnectTimeWait: 50,
  maxReconnectAttempts: -1,
  waitOnFirstConnect: true,
});
const js = jetstream(nc, { timeout: ANSWER_MS });
for (const event of ["data", "end"]) process.stdin.once(event, () => (stopping = true));
const publishers = Array.from({ length: options.window }, () => publishing(js));
await Promise.all([...publishers, working(js)]);
await nc.close();
// Not before the reader has taken it all: what a full pipe does not hold yet is lost by an exit.
process.stdout.write(JSON.stringify(["stopped"]) + "\n", () => process.exit(0));
