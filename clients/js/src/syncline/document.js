/** A document, as an application has it. */

import { Emitter } from "./emitter.js";
import { SynclineError, statusOf } from "./errors.js";
import { EventQueue } from "./event-queue.js";
import { Json, pointerTo } from "./json.js";
import { Code, PATCH_TYPES, makeOp } from "./protocol.js";
import { Snapshot, checkRevision } from "./snapshot.js";
import { randomBelow, sleep } from "./timing.js";

/** @import { Removed, RemovedEvent, Updated, UpdatedEvent } from "./events.js" */
/** @import { OpenDocuments } from "./open-objects.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Listener, Subscription } from "./subscription.js" */

/** Operations in one JSON patch, at most (docs/protocol.md, section 3). */
const OPERATIONS_LIMIT = 1_000;

/** The ceiling of the first random pause between attempts of `mutate`, and the greatest. */
const MUTATE_PAUSE = 10;
const MUTATE_PAUSE_LIMIT = 500;

/**
 * Takes the data, which it may change, and returns the new data; or null or undefined to leave the
 * document as it is.
 *
 * @callback Mutator
 * @param {any} data
 * @returns {JsonObject | null | undefined | void | Promise<JsonObject | null | undefined | void>}
 */

/**
 * @typedef {object} WriteOptions
 * @property {number} [ttl] seconds to live from now on, 0: it does not expire; without it, the expiry stays
 * @property {string} [ifMatch] write only if the document is at this revision
 */

/**
 * One rule by which the server changes the newest data.
 *
 * @typedef {{ merge: JsonObject }
 *   | { operations: JsonObject[] }
 *   | { increment: Record<string, number> }} Patch
 *   a JSON merge patch (RFC 7396); a JSON patch (RFC 6902), applied whole or not at all; or
 *   numbers to add, by JSON pointer (RFC 6901)
 */

/**
 * One document, subscribed to until `close()`; made by `Client.document`.
 *
 * Handles of one document share one subscription. All writes survive a break of the connection:
 * they are settled on the next one, and applied once. Every promise may be rejected with a
 * `SynclineError`: 404 the document is gone, 413 the data is too large, 412 `ifMatch` is not the
 * newest revision, 503 or 429 not now, 400 a value is not allowed, 0 no answer.
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
  /** @type {{ error: Error | null } | null} why no event follows; null while some may */
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
      tell: (event) => this.#tell(event),
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

  /** null if it has none. */
  get uniqueName() {
    return this.#subscription.current.uniqueName;
  }

  /** The newest data known; a copy, which the caller may change. */
  get data() {
    return this.#subscription.current.data;
  }

  /** The same as `data`. */
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

  /** When the document will expire; ISO 8601, UTC; null if never. */
  get dateExpires() {
    return this.#subscription.current.dateExpires;
  }

  /** An identity, or `system`. */
  get createdBy() {
    return this.#subscription.current.createdBy;
  }

  /** The identity that wrote this revision, or `system`; null if it is not known. */
  get updatedBy() {
    return this.#subscription.current.updatedBy;
  }

  /** True once the document is known to be gone; after an own removal, before the event. */
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
   * Set some top-level keys and leave the others as they are; done by the server, so that it does
   * not conflict. The merge is shallow: a value replaces what was there.
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
      // What JSON cannot write, as undefined, takes its key away; a patch cannot say that.
      return this.mutate((data) => Object.assign(data, changes), { ttl });
    }
    const operations = entries.map(([key, value]) => ({ op: "add", path: pointerTo(key), value }));
    return this.patch({ operations }, { ttl });
  }

  /**
   * Compute new data from the newest and write it, again if somebody else was quicker.
   *
   * @param {Mutator} mutator may be called again, with newer data; a `mutate` of this document in
   *   it is rejected
   * @param {{ ttl?: number }} [options] as in `set`
   * @returns {Promise<JsonObject>} the data as written; the newest data if the mutator cancelled
   */
  async mutate(mutator, { ttl } = {}) {
    this.#checkOpen();
    const deadline = performance.now() + this.#documents.options.mutateTimeout;
    const { mutations } = this.#subscription;
    return mutations.run(this.#documents.options.mutateWait, async (calling) => {
      // The refusal brings the newest state: the first attempt after it needs no pause.
      for (let ceiling = 0; ; ceiling = Math.min(ceiling * 2 || MUTATE_PAUSE, MUTATE_PAUSE_LIMIT)) {
        const newest = this.#subscription.current;
        const data = await calling(() => mutator(newest.data));
        if (data === null || data === undefined) return this.data;
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
   * @param {Patch} patch a rule that does not fit the data is refused with 409
   * @param {WriteOptions} [options] without `ifMatch`, the server applies the patch again when
   *   another writer was quicker
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
   * Add to a number; one that is missing counts as 0.
   *
   * @param {string} pointer a JSON pointer (RFC 6901), as `/likes`
   * @param {number} [by]
   * @returns {Promise<JsonObject>} the whole data as it is then
   */
  async increment(pointer, by = 1) {
    return this.patch({ increment: { [pointer]: by } });
  }

  /**
   * Set the expiry alone; the data stays.
   *
   * @param {number} ttl seconds to live from now on; 0 for ever
   * @param {{ ifMatch?: string }} [options]
   * @returns {Promise<void>}
   */
  async setTtl(ttl, { ifMatch } = {}) {
    await this.#write("ttl", { ttl, if_match: ifMatch });
  }

  /**
   * Remove the document, for everyone.
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

  /** Drop this handle and its listeners; the last one ends the subscription. Safe to repeat. */
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
   * What happens from this call on, for `for await`. It ends after `removed`, or when the handle or
   * the client is closed; it throws what ended the connection for good.
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
  #tell(event) {
    for (const queue of this.#queues) queue.put(event);
    if (this.listenerCount(event.name) > 0) this.emit(event.name, event.describe());
  }

  /**
   * Carry out a write.
   *
   * @param {string} verb
   * @param {JsonObject} members
   * @param {string | null} [json] the data after it, if that is known before
   * @returns {Promise<JsonObject>} the data after it
   */
  async #write(verb, members, json = null) {
    this.#checkUsable();
    const all = { document: this.sid, op: makeOp(), ...members };
    /** @param {JsonObject} ok */
    const receive = (ok) => this.#takeWrite(ok.document, json);
    try {
      const written = await this.#subscription.writing(() =>
        this.#documents.request(verb, all, receive),
      );
      return (written ?? (await this.#read())).data;
    } catch (error) {
      const newest = error instanceof SynclineError ? error.document : null;
      if (newest) this.#takeNewest(newest, members.if_match);
      throw error;
    }
  }

  /**
   * Take the state that came with the refusal of a conditional write.
   *
   * @param {Snapshot} newest
   * @param {string} ifMatch the revision that was asked for
   */
  #takeNewest(newest, ifMatch) {
    const asked = Number(ifMatch);
    // Older than a revision that was here: the revision is gone. (A refusal that was overtaken by
    // events is older than `current`, but not than what it refused.)
    const isGone = newest.order < asked && asked <= this.#subscription.current.order;
    if (isGone && newest.order < this.#subscription.current.order) {
      this.#subscription.restore(newest);
    } else {
      this.#subscription.adopt(newest);
    }
  }

  /**
   * @param {JsonObject} body
   * @param {string | null} json
   */
  #takeWrite(body, json) {
    // A repeated answer, and that of `ttl`, may lack the data: only the server knows it.
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
