/** The store that the framework bindings share: open objects as snapshots, against a real server. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { SynclineError } from "../../clients/js/src/syncline.js";
import { Store, storeOf } from "../../clients/js/src/store.js";
import { share, shareShallow } from "../../clients/js/src/store/sharing.js";
import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { WebSocket, connect, freshName, next, rejection, until, whenState } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

/** A client that records what it opens by name, and how often it unsubscribes. */
function connectRecording(t, options) {
  const sent = { opened: [], unsubscribed: 0 };
  class Recording extends WebSocket {
    send(text, ...more) {
      const { do: verb, mode, document } = JSON.parse(text);
      // After an `unsubscribe` the client opens by SID what was opened meanwhile.
      if (verb === "open" && mode !== "open_existing") sent.opened.push(document);
      if (verb === "unsubscribe") sent.unsubscribed += 1;
      super.send(text, ...more);
    }
  }
  return { client: connect(t, server, { WebSocket: Recording, ...options }), sent };
}

/** Resolved as soon as a snapshot of the source is as asked for; the test subscribes meanwhile. */
function seen(source, condition) {
  return new Promise((resolve) => {
    const unsubscribe = source.subscribe(() => check());
    const check = () => {
      const snapshot = source.getSnapshot();
      if (!condition(snapshot)) return;
      unsubscribe();
      resolve(snapshot);
    };
    check();
  });
}

const isReady = ({ status }) => status === "ready";
const has = (status) => (snapshot) => snapshot.status === status;

test("subscribers of one object share one handle, which is closed after the last one", async (t) => {
  const { client, sent } = connectRecording(t);
  const store = new Store(client, { grace: 0 });
  const name = freshName(t);
  const [one, other] = [store.document(name), store.document(name, { data: { other: true } })];
  const leave = one.subscribe(() => {});
  const { data } = await seen(other, isReady);
  assert.equal(one.getSnapshot().data, data);
  leave();
  leave();
  await until(() => sent.unsubscribed === 1);
  assert.deepEqual(sent.opened, [name]);
});

test("nothing is opened for a subscriber that leaves in the same turn", async (t) => {
  const { client, sent } = connectRecording(t);
  const source = new Store(client).document(freshName(t));
  for (let each = 0; each < 3; each += 1) source.subscribe(() => {})();
  await client.map(freshName(t));
  assert.deepEqual(sent, { opened: [undefined], unsubscribed: 0 });
  assert.equal(source.getSnapshot().status, "loading");
});

test("a subscriber that comes back soon has the data at once", async (t) => {
  const { client, sent } = connectRecording(t);
  const store = storeOf(client);
  assert.equal(storeOf(client), store);
  const name = freshName(t);
  const { data } = await seen(store.document(name, { data: { a: 1 } }), isReady);
  const again = store.document(name);
  assert.deepEqual(again.getSnapshot(), { status: "ready", data, error: null, removal: null });
  assert.equal(again.getSnapshot(), again.getSnapshot());
  await seen(again, isReady);
  assert.deepEqual(sent, { opened: [name], unsubscribed: 0 });
});

test("a subscriber that leaves while the object is being opened leaves nothing open", async (t) => {
  const { client, sent } = connectRecording(t);
  const store = new Store(client, { grace: 0 });
  const name = freshName(t);
  const leave = store.document(name).subscribe(() => {});
  await whenState(client, "connected");
  leave();
  // Its `open` may have left already; then it is undone.
  await until(() => sent.unsubscribed === sent.opened.length);
  await client.map(name);
  assert.equal(sent.unsubscribed, sent.opened.filter((each) => each === name).length);
});

test("data is frozen, and keeps the identity of what did not change", async (t) => {
  const store = storeOf(connect(t, server));
  const source = store.document(freshName(t), { data: { a: { b: [1, { c: 2 }] }, d: [3] } });
  const stop = source.subscribe(() => {});
  const first = await seen(source, isReady);
  assert.throws(() => first.data.a.b.push(4), TypeError);
  const { d } = first.data;
  await source.methods.update({ a: { b: [1, { c: 5 }] } });
  const second = source.getSnapshot();
  assert.deepEqual(second.data, { a: { b: [1, { c: 5 }] }, d: [3] });
  assert.equal(second.data.d, d);
  await source.methods.setTtl(60);
  assert.equal(source.getSnapshot(), second);
  stop();
});

test("equal data is shared, whatever it is", () => {
  const previous = share(undefined, JSON.parse('{"a":[{"x":1},{"y":null}],"__proto__":{"p":1}}'));
  const copy = () => JSON.parse(JSON.stringify(previous));
  assert.equal(share(previous, copy()), previous);
  const changed = share(previous, { ...copy(), a: [{ x: 1 }] });
  assert.notEqual(changed, previous);
  assert.equal(changed.a[0], previous.a[0]);
  for (const [before, after] of [
    [[], {}],
    [{}, []],
    [{ a: 1 }, {}],
    [{}, { a: 1 }],
    [[1], [1, 2]],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }],
    [null, {}],
    [{ toString: 1 }, { valueOf: 1 }],
  ]) {
    const had = share(undefined, before);
    const result = share(had, after);
    assert.notEqual(result, had);
    assert.equal(JSON.stringify(result), JSON.stringify(after));
    assert.ok(Object.isFrozen(result));
  }
  assert.equal(shareShallow(previous, { ...previous }), previous);
  assert.notEqual(shareShallow(previous, { a: 1 }), previous);
});

test("items keep their identity, and a change reaches only its subscribers", async (t) => {
  const store = storeOf(connect(t, server));
  const name = freshName(t);
  const map = store.map(name);
  const stop = map.subscribe(() => {});
  await seen(map, isReady);
  await map.methods.batch((batch) => batch.set("a", { n: 1 }).set("b", { n: 1 }));
  const before = await seen(map, ({ keys }) => keys.length === 2);
  const counts = { a: 0, b: 0, keys: 0 };
  const sources = { a: store.mapItem(name, "a"), b: map.methods.item("b"), keys: store.mapKeys(name) };
  for (const [each, source] of Object.entries(sources)) {
    let last = source.getSnapshot();
    source.subscribe(() => {
      if (source.getSnapshot() !== last) counts[each] += 1;
      last = source.getSnapshot();
    });
  }
  await sources.a.methods.increment("/n");
  const { items } = await seen(map, (snapshot) => snapshot.items[0].data.n === 2);
  assert.equal(items[1], before.items[1]);
  assert.equal(map.getSnapshot().keys, before.keys);
  assert.deepEqual(counts, { a: 1, b: 0, keys: 0 });
  assert.equal(sources.a.getSnapshot().item, items[0]);
  assert.equal(sources.a.getSnapshot().data.n, 2);
  await sources.b.methods.remove();
  await seen(map, ({ keys }) => keys.length === 1);
  assert.deepEqual(counts, { a: 1, b: 1, keys: 1 });
  assert.deepEqual(sources.b.getSnapshot(), {
    status: "ready", item: undefined, data: undefined, error: null, removal: null,
  });
  stop();
});

test("own writes are shown when their promises are resolved", async (t) => {
  const store = storeOf(connect(t, server));
  const name = freshName(t);
  const map = store.map(name);
  const list = store.list(name);
  const stops = [map.subscribe(() => {}), list.subscribe(() => {})];
  await Promise.all([seen(map, isReady), seen(list, isReady)]);
  await map.methods.set("a", { n: 1 });
  assert.deepEqual(map.getSnapshot().items.map(({ data }) => data), [{ n: 1 }]);
  const { index } = await list.methods.push({ n: 2 });
  assert.deepEqual(list.getSnapshot().indexes, [index]);
  await map.methods.increment("a", "/n");
  assert.equal(map.methods.item("a").getSnapshot().data.n, 2);
  await map.methods.remove("a");
  assert.deepEqual(map.getSnapshot().keys, []);
  for (const stop of stops) stop();
});

test("lists have indexes, and streams keep the newest messages", async (t) => {
  const store = storeOf(connect(t, server));
  const name = freshName(t);
  const list = store.list(name);
  const { index } = await list.methods.push({ n: 1 });
  const { items, indexes } = await seen(list, (snapshot) => snapshot.items.length === 1);
  assert.deepEqual([items[0].index, items[0].data, indexes], [index, { n: 1 }, [index]]);
  assert.equal((await seen(store.listItem(name, index), isReady)).data, items[0].data);

  const stream = store.stream(name, { keep: 2 });
  const received = [];
  const stop = stream.onMessage(({ data, isLocal }) => received.push([data.n, isLocal]));
  for (const n of [1, 2, 3]) await stream.methods.publishMessage({ n });
  const { messages } = await seen(stream, (snapshot) => snapshot.messages.at(-1)?.data.n === 3);
  assert.deepEqual(messages.map(({ data }) => data.n), [2, 3]);
  assert.deepEqual(received, [[1, true], [2, true], [3, true]]);
  stop();
});

test("an error is shown, rejects writes, and ends when the object can be opened", async (t) => {
  const client = connect(t, server);
  const name = freshName(t);
  const source = storeOf(client).document(name, { mode: "open_existing" });
  const stop = source.subscribe(() => {});
  const failed = await seen(source, has("error"));
  assert.equal(failed.error.status, 404);
  assert.equal(failed.data, undefined);
  assert.equal((await rejection(source.methods.update({}))).status, 404);
  await client.document(name);
  source.reopen();
  assert.equal(source.getSnapshot().status, "loading");
  await seen(source, isReady);
  stop();
});

test("an invalid name is an error, and no name is none", async (t) => {
  const store = storeOf(connect(t, server));
  assert.ok((await seen(store.document("\ud800"), has("error"))).error instanceof SynclineError);
  for (const name of [null, undefined, ""]) {
    const idle = store.document(name, { initial: { a: 1 } });
    idle.subscribe(() => {})();
    assert.deepEqual(idle.getSnapshot(), {
      status: "idle", data: undefined, error: null, removal: null,
    });
    await assert.rejects(idle.methods.update({}), TypeError);
  }
});

test("initial data is shown while the document is loading only", async (t) => {
  const store = storeOf(connect(t, server));
  const initial = { a: 1 };
  const found = store.document(freshName(t), { initial });
  assert.equal(found.getSnapshot().data, initial);
  assert.deepEqual((await seen(found, isReady)).data, {});
  const missing = store.document(freshName(t), { initial, mode: "open_existing" });
  assert.equal((await seen(missing, has("error"))).data, undefined);
});

test("a token or an address that no client takes is an error", async (t) => {
  const store = Store.of({ token: server.token("alice"), url: "ftp://example.com" });
  const stop = store.connection.subscribe(() => {});
  const { error } = await seen(store.document(freshName(t)), has("error"));
  assert.ok(error instanceof TypeError);
  assert.deepEqual(store.connection.getSnapshot(), {
    state: "error",
    error: { terminal: true, message: error.message },
  });
  stop();
});

test("a subscriber that throws does not harm the others", async (t) => {
  const store = storeOf(connect(t, server));
  const source = store.document(freshName(t));
  const { error } = console;
  t.after(() => Object.assign(console, { error }));
  const logged = [];
  console.error = (...given) => logged.push(given);
  source.subscribe(() => {
    throw new Error("no");
  });
  await seen(source, isReady);
  assert.equal(logged.length, 1);
});

test("a removed object says so, and can be opened again", async (t) => {
  const store = storeOf(connect(t, server));
  const source = store.map(freshName(t));
  const stop = source.subscribe(() => {});
  await seen(source, isReady);
  await source.methods.removeMap();
  const { removal, keys } = await seen(source, has("removed"));
  assert.deepEqual([removal.isLocal, keys], [true, []]);
  assert.equal((await rejection(source.methods.set("a", {}))).status, 404);
  source.reopen();
  await seen(source, isReady);
  stop();
});

test("a write opens the object for itself", async (t) => {
  const { client, sent } = connectRecording(t);
  const store = new Store(client, { grace: 0 });
  const name = freshName(t);
  assert.deepEqual(await store.document(name).methods.update({ a: 1 }), { a: 1 });
  await until(() => sent.unsubscribed === 1);
  assert.deepEqual(sent.opened, [name]);
});

test("what fails while the client is away is opened when it is back", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  const client = connect(t, server, { url: proxy.url, requestTimeout: 300 });
  const store = storeOf(client);
  await whenState(client, "connected");
  const broken = next(client, "connectionError");
  proxy.isDown = true;
  proxy.cut();
  await broken;
  const source = store.document(freshName(t));
  const stop = source.subscribe(() => {});
  const { error } = await seen(source, (snapshot) => snapshot.error !== null);
  assert.deepEqual([source.getSnapshot().status, error.retry], ["loading", true]);
  assert.equal(store.connection.getSnapshot().error.terminal, false);
  proxy.isDown = false;
  assert.equal((await seen(source, isReady)).error, null);
  assert.deepEqual(store.connection.getSnapshot(), { state: "connected", error: null });
  stop();
});

test("objects of a client without a token are errors until it has one", async (t) => {
  const client = connect(t, server, { token: server.token("alice", -60) });
  const source = storeOf(client).document(freshName(t));
  const stop = source.subscribe(() => {});
  assert.equal((await seen(source, has("error"))).error.status, 401);
  await client.updateToken(server.token("alice"));
  await seen(source, isReady);
  stop();
});

test("the end of the client is the end of its objects", async (t) => {
  const client = connect(t, server);
  const source = storeOf(client).document(freshName(t));
  source.subscribe(() => {});
  await seen(source, isReady);
  await client.shutdown();
  assert.deepEqual([source.getSnapshot().status, source.getSnapshot().data], ["error", undefined]);
});

test("a store makes its client when it is needed, and shuts it down when it is not", async (t) => {
  const made = [];
  const store = new Store(
    () => {
      made.push(connect(t, server));
      return made.at(-1);
    },
    { grace: 0 },
  );
  const source = store.document(freshName(t));
  store.retain()();
  assert.equal(source.getSnapshot().status, "loading");
  assert.equal(store.client, null);
  const release = store.retain();
  await seen(source, isReady);
  const { subscribe, getSnapshot } = store.connection;
  assert.equal(getSnapshot().state, "connected");
  const ended = new Promise((resolve) => {
    subscribe(() => getSnapshot().state === "connecting" && resolve());
  });
  release();
  await ended;
  assert.deepEqual(made.map(({ connectionState }) => connectionState), ["disconnected"]);
});

test("a store without a client opens nothing", async (t) => {
  const source = Store.of({ client: null }).map(freshName(t));
  source.subscribe(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(source.getSnapshot(), source.getInitialSnapshot());
  assert.throws(() => Store.of({}), TypeError);
  const client = connect(t, server);
  assert.equal(Store.of({ client }), storeOf(client));
  assert.ok(Store.of({ token: "a.b.c", url: server.url }) instanceof Store);
});
