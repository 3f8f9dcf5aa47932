/** Breaks of the connection, and the vendor's unmodified SDK. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Proxy } from "./proxy.js";
import { sharedServer, startServer } from "./server.js";
import { freshName, next, when, whenState } from "./support.js";
import { IMPATIENT, open, record, states, whenSubscribed } from "./vendor-sdk.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server.stop());

// A client that its test leaves while it has no connection would try on: it ends first.

async function openThroughProxy(t) {
  const proxy = await Proxy.start(server.url);
  const client = open(t, server, { url: proxy.url, ...IMPATIENT });
  t.after(() => proxy.stop());
  return { proxy, client };
}

async function cut(proxy, client) {
  const left = whenState(client, "connecting");
  proxy.isDown = true;
  proxy.cut();
  await left;
}

test("after a break the client receives what it missed: the newest state, once", async (t) => {
  const { proxy, client } = await openThroughProxy(t);
  const changed = await whenSubscribed(await client.document({ data: { n: 0 } }));
  const same = await whenSubscribed(await client.document({ data: { n: 0 } }));
  const gone = await whenSubscribed(await client.document({ id: freshName(t), data: { n: 0 } }));
  const seen = [changed, same, gone].map(record);
  await cut(proxy, client);

  await server.rest("POST", `/${changed.sid}`, { Data: '{"n":1}' });
  await server.rest("POST", `/${changed.sid}`, { Data: '{"n":2}' });
  await server.rest("DELETE", `/${gone.sid}`);
  const removed = next(gone, "removed");
  proxy.isDown = false;

  await Promise.all([when(changed, ({ data }) => data.n === 2), removed]);
  await Promise.all([changed, same].map(whenSubscribed));
  assert.deepEqual(seen, [
    [["updated", false, { n: 2 }, { n: 0 }]],
    [],
    [["removed", false, undefined, { n: 0 }]],
  ]);
  const received = next(same, "updated");
  await server.rest("POST", `/${same.sid}`, { Data: '{"n":1}' });
  assert.deepEqual((await received).data, { n: 1 });
});

test("a name that was taken again meanwhile is another document", async (t) => {
  const { proxy, client } = await openThroughProxy(t);
  const name = freshName(t);
  const document = await whenSubscribed(await client.document(name));
  await cut(proxy, client);
  await server.rest("DELETE", `/${document.sid}`);
  const { sid } = await server.rest("POST", "", { UniqueName: name, Data: '{"new":1}' });
  const removed = next(document, "removed");
  proxy.isDown = false;
  await removed;
  const again = await client.document(name);
  assert.equal(again.sid, sid);
  assert.deepEqual(again.data, { new: 1 });
});

test("a write that waits for the connection is carried out once it is there", async (t) => {
  const { proxy, client } = await openThroughProxy(t);
  const document = await whenSubscribed(await client.document({ data: { n: 0 } }));
  await cut(proxy, client);
  const written = document.mutate(({ n }) => ({ n: n + 1 }));
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":10}' });
  proxy.isDown = false;
  assert.deepEqual(await written, { n: 11 });
});

test("a server that stops sends its clients away, and has them again once it runs", async (t) => {
  const own = await startServer();
  const client = open(t, own, IMPATIENT);
  t.after(() => own.stop());
  const document = await whenSubscribed(
    await client.document({ id: freshName(t), data: { n: 0 } }),
  );
  const seen = record(document);
  const passed = states(client);
  const errors = [];
  client.on("connectionError", (error) => errors.push(error));

  await own.end();
  await own.start();
  await own.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });

  await when(document, ({ data }) => data.n === 1);
  assert.deepEqual(seen, [["updated", false, { n: 1 }, { n: 0 }]]);
  // Between the first and the last it may have tried in vain, and "retrying" is such a try.
  assert.deepEqual([passed[0], passed.at(-1)], ["disconnecting", "connected"]);
  assert.ok(passed.slice(1, -1).every((state) => ["connecting", "retrying"].includes(state)));
  assert.ok(errors.every(({ terminal }) => !terminal));
  assert.deepEqual(await document.set({ n: 2 }), { n: 2 });
});

test("a token that is renewed while the server stops counts once it runs again", async (t) => {
  const own = await startServer();
  const client = open(t, own, IMPATIENT);
  t.after(() => own.stop());
  const document = await whenSubscribed(await client.document({ data: { n: 0 } }));
  const left = whenState(client, "disconnecting");
  const ended = own.end();
  await left;
  const renewed = client.updateToken(own.token("alice", 600));
  await ended;
  await own.start();
  await renewed;
  await whenState(client, "connected");
  await own.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
  await when(document, ({ data }) => data.n === 1);
});

test("clients that come too fast are asked to wait, and then let in", async (t) => {
  const own = await startServer("--connect-rate=2");
  const clients = Array.from({ length: 5 }, () => open(t, own, IMPATIENT));
  t.after(() => own.stop());
  const asked = clients.map(
    (client) =>
      new Promise((resolve) => {
        client.on("connectionError", ({ httpStatusCode }) => resolve(httpStatusCode));
      }),
  );
  assert.equal(await Promise.any(asked), 429);
  await Promise.all(clients.map((client) => whenState(client, "connected")));
});
