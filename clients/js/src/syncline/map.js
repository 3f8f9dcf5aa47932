/** Handle of an open map. */

import { MapBatch, collectBatch } from "./batch.js";
import { Collection } from "./collection.js";
import { MAP } from "./item-types.js";

/** @import { BatchOptions } from "./batch.js" */
/** @import { CollectionSubscription } from "./collection-subscription.js" */
/** @import { MapItem } from "./item.js" */
/** @import { BatchResult, ItemOptions } from "./item-requests.js" */
/** @import { OpenObjects } from "./open-objects.js" */
/** @import { Part } from "./part.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * A map: items by key. Made by `Client.map`.
 *
 * @template {JsonObject} [T=JsonObject] type of the data of an item
 * @extends {Collection<T, MapItem<T>, string>}
 */
export class SyncMap extends Collection {
  /**
   * @internal
   * @param {OpenObjects} objects
   * @param {CollectionSubscription} subscription
   * @param {Part} part
   */
  constructor(objects, subscription, part) {
    super(objects, subscription, MAP, part);
  }

  /** @type {"map"} */
  get type() {
    return "map";
  }

  /**
   * Create an item.
   *
   * @param {string} key
   * @param {T} data
   * @param {ItemOptions} [options]
   * @returns {Promise<MapItem<T>>} rejected with 409/54208, and the newest `item`, if the key exists
   */
  async add(key, data, options) {
    MAP.checkId(key);
    return this.requests.write("add", key, data, options);
  }

  /**
   * Write up to 100 items in one step: all of them, or none.
   *
   * @param {JsonObject[] | ((batch: MapBatch<T>) => void)} operations as in docs/guide/maps.md, "Batches";
   *   or a function that calls the verbs of `batch`
   * @param {BatchOptions} [options]
   * @returns {Promise<BatchResult<MapItem<T>>[]>} in the order of the operations
   */
  async batch(operations, options) {
    return this.requests.batch(collectBatch(new MapBatch(), operations), options);
  }

  /** Remove the map, with all its items, for all clients. @returns {Promise<void>} */
  async removeMap() {
    await this.removeWhole();
  }
}
