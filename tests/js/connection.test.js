/** What the client makes of a server's words and silences, with a scripted server. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { body, Peer, reply, send, SID, TOKEN, updated } from "./peer.js";
import { connect, next, record, rejection, when, WebSocket, whenState } from "./support.js";

async function connectToPeer(t, options, serverOptions) {
  const peer = await Peer.start(serverOptions);
  peer.onRequest = (socket, request) => {
    if (request.do === "open") reply(socket, request, { created: true, document: body(1, {}) });
  };
  const client = connect(t, { url: peer.url, token: () => TOKEN }, {
    transport: "websocket",
    ...options,
  });
  t.after(() => peer.stop());
  return { peer, client };
}

test("the first message is auth, and the id comes first in each", async (t) => {
  const sent = [];
  class Recorder extends WebSocket {
    send(text) {
      sent.push(text);
      super.send(text);
    }
  }
  const { client } = await connectToPeer(t, { WebSocket: Recorder });
  await client.document({ id: "name", mode: "open_existing" });
  assert.equal(sent[0], '{"id":1,"do":"auth","token":"a.b.c","deltas":true}');
  assert.match(sent[1], /^\{"id":2,"do":"open","document":"name","mode":"open_existing","op":"/);
});

test("members and messages that are not known are ignored", async (t) => {
  const { peer, client } = await connectToPeer(t);
  peer.onConnection = (socket) => {
    send(socket, { event: "news", document: { sid: SID } });
    send(socket, { id: 999, ok: {} });
    send(socket, { event: "updated", document: { sid: "another" } });
  };
  const document = await client.document();
  const received = next(document, "updated");
  peer.onRequest = (socket, request) => {
    send(socket, { event: "forecast" });
    send(socket, { ...updated(2, { n: 1 }), mood: "good" });
    reply(socket, request, { document: { ...body(3), mood: "good" }, mood: "good" });
  };
  await document.set({ n: 2 });
  assert.deepEqual((await received).data, { n: 1 });
});

test("an event that is not newer than the last one is not reported", async (t) => {
  const { peer, client } = await connectToPeer(t);
  const document = await client.document();
  const seen = record(document);
  peer.onRequest = (socket, request) => {
    for (const revision of [5, 4, 5, 6]) send(socket, updated(revision, { revision }));
    reply(socket, request, { document: body(6, { revision: 6 }) });
  };
  await document.increment("/n");
  assert.deepEqual(seen.map(({ revision }) => revision), ["5", "6"]);
});

test("an own write whose event was joined with a later one is announced before that", async (t) => {
  const { peer, client } = await connectToPeer(t);
  const document = await client.document();
  const seen = record(document);
  let revision = 1;
  peer.onRequest = (socket, request) => {
    revision += 1;
    reply(socket, request, { document: body(revision) });
    if (revision === 3) send(socket, updated(4, { n: "theirs" }));
  };
  await document.set({ n: "mine" });
  await document.set({ n: "mine too" });
  await when(document, () => seen.length === 3);
  assert.deepEqual(
    seen.map(({ data, previousData, isLocal }) => [previousData.n, data.n, isLocal]),
    [
      [undefined, "mine", true],
      ["mine", "mine too", true],
      ["mine too", "theirs", false],
    ],
  );
});

test("a document is removed for its handles as the answer comes, and reported with the event", async (t) => {
  const { peer, client } = await connectToPeer(t);
  const [document, other] = [await client.document(), await client.document()];
  const seen = [record(document), record(other)];
  let connection;
  peer.onRequest = (socket, request) => {
    connection = socket;
    assert.equal(request.do, "remove");
    reply(socket, request, {});
  };
  await document.removeDocument();
  for (const handle of [document, other]) {
    assert.equal(handle.removed, true);
    assert.equal((await rejection(handle.set({}))).code, 54100);
    assert.equal((await rejection(handle.removeDocument())).code, 54100);
  }
  assert.deepEqual(seen, [[], []]);
  const expected = next(other, "removed");
  send(connection, { event: "removed", document: { sid: SID, revision: "2", expired: false } });
  await expected;
  for (const events of seen) {
    assert.deepEqual(events.map(({ type, isLocal }) => [type, isLocal]), [["removed", true]]);
  }
});

test("a repeated answer without data makes the client read it", async (t) => {
  const { peer, client } = await connectToPeer(t);
  const document = await client.document();
  peer.onRequest = (socket, request) => {
    if (request.do === "get") reply(socket, request, { document: body(3, { n: "newest" }) });
    else reply(socket, request, { document: body(2), repeated: true });
  };
  assert.deepEqual(await document.increment("/n"), { n: "newest" });
  assert.equal(document.revision, "3");
});

test("after a break, news wait for the own write that may have caused them", async (t) => {
  const { peer, client } = await connectToPeer(t);
  const document = await client.document();
  const seen = record(document);
  const writes = [];
  peer.onRequest = (socket, request) => {
    if (request.do === "set") {
      writes.push(request);
      if (writes.length === 1) socket.terminate();
      else if (peer.requests.some(({ revision }) => revision === "1")) finish(socket);
    } else if (request.do === "open") {
      assert.equal(request.mode, "open_existing");
      reply(socket, request, { created: false, document: body(2, { n: "mine" }) });
      if (writes.length === 2) finish(socket);
    }
  };
  const finish = (socket) => {
    assert.deepEqual(seen, []);
    reply(socket, writes[1], { document: body(2), repeated: true });
  };
  assert.deepEqual(await document.set({ n: "mine" }), { n: "mine" });
  await when(document, () => seen.length === 1);
  assert.deepEqual(seen.map(({ data, isLocal }) => [data.n, isLocal]), [["mine", true]]);
  assert.equal(writes[0].op, writes[1].op);
});

test("on another connection the event of a write can come before its reply", async (t) => {
  const { peer, client } = await connectToPeer(t, { eventQueue: 1 });
  const document = await client.document();
  const seen = record(document);
  let first;
  peer.onRequest = (socket, request) => {
    if (request.do === "set" && first === undefined) {
      first = request;
      socket.terminate();
    } else if (request.do === "open") {
      reply(socket, request, { created: false, document: body(1) });
    } else if (request.do === "set") {
      // The first attempt was applied after `open`, and before the second came.
      send(socket, updated(2, { n: "mine" }));
      send(socket, updated(3, { n: "theirs" }));
      reply(socket, request, { document: body(2), repeated: true });
    }
  };
  await document.set({ n: "mine" });
  await when(document, () => seen.length === 2);
  assert.deepEqual(seen.map(({ data, isLocal }) => [data.n, isLocal]), [
    ["mine", true],
    ["theirs", false],
  ]);
});

describe("a data set that was restored from a backup", () => {
  test("mutate takes the older state that refuses it, and goes on", async (t) => {
    const { peer, client } = await connectToPeer(t);
    const document = await client.document();
    const seen = record(document);
    let newest = { revision: 9, data: { n: 9 } };
    peer.onRequest = (socket, request) => {
      const { id, if_match: ifMatch, data } = request;
      if (request.do === "get") {
        reply(socket, request, { document: body(newest.revision, newest.data) });
        return;
      }
      if (ifMatch !== undefined && ifMatch !== String(newest.revision)) {
        const state = body(newest.revision, newest.data);
        const error = { code: 54103, status: 412, message: "old", retry: false, document: state };
        send(socket, { id, error });
        return;
      }
      newest = { revision: newest.revision + 1, data };
      reply(socket, request, { document: body(newest.revision) });
      send(socket, updated(newest.revision, data));
    };
    await document.mutate(({ n }) => ({ n: (n ?? 0) + 1 }));
    assert.equal(document.revision, "10");
    newest = { revision: 5, data: { n: 5 } };
    assert.deepEqual(await document.mutate(({ n }) => ({ n: n + 1 })), { n: 6 });
    assert.deepEqual([document.revision, document.data], ["6", { n: 6 }]);
    await when(document, () => seen.at(-1)?.data.n === 6);
    assert.deepEqual(
      seen.map(({ data, previousData, isLocal }) => [previousData.n, data.n, isLocal]),
      [
        [undefined, 10, true],
        [10, 5, false],
        [5, 6, true],
      ],
    );
  });

  test("a refusal that was overtaken by events is not taken for it", async (t) => {
    const { peer, client } = await connectToPeer(t);
    const document = await client.document();
    peer.onRequest = (socket, request) => {
      send(socket, updated(7, { n: 7 }));
      const state = body(6, { n: 6 });
      const error = { code: 54103, status: 412, message: "old", retry: false, document: state };
      send(socket, { id: request.id, error });
    };
    const refusal = await rejection(document.set({}, { ifMatch: "1" }));
    assert.equal(refusal.status, 412);
    assert.deepEqual([document.revision, document.data], ["7", { n: 7 }]);
  });

  test("the older state is taken on the next connection too", async (t) => {
    const { peer, client } = await connectToPeer(t);
    const document = await client.document();
    peer.onRequest = (socket, request) => {
      reply(socket, request, { document: body(9) });
      send(socket, updated(9, { n: 9 }));
    };
    await document.set({ n: 9 });
    const expected = next(document, "updated");
    peer.onRequest = (socket, request) => {
      if (request.do === "set") socket.terminate();
      else reply(socket, request, { created: false, document: body(5, { n: 5 }) });
    };
    document.set({ n: 10 }).catch(() => {});
    await expected;
    await when(document, ({ revision }) => revision === "5");
    assert.deepEqual(document.data, { n: 5 });
  });
});

test("no more than 10,000 requests wait for their replies", async (t) => {
  const { client } = await connectToPeer(t);
  for (let waiting = 0; waiting < 10_000; waiting += 1) client.document("name").catch(() => {});
  const refusal = await rejection(client.document("name"));
  assert.deepEqual([refusal.code, refusal.status, refusal.retry], [54009, 429, true]);
});

for (const code of [1012, 4000]) {
  test(`close code ${code}: the client connects again`, async (t) => {
    const { peer, client } = await connectToPeer(t);
    let connections = 0;
    peer.onConnection = (socket) => {
      connections += 1;
      if (connections === 1) socket.close(code, "a reason");
    };
    const error = await next(client, "connectionError");
    assert.deepEqual(error, { terminal: false, message: "a reason" });
    await client.document();
    assert.equal(connections, 2);
  });
}

for (const code of [4500]) {
  test(`close code ${code}: the client does not connect again`, async (t) => {
    const { peer, client } = await connectToPeer(t);
    const document = await client.document();
    const reading = rejection(document.events().next());
    peer.onRequest = (socket) => socket.close(code, "a reason");
    const refusal = await rejection(document.set({ n: 1 }));
    assert.deepEqual([refusal.closeCode, refusal.retry], [code, false]);
    assert.equal(await reading, refusal);
    assert.equal(client.connectionState, "error");
    assert.equal(await rejection(client.document()), refusal);
    assert.equal(await rejection(client.updateToken("another")), refusal);
  });
}

for (const [what, answer] of [
  ["no JSON", (socket) => socket.send("nonsense")],
  ["a binary message", (socket) => socket.send(Buffer.from("{}"))],
  ["a reply without a document", (socket, request) => reply(socket, request, {})],
  ["a document without a revision", (socket, request) => reply(socket, request, { document: {} })],
  ["an error without a code", (socket, { id }) => send(socket, { id, error: {} })],
  ["a message that is too long", (socket) => socket.send(`"${"x".repeat(5 * 2 ** 20)}"`)],
]) {
  test(`${what} is weather: the client connects again, and asks again`, async (t) => {
    const { peer, client } = await connectToPeer(t);
    let asked = 0;
    peer.onRequest = (socket, request) => {
      asked += 1;
      if (asked === 1) answer(socket, request);
      else reply(socket, request, { created: true, document: body(1, {}) });
    };
    const error = next(client, "connectionError");
    await client.document();
    assert.match((await error).message, /does not speak syncline\.v1/);
    assert.equal((await error).terminal, false);
  });
}

test("a server that speaks another sub-protocol is none", async (t) => {
  const { client } = await connectToPeer(t, {}, { handleProtocols: () => false });
  const error = await next(client, "connectionError");
  assert.equal(error.terminal, false);
});

test("a server that is silent is asked for a sign of life, and then left", async (t) => {
  const { peer, client } = await connectToPeer(t, { pingInterval: 20, pingTimeout: 20 });
  const pinged = new Promise((resolve) => {
    peer.onConnection = (socket) => {
      socket.removeAllListeners("message");
      socket.once("message", (text) => resolve(JSON.parse(text).do));
    };
  });
  const error = await next(client, "connectionError");
  assert.equal(await pinged, "ping");
  assert.deepEqual(error, { terminal: false, message: "the server is silent" });
});

test("a server that answers pings is kept", async (t) => {
  const { peer, client } = await connectToPeer(t, { pingInterval: 5, pingTimeout: 1_000 });
  client.on("connectionError", (error) => assert.fail(error.message));
  const { requests } = peer;
  await new Promise((resolve) => {
    peer.requests = { push: (request) => requests.push(request) === 4 && resolve() };
  });
  assert.deepEqual(requests.map((request) => request.do), ["auth", "ping", "ping", "ping"]);
});

test("pauses grow up to the limit, until a connection has stood for a while", async (t) => {
  const pauses = [];
  const { setTimeout: real } = globalThis;
  t.mock.method(Math, "random", () => 0.999);
  t.mock.method(globalThis, "setTimeout", (callback, time) => {
    if (time < 30) pauses.push(time);
    return real(callback, time);
  });
  let clock = 0;
  t.mock.method(performance, "now", () => clock);
  const { peer, client } = await connectToPeer(t, { backoffInitial: 3, backoffLimit: 20 });
  let connections = 0;
  client.on("connectionStateChanged", (state) => {
    if (state === "connected" && connections === 6) clock += 5_000;
  });
  await new Promise((resolve) => {
    peer.onConnection = (socket) => {
      connections += 1;
      if (connections === 8) resolve();
      else socket.close(4000);
    };
  });
  await whenState(client, "connected");
  assert.deepEqual(
    pauses.map((pause) => Math.round(pause)),
    [3, 6, 12, 20, 20, 3, 6],
  );
});

test("more requests than may wait are refused", async (t) => {
  const { peer, client } = await connectToPeer(t);
  const document = await client.document();
  peer.onRequest = () => {};
  const waiting = Array.from({ length: 10_000 }, () => rejection(document.increment("/n")));
  const refusal = await rejection(document.increment("/n"));
  assert.deepEqual([refusal.status, refusal.code, refusal.retry], [429, 54009, true]);
  await client.shutdown();
  assert.equal(new Set((await Promise.all(waiting)).map(({ message }) => message)).size, 1);
});
