/** Events of maps and lists. */

/** @import { Item, ListItem, MapItem } from "./item.js" */
/** @import { ExpiryEvent, ObjectRemovedEvent } from "./object-events.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * @template {Item} [I=Item]
 * @typedef {object} ItemAddedEvent
 * @property {"itemAdded"} type
 * @property {I} item
 * @property {boolean} isLocal true if this client wrote the item, through any of its handles
 */

/**
 * @template {Item} [I=Item]
 * @typedef {object} ItemUpdatedEvent an item has new data, or a new expiry
 * @property {"itemUpdated"} type
 * @property {I} item
 * @property {I["data"] | null} previousItemData the data before; null if not known, as without a replica
 * @property {boolean} isLocal as in `itemAdded`
 */

/**
 * The member that names an item in an event that does not have the item.
 *
 * @template {Item} I
 * @typedef {I extends MapItem ? { key: string }
 *   : I extends ListItem ? { index: number } : { key?: string, index?: number }} ItemName
 */

/**
 * @template {Item} [I=Item]
 * @typedef {ItemRemoval<I> & ItemName<I>} ItemRemovedEvent it has the `key` of an item of a map, or
 *   the `index` of an item of a list
 */

/**
 * @template {Item} I
 * @typedef {object} ItemRemoval
 * @property {"itemRemoved"} type
 * @property {I["data"] | null} previousItemData the last data; null if not known
 * @property {boolean} isLocal true if this client removed the item
 * @property {string} revision of the removal
 * @property {string | null} removedBy identity that removed it, `system` for an expiry; null if not
 *   known
 * @property {boolean | null} expired true if the item expired; null if not known
 * @property {Date | null} dateRemoved null if not known
 */

/**
 * @typedef {object} ResetEvent any item may have changed: the changes are not known one by one.
 *   A replica does not have this event: it reads the items again, and announces the differences
 * @property {"reset"} type
 */

/**
 * Events of a replica, by name.
 *
 * @template {Item} [I=Item]
 * @typedef {{
 *   itemAdded: ItemAddedEvent<I>,
 *   itemUpdated: ItemUpdatedEvent<I>,
 *   itemRemoved: ItemRemovedEvent<I>,
 *   removed: ObjectRemovedEvent,
 * }} ReplicaEvents
 */

/**
 * Events of a map or list, by name.
 *
 * @template {Item} [I=Item]
 * @typedef {ReplicaEvents<I> & { reset: ResetEvent, expiry: ExpiryEvent }} ItemEvents
 */

/** The names of the events of a replica. */
export const REPLICA_NAMES = /** @type {const} */ ([
  "itemAdded",
  "itemUpdated",
  "itemRemoved",
  "removed",
]);

const NAMES = /** @type {const} */ ({
  added: "itemAdded",
  updated: "itemUpdated",
  removed: "itemRemoved",
});

/** A change of one item; shared by all listeners. */
export class ItemChange {
  /**
   * @param {{
   *   kind: "added" | "updated" | "removed", id: string | number, revision: string,
   *   item?: Item | null, body?: JsonObject, previousJson?: string | null, isLocal?: boolean,
   * }} change `item` is null for a removal; `previousJson`: the data before, if it is known
   */
  constructor({ kind, id, revision, item, body, previousJson, isLocal }) {
    this.kind = kind;
    this.id = id;
    this.revision = revision;
    this.item = item ?? null;
    this.body = body ?? {};
    this.previousJson = previousJson ?? null;
    this.isLocal = isLocal ?? false;
  }

  get name() {
    return NAMES[this.kind];
  }

  get order() {
    return Number(this.revision);
  }

  /**
   * A copy with some differences.
   *
   * @param {{
   *   kind?: "added" | "updated" | "removed", previousJson?: string | null, isLocal?: boolean,
   * }} differences
   */
  with(differences) {
    return new ItemChange({ ...this, ...differences });
  }

  /** Make a copy for one listener, which may change it. @returns {any} an event by its name */
  describe() {
    const { name: type, item, isLocal } = this;
    const previousItemData = this.previousJson === null ? null : JSON.parse(this.previousJson);
    if (this.kind === "added") return { type, item, isLocal };
    if (this.kind === "updated") return { type, item, previousItemData, isLocal };
    const { removed_by, expired, date_removed } = this.body;
    return {
      type,
      [typeof this.id === "string" ? "key" : "index"]: this.id,
      previousItemData,
      isLocal,
      revision: this.revision,
      removedBy: removed_by ?? null,
      expired: expired ?? null,
      dateRemoved: date_removed ? new Date(date_removed) : null,
    };
  }
}

/** Items may have changed, and it is not known which. */
export class Reset {
  /** @type {"reset"} */
  name = "reset";

  /** @param {string} [revision] of the collection */
  constructor(revision = "0") {
    this.revision = revision;
  }

  /** @returns {ResetEvent} */
  describe() {
    return { type: "reset" };
  }
}

/**
 * Merge for a reader of a collection that is too slow: it has to read the items again.
 *
 * @param {{ name: string }[]} events
 * @param {{ name: string }} event
 */
export function mergeItemEvents(events, event) {
  if (event.name === "removed") events.push(event);
  else events.splice(0, events.length, new Reset());
}
