/** WebSocket close codes, and the errors for them (docs/protocol.md, rule C4). */

import { SynclineError, connectionLost, tokenExpired } from "./errors.js";
import { Code } from "./protocol.js";

/** Close codes (docs/protocol.md, section 8). */
export const Close = Object.freeze({
  NORMAL: 1000,
  TOKEN_EXPIRED: 4001,
  VIOLATION: 4500,
  TOKEN: 4501,
});

const FIRST_OWN = 4000;
const FIRST_FINAL = 4500;
const LAST_FINAL = 4999;

/**
 * Make the error for a close code.
 *
 * @param {number} code
 * @param {string} reason
 */
export function errorForClose(code, reason) {
  if (code === Close.TOKEN_EXPIRED) return tokenExpired(reason || "the token has expired");
  if (code === Close.TOKEN) {
    const details = { code: Code.TOKEN_INVALID, status: 401, closeCode: code };
    return new SynclineError(reason || "the token was refused", details);
  }
  const retry = code < FIRST_FINAL || code > LAST_FINAL;
  return connectionLost(reason || "the connection broke", { closeCode: code, retry });
}

/**
 * True for a code that only a Syncline server sends; gateways send those of RFC 6455.
 *
 * @param {number | null} code
 */
export function isOwn(code) {
  return code !== null && code >= FIRST_OWN;
}
