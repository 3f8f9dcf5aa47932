/** Turns: one thing after the other. */

import { tooManyRequests } from "./errors.js";
import { OUTSTANDING_LIMIT } from "./protocol.js";
import { ignore } from "./timing.js";

/** Work that is done one after the other, in the order in which it came. */
export class Queue {
  #last = Promise.resolve();
  #length = 0;

  /** True if nothing is under way or waits. */
  get isIdle() {
    return this.#length === 0;
  }

  /**
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async run(work) {
    if (this.#length >= OUTSTANDING_LIMIT) {
      throw tooManyRequests(`${this.#length} calls wait for this document already.`);
    }
    this.#length += 1;
    const result = this.#last.then(work);
    this.#last = result.then(ignore, ignore);
    try {
      return await result;
    } finally {
      this.#length -= 1;
    }
  }
}
