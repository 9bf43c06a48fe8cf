// The JavaScript client over WebSockets: from Node, compressed and not, and from a page in a browser.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";

import { wsconnect } from "@nats-io/nats-core";
import esbuild from "esbuild";
import WebSocket from "ws";

import { assert, configuredTest, freePort, within, WAIT_MS } from "./harness.js";

const BROWSER_MS = 60_000;

async function config(more = "") {
  const port = await freePort();
  return [port, `websocket { host: 127.0.0.1, port: ${port}, no_tls: true, ${more} }`];
}

async function echoes(port) {
  globalThis.WebSocket ??= WebSocket; // newer runtimes have their own
  const nc = await wsconnect({ servers: `ws://127.0.0.1:${port}`, reconnect: false });
  try {
    nc.subscribe("echo", { callback: (_, m) => m.respond(m.data) });
    const body = Buffer.alloc(200_000, "what is repeated is short. ");
    const answer = await nc.request("echo", body, { timeout: WAIT_MS });
    assert.equal(Buffer.compare(answer.data, body), 0);
    assert.ok(nc.info.port === port);
  } finally {
    await nc.close();
  }
}

for (const [name, more] of [["plain", ""], ["compressed", "compression: true"]]) {
  const [port, text] = await config(more);
  configuredTest(`requests cross a WebSocket from Node, ${name}`, text, () => echoes(port));
}

// ---- a page ---------------------------------------------------------------------------------------

// What the page does; its result is posted back to where it came from.
const SCRIPT = `
  import { wsconnect } from "@nats-io/nats-core";
  import { jetstream, jetstreamManager } from "@nats-io/jetstream";
  async function work() {
    const nc = await wsconnect({ servers: "ws://127.0.0.1:" + location.hash.slice(1), reconnect: false });
    const jsm = await jetstreamManager(nc);
    await jsm.streams.add({ name: "PAGE", subjects: ["page.>"] });
    const js = jetstream(nc);
    const body = "from a browser ".repeat(2000);
    for (let i = 1; i <= 20; i++) await js.publish("page." + i, body);
    const consumer = await js.consumers.get("PAGE");
    let read = 0;
    for await (const m of await consumer.fetch({ max_messages: 20 })) read += m.string() === body;
    await nc.close();
    return read;
  }
  work().then((read) => ({ read }), (error) => ({ error: String(error) }))
    .then((result) => fetch("/result", { method: "POST", body: JSON.stringify(result) }));
`;

async function pageScript() {
  const built = await esbuild.build({
    stdin: { contents: SCRIPT, resolveDir: import.meta.dirname ?? process.cwd() },
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
  });
  return built.outputFiles[0].text;
}

// Serves the page; `result` settles with what it posts.
async function serve(script) {
  let posted;
  const result = new Promise((resolve) => (posted = resolve));
  const server = http.createServer((request, response) => {
    if (request.method === "POST") {
      const parts = [];
      request.on("data", (part) => parts.push(part));
      request.on("end", () => posted(JSON.parse(Buffer.concat(parts).toString())));
      response.end();
    } else {
      response.setHeader("Content-Type", "text/html");
      response.end(`<!doctype html><meta charset="utf-8"><script>${script}</script>`);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, result, port: server.address().port };
}

async function browse(url, result) {
  const profile = await mkdtemp(path.join(os.tmpdir(), "millrace-browser-"));
  const flags = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", `--user-data-dir=${profile}`,
  ];
  const browser = spawn("chromium", [...flags, url], { stdio: "ignore", detached: true });
  try {
    return await within(BROWSER_MS, "the page's result", result);
  } finally {
    process.kill(-browser.pid, "SIGKILL");
    await once(browser, "close");
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

if (spawnSync("chromium", ["--version"]).status === 0) {
  const [port, text] = await config("compression: true");
  configuredTest("a page in a browser publishes to a stream and reads it", `jetstream: true\n${text}`, async () => {
    const { server, result, port: pagePort } = await serve(await pageScript());
    try {
      const said = await browse(`http://127.0.0.1:${pagePort}/#${port}`, result);
      assert.deepEqual(said, { read: 20 });
    } finally {
      server.close();
    }
  });
} else {
  console.log("# no chromium here: the page was not tried");
}
