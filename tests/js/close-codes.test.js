/** What the client makes of a close code. */

import assert from "node:assert/strict";

import { errorForClose, isOwn } from "../../clients/js/src/syncline/close-codes.js";
import { each } from "./vectors.js";

const CODES = { lost: [0, 0], token_expired: [20104, 401], token_refused: [20101, 401] };

each("close_codes", ({ code, reason, error: kind, retry, own }) => {
  const error = errorForClose(code, reason);
  assert.deepEqual([error.code, error.status], CODES[kind]);
  assert.equal(error.retry, retry);
  assert.ok(error.message.includes(reason));
  if (kind === "lost") assert.equal(error.closeCode, code);
  assert.equal(isOwn(code), own);
});
