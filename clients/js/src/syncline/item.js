/** Items of maps and lists. */

import { Data } from "./data.js";
import { checkRevision, memberOf } from "./header.js";

/** @import { JsonObject } from "./protocol.js" */

/**
 * @typedef {{
 *   id: string | number, revision: string, dateCreated: string, dateUpdated: string,
 *   dateExpires: string | null, createdBy: string, updatedBy: string | null,
 * }} ItemMembers
 */

/**
 * One state of an item (docs/protocol.md, section 2); immutable.
 *
 * @template {JsonObject} [T=JsonObject] type of the data
 */
export class Item {
  #members;
  #data;

  /**
   * @internal
   * @param {ItemMembers} members
   * @param {Data} data
   */
  constructor(members, data) {
    this.#members = members;
    this.#data = data;
  }

  /** @internal the key of an item of a map, or the index of one of a list */
  get id() {
    return this.#members.id;
  }

  /** The data; a copy that the caller may change. @returns {T} */
  get data() {
    return /** @type {T} */ (this.#data.copy());
  }

  /** Alias of `data`. */
  get value() {
    return this.data;
  }

  /** The data as compact JSON. */
  get json() {
    return this.#data.json;
  }

  /** Opaque; changes with each write. */
  get revision() {
    return this.#members.revision;
  }

  /** @internal the revision as a number, which increases with every write */
  get order() {
    return Number(this.revision);
  }

  /** When the item was created. */
  get dateCreated() {
    return new Date(this.#members.dateCreated);
  }

  /** When this revision was written. */
  get dateUpdated() {
    return new Date(this.#members.dateUpdated);
  }

  /** When the item expires; ISO 8601, UTC; null if never. */
  get dateExpires() {
    return this.#members.dateExpires;
  }

  /** Identity of the creator, or `system`. */
  get createdBy() {
    return this.#members.createdBy;
  }

  /** Identity that wrote this revision, or `system`; null if not known. */
  get updatedBy() {
    return this.#members.updatedBy;
  }

  /**
   * Parse an item in a message.
   *
   * @internal
   * @param {JsonObject} body of a reply or an event, or a REST resource
   * @param {string | null} [json] the data if the caller knows it; null: from `body`
   * @returns {MapItem | ListItem | null} null if its data is not known
   * @throws {TypeError} a member is missing
   */
  static parse(body, json = null) {
    const hasKey = "key" in body;
    const members = {
      id: memberOf(body, hasKey ? "key" : "index", undefined),
      revision: checkRevision(body.revision),
      dateCreated: memberOf(body, "date_created", undefined),
      dateUpdated: memberOf(body, "date_updated", undefined),
      dateExpires: memberOf(body, "date_expires", undefined),
      createdBy: memberOf(body, "created_by", undefined),
      updatedBy: memberOf(body, "updated_by", null),
    };
    const data = Data.in(body, json);
    if (data === null) return null;
    return hasKey ? new MapItem(members, data) : new ListItem(members, data);
  }
}

/**
 * What names an item: the key in a map, the index in a list.
 *
 * @template {Item} I
 * @typedef {I extends MapItem ? string : I extends ListItem ? number : string | number} ItemId
 */

/**
 * An item of a map.
 *
 * @template {JsonObject} [T=JsonObject]
 * @extends {Item<T>}
 */
export class MapItem extends Item {
  /** @returns {string} */
  get key() {
    return /** @type {string} */ (this.id);
  }
}

/**
 * An item of a list.
 *
 * @template {JsonObject} [T=JsonObject]
 * @extends {Item<T>}
 */
export class ListItem extends Item {
  /** The place in the list; it never changes, and is never given again. @returns {number} */
  get index() {
    return /** @type {number} */ (this.id);
  }
}
