/** What the tests share. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { rejection, until } from "./support.js";

test("a wait that is in vain asks no more", async () => {
  let asked = 0;
  const error = await rejection(until(() => ++asked < 0, 20));
  assert.match(error.message, /waited in vain/);

  // A question that is under way ends.
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  const before = asked;
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.equal(asked, before);
});
