/** What a client announces of a document, and in which order. */

import assert from "node:assert/strict";

import { Removal, Updated } from "../../clients/js/src/syncline/events.js";
import { Snapshot } from "../../clients/js/src/syncline/snapshot.js";
import { Subscription } from "../../clients/js/src/syncline/subscription.js";
import { body, SID } from "./peer.js";
import { each } from "./vectors.js";

/** The document at a revision. */
function snapshot(revision) {
  return Snapshot.parse(body(revision, { at: revision }));
}

each("subscriptions", async ({ opened = 1, bound = 10, steps }) => {
  const subscription = new Subscription(snapshot(opened), bound);
  let previous = { at: opened };
  let announced = [];
  /** Data of each event is that of its revision, and follows on the event before. */
  const emit = (event) => {
    const { data, previousData, revision, isLocal: local } = event.describe();
    assert.deepEqual(previousData, previous);
    if (event instanceof Updated) {
      assert.deepEqual(data, { at: Number(revision) });
      previous = data;
      announced.push({ updated: Number(revision), local });
    } else {
      announced.push({ removed: true, local });
    }
  };
  subscription.handles.add({ emit, end: () => {} });
  const writes = new Map();
  const actions = {
    event: ({ document, early = false }) =>
      subscription.update({ sid: SID, ...document }, early),
    state: ({ revision, early = false }) => subscription.receive(snapshot(revision), early),
    removal: ({ document, early = false }) => subscription.receive(new Removal(document), early),
    adopt: ({ revision }) => subscription.adopt(snapshot(revision)),
    write: ({ id }) => {
      let finish;
      const reply = new Promise((resolve) => (finish = resolve));
      writes.set(id, { finish, written: subscription.writing(() => reply) });
    },
    reply: ({ revision, data = true }) =>
      subscription.wrote(revision, data ? snapshot(revision) : null),
    finish: async ({ id }) => {
      const { finish, written } = writes.get(id);
      finish();
      await written;
    },
    reconnected: () => subscription.reconnected(),
    removed_here: () => subscription.wroteRemoval(),
    go_back: ({ revision, before, back }) => {
      assert.equal(subscription.goBack(snapshot(revision), snapshot(before)), back);
    },
  };
  for (const step of steps) {
    announced = [];
    await actions[step.do](step);
    const what = JSON.stringify(step);
    assert.deepEqual(announced, step.announced ?? [], what);
    if ("current" in step) {
      assert.equal(subscription.current.order, step.current, what);
      assert.deepEqual(subscription.current.data, { at: step.current });
    }
    if ("lost" in step) assert.equal(subscription.isLost, step.lost, what);
    if ("removed" in step) assert.equal(subscription.removed, step.removed, what);
  }
});
