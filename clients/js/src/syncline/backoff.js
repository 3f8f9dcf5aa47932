/** The pauses between attempts. */

import { randomBelow } from "./timing.js";

/**
 * Random pauses below a ceiling that doubles with each failure (docs/protocol.md, section 8).
 *
 * The ceiling goes back only after a connection has stood for a while; otherwise a server that
 * accepts and drops at once would be dialled without pause.
 */
export class Backoff {
  /** After this a connection counts as good. */
  static STABLE_AFTER = 5_000;

  #initial;
  #limit;
  #ceiling;

  /**
   * @param {number} initial the first ceiling
   * @param {number} limit the greatest ceiling
   */
  constructor(initial, limit) {
    this.#initial = initial;
    this.#limit = limit;
    this.#ceiling = initial;
  }

  /** The next pause; raises the ceiling. */
  pause() {
    const pause = randomBelow(this.#ceiling);
    this.#ceiling = Math.min(this.#ceiling * 2, this.#limit);
    return pause;
  }

  /** @param {number} time that a connection stood */
  connectionStood(time) {
    if (time >= Backoff.STABLE_AFTER) this.#ceiling = this.#initial;
  }
}
