/**
 * HTTP errors: refusals by Syncline, and replies by anything else between client and server
 * (docs/protocol.md, rules C5 and C6).
 */

import { connectionLost, refusalOf } from "./errors.js";
import { CODES_BY_STATUS } from "./protocol.js";
import { randomBelow } from "./timing.js";

/** @import { SynclineError } from "./errors.js" */
/** @import { JsonObject } from "./protocol.js" */

/** Maximum time that the client waits because of `Retry-After` (rule C8). */
const RETRY_AFTER_LIMIT = 30_000;

/** An error without a code of its own has this plus the HTTP status as its code. */
const OTHER_CODES = 20_000;

const NUMBER = /^[+-]?\d+(\.\d+)?$/;

/**
 * Make the error for a reply that is not a success.
 *
 * @param {Response} response
 * @param {string} text
 * @returns {SynclineError}
 */
export function refusalIn(response, text) {
  const body = ownErrorIn(response.status, text);
  if (body === null) return notSyncline(response);
  const { code, status, message, details } = body;
  const retry = status === 429 || status === 503;
  const { document, item } = details ?? {};
  try {
    return refusalOf({ code, status, message, retry, document, item }, retryAfterOf(response));
  } catch {
    return notSyncline(response);
  }
}

/**
 * Return the error body if it is the server's own (rule C5), else null.
 *
 * @param {number} status of the reply
 * @param {string} text
 * @returns {JsonObject | null}
 */
function ownErrorIn(status, text) {
  /** @type {JsonObject} */
  let body;
  try {
    body = Object(JSON.parse(text));
  } catch {
    return null;
  }
  const { code, message, more_info: link } = body;
  if (!Number.isInteger(code) || typeof message !== "string" || body.status !== status) return null;
  // A server newer than this client may have codes that this client does not know.
  const isKnown = code === OTHER_CODES + status || CODES_BY_STATUS[status]?.includes(code);
  return isKnown || String(link).endsWith(`/errors/${code}`) ? body : null;
}

/**
 * Parse `Retry-After` (RFC 9110, section 10.2.3).
 *
 * @param {Response} response
 * @returns {number | null} in milliseconds, limited; null if absent
 */
function retryAfterOf(response) {
  const value = response.headers.get("Retry-After")?.trim() ?? "";
  let time = NaN;
  if (NUMBER.test(value)) time = Number(value) * 1_000;
  else if (value.endsWith("GMT")) time = Date.parse(value) - Date.now();
  return Number.isNaN(time) ? null : Math.min(Math.max(time, 0), RETRY_AFTER_LIMIT);
}

/**
 * Pause for `Retry-After`, with random extra time so that clients do not return together.
 *
 * @param {number | null} time
 */
export function retryPause(time) {
  return time === null ? 0 : time + randomBelow(Math.max(time, 1_000));
}

/** @param {Response} response */
export function notSyncline(response) {
  const { status, statusText } = response;
  const message = `HTTP ${status} ${statusText} from something that is no Syncline server`;
  return connectionLost(message, { retryAfter: retryAfterOf(response) });
}
