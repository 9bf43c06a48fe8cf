// Single messages: get, direct get and delete.

import { headers } from "@nats-io/transport-node";
import { api, assert, refused, serverTest, WAIT_MS } from "./harness.js";

async function fill(jsm, js, config = {}) {
  await jsm.streams.add({ name: "S", subjects: ["s.>"], allow_direct: true, ...config });
  for (const [i, subject] of ["s.a", "s.b", "s.a", "s.c.d", "s.b"].entries()) {
    const h = headers();
    h.set("N", String(i + 1));
    await js.publish(subject, `body ${i + 1}`, { headers: h });
  }
}

const queries = [
  [{ seq: 1 }, 1],
  [{ seq: 4 }, 4],
  [{ last_by_subj: "s.a" }, 3],
  [{ last_by_subj: "s.*" }, 5],
  [{ last_by_subj: ">" }, 5],
  [{ next_by_subj: "s.b" }, 2],
  [{ seq: 3, next_by_subj: "s.b" }, 5],
  [{ seq: 2, next_by_subj: "s.c.>" }, 4],
];
const misses = [{ seq: 6 }, { last_by_subj: "s.x" }, { seq: 4, next_by_subj: "s.a" }];

serverTest("get finds by sequence, last of a subject and next of a subject", async (t) => {
  const { jsm, js } = t;
  await fill(jsm, js);
  for (const [query, seq] of queries) {
    const m = await jsm.streams.getMessage("S", query);
    assert.equal(m.seq, seq, JSON.stringify(query));
    assert.equal(m.string(), `body ${seq}`);
    assert.equal(m.header.get("N"), String(seq));
  }
  for (const query of misses) {
    assert.equal(await jsm.streams.getMessage("S", query), null, JSON.stringify(query));
  }
});

serverTest("direct get finds the same and carries where it was found", async (t) => {
  const { jsm, js } = t;
  await fill(jsm, js);
  for (const [query, seq] of queries) {
    const m = await jsm.direct.getMessage("S", query);
    assert.equal(m.seq, seq, JSON.stringify(query));
    assert.equal(m.string(), `body ${seq}`);
    assert.equal(m.header.get("N"), String(seq));
    assert.equal(m.stream, "S");
    assert.equal(m.subject, (await jsm.streams.getMessage("S", { seq })).subject);
  }
  for (const query of misses) {
    assert.equal(await jsm.direct.getMessage("S", query), null, JSON.stringify(query));
  }
});

serverTest("direct get by subject token answers with the last message", async (t) => {
  const { jsm, js, nc } = t;
  await fill(jsm, js);
  const m = await nc.request("$JS.API.DIRECT.GET.S.s.c.d", "", { timeout: WAIT_MS });
  assert.equal(m.string(), "body 4");
  assert.equal(m.headers.get("Nats-Stream"), "S");
  assert.equal(m.headers.get("Nats-Subject"), "s.c.d");
  assert.equal(m.headers.get("Nats-Sequence"), "4");
  assert.ok(!Number.isNaN(Date.parse(m.headers.get("Nats-Time-Stamp"))));
  const none = await nc.request("$JS.API.DIRECT.GET.S.s.none", "", { timeout: WAIT_MS });
  assert.deepEqual([none.headers.code, none.data.length], [404, 0]);
});

serverTest("direct get is served only where the stream allows it", async ({ jsm, js, nc }) => {
  await fill(jsm, js, { allow_direct: false });
  const request = nc.request("$JS.API.DIRECT.GET.S", JSON.stringify({ seq: 1 }), { timeout: WAIT_MS });
  await assert.rejects(request, /no responders/);
  await jsm.streams.update("S", { allow_direct: true });
  assert.equal((await jsm.direct.getMessage("S", { seq: 1 })).string(), "body 1");
});

serverTest("a direct get that asks for nothing is refused", async ({ jsm, js, nc }) => {
  await fill(jsm, js);
  for (const body of ["", "{}"]) {
    const m = await nc.request("$JS.API.DIRECT.GET.S", body, { timeout: WAIT_MS });
    assert.equal(m.headers.code, 408, body);
  }
});

serverTest("what was acked is at once there to get", async ({ jsm, js }) => {
  await jsm.streams.add({ name: "S", subjects: ["s.*"], allow_direct: true });
  for (let i = 1; i <= 200; i++) {
    await js.publish(`s.${i % 5}`, String(i));
    const m = await jsm.direct.getMessage("S", { last_by_subj: `s.${i % 5}` });
    assert.equal(m.string(), String(i));
  }
});

for (const erase of [true, false]) {
  serverTest(`a deleted message is gone for good (erase: ${erase})`, async (t) => {
    const { jsm, js, server } = t;
    await fill(jsm, js);
    assert.equal(await jsm.streams.deleteMessage("S", 3, erase), true);
    for (const round of ["before", "after a kill"]) {
      assert.equal(await jsm.streams.getMessage("S", { seq: 3 }), null, round);
      assert.equal(await jsm.direct.getMessage("S", { seq: 3 }), null, round);
      assert.equal((await jsm.streams.getMessage("S", { last_by_subj: "s.a" })).seq, 1, round);
      const { state } = await jsm.streams.info("S", { deleted_details: true });
      assert.deepEqual([state.messages, state.num_deleted, state.deleted], [4, 1, [3]], round);
      if (round === "before") await server.killAndRestart();
    }
  });
}

serverTest("deleting the first message moves the start", async ({ jsm, js }) => {
  await fill(jsm, js);
  await jsm.streams.deleteMessage("S", 1);
  const { state } = await jsm.streams.info("S");
  assert.deepEqual([state.messages, state.first_seq, state.last_seq], [4, 2, 5]);
});

serverTest("deleting the last message does not free its sequence", async ({ jsm, js, server }) => {
  await fill(jsm, js);
  await jsm.streams.deleteMessage("S", 5);
  assert.equal((await jsm.streams.info("S")).state.last_seq, 5);
  await server.killAndRestart();
  assert.equal((await js.publish("s.a", "next")).seq, 6);
});

serverTest("deleting what is not there is refused", async ({ jsm, js }) => {
  await fill(jsm, js);
  await jsm.streams.deleteMessage("S", 3);
  await refused(10043, jsm.streams.deleteMessage("S", 3), /sequence 3 not found/);
  await refused(10057, jsm.streams.deleteMessage("S", 6));
});

serverTest("a get that contradicts itself is refused", async ({ jsm, js, nc }) => {
  await fill(jsm, js);
  const bodies = [
    { seq: 1, last_by_subj: "s.a" },
    { last_by_subj: "s.a", next_by_subj: "s.a" },
    {},
    "",
  ];
  for (const body of bodies) {
    const { error, message } = await api(nc, "STREAM.MSG.GET.S", body);
    assert.equal(message, undefined, JSON.stringify(body));
    assert.equal(error.err_code, 10003, JSON.stringify(body));
  }
});
