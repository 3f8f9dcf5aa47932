/** Replica of a collection: its items in memory, kept current. */

import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { SynclineError } from "./errors.js";
import { REPLICA_NAMES } from "./item-events.js";
import { compareKeys } from "./part.js";
import { ReplicaItems } from "./replica-items.js";
import { Deferred, ignore, sleep } from "./timing.js";

/** @import { CollectionSubscription } from "./collection-subscription.js" */
/** @import { Item, ItemId } from "./item.js" */
/** @import { ItemChange, ReplicaEvents } from "./item-events.js" */
/** @import { OpenObjects } from "./open-objects.js" */
/** @import { Part } from "./part.js" */
/** @import { JsonObject } from "./protocol.js" */

/** Items in a page. */
export const PAGE_SIZE = 500;

/** Keys in a request, at most. */
const KEYS_LIMIT = 256;

/** A page that was asked for before a reset. */
const DISCARDED = new SynclineError("the items are read again");

/**
 * All items of a list or map, or of a part of it, in memory; made by `replica()`.
 *
 * Reads are synchronous, in the order of the keys. `itemAdded`, `itemUpdated` and `itemRemoved` are
 * emitted after the replica has changed; not for what the first pages bring. After a break it
 * catches up, and announces the differences.
 *
 * @template {Item} [I=Item]
 * @extends {Emitter<ReplicaEvents<I>>}
 */
export class Replica extends Emitter {
  #objects;
  #subscription;
  #part;
  #ids;
  #read;
  #onClose;
  #items = new ReplicaItems();
  #stop = new AbortController();
  /** Aborted by a reset, which discards the page that is being read. */
  #walk = new AbortController();
  /** @type {Deferred<void>} */
  #ready = new Deferred();
  #listener;
  #isChecking = false;

  /**
   * @internal
   * @param {OpenObjects} objects
   * @param {CollectionSubscription} subscription
   * @param {Part} part
   * @param {{
   *   read: (members: JsonObject, receive: (ok: JsonObject) => void) => Promise<void>,
   *   ids: "keys" | "indexes",
   *   onClose: () => void,
   *   opened?: JsonObject,
   * }} owner `read` sends a request for a page; `ids` is its member with the keys of a part;
   *   `opened`: the reply to an `open` of this part, with a first page
   */
  constructor(objects, subscription, part, { read, ids, onClose, opened }) {
    super();
    this.#objects = objects;
    this.#subscription = subscription;
    this.#part = part;
    this.#ids = ids;
    this.#read = read;
    this.#onClose = onClose;
    this.#ready.promise.catch(ignore);
    this.#listener = {
      part,
      emit: (/** @type {any} */ event) => {
        if (!event.kind) this.emit(event.name, event.describe());
        else this.#announce(this.#items.apply(event));
      },
      end: (/** @type {Error | null} */ error) => this.#end(error ?? closed()),
      reset: (/** @type {string} */ revision) => {
        this.#items.reset(revision);
        this.#walk.abort(DISCARDED);
        void this.#readAll();
      },
      replica: this,
      known: (/** @type {string | number} */ id) =>
        part.has(id) ? this.#items.known(id) : undefined,
      base: objects.options.deltas
        ? (/** @type {string | number} */ id) => this.#items.base(id)
        : undefined,
    };
    subscription.handles.add(this.#listener);
    // No event comes between the reply to `open` and this, so the page is as new as it says.
    void this.#readAll(opened && this.#takePage(opened));
  }

  /** @internal @protected @override */
  get names() {
    return REPLICA_NAMES;
  }

  /** Resolved when all items are here; rejected if that cannot be. @returns {Promise<void>} */
  get ready() {
    return this.#ready.promise;
  }

  /** False until all pages have been read, and again after a reset until they were read again. */
  get isComplete() {
    return this.#items.isComplete;
  }

  /** Number of items. */
  get size() {
    return this.#items.size;
  }

  /** @param {ItemId<I>} key the index of a list @returns {I | undefined} */
  get(key) {
    return /** @type {I | undefined} */ (this.#items.get(key));
  }

  /** @param {ItemId<I>} key */
  has(key) {
    return this.#items.get(key) !== undefined;
  }

  /** The keys, or the indexes of a list, in order. @returns {ItemId<I>[]} */
  keys() {
    return /** @type {ItemId<I>[]} */ ([...this.#items.keys()]);
  }

  /** The items in the order of their keys. @returns {I[]} */
  items() {
    return /** @type {any} */ (this.#items.keys().map((key) => this.#items.get(key)));
  }

  /** @returns {IterableIterator<I>} */
  [Symbol.iterator]() {
    return this.items()[Symbol.iterator]();
  }

  /** Process an own write at its reply. @internal @param {ItemChange} change */
  show(change) {
    this.#items.show(change);
  }

  /**
   * Process that a message has named items; after its changes.
   *
   * @internal
   * @param {Map<string | number, number>} orders revisions of the changes by key
   * @param {number | null} completeTo revision up to which it completes a replay after a break
   */
  confirm(orders, completeTo) {
    for (const change of this.#items.confirm(orders, completeTo)) this.#announce(change);
    void this.#check();
  }

  /**
   * Read items that this client has written, and whose data is not in the reply.
   *
   * @internal
   * @param {(string | number)[]} ids
   */
  async readWritten(ids) {
    const asked = { [this.#ids]: [...ids].sort(compareKeys), limit: PAGE_SIZE };
    const { signal } = this.#stop;
    await this.#read(asked, (ok) => {
      if (signal.aborted) return;
      this.#items.showWritten(ok, this.#subscription.since);
    }).catch(ignore); // the write was applied, and its event brings the item
  }

  /** Keep it current no longer. Safe to repeat. */
  close() {
    if (this.#stop.signal.aborted) return;
    this.#end(closed());
    this.removeAllListeners();
    this.#subscription.handles.delete(this.#listener);
    this.#onClose();
    void this.#objects.release(this.#subscription);
  }

  /** @param {Error} error */
  #end(error) {
    this.#stop.abort(error);
    this.#walk.abort(error);
    this.#ready.reject(error);
  }

  /**
   * Read all pages, with retries, until a reset begins another walk (rules C26 and C27).
   *
   * @param {string | number | null} [after] the key behind which to begin
   */
  async #readAll(after = null) {
    this.#walk = new AbortController();
    const { signal } = this.#walk;
    const { backoffInitial, backoffLimit } = this.#objects.options;
    const backoff = new Backoff(backoffInitial, backoffLimit);
    while (!this.#items.isComplete && !signal.aborted && !this.#stop.signal.aborted) {
      try {
        if (after === null && this.#couldUseDeltas) {
          after = await this.#openPage(signal);
          continue;
        }
        // The connection must have this part open before its pages are read.
        if (this.#subscription.isLost) await this.#objects.catchUp(this.#subscription);
        if (signal.aborted) return;
        after = await this.#readPage(after, signal);
      } catch (error) {
        if (signal.aborted) return;
        // The right to read was taken away, for example: `removed` comes.
        if (!isPassing(error)) return this.#ready.reject(error);
        await sleep(backoff.pause(), signal).catch(ignore);
      }
    }
  }

  /**
   * @param {string | number | null} after
   * @param {AbortSignal} signal
   * @returns {Promise<string | number | null>} the key after which the next page begins
   */
  async #readPage(after, signal) {
    this.#items.ask();
    /** @type {string | number | null} */
    let next = null;
    const part = this.#part.members(this.#ids);
    await this.#read({ after, limit: PAGE_SIZE, ...part }, (ok) => {
      if (!signal.aborted) next = this.#takePage(ok);
    });
    return next;
  }

  get #couldUseDeltas() {
    return this.#objects.hasDeltas && this.#subscription.couldUseDeltas(this.#part);
  }

  /**
   * Open the collection with deltas and with the first page.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<string | number | null>} as `#readPage`
   */
  async #openPage(signal) {
    this.#items.ask();
    /** @type {string | number | null} */
    let next = null;
    const receive = (/** @type {JsonObject} */ ok) => {
      // After a reset the pages are read again (rule C26).
      if (ok.items && !ok.reset && !signal.aborted) next = this.#takePage(ok);
    };
    await this.#objects.openPage(this.#subscription, PAGE_SIZE, receive, signal);
    return next;
  }

  /**
   * @param {JsonObject} ok a reply with a page
   * @returns {string | number | null} the key that ends the page, if others follow
   */
  #takePage(ok) {
    const changes = this.#items.page(ok, this.#subscription.since);
    for (const change of changes) this.#announce(change);
    if (this.#items.isComplete) this.#ready.resolve();
    return ok.next;
  }

  /** Read the items that may have been removed without an event, one call at a time. */
  async #check() {
    const { signal } = this.#stop;
    const suspects = () => this.#items.suspects(this.#subscription.since).slice(0, KEYS_LIMIT);
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      for (let asked = suspects(); asked.length > 0 && !signal.aborted; asked = suspects()) {
        await this.#read({ [this.#ids]: asked, limit: PAGE_SIZE }, (ok) => {
          if (signal.aborted) return;
          const { next } = ok;
          const read = asked.filter((id) => next === null || compareKeys(id, next) <= 0);
          const changes = this.#items.settle(read, ok, this.#subscription.since);
          for (const change of changes) this.#announce(change);
        });
      }
    } catch {
      // The next event tries again.
    } finally {
      this.#isChecking = false;
    }
  }

  /** @param {ItemChange | null} change */
  #announce(change) {
    if (change === null) return;
    if (this.listenerCount(change.name) > 0) this.emit(change.name, change.describe());
  }
}

function closed() {
  return new SynclineError("the replica was closed");
}

/** @param {unknown} error */
function isPassing(error) {
  return error instanceof SynclineError && error.retry;
}
