/** Queue of events, read by iteration. */

import { Updated } from "./events.js";
import { Deferred } from "./timing.js";

/** @import { DocumentEvent, Removed } from "./events.js" */

/**
 * Asynchronous iterator over a document's events, with a bounded queue.
 *
 * When the queue is full, a new `updated` event is merged with the last one in it. So a slow reader
 * gets the oldest queued events as they were, and then the newest state.
 *
 * @implements {AsyncIterableIterator<DocumentEvent>}
 */
export class EventQueue {
  #bound;
  #onReturn;
  /** @type {(Updated | Removed)[]} */
  #events = [];
  /** @type {Deferred<void>} resolved and replaced on each event and at the end */
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
   * End the iteration once the queue is empty; throw `error` then if it is not null.
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
      // No await since `shift`, so no `put` is missed.
      await this.#changed.promise;
    }
  }

  /** Stop; drop queued events. @returns {Promise<IteratorResult<DocumentEvent, undefined>>} */
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
