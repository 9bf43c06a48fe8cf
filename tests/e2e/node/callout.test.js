// A service lets others in (auth_callout): both sides with the client library and its keys.

import { createAccount, createUser, fromPublic } from "@nats-io/nkeys";
import { nkeyAuthenticator } from "@nats-io/transport-node";
import { assert, configuredTest } from "./harness.js";

const ISSUER = createAccount();
const text = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

function signed(type, subject, audience, nats, name) {
  const iss = ISSUER.getPublicKey();
  const iat = Math.floor(Date.now() / 1000);
  const body = { jti: "x", iat, iss, name, sub: subject, aud: audience, nats: { type, version: 2, ...nats } };
  const said = `${text({ typ: "JWT", alg: "ed25519-nkey" })}.${text(body)}`;
  return `${said}.${Buffer.from(ISSUER.sign(Buffer.from(said))).toString("base64url")}`;
}

function verified(token) {
  const [head, body, signature] = token.split(".");
  const key = fromPublic(claims(token).iss);
  return key.verify(Buffer.from(`${head}.${body}`), Buffer.from(signature, "base64url"));
}

// Where a key is configured clients are given something to sign.
const CONFIG = `
  accounts { AUTH { users [ { user: auth, password: pwd }, { nkey: ${createUser().getPublicKey()} } ] }, APP {} }
  authorization {
    auth_callout { issuer: ${ISSUER.getPublicKey()}, account: AUTH, auth_users: [ auth ] }
  }`;

// Answers for `decide`, which gives what the user may, or undefined.
function serve(nc, decide) {
  nc.subscribe("$SYS.REQ.USER.AUTH", {
    callback: (_, m) => {
      const request = claims(m.string());
      assert.ok(verified(m.string()));
      const { user_nkey: user, server_id: server, connect_opts: said } = request.nats;
      const may = decide(said, request.nats);
      const answer = may ? { jwt: signed("user", user, "APP", may, said.user ?? "key") } : { error: "no" };
      m.respond(signed("authorization_response", user, server.id, answer));
    },
  });
  return nc.flush();
}

configuredTest("a service lets in whom it likes, and says what each may", CONFIG, async ({ connect }) => {
  const authority = await connect({ user: "auth", pass: "pwd" });
  await serve(authority, (said) =>
    said.pass === "good" ? { pub: { deny: ["secret"] }, subs: -1, data: -1, payload: -1 } : undefined,
  );
  const [a, b] = await Promise.all(["a", "b"].map((user) => connect({ user, pass: "good" })));
  a.subscribe("help", { callback: (_, m) => m.respond("ok") });
  await a.flush();
  assert.equal((await b.request("help")).string(), "ok");
  b.publish("secret");
  await b.flush();
  const status = b.status()[Symbol.asyncIterator]();
  b.publish("secret");
  const { value } = await status.next();
  assert.match(`${value.error}`, /permissions violation/i);
  await assert.rejects(connect({ user: "a", pass: "bad" }), /authorization/i);
});

configuredTest("a service proves keys by the nonce that the server gave", CONFIG, async ({ connect }) => {
  const user = createUser();
  const authority = await connect({ user: "auth", pass: "pwd" });
  await serve(authority, (said, about) => {
    if (said.nkey !== user.getPublicKey()) return undefined;
    const nonce = Buffer.from(about.client_info.nonce);
    return fromPublic(said.nkey).verify(nonce, Buffer.from(said.sig, "base64url")) ? { subs: -1 } : undefined;
  });
  const nc = await connect({ authenticator: nkeyAuthenticator(user.getSeed()) });
  await nc.flush();
  await assert.rejects(connect({ authenticator: nkeyAuthenticator(createUser().getSeed()) }), /authorization/i);
});
