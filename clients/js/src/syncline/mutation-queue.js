/** Queue of the `mutate` calls of one document or item. */

import { SynclineError } from "./errors.js";
import { Queue } from "./queue.js";
import { Deferred, ignore } from "./timing.js";

/**
 * Node's `AsyncLocalStorage`, which follows a call through its `await`s; null in browsers.
 *
 * @type {{ run: (store: object, work: () => any) => any, getStore: () => any } | null}
 */
const callers = (() => {
  const { process } = /** @type {any} */ (globalThis);
  const hooks = process?.getBuiltinModule?.("node:async_hooks");
  return hooks ? new hooks.AsyncLocalStorage() : null;
})();

/**
 * Runs the mutations of one document or item one at a time, so that they do not conflict with each
 * other.
 *
 * A mutator that awaits another mutation of the same object would wait for itself. Such a nested
 * call is refused at once if it can be recognised: before the mutator's first `await`, and in Node
 * after it too. In a browser it is refused once the running mutator has taken too long.
 */
export class MutationQueue {
  #noun;
  #queue = new Queue();
  /** True while the synchronous part of a mutator runs. */
  #isCalling = false;
  /** When the running mutator was called; null if none is running. @type {number | null} */
  #calledAt = null;

  /** @param {string} [noun] what is mutated, in error messages */
  constructor(noun = "document") {
    this.#noun = noun;
  }

  /** True if no mutation is running or waiting. */
  get isIdle() {
    return this.#queue.isIdle;
  }

  /**
   * @template T
   * @param {number} wait maximum time to wait for the mutator of another call
   * @param {(calling: <R>(mutator: () => R) => Promise<Awaited<R>>) => Promise<T>} work must call
   *   the mutator through `calling`
   * @returns {Promise<T>}
   */
  async run(wait, work) {
    if (this.#isCalling || callers?.getStore()?.running.has(this)) throw nested(this.#noun);
    let hasBegun = false;
    /** @type {Deferred<never>} */
    const refused = new Deferred();
    refused.promise.catch(ignore);
    // While this call waits, check whether the running mutator is stuck: it may wait for this call.
    const timer = setInterval(() => {
      const isStuck = this.#calledAt !== null && performance.now() - this.#calledAt >= wait;
      if (!hasBegun && isStuck) refused.reject(nested(this.#noun));
    }, wait / 4);
    const result = this.#queue.run(async () => {
      hasBegun = true;
      clearInterval(timer);
      // If the call was refused while it waited, its promise is rejected already: do not write.
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
      running.clear(); // code that outlives the mutator, such as a timer, may call `mutate`
      this.#calledAt = null;
    }
  }
}

/** @param {string} noun */
function nested(noun) {
  return new SynclineError(
    `mutate was called inside a mutator of the same ${noun}, which would wait for itself: ` +
      "return the new data from the mutator, and call mutate before or after it",
  );
}
