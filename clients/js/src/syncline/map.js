/** Handle of an open map. */

import { MapBatch, collectBatch } from "./batch.js";
import { Collection } from "./collection.js";
import { Code } from "./protocol.js";

/** @import { BatchOptions } from "./batch.js" */
/** @import { BatchResult, ItemNames, ItemOptions, ItemWriteOptions } from "./collection.js" */
/** @import { ExpiryEvent, ItemAddedEvent, ItemRemovedEvent, ItemUpdatedEvent, ObjectRemovedEvent, ResetEvent } from "./item-events.js" */
/** @import { MapItem } from "./item.js" */
/** @import { Mutator } from "./mutation.js" */
/** @import { Patch } from "./patches.js" */
/** @import { JsonObject } from "./protocol.js" */

/** @type {ItemNames} */
export const MAP_NAMES = Object.freeze({ type: "map", id: "key", ids: "keys" });

/**
 * A map: items by key. Made by `Client.map`.
 *
 * @extends {Collection<MapItem, {
 *   itemAdded: ItemAddedEvent<MapItem>,
 *   itemUpdated: ItemUpdatedEvent<MapItem>,
 *   itemRemoved: ItemRemovedEvent,
 *   reset: ResetEvent,
 *   expiry: ExpiryEvent,
 *   removed: ObjectRemovedEvent,
 * }>}
 */
export class SyncMap extends Collection {
  /** The names of the events. */
  static itemAdded = /** @type {const} */ ("itemAdded");
  static itemUpdated = /** @type {const} */ ("itemUpdated");
  static itemRemoved = /** @type {const} */ ("itemRemoved");
  static reset = /** @type {const} */ ("reset");
  static expiry = /** @type {const} */ ("expiry");
  static removed = /** @type {const} */ ("removed");

  /** @type {"map"} */
  get type() {
    return "map";
  }

  /**
   * Read an item.
   *
   * @param {string} key
   * @returns {Promise<MapItem>} rejected with 404/54201 if there is none
   */
  async get(key) {
    return this.readItem(key);
  }

  /**
   * Create an item.
   *
   * @param {string} key
   * @param {JsonObject} data
   * @param {ItemOptions} [options]
   * @returns {Promise<MapItem>} rejected with 409/54208, and the newest `item`, if the key exists
   */
  async add(key, data, options) {
    return this.writeItem("add", key, data, options);
  }

  /**
   * Create an item, or replace its data.
   *
   * @param {string} key
   * @param {JsonObject} data
   * @param {ItemWriteOptions} [options] `ifMatch` "-1": the item must not exist
   * @returns {Promise<MapItem>}
   */
  async set(key, data, options) {
    return this.writeItem("set", key, data, options);
  }

  /**
   * Set some top-level keys of an item's data and leave the others as they are; create the item if
   * there is none. The server merges, so there is no conflict with other writers.
   *
   * @param {string} key
   * @param {JsonObject} changes new values by key
   * @param {ItemOptions} [options]
   * @returns {Promise<MapItem>}
   */
  async update(key, changes, options) {
    return this.updateItem(key, changes, options);
  }

  /**
   * Compute new data from the newest data and write it; retry if another writer was first.
   *
   * @param {string} key
   * @param {Mutator} mutator may be called several times, with newer data; with `{}` if there is no
   *   item
   * @param {ItemOptions} [options]
   * @returns {Promise<MapItem>} the item as written; as it is, if `mutator` returned nothing
   */
  async mutate(key, mutator, options) {
    return this.mutateItem(key, mutator, options);
  }

  /**
   * Let the server change the newest data of an item by one rule.
   *
   * @param {string} key
   * @param {Patch} patch rejected with 409 if it does not fit the data
   * @param {ItemWriteOptions} [options]
   * @returns {Promise<MapItem>}
   */
  async patch(key, patch, options) {
    return this.patchItem(key, patch, options);
  }

  /**
   * Add to a number in an item; a missing number counts as 0.
   *
   * @param {string} key
   * @param {string} pointer a JSON pointer (RFC 6901), such as `/likes`
   * @param {number} [by]
   * @returns {Promise<MapItem>}
   */
  async increment(key, pointer, by = 1) {
    return this.patchItem(key, { increment: { [pointer]: by } });
  }

  /**
   * Change the expiry of an item and keep its data.
   *
   * @param {string} key
   * @param {number} ttl time to live in seconds from now; 0: never expires
   * @param {{ ifMatch?: string, collectionTtl?: number }} [options]
   * @returns {Promise<void>}
   */
  async setItemTtl(key, ttl, options) {
    await this.setTtlOfItem(key, ttl, options);
  }

  /**
   * Remove an item.
   *
   * @param {string} key
   * @param {{ ifMatch?: string }} [options]
   * @returns {Promise<void>} rejected with 404/54201 if there is none
   */
  async remove(key, options) {
    await this.removeItem(key, options);
  }

  /**
   * Write up to 100 items in one step: all of them, or none.
   *
   * @param {JsonObject[] | ((batch: MapBatch) => void)} operations as in docs/guide.md, "Batches";
   *   or a function that calls the verbs of `batch`
   * @param {BatchOptions} [options]
   * @returns {Promise<BatchResult<MapItem>[]>} in the order of the operations
   */
  async batch(operations, options = {}) {
    return this.writeBatch(collectBatch(new MapBatch(), operations), options);
  }

  /** Remove the map, with all its items, for all clients. @returns {Promise<void>} */
  async removeMap() {
    await this.removeWhole();
  }

  /** @internal @protected @override */
  get names() {
    return MAP_NAMES;
  }

  /** @internal @protected @override */
  get createsItems() {
    return true;
  }

  /** @internal @protected @override */
  absence() {
    return { code: Code.MAP_NOT_FOUND, name: "Map", invalidData: Code.MAP_ITEM_INVALID_DATA };
  }
}
