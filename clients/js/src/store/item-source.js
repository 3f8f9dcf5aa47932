/** What one subscriber reads of one item of a map or list. */

import { Source, writesOf } from "./source.js";

/** @import { JsonObject } from "../syncline/protocol.js" */
/** @import { SyncList } from "../syncline/list.js" */
/** @import { SyncMap } from "../syncline/map.js" */
/** @import { CollectionView, ListItemState, MapItemState } from "./collection-view.js" */
/** @import { Access, State } from "./source.js" */

const WRITES = /** @type {const} */ ([
  "set",
  "update",
  "mutate",
  "patch",
  "increment",
  "setItemTtl",
  "remove",
]);

/**
 * Both members are undefined if there is no such item, and unless the map or list is ready.
 *
 * @template {JsonObject} [T=JsonObject]
 * @typedef {State & { item: MapItemState<T> | undefined, data: T | undefined }} MapItemSnapshot
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {State & { item: ListItemState<T> | undefined, data: T | undefined }} ListItemSnapshot
 */

/**
 * The methods of a map or list without their first argument.
 *
 * @template C
 * @typedef {{
 *   [Name in (typeof WRITES)[number] & keyof C]:
 *     C[Name] extends (id: any, ...rest: infer Rest) => infer Result
 *       ? (...rest: Rest) => Result
 *       : never
 * } & { reopen: () => void }} WithoutId
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {WithoutId<SyncMap<T>>} MapItemMethods
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {WithoutId<SyncList<T>>} ListItemMethods
 */

/**
 * @template S
 * @template M
 * @extends {Source<S>}
 */
export class ItemSource extends Source {
  /** @type {M} */
  methods;
  #id;

  /**
   * @param {Access | null} access
   * @param {string | number} id key, or index in a list
   */
  constructor(access, id) {
    super(access, id);
    this.#id = id;
    this.methods = Object.freeze({ ...writesOf(this, WRITES, [id]), reopen: this.reopen });
  }

  /** @protected @override @param {CollectionView | null} view */
  read(view) {
    const item = view?.item(this.#id);
    return { item, data: item?.data };
  }
}
