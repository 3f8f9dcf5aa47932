/** WebSocket close codes, and the errors for them. */

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
 * Make the error for a close code. Only the server's own codes can be final. The codes of RFC 6455
 * may be caused by something in between: if a proxy garbles a frame, the server closes with 1002 or
 * 1007.
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
