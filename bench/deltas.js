/**
 * What the events of one document cost the browser client, in microseconds each.
 *
 *     node bench/deltas.js < {"document":{…},"messages":["…",…]}
 *
 * Each message is read as the client's WebSocket does, and taken as its subscription does.
 */

import { readFileSync } from "node:fs";

import { Snapshot } from "../clients/js/src/syncline/snapshot.js";
import { Subscription } from "../clients/js/src/syncline/subscription.js";

const ROUNDS = 15;

const { document, messages } = JSON.parse(readFileSync(0, "utf8"));
let least = Infinity;
for (let round = 0; round < ROUNDS; round += 1) {
  const subscription = new Subscription(Snapshot.parse(document), 256);
  subscription.handles.add({ emit: (event) => event.snapshot.data, end: () => {} });
  const began = performance.now();
  for (const message of messages) subscription.update(JSON.parse(message).document, false);
  least = Math.min(least, performance.now() - began);
  if (subscription.isLost) throw new Error("a delta could not be applied");
}
console.log((least * 1_000) / messages.length);
