/** Tokens that an OpenID provider signs, in the vendor's unmodified SDK and in the browser client. */

import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { claimsOf } from "../../clients/js/src/syncline/token.js";
import { Proxy } from "./proxy.js";
import { startServer } from "./server.js";
import { connect, next, once, rejection } from "./support.js";
import { open, record, whenSubscribed } from "./vendor-sdk.js";

const AUDIENCE = "syncline-tests";

const KEYS = {
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
};

let provider, issuer, server;
before(async () => {
  provider = createServer((request, response) => {
    const keys = Object.entries(KEYS).map(([alg, { publicKey }]) => ({
      ...publicKey.export({ format: "jwk" }),
      kid: alg,
      alg,
    }));
    const configuration = { issuer, jwks_uri: `${issuer}/keys` };
    response.end(JSON.stringify(request.url === "/keys" ? { keys } : configuration));
  }).listen(0, "127.0.0.1");
  await once(provider, "listening");
  issuer = `http://127.0.0.1:${provider.address().port}`;
  server = await startServer(
    `--oidc-issuer=${issuer}`,
    `--oidc-audience=${AUDIENCE}`,
    "--oidc-grants-claim=sync_grants",
  );
});
after(async () => {
  await server.stop();
  provider.closeAllConnections();
  provider.close();
});

/** A token of alice that is good for what the pattern names. */
function token(documents, { rights = ["read", "write"], alg = "ES256" } = {}) {
  const now = Math.floor(Date.now() / 1_000);
  const grants = [{ documents, rights }];
  const parts = [
    { alg, kid: alg, typ: "JWT" },
    { iss: issuer, aud: AUDIENCE, sub: "alice", iat: now, exp: now + 600, sync_grants: grants },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  const key = { key: KEYS[alg].privateKey, dsaEncoding: "ieee-p1363" };
  const signature = sign("sha256", Buffer.from(parts.join(".")), key);
  return [...parts, signature.toString("base64url")].join(".");
}

for (const alg of Object.keys(KEYS)) {
  test(`the vendor's SDK works with a token of ${alg}`, async (t) => {
    const name = `room ${crypto.randomUUID()}`;
    const client = open(t, server, { token: token("room *", { alg }) });
    const document = await whenSubscribed(await client.document(name));
    const events = record(document);
    assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
    const other = connect(t, server, { token: token("room *", { alg }) });
    await (await other.document(name)).set({ n: 2 });
    if (events.length < 2) await next(document, "updated");
    assert.deepEqual(events.at(-1), ["updated", false, { n: 2 }, { n: 1 }]);
    const error = await rejection(client.document(`hall ${crypto.randomUUID()}`));
    assert.deepEqual([error.status, error.code], [403, 54007]);
  });
}

test("a newer token that grants less ends what the vendor's SDK has open", async (t) => {
  const client = open(t, server, { token: token("room *") });
  const document = await whenSubscribed(await client.document(`room ${crypto.randomUUID()}`));
  const removed = next(document, "removed");
  await client.updateToken(token("hall *"));
  await removed;
  assert.equal(client.connectionState, "connected");
  await client.document(`hall ${crypto.randomUUID()}`);
});

test("the browser client receives the same", async (t) => {
  const client = connect(t, server, { token: token("room *") });
  const document = await client.document(`room ${crypto.randomUUID()}`);
  const error = await rejection(client.document(`hall ${crypto.randomUUID()}`));
  assert.deepEqual([error.status, error.code], [403, 54007]);
  const removed = next(document, "removed");
  await client.updateToken(token("hall *"));
  await removed;
});

test("the browser client reads when such a token ends, and asks for another in time", () => {
  const { issued, expires, ...others } = claimsOf(token("room *"));
  assert.deepEqual(others, { identity: null, serviceSid: "default" });
  assert.equal(expires - issued, 600_000);
});

test("the browser client uses it over REST, too", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  proxy.refusesUpgrades = true;
  const client = connect(t, server, { url: proxy.url, token: token("room *") });
  const document = await client.document(`room ${crypto.randomUUID()}`);
  assert.equal(client.transport, "rest");
  assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
  const error = await rejection(client.document(`hall ${crypto.randomUUID()}`));
  assert.deepEqual([error.status, error.code], [403, 54007]);
});
