/** Which HTTP replies are Syncline's own errors. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { refusalIn, retryPause } from "../../clients/js/src/syncline/refusals.js";
import { each } from "./vectors.js";

each("errors", (vector) => {
  const { status, headers, body } = vector;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const error = refusalIn(new Response(text, { status, headers }), text);
  assert.equal(error.retryAfter === null ? null : error.retryAfter / 1_000, vector.retry_after);
  if (vector.error === "weather") {
    assert.deepEqual([error.code, error.status, error.retry], [0, 0, true]);
    return;
  }
  assert.deepEqual([error.code, error.status], [body.code, body.status]);
  assert.deepEqual([error.message, error.retry], [body.message, vector.retry]);
  assert.equal(error.document?.order, vector.document);
});

test("a client waits at least as long as it was asked, and at most twice", () => {
  assert.equal(retryPause(null), 0);
  for (const time of [0, 500, 7_000, 30_000]) {
    const pauses = Array.from({ length: 50 }, () => retryPause(time));
    assert.ok(Math.min(...pauses) >= time);
    assert.ok(Math.max(...pauses) <= time + Math.max(time, 1_000));
    assert.ok(new Set(pauses).size > 1);
  }
});
