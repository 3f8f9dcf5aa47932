/** Every verb of a map, its items and its events, against a real server. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { MapItem, SynclineError } from "../../clients/js/src/syncline.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, recordItems, rejection, until } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

const TTL = 600;

function connectBy(transport, t, options) {
  return connect(t, server, { transport, ...options });
}

function secondsUntil(date) {
  return (Date.parse(date) - Date.now()) / 1_000;
}

for (const transport of ["websocket", "rest"]) describe(transport, () => {
describe("opening", () => {
  test("a name creates the map, and then finds it", async (t) => {
    const id = freshName(t);
    const created = await connectBy(transport, t).map({ id, ttl: TTL });
    assert.match(created.sid, /^MP[0-9a-f]{32}$/);
    assert.equal(created.type, "map");
    assert.equal(created.uniqueName, id);
    assert.equal(created.createdBy, "alice");
    assert.equal(created.removed, false);
    assert.ok(created.dateCreated instanceof Date);
    assert.ok(Math.abs(secondsUntil(created.dateExpires) - TTL) < 30);
    const found = await connectBy(transport, t).map(id);
    assert.equal(found.sid, created.sid);
  });

  test("modes are those of a document", async (t) => {
    const client = connectBy(transport, t);
    const id = freshName(t);
    const missing = await rejection(client.map({ id, mode: "open_existing" }));
    assert.deepEqual(missing.status, 404);
    await client.map({ id, mode: "create_new" });
    const taken = await rejection(client.map({ id, mode: "create_new" }));
    assert.deepEqual([taken.status, taken.code], [409, 54301]);
    assert.equal((await rejection(client.map({ mode: "open_existing" }))).status, 404);
    await assert.rejects(client.map(7), TypeError);
  });
});

describe("items", () => {
  test("set creates and replaces; get reads", async (t) => {
    const map = await connectBy(transport, t).map();
    const created = await map.set("alice", { score: 1 }, { ttl: TTL });
    assert.ok(created instanceof MapItem);
    assert.equal(created.key, "alice");
    assert.deepEqual(created.data, { score: 1 });
    assert.ok(Math.abs(secondsUntil(created.dateExpires) - TTL) < 30);
    const item = await map.get("alice");
    assert.deepEqual(item.data, { score: 1 });
    assert.equal(item.revision, created.revision);
    assert.equal(item.updatedBy, "alice");
    await map.set("alice", { score: 2 }, { ifMatch: item.revision });
    assert.deepEqual((await map.get("alice")).value, { score: 2 });
  });

  test("a conflict has the newest item", async (t) => {
    const map = await connectBy(transport, t).map();
    const first = await map.set("a", { n: 1 });
    const second = await map.set("a", { n: 2 });
    const error = await rejection(map.set("a", { n: 3 }, { ifMatch: first.revision }));
    assert.ok(error instanceof SynclineError);
    assert.deepEqual([error.status, error.code], [412, 54205]);
    assert.equal(error.item.revision, second.revision);
    const taken = await rejection(map.add("a", {}));
    assert.deepEqual([taken.status, taken.code], [409, 54208]);
    assert.deepEqual(taken.item.data, { n: 2 });
    const absent = await rejection(map.set("b", {}, { ifMatch: first.revision }));
    assert.deepEqual([absent.status, absent.item], [412, null]);
  });

  test("update merges, and creates what is not there", async (t) => {
    const map = await connectBy(transport, t).map();
    assert.deepEqual((await map.update("a", { x: 1 })).data, { x: 1 });
    assert.deepEqual((await map.update("a", { y: 2 })).data, { x: 1, y: 2 });
    assert.deepEqual((await map.update("a", { x: undefined })).data, { y: 2 });
  });

  test("mutate applies every change of several writers", async (t) => {
    const id = freshName(t);
    const maps = await Promise.all([1, 2].map(() => connectBy(transport, t).map(id)));
    const add = (data) => ({ n: (data.n ?? 0) + 1 });
    await Promise.all([...maps, ...maps].map((map) => map.mutate("a", add)));
    assert.deepEqual((await maps[0].get("a")).data, { n: 4 });
    const same = await maps[0].mutate("a", () => null);
    assert.deepEqual(same.data, { n: 4 });
    const missing = await rejection(maps[0].mutate("b", () => null));
    assert.equal(missing.status, 404);
    const calls = [];
    const look = (data, item) => {
      calls.push([data, item && item.key]);
      return {};
    };
    await maps[0].mutate("b", look);
    await maps[0].mutate("b", look);
    assert.deepEqual(calls, [[{}, null], [{}, "b"]], "no item is not an empty one");
  });

  test("a mutator that waits for itself is refused", async (t) => {
    const map = await connectBy(transport, t).map();
    const nested = map.mutate("a", () => map.mutate("a", () => ({})));
    await assert.rejects(nested, /mutate was called inside a mutator of the same item/);
    await map.mutate("a", () => map.mutate("b", () => ({ x: 1 })).then(({ data }) => data));
    assert.deepEqual((await map.get("a")).data, { x: 1 });
  });

  test("patch and increment are applied by the server", async (t) => {
    const map = await connectBy(transport, t).map();
    await map.set("a", { n: 1, gone: true });
    assert.deepEqual((await map.increment("a", "/n", 2)).data, { n: 3, gone: true });
    assert.deepEqual((await map.patch("a", { merge: { gone: null } })).data, { n: 3 });
    const operations = [{ op: "test", path: "/n", value: 9 }];
    assert.equal((await rejection(map.patch("a", { operations }))).status, 409);
    await assert.rejects(map.patch("a", {}), TypeError);
    assert.equal((await rejection(map.increment("missing", "/n"))).status, 404);
  });

  test("an item and the map expire at a time of their own", async (t) => {
    const map = await connectBy(transport, t).map();
    await map.set("a", {});
    await map.setItemTtl("a", TTL);
    assert.ok(Math.abs(secondsUntil((await map.get("a")).dateExpires) - TTL) < 30);
    assert.equal(map.dateExpires, null);
    await map.setTtl(TTL);
    assert.ok(Math.abs(secondsUntil(map.dateExpires) - TTL) < 30);
    await map.set("a", {}, { collectionTtl: 0 });
    const found = await connectBy(transport, t).map({ id: map.sid, mode: "open_existing" });
    assert.equal(found.dateExpires, null);
  });

  test("remove removes one item, and never the map", async (t) => {
    const map = await connectBy(transport, t).map();
    await map.set("a", {});
    await map.remove("a");
    assert.equal((await rejection(map.get("a"))).status, 404);
    assert.equal((await rejection(map.remove("a"))).status, 404);
    await assert.rejects(map.remove(undefined), TypeError);
    await assert.rejects(map.remove(null), TypeError);
    await map.set("b", {});
  });

  test("a batch is applied in one step", async (t) => {
    const map = await connectBy(transport, t).map();
    const before = await map.set("old", { n: 0 });
    const results = await map.batch((batch) => {
      batch.add("a", { n: 1 }).set("b", { n: 2 }, { ttl: TTL });
      batch.setItemTtl("old", TTL, { ifMatch: before.revision });
    });
    const expected = [["added", "a"], ["added", "b"], ["updated", "old"]];
    assert.deepEqual(results.map(({ kind, id }) => [kind, id]), expected);
    assert.deepEqual(results[0].item.data, { n: 1 });
    assert.equal(results[2].item, null);
    const refused = [{ op: "remove", key: "a" }, { op: "add", key: "b", data: {} }];
    const error = await rejection(map.batch(refused));
    assert.equal(error.code, 54208);
    await map.batch([{ op: "remove", key: "a" }, { op: "update", key: "b", data: { n: 3 } }]);
    assert.equal((await rejection(map.get("a"))).status, 404);
    assert.deepEqual((await map.get("b")).data, { n: 3 });
  });

  test("a value that is no data is refused here", async (t) => {
    const map = await connectBy(transport, t).map();
    assert.equal((await rejection(map.set("a", null))).code, 54206);
    assert.equal((await rejection(map.set("a", []))).code, 54008);
    assert.equal((await rejection(map.set("a", { big: "x".repeat(20_000) }))).code, 54006);
    for (const key of ["", ".", "..", "x".repeat(321), "\ud800"]) {
      assert.equal((await rejection(map.set(key, {}))).code, 54209);
      assert.equal((await rejection(map.get(key))).code, 54209);
    }
    await map.set("💡".repeat(320), {});
    await map.set("a/b c%?#", { odd: true });
    assert.deepEqual((await map.get("a/b c%?#")).data, { odd: true });
    await map.remove("a/b c%?#");
  });
});

describe("events", () => {
  test("every change is announced once to everybody, and as local to its writer", async (t) => {
    const id = freshName(t);
    const mine = await connectBy(transport, t).map(id);
    const other = await connectBy(transport, t).map(id);
    const [own, foreign] = [recordItems(mine), recordItems(other)];
    await mine.set("a", { n: 1 });
    await mine.increment("a", "/n");
    await mine.setItemTtl("a", TTL);
    await mine.batch((batch) => batch.add("b", { n: 1 }).add("c", { n: 1 }));
    await mine.remove("a");
    const expected = [
      ["itemAdded", "a", { n: 1 }],
      ["itemUpdated", "a", { n: 2 }],
      ["itemUpdated", "a", { n: 2 }],
      ["itemAdded", "b", { n: 1 }],
      ["itemAdded", "c", { n: 1 }],
      ["itemRemoved", "a", { n: 2 }],
    ];
    await until(() => own.length >= expected.length && foreign.length >= expected.length);
    const shown = ({ type, item, key, previousItemData }) =>
      [type, item?.key ?? key, item?.data ?? previousItemData];
    assert.deepEqual(own.map(shown), expected);
    assert.deepEqual(foreign.map(shown), expected);
    assert.ok(own.every(({ isLocal }) => isLocal));
    assert.ok(foreign.every(({ isLocal }) => !isLocal));
    assert.equal(foreign.at(-1).removedBy, "alice");
    assert.equal(foreign.at(-1).expired, false);
  });

  test("the expiry, also that of a write, and the removal of the map are announced", async (t) => {
    const id = freshName(t);
    const mine = await connectBy(transport, t).map(id);
    const other = await connectBy(transport, t).map(id);
    const expiry = next(other, "expiry");
    await mine.setTtl(TTL);
    assert.ok(Math.abs(secondsUntil((await expiry).dateExpires) - TTL) < 30);
    const added = next(other, "itemAdded");
    await mine.set("a", {}, { collectionTtl: 2 * TTL });
    await added;
    assert.equal(other.dateExpires, mine.dateExpires);
    assert.ok(Math.abs(secondsUntil(other.dateExpires) - 2 * TTL) < 30);
    const removals = [next(mine, "removed"), next(other, "removed")];
    await mine.removeMap();
    const [local, foreign] = await Promise.all(removals);
    assert.equal(local.isLocal, true);
    assert.deepEqual([foreign.isLocal, foreign.removedBy], [false, "alice"]);
    assert.equal((await rejection(mine.set("a", {}))).code, 54200);
    assert.equal((await rejection(other.getItems())).code, 54200);
  });

  test("events() iterates until the map is removed or closed", async (t) => {
    const map = await connectBy(transport, t).map();
    const events = map.events();
    await map.set("a", {});
    await map.removeMap();
    const types = [];
    for await (const { type } of events) types.push(type);
    assert.deepEqual(types, ["itemAdded", "removed"]);
  });

  test("a reader that is too slow gets a reset in place of too many events", async (t) => {
    const map = await connectBy(transport, t, { eventQueue: 4 }).map();
    const events = map.events();
    const changes = recordItems(map);
    for (let n = 0; n < 7; n += 1) await map.set(`k${n}`, {});
    await until(() => changes.length === 7);
    assert.equal((await events.next()).value.type, "reset");
    map.close();
  });

  test("a closed handle gets nothing, and the other handles go on", async (t) => {
    const id = freshName(t);
    const client = connectBy(transport, t);
    const [closed, open] = [await client.map(id), await client.map(id)];
    const [before, after] = [recordItems(closed), recordItems(open)];
    closed.close();
    await assert.rejects(closed.set("a", {}), /closed/);
    await open.set("a", {});
    await until(() => after.length === 1);
    assert.deepEqual(before, []);
    open.close();
    await client.map(id).then((map) => map.set("b", {}));
  });
});

describe("pages", () => {
  test("pages go forwards and back, in either order", async (t) => {
    const map = await connectBy(transport, t).map();
    const keys = Array.from({ length: 7 }, (_, n) => `k${n}`);
    await map.batch((batch) => keys.forEach((key) => batch.add(key, {})));
    const shown = (page) => page.items.map(({ key }) => key).join();
    let page = await map.getItems({ pageSize: 3 });
    assert.deepEqual([shown(page), page.hasPrevPage, page.hasNextPage], ["k0,k1,k2", false, true]);
    page = await page.nextPage();
    page = await page.nextPage();
    assert.deepEqual([shown(page), page.hasPrevPage, page.hasNextPage], ["k6", true, false]);
    await assert.rejects(page.nextPage(), RangeError);
    page = await page.prevPage();
    assert.deepEqual([shown(page), page.hasPrevPage, page.hasNextPage], ["k3,k4,k5", true, true]);
    page = await page.prevPage();
    assert.deepEqual([shown(page), page.hasPrevPage], ["k0,k1,k2", false]);
    const down = await map.getItems({ order: "desc", limit: 2, from: "k4" });
    assert.deepEqual([shown(down), down.hasPrevPage], ["k4,k3", true]);
    assert.deepEqual(shown(await down.prevPage()), "k6,k5");
    const all = [];
    for await (const { key } of map.items({ pageSize: 2, from: "k2" })) all.push(key);
    assert.deepEqual(all, keys.slice(2));
    // Items that were removed meanwhile hide no others.
    const first = await map.getItems({ pageSize: 4 });
    await map.batch((batch) => keys.slice(4).forEach((key) => batch.remove(key)));
    const empty = await first.nextPage();
    assert.deepEqual([empty.items, empty.hasPrevPage, empty.hasNextPage], [[], true, false]);
    assert.equal(shown(await empty.prevPage()), "k0,k1,k2,k3");
    assert.equal((await rejection(map.getItems({ pageSize: 0 }))).code, 54454);
    assert.equal((await rejection(map.getItems({ order: "up" }))).code, 54451);
  });
});
});
