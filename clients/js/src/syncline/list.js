/** Handle of an open list. */

import { ListBatch, collectBatch } from "./batch.js";
import { Collection } from "./collection.js";
import { LIST } from "./item-types.js";

/** @import { BatchOptions } from "./batch.js" */
/** @import { CollectionSubscription } from "./collection-subscription.js" */
/** @import { ListItem } from "./item.js" */
/** @import { BatchResult, ItemOptions } from "./item-requests.js" */
/** @import { OpenObjects } from "./open-objects.js" */
/** @import { Part } from "./part.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * A list: items by index, in the order in which they were added. An index is never given again: the
 * others keep theirs when an item is removed. Made by `Client.list`.
 *
 * @template {JsonObject} [T=JsonObject] type of the data of an item
 * @extends {Collection<T, ListItem<T>, number>}
 */
export class SyncList extends Collection {
  /**
   * @internal
   * @param {OpenObjects} objects
   * @param {CollectionSubscription} subscription
   * @param {Part} part
   */
  constructor(objects, subscription, part) {
    super(objects, subscription, LIST, part);
  }

  /** @type {"list"} */
  get type() {
    return "list";
  }

  /**
   * Append an item.
   *
   * @param {T} data
   * @param {ItemOptions} [options]
   * @returns {Promise<ListItem<T>>}
   */
  async push(data, options) {
    return this.requests.write("add", undefined, data, options);
  }

  /**
   * Write up to 100 items in one step: all of them, or none.
   *
   * @param {JsonObject[] | ((batch: ListBatch<T>) => void)} operations as in docs/guide/maps.md, "Batches";
   *   or a function that calls the verbs of `batch`
   * @param {BatchOptions} [options]
   * @returns {Promise<BatchResult<ListItem<T>>[]>} in the order of the operations
   */
  async batch(operations, options) {
    return this.requests.batch(collectBatch(new ListBatch(), operations), options);
  }

  /** Remove the list, with all its items, for all clients. @returns {Promise<void>} */
  async removeList() {
    await this.removeWhole();
  }
}
