/** Why a WebSocket was closed. */

import { SynclineError, connectionLost, tokenExpired } from "./errors.js";
import { Code } from "./protocol.js";

/** Close codes (docs/protocol.md, section 8). */
export const Close = Object.freeze({
  NORMAL: 1000,
  TOKEN_EXPIRED: 4001,
  VIOLATION: 4500,
  TOKEN: 4501,
});

export const FIRST_PRIVATE_CLOSE_CODE = 4000;
const FIRST_FINAL_CLOSE_CODE = 4500;

/**
 * Only the server's own codes are final. Those of RFC 6455 may come from whatever stands between:
 * a proxy that garbles a frame makes the server close with 1002 or 1007.
 *
 * @param {number} code
 * @param {string} reason
 */
export function whyClosed(code, reason) {
  if (code === Close.TOKEN_EXPIRED) return tokenExpired(reason || "the token has expired");
  if (code === Close.TOKEN) {
    const details = { code: Code.TOKEN_INVALID, status: 401, closeCode: code };
    return new SynclineError(reason || "the token was refused", details);
  }
  const retry = code < FIRST_FINAL_CLOSE_CODE;
  return connectionLost(reason || "the connection broke", { closeCode: code, retry });
}
