/** API keys that are revoked under the clients whose tokens they signed. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startServer } from "./server.js";
import { connect, freshName, next, record, when, whenState } from "./support.js";
import { open, states, whenSubscribed } from "./vendor-sdk.js";

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

/** A new key, as `[SID, secret]`. */
async function addKey() {
  const { sid, secret } = await server.account("POST", "/v1/Keys", { FriendlyName: "test" });
  return [sid, secret];
}

const revoke = ([sid]) => server.account("DELETE", `/v1/Keys/${sid}`);

const tokenOf = (key) => server.token("alice", 3_600, "default", key);

test("the vendor's SDK is disconnected, and comes back by a token of another key", async (t) => {
  const [old, fresh] = [await addKey(), await addKey()];
  const client = open(t, server, { token: tokenOf(old) });
  const document = await whenSubscribed(await client.document({ data: { n: 0 } }));
  await revoke(old);
  await whenState(client, "disconnected");
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
  await client.updateToken(tokenOf(fresh));
  await when(document, ({ data }) => data.n === 1);
  assert.equal(client.connectionState, "connected");
});

test("the SDK that renewed its token in time notices nothing", async (t) => {
  const [old, fresh] = [await addKey(), await addKey()];
  const client = open(t, server, { token: tokenOf(old) });
  const document = await client.document({ data: { n: 0 } });
  const seen = states(client);
  await client.updateToken(tokenOf(fresh));
  const late = open(t, server, { token: tokenOf(old) });
  await whenState(late, "connected");
  await revoke(old);
  await whenState(late, "disconnected");
  assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
  assert.deepEqual(seen, []);
});

test("Syncline's client waits for another token, and misses nothing", async (t) => {
  const [old, fresh] = [await addKey(), await addKey()];
  const client = connect(t, server, { token: tokenOf(old) });
  const document = await client.document(freshName(t), { data: { n: 0 } });
  const events = record(document);
  const refused = next(client, "connectionError");
  await revoke(old);
  const error = await refused;
  assert.deepEqual(
    [error.terminal, error.message],
    [true, "The API key that issued the access token was revoked (iss)."],
  );
  assert.equal(client.connectionState, "denied");
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
  client.updateToken(tokenOf(fresh));
  await when(document, ({ data }) => data.n === 1);
  assert.equal(events.length, 1);
});
