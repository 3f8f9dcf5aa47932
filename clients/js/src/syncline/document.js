/** Handle of an open document: reads, writes and change events. */

import { SynclineError } from "./errors.js";
import { mergeUpdates } from "./events.js";
import { Json } from "./encoding.js";
import { Handle } from "./handle.js";
import { checkRevision } from "./header.js";
import { mutate } from "./mutation.js";
import { patchMember, settingKeys } from "./patches.js";
import { Code, makeOp } from "./protocol.js";
import { Snapshot } from "./snapshot.js";
import { Subscription } from "./subscription.js";

/** @import { DocumentEvents } from "./events.js" */
/** @import { Mutator } from "./mutation.js" */
/** @import { OpenObjects } from "./open-objects.js" */
/** @import { Patch } from "./patches.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * @typedef {object} WriteOptions
 * @property {number} [ttl] time to live in seconds from now; 0: never expires; default: keep the
 *   expiry
 * @property {string} [ifMatch] write only if the document is at this revision
 */

const NAMES = /** @type {const} */ (["updated", "removed"]);

/**
 * One document, subscribed until `close()`; made by `Client.document`.
 *
 * @template {JsonObject} [T=JsonObject] type of the data
 * @extends {Handle<Subscription, DocumentEvents<T>>}
 */
export class SyncDocument extends Handle {
  /** The names of the events. */
  static updated = /** @type {const} */ ("updated");
  static removed = /** @type {const} */ ("removed");

  /**
   * @internal
   * @param {OpenObjects} objects
   * @param {Subscription} subscription
   */
  constructor(objects, subscription) {
    super(objects, subscription, mergeUpdates);
  }

  /** @internal @protected @override */
  get names() {
    return NAMES;
  }

  /** @type {"document"} */
  get type() {
    return "document";
  }

  /** Newest known data; a copy that the caller may change. @returns {T} */
  get data() {
    return /** @type {T} */ (this.subscription.current.data);
  }

  /** Alias of `data`. */
  get value() {
    return this.data;
  }

  /**
   * Replace the data.
   *
   * @param {T} data
   * @param {WriteOptions} [options]
   * @returns {Promise<T>} the data as written
   */
  async set(data, { ttl, ifMatch } = {}) {
    return this.#set(data, { ttl, if_match: ifMatch });
  }

  /**
   * Set some top-level keys and leave the others as they are. The server merges, so there is no
   * conflict with other writers. The merge is shallow: each value replaces the one of its key.
   *
   * @param {Partial<T>} changes new values by key
   * @param {{ ttl?: number }} [options] as in `set`
   * @returns {Promise<T>} the whole data as it is then
   */
  async update(changes, { ttl } = {}) {
    Json.data(changes, this.objects.limits.data);
    const patch = settingKeys(changes);
    if (patch === null) return this.mutate((data) => Object.assign(data, changes), { ttl });
    return this.patch(patch, { ttl });
  }

  /**
   * Compute new data from the newest data and write it; retry if another writer was first.
   *
   * @param {Mutator<T>} mutator may be called several times, with newer data; if it calls `mutate` on
   *   this document, that call is rejected
   * @param {{ ttl?: number }} [options] as in `set`
   * @returns {Promise<T>} the data as written; the newest data if `mutator` returned none
   */
  async mutate(mutator, { ttl } = {}) {
    this.checkOpen();
    const { contention } = this.subscription;
    let hasTurn = false;
    return mutate(this.subscription.mutations, this.objects.options, {
      read: (refusal) => {
        hasTurn = refusal !== null || contention.isLikely;
        // A refusal has brought the newest state, and the turn with it.
        if (refusal) contention.record(true);
        else if (hasTurn) return this.#read(true);
        return this.subscription.current;
      },
      compute: (newest) => mutator(/** @type {T} */ (newest.data)),
      // While it waits for its turn, only the newest state is needed.
      write: (data, { revision }) => this.#set(data, { ttl, if_match: revision, conflate: true }),
      unchanged: async () => {
        if (hasTurn) await this.#read(false); // others wait for the end of this turn
        return this.data;
      },
    });
  }

  /**
   * Let the server change the newest data by one rule.
   *
   * @param {Patch} patch rejected with 409 if it does not fit the data
   * @param {WriteOptions} [options] without `ifMatch`, the server retries the patch when another
   *   writer was first
   * @returns {Promise<T>} the whole data as it is then
   */
  async patch(patch, { ttl, ifMatch } = {}) {
    return this.#write("patch", { ...patchMember(patch), ttl, if_match: ifMatch });
  }

  /**
   * Add to a number; a missing number counts as 0.
   *
   * @param {string} pointer a JSON pointer (RFC 6901), such as `/likes`
   * @param {number} [by]
   * @returns {Promise<T>} the whole data as it is then
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
    this.checkUsable();
    const members = { document: this.sid, if_match: ifMatch, op: makeOp() };
    const receive = () => this.subscription.wroteRemoval();
    await this.subscription.writing(() => this.objects.request("remove", members, receive));
  }

  /** @internal @protected @override */
  absence() {
    return { code: Code.DOCUMENT_NOT_FOUND, name: "Document" };
  }

  /** @param {JsonObject} data @param {JsonObject} members */
  #set(data, members) {
    const json = Json.data(data, this.objects.limits.data);
    return this.#write("set", { data: json, ...members }, json.text);
  }

  /**
   * Send a write and return the data after it.
   *
   * @param {string} verb
   * @param {JsonObject} members
   * @param {string | null} [json] the data after the write; null if not known before the reply
   * @returns {Promise<T>}
   */
  async #write(verb, members, json = null) {
    this.checkUsable();
    const all = { document: this.sid, op: makeOp(), ...members };
    const before = this.subscription.current;
    /** @param {JsonObject} ok */
    const receive = (ok) => this.#takeWrite(ok.document, json);
    try {
      const written = await this.subscription.writing(() =>
        this.objects.request(verb, all, receive),
      );
      return /** @type {T} */ ((written ?? (await this.#read())).data);
    } catch (error) {
      const newest = error instanceof SynclineError ? error.document : null;
      if (newest) this.subscription.takeNewest(newest, before);
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
    const snapshot = isKnown ? Snapshot.parse(body, this.subscription.current, json) : null;
    this.subscription.wrote(Number(checkRevision(body.revision)), snapshot);
    return snapshot;
  }

  /**
   * @param {boolean} [turn] true: once no other writer can be first; false: to let another one be
   * @returns {Promise<Snapshot>}
   */
  #read(turn) {
    const members = turn === undefined ? {} : { turn };
    const before = this.subscription.current;
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      if (turn !== undefined) this.subscription.contention.record(ok.turn === true);
      const snapshot = Snapshot.parse(ok.document, this.subscription.current);
      this.subscription.takeNewest(snapshot, before);
      return snapshot;
    };
    return this.objects.request("get", { document: this.sid, ...members }, receive);
  }
}
