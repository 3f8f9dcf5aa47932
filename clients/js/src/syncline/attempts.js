/** What has become of one request, on all the connections that it was sent on. */

import { SynclineError } from "./errors.js";

/** @import { Request } from "./transport.js" */

/**
 * Time after which a request that writes is not sent again: the server remembers its `op` for 120 s
 * (docs/protocol.md, section 3), and would then apply it a second time.
 */
const RESEND_LIMIT = 100_000;

export class Attempts {
  #request;
  #time;
  /** @type {number | null} since 1970; null while nothing of it can have been applied */
  #firstSent = null;
  /** @type {SynclineError | null} the last one that was worth another attempt */
  #refusal = null;

  /**
   * @param {Request} request
   * @param {number} time that all of them may take
   */
  constructor(request, time) {
    this.#request = request;
    this.#time = time;
  }

  /** The request is about to be sent. @returns {boolean} false if it is too late for that */
  begin() {
    // The clock on the wall: it goes on while the machine sleeps.
    this.#firstSent ??= Date.now();
    return !("op" in this.#request) || Date.now() - this.#firstSent <= RESEND_LIMIT;
  }

  /**
   * Take a refusal, and say whether to wait and ask again: the server has no room for now, and
   * nothing depends on when a document is opened. Whoever writes gets the refusal, and decides.
   *
   * @param {unknown} error
   * @returns {error is SynclineError}
   */
  takeRefusal(error) {
    if (this.#request.do !== "open" || !(error instanceof SynclineError)) return false;
    if (!error.retry || error.status === 0) return false;
    this.#firstSent = null;
    this.#refusal = error;
    return true;
  }

  /**
   * The error when time is up.
   *
   * @param {SynclineError | null} lastBreak why there is no connection
   */
  late(lastBreak) {
    const last = this.#refusal ?? lastBreak;
    const message = [
      `no reply to ${this.#request.do} within ${this.#time} ms`,
      ...(this.#firstSent === null ? [] : ["its outcome is unknown"]),
      ...(last === null ? [] : [`the last thing seen: ${last.message}`]),
    ].join("; ");
    const { code, status } = this.#refusal ?? {};
    return new SynclineError(message, { code, status, retry: true, cause: last ?? undefined });
  }
}
