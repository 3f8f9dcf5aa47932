/** The items of an open map or list. */

import { share, shareArray } from "./sharing.js";

/** @import { SyncList } from "../syncline/list.js" */
/** @import { SyncMap } from "../syncline/map.js" */
/** @import { Notify } from "./shared-object.js" */

/** Topic of subscribers that only need to know which items there are. */
export const KEYS = Symbol("keys");

/**
 * One state of an item, frozen. The same object until the item changes.
 *
 * @template [T=any]
 * @typedef {object} ItemState
 * @property {T} data
 * @property {string} revision
 * @property {Date | null} dateCreated
 * @property {Date} dateUpdated
 * @property {string | null} dateExpires
 * @property {string | null} createdBy
 * @property {string | null} updatedBy
 */

/**
 * @template [T=any]
 * @typedef {ItemState<T> & { key: string }} MapItemState
 */

/**
 * @template [T=any]
 * @typedef {ItemState<T> & { index: number }} ListItemState
 */

/** No items. @type {readonly any[]} */
export const NOTHING = Object.freeze([]);

export class CollectionView {
  #replica;
  #member;
  #notify;
  /** @type {Map<string | number, any>} those that were read before */
  #states = new Map();
  /** As they were read last. */
  #items = NOTHING;
  #keys = NOTHING;
  /** False if they may have changed since. */
  #hasItems = false;
  #hasKeys = false;

  /**
   * @param {SyncMap | SyncList} collection
   * @param {Notify} notify
   */
  constructor(collection, notify) {
    this.#member = collection.type === "map" ? "key" : "index";
    /** @type {import("../syncline/replica.js").Replica<any>} */
    this.#replica = collection.replica();
    this.#notify = notify;
    this.#replica.on("itemAdded", ({ item }) => this.#changed(item.id, true));
    // While the items are read again, an update may bring an item that the replica did not have.
    this.#replica.on("itemUpdated", ({ item }) => this.#changed(item.id, this.#hasOtherKeys()));
    this.#replica.on("itemRemoved", (event) => {
      const { [this.#member]: id } = /** @type {Record<string, any>} */ (event);
      // An own write may have added it again since.
      if (!this.#replica.has(/** @type {never} */ (id))) this.#states.delete(id);
      this.#changed(id, true);
    });
  }

  /** Resolved when all items are here. */
  get ready() {
    return this.#replica.ready;
  }

  /** The keys, or indexes, in order. @returns {readonly any[]} */
  get keys() {
    if (!this.#hasKeys) this.#keys = shareArray(this.#keys, this.#replica.keys());
    this.#hasKeys = true;
    return this.#keys;
  }

  /** In the order of the keys. @returns {readonly any[]} */
  get items() {
    if (!this.#hasItems) this.#items = shareArray(this.#items, this.keys.map((id) => this.item(id)));
    this.#hasItems = true;
    return this.#items;
  }

  /** @param {string | number} id @returns {any} undefined if there is none */
  item(id) {
    const item = this.#replica.get(/** @type {never} */ (id));
    if (item === undefined) {
      this.#states.delete(id);
      return undefined;
    }
    const had = this.#states.get(id);
    if (had?.revision === item.revision) return had;
    const { revision, dateCreated, dateUpdated, dateExpires, createdBy, updatedBy } = item;
    const state = Object.freeze({
      [this.#member]: id,
      data: share(had?.data, item.data),
      ...{ revision, dateCreated, dateUpdated, dateExpires, createdBy, updatedBy },
    });
    this.#states.set(id, state);
    return state;
  }

  /** Show own writes: the replica has them with the reply, before their events. */
  refresh() {
    const ids = new Set([...this.#states.keys(), ...this.#replica.keys()]);
    const changed = [...ids].filter(
      (id) => this.#replica.get(/** @type {never} */ (id))?.revision !== this.#states.get(id)?.revision,
    );
    if (changed.length === 0) return;
    this.#hasItems = false;
    this.#hasKeys = false;
    this.#notify([...changed, KEYS]);
  }

  close() {
    this.#replica.close();
  }

  /**
   * @param {string | number} id
   * @param {boolean} isNewOrGone
   */
  #changed(id, isNewOrGone) {
    this.#hasItems = false;
    if (isNewOrGone) this.#hasKeys = false;
    this.#notify(isNewOrGone ? [id, KEYS] : [id]);
  }

  #hasOtherKeys() {
    return this.#hasKeys && this.#keys.length !== this.#replica.size;
  }
}
