/** Exponential back-off with random pauses. */

import { randomBelow } from "./timing.js";

/**
 * Random pauses below a ceiling that doubles with each failure (docs/protocol.md, section 8).
 *
 * The ceiling resets only after a connection has lasted for `STABLE_AFTER`. Otherwise a server that
 * accepts and drops at once would be dialled without a pause.
 */
export class Backoff {
  /** Time that a connection must last before the ceiling resets. */
  static STABLE_AFTER = 5_000;

  #initial;
  #limit;
  #ceiling;

  /**
   * @param {number} initial the first ceiling
   * @param {number} limit the maximum ceiling
   */
  constructor(initial, limit) {
    this.#initial = initial;
    this.#limit = limit;
    this.#ceiling = initial;
  }

  /** Return the next pause and double the ceiling. */
  pause() {
    const pause = randomBelow(this.#ceiling);
    this.#ceiling = Math.min(this.#ceiling * 2, this.#limit);
    return pause;
  }

  /** @param {number} time for which the connection that just ended had lasted */
  connectionStood(time) {
    if (time >= Backoff.STABLE_AFTER) this.#ceiling = this.#initial;
  }
}
