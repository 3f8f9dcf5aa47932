/** Random pauses between attempts. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../../clients/js/src/syncline/backoff.js";
import { each } from "./vectors.js";

each("backoff", ({ initial, limit, stable_after: stable, steps }) => {
  const draws = steps.filter((step) => "draw" in step).map(({ draw }) => draw);
  const backoff = new Backoff(initial * 1_000, limit * 1_000, {
    stableAfter: stable * 1_000,
    draw: () => draws.shift(),
  });
  assert.equal(backoff.ceiling, initial * 1_000);
  for (const step of steps) {
    if ("draw" in step) assert.ok(Math.abs(backoff.pause() - step.pause * 1_000) < 1e-6);
    else backoff.resetIfStable(step.lasted * 1_000);
    assert.equal(backoff.ceiling, step.ceiling * 1_000);
  }
});

test("pauses are random by default", () => {
  assert.ok(new Set(Array.from({ length: 20 }, () => new Backoff(1, 30).pause())).size > 1);
});
