/** Access tokens in the vendor's unmodified SDK: from the first to the last moment. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startServer } from "./server.js";
import { freshName, next, rejection, when, whenState } from "./support.js";
import { IMPATIENT, open, record, VERSIONS, whenSubscribed } from "./vendor-sdk.js";

const LIFE = 3;

let server;
before(async () => {
  server = await startServer("--token-leeway=0");
});
after(() => server.stop());

/** A token of which the part at `index` is changed by `change`. */
function changed(token, index, change) {
  const parts = token.split(".");
  const part = change(JSON.parse(Buffer.from(parts[index], "base64url")));
  parts[index] = Buffer.from(JSON.stringify(part)).toString("base64url");
  return parts.join(".");
}

const REFUSED = {
  "is no token": () => "x",
  "is forged": () => changed(server.token("alice"), 1, (claims) => ({ ...claims, exp: 2e9 })),
  "has lost its signature": () => server.token("alice").replace(/[^.]+$/, ""),
  "is of an unknown key": () =>
    changed(server.token("alice"), 1, (claims) => ({ ...claims, iss: `SK${"0".repeat(32)}` })),
  "has no grant": () => changed(server.token("alice"), 1, (claims) => ({ ...claims, grants: {} })),
};

for (const [what, make] of Object.entries(REFUSED)) {
  test(`a token that ${what} is refused permanently`, async (t) => {
    const client = open(t, server, { token: make() });
    const error = await next(client, "connectionError");
    assert.deepEqual(
      [error.terminal, error.httpStatusCode, error.errorCode],
      [true, 401, 20101],
      error.message,
    );
    assert.equal(client.connectionState, "denied");
    await assert.rejects(client.document("x"), /Unable to connect/);
  });
}

test("an expired token is refused as such; a fresh one connects", async (t) => {
  const client = open(t, server, { token: server.token("alice", -5) });
  const expired = next(client, "tokenExpired");
  const error = await next(client, "connectionError");
  assert.deepEqual([error.httpStatusCode, error.errorCode], [401, 20104]);
  await expired;
  await client.updateToken(server.token("alice"));
  await whenState(client, "connected");
  assert.deepEqual((await client.document(freshName(t))).data, {});
});

test("the client is notified in time, and stays connected by a fresh token", async (t) => {
  const client = open(t, server, { token: server.token("alice", LIFE) });
  const expires = Date.now() + LIFE * 1_000;
  const document = await client.document();
  client.on("tokenExpired", () => assert.fail("it was renewed"));
  client.on("connectionError", (error) => assert.fail(error.message));
  await next(client, "tokenAboutToExpire");
  assert.ok(Date.now() < expires);
  await client.updateToken(server.token("alice", LIFE));
  // Notified again, of the second token: the first one is over.
  await next(client, "tokenAboutToExpire");
  assert.ok(Date.now() > expires);
  assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
});

test("a token that runs out may be renewed at any time", async (t) => {
  const renew = async (version, delay) => {
    const token = server.token("alice", LIFE);
    const client = open(t, server, { Sdk: VERSIONS[version], token });
    const expired = next(client, "tokenExpired");
    const document = await whenSubscribed(await client.document({ data: { n: 0 } }));
    const events = record(document);
    await expired;
    await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
    if (delay > 0) await sleep(delay);
    await client.updateToken(server.token("alice"));
    await when(document, ({ data }) => data.n === 1);
    assert.equal(client.connectionState, "connected");
    assert.deepEqual(events, [["updated", false, { n: 1 }, { n: 0 }]]);
    assert.deepEqual(await document.set({ n: 2 }), { n: 2 });
  };
  const delays = [0, 300, 4_000];
  const versions = ["2.0.1", "3.1.0", "4.0.1"];
  await Promise.all(versions.flatMap((version) => delays.map((delay) => renew(version, delay))));
});

test("the listener of tokenExpired may renew the token, and later ones too", async (t) => {
  const client = open(t, server, { token: server.token("alice", LIFE), ...IMPATIENT });
  let renewals = 0;
  client.on("tokenExpired", () => {
    renewals += 1;
    client.updateToken(server.token("alice", renewals < 3 ? 1 : 60));
  });
  const document = await whenSubscribed(await client.document({ data: { n: 0 } }));
  while (renewals < 3) await next(client, "tokenExpired");
  await whenState(client, "connected");
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
  await when(document, ({ data }) => data.n === 1);
});

test("a token of somebody else is refused in place of the first", async (t) => {
  const client = open(t, server);
  const document = await whenSubscribed(await client.document({ data: { n: 0 } }));
  const received = next(client, "connectionError");
  const error = await rejection(client.updateToken(server.token("bob")));
  assert.deepEqual([error.status, error.code], [400, 51130]);
  const { httpStatusCode, errorCode } = await received;
  assert.deepEqual([httpStatusCode, errorCode], [401, 51215]);
  await client.updateToken(server.token("alice", 600));
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
  await when(document, ({ data }) => data.n === 1);
  assert.equal(client.connectionState, "connected");
});

