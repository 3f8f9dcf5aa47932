/** Breaks of the connection, made by a proxy between a client and a real server. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Proxy } from "./proxy.js";
import { sharedServer, startServer } from "./server.js";
import { connect, freshName, next, record, rejection, when, whenState } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

async function connectThroughProxy(t, options) {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  return { proxy, client: connect(t, server, { url: proxy.url, ...options }) };
}

test("after a break the client connects again, and receives what it missed", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const states = [];
  client.on("connectionStateChanged", (state) => states.push(state));
  const document = await client.document({ id: freshName(t), data: { n: 0 } });
  const errors = [];
  client.on("connectionError", (error) => errors.push(error));
  const seen = record(document);

  proxy.isDown = true;
  proxy.cut();
  await next(client, "connectionError");
  assert.equal(client.connectionState, "connecting");
  assert.equal(client.transport, null);
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":2}' });
  proxy.isDown = false;

  await when(document, () => seen.length > 0);
  assert.deepEqual(seen.map(({ data, isLocal }) => [data.n, isLocal]), [[2, false]]);
  assert.deepEqual(seen[0].previousData, { n: 0 });
  assert.equal(seen[0].updatedBy, "system");
  assert.deepEqual(states, ["connected", "connecting", "connected"]);
  assert.ok(errors.every(({ terminal }) => terminal === false));

  const received = next(document, "updated");
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":3}' });
  assert.deepEqual((await received).data, { n: 3 });
});

test("a document that did not change is not announced after a break", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const document = await client.document({ data: { n: 0 } });
  const expected = next(document, "updated");
  await document.set({ n: 1 });
  await expected;
  const seen = record(document);
  proxy.cut();
  await next(client, "connectionError");
  await document.set({ n: 2 });
  await when(document, () => seen.length > 0);
  assert.deepEqual(seen.map(({ data, isLocal }) => [data.n, isLocal]), [[2, true]]);
});

test("one that expired during a break is reported as removed and expired", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const document = await client.document({ data: { n: 0 }, ttl: 1 });
  proxy.isDown = true;
  proxy.cut();
  await next(client, "connectionError");
  while (Date.parse(document.dateExpires) > Date.now()) await sleep(50);
  proxy.isDown = false;
  const event = await next(document, "removed");
  assert.deepEqual([event.previousData, event.expired], [{ n: 0 }, true]);
});

test("a document that was removed during a break is reported as removed", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const document = await client.document({ data: { n: 0 } });
  proxy.isDown = true;
  proxy.cut();
  await next(client, "connectionError");
  await server.rest("DELETE", `/${document.sid}`);
  proxy.isDown = false;
  const event = await next(document, "removed");
  assert.deepEqual(event, {
    type: "removed",
    previousData: { n: 0 },
    isLocal: false,
    revision: null,
    removedBy: null,
    expired: null,
    dateRemoved: null,
  });
});

for (const [what, start, applied] of [
  ["an increment", (document) => document.increment("/n"), { n: 1 }],
  ["a set", (document) => document.set({ n: 1 }), { n: 1 }],
  ["an update", (document) => document.update({ n: 1 }), { n: 1 }],
  ["a mutation", (document) => document.mutate(({ n }) => ({ n: n + 1 })), { n: 1 }],
]) {
  test(`${what} whose reply is lost is applied once`, async (t) => {
    const { proxy, client } = await connectThroughProxy(t);
    const document = await client.document({ data: { n: 0 } });
    const seen = record(document);
    const witness = await connect(t, server, { identity: "bob" }).document(document.sid);
    const witnessed = record(witness);

    proxy.swallowsReplies = true;
    const written = start(document);
    await when(witness, ({ data }) => data.n === 1);
    proxy.swallowsReplies = false;
    proxy.cut();

    assert.deepEqual(await written, applied);
    await witness.set({ n: "end" });
    await when(witness, () => witnessed.at(-1).data.n === "end");
    await when(document, () => seen.at(-1)?.data.n === "end");
    assert.deepEqual(witnessed.map(({ data }) => data.n), [1, "end"]);
    assert.deepEqual(seen.map(({ data, isLocal }) => [data.n, isLocal]), [
      [1, true],
      ["end", false],
    ]);
  });
}

test("a write that never reached the server is sent again", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const document = await client.document({ data: { n: 0 } });
  proxy.swallowsRequests = true;
  const written = document.increment("/n");
  proxy.swallowsRequests = false;
  proxy.cut();
  assert.deepEqual(await written, { n: 1 });
});

test("a removal whose reply is lost is reported as local", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const document = await client.document({ data: { n: 0 } });
  const witness = await connect(t, server, { identity: "bob" }).document(document.sid);
  const gone = next(witness, "removed");
  const removed = next(document, "removed");
  proxy.swallowsReplies = true;
  const written = document.removeDocument();
  await gone;
  proxy.swallowsReplies = false;
  proxy.cut();
  await written;
  assert.equal((await removed).isLocal, true);
});

test("a document whose opening was interrupted is created once", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  await whenState(client, "connected");
  const id = freshName(t);
  proxy.swallowsReplies = true;
  const replied = proxy.swallowed();
  const opening = client.document({ id, mode: "create_new", data: { n: 1 } });
  await replied;
  proxy.swallowsReplies = false;
  proxy.cut();
  const document = await opening;
  assert.deepEqual(document.data, { n: 1 });
  assert.equal(document.uniqueName, id);
});

test("what is asked during a break waits for the next connection", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const document = await client.document({ data: { n: 0 } });
  proxy.isDown = true;
  proxy.cut();
  await next(client, "connectionError");
  const asked = Promise.all([document.set({ n: 1 }), document.increment("/n"), client.document()]);
  proxy.isDown = false;
  const [set, incremented] = await asked;
  assert.deepEqual([set, incremented], [{ n: 1 }, { n: 2 }]);
});

test("a request that gets no reply in time is given up, as of unknown outcome", async (t) => {
  const { proxy, client } = await connectThroughProxy(t, { requestTimeout: 1_500 });
  const document = await client.document({ data: { n: 0 } });
  proxy.isDown = true;
  proxy.cut();
  const late = await rejection(document.set({ n: 1 }));
  assert.deepEqual([late.status, late.retry], [0, true]);
  assert.match(late.message, /no reply to set within 1500 ms/);
});

test("many documents are all subscribed again", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const documents = await Promise.all(Array.from({ length: 150 }, () => client.document()));
  proxy.cut();
  await next(client, "connectionError");
  for (const { sid } of documents) await server.rest("POST", `/${sid}`, { Data: '{"n":1}' });
  await Promise.all(documents.map((each) => when(each, ({ data }) => data.n === 1)));
});

test("writes through connections that break all the time are applied once", async (t) => {
  const rounds = 30;
  const id = freshName(t);
  const parts = await Promise.all(
    [{}, { transport: "rest" }, { websocketRetry: 50 }].map(async (options, n) => {
      const part = await connectThroughProxy(t, {
        identity: `client${n}`,
        backoffLimit: 50,
        ...options,
      });
      return { ...part, document: await part.client.document(id) };
    }),
  );
  const seen = parts.map(({ document }) => record(document));
  let breaks = 0;
  // One break for each write, at any moment of it: breaks by the clock alone would keep a busy
  // machine from ever getting a write through.
  const breakSoon = ({ proxy }) => {
    breaks += 1;
    const refusesUpgrades = breaks % 2 === 0;
    setTimeout(() => {
      proxy.refusesUpgrades = refusesUpgrades;
      proxy.cut();
    }, breaks % 20);
  };

  await Promise.all(
    parts.map(async (part) => {
      for (let round = 0; round < rounds; round += 1) {
        breakSoon(part);
        await part.document.increment("/n");
        breakSoon(part);
        await part.document.mutate((data) => ({ ...data, n: data.n + 1 }));
      }
    }),
  );
  const total = parts.length * rounds * 2;
  await Promise.all(
    parts.map(({ document }, n) => when(document, () => seen[n].at(-1)?.data.n === total)),
  );
  for (const [n, events] of seen.entries()) {
    for (const [at, { data, previousData, isLocal, updatedBy }] of events.entries()) {
      assert.ok(data.n > (previousData.n ?? 0));
      assert.deepEqual(previousData, events[at - 1]?.data ?? {});
      assert.equal(isLocal, updatedBy === `client${n}`);
    }
  }
});

test("a server that ends and comes back finds its clients again", async (t) => {
  const short = await startServer();
  t.after(() => short.stop());
  const clients = ["websocket", "rest"].map((transport) => connect(t, short, { transport }));
  const documents = await Promise.all(clients.map((client) => client.document("kept")));
  const broken = Promise.all(clients.map((client) => next(client, "connectionError")));
  await short.end();
  for (const { terminal } of await broken) assert.equal(terminal, false);
  const written = documents[0].set({ n: 1 });
  await short.start();
  assert.deepEqual(await written, { n: 1 });
  await when(documents[1], ({ data }) => data.n === 1);
});

test("shutdown ends the connection, the iterations, and what was asked", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const document = await client.document();
  const states = [];
  client.on("connectionStateChanged", (state) => states.push(state));
  const reading = document.events().next();
  proxy.swallowsReplies = true;
  const asked = rejection(document.set({ n: 1 }));
  await client.shutdown();
  await client.shutdown();
  assert.match((await asked).message, /shut down/);
  for (const iteration of [await reading, await document.events().next()]) {
    assert.deepEqual(iteration, { done: true, value: undefined });
  }
  assert.deepEqual(states, ["disconnecting", "disconnected"]);
  assert.match((await rejection(client.document())).message, /shut down/);
  await assert.rejects(client.updateToken("token"), /shut down/);
});
