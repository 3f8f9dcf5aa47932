/** What a replica of a map has and announces, and in which order. */

import assert from "node:assert/strict";

import { CollectionSubscription } from "../../clients/js/src/syncline/collection-subscription.js";
import { Item } from "../../clients/js/src/syncline/item.js";
import { ItemChange } from "../../clients/js/src/syncline/item-events.js";
import { MAP } from "../../clients/js/src/syncline/item-types.js";
import { Part } from "../../clients/js/src/syncline/part.js";
import { Replica } from "../../clients/js/src/syncline/replica.js";
import { header, itemBody } from "./peer.js";
import { each } from "./vectors.js";

/** A change as messages have it. */
function changeBody([kind, key, revision]) {
  if (kind === "removed") return { kind, key, revision: String(revision) };
  return { kind, ...itemBody(key, revision, { at: revision }) };
}

function item(key, revision) {
  return Item.parse(itemBody(key, revision, { at: revision }));
}

/** Let the replies that were processed have their effect. */
const settled = () => new Promise(setImmediate);

each("collections", async ({ steps }, t) => {
  const options = { eventQueue: 10, backoffInitial: 1, backoffLimit: 1 };
  /** Requests for pages without a reply, oldest first. */
  const asked = [];
  let subscription;
  let replica;
  let announced = [];

  const open = async (revision) => {
    subscription = new CollectionSubscription(MAP, { map: header(revision) }, {}, options);
    const read = (_, receive) =>
      new Promise((resolve) => asked.push((ok) => resolve(receive(ok))));
    const objects = { options, release: () => {} };
    replica = new Replica(objects, subscription, Part.WHOLE, { read, onClose: () => {} });
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
  const map = (revision) => header(revision);
  const actions = {
    ask: () => {}, // the replica asks by itself, as soon as it can
    page: async ({ revision, items, next }) => {
      if (!subscription) await open(revision);
      const page = items.map(([key, at]) => itemBody(key, at, { at }));
      asked.shift()({ map: map(revision), items: page, next });
    },
    event: ({ revision, changes }) => {
      const bodies = changes.map(changeBody);
      subscription.take({ event: "items", map: map(revision), changes: bodies }, false);
    },
    expiry: ({ revision }) => subscription.take({ event: "expiry", map: map(revision) }, false),
    reset: ({ revision }) => subscription.take({ event: "reset", map: map(revision) }, false),
    resume: ({ revision, changes, more_since: more, reset }) => {
      subscription.reconnected();
      const { receive } = subscription.reopening();
      const since = more ? String(more) : null;
      const news = reset ? { reset } : { changes: changes.map(changeBody), more_since: since };
      receive({ map: map(revision), ...news });
    },
    reply: ({ change: [kind, id, revision] }) => {
      const written = kind === "removed" ? null : item(id, revision);
      subscription.wrote(new ItemChange({ kind, id, revision: String(revision), item: written }));
    },
  };
  for (const step of steps) {
    announced = [];
    await actions[step.do](step);
    await settled();
    const what = JSON.stringify(step);
    assert.deepEqual(announced, step.announced ?? [], what);
    if ("items_after" in step) {
      const items = Object.fromEntries(replica.items().map(({ key, order }) => [key, order]));
      assert.deepEqual(items, step.items_after, what);
    }
    if ("since" in step) assert.equal(subscription.since, step.since, what);
    if ("complete" in step) assert.equal(replica.isComplete, step.complete, what);
  }
});
