/** Resets, the fallback and polling of lists, maps and streams, with real servers. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Proxy } from "./proxy.js";
import { startServer } from "./server.js";
import { connect, freshName, next, recordItems, until } from "./support.js";

let server;
before(async () => {
  // It remembers no removals: after a break in which items were removed, clients read all again.
  server = await startServer("--tombstones=0");
});
after(() => server?.stop());

async function proxied(t) {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  return proxy;
}

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: after a reset a replica announces the differences`, async (t) => {
    const proxy = await proxied(t);
    const id = freshName(t);
    const other = await connect(t, server).map(id);
    await other.batch((batch) => ["a", "b", "c"].forEach((key) => batch.set(key, { n: 1 })));
    const client = connect(t, server, { url: proxy.url, transport });
    const map = await client.map(id);
    const replica = map.replica();
    await replica.ready;
    const [events, changes] = [recordItems(map), recordItems(replica)];
    proxy.isDown = true;
    proxy.cut();
    await other.remove("a");
    await other.set("b", { n: 2 });
    await other.set("d", { n: 2 });
    proxy.isDown = false;
    await until(() => changes.length === 3 && replica.isComplete);
    const shown = ({ type, item, key, previousItemData }) =>
      [type, item?.key ?? key, previousItemData?.n];
    const expected = [["itemAdded", "d", undefined], ["itemRemoved", "a", 1], ["itemUpdated", "b", 1]];
    assert.deepEqual(changes.map(shown).sort(), expected);
    assert.deepEqual(replica.keys(), ["b", "c", "d"]);
    assert.deepEqual(events.map(({ type }) => type), ["reset"]);
    await other.set("e", {});
    await until(() => replica.has("e"));
    assert.equal(events.at(-1).type, "itemAdded");
  });
}

test("a replica goes on through the fallback and back", async (t) => {
  const proxy = await proxied(t);
  const id = freshName(t);
  const other = await connect(t, server).map(id);
  proxy.refusesUpgrades = true;
  const client = connect(t, server, { url: proxy.url, websocketRetry: 300 });
  const map = await client.map(id);
  assert.equal(client.transport, "rest");
  const replica = map.replica();
  await replica.ready;
  const changes = recordItems(replica);
  await other.set("a", {});
  await map.set("b", {});
  await until(() => changes.length === 2);
  proxy.refusesUpgrades = false;
  await until(() => client.transport === "websocket");
  await other.set("c", {});
  await map.increment("b", "/n");
  await until(() => changes.length === 4);
  const shown = changes.map(({ item, isLocal }) => [item.key, isLocal]);
  assert.deepEqual(shown, [["a", false], ["b", true], ["c", false], ["b", true]]);
});

test("over REST, maps beyond the limit of event streams are polled; streams never are", async (t) => {
  const client = connect(t, server, { transport: "rest", eventStreams: 1 });
  const other = connect(t, server);
  const ids = [1, 2].map((n) => `${freshName(t)} ${n}`);
  const maps = await Promise.all(ids.map((id) => client.map(id)));
  const stream = await client.stream(ids[0]);
  const received = next(stream, "messagePublished");
  await (await other.stream(ids[0])).publishMessage({ n: 1 });
  assert.deepEqual((await received).message.data, { n: 1 });
  const changed = maps.map((map) => next(map, "itemAdded"));
  for (const id of ids) await (await other.map(id)).set("a", { n: 2 });
  for (const { item } of await Promise.all(changed)) assert.deepEqual(item.data, { n: 2 });
});

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: after a break a stream brings what is published from then on`, async (t) => {
    const proxy = await proxied(t);
    const id = freshName(t);
    const other = await connect(t, server).stream(id);
    const client = connect(t, server, { url: proxy.url, transport });
    const stream = await client.stream({ id, ttl: 600 });
    const own = next(stream, "messagePublished");
    await stream.publishMessage({ own: true });
    assert.equal((await own).isLocal, true);
    const events = [];
    stream.on("messagePublished", ({ message }) => events.push(message.data.n));
    proxy.cut();
    let n = 0;
    // What is published while the client is away does not reach it.
    await until(async () => {
      await other.publishMessage({ n: (n += 1) });
      return events.length > 2;
    });
    assert.deepEqual(events, events.toSorted((a, b) => a - b));
    const removed = next(stream, "removed");
    await other.removeStream();
    assert.equal((await removed).isLocal, false);
  });
}

test("an expiry that was set during a break is announced, once", async (t) => {
  const proxy = await proxied(t);
  const id = freshName(t);
  const other = await connect(t, server).map(id);
  const map = await connect(t, server, { url: proxy.url }).map(id);
  const events = [];
  map.on("expiry", ({ dateExpires }) => events.push(dateExpires));
  const added = next(map, "itemAdded");
  proxy.isDown = true;
  proxy.cut();
  await other.setTtl(600);
  proxy.isDown = false;
  await until(() => events.length > 0);
  await other.set("a", {});
  await added;
  assert.deepEqual(events, [other.dateExpires]);
  assert.equal(map.dateExpires, other.dateExpires);
});
