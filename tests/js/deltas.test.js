/** Events that carry only what has changed, and how a client gets over those it cannot use. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { canonical, digest } from "../../clients/js/src/syncline/canonical.js";
import { apply, Inapplicable } from "../../clients/js/src/syncline/deltas.js";
import { body, Peer, reply, send, SID, TOKEN, updated } from "./peer.js";
import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, record, when } from "./support.js";
import { each } from "./vectors.js";
import { open, whenSubscribed } from "./vendor-sdk.js";

/** An event whose delta makes `at` the revision; `members` in the place of the delta. */
function changed(revision, { previous = revision - 1, ...members } = {}) {
  const { event, document } = updated(revision);
  delete document.data;
  const delta = {
    operations: [{ op: "replace", path: "/at", value: revision }],
    digest: digest({ at: revision }),
  };
  const expected = Object.keys(members).length > 0 ? members : { delta };
  return { event, document: { ...document, previous_revision: String(previous), ...expected } };
}

/** A client with one document at revision 1, and the scripted server that it is connected to. */
async function scene(t, options) {
  const peer = await Peer.start();
  const asked = [];
  const wishes = [];
  peer.onRequest = (socket, request) => {
    if (request.do !== "open") return;
    if (request.op === undefined) {
      asked.push(request);
      wishes.shift()?.(socket, request);
    } else {
      peer.socket = socket;
      reply(socket, request, { created: true, document: body(1, { at: 1 }) });
    }
  };
  const client = connect(t, { url: peer.url, token: () => TOKEN }, {
    transport: "websocket",
    backoffInitial: 5,
    ...options,
  });
  t.after(() => peer.stop());
  const document = await client.document("name");
  /** The next request for the whole state; to be answered by `answer`. */
  const whole = (answer) => new Promise((resolve) => {
    wishes.push((socket, request) => {
      answer?.(socket, request);
      resolve({ socket, request });
    });
  });
  return { peer, client, document, seen: record(document), asked, whole };
}

const UNUSABLE = {
  "another outcome": changed(2, { delta: { operations: [], digest: digest({ at: 2 }) } }),
  "no such member": changed(2, {
    delta: { operations: [{ op: "remove", path: "/no" }], digest: "00000000" },
  }),
  nonsense: changed(2, { delta: "nonsense" }),
  nothing: changed(2, { date_expires: null }),
  "another base": changed(2, { previous: 0 }),
};

each("deltas", ({ before: data, operations, digest: meant, after: expected, repeat }) => {
  const all = repeat === undefined ? operations : Array(repeat).fill(operations).flat();
  const delta = { operations: all, digest: meant };
  if (expected === null) {
    assert.throws(() => apply(data, delta), Inapplicable);
  } else {
    apply(data, delta);
    assert.equal(canonical(data), canonical(expected));
  }
  assert.equal({}.polluted ?? [].polluted ?? "".polluted, undefined);
});

test("members that an operation inherits do not count", () => {
  const operation = Object.create({ op: "add", path: "/x", value: 1 });
  const delta = { operations: [operation], digest: digest({}) };
  assert.throws(() => apply({}, delta), Inapplicable);
});

test("deltas are asked for, unless the application does not want them", async (t) => {
  for (const options of [{}, { deltas: true }, { deltas: false }]) {
    const { peer } = await scene(t, options);
    assert.equal(peer.requests[0].deltas, options.deltas === false ? undefined : true);
  }
});

test("each leads from the state of the last event to its own", async (t) => {
  const { peer, document, seen } = await scene(t);
  const states = [document.data];
  for (const message of [changed(2), changed(3), updated(4, { at: 4 }), changed(5)]) {
    const received = next(document, "updated");
    send(peer.socket, message);
    const { data, previousData } = await received;
    assert.deepEqual(previousData, states.at(-1));
    states.push(data);
  }
  assert.deepEqual(states, [1, 2, 3, 4, 5].map((at) => ({ at })));
  assert.deepEqual(seen.map(({ revision }) => revision), ["2", "3", "4", "5"]);
});

test("data that was handed out does not change, and changing it changes nothing", async (t) => {
  const { peer, document } = await scene(t);
  const first = document.data;
  first.mine = true;
  let received = next(document, "updated");
  send(peer.socket, changed(2));
  const event = await received;
  event.data.mine = event.previousData.mine = true;
  received = next(document, "updated");
  send(peer.socket, changed(3));
  await received;
  assert.deepEqual(first, { at: 1, mine: true });
  assert.deepEqual(document.data, { at: 3 });
});

for (const [name, message] of Object.entries(UNUSABLE)) {
  test(`an event that cannot be used is not shown, and the whole asked for: ${name}`, async (t) => {
    const { peer, document, seen, whole } = await scene(t);
    const request = whole();
    send(peer.socket, message);
    const first = await request;
    const { id, ...members } = first.request;
    assert.deepEqual(members, { do: "open", document: SID, mode: "open_existing" });
    // They begin where the server thinks that the client is; the reply is older than the last.
    send(peer.socket, changed(3));
    send(peer.socket, changed(4));
    const second = whole();
    reply(first.socket, { id }, { created: false, document: body(3, { at: 3 }) });
    const again = await second;
    assert.equal("revision" in again.request, false);
    reply(again.socket, again.request, { created: false, document: body(4, { at: 4 }) });
    await when(document, ({ revision }) => revision === "4");
    send(peer.socket, changed(5));
    await when(document, ({ revision }) => revision === "5");
    assert.deepEqual(seen.map(({ data }) => data.at), [3, 4, 5]);
  });

  test(`after a break it is asked for on the next connection: ${name}`, async (t) => {
    const { peer, document, asked, whole } = await scene(t);
    const request = whole();
    send(peer.socket, message);
    const { socket } = await request;
    const next = whole((on, { id }) => {
      reply(on, { id }, { created: false, document: body(3, { at: 3 }) });
    });
    socket.terminate();
    await next;
    await when(document, ({ revision }) => revision === "3");
    assert.deepEqual(asked.map((each) => "revision" in each), asked.map(() => false));
  });
}

test("a document that is gone by then is reported as removed", async (t) => {
  const { peer, document, whole } = await scene(t);
  const removed = next(document, "removed");
  whole((socket, { id }) => {
    const error = { code: 54100, status: 404, message: "no", retry: false };
    send(socket, { id, error });
  });
  send(peer.socket, UNUSABLE.nothing);
  assert.deepEqual((await removed).previousData, { at: 1 });
});

test("the event of an own write may say nothing, and deltas go on from it", async (t) => {
  const { peer, document, seen, asked } = await scene(t);
  peer.onRequest = (socket, request) => {
    // Somebody else was quicker: that event has to wait for the reply.
    reply(socket, request, { document: body(3) });
    send(socket, changed(2));
    send(socket, changed(3, { date_expires: null }));
    send(socket, changed(4));
  };
  await document.set({ at: 3 });
  await when(document, () => seen.length === 3);
  assert.deepEqual(
    seen.map(({ data, previousData, isLocal }) => [previousData.at, data.at, isLocal]),
    [[1, 2, false], [2, 3, true], [3, 4, false]],
  );
  assert.deepEqual(asked, []);
});

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server.stop());

test("all clients end with the same data, whatever the network does", async (t) => {
  const kinds = [{}, {}, { deltas: false }, { transport: "rest" }];
  const proxies = await Promise.all(kinds.map(() => Proxy.start(server.url)));
  t.after(() => Promise.all(proxies.map((proxy) => proxy.stop())));
  const name = freshName(t);
  const documents = await Promise.all(
    kinds.map((options, n) => {
      const limits = { backoffInitial: 50, backoffLimit: 200 };
      const at = { url: proxies[n].url, token: () => server.token(`client${n}`) };
      return connect(t, at, { identity: `client${n}`, ...limits, ...options }).document(name);
    }),
  );
  const vendor = open(t, server, { identity: "vendor" });
  const theirs = await whenSubscribed(await vendor.document(name));
  const items = Array.from({ length: 60 }, (_, n) => ({ n, text: ".".repeat(20) }));
  await documents[0].set({ items });
  const seen = documents.map(() => new Map());
  for (const [n, document] of documents.entries()) {
    document.on("updated", ({ revision, data }) => seen[n].set(revision, JSON.stringify(data)));
  }
  // Not by the clock: where a machine is slow, a connection would never last until its first reply.
  const cutSoon = (n) => setTimeout(() => proxies[n].cut(), Math.random() * 40);

  const proto = JSON.parse('{"__proto__":{"polluted":true}}');
  const edit = async (document, round) => {
    const place = (round * 7) % 30;
    const operation = { op: "move", from: `/items/${place}`, path: "/items/0" };
    if (round % 4 === 0) await document.increment(`/items/${place}/n`);
    else if (round % 4 === 1) await document.patch({ operations: [operation] });
    else if (round % 4 === 2) await document.update({ [`~/${round % 9}`]: proto });
    else await document.mutate((data) => ({ ...data, round, big: 1e21, small: 1e-7 }));
  };
  await Promise.all([
    ...documents.map(async (document, n) => {
      for (let round = 0; round < 60; round += 1) {
        if (round % 3 === 0) cutSoon(n);
        await edit(document, round);
      }
    }),
    (async () => {
      for (let round = 0; round < 60; round += 1) {
        await theirs.mutate((data) => ({ ...data, vendor: round }));
      }
    })(),
  ]);
  const last = await documents[0].patch({ merge: { last: true } });
  await Promise.all(documents.map((document) => when(document, ({ data }) => data.last)));
  await when(theirs, ({ data }) => data.last);
  for (const document of documents) assert.deepEqual(document.data, last);
  assert.deepEqual(theirs.data, last);
  assert.equal({}.polluted, undefined);
  for (const [revision, data] of seen[0]) {
    for (const states of seen.slice(1)) {
      if (states.has(revision)) assert.deepEqual(JSON.parse(states.get(revision)), JSON.parse(data));
    }
  }
});
