/** The calls of `mutate` of one document. */

import { SynclineError } from "./errors.js";
import { Queue } from "./queue.js";
import { Deferred, ignore } from "./timing.js";

/**
 * Node's, which follows a call through its `await`s; browsers have nothing like it yet.
 *
 * @type {{ run: (store: object, work: () => any) => any, getStore: () => any } | null}
 */
const callers = (() => {
  const { process } = /** @type {any} */ (globalThis);
  const hooks = process?.getBuiltinModule?.("node:async_hooks");
  return hooks ? new hooks.AsyncLocalStorage() : null;
})();

/**
 * Mutations of one document, one at a time, so that they do not refuse each other.
 *
 * A mutator that waits for another mutation of the same document would wait for itself. The call is
 * refused at once where it can be recognised: before the first `await` of the mutator, and in Node
 * after it too. Elsewhere it is refused when the mutator has not returned for a while.
 */
export class MutationQueue {
  #queue = new Queue();
  /** True while the synchronous part of a mutator runs. */
  #isCalling = false;
  /** When the mutator that runs was called; null if none does. @type {number | null} */
  #calledAt = null;

  /**
   * @template T
   * @param {number} wait the longest time to wait for another's mutator
   * @param {(calling: <R>(mutator: () => R) => Promise<Awaited<R>>) => Promise<T>} work is given
   *   what it has to call the mutator with
   * @returns {Promise<T>}
   */
  async run(wait, work) {
    if (this.#isCalling || callers?.getStore()?.running.has(this)) throw nested();
    let hasBegun = false;
    /** @type {Deferred<never>} */
    const refused = new Deferred();
    refused.promise.catch(ignore);
    const timer = setInterval(() => {
      const isStuck = this.#calledAt !== null && performance.now() - this.#calledAt >= wait;
      if (!hasBegun && isStuck) refused.reject(nested());
    }, wait / 4);
    const result = this.#queue.run(async () => {
      hasBegun = true;
      clearInterval(timer);
      // Refused while it waited: what was reported as not done must not happen.
      await Promise.race([refused.promise, Promise.resolve()]);
      return work((mutator) => this.#call(mutator));
    });
    try {
      return await Promise.race([result, refused.promise]);
    } finally {
      clearInterval(timer);
      result.catch(ignore);
    }
  }

  /**
   * @template R
   * @param {() => R} mutator
   * @returns {Promise<Awaited<R>>}
   */
  async #call(mutator) {
    const outer = callers?.getStore()?.running ?? [];
    const running = new Set([...outer, this]);
    this.#calledAt = performance.now();
    try {
      /** @type {R} */
      let result;
      this.#isCalling = true;
      try {
        result = callers ? callers.run({ running }, mutator) : mutator();
      } finally {
        this.#isCalling = false;
      }
      return await result;
    } finally {
      running.clear(); // what the mutator has left behind, a timer for example, may mutate
      this.#calledAt = null;
    }
  }
}

function nested() {
  return new SynclineError(
    "mutate was called inside a mutator of the same document, which would wait for itself: " +
      "return the new data from the mutator, and call mutate before or after it",
  );
}
