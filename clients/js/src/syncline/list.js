/** Handle of an open list. */

import { ListBatch, collectBatch } from "./batch.js";
import { Collection } from "./collection.js";
import { Code } from "./protocol.js";

/** @import { BatchOptions } from "./batch.js" */
/** @import { BatchResult, ItemNames, ItemOptions, ItemWriteOptions } from "./collection.js" */
/** @import { ExpiryEvent, ItemAddedEvent, ItemRemovedEvent, ItemUpdatedEvent, ObjectRemovedEvent, ResetEvent } from "./item-events.js" */
/** @import { ListItem } from "./item.js" */
/** @import { Mutator } from "./mutation.js" */
/** @import { Patch } from "./patches.js" */
/** @import { JsonObject } from "./protocol.js" */

/** @type {ItemNames} */
export const LIST_NAMES = Object.freeze({ type: "list", id: "index", ids: "indexes" });

/**
 * A list: items by index, in the order in which they were added. Made by `Client.list`.
 *
 * @extends {Collection<ListItem, {
 *   itemAdded: ItemAddedEvent<ListItem>,
 *   itemUpdated: ItemUpdatedEvent<ListItem>,
 *   itemRemoved: ItemRemovedEvent,
 *   reset: ResetEvent,
 *   expiry: ExpiryEvent,
 *   removed: ObjectRemovedEvent,
 * }>}
 */
export class SyncList extends Collection {
  /** The names of the events. */
  static itemAdded = /** @type {const} */ ("itemAdded");
  static itemUpdated = /** @type {const} */ ("itemUpdated");
  static itemRemoved = /** @type {const} */ ("itemRemoved");
  static reset = /** @type {const} */ ("reset");
  static expiry = /** @type {const} */ ("expiry");
  static removed = /** @type {const} */ ("removed");

  /** @type {"list"} */
  get type() {
    return "list";
  }

  /**
   * Read an item.
   *
   * @param {number} index
   * @returns {Promise<ListItem>} rejected with 404/54151 if there is none
   */
  async get(index) {
    return this.readItem(index);
  }

  /**
   * Append an item.
   *
   * @param {JsonObject} data
   * @param {ItemOptions} [options]
   * @returns {Promise<ListItem>}
   */
  async push(data, options) {
    return this.writeItem("add", undefined, data, options);
  }

  /**
   * Replace the data of an item.
   *
   * @param {number} index
   * @param {JsonObject} data
   * @param {ItemWriteOptions} [options]
   * @returns {Promise<ListItem>} rejected with 404/54151 if there is none
   */
  async set(index, data, options) {
    return this.writeItem("set", index, data, options);
  }

  /**
   * Set some top-level keys of an item's data and leave the others as they are. The server merges,
   * so there is no conflict with other writers.
   *
   * @param {number} index
   * @param {JsonObject} changes new values by key
   * @param {ItemOptions} [options]
   * @returns {Promise<ListItem>}
   */
  async update(index, changes, options) {
    return this.updateItem(index, changes, options);
  }

  /**
   * Compute new data from the newest data and write it; retry if another writer was first.
   *
   * @param {number} index
   * @param {Mutator} mutator may be called several times, with newer data
   * @param {ItemOptions} [options]
   * @returns {Promise<ListItem>} the item as written; as it is, if `mutator` returned nothing
   */
  async mutate(index, mutator, options) {
    return this.mutateItem(index, mutator, options);
  }

  /**
   * Let the server change the newest data of an item by one rule.
   *
   * @param {number} index
   * @param {Patch} patch rejected with 409 if it does not fit the data
   * @param {ItemWriteOptions} [options]
   * @returns {Promise<ListItem>}
   */
  async patch(index, patch, options) {
    return this.patchItem(index, patch, options);
  }

  /**
   * Add to a number in an item; a missing number counts as 0.
   *
   * @param {number} index
   * @param {string} pointer a JSON pointer (RFC 6901), such as `/likes`
   * @param {number} [by]
   * @returns {Promise<ListItem>}
   */
  async increment(index, pointer, by = 1) {
    return this.patchItem(index, { increment: { [pointer]: by } });
  }

  /**
   * Change the expiry of an item and keep its data.
   *
   * @param {number} index
   * @param {number} ttl time to live in seconds from now; 0: never expires
   * @param {{ ifMatch?: string, collectionTtl?: number }} [options]
   * @returns {Promise<void>}
   */
  async setItemTtl(index, ttl, options) {
    await this.setTtlOfItem(index, ttl, options);
  }

  /**
   * Remove an item. The others keep their indexes.
   *
   * @param {number} index
   * @param {{ ifMatch?: string }} [options]
   * @returns {Promise<void>} rejected with 404/54151 if there is none
   */
  async remove(index, options) {
    await this.removeItem(index, options);
  }

  /**
   * Write up to 100 items in one step: all of them, or none.
   *
   * @param {JsonObject[] | ((batch: ListBatch) => void)} operations as in docs/guide.md, "Batches";
   *   or a function that calls the verbs of `batch`
   * @param {BatchOptions} [options]
   * @returns {Promise<BatchResult<ListItem>[]>} in the order of the operations
   */
  async batch(operations, options = {}) {
    return this.writeBatch(collectBatch(new ListBatch(), operations), options);
  }

  /** Remove the list, with all its items, for all clients. @returns {Promise<void>} */
  async removeList() {
    await this.removeWhole();
  }

  /** @internal @protected @override */
  get names() {
    return LIST_NAMES;
  }

  /** @internal @protected @override */
  absence() {
    return { code: Code.LIST_NOT_FOUND, name: "List", invalidData: Code.LIST_ITEM_INVALID_DATA };
  }
}
