/** A data set that was put back while an event waits for a write. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Snapshot } from "../../clients/js/src/syncline/snapshot.js";
import { Removal, Subscription } from "../../clients/js/src/syncline/subscription.js";
import { body } from "./peer.js";

test("a removal that waits is still announced, and a state is not", async () => {
  const subscription = new Subscription(Snapshot.parse(body(10, {})), 10);
  const received = [];
  const ends = [];
  subscription.handles.add({
    tell: (event) => received.push(event.constructor.name),
    end: (error) => ends.push(error),
  });
  let finish = () => {};
  const written = subscription.writing(() => new Promise((resolve) => (finish = resolve)));
  subscription.receive(Snapshot.parse(body(11, {})), true);
  subscription.receive(new Removal(), true);
  subscription.restore(Snapshot.parse(body(5, {})));
  finish();
  await written;
  assert.deepEqual(ends, [null]);
  assert.equal(received.length, 2);
  assert.equal(subscription.removed, true);
});
