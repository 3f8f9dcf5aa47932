/** Replicas of lists and maps, parts, and what breaks do to them, against a real server. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, recordItems, rejection, until } from "./support.js";

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

/** Break the connection, do the work, and let the client connect again. */
async function away(proxy, client, work) {
  const broken = next(client, "connectionError");
  proxy.isDown = true;
  proxy.cut();
  await broken;
  await work();
  proxy.isDown = false;
}

/** Add items with these keys, in as few steps as possible. */
async function addAll(map, keys) {
  for (let place = 0; place < keys.length; place += 100) {
    await map.batch((batch) => {
      for (const key of keys.slice(place, place + 100)) batch.set(key, { key });
    });
  }
}

/** All items on the server: data by key. */
async function contents(collection) {
  const all = {};
  for await (const item of collection.items({ pageSize: 500 })) all[item.id] = item.data;
  return all;
}

function contentsOf(replica) {
  return Object.fromEntries(replica.items().map((item) => [item.id, item.data]));
}

function keysOf(count, prefix = "k") {
  return Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(4, "0")}`);
}

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: a replica has all items, in order, and stays current`, async (t) => {
    const id = freshName(t);
    const writer = await connect(t, server).map(id);
    await addAll(writer, keysOf(620));
    const map = await connect(t, server, { transport }).map(id);
    const replica = map.replica();
    const changes = recordItems(replica);
    assert.equal(replica.isComplete, false);
    await replica.ready;
    assert.equal(replica.size, 620);
    assert.deepEqual(replica.keys(), keysOf(620));
    assert.deepEqual(replica.get("k0007").data, { key: "k0007" });
    assert.equal(replica.get("missing"), undefined);
    assert.deepEqual(changes, [], "what was there before is not announced");

    await writer.set("k0003", { changed: true });
    await writer.remove("k0001");
    await map.set("z", {});
    await until(() => changes.length === 3);
    const [updated, removed, added] = changes;
    assert.deepEqual(updated.previousItemData, { key: "k0003" });
    assert.deepEqual(updated.item.data, { changed: true });
    assert.deepEqual([removed.key, removed.previousItemData], ["k0001", { key: "k0001" }]);
    assert.deepEqual([added.item.key, added.isLocal], ["z", true]);
    assert.equal(replica.has("k0001"), false);
    assert.deepEqual(replica.keys().at(-1), "z");
    assert.deepEqual(contentsOf(replica), await contents(writer));
    replica.close();
    await map.set("unseen", {});
    assert.equal(replica.has("unseen"), false);
  });
}

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: a replica shows own writes at once`, async (t) => {
    const client = connect(t, server, { transport });
    const [map, list] = [await client.map(), await client.list()];
    const [replica, tasks] = [map.replica(), list.replica()];
    await Promise.all([replica.ready, tasks.ready]);
    const shows = async (key, data, write) => {
      await write;
      assert.deepEqual(replica.get(key)?.data, data);
    };
    await shows("a", { n: 0 }, map.set("a", { n: 0 }));
    await shows("b", { n: 1 }, map.add("b", { n: 1 }));
    await shows("a", { n: 1 }, map.mutate("a", ({ n }) => ({ n: n + 1 })));
    await shows("a", { n: 1, m: 1 }, map.update("a", { m: 1 }));
    await shows("a", { n: 1 }, map.patch("a", { merge: { m: null } }));
    await shows("a", { n: 3 }, map.increment("a", "/n", 2));
    await shows("new", { x: 1 }, map.update("new", { x: 1 }));
    await map.setItemTtl("a", 600);
    assert.notEqual(replica.get("a").dateExpires, null);
    await shows("new", undefined, map.remove("new"));
    await map.batch((batch) => batch.set("a", { n: 9 }).set("c", { n: 8 }).remove("b"));
    assert.deepEqual(contentsOf(replica), { a: { n: 9 }, c: { n: 8 } });
    await map.batch([{ op: "update", key: "c", ttl: 600 }]);
    assert.notEqual(replica.get("c").dateExpires, null);
    const { index } = await list.push({ n: 1 });
    assert.deepEqual(tasks.get(index).data, { n: 1 });
    await list.set(index, { n: 2 });
    assert.deepEqual(tasks.get(index).data, { n: 2 });
    await list.remove(index);
    assert.equal(tasks.size, 0);
  });

  test(`${transport}: an item sets the expiry of the whole`, async (t) => {
    const map = await connect(t, server, { transport }).map();
    const other = await connect(t, server, { transport }).map(map.sid);
    const seen = [[], []];
    for (const [place, each] of [map, other].entries()) {
      each.on("expiry", ({ dateExpires }) => seen[place].push([dateExpires, each.dateExpires]));
    }
    const both = (count) => until(() => seen.every(({ length }) => length === count));
    await map.set("a", {}, { collectionTtl: 600 });
    await both(1);
    await map.set("a", {}, { collectionTtl: 0 });
    await both(2);
    await map.set("a", {});
    await map.setTtl(600);
    await both(3);
    for (const notices of seen) {
      for (const [announced, known] of notices) assert.equal(announced, known);
      assert.deepEqual(notices.map(([at]) => at === null), [false, true, false]);
    }
  });
}

test("what happened during a break is announced, once, and own writes as own", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const id = freshName(t);
  const other = await connect(t, server).map(id);
  await addAll(other, keysOf(250));
  const map = await client.map(id);
  const replica = map.replica();
  await replica.ready;
  const [events, changes] = [recordItems(map), recordItems(replica)];
  let written;
  await away(proxy, client, async () => {
    await addAll(other, keysOf(250));
    await other.remove("k0000");
    written = map.set("mine", { n: 1 });
  });
  await written;
  await until(() => changes.length >= 251);
  assert.deepEqual(contentsOf(replica), await contents(other));
  assert.equal(changes.length, 251);
  assert.deepEqual(changes.filter(({ isLocal }) => isLocal).map(({ item }) => item.key), ["mine"]);
  const shown = ({ type, item, key }) => [type, item?.key ?? key];
  assert.deepEqual(events.map(shown), changes.map(shown));
});

test("an own write whose reply was lost is applied and announced once", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const map = await client.map(freshName(t));
  const added = next(map, "itemAdded");
  await map.set("n", { n: 0 });
  await added;
  const events = recordItems(map);
  proxy.swallowsReplies = true;
  const swallowed = proxy.swallowed();
  const written = map.increment("n", "/n");
  await swallowed;
  proxy.swallowsReplies = false;
  proxy.cut();
  assert.deepEqual((await written).data, { n: 1 });
  await map.increment("n", "/n");
  await until(() => events.length === 2);
  assert.deepEqual(events.map(({ item, isLocal }) => [item.data.n, isLocal]), [[1, true], [2, true]]);
});

test("a map that was removed during a break is announced as removed", async (t) => {
  const { proxy, client } = await connectThroughProxy(t);
  const id = freshName(t);
  const other = await connect(t, server).map(id);
  const map = await client.map(id);
  const replica = map.replica();
  await replica.ready;
  const removals = [next(map, "removed"), next(replica, "removed")];
  await away(proxy, client, () => other.removeMap());
  const [removed] = await Promise.all(removals);
  assert.deepEqual([removed.isLocal, removed.revision], [false, null]);
  assert.equal((await rejection(map.get("a"))).status, 404);
});

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: a part receives its own items, and parts do not disturb each other`, async (t) => {
    const id = freshName(t);
    const writer = await connect(t, server).map(id);
    await addAll(writer, ["a1", "a2", "b1", "c1"]);
    const client = connect(t, server, { transport });
    const keys = await client.map({ id, keys: ["a1", "c1", "new"] });
    const prefixed = await client.map({ id, prefix: "b" });
    const [ofKeys, ofPrefix] = [recordItems(keys), recordItems(prefixed)];
    const replicas = [keys.replica(), prefixed.replica()];
    await Promise.all(replicas.map(({ ready }) => ready));
    assert.deepEqual(replicas.map((replica) => replica.keys().join()), ["a1,c1", "b1"]);
    assert.deepEqual((await prefixed.getItems()).items.map(({ key }) => key), ["b1"]);
    const { items } = await keys.getItems({ order: "desc" });
    assert.deepEqual(items.map(({ key }) => key), ["c1", "a1"]);

    for (const key of ["a1", "a2", "b1", "b2", "new"]) await writer.set(key, { n: 2 });
    await until(() => ofKeys.length === 2 && ofPrefix.length === 2);
    assert.deepEqual(ofKeys.map(({ item }) => item.key), ["a1", "new"]);
    assert.deepEqual(ofPrefix.map(({ item }) => item.key), ["b1", "b2"]);
    assert.deepEqual(replicas.map((replica) => replica.keys().join()), ["a1,c1,new", "b1,b2"]);

    // A greater part later: what it lacks is read, and nothing is announced twice.
    const whole = keys.replica({ prefix: "a" });
    await whole.ready;
    assert.deepEqual(whole.keys(), ["a1", "a2"]);
    await writer.set("a2", { n: 3 });
    await writer.set("a1", { n: 3 });
    await until(() => ofKeys.length === 3);
    assert.deepEqual(whole.items().map(({ data }) => data.n), [3, 3]);
    assert.equal(ofPrefix.length, 2);
  });
}

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: parts that are opened at once miss nothing of each other`, async (t) => {
    const id = freshName(t);
    const writer = await connect(t, server).map(id);
    const client = connect(t, server, { transport });
    let isDone = false;
    const writing = (async () => {
      for (let n = 0; !isDone; n += 1) {
        await writer.batch((batch) => batch.set("a", { n }).set("b", { n }).set("c", { n }));
      }
    })();
    const parts = [{ keys: ["a"] }, { prefix: "b" }, { keys: ["c", "d"] }];
    const maps = await Promise.all(parts.map((part) => client.map({ id, ...part })));
    const replicas = maps.map((map) => map.replica());
    await Promise.all(replicas.map(({ ready }) => ready));
    isDone = true;
    await writing;
    const expected = await contents(writer);
    await until(() => replicas.every((replica) => replica.items()[0]?.data.n === expected.a.n));
    assert.deepEqual(replicas.map((replica) => replica.keys().join()), ["a", "b", "c"]);
  });
}

test("a part must be one", async (t) => {
  const client = connect(t, server);
  await assert.rejects(client.map({ id: "x", keys: [] }), TypeError);
  await assert.rejects(client.map({ id: "x", keys: "abc" }), TypeError);
  await assert.rejects(client.map({ id: "x", keys: ["a"], prefix: "b" }), TypeError);
  await assert.rejects(client.map({ id: "x", keys: keysOf(257) }), TypeError);
});
