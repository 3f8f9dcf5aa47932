/** What the handles of all open objects share: header, events, closing. */

import { Emitter } from "./emitter.js";
import { SynclineError } from "./errors.js";
import { EventQueue } from "./event-queue.js";

/** @import { Merge, QueuedEvent } from "./event-queue.js" */
/** @import { Header } from "./header.js" */
/** @import { OpenObjects, Subscription } from "./open-objects.js" */

/**
 * One object, subscribed until `close()`.
 *
 * Handles of one object share one subscription. Writes survive a break: the client sends them again
 * on the next connection, and the server applies each of them once. Every promise may be rejected
 * with a `SynclineError`: 404 the object, or the item, does not exist, 413 the data is too large,
 * 412 `ifMatch` is not the newest revision, 503 or 429 try again later, 400 a value is not allowed,
 * 0 no reply.
 *
 * @template {Subscription & { current: Header, removed: boolean }} S
 * @template {Record<string, any>} Events
 * @extends {Emitter<Events>}
 */
export class Handle extends Emitter {
  /** @internal @protected */
  objects;
  /** @internal @protected */
  subscription;

  #merge;
  #isClosed = false;
  /** @type {{ error: Error | null } | null} set once no event will follow */
  #end = null;
  /** @type {Set<EventQueue<any>>} */
  #queues = new Set();
  /** @type {{ emit: (event: QueuedEvent) => void, end: (error: Error | null) => void }} */
  #listener;

  /**
   * @internal
   * @param {OpenObjects} objects
   * @param {S} subscription
   * @param {Merge} merge how events are merged for a slow reader of `events()`
   * @param {object} [interests] further members of the listener
   */
  constructor(objects, subscription, merge, interests = {}) {
    super();
    this.objects = objects;
    this.subscription = subscription;
    this.#merge = merge;
    this.#listener = {
      ...interests,
      emit: (event) => this.#emit(event),
      end: (error) => {
        this.#end = { error };
        for (const queue of this.#queues) queue.end(error);
      },
    };
    subscription.handles.add(this.#listener);
  }

  /** Two letters and 32 hexadecimal digits. */
  get sid() {
    return this.subscription.sid;
  }

  /** Unique name; null if the object has none. */
  get uniqueName() {
    return this.subscription.current.uniqueName;
  }

  /** Newest known revision. */
  get revision() {
    return this.subscription.current.revision;
  }

  get dateCreated() {
    return new Date(this.subscription.current.dateCreated);
  }

  /** When this revision was written. */
  get dateUpdated() {
    return new Date(this.subscription.current.dateUpdated);
  }

  /** When the object expires; ISO 8601, UTC; null if never. */
  get dateExpires() {
    return this.subscription.current.dateExpires;
  }

  /** Identity of the creator, or `system`. */
  get createdBy() {
    return this.subscription.current.createdBy;
  }

  /** Identity that wrote this revision, or `system`; null if not known. */
  get updatedBy() {
    return this.subscription.current.updatedBy;
  }

  /** True once the client knows that the object was removed; may be true before the event. */
  get removed() {
    return this.subscription.removed;
  }

  /** Close this handle and its listeners; the last handle unsubscribes. Safe to repeat. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.removeAllListeners();
    this.#listener.end(null);
    for (const queue of [...this.#queues]) void queue.return();
    this.subscription.handles.delete(this.#listener);
    void this.objects.release(this.subscription);
  }

  /**
   * Return an iterator over the events from this call on, for `for await`. It ends after `removed`,
   * or when the handle or the client is closed. If the server ended the connection permanently, it
   * throws the reason.
   *
   * @returns {EventQueue<Events[keyof Events]>}
   */
  events() {
    const { eventQueue } = this.objects.options;
    const onReturn = (/** @type {EventQueue<any>} */ ended) => this.#queues.delete(ended);
    const queue = new EventQueue(eventQueue, this.#merge, onReturn);
    if (this.#end) queue.end(this.#end.error);
    else this.#queues.add(queue);
    return queue;
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  /** @internal @protected */
  checkUsable() {
    this.checkOpen();
    const { code, name } = this.absence();
    if (!this.removed) return;
    throw new SynclineError(`The ${name} has been removed`, { code, status: 404 });
  }

  /** @internal @protected */
  checkOpen() {
    if (this.#isClosed) throw new SynclineError("Invalid operation on closed object");
  }

  /**
   * The error code of an object that does not exist, and what such an object is called.
   *
   * @internal
   * @protected
   * @returns {{ code: number, name: string }}
   */
  absence() {
    throw new TypeError("a handle is of one type");
  }

  /** @param {QueuedEvent} event */
  #emit(event) {
    for (const queue of this.#queues) queue.put(event);
    if (this.listenerCount(event.name) > 0) this.emit(event.name, event.describe());
  }
}
