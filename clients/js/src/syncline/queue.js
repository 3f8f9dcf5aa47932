/** Queue of asynchronous tasks. */

import { tooManyRequests } from "./errors.js";
import { OUTSTANDING_LIMIT } from "./protocol.js";
import { ignore } from "./timing.js";

/** Runs asynchronous tasks one at a time, in the order of the calls. */
export class Queue {
  #last = Promise.resolve();
  #length = 0;

  /** True if no task is running or waiting. */
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
