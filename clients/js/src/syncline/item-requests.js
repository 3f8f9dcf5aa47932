/** Requests for the items of one collection. */

import { Json } from "./encoding.js";
import { SynclineError, statusOf } from "./errors.js";
import { Item } from "./item.js";
import { ItemChange } from "./item-events.js";
import { mutate } from "./mutation.js";
import { patchMember, settingKeys } from "./patches.js";
import { makeOp } from "./protocol.js";

/** @import { CollectionSubscription } from "./collection-subscription.js" */
/** @import { CollectionType } from "./item-types.js" */
/** @import { ItemMutator } from "./mutation.js" */
/** @import { OpenObjects } from "./open-objects.js" */
/** @import { Patch } from "./patches.js" */
/** @import { JsonObject } from "./protocol.js" */

/** As `ifMatch`: the item must not exist. */
const ABSENT = "-1";

/**
 * @typedef {object} ItemOptions
 * @property {number} [ttl] time to live of the item in seconds from now; 0: never expires; default:
 *   keep the expiry
 * @property {number} [collectionTtl] the same for the whole list or map
 */

/**
 * @typedef {ItemOptions & { ifMatch?: string }} ItemWriteOptions `ifMatch`: write only if the item
 *   is at this revision
 */

/**
 * What a batch did to an item.
 *
 * @template {Item} [I=Item]
 * @typedef {object} BatchResult
 * @property {"added" | "updated" | "removed"} kind
 * @property {string | number} id the key or the index
 * @property {string} revision
 * @property {I | null} item null if it was removed; also if only its expiry was set, because then
 *   the reply does not have its data
 */

/**
 * Reads and writes items. Writes are recorded in the subscription, which announces them.
 *
 * @template {JsonObject} T
 * @template {Item<T>} I
 */
export class ItemRequests {
  #objects;
  #subscription;
  #type;
  #check;

  /**
   * @param {OpenObjects} objects
   * @param {CollectionSubscription} subscription
   * @param {CollectionType} type
   * @param {() => void} check throws if the collection cannot be used any more
   */
  constructor(objects, subscription, type, check) {
    this.#objects = objects;
    this.#subscription = subscription;
    this.#type = type;
    this.#check = check;
  }

  /**
   * Send a request that names the collection.
   *
   * @template T
   * @param {string} verb
   * @param {JsonObject} members
   * @param {(ok: JsonObject) => T} receive
   * @returns {Promise<T>}
   */
  send(verb, members, receive) {
    this.#check();
    const all = { [this.#type.name]: this.#subscription.sid, ...members };
    return this.#objects.request(verb, all, receive);
  }

  /**
   * Send a request that writes.
   *
   * @template T
   * @param {string} verb
   * @param {JsonObject} members
   * @param {(ok: JsonObject) => T} receive
   * @returns {Promise<T>}
   */
  sendWrite(verb, members, receive) {
    this.#check();
    return this.#subscription.writing(() =>
      this.send(verb, { op: makeOp(), ...members }, (ok) => {
        const result = receive(ok);
        // Over REST the reply to a removal is empty.
        const header = ok[this.#type.name];
        if (header) this.#subscription.adopt(header);
        return result;
      }),
    );
  }

  /** @param {JsonObject} members members of `items` */
  page(members) {
    /** @param {JsonObject} ok */
    const receive = (ok) => ({ items: ok.items.map(itemIn), next: ok.next });
    return this.send("items", members, receive);
  }

  /** @param {string | number} id @returns {Promise<I>} */
  async read(id) {
    /** @param {JsonObject} ok */
    const receive = (ok) => itemIn(ok.item);
    this.#type.checkId(id);
    return this.send("item", { [this.#type.id]: id }, receive);
  }

  /**
   * @param {"add" | "set"} verb
   * @param {string | number | undefined} id undefined if the server gives it
   * @param {unknown} data
   * @param {ItemWriteOptions} [options]
   * @returns {Promise<I>}
   */
  async write(verb, id, data, options = {}) {
    const json = this.#encode(data);
    return this.#write(verb, id, { data: json, ...membersOf(options) }, json.text);
  }

  /**
   * @param {string | number} id
   * @param {Patch} patch
   * @param {ItemWriteOptions} [options]
   * @returns {Promise<I>}
   */
  async patch(id, patch, options = {}) {
    return this.#write("patch", id, { ...patchMember(patch), ...membersOf(options) });
  }

  /**
   * @param {string | number} id
   * @param {Partial<T>} changes
   * @param {ItemOptions} [options]
   * @returns {Promise<I>}
   */
  async update(id, changes, options = {}) {
    this.#encode(changes);
    const patch = settingKeys(changes);
    const byMutation = () => this.mutate(id, (data) => Object.assign(data, changes), options);
    if (patch === null) return byMutation();
    try {
      return await this.patch(id, patch, options);
    } catch (error) {
      // A patch creates no item; a mutation does.
      if (!this.#mayCreateAfter(error)) throw error;
      return byMutation();
    }
  }

  /**
   * @param {string | number} id
   * @param {ItemMutator<T, I>} mutator
   * @param {ItemOptions} [options]
   * @returns {Promise<I>}
   */
  async mutate(id, mutator, options = {}) {
    this.#check();
    return mutate(this.#subscription.mutationsOf(id), this.#objects.options, {
      read: (refusal) => this.#newest(id, refusal),
      // `{}` for a missing item is what the vendor's SDK gives; the second argument tells.
      compute: (item) => mutator(item === null ? /** @type {T} */ ({}) : item.data, item),
      write: (data, item) =>
        this.write("set", id, data, { ...options, ifMatch: item?.revision ?? ABSENT }),
      // Without an item there is none to return: the read is rejected.
      unchanged: (item) => item ?? this.read(id),
    });
  }

  /**
   * @param {string | number} id
   * @param {number} ttl
   * @param {{ ifMatch?: string, collectionTtl?: number }} [options]
   */
  async setTtl(id, ttl, options = {}) {
    await this.#write("ttl", id, { ...membersOf(options), ttl });
  }

  /**
   * @param {string | number} id
   * @param {{ ifMatch?: string }} [options]
   */
  async remove(id, { ifMatch } = {}) {
    await this.#write("remove", id, { if_match: ifMatch });
  }

  /**
   * @param {JsonObject[]} operations as in docs/guide/maps.md, "Batches"
   * @param {{ collectionTtl?: number }} options
   * @returns {Promise<BatchResult<I>[]>}
   */
  async batch(operations, { collectionTtl } = {}) {
    const encoded = operations.map(({ data, ...rest }) => {
      const members = Object.entries(rest).filter(([, value]) => value != null);
      const json = data === undefined ? null : this.#encode(data);
      return { ...Object.fromEntries(members), ...(json === null ? {} : { data: json }) };
    });
    const members = { operations: Json.list(encoded), collection_ttl: collectionTtl };
    /** @param {JsonObject} ok */
    const receive = (ok) =>
      ok.changes.map((/** @type {JsonObject} */ body, /** @type {number} */ place) =>
        this.#wrote(body, encoded[place].data?.text ?? null, ok),
      );
    /** @type {ItemChange[]} */
    const changes = await this.sendWrite("batch", members, receive);
    const unknown = changes.filter(({ kind, item }) => item === null && kind !== "removed");
    await this.#subscription.readWritten(unknown.map(({ id }) => id));
    return changes.map(({ kind, id, revision, item }) => ({
      kind,
      id,
      revision,
      item: /** @type {I | null} */ (item),
    }));
  }

  /** @param {unknown} data */
  #encode(data) {
    return Json.data(data, this.#objects.limits.item, this.#type.invalidData);
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
    const known = refusal === null ? this.#subscription.known(id) : undefined;
    if (known) return /** @type {I} */ (known);
    try {
      return await this.read(id);
    } catch (error) {
      if (!this.#mayCreateAfter(error)) throw error;
      return null;
    }
  }

  /** @param {unknown} error */
  #mayCreateAfter(error) {
    return statusOf(error) === 404 && this.#type.createsItems && !this.#subscription.removed;
  }

  /**
   * Write one item.
   *
   * @param {string} verb
   * @param {string | number | undefined} id
   * @param {JsonObject} members
   * @param {string | null} [json] the data after the write; null if not known before the reply
   * @returns {Promise<any>} the item; null if it was removed, or got another expiry only
   */
  async #write(verb, id, members, json = null) {
    const { id: name } = this.#type;
    if (id !== undefined || verb !== "add") this.#type.checkId(id);
    /** @param {JsonObject} ok */
    const receive = (ok) => this.#wrote({ kind: ok.kind, ...ok.item }, json, ok);
    const { id: written, item } = await this.sendWrite(verb, { [name]: id, ...members }, receive);
    if (item === null && verb !== "remove") await this.#subscription.readWritten([written]);
    const isWithoutItem = verb === "remove" || verb === "ttl";
    // The reply to a repeated `op` may lack the data.
    return item ?? (isWithoutItem ? null : this.read(written));
  }

  /**
   * @param {JsonObject} written the `kind`, and the item in the reply
   * @param {string | null} json
   * @param {JsonObject} ok the reply
   */
  #wrote(written, json, ok) {
    const { kind, revision } = written;
    const item = kind === "removed" ? null : Item.parse(written, json);
    const { updated_by, date_updated } = ok[this.#type.name] ?? {};
    const date = date_updated ?? written.date_updated;
    const body = { removed_by: updated_by, date_removed: date, expired: false };
    const change = new ItemChange({ kind, id: written[this.#type.id], revision, item, body });
    this.#subscription.wrote(change);
    return change;
  }
}

/** @param {JsonObject} body @returns {any} */
function itemIn(body) {
  const item = Item.parse(body);
  if (item === null) throw new TypeError("an item has no data");
  return item;
}

/** @param {ItemWriteOptions} options */
function membersOf({ ttl, ifMatch, collectionTtl }) {
  return { ttl, if_match: ifMatch, collection_ttl: collectionTtl };
}
