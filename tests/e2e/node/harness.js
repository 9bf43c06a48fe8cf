// A server for each test: its own process, port and directory, ended by its process id.
//
// serverTest(name, fn) runs fn against a fresh server with JetStream and hands it
//     server    the process: kill() is SIGKILL, restart() starts it on the same directory and port
//     connect   opens a further client; every client is closed when the test ends
//     nc, js, jsm   one client, its JetStream and its JetStream manager
// configuredTest(name, text, fn) does so with a configuration file, and opens no client by itself.
// Every wait in here and in the tests has a deadline, and a failure shows the server's last lines.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as natsConnect } from "@nats-io/transport-node";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const BIN = path.resolve(ROOT, process.env.MILLRACE_BIN ?? "build/millrace");

// For machines that stand still for long: nothing that comes waits for it.
export const WAIT_MS = 60_000;
const START_MS = 60_000;
const STOP_MS = 60_000;
const TEST_MS = 240_000;
const CLEAN_UP_MS = 30_000;
const LOG_LINES = 40;

export { assert, sleep };

// Rejects when `promise` has not settled after `ms`; `what` names what was waited for.
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Calls `check` until it returns something true, and returns that.
export async function eventually(what, check, ms = WAIT_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}

// A client's iterator hands out a queue in one go, so a second one would miss what the first took.
const iterators = new WeakMap();

// The next `count` things of an async iterable, which stays open.
export async function take(iterable, count, ms = WAIT_MS) {
  if (!iterators.has(iterable)) iterators.set(iterable, iterable[Symbol.asyncIterator]());
  const iterator = iterators.get(iterable);
  const taken = [];
  const end = Date.now() + ms;
  while (taken.length < count) {
    const left = Math.max(1, end - Date.now());
    const what = `item ${taken.length + 1} of ${count}`;
    const { value, done } = await within(left, what, iterator.next());
    assert.equal(done, false, `ended after ${taken.length} of ${count} items`);
    taken.push(value);
  }
  return taken;
}

// The next `count` messages of a consume(), which is closed after them.
export async function consumed(messages, count, ms = WAIT_MS) {
  const taken = [];
  const enough = (async () => {
    for await (const m of messages) {
      taken.push(m);
      if (taken.length === count) break;
    }
  })();
  await within(ms, `${count} messages`, enough);
  return taken;
}

// Everything of an async iterable that ends by itself.
export async function all(iterable, ms = WAIT_MS) {
  const taken = [];
  const drained = (async () => {
    for await (const item of iterable) taken.push(item);
  })();
  await within(ms, "the end of an iterator", drained);
  return taken;
}

// Asserts that `promise` is refused with the JetStream error `code` and, if given, a text.
export async function refused(code, promise, text) {
  let error;
  try {
    const value = await within(WAIT_MS, `a refusal with ${code}`, promise);
    assert.fail(`accepted, not refused with ${code}: ${JSON.stringify(value)}`);
  } catch (thrown) {
    error = thrown;
  }
  if (error instanceof assert.AssertionError) throw error;
  assert.equal(error.code, code, `refused with ${error.code} "${error.message}", not ${code}`);
  if (text !== undefined) assert.match(error.message, text);
  return error;
}

// One raw request of the JetStream API: the parsed JSON answer.
export async function api(nc, subject, body = "") {
  const payload = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await nc.request(`$JS.API.${subject}`, payload, { timeout: WAIT_MS });
  return answer.json();
}

// One that a server that was killed finds free when it comes back: from below those that the kernel gives to connections
// of any program, from below those of tests/e2e/ports.py, and given once by this process.
const given = new Set();

export async function freePort() {
  for (let tries = 0; tries < 1000; tries++) {
    const port = randomInt(8300, 10000);
    if (given.has(port)) continue;
    given.add(port);
    const probe = net.createServer().listen(port, "127.0.0.1");
    const free = await once(probe, "listening").then(() => true, () => false);
    if (!free) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
  throw new Error("no port is free");
}

// One client and how often it came back, so that a test can wait until it is connected again.
async function tracked(server, options) {
  const nc = await natsConnect({ servers: server.url, timeout: WAIT_MS, ...options });
  const client = { nc, reconnects: 0, startsBefore: server.starts, stays: options.reconnect };
  (async () => {
    for await (const { type } of nc.status()) if (type === "reconnect") client.reconnects++;
  })();
  server.clients.push(client);
  return nc;
}

export class Server {
  clients = [];
  starts = 0;
  configuration = []; // the arguments that name its file
  more = []; // arguments beyond those every server has

  // Rejects when the process ends without having been told to.
  died = new Promise((_, reject) => {
    this.reportDeath = reject;
  });

  // Another program may take the port between the probe and our start, so try again.
  static async create(config) {
    const server = new Server();
    server.dir = await mkdtemp(path.join(os.tmpdir(), "millrace-e2e-"));
    if (config !== undefined) await server.configure(config);
    for (let tries = 0; ; tries++) {
      server.port = await freePort();
      try {
        await server.start();
        return server;
      } catch (error) {
        if (tries === 4 || !/address already in use/i.test(server.log)) throw error;
      }
    }
  }

  // Writes the configuration file that the next start, or a reload, reads.
  async configure(config) {
    const file = path.join(this.dir, "server.conf");
    await writeFile(file, config);
    this.configuration = ["-c", file];
  }

  get url() {
    return `127.0.0.1:${this.port}`;
  }

  async start() {
    const own = ["-a", "127.0.0.1", "-p", String(this.port), "-js", "-sd", this.dir];
    const args = [...own, ...this.configuration, ...this.more];
    this.log = "";
    this.process = spawn(BIN, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.exited = once(this.process, "exit").catch((error) => [error.message, null]);
    const ready = new Promise((resolve) => {
      this.process.stderr.on("data", (text) => {
        this.log += text;
        if (this.log.includes("Server is ready")) resolve("ready");
      });
    });
    const first = await within(START_MS, "Server is ready", Promise.race([ready, this.exited]));
    if (first !== "ready") {
      this.process = undefined;
      throw new Error(`the server ended at its start with ${first}:\n${this.log}`);
    }
    this.starts++;
    const running = this.process;
    this.exited.then(([code, signal]) => {
      if (this.process !== running) return;
      this.reportDeath(new Error(`the server ended by itself: ${signal ?? code}`));
    });
    await this.clientsAreBack();
  }

  clientsAreBack() {
    const back = ({ nc, reconnects, startsBefore, stays }) =>
      !stays || nc.isClosed() || reconnects >= this.starts - startsBefore;
    return eventually("the reconnect of all clients", () => this.clients.every(back), START_MS);
  }

  async end(signal) {
    if (this.process === undefined) return;
    const { process: ending, exited } = this;
    this.process = undefined;
    ending.kill(signal);
    await within(STOP_MS, `the end after ${signal}`, exited);
  }

  kill() {
    return this.end("SIGKILL");
  }

  stop() {
    return this.end("SIGTERM");
  }

  async killAndRestart() {
    await this.kill();
    await this.start();
  }

  async stopAndRestart() {
    await this.stop();
    await this.start();
  }

  async destroy() {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }

  lastLines() {
    return this.log.split("\n").slice(-LOG_LINES).join("\n");
  }
}

async function close(client) {
  try {
    await within(2_000, "the close of a client", client.close());
  } catch {
    // A client whose server is gone cannot say goodbye; the test has said what it had to.
  }
}

// The client that comes with a server that lets everybody in.
async function firstClient(connect) {
  const nc = await connect({ reconnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const js = jetstream(nc, { timeout: WAIT_MS });
  return { nc, js, jsm: await jetstreamManager(nc, { timeout: WAIT_MS }) };
}

async function run(name, config, fn) {
  const server = await Server.create(config);
  const connect = (options = {}) => tracked(server, { reconnect: false, ...options });
  server.died.catch(() => {}); // it is waited for below, while the test runs
  try {
    const first = config === undefined ? await firstClient(connect) : {};
    const testing = fn({ server, connect, ...first });
    await within(TEST_MS, name, Promise.race([testing, server.died]));
  } catch (error) {
    process.stderr.write(`--- server of "${name}"\n${server.lastLines()}\n`);
    throw error;
  } finally {
    await Promise.all(server.clients.map(({ nc }) => close(nc)));
    await server.destroy();
  }
}

export function serverTest(name, fn) {
  test(name, { timeout: TEST_MS + CLEAN_UP_MS }, () => run(name, undefined, fn));
}

export function configuredTest(name, config, fn) {
  test(name, { timeout: TEST_MS + CLEAN_UP_MS }, () => run(name, config, fn));
}

const IS_MILLRACE = /millrace/i.test(execFileSync(BIN, ["--help"], { timeout: START_MS }));

// What Millrace promises beyond the reference server, so that only Millrace can be held to it.
export function ownPromise(name, fn) {
  const skip = IS_MILLRACE ? false : "promised by Millrace only";
  test(name, { timeout: TEST_MS + CLEAN_UP_MS, skip }, () => run(name, undefined, fn));
}
