/** The attempts at one request, over several connections, and its error when time is up. */

import { SynclineError } from "./errors.js";

/** @import { Request } from "./transport.js" */

/**
 * Time after which a write is not sent again. The server remembers an `op` for 120 s
 * (docs/protocol.md, section 3); after that it would apply the write a second time.
 */
const RESEND_LIMIT = 100_000;

export class Attempts {
  #request;
  #time;
  /** @type {number | null} since 1970; null while the request cannot have been applied */
  #firstSent = null;
  /** @type {SynclineError | null} the last refusal after which to try again */
  #refusal = null;

  /**
   * @param {Request} request
   * @param {number} time limit for all attempts together
   */
  constructor(request, time) {
    this.#request = request;
    this.#time = time;
  }

  /** Call before each send. @returns {boolean} false if it is too late to send again */
  begin() {
    // `Date.now`, not `performance.now`: the server's 120 s go on while the machine sleeps.
    this.#firstSent ??= Date.now();
    return !("op" in this.#request) || Date.now() - this.#firstSent <= RESEND_LIMIT;
  }

  /**
   * Decide whether to wait and send the request again after a refusal. Only an `open` that was
   * refused with 429 or 503 is repeated, because a document may as well be opened later. A refused
   * write is rejected instead: the application decides whether to repeat it.
   *
   * @param {unknown} error
   * @returns {error is SynclineError}
   */
  takeRefusal(error) {
    if (this.#request.do !== "open" || !(error instanceof SynclineError)) return false;
    if (!error.retry || error.status === 0) return false;
    // Refused, so not applied: the outcome is known again.
    this.#firstSent = null;
    this.#refusal = error;
    return true;
  }

  /**
   * Make the error for when time is up.
   *
   * @param {SynclineError | null} lastBreak why there is no connection
   */
  late(lastBreak) {
    const last = this.#refusal ?? lastBreak;
    const message = [
      `no reply to ${this.#request.do} within ${this.#time} ms`,
      ...(this.#firstSent === null ? [] : ["its outcome is unknown"]),
      ...(last === null ? [] : [`the last error: ${last.message}`]),
    ].join("; ");
    const { code, status } = this.#refusal ?? {};
    return new SynclineError(message, { code, status, retry: true, cause: last ?? undefined });
  }
}
