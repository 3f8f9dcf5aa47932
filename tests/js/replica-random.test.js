/** Replicas of two clients under random writes and breaks, and of a client that does not read. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WebSocket as NodeWebSocket } from "ws";

import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, freshName, recordItems, until } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

/** Makes data large enough for deltas. */
const fill = "x".repeat(600);

const KEYS = Array.from({ length: 12 }, (_, n) => `k${n}`);

/** Random numbers from 0 to 1, the same for each run (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function contents(collection) {
  const all = {};
  for await (const { id, revision, data } of collection.items({ pageSize: 500 })) {
    all[id] = [revision, data];
  }
  return all;
}

function contentsOf(replica) {
  return Object.fromEntries(replica.items().map((item) => [item.id, [item.revision, item.data]]));
}

/** What the events since an empty map have made of it. */
function replayed(events) {
  const items = {};
  for (const { type, item, key } of events) {
    if (type === "itemRemoved") delete items[key];
    else items[item.key] = [item.revision, item.data];
  }
  return items;
}

/**
 * One random write; returns the revisions that it surely made. The reply to a patch that was sent
 * again may lack the data: then the result is the newest item, which others may have written.
 */
async function write(map, random) {
  const key = KEYS[Math.floor(random() * KEYS.length)];
  const n = Math.floor(random() * 1_000);
  const choice = random();
  try {
    if (choice < 0.4) return [(await map.set(key, { n, fill })).revision];
    if (choice < 0.6) return void (await map.increment(key, "/n"));
    if (choice < 0.8) {
      const keys = KEYS.slice(n % 6, (n % 6) + 3);
      const results = await map.batch((batch) => keys.forEach((each) => batch.set(each, { n, fill })));
      return results.map(({ revision }) => revision);
    }
    return void (await map.remove(key));
  } catch (error) {
    if (error.status !== 404) throw error;
    return undefined;
  }
}

for (const [seed, transports] of [[1, ["websocket", "websocket"]], [2, ["websocket", "rest"]]]) {
  test(`replicas end as the server after writes and breaks (${transports}, seed ${seed})`, async (t) => {
    const random = randomOf(seed);
    const id = freshName(t);
    const proxies = [];
    const users = [];
    for (const transport of transports) {
      const proxy = await Proxy.start(server.url);
      t.after(() => proxy.stop());
      proxies.push(proxy);
      const client = connect(t, server, { url: proxy.url, transport, eventQueue: 10_000 });
      // The first one has its first page by `open`, the second one by a request of its own.
      const map = await client.map({ id, replica: users.length === 0 });
      const replica = map.replica();
      const user = { map, replica, events: recordItems(map), changes: recordItems(replica), own: [] };
      await replica.ready;
      users.push(user);
    }
    const pending = [];
    for (let round = 0; round < 120; round += 1) {
      const user = users[Math.floor(random() * users.length)];
      pending.push(write(user.map, random).then((revisions) => user.own.push(...(revisions ?? []))));
      if (random() < 0.08) proxies[Math.floor(random() * proxies.length)].cut();
      if (random() < 0.3) await pending.at(-1);
    }
    await Promise.all(pending);
    const reader = await connect(t, server).map(id);
    const expected = await contents(reader);
    for (const { replica, events, changes, own } of users) {
      await until(() => JSON.stringify(contentsOf(replica)) === JSON.stringify(expected));
      assert.deepEqual(replayed(events), expected);
      assert.deepEqual(replayed(changes), expected);
      const isOwn = ({ isLocal, item }) => isLocal && item;
      const local = events.filter(isOwn).map(({ item }) => item.revision);
      assert.equal(new Set(local).size, local.length, "none is announced twice");
      assert.deepEqual(own.filter((revision) => !local.includes(revision)), [], "all are own");
    }
  });
}

test("a client that does not read for a while has the server's state in the end", async (t) => {
  const sockets = [];
  class Pausable extends NodeWebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  }
  const id = freshName(t);
  const writer = await connect(t, server).map(id);
  const map = await connect(t, server, { WebSocket: Pausable, pingInterval: 600_000 }).map(id);
  const replica = map.replica();
  await replica.ready;
  sockets[0].pause();
  const filler = "x".repeat(8_000);
  for (let round = 0; round < 60; round += 1) {
    const keys = Array.from({ length: 20 }, (_, n) => `k${(round * 20 + n) % 400}`);
    await writer.batch((batch) => keys.forEach((key) => batch.set(key, { round, filler })));
  }
  await writer.remove("k0");
  sockets[0].resume();
  const expected = await contents(writer);
  await until(() => replica.size === 399 && replica.get("k399").data.round === 59);
  assert.deepEqual(contentsOf(replica), expected);
});
