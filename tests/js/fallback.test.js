/** REST and server-sent events where a proxy lets no WebSocket pass. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { body, TOKEN } from "./peer.js";
import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, record, rejection, until, when } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

async function connectWithout(t, options) {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  proxy.refusesUpgrades = true;
  return { proxy, client: connect(t, server, { url: proxy.url, ...options }) };
}

test("a refused WebSocket makes the client use REST", async (t) => {
  const { client } = await connectWithout(t);
  const document = await client.document({ id: freshName(t), data: { n: 0 } });
  assert.equal(client.transport, "rest");
  assert.equal(client.connectionState, "connected");
  assert.deepEqual(document.data, { n: 0 });
});

test("without a WebSocket constructor the client uses REST", async (t) => {
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  t.after(() => {
    if (WebSocket) globalThis.WebSocket = WebSocket;
  });
  const client = connect(t, server, { WebSocket: undefined });
  await client.document();
  assert.equal(client.transport, "rest");
});

test("with transport websocket the client does not fall back", async (t) => {
  const { client } = await connectWithout(t, { transport: "websocket", requestTimeout: 300 });
  const error = await next(client, "connectionError");
  assert.equal(error.terminal, false);
  assert.equal(client.transport, null);
  assert.equal((await rejection(client.document())).status, 0);
});

describe("the verbs", () => {
  test("open modes", async (t) => {
    const { client } = await connectWithout(t);
    const id = freshName(t);
    const missing = await rejection(client.document({ id, mode: "open_existing" }));
    assert.equal(missing.status, 404);
    const created = await client.document({ id, mode: "create_new", data: { n: 1 }, ttl: 600 });
    assert.equal(created.uniqueName, id);
    assert.notEqual(created.dateExpires, null);
    assert.equal((await rejection(client.document({ id, mode: "create_new" }))).code, 54301);
    assert.equal((await client.document(created.sid)).sid, created.sid);
    const noSid = await rejection(client.document(`ET${"0".repeat(32)}`));
    assert.equal(noSid.status, 404);
    const unnamed = await client.document({ data: { n: 2 } });
    assert.equal(unnamed.uniqueName, null);
    assert.equal((await rejection(client.document("x".repeat(321)))).code, 54302);
    assert.equal((await rejection(client.document(".."))).code, 54302);
  });

  test("writes", async (t) => {
    const { client } = await connectWithout(t);
    const document = await client.document({ id: `${freshName(t)}/é?#%`, data: { n: 0 } });
    assert.deepEqual(await document.set({ n: 1, text: "é💡&=" }), { n: 1, text: "é💡&=" });
    assert.deepEqual(await document.update({ more: [] }), { n: 1, text: "é💡&=", more: [] });
    assert.deepEqual(await document.patch({ merge: { text: null } }), { n: 1, more: [] });
    assert.deepEqual(await document.increment("/n", 2), { n: 3, more: [] });
    assert.deepEqual(await document.mutate(({ n }) => ({ n: n + 1 })), { n: 4 });
    assert.equal(await document.mutate(() => null).then(({ n }) => n), 4);
    await document.setTtl(600);
    assert.notEqual(document.dateExpires, null);
    await document.patch({ merge: {} }, { ttl: 0 });
    assert.equal(document.dateExpires, null);
    assert.equal(document.updatedBy, "alice");
    assert.deepEqual((await server.rest("GET", `/${document.sid}`)).data, { n: 4 });
  });

  test("refusals", async (t) => {
    const { client } = await connectWithout(t);
    const document = await client.document({ data: { text: "a" } });
    const { revision } = document;
    await document.set({ text: "b" });
    const old = await rejection(document.set({}, { ifMatch: revision }));
    assert.deepEqual([old.status, old.code], [412, 54103]);
    assert.deepEqual(old.document.data, { text: "b" });
    assert.equal((await rejection(document.increment("/text"))).code, 20409);
    assert.equal((await rejection(document.setTtl(-1))).code, 54011);
    const large = await rejection(document.set({ text: "x".repeat(17_000) }));
    assert.deepEqual([large.status, large.code], [413, 54006]);
    assert.equal(client.transport, "rest");
  });
});

test("events are reported as over a WebSocket, own writes once and as local", async (t) => {
  const { client } = await connectWithout(t);
  const id = freshName(t);
  const mine = await client.document({ id, data: { n: 0 } });
  const theirs = await connect(t, server, { identity: "bob" }).document(id);
  const seen = record(mine);
  for (let n = 1; n <= 6; n += 1) {
    await (n % 2 ? mine : theirs).set({ n });
    await when(n % 2 ? theirs : mine, ({ data }) => data.n === n);
  }
  const removed = next(mine, "removed");
  await theirs.removeDocument();
  await removed;
  assert.deepEqual(
    seen.map(({ data, previousData, isLocal, updatedBy, removedBy }) => [
      previousData.n,
      data?.n,
      isLocal,
      updatedBy ?? removedBy,
    ]),
    [
      [0, 1, true, "alice"],
      [1, 2, false, "bob"],
      [2, 3, true, "alice"],
      [3, 4, false, "bob"],
      [4, 5, true, "alice"],
      [5, 6, false, "bob"],
      [6, undefined, false, "bob"],
    ],
  );
});

test("mutate of several clients, some of them without WebSocket, loses nothing", async (t) => {
  const id = freshName(t);
  const { client } = await connectWithout(t);
  const documents = await Promise.all([
    client.document(id),
    connect(t, server, { transport: "rest" }).document(id),
    connect(t, server).document(id),
  ]);
  const rounds = 12;
  const seen = documents.map(record);
  await Promise.all(
    documents.map(async (document) => {
      for (let round = 0; round < rounds; round += 1) {
        await document.mutate((data) => ({ count: (data.count ?? 0) + 1 }));
      }
    }),
  );
  const total = rounds * documents.length;
  await Promise.all(
    documents.map((each, n) => when(each, () => seen[n].at(-1)?.data.count === total)),
  );
  for (const events of seen) {
    assert.equal(events.filter(({ isLocal }) => isLocal).length, rounds);
  }
});

test("documents beyond the event streams are read now and then", async (t) => {
  const client = connect(t, server, { transport: "rest", eventStreams: 1 });
  const kept = await client.document({ data: { n: 0 } });
  const polled = await client.document({ data: { n: 0 } });
  const id = freshName(t);
  const doomed = await client.document({ id, data: { n: 0 } });
  const events = [kept, polled].map((document) => next(document, "updated"));
  const removed = next(doomed, "removed");
  for (const { sid } of [kept, polled]) await server.rest("POST", `/${sid}`, { Data: '{"n":1}' });
  await server.rest("DELETE", `/${doomed.sid}`);
  await server.rest("POST", "", { UniqueName: id });
  await removed;
  for (const event of events) {
    const { data, previousData, isLocal, updatedBy } = await event;
    assert.deepEqual([data.n, previousData.n, isLocal, updatedBy], [1, 0, false, "system"]);
  }
});

test("a document that is closed is followed no longer", async (t) => {
  const streams = [];
  const client = connect(t, server, {
    transport: "rest",
    fetch: (input, init) => {
      if (input.endsWith("/Events")) streams.push(init.signal);
      return fetch(input, init);
    },
  });
  const document = await client.document();
  const { sid } = document;
  document.close();
  const again = await client.document(sid);
  assert.equal(streams[0].aborted, true);
  assert.equal(streams.at(-1).aborted, false);
  const received = next(again, "updated");
  await server.rest("POST", `/${sid}`, { Data: '{"n":1}' });
  assert.deepEqual((await received).data, { n: 1 });
});

test("a WebSocket that is cut before it is authenticated counts as blocked", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  proxy.cutsWebSockets = true;
  const client = connect(t, server, { url: proxy.url });
  await client.document();
  assert.equal(client.transport, "rest");
});

test("a break is healed, and a write whose reply is lost is applied once", async (t) => {
  const { proxy, client } = await connectWithout(t);
  const document = await client.document({ data: { n: 0 } });
  const seen = record(document);
  const witness = await connect(t, server, { identity: "bob" }).document(document.sid);

  proxy.swallowsReplies = true;
  const written = document.increment("/n");
  await when(witness, ({ data }) => data.n === 1);
  proxy.swallowsReplies = false;
  proxy.cut();
  assert.deepEqual(await written, { n: 1 });
  assert.equal(client.transport, "rest");

  await witness.increment("/n");
  await when(document, () => seen.at(-1)?.data.n === 2);
  assert.deepEqual(seen.map(({ data, isLocal }) => [data.n, isLocal]), [
    [1, true],
    [2, false],
  ]);
});

test("after a break a document does not wait for the replies to its writes", async (t) => {
  const { proxy, client } = await connectWithout(t, { eventStreams: 100, backoffLimit: 50 });
  // So many that the client opens this one only after the write was sent again.
  await Promise.all(Array.from({ length: 64 }, () => client.document()));
  const document = await client.document({ data: { n: 0 } });
  const witness = await connect(t, server, { identity: "bob" }).document(document.sid);

  proxy.swallowsRepliesTo = /^POST/;
  const written = document.set({ n: 1 });
  await when(witness, ({ data }) => data.n === 1);
  proxy.isDown = true;
  proxy.cut();
  await next(client, "connectionError");
  await witness.set({ n: 2 });
  proxy.isDown = false;
  await until(() => document.data.n === 2);

  proxy.swallowsRepliesTo = null;
  proxy.cut();
  await written;
  assert.deepEqual(document.data, { n: 2 });
});

test("a document that was removed during a break is reported as removed", async (t) => {
  const { proxy, client } = await connectWithout(t);
  const document = await client.document();
  proxy.isDown = true;
  proxy.cut();
  await next(client, "connectionError");
  await server.rest("DELETE", `/${document.sid}`);
  const removed = next(document, "removed");
  proxy.isDown = false;
  assert.equal((await removed).isLocal, false);
});

test("a name that was given to another document between two streams", async (t) => {
  const { proxy, client } = await connectWithout(t);
  const bob = connect(t, server, { identity: "bob" });
  const id = freshName(t);
  await bob.document(id);
  const document = await client.document(id);
  const removed = next(document, "removed");
  const swallowed = proxy.swallowed();
  proxy.swallowsReplies = true;
  await server.rest("DELETE", `/${document.sid}`);
  await swallowed;
  const other = await bob.document(id);
  assert.notEqual(other.sid, document.sid);
  proxy.swallowsReplies = false;
  proxy.cut();
  assert.equal((await removed).isLocal, false);
});

test("when WebSockets pass again, the client goes back to one and misses nothing", async (t) => {
  const { proxy, client } = await connectWithout(t, { websocketRetry: 100 });
  const document = await client.document({ data: { n: 0 } });
  const seen = record(document);
  assert.equal(client.transport, "rest");
  proxy.refusesUpgrades = false;
  let count = 0;
  while (client.transport !== "websocket") {
    await document.increment("/n");
    count += 1;
  }
  await document.increment("/n");
  count += 1;
  await when(document, () => seen.at(-1)?.data.n === count);
  assert.deepEqual(
    seen.map(({ data }) => data.n),
    Array.from({ length: count }, (_, n) => n + 1),
  );
  assert.ok(seen.every(({ isLocal }) => isLocal));
});

describe("a proxy that swallows handshakes and cuts responses", () => {
  async function connectThrough(t, options) {
    const proxy = await Proxy.start(server.url);
    t.after(() => proxy.stop());
    proxy.swallowsUpgrades = true;
    const asked = [];
    const recording = (input, init) => {
      const path = new URL(input).pathname;
      asked.push({ path, lastEventId: new Headers(init?.headers).get("Last-Event-ID") });
      return fetch(input, init);
    };
    const client = connect(t, server, {
      url: proxy.url,
      fetch: recording,
      fallbackAfter: 20,
      openTimeout: 1_000_000,
      ...options,
    });
    return { proxy, client, asked };
  }

  test("REST goes on beside the handshake that nobody answers", async (t) => {
    const { client } = await connectThrough(t);
    const document = await client.document({ data: { n: 0 } });
    assert.equal(client.transport, "rest");
    assert.deepEqual(await document.increment("/n"), { n: 1 });
  });

  test("after a break REST is back at once, without waiting for a handshake", async (t) => {
    const { proxy, client } = await connectThrough(t);
    const document = await client.document({ data: { n: 0 } });
    client.on("connectionError", () => {
      proxy.isDown = false;
    });
    for (let time = 1; time <= 3; time += 1) {
      proxy.isDown = true;
      proxy.cut();
      assert.deepEqual(await document.increment("/n"), { n: time });
    }
    assert.equal(client.transport, "rest");
  });

  test("a stream that is cut goes on from the last event, and the client stays connected", async (t) => {
    const { proxy, client, asked } = await connectThrough(t);
    const errors = [];
    client.on("connectionError", (error) => errors.push(error));
    const document = await client.document({ data: { n: 0 } });
    const seen = record(document);
    const streams = () => asked.filter(({ path }) => path.endsWith("/Events"));
    for (let n = 1; n <= 3; n += 1) {
      await server.rest("POST", `/${document.sid}`, { Data: JSON.stringify({ n }) });
      await when(document, () => seen.at(-1)?.data.n === n);
      const before = streams().length;
      proxy.cut();
      await until(() => streams().length > before);
    }
    await server.rest("POST", `/${document.sid}`, { Data: '{"n":4}' });
    await when(document, () => seen.at(-1)?.data.n === 4);
    assert.deepEqual(seen.map(({ data, previousData }) => [previousData.n, data.n]), [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
    assert.deepEqual(errors, []);
    const [first, ...later] = streams();
    assert.equal(first.lastEventId, null);
    assert.ok(later.every(({ lastEventId }) => /^\d+$/.test(lastEventId)));
  });

  test("what was written between two streams is not missed", async (t) => {
    const { proxy, client, asked } = await connectThrough(t);
    const document = await client.document({ data: { n: 0 } });
    const changed = when(document, ({ data }) => data.n === 1);
    const before = asked.length;
    proxy.isDown = true;
    proxy.cut();
    await until(() => asked.length > before);
    await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
    proxy.isDown = false;
    await changed;
  });

  test("a proxy that ends each stream at once is asked with growing pauses", async (t) => {
    const pauses = [];
    const { random } = Math;
    t.mock.method(Math, "random", () => {
      pauses.push(true);
      return random() * 1e-6;
    });
    let opened = 0;
    const client = connect(t, server, {
      transport: "rest",
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (!input.endsWith("/Events")) return response;
        opened += 1;
        const reader = response.body.getReader();
        const { value } = opened === 1 ? await reader.read() : {};
        void reader.cancel();
        const headers = { "Content-Type": "text/event-stream" };
        return new Response(value ?? ": nothing\n\n", { headers });
      },
    });
    await client.document({ data: { n: 0 } });
    await until(() => opened === 5);
    assert.ok(pauses.length >= 3);
    assert.equal(client.connectionState, "connected");
  });

  test("a WebSocket is looked for beside it, and taken when it passes", async (t) => {
    const { proxy, client } = await connectThrough(t, { openTimeout: 200, websocketRetry: 20 });
    const document = await client.document({ data: { n: 0 } });
    assert.equal(client.transport, "rest");
    proxy.swallowsUpgrades = false;
    await until(() => client.transport === "websocket");
    assert.deepEqual(await document.increment("/n"), { n: 1 });
  });
});

test("a WebSocket that is only slow is taken, and REST left", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  proxy.replyDelay = 30;
  const client = connect(t, server, { url: proxy.url, fallbackAfter: 0 });
  const document = await client.document({ data: { n: 0 } });
  await until(() => client.transport === "websocket");
  assert.deepEqual(await document.increment("/n"), { n: 1 });
});

test("the rest of what a stream brought when the connection ended is not taken for another's", async (t) => {
  const encoder = new TextEncoder();
  const frames = (name, ...documents) =>
    documents.map((each) => `event: ${name}\ndata: ${JSON.stringify(each)}\n\n`).join("");
  const streams = [];
  const writes = [];
  const fetch = async (url, { method = "GET" } = {}) => {
    if (method === "POST") {
      if (writes.push(url) > 1) return Response.json(body(1_000, { n: "mine" }));
      return new Promise((_, reject) => streams[0].fail(reject));
    }
    if (!url.endsWith("/Events")) return Response.json({});
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const state = streams.length === 0 ? body(1, { n: 0 }) : body(1_000, { n: "mine" });
    void writer.write(encoder.encode(frames("state", state)));
    streams.push({
      fail: async (reject) => {
        // In one piece: many changes of others, and the own one. The network fails amid them.
        const others = Array.from({ length: 500 }, (_, n) => body(n + 2, { n }));
        const text = frames("updated", ...others, body(1_000, { n: "mine" }));
        writer.write(encoder.encode(text)).catch(() => {});
        for (let turn = 0; turn < 200; turn += 1) await undefined;
        reject(new TypeError("the network failed"));
      },
    });
    return new Response(readable, { headers: { "Content-Type": "text/event-stream" } });
  };
  const client = connect(t, { url: "http://127.0.0.1:1", token: () => TOKEN }, {
    transport: "rest",
    fetch,
  });
  const document = await client.document(body(1).sid);
  const seen = record(document);
  await document.set({ n: "mine" });
  await when(document, () => seen.at(-1)?.data.n === "mine");
  assert.deepEqual(
    seen.filter(({ data }) => data.n === "mine").map(({ isLocal }) => isLocal),
    [true],
  );
});
