/** Events by iteration. */

import { Updated } from "./events.js";
import { Deferred } from "./timing.js";

/** @import { DocumentEvent, Removed } from "./events.js" */

/**
 * An asynchronous iterator over a document's events, with room for so many.
 *
 * When it is full, the newest `updated` is joined with the last one in the queue: a slow reader
 * gets the newest state rather than every state between.
 *
 * @implements {AsyncIterableIterator<DocumentEvent>}
 */
export class EventQueue {
  #bound;
  #onReturn;
  /** @type {(Updated | Removed)[]} */
  #events = [];
  /** @type {Deferred<void>} resolved, and replaced, when something happens */
  #changed = new Deferred();
  #ended = false;
  /** @type {Error | null} */
  #error = null;

  /**
   * @internal
   * @param {number} bound
   * @param {(queue: EventQueue) => void} onReturn called when the reader stops
   */
  constructor(bound, onReturn) {
    this.#bound = bound;
    this.#onReturn = onReturn;
  }

  /** @internal @param {Updated | Removed} event */
  put(event) {
    const last = this.#events.at(-1);
    const isFull = this.#events.length >= this.#bound;
    if (isFull && event instanceof Updated && last instanceof Updated) {
      this.#events[this.#events.length - 1] = event.following(last);
    } else {
      this.#events.push(event);
    }
    this.#change();
  }

  /**
   * What is queued can still be read; then the iteration stops, or throws `error`.
   *
   * @internal
   * @param {Error | null} error
   */
  end(error) {
    this.#ended = true;
    this.#error = error;
    this.#change();
  }

  /** @returns {Promise<IteratorResult<DocumentEvent, undefined>>} */
  async next() {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return { done: false, value: event.describe() };
      if (this.#ended) return this.#stop();
      await this.#changed.promise;
    }
  }

  /** Stop; drops what is queued. @returns {Promise<IteratorResult<DocumentEvent, undefined>>} */
  async return() {
    this.#events = [];
    this.end(null);
    this.#onReturn(this);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {IteratorResult<DocumentEvent, undefined>} */
  #stop() {
    const error = this.#error;
    this.#error = null;
    if (error) throw error;
    return { done: true, value: undefined };
  }

  #change() {
    this.#changed.resolve();
    this.#changed = new Deferred();
  }
}
