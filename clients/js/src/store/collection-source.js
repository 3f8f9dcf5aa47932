/** What one subscriber reads of a map or list: all items, or which ones there are. */

import { KEYS, NOTHING } from "./collection-view.js";
import { ItemSource } from "./item-source.js";
import { Source, writesOf } from "./source.js";

/** @import { JsonObject } from "../syncline/protocol.js" */
/** @import { SyncList } from "../syncline/list.js" */
/** @import { SyncMap } from "../syncline/map.js" */
/** @import { CollectionView, ListItemState, MapItemState } from "./collection-view.js" */
/** @import { ListItemMethods, ListItemSnapshot, MapItemMethods, MapItemSnapshot } from "./item-source.js" */
/** @import { Access, State } from "./source.js" */

const SHARED = /** @type {const} */ ([
  "get",
  "set",
  "update",
  "mutate",
  "patch",
  "increment",
  "setItemTtl",
  "remove",
  "batch",
  "setTtl",
]);
const OF_MAPS = /** @type {const} */ ([...SHARED, "add", "removeMap"]);
const OF_LISTS = /** @type {const} */ ([...SHARED, "push", "removeList"]);

/** @typedef {State & { keys: readonly string[] }} MapKeysState */
/** @typedef {State & { indexes: readonly number[] }} ListIndexesState */
/**
 * `items` are in the order of their keys, and empty unless the map is ready. The array is another
 * one after each change; an item is the same object until it changes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @typedef {MapKeysState & { items: readonly MapItemState<T>[] }} MapState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {ListIndexesState & { items: readonly ListItemState<T>[] }} ListState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {Pick<SyncMap<T>, typeof OF_MAPS[number]> & {
 *   reopen: () => void,
 *   item: (key: string) => ItemSource<MapItemSnapshot<T>, MapItemMethods<T>>,
 * }} MapMethods
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {Pick<SyncList<T>, typeof OF_LISTS[number]> & {
 *   reopen: () => void,
 *   item: (index: number) => ItemSource<ListItemSnapshot<T>, ListItemMethods<T>>,
 * }} ListMethods
 */

/**
 * `S`: the snapshots; `M`: the methods.
 *
 * @template S
 * @template M
 * @extends {Source<S>}
 */
export class CollectionSource extends Source {
  /** @type {M} */
  methods;
  #member;
  #hasItems;

  /**
   * @param {Access | null} access
   * @param {"map" | "list"} type
   * @param {boolean} hasItems false: only the keys, or indexes, and changes of those
   */
  constructor(access, type, hasItems) {
    super(access, hasItems ? undefined : KEYS);
    this.#member = type === "map" ? "keys" : "indexes";
    this.#hasItems = hasItems;
    const names = type === "map" ? OF_MAPS : OF_LISTS;
    const item = (/** @type {string | number} */ id) => new ItemSource(access, id);
    this.methods = Object.freeze({ ...writesOf(this, names), reopen: this.reopen, item });
  }

  /** @protected @override @param {CollectionView | null} view */
  read(view) {
    const keys = { [this.#member]: view?.keys ?? NOTHING };
    return this.#hasItems ? { items: view?.items ?? NOTHING, ...keys } : keys;
  }
}
