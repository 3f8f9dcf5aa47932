/** Errors of the client. */

import { Item } from "./item.js";
import { Code } from "./protocol.js";
import { Snapshot } from "./snapshot.js";

/** @import { JsonObject } from "./protocol.js" */

/**
 * Every promise of this module is rejected with a `SynclineError`.
 *
 * - `status` 400 to 503: the server, or the client itself, refused the request and changed nothing.
 * - `status` 0: there was no reply. `retry` says whether the same call may succeed later.
 */
export class SynclineError extends Error {
  /**
   * @param {string} message a sentence for a human reader
   * @param {{
   *   code?: number,
   *   status?: number,
   *   retry?: boolean,
   *   retryAfter?: number | null,
   *   closeCode?: number | null,
   *   document?: Snapshot | null,
   *   item?: Item | null,
   *   cause?: unknown,
   * }} [details]
   */
  constructor(message, details = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.name = "SynclineError";
    /** The code, as in the REST API (54103 for a revision mismatch); 0 if there was no reply. */
    this.code = details.code ?? 0;
    /** The HTTP status for the code; 0 if there was no reply. */
    this.status = details.status ?? 0;
    /** True if the same call may succeed later without a change. */
    this.retry = details.retry ?? false;
    /** The pause that the server asks for before the next attempt; null for none. */
    this.retryAfter = details.retryAfter ?? null;
    /** The close code of the WebSocket; null if no close was the reason. */
    this.closeCode = details.closeCode ?? null;
    /** The newest state of the document on a revision mismatch (status 412); otherwise null. */
    this.document = details.document ?? null;
    /**
     * The newest state of the item with status 412, and with 409 if the item exists; otherwise null.
     *
     * @type {any}
     */
    this.item = details.item ?? null;
  }
}

/** The host may answer, but no WebSocket opens: REST may work. */
export class WebSocketBlocked extends SynclineError {}

/** The connection is half-open: it looks open, but carries no data. Dial again at once. */
export class HalfOpen extends SynclineError {}

/**
 * Thrown by the application's token function to say that there will be no token, when the user is
 * signed out for example. The client is then `denied` until `updateToken`. After every other error
 * the client calls the token function again.
 */
export class TokenDenied extends SynclineError {
  /** @param {string} [message] */
  constructor(message = "the application has no token") {
    super(message);
    this.name = "TokenDenied";
  }
}

/** The transport ended before the reply; the request can be sent again with the same `op`. */
export const INTERRUPTED = new SynclineError("the connection was interrupted", { retry: true });

/**
 * @param {string} message
 * @param {{
 *   closeCode?: number, retry?: boolean, retryAfter?: number | null, cause?: unknown,
 * }} [details]
 */
export function connectionLost(message, details = {}) {
  return new SynclineError(message, { retry: true, ...details });
}

export function clientClosed() {
  return new SynclineError("the client was shut down");
}

/** @param {string} message */
export function halfOpen(message) {
  return new HalfOpen(message, { retry: true });
}

/** @param {string} reason */
export function tokenExpired(reason) {
  return new SynclineError(reason, { code: Code.TOKEN_EXPIRED, status: 401 });
}

/** @param {string} message */
export function tooManyRequests(message) {
  return new SynclineError(message, { code: Code.TOO_MANY_REQUESTS, status: 429, retry: true });
}

/**
 * @param {number} size in bytes
 * @param {number} limit in bytes
 */
export function tooLarge(size, limit) {
  const message = `data is ${size} bytes as compact JSON; at most ${limit} are allowed.`;
  return new SynclineError(message, { code: Code.TOO_LARGE, status: 413 });
}

/**
 * Make the error for the `error` member of a reply.
 *
 * @param {JsonObject} body
 * @param {number | null} [retryAfter]
 * @throws {TypeError} `body` has no code or no status
 */
export function refusalOf(body, retryAfter = null) {
  const { code, status, message, retry, document, item } = body;
  if (!Number.isInteger(code) || !Number.isInteger(status)) {
    throw new TypeError("an error has no code or no status");
  }
  return new SynclineError(String(message), {
    code,
    status,
    retry: Boolean(retry),
    retryAfter,
    document: document ? Snapshot.parse(document) : null,
    item: item ? Item.parse(item) : null,
  });
}

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {unknown} error */
export function statusOf(error) {
  return error instanceof SynclineError ? error.status : 0;
}
