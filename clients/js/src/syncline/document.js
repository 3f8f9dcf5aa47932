/** Handle of an open document: reads, writes and change events. */

import { Emitter } from "./emitter.js";
import { SynclineError, statusOf } from "./errors.js";
import { EventQueue } from "./event-queue.js";
import { Json, pointerTo } from "./encoding.js";
import { Code, PATCH_TYPES, makeOp } from "./protocol.js";
import { Snapshot, checkRevision } from "./snapshot.js";
import { randomBelow, sleep } from "./timing.js";

/** @import { Removed, RemovedEvent, Updated, UpdatedEvent } from "./events.js" */
/** @import { OpenDocuments } from "./open-objects.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Listener, Subscription } from "./subscription.js" */

/** Maximum number of operations in one JSON patch (docs/protocol.md, section 3). */
const OPERATIONS_LIMIT = 1_000;

/** First and largest ceiling of the random pause between attempts of `mutate`. */
const MUTATE_PAUSE = 10;
const MUTATE_PAUSE_LIMIT = 500;

/**
 * Called with the data, which it may change. Returns the new data, or null or undefined to write
 * nothing.
 *
 * @callback Mutator
 * @param {any} data
 * @returns {JsonObject | null | undefined | void | Promise<JsonObject | null | undefined | void>}
 */

/**
 * @typedef {object} WriteOptions
 * @property {number} [ttl] time to live in seconds from now; 0: never expires; default: keep the
 *   expiry
 * @property {string} [ifMatch] write only if the document is at this revision
 */

/**
 * One rule by which the server changes the newest data.
 *
 * @typedef {{ merge: JsonObject }
 *   | { operations: JsonObject[] }
 *   | { increment: Record<string, number> }} Patch
 *   a JSON merge patch (RFC 7396); a JSON patch (RFC 6902), applied completely or not at all; or
 *   numbers to add, by JSON pointer (RFC 6901)
 */

/**
 * One document, subscribed until `close()`; made by `Client.document`.
 *
 * Handles of one document share one subscription. Writes survive a break: the client sends them
 * again on the next connection, and the server applies each of them once. Every promise may be
 * rejected with a `SynclineError`: 404 the document was removed, 413 the data is too large, 412
 * `ifMatch` is not the newest revision, 503 or 429 try again later, 400 a value is not allowed, 0
 * no reply.
 *
 * @extends {Emitter<{ updated: UpdatedEvent, removed: RemovedEvent }>}
 */
export class SyncDocument extends Emitter {
  /** The names of the events. */
  static updated = /** @type {const} */ ("updated");
  static removed = /** @type {const} */ ("removed");

  #documents;
  #subscription;
  #isClosed = false;
  /** @type {{ error: Error | null } | null} set once no event will follow */
  #end = null;
  /** @type {Set<EventQueue>} */
  #queues = new Set();
  /** @type {Listener} */
  #listener;

  /**
   * @internal
   * @param {OpenDocuments} documents
   * @param {Subscription} subscription
   */
  constructor(documents, subscription) {
    super();
    this.#documents = documents;
    this.#subscription = subscription;
    this.#listener = {
      emit: (event) => this.#emit(event),
      end: (error) => {
        this.#end = { error };
        for (const queue of this.#queues) queue.end(error);
      },
    };
    subscription.handles.add(this.#listener);
  }

  /** @type {"document"} */
  get type() {
    return "document";
  }

  /** `ET` and 32 hexadecimal digits. */
  get sid() {
    return this.#subscription.sid;
  }

  /** Unique name of the document; null if it has none. */
  get uniqueName() {
    return this.#subscription.current.uniqueName;
  }

  /** Newest known data; a copy that the caller may change. */
  get data() {
    return this.#subscription.current.data;
  }

  /** Alias of `data`. */
  get value() {
    return this.data;
  }

  /** The revision of `data`. */
  get revision() {
    return this.#subscription.current.revision;
  }

  get dateCreated() {
    return new Date(this.#subscription.current.dateCreated);
  }

  /** When this revision was written. */
  get dateUpdated() {
    return new Date(this.#subscription.current.dateUpdated);
  }

  /** When the document expires; ISO 8601, UTC; null if never. */
  get dateExpires() {
    return this.#subscription.current.dateExpires;
  }

  /** Identity of the creator, or `system`. */
  get createdBy() {
    return this.#subscription.current.createdBy;
  }

  /** Identity that wrote this revision, or `system`; null if not known. */
  get updatedBy() {
    return this.#subscription.current.updatedBy;
  }

  /** True once the client knows that the document was removed; may be true before the event. */
  get removed() {
    return this.#subscription.removed;
  }

  /**
   * Replace the data.
   *
   * @param {JsonObject} data
   * @param {WriteOptions} [options]
   * @returns {Promise<JsonObject>} the data as written
   */
  async set(data, { ttl, ifMatch } = {}) {
    const json = Json.data(data, this.#documents.dataLimit);
    return this.#write("set", { data: json, ttl, if_match: ifMatch }, json.text);
  }

  /**
   * Set some top-level keys and leave the others as they are. The server merges, so there is no
   * conflict with other writers. The merge is shallow: each value replaces the one of its key.
   *
   * @param {JsonObject} changes new values by key
   * @param {{ ttl?: number }} [options] as in `set`
   * @returns {Promise<JsonObject>} the whole data as it is then
   */
  async update(changes, { ttl } = {}) {
    Json.data(changes, this.#documents.dataLimit);
    const entries = Object.entries(changes);
    const isPlain = entries.every(([, value]) => JSON.stringify(value) !== undefined);
    if (!isPlain || entries.length > OPERATIONS_LIMIT) {
      // A value that JSON cannot write, such as undefined, removes its key; a patch cannot do that.
      return this.mutate((data) => Object.assign(data, changes), { ttl });
    }
    const operations = entries.map(([key, value]) => ({ op: "add", path: pointerTo(key), value }));
    return this.patch({ operations }, { ttl });
  }

  /**
   * Compute new data from the newest data and write it; retry if another writer was first.
   *
   * @param {Mutator} mutator may be called several times, with newer data; if it calls `mutate` on
   *   this document, that call is rejected
   * @param {{ ttl?: number }} [options] as in `set`
   * @returns {Promise<JsonObject>} the data as written; the newest data if `mutator` returned none
   */
  async mutate(mutator, { ttl } = {}) {
    this.#checkOpen();
    const deadline = performance.now() + this.#documents.options.mutateTimeout;
    const { mutations } = this.#subscription;
    return mutations.run(this.#documents.options.mutateWait, async (calling) => {
      // A refusal carries the newest state: the first retry needs no pause.
      for (let ceiling = 0; ; ceiling = Math.min(ceiling * 2 || MUTATE_PAUSE, MUTATE_PAUSE_LIMIT)) {
        const newest = this.#subscription.current;
        const data = await calling(() => mutator(newest.data));
        if (data === null || data === undefined) return this.data;
        // The revision that the mutator saw. `current` may have changed during its await.
        try {
          return await this.set(data, { ttl, ifMatch: newest.revision });
        } catch (error) {
          if (statusOf(error) !== 412 || performance.now() >= deadline) throw error;
        }
        await sleep(randomBelow(ceiling));
      }
    });
  }

  /**
   * Let the server change the newest data by one rule.
   *
   * @param {Patch} patch rejected with 409 if it does not fit the data
   * @param {WriteOptions} [options] without `ifMatch`, the server retries the patch when another
   *   writer was first
   * @returns {Promise<JsonObject>} the whole data as it is then
   */
  async patch(patch, { ttl, ifMatch } = {}) {
    const rules = Object.entries(patch).filter(([, rule]) => rule != null);
    if (rules.length !== 1 || !(rules[0][0] in PATCH_TYPES)) {
      throw new TypeError("patch takes exactly one of merge, operations and increment");
    }
    const [[kind, rule]] = rules;
    return this.#write("patch", { [kind]: Json.of(rule), ttl, if_match: ifMatch });
  }

  /**
   * Add to a number; a missing number counts as 0.
   *
   * @param {string} pointer a JSON pointer (RFC 6901), such as `/likes`
   * @param {number} [by]
   * @returns {Promise<JsonObject>} the whole data as it is then
   */
  async increment(pointer, by = 1) {
    return this.patch({ increment: { [pointer]: by } });
  }

  /**
   * Change the expiry and keep the data.
   *
   * @param {number} ttl time to live in seconds from now; 0: never expires
   * @param {{ ifMatch?: string }} [options]
   * @returns {Promise<void>}
   */
  async setTtl(ttl, { ifMatch } = {}) {
    await this.#write("ttl", { ttl, if_match: ifMatch });
  }

  /**
   * Remove the document for all clients.
   *
   * @param {{ ifMatch?: string }} [options]
   * @returns {Promise<void>}
   */
  async removeDocument({ ifMatch } = {}) {
    this.#checkUsable();
    const members = { document: this.sid, if_match: ifMatch, op: makeOp() };
    const receive = () => this.#subscription.wroteRemoval();
    await this.#subscription.writing(() => this.#documents.request("remove", members, receive));
  }

  /** Close this handle and its listeners; the last handle unsubscribes. Safe to repeat. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.removeAllListeners();
    this.#listener.end(null);
    for (const queue of [...this.#queues]) void queue.return();
    this.#subscription.handles.delete(this.#listener);
    void this.#documents.release(this.#subscription);
  }

  /**
   * Return an iterator over the events from this call on, for `for await`. It ends after `removed`,
   * or when the handle or the client is closed. If the server ended the connection permanently, it
   * throws the reason.
   */
  events() {
    const { eventQueue } = this.#documents.options;
    const queue = new EventQueue(eventQueue, (ended) => this.#queues.delete(ended));
    if (this.#end) queue.end(this.#end.error);
    else this.#queues.add(queue);
    return queue;
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  /** @param {Updated | Removed} event */
  #emit(event) {
    for (const queue of this.#queues) queue.put(event);
    if (this.listenerCount(event.name) > 0) this.emit(event.name, event.describe());
  }

  /**
   * Send a write and return the data after it.
   *
   * @param {string} verb
   * @param {JsonObject} members
   * @param {string | null} [json] the data after the write; null if not known before the reply
   * @returns {Promise<JsonObject>}
   */
  async #write(verb, members, json = null) {
    this.#checkUsable();
    const all = { document: this.sid, op: makeOp(), ...members };
    const before = this.#subscription.current;
    /** @param {JsonObject} ok */
    const receive = (ok) => this.#takeWrite(ok.document, json);
    try {
      const written = await this.#subscription.writing(() =>
        this.#documents.request(verb, all, receive),
      );
      return (written ?? (await this.#read())).data;
    } catch (error) {
      // The refusal carries the newest state. It is older than `before` only if the server's data
      // set went back; otherwise adopt it if it is newer than `current`.
      const newest = error instanceof SynclineError ? error.document : null;
      if (newest && !this.#subscription.goBack(newest, before)) this.#subscription.adopt(newest);
      throw error;
    }
  }

  /**
   * @param {JsonObject} body
   * @param {string | null} json
   */
  #takeWrite(body, json) {
    // The reply to a repeated `op`, or to `ttl`, may lack the data. `current` may be another
    // revision by now, so its data must not be used: `#write` reads the document instead.
    const isKnown = json !== null || "data" in body;
    const snapshot = isKnown ? Snapshot.parse(body, this.#subscription.current, json) : null;
    this.#subscription.wrote(Number(checkRevision(body.revision)), snapshot);
    return snapshot;
  }

  /** @returns {Promise<Snapshot>} */
  #read() {
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      const snapshot = Snapshot.parse(ok.document, this.#subscription.current);
      this.#subscription.adopt(snapshot);
      return snapshot;
    };
    return this.#documents.request("get", { document: this.sid }, receive);
  }

  #checkUsable() {
    this.#checkOpen();
    if (this.removed) {
      const details = { code: Code.DOCUMENT_NOT_FOUND, status: 404 };
      throw new SynclineError("The Document has been removed", details);
    }
  }

  #checkOpen() {
    if (this.#isClosed) throw new SynclineError("Invalid operation on closed object");
  }
}
