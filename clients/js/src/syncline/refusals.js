/**
 * HTTP errors: refusals by Syncline, and replies by anything else between client and server
 * (docs/protocol.md, rules C5 and C6).
 */

import { connectionLost, refusalOf } from "./errors.js";
import { DOCUMENTED_CODES } from "./protocol.js";

/** @import { SynclineError } from "./errors.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * Make the error for a reply that is not a success. A reply without the server's own error body
 * comes from something in between, such as a gateway during a restart or a captive portal. It
 * counts as a lost connection, and the client tries again (promise 7).
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
  try {
    return refusalOf({ code, status, message, retry, document: details?.document }, retryAfterOf(response));
  } catch {
    return notSyncline(response);
  }
}

/**
 * Return the error body if it is the server's own (docs/protocol.md, section 7), else null.
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
  const isKnown = DOCUMENTED_CODES.has(code) || String(link).endsWith(`/errors/${code}`);
  return isKnown ? body : null;
}

/** @param {Response} response @returns {number | null} in milliseconds */
function retryAfterOf(response) {
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return seconds >= 0 ? seconds * 1_000 : null;
}

/** @param {Response} response */
export function notSyncline({ status, statusText }) {
  return connectionLost(`HTTP ${status} ${statusText} from something that is no Syncline server`);
}
