/** API keys that are revoked under the clients whose tokens they signed. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startServer } from "./server.js";
import { connect, freshName, next, record, when, whenState } from "./support.js";
import { IMPATIENT, nextRefusal, open, states, VERSIONS, whenSubscribed } from "./vendor-sdk.js";

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

test("the vendor's SDK comes back at any time by a token of another key", async (t) => {
  const fresh = await addKey();
  const renew = async (version, delay) => {
    const old = await addKey();
    const options = { Sdk: VERSIONS[version], token: tokenOf(old), ...IMPATIENT };
    const client = open(t, server, options);
    const document = await whenSubscribed(await client.document({ data: { n: 0 } }));
    const refused = nextRefusal(client);
    await revoke(old);
    const { terminal, httpStatusCode, errorCode } = await refused;
    assert.deepEqual([terminal, httpStatusCode, errorCode], [true, 401, 20101]);
    await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
    if (delay > 0) await sleep(delay);
    await client.updateToken(tokenOf(fresh));
    await when(document, ({ data }) => data.n === 1);
    assert.equal(client.connectionState, "connected");
  };
  const delays = [0, 300, 4_000];
  const versions = ["2.0.1", "4.0.1"];
  await Promise.all(versions.flatMap((version) => delays.map((delay) => renew(version, delay))));
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
  await whenState(late, "denied");
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
