// Users, keys, tokens and accounts as the client library uses them.

import {
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { assert, configuredTest, eventually } from "./harness.js";

// The key of the seed 00 01 02 ... 1f.
const SEED = new TextEncoder().encode("SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y");
const NKEY = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK";
const OTHER_SEED = new TextEncoder().encode(
  "SUAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB6IC5CQ",
);
const HASH = "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"; // of "secret"

async function keptOut(connecting) {
  await assert.rejects(connecting, (error) => {
    assert.match(`${error.name} ${error.message}`, /Authorization/i);
    return true;
  });
}

configuredTest(
  "a key signs what the server asks it to",
  `authorization { users [ { nkey: ${NKEY} } ] }`,
  async ({ connect }) => {
    const nc = await connect({ authenticator: nkeyAuthenticator(SEED) });
    await nc.flush();
    await keptOut(connect({ authenticator: nkeyAuthenticator(OTHER_SEED) }));
    await keptOut(connect());
  },
);

configuredTest(
  "users have passwords, plain or hashed",
  `authorization { users [ { user: a, password: b }, { user: h, password: ${HASH} } ] }`,
  async ({ connect }) => {
    await (await connect({ user: "a", pass: "b" })).flush();
    await (await connect({ user: "h", pass: "secret" })).flush();
    await (await connect({ authenticator: usernamePasswordAuthenticator("a", "b") })).flush();
    await keptOut(connect({ user: "a", pass: "c" }));
    await keptOut(connect({ user: "h", pass: "c" }));
    await keptOut(connect({ token: "b" }));
  },
);

configuredTest("a token lets in", `authorization { token: "a b" }`, async ({ connect }) => {
  await (await connect({ token: "a b" })).flush();
  await (await connect({ authenticator: tokenAuthenticator("a b") })).flush();
  await keptOut(connect({ token: "a" }));
});

configuredTest(
  "what is not permitted is an error of the subscription or the connection",
  `authorization { users [ { user: u, permissions { publish: a, subscribe: [b, "_INBOX.>"] } } ] }`,
  async ({ connect }) => {
    const nc = await connect({ user: "u" });
    const errors = [];
    (async () => {
      for await (const status of nc.status()) if (status.type === "error") errors.push(status.error);
    })();
    nc.publish("c");
    const sub = nc.subscribe("c");
    const ended = (async () => {
      for await (const m of sub) assert.fail(m.subject);
    })();
    await assert.rejects(ended, /Permissions Violation for Subscription to "c"/);
    await eventually("the error of the publish", () => errors.length > 0);
    assert.match(errors[0].message, /Permissions Violation for Publish to "c"/);
    await nc.flush();
  },
);

configuredTest(
  "accounts have streams of their own",
  `accounts {
     A { users [ { user: a } ], jetstream: enabled }
     B { users [ { user: b } ], jetstream { max_streams: 1 } }
     C { users [ { user: c } ] }
   }`,
  async ({ connect }) => {
    for (const [user, count] of [["a", 3], ["b", 1]]) {
      const nc = await connect({ user });
      const jsm = await jetstreamManager(nc);
      await jsm.streams.add({ name: "S", subjects: ["s"] });
      for (let i = 1; i <= count; i++) assert.equal((await jetstream(nc).publish("s")).seq, i);
      assert.equal((await jsm.streams.info("S")).state.messages, count);
    }
    const nc = await connect({ user: "c" });
    await assert.rejects(jetstreamManager(nc), /jetstream/i);
  },
);

