/** Exponential back-off with random pauses (docs/protocol.md, rule C9). No clock: callers sleep. */

/** Time that a connection must last before the back-off resets. */
export const STABLE_AFTER = 5_000;

/**
 * Random pauses below a ceiling that doubles with each failure.
 *
 * The ceiling resets only after a connection, or whatever is tried, has lasted for `stableAfter`.
 * Otherwise a server that accepts and drops at once would be dialled without a pause.
 */
export class Backoff {
  #initial;
  #limit;
  #ceiling;
  #stableAfter;
  #draw;

  /**
   * @param {number} initial the first ceiling
   * @param {number} limit the maximum ceiling
   * @param {{ stableAfter?: number, draw?: () => number }} [options] `draw` returns a random number
   *   from 0 to 1
   */
  constructor(initial, limit, { stableAfter = STABLE_AFTER, draw = () => Math.random() } = {}) {
    this.#initial = initial;
    this.#limit = limit;
    this.#ceiling = initial;
    this.#stableAfter = stableAfter;
    this.#draw = draw;
  }

  /** Maximum of the next pause. */
  get ceiling() {
    return this.#ceiling;
  }

  /** Return the next pause and double the ceiling. */
  pause() {
    const pause = this.#draw() * this.#ceiling;
    this.#ceiling = Math.min(this.#ceiling * 2, this.#limit);
    return pause;
  }

  /** @param {number} time for which what just ended had lasted */
  resetIfStable(time) {
    if (time >= this.#stableAfter) this.#ceiling = this.#initial;
  }
}
