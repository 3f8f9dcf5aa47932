/** What the handles of maps and lists share: items, pages, batches, replicas. */

import { CollectionSubscription } from "./collection-subscription.js";
import { Json } from "./encoding.js";
import { SynclineError, statusOf } from "./errors.js";
import { Handle } from "./handle.js";
import { Item } from "./item.js";
import { ItemChange, mergeItemEvents } from "./item-events.js";
import { mutate } from "./mutation.js";
import { openPages } from "./pages.js";
import { Part } from "./part.js";
import { patchMember, settingKeys } from "./patches.js";
import { makeOp } from "./protocol.js";
import { Replica } from "./replica.js";

/** @import { Mutator } from "./mutation.js" */
/** @import { OpenObjects } from "./open-objects.js" */
/** @import { PageOptions, Paginator } from "./pages.js" */
/** @import { Patch } from "./patches.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * Names that the protocol has for a type of collection: of the type, and of the members with the
 * key of an item and with several.
 *
 * @typedef {{ type: "map" | "list", id: "key" | "index", ids: "keys" | "indexes" }} ItemNames
 */

/**
 * @typedef {object} ItemOptions
 * @property {number} [ttl] time to live of the item in seconds from now; 0: never expires; default:
 *   keep the expiry
 * @property {number} [collectionTtl] the same for the whole list or map
 */

/**
 * @typedef {ItemOptions & {
 *   ifMatch?: string,
 * }} ItemWriteOptions `ifMatch`: write only if the item is at this revision
 */

/**
 * What a batch did to an item.
 *
 * @template {Item} I
 * @typedef {{
 *   kind: "added" | "updated" | "removed", id: string | number, revision: string, item: I | null,
 * }} BatchResult `id` is the key or the index; `item` is null if it was removed, or if its data is
 *   not known, because only its expiry was set
 */

/**
 * One map or list, subscribed until `close()`.
 *
 * @template {Item} I
 * @template {Record<string, any>} Events
 * @extends {Handle<CollectionSubscription, Events>}
 */
export class Collection extends Handle {
  #part;
  /** @type {Set<Replica<any>>} */
  #replicas = new Set();

  /**
   * @internal
   * @param {OpenObjects} objects
   * @param {CollectionSubscription} subscription
   * @param {Part} part
   */
  constructor(objects, subscription, part) {
    super(objects, subscription, mergeItemEvents, { part });
    this.#part = part;
  }

  /**
   * Read items page by page, in the order of their keys.
   *
   * @param {PageOptions} [options]
   * @returns {Promise<Paginator<I>>}
   */
  async getItems(options = {}) {
    return openPages(options, (members) => this.#readPage(members));
  }

  /**
   * Iterate over items, in the order of their keys. Pages are read as they are needed.
   *
   * @param {PageOptions} [options]
   * @returns {AsyncGenerator<I, void>}
   */
  async *items(options = {}) {
    for (let page = await this.getItems(options); ; page = await page.nextPage()) {
      yield* page.items;
      if (!page.hasNextPage) return;
    }
  }

  /**
   * Keep all items, or a part of them, in memory, always current. Wait for `replica.ready` before
   * you read from it.
   *
   * @param {{ keys?: (string | number)[], prefix?: string }} [part] default: what this handle has
   *   open; `keys` are the indexes of a list
   * @returns {Replica<I>}
   */
  replica(part = {}) {
    this.checkUsable();
    const isWhole = part.keys == null && part.prefix == null;
    const wanted = isWhole ? this.#part : Part.of(part.keys, part.prefix);
    const read = (/** @type {JsonObject} */ members, /** @type {(ok: JsonObject) => void} */ receive) =>
      this.request("items", { ...members, ...wanted.members(this.names.ids) }, receive);
    /** @type {Replica<I>} */
    const replica = new Replica(this.objects, this.subscription, wanted, {
      read,
      onClose: () => void this.#replicas.delete(replica),
    });
    this.#replicas.add(replica);
    return replica;
  }

  /**
   * Write several items in one step: all of them, or none.
   *
   * @internal
   * @protected
   * @param {JsonObject[]} operations as in docs/guide.md, "Batches"
   * @param {{ collectionTtl?: number }} options
   * @returns {Promise<BatchResult<I>[]>} in the order of the operations
   */
  async writeBatch(operations, { collectionTtl }) {
    this.checkUsable();
    const limit = this.objects.limits.item;
    const encoded = operations.map(({ data, ...operation }) => ({
      operation,
      json: data === undefined ? null : Json.data(data, limit, this.absence().invalidData),
    }));
    const given = encoded.map(({ operation, json }) => {
      const members = Object.entries(operation).filter(([, value]) => value != null);
      return { ...Object.fromEntries(members), ...(json && { data: json }) };
    });
    const members = { operations: Json.list(given), collection_ttl: collectionTtl };
    /** @param {JsonObject} ok */
    const receive = (ok) =>
      ok.changes.map((/** @type {JsonObject} */ body, /** @type {number} */ index) =>
        this.#wrote(body.kind, body, encoded[index].json?.text ?? null),
      );
    const changes = await this.#writing("batch", members, receive);
    return changes.map((/** @type {ItemChange} */ { kind, id, revision, item }) => ({
      kind,
      id,
      revision,
      item: /** @type {I | null} */ (item),
    }));
  }

  /**
   * Change the expiry of the whole, and keep its items.
   *
   * @param {number} ttl time to live in seconds from now; 0: never expires
   * @returns {Promise<void>}
   */
  async setTtl(ttl) {
    this.checkUsable();
    await this.#writing("ttl", { ttl }, () => {});
  }

  /** @override */
  close() {
    for (const replica of [...this.#replicas]) replica.close();
    super.close();
  }

  /** @internal @protected @returns {ItemNames} */
  get names() {
    throw new TypeError("a collection is of one type");
  }

  /** @internal @protected @override @returns {{ code: number, name: string, invalidData: number }} */
  absence() {
    throw new TypeError("a collection is of one type");
  }

  /**
   * @internal
   * @protected
   * @param {string | number} id
   * @returns {Promise<I>}
   */
  async readItem(id) {
    this.checkUsable();
    /** @param {JsonObject} ok */
    const receive = (ok) => this.#itemIn(ok.item);
    return this.request("item", { [this.names.id]: id }, receive);
  }

  /**
   * @internal
   * @protected
   * @param {"add" | "set"} verb
   * @param {string | number | undefined} id undefined if the server gives it
   * @param {unknown} data
   * @param {ItemWriteOptions} [options]
   * @returns {Promise<I>}
   */
  async writeItem(verb, id, data, options = {}) {
    const json = Json.data(data, this.objects.limits.item, this.absence().invalidData);
    return this.#write(verb, id, { data: json, ...membersOf(options) }, json.text);
  }

  /**
   * @internal
   * @protected
   * @param {string | number} id
   * @param {Patch} patch
   * @param {ItemWriteOptions} options
   * @returns {Promise<I>}
   */
  async patchItem(id, patch, options = {}) {
    return this.#write("patch", id, { ...patchMember(patch), ...membersOf(options) });
  }

  /**
   * @internal
   * @protected
   * @param {string | number} id
   * @param {JsonObject} changes
   * @param {ItemOptions} options
   * @returns {Promise<I>}
   */
  async updateItem(id, changes, options = {}) {
    Json.data(changes, this.objects.limits.item, this.absence().invalidData);
    const patch = settingKeys(changes);
    const byMutation = () => this.mutateItem(id, (data) => Object.assign(data, changes), options);
    if (patch === null) return byMutation();
    try {
      return await this.patchItem(id, patch, options);
    } catch (error) {
      // There is no such item: where a write may create it, a mutation does.
      const isMissing = statusOf(error) === 404 && this.createsItems && !this.removed;
      if (!isMissing) throw error;
      return byMutation();
    }
  }

  /**
   * @internal
   * @protected
   * @param {string | number} id
   * @param {Mutator} mutator
   * @param {ItemOptions} options
   * @returns {Promise<I>}
   */
  async mutateItem(id, mutator, options = {}) {
    this.checkUsable();
    return mutate(this.subscription.mutationsOf(id), this.objects.options, {
      read: (refusal) => this.#newest(id, refusal),
      compute: (item) => mutator(item === null ? {} : item.data),
      write: (data, item) =>
        this.writeItem("set", id, data, { ...options, ifMatch: item?.revision ?? ABSENT }),
      // Without an item there is none to return.
      unchanged: (item) => item ?? this.readItem(id),
    });
  }

  /**
   * @internal
   * @protected
   * @param {string | number} id
   * @param {number} ttl
   * @param {{ ifMatch?: string, collectionTtl?: number }} options
   */
  async setTtlOfItem(id, ttl, options = {}) {
    await this.#write("ttl", id, { ...membersOf(options), ttl });
  }

  /**
   * @internal
   * @protected
   * @param {string | number} id
   * @param {{ ifMatch?: string }} options
   */
  async removeItem(id, { ifMatch } = {}) {
    await this.#write("remove", id, { if_match: ifMatch });
  }

  /** @internal @protected */
  async removeWhole() {
    this.checkUsable();
    await this.#writing("remove", {}, () => this.subscription.wroteRemoval());
  }

  /** True if a write of an item that does not exist creates it. @internal @protected */
  get createsItems() {
    return false;
  }

  /**
   * Send a request of this collection.
   *
   * @internal
   * @protected
   * @template T
   * @param {string} verb
   * @param {JsonObject} members
   * @param {(ok: JsonObject) => T} receive
   * @returns {Promise<T>}
   */
  request(verb, members, receive) {
    this.checkOpen();
    return this.objects.request(verb, { [this.names.type]: this.sid, ...members }, receive);
  }

  /**
   * The newest state of an item, null if a write may create it.
   *
   * @param {string | number} id
   * @param {unknown} refusal of the last attempt to write it
   * @returns {Promise<I | null>}
   */
  async #newest(id, refusal) {
    if (refusal instanceof SynclineError && refusal.item) return refusal.item;
    const known = refusal === null ? this.subscription.known(id) : undefined;
    if (known) return /** @type {I} */ (known);
    try {
      return await this.readItem(id);
    } catch (error) {
      const isMissing = statusOf(error) === 404 && this.createsItems && !this.removed;
      if (!isMissing) throw error;
      return null;
    }
  }

  /** @param {JsonObject} members */
  #readPage(members) {
    this.checkUsable();
    /** @param {JsonObject} ok */
    const receive = (ok) => ({
      items: ok.items.map((/** @type {JsonObject} */ body) => this.#itemIn(body)),
      next: ok.next,
    });
    return this.request("items", { ...members, ...this.#part.members(this.names.ids) }, receive);
  }

  /** @param {JsonObject} body @returns {I} */
  #itemIn(body) {
    const item = Item.parse(body);
    if (item === null) throw new TypeError("an item has no data");
    return /** @type {any} */ (item);
  }

  /**
   * Write one item.
   *
   * @param {string} verb
   * @param {string | number | undefined} id
   * @param {JsonObject} members
   * @param {string | null} [json] the data after the write; null if not known before the reply
   * @returns {Promise<any>} the item; null if it was removed
   */
  async #write(verb, id, members, json = null) {
    this.checkUsable();
    if (id === null) throw new TypeError(`${this.names.id} must not be null`);
    if (id === undefined && verb !== "add") throw new TypeError(`${this.names.id} is missing`);
    /** @param {JsonObject} ok */
    const receive = (ok) => this.#wrote(ok.kind, ok.item, json);
    const all = { ...(id === undefined ? {} : { [this.names.id]: id }), ...members };
    const { kind, item } = await this.#writing(verb, all, receive);
    // The reply to `ttl`, or to a repeated `op`, may lack the data.
    return item ?? (kind === "removed" || verb === "ttl" ? null : this.readItem(id ?? 0));
  }

  /**
   * @template T
   * @param {string} verb
   * @param {JsonObject} members
   * @param {(ok: JsonObject) => T} receive
   * @returns {Promise<T>}
   */
  #writing(verb, members, receive) {
    const all = { op: makeOp(), ...members };
    return this.subscription.writing(() =>
      this.request(verb, all, (ok) => {
        const result = receive(ok);
        if (ok[this.names.type]) this.subscription.adopt(ok[this.names.type]);
        return result;
      }),
    );
  }

  /**
   * @param {"added" | "updated" | "removed"} kind
   * @param {JsonObject} body the item in the reply
   * @param {string | null} json
   */
  #wrote(kind, body, json) {
    const item = kind === "removed" ? null : Item.parse(body, json);
    const change = new ItemChange({ kind, id: body[this.names.id], revision: body.revision, item });
    this.subscription.wrote(change);
    return change;
  }
}

/** As `ifMatch`: the item must not exist. */
const ABSENT = "-1";

/** @param {ItemWriteOptions} options */
function membersOf({ ttl, ifMatch, collectionTtl }) {
  return { ttl, if_match: ifMatch, collection_ttl: collectionTtl };
}
