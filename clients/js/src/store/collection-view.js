/** The items of an open map or list. */

import { share } from "./sharing.js";

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

/** @type {readonly any[]} */
export const NOTHING = Object.freeze([]);

export class CollectionView {
  #replica;
  #member;
  #notify;
  /** @type {Map<string | number, any>} those that were read before */
  #states = new Map();
  /** @type {readonly any[] | null} null if they have changed since */
  #items = null;
  /** @type {readonly any[] | null} */
  #keys = null;

  /**
   * @param {SyncMap | SyncList} collection
   * @param {Notify} notify
   */
  constructor(collection, notify) {
    this.#member = collection.type === "map" ? "key" : "index";
    /** @type {import("../syncline/replica.js").Replica<any, any, any>} */
    this.#replica = collection.replica();
    this.#notify = notify;
    this.#replica.on("itemAdded", ({ item }) => this.#changed(item.id, true));
    // While the items are read again, an update may bring an item that the replica did not have.
    this.#replica.on("itemUpdated", ({ item }) => this.#changed(item.id, this.#hasOtherKeys()));
    this.#replica.on("itemRemoved", (event) => {
      const { [this.#member]: id } = /** @type {Record<string, any>} */ (event);
      this.#states.delete(id);
      this.#changed(id, true);
    });
  }

  /** Resolved when all items are here. */
  get ready() {
    return this.#replica.ready;
  }

  /** The keys, or indexes, in order. @returns {readonly any[]} */
  get keys() {
    this.#keys ??= Object.freeze(this.#replica.keys());
    return this.#keys;
  }

  /** In the order of the keys. @returns {readonly any[]} */
  get items() {
    this.#items ??= Object.freeze(this.keys.map((id) => this.item(id)));
    return this.#items;
  }

  /** @param {string | number} id @returns {any} undefined if there is none */
  item(id) {
    const item = this.#replica.get(/** @type {never} */ (id));
    if (item === undefined) return undefined;
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

  /** The replica changes with the events only. */
  refresh() {}

  close() {
    this.#replica.close();
  }

  /**
   * @param {string | number} id
   * @param {boolean} isNewOrGone
   */
  #changed(id, isNewOrGone) {
    this.#items = null;
    if (isNewOrGone) this.#keys = null;
    this.#notify(isNewOrGone ? [id, KEYS] : [id]);
  }

  #hasOtherKeys() {
    return this.#keys !== null && this.#keys.length !== this.#replica.size;
  }
}
