/** Queue of events, read by iteration. */

import { Deferred } from "./timing.js";

/**
 * An event that all listeners share.
 *
 * @typedef {object} QueuedEvent
 * @property {string} name
 * @property {() => any} describe makes a copy for one listener, which may change it
 */

/** @typedef {(events: any[], event: any) => void} Merge puts an event into a full queue */

/**
 * Asynchronous iterator over the events of an object, with a bounded queue.
 *
 * When the queue is full, new events are merged with those in it. A slow reader of a document gets
 * the oldest queued events as they were, and then the newest state; that of a list or map a `reset`;
 * that of a stream `missed`.
 *
 * @template Event
 * @implements {AsyncIterableIterator<Event>}
 */
export class EventQueue {
  #bound;
  #merge;
  #onReturn;
  /** @type {QueuedEvent[]} */
  #events = [];
  /** @type {Deferred<void>} resolved and replaced on each event and at the end */
  #changed = new Deferred();
  #ended = false;
  /** @type {Error | null} */
  #error = null;

  /**
   * @internal
   * @param {number} bound
   * @param {Merge} merge
   * @param {(queue: EventQueue<any>) => void} onReturn called when the reader stops
   */
  constructor(bound, merge, onReturn) {
    this.#bound = bound;
    this.#merge = merge;
    this.#onReturn = onReturn;
  }

  /** @internal @param {QueuedEvent} event */
  put(event) {
    if (this.#events.length >= this.#bound) this.#merge(this.#events, event);
    else this.#events.push(event);
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

  /** @returns {Promise<IteratorResult<Event, undefined>>} */
  async next() {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return { done: false, value: event.describe() };
      if (this.#ended) return this.#stop();
      // No await since `shift`, so no `put` is missed.
      await this.#changed.promise;
    }
  }

  /** Stop; drop queued events. @returns {Promise<IteratorResult<Event, undefined>>} */
  async return() {
    this.#events = [];
    this.end(null);
    this.#onReturn(this);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {IteratorResult<Event, undefined>} */
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
