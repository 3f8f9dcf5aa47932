/** Maps and lists, and their items: steps of the script of the vendor's SDK. */

import assert from "node:assert/strict";

import { next, until } from "./support.js";
import { whenSubscribed } from "./vendor-sdk.js";
import { cut, FORBIDDEN, read, recordItems, refused, whenMany } from "./vendor-script.js";

const ITEM_LIMIT = 16_384;
const PAGED = 120;

/** More changes than two portions of a replay have. */
const MISSED = 250;

const MAPS = {
  name: "map",
  plural: "Maps",
  sid: /^MP[0-9a-f]{32}$/,
  missing: [404, 54201],
  remove: (map) => map.removeMap(),
  add: (map, key, data, options) => map.set(key, data, options),
  id: (n) => `k${String(n).padStart(3, "0")}`,
  last: "last",
};

const LISTS = {
  name: "list",
  plural: "Lists",
  sid: /^ES[0-9a-f]{32}$/,
  missing: [404, 54151],
  remove: (list) => list.removeList(),
  add: (list, _, data, options) => list.push(data, options),
  id: (n) => n + 1,
  last: 0,
};

const idOf = (item) => item.key ?? item.index;

/** The REST API of one collection. */
function restOf(script, kind, sid) {
  const { server } = script;
  const base = `/v1/Services/${server.service}/${kind.plural}/${sid}`;
  const item = (id) => `${base}/Items/${encodeURIComponent(id)}`;
  return {
    add: (id, data) =>
      server.account("POST", `${base}/Items`, {
        ...(kind === MAPS && { Key: id }),
        Data: JSON.stringify(data),
      }),
    /** Adds items with the ids of 0 to `count`, in commits of at most a hundred. */
    fill: async (count) => {
      for (let start = 0; start < count; start += 100) {
        const operations = Array.from({ length: Math.min(100, count - start) }, (_, n) => ({
          op: "add",
          data: { n: start + n },
          ...(kind === MAPS && { key: kind.id(start + n) }),
        }));
        await server.account("POST", `${base}/Batch`, undefined, { operations });
      }
    },
    set: (id, data) => server.account("POST", item(id), { Data: JSON.stringify(data) }),
    removeItem: (id) => server.account("DELETE", item(id)),
    items: async () => (await server.account("GET", `${base}/Items?PageSize=100`)).items,
    remove: () => server.account("DELETE", base),
    fetch: () => server.account("GET", base),
  };
}

/** One collection, open in two clients of two identities, and what each reports. */
class Pair {
  #ticks = 0;

  static async open(script, kind, options) {
    const [one, two] = [script.open(), script.open({ identity: "bob" })];
    const pair = new Pair();
    pair.mine = await whenSubscribed(await one[kind.name](options));
    pair.theirs = await whenSubscribed(await two[kind.name](pair.mine.sid));
    pair.rest = restOf(script, kind, pair.mine.sid);
    pair.own = recordItems(pair.mine);
    pair.others = recordItems(pair.theirs);
    pair.last = kind.last;
    await pair.rest.add(kind.last, {});
    await pair.clear();
    return pair;
  }

  /** Until all events so far have come: those of one collection come in order. */
  async settle() {
    this.#ticks += 1;
    const tick = this.#ticks;
    await this.rest.set(this.last, { tick });
    for (const events of [this.own, this.others]) {
      await until(() => events.some(([, , id, data]) => id === this.last && data.tick === tick));
      events.splice(0, events.length, ...events.filter(([, , id]) => id !== this.last));
    }
  }

  async clear() {
    await this.settle();
    this.own.length = this.others.length = 0;
  }
}

/** A new collection of a client, subscribed, with one item: the next in a list is `id(0)`. */
async function begun(script, kind, client) {
  const collection = await whenSubscribed(await client[kind.name]());
  const rest = restOf(script, kind, collection.sid);
  const events = recordItems(collection);
  await rest.add(kind.last, {});
  await whenMany(events, 1);
  return [collection, rest];
}

/** All items, by pages; `pages` gets the ids of each. */
async function walk(collection, options, pages = []) {
  let page = await collection.getItems(options);
  for (;;) {
    pages.push(page.items.map(idOf));
    if (!page.hasNextPage) return { pages, last: page };
    page = await page.nextPage();
  }
}

function stepsOf(kind) {
  const { id } = kind;
  const pairOf = (script) => script[kind.name];
  return {
    "create, and find by name": async (script) => {
      const name = script.newName();
      const both = await Pair.open(script, kind, { id: name, ttl: 600 });
      script[kind.name] = both;
      assert.match(both.mine.sid, kind.sid);
      assert.equal(both.mine.uniqueName, name);
      assert.ok(Date.parse(both.mine.dateExpires) > Date.now());
      const again = await script.open()[kind.name](name);
      assert.equal(again.sid, both.mine.sid);
    },
    "names of other types are free": async (script) => {
      const { mine } = pairOf(script);
      const document = await script.mine.document(mine.uniqueName);
      assert.notEqual(document.sid, mine.sid);
    },
    "open_existing and create_new": async (script) => {
      const { mine } = pairOf(script);
      const open = (options) => script.mine[kind.name](options);
      await refused(open({ id: script.newName(), mode: "open_existing" }), [404, 54300]);
      await refused(open({ id: mine.uniqueName, mode: "create_new" }), [409, 54301]);
    },
    "add": async (script) => {
      const pair = pairOf(script);
      const { mine, own, others } = pair;
      for (const n of [0, 1, 2]) {
        const item = await kind.add(mine, id(n), { n });
        assert.deepEqual([idOf(item), read(item)], [id(n), { n }]);
      }
      await pair.settle();
      const added = [0, 1, 2].map((n) => [id(n), { n }]);
      assert.deepEqual(own, added.map((each) => ["itemAdded", true, ...each]));
      assert.deepEqual(others, added.map((each) => ["itemAdded", false, ...each]));
    },
    "get": async (script) => {
      const { mine, theirs } = pairOf(script);
      assert.deepEqual(read(await theirs.get(id(1))), { n: 1 });
      const fresh = await script.open()[kind.name](mine.sid);
      assert.deepEqual(read(await fresh.get(id(2))), { n: 2 });
      await refused(fresh.get(id(99)), kind.missing);
    },
    "set": async (script) => {
      const pair = pairOf(script);
      const { mine, own, others } = pair;
      await pair.clear();
      assert.deepEqual(read(await mine.set(id(0), { n: 10 })), { n: 10 });
      await pair.settle();
      assert.deepEqual(own, [["itemUpdated", true, id(0), { n: 10 }]]);
      assert.deepEqual(others, [["itemUpdated", false, id(0), { n: 10 }]]);
    },
    "update an item that is known from events alone": async (script) => {
      const { mine, theirs } = pairOf(script);
      assert.deepEqual(read(await theirs.update(id(0), { m: 1 })), { n: 10, m: 1 });
      await until(async () => read(await mine.get(id(0))).m === 1);
    },
    "mutate from both sides": async (script) => {
      const { mine, theirs } = pairOf(script);
      const increment = (data) => ({ ...data, n: data.n + 1 });
      const rivals = [mine, theirs, mine, theirs, mine, theirs];
      await Promise.all(rivals.map((each) => each.mutate(id(0), increment)));
      for (const each of [mine, theirs]) {
        await until(async () => read(await each.get(id(0))).n === 16);
      }
    },
    "mutate an item that does not exist": async (script) => {
      const { mine, theirs } = pairOf(script);
      const increment = (data) => ({ n: (data.n ?? 0) + 1 });
      const rivals = [mine, theirs].map((each) => each.mutate(id(3), increment));
      if (kind === LISTS) {
        await Promise.all(rivals.map((each) => refused(each, kind.missing)));
        await kind.add(mine, id(3), { n: 2 });
      } else {
        await Promise.all(rivals);
      }
      for (const each of [mine, theirs]) {
        await until(async () => read(await each.get(id(3)).catch(() => ({}))).n === 2);
      }
    },
    "setItemTtl": async (script) => {
      const pair = pairOf(script);
      const { mine, theirs, own, others } = pair;
      await pair.clear();
      await mine.setItemTtl(id(1), 600);
      assert.ok(Date.parse((await mine.get(id(1))).dateExpires) > Date.now());
      await pair.settle();
      assert.deepEqual(own, []);
      assert.deepEqual(others, [["itemUpdated", false, id(1), { n: 1 }]]);
      // After an event that its own SDK was not given, too.
      assert.deepEqual(read(await mine.mutate(id(1), () => ({ n: 5 }))), { n: 5 });
      await theirs.setItemTtl(id(1), 0);
    },
    "remove an item that is known from events alone": async (script) => {
      const pair = pairOf(script);
      const { mine, theirs, own, others } = pair;
      await pair.clear();
      await theirs.remove(id(2));
      await pair.settle();
      assert.deepEqual(own, [["itemRemoved", false, id(2), { n: 2 }]]);
      assert.deepEqual(others.map((each) => each.slice(0, 3)), [["itemRemoved", true, id(2)]]);
      const fresh = await script.open()[kind.name](mine.sid);
      await refused(fresh.get(id(2)), kind.missing);
    },
    "an item expires": async (script) => {
      const pair = pairOf(script);
      const { mine, own, others } = pair;
      await pair.clear();
      await kind.add(mine, id(4), { n: 4 }, { ttl: 1 });
      await Promise.all([whenMany(own, 2), whenMany(others, 2)]);
      assert.deepEqual(own[1], ["itemRemoved", false, id(4), { n: 4 }]);
      assert.deepEqual(others[1], ["itemRemoved", false, id(4), { n: 4 }]);
    },
    "receive changes of the REST API": async (script) => {
      const pair = pairOf(script);
      const { mine, own, rest } = pair;
      await pair.clear();
      await rest.set(id(0), { by: "rest" });
      await rest.removeItem(id(1));
      await whenMany(own, 2);
      assert.deepEqual(own, [
        ["itemUpdated", false, id(0), { by: "rest" }],
        ["itemRemoved", false, id(1), { n: 5 }],
      ]);
      assert.equal(mine.revision, (await rest.fetch()).revision);
    },
    "data above the limit": async (script) => {
      const { mine } = pairOf(script);
      const large = { s: "x".repeat(ITEM_LIMIT) };
      await refused(mine.set(id(0), large), [413, 54006]);
      await refused(kind.add(mine, id(9), large), [413, 54006]);
      assert.deepEqual(read(await mine.get(id(0))), { by: "rest" });
    },
    "setTtl": async (script) => {
      const { mine } = pairOf(script);
      await mine.setTtl(60);
      const { date_expires } = await restOf(script, kind, mine.sid).fetch();
      assert.ok(Date.parse(date_expires) - Date.now() < 61_000);
      await mine.setTtl(0);
      assert.equal(mine.dateExpires, null);
    },
    "pages in both orders": async (script) => {
      const filled = await script.mine[kind.name]();
      await restOf(script, kind, filled.sid).fill(PAGED);
      const ids = Array.from({ length: PAGED }, (_, n) => (kind === LISTS ? n : id(n)));
      for (const [order, expected] of [["asc", ids], ["desc", ids.toReversed()]]) {
        const fresh = await script.open()[kind.name](filled.sid);
        const { pages } = await walk(fresh, { pageSize: 25, order });
        assert.deepEqual(pages.flat(), expected);
        const large = await script.open()[kind.name](filled.sid);
        const page = await large.getItems({ pageSize: 110, order });
        assert.equal(page.items.length, 100);
        const back = await script.open()[kind.name](filled.sid);
        const third = await (await (await back.getItems({ pageSize: 25, order })).nextPage()).nextPage();
        const second = await third.prevPage();
        assert.deepEqual(second.items.map(idOf), expected.slice(25, 50));
      }
      const from = await script.open()[kind.name](filled.sid);
      const page = await from.getItems({ from: ids[60], pageSize: 20 });
      assert.deepEqual(page.items.map(idOf), ids.slice(60, 80));
    },
    "catch up after a break": async (script) => {
      const { proxy, client } = await script.openThroughProxy();
      const [mine, rest] = await begun(script, kind, client);
      for (const n of [0, 1, 2, 3]) await kind.add(mine, id(n), { n });
      // Its own removal before the break must not come again.
      await mine.remove(id(3));
      const { revision } = await rest.fetch();
      await until(() => mine.revision === revision);
      await cut(proxy, client);
      await rest.set(id(0), { n: 10 });
      await rest.removeItem(id(1));
      await rest.add(id(4), { n: 4 });
      await rest.add(id(5), { n: 5 });
      await rest.removeItem(id(5));
      const events = recordItems(mine);
      proxy.isDown = false;
      await whenMany(events, 3);
      await whenSubscribed(mine);
      assert.deepEqual(
        events.map((each) => each.slice(0, 3)),
        [
          ["itemUpdated", false, id(0)],
          ["itemRemoved", false, id(1)],
          ["itemAdded", false, id(4)],
        ],
      );
      await rest.set(id(0), { n: 11 });
      await whenMany(events, 4);
      assert.deepEqual(events[3], ["itemUpdated", false, id(0), { n: 11 }]);
    },
    "catch up with more than a portion": async (script) => {
      const { proxy, client } = await script.openThroughProxy();
      const [collection, rest] = await begun(script, kind, client);
      await cut(proxy, client);
      await rest.fill(MISSED);
      const events = recordItems(collection);
      proxy.isDown = false;
      await whenMany(events, MISSED);
      await whenSubscribed(collection);
      assert.deepEqual(new Set(events.map(([name]) => name)), new Set(["itemAdded"]));
      assert.equal(new Set(events.map(([, , item]) => item)).size, MISSED);
      await rest.set(id(0), { n: -1 });
      await whenMany(events, MISSED + 1);
      assert.equal(events.length, MISSED + 1);
      assert.deepEqual(events[MISSED], ["itemUpdated", false, id(0), { n: -1 }]);
    },
    "a removal during a break": async (script) => {
      const { proxy, client } = await script.openThroughProxy();
      const name = script.newName();
      const collection = await whenSubscribed(await client[kind.name](name));
      await cut(proxy, client);
      await restOf(script, kind, collection.sid).remove();
      const removed = next(collection, "removed");
      proxy.isDown = false;
      assert.equal((await removed).isLocal, false);
      const again = await client[kind.name](name);
      assert.notEqual(again.sid, collection.sid);
    },
    "remove": async (script) => {
      const pair = pairOf(script);
      const { mine, theirs, own, others } = pair;
      await pair.clear();
      await kind.remove(mine);
      await until(() => others.some(([name]) => name === "removed"));
      assert.deepEqual(own, [["removed", true]]);
      assert.deepEqual(others, [["removed", false]]);
      await refused(kind.add(theirs, id(0), {}), [404, 54300]);
      await refused(theirs.getItems({ pageSize: 10, from: id(50) }), [404, 54300]);
    },
    "an expiry": async (script) => {
      const collection = await whenSubscribed(await script.mine[kind.name]({ ttl: 1 }));
      await next(collection, "removed");
    },
    "lose the right to read, at once and during a break": async (script) => {
      const { name, token, allow, forbid } = await script.restrictedObject(kind.plural);
      const { proxy, client } = await script.openThroughProxy({ token });
      const open = async () => whenSubscribed(await client[kind.name](name));
      const first = await open();
      await kind.add(first, id(0), { n: 0 });
      const removed = next(first, "removed");
      await forbid();
      assert.equal((await removed).isLocal, false);
      await refused(client[kind.name](name), FORBIDDEN);
      await allow();
      const again = await open();
      await cut(proxy, client);
      await forbid();
      const gone = next(again, "removed");
      proxy.isDown = false;
      await gone;
      await refused(client[kind.name](name), FORBIDDEN);
    },
    "close, and open again": async (script) => {
      const first = await whenSubscribed(await script.mine[kind.name](script.newName()));
      first.close();
      const rest = restOf(script, kind, first.sid);
      await rest.add(kind.last, {});
      await rest.add(id(0), { n: 0 });
      const again = await whenSubscribed(await script.mine[kind.name](first.uniqueName));
      assert.deepEqual(read(await again.get(id(0))), { n: 0 });
      const events = recordItems(again);
      await rest.set(id(0), { n: 1 });
      await whenMany(events, 1);
      assert.deepEqual(events, [["itemUpdated", false, id(0), { n: 1 }]]);
    },
  };
}

const named = (kind) =>
  Object.entries(stepsOf(kind)).map(([step, run]) => [`${kind.name}: ${step}`, run]);

/** In this order; later ones use what earlier ones have left in the script. */
export const COLLECTION_STEPS = Object.fromEntries([MAPS, LISTS].flatMap(named));
