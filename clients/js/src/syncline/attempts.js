/** The attempts at one request, over several connections (docs/protocol.md, rules C7 and C8). */

import { SynclineError } from "./errors.js";

/** @import { Request } from "./transport.js" */

/** Time after which a write is not sent again (rule C7). */
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
   * Decide whether to wait and send the request again after a refusal (rule C8).
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
