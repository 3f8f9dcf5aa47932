/** What a replica of a map has and announces, and in which order. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { digest } from "../../clients/js/src/syncline/canonical.js";
import { CollectionSubscription } from "../../clients/js/src/syncline/collection-subscription.js";
import { Item } from "../../clients/js/src/syncline/item.js";
import { ItemChange } from "../../clients/js/src/syncline/item-events.js";
import { MAP } from "../../clients/js/src/syncline/item-types.js";
import { Part } from "../../clients/js/src/syncline/part.js";
import { Replica } from "../../clients/js/src/syncline/replica.js";
import { header, itemBody } from "./peer.js";
import { each } from "./vectors.js";

/** A change as messages have it. */
function changeBody([kind, key, revision, base, wrong]) {
  if (kind === "removed") return { kind, key, revision: String(revision) };
  const { data, ...members } = itemBody(key, revision, { at: revision });
  if (base === undefined) return { kind, ...members, data };
  const operations = [{ op: "replace", path: "/at", value: revision }];
  const delta = { operations, digest: digest(wrong ? {} : data) };
  return { kind, ...members, previous_revision: String(base), delta };
}

function item(key, revision) {
  return Item.parse(itemBody(key, revision, { at: revision }));
}

/** The expiry of a map is in seconds from here. */
const EPOCH = Date.parse("2026-01-31T00:00:00.000Z");

/** Let the replies that were processed have their effect. */
const settled = () => new Promise(setImmediate);

each("collections", async ({ steps }, t) => {
  const options = { eventQueue: 10, backoffInitial: 1, backoffLimit: 1, deltas: true };
  /** Requests for pages without a reply, oldest first. */
  const asked = [];
  let subscription;
  let replica;
  let announced = [];
  let expiries = [];

  const open = async (revision) => {
    subscription = new CollectionSubscription(MAP, { map: header(revision) }, {}, options);
    const read = (_, receive) =>
      new Promise((resolve) => asked.push((ok) => resolve(receive(ok))));
    const objects = { options, release: () => {} };
    const owner = { read, ids: "keys", onClose: () => {} };
    replica = new Replica(objects, subscription, Part.WHOLE, owner);
    const notice = ({ name, revision, dateExpires }) => {
      const at = dateExpires === null ? null : (Date.parse(dateExpires) - EPOCH) / 1000;
      if (name === "expiry") expiries.push([Number(revision), at]);
    };
    subscription.handles.add({ part: Part.WHOLE, emit: notice, end: () => {} });
    for (const name of ["itemAdded", "itemUpdated", "itemRemoved"]) {
      replica.on(name, ({ type, item, key, revision, isLocal }) => {
        const kind = type.slice("item".length).toLowerCase();
        announced.push([kind, item?.key ?? key, Number(item?.revision ?? revision), isLocal]);
        if (item) assert.deepEqual(item.data, { at: Number(item.revision) });
      });
    }
    t.after(() => replica.close());
    await settled();
  };
  const map = (revision, expires = null) => {
    const at = expires === null ? null : new Date(EPOCH + expires * 1000).toISOString();
    return { ...header(revision), date_expires: at };
  };
  const actions = {
    ask: () => {}, // the replica asks by itself, as soon as it can
    page: async ({ revision, items, next }) => {
      if (!subscription) await open(revision);
      const page = items.map(([key, at]) => itemBody(key, at, { at }));
      asked.shift()({ map: map(revision), items: page, next });
    },
    event: ({ revision, changes, expires }) => {
      const bodies = changes.map(changeBody);
      subscription.take({ event: "items", map: map(revision, expires), changes: bodies }, false);
    },
    expiry: ({ revision, expires }) =>
      subscription.take({ event: "expiry", map: map(revision, expires) }, false),
    reset: ({ revision }) => subscription.take({ event: "reset", map: map(revision) }, false),
    resume: ({ revision, changes, more_since: more, reset, expires }) => {
      subscription.reconnected();
      const { receive } = subscription.reopening();
      const since = more ? String(more) : null;
      const news = reset ? { reset } : { changes: changes.map(changeBody), more_since: since };
      receive({ map: map(revision, expires), ...news });
    },
    reply: ({ change: [kind, id, revision] }) => {
      const written = kind === "removed" ? null : item(id, revision);
      subscription.wrote(new ItemChange({ kind, id, revision: String(revision), item: written }));
    },
  };
  for (const step of steps) {
    [announced, expiries] = [[], []];
    await actions[step.do](step);
    await settled();
    const what = JSON.stringify(step);
    assert.deepEqual(announced, step.announced ?? [], what);
    assert.deepEqual(expiries, step.expiries ?? [], what);
    if ("items_after" in step) {
      const items = Object.fromEntries(replica.items().map(({ key, order }) => [key, order]));
      assert.deepEqual(items, step.items_after, what);
    }
    if ("since" in step) assert.equal(subscription.since, step.since, what);
    if ("complete" in step) assert.equal(replica.isComplete, step.complete, what);
    if ("lost" in step) assert.equal(subscription.isLost, step.lost, what);
  }
});

/** A handle of a part, whose `changes` grow: keys and revisions. */
function handleOf(subscription, part) {
  const handle = { part, changes: [], end: () => {} };
  handle.emit = ({ id, order }) => handle.changes.push([id, order]);
  subscription.handles.add(handle);
  return handle;
}

test("while the connection has another part open, its events do not count", () => {
  const [ofA, ofB] = [{ keys: ["a"] }, { prefix: "b" }];
  const subscription = new CollectionSubscription(MAP, { map: header(5) }, ofA, { eventQueue: 10 });
  const a = handleOf(subscription, Part.of(ofA.keys));
  assert.equal(subscription.isLost, false);

  // Two calls at once: the second `open` did not know of the first.
  subscription.openedAgain({ map: header(5) }, ofB);
  const b = handleOf(subscription, Part.of(undefined, ofB.prefix));
  assert.equal(subscription.isLost, true);
  const changes = [changeBody(["updated", "a", 6]), changeBody(["added", "b1", 7])];
  subscription.take({ event: "items", map: header(7), changes: [changes[1]] }, false);
  assert.deepEqual([subscription.since, b.changes], [5, []]);

  const { members, receive } = subscription.reopening();
  assert.deepEqual(members, { revision: "5" }, "the whole contains both");
  receive({ map: header(7), changes, more_since: null });
  assert.equal(subscription.isLost, false);
  assert.deepEqual([a.changes, b.changes], [[["a", 6]], [["b1", 7]]]);
  subscription.take({ event: "items", map: header(8), changes: [changeBody(["added", "b2", 8])] }, false);
  assert.deepEqual([subscription.since, b.changes.at(-1)], [8, ["b2", 8]]);
});

test("too much news behind a write is asked for again", async () => {
  const options = { eventQueue: 2 };
  const subscription = new CollectionSubscription(MAP, { map: header(1) }, {}, options);
  const handle = handleOf(subscription, Part.WHOLE);
  let lost = 0;
  subscription.onLost = () => (lost += 1);
  let finish;
  const writing = subscription.writing(() => new Promise((resolve) => (finish = resolve)));
  const changes = [2, 3, 4, 5].map((revision) => changeBody(["updated", `k${revision}`, revision]));
  for (const change of changes.slice(0, 3)) {
    subscription.take({ event: "items", map: header(change.revision), changes: [change] }, true);
  }
  assert.deepEqual([lost, subscription.isLost, handle.changes], [1, true, []]);
  subscription.reopening().receive({ map: header(4), changes: changes.slice(0, 3), more_since: null });
  subscription.take({ event: "items", map: header(5), changes: [changes[3]] }, true);
  finish();
  await writing;
  assert.deepEqual(handle.changes.map(([, revision]) => revision), [2, 3, 4, 5]);
  assert.equal(subscription.isLost, false);
});

test("a slow client asks for the items whose removal the server need not have sent", async (t) => {
  const options = { eventQueue: 10, backoffInitial: 1, backoffLimit: 1 };
  const subscription = new CollectionSubscription(MAP, { map: header(1) }, {}, options);
  const asked = [];
  const read = (members, receive) =>
    new Promise((resolve) => asked.push({ members, reply: (ok) => resolve(receive(ok)) }));
  const owner = { read, ids: "keys", onClose: () => {} };
  const replica = new Replica({ options, release: () => {} }, subscription, Part.WHOLE, owner);
  t.after(() => replica.close());
  const removals = [];
  replica.on("itemRemoved", ({ key, isLocal }) => removals.push([key, isLocal]));
  await settled();
  const body = (key, at) => itemBody(key, at, { at });
  const pages = [["a", 1], ["b", 3], ["c", 4], ["d", 5]].map(([key, at]) => body(key, at));
  asked.shift().reply({ map: header(5), items: pages, next: null });
  subscription.wrote(new ItemChange({ kind: "added", id: "e", revision: "6", item: item("e", 6) }));
  assert.deepEqual(replica.keys(), ["a", "b", "c", "d", "e"]);
  const changes = [["updated", "a", 9], ["updated", "c", 10]].map(changeBody);
  subscription.take({ event: "items", map: header(10), changes }, false);
  const { members, reply } = asked.shift();
  assert.deepEqual(members.keys, ["b", "d", "e"]);
  // `d` has changed meanwhile: its event is still to come, and is not asked for again.
  reply({ map: header(12), items: [body("d", 12)], next: null });
  await settled();
  assert.deepEqual([removals, replica.keys(), asked], [[["b", false]], ["a", "c", "d"], []]);
  subscription.take({ event: "items", map: header(12), changes: [changeBody(["updated", "d", 12])] }, false);
  assert.equal(replica.get("d").order, 12);
  assert.deepEqual(asked, []);
});
