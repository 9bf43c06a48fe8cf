// Three servers in a cluster for each test, each its own process, ended by its process id.
//
// clusterTest(name, fn) runs fn against a fresh cluster and hands it
//     servers   the three; kill() and start() as in harness.js
//     connect   opens a client to one of them, which is closed when the test ends
//     settled   resolves when every server knows what clients of the others subscribe to by now

import { mkdtemp } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import { connect as natsConnect } from "@nats-io/transport-node";
import { eventually, freePort, Server, within, WAIT_MS } from "./harness.js";

const SIZE = 3;
const TEST_MS = 90_000;
const CLEAN_UP_MS = 30_000;

async function createServers() {
  const links = [];
  const servers = [];
  for (let i = 0; i < SIZE; i++) links.push(await freePort());
  const routes = links.map((port) => `nats://127.0.0.1:${port}`);
  for (let i = 0; i < SIZE; i++) {
    const server = new Server();
    server.died.catch(() => {}); // the test sees it at the latest when it asks the server something
    server.name = `n${i}`;
    server.dir = await mkdtemp(path.join(os.tmpdir(), "millrace-e2e-"));
    server.port = await freePort();
    server.more = ["-n", server.name, "--cluster_name", "C", "--cluster", routes[i], "--routes", routes.join(",")];
    servers.push(server);
  }
  return servers;
}

// Ports are free when they are looked for, and mostly still when they are used.
async function startServers() {
  for (let tries = 0; ; tries++) {
    const servers = await createServers();
    try {
      await Promise.all(servers.map((server) => server.start()));
      return servers;
    } catch (error) {
      const taken = servers.some((server) => /address already in use/i.test(server.log ?? ""));
      await Promise.all(servers.map((server) => server.destroy()));
      if (tries === 4 || !taken) throw error;
    }
  }
}

class Cluster {
  clients = [];
  probes = 0;

  constructor(servers) {
    this.servers = servers;
  }

  connect = async (server, options = {}) => {
    const nc = await natsConnect({
      servers: server.url,
      timeout: WAIT_MS,
      reconnectTimeWait: 50,
      maxReconnectAttempts: -1,
      ...options,
    });
    this.clients.push(nc);
    return nc;
  };

  // A server tells of subscriptions in their order: who is told of the last knows the others.
  settled = async (servers = this.servers) => {
    const probes = await Promise.all(servers.map((server) => this.connect(server, { reconnect: false })));
    await Promise.all(this.clients.filter((nc) => !nc.isClosed()).map((nc) => nc.flush()));
    for (const to of probes) {
      const subject = `probe.${this.probes++}`;
      const heard = new Set();
      to.subscribe(subject, { callback: (_, m) => heard.add(m.string()) });
      await eventually(`what goes to ${to.getServer()}`, () => {
        probes.forEach((from, i) => from.publish(subject, String(i)));
        return heard.size === probes.length;
      });
    }
    await Promise.all(probes.map((nc) => nc.close()));
  };
}

async function close(client) {
  try {
    await within(2_000, "the close of a client", client.close());
  } catch {
    // A client whose server is gone cannot say goodbye; the test has said what it had to.
  }
}

async function run(name, fn) {
  const cluster = new Cluster(await startServers());
  try {
    await cluster.settled();
    await within(TEST_MS, name, fn(cluster));
  } catch (error) {
    for (const server of cluster.servers)
      process.stderr.write(`--- ${server.name} of "${name}"\n${server.lastLines()}\n`);
    throw error;
  } finally {
    await Promise.all(cluster.clients.map(close));
    await Promise.all(cluster.servers.map((server) => server.destroy()));
  }
}

export function clusterTest(name, fn) {
  test(name, { timeout: TEST_MS + CLEAN_UP_MS }, () => run(name, fn));
}
