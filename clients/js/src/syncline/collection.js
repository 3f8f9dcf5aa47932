/** What the handles of maps and lists share: items, pages, batches, replicas. */

import { Handle } from "./handle.js";
import { REPLICA_NAMES, mergeItemEvents } from "./item-events.js";
import { ItemRequests } from "./item-requests.js";
import { openPages } from "./pages.js";
import { Part } from "./part.js";
import { Replica } from "./replica.js";
import { ignore } from "./timing.js";

/** @import { CollectionSubscription } from "./collection-subscription.js" */
/** @import { Item } from "./item.js" */
/** @import { ItemEvents } from "./item-events.js" */
/** @import { ItemOptions, ItemWriteOptions } from "./item-requests.js" */
/** @import { CollectionType } from "./item-types.js" */
/** @import { ItemMutator } from "./mutation.js" */
/** @import { OpenObjects } from "./open-objects.js" */
/** @import { PageOptions, Paginator } from "./pages.js" */
/** @import { Patch } from "./patches.js" */
/** @import { JsonObject } from "./protocol.js" */

const NAMES = /** @type {const} */ ([...REPLICA_NAMES, "reset", "expiry"]);

/**
 * One map or list, subscribed until `close()`. Below, `id` is the key of an item, or its index in a
 * list.
 *
 * @template {JsonObject} T type of the data of an item
 * @template {Item<T>} I
 * @template {string | number} Id
 * @extends {Handle<CollectionSubscription, ItemEvents<I>>}
 */
export class Collection extends Handle {
  /** The names of the events. */
  static itemAdded = /** @type {const} */ ("itemAdded");
  static itemUpdated = /** @type {const} */ ("itemUpdated");
  static itemRemoved = /** @type {const} */ ("itemRemoved");
  static reset = /** @type {const} */ ("reset");
  static expiry = /** @type {const} */ ("expiry");
  static removed = /** @type {const} */ ("removed");

  /** @internal @protected @type {ItemRequests<T, I>} */
  requests;

  #type;
  #part;
  /** @type {Set<Replica<any>>} */
  #replicas = new Set();
  /** @type {Replica<I> | null} made with the reply to `open`, until the application asks for it */
  #prepared = null;

  /**
   * @internal
   * @param {OpenObjects} objects
   * @param {CollectionSubscription} subscription
   * @param {CollectionType} type
   * @param {Part} part
   */
  constructor(objects, subscription, type, part) {
    super(objects, subscription, mergeItemEvents, { part });
    this.#type = type;
    this.#part = part;
    this.requests = new ItemRequests(objects, subscription, type, () => this.checkUsable());
  }

  /** @internal @protected @override */
  get names() {
    return NAMES;
  }

  /**
   * Read an item.
   *
   * @param {Id} id
   * @returns {Promise<I>} rejected with status 404 if there is none
   */
  async get(id) {
    return this.requests.read(id);
  }

  /**
   * Replace the data of an item. A map creates it if there is none; a list rejects with 404.
   *
   * @param {Id} id
   * @param {T} data
   * @param {ItemWriteOptions} [options] in a map, `ifMatch` "-1": the item must not exist
   * @returns {Promise<I>}
   */
  async set(id, data, options) {
    return this.requests.write("set", id, data, options);
  }

  /**
   * Set some top-level keys of an item's data and leave the others as they are. The server merges,
   * so there is no conflict with other writers. A map creates the item if there is none.
   *
   * @param {Id} id
   * @param {Partial<T>} changes new values by key
   * @param {ItemOptions} [options]
   * @returns {Promise<I>}
   */
  async update(id, changes, options) {
    return this.requests.update(id, changes, options);
  }

  /**
   * Compute new data from the newest data and write it; retry if another writer was first.
   *
   * @param {Id} id
   * @param {ItemMutator<T, I>} mutator called with the data and the item, perhaps several times. In a
   *   map, with `{}` and null if there is no item: what it returns then creates the item
   * @param {ItemOptions} [options]
   * @returns {Promise<I>} the item as written; as it is, if `mutator` returned nothing; rejected with
   *   status 404 if there is none then
   */
  async mutate(id, mutator, options) {
    return this.requests.mutate(id, mutator, options);
  }

  /**
   * Let the server change the newest data of an item by one rule.
   *
   * @param {Id} id
   * @param {Patch} patch rejected with 409 if it does not fit the data, 404 if there is no item
   * @param {ItemWriteOptions} [options] without `ifMatch`, the server retries the patch when another
   *   writer was first
   * @returns {Promise<I>}
   */
  async patch(id, patch, options) {
    return this.requests.patch(id, patch, options);
  }

  /**
   * Add to a number in an item; a missing number counts as 0.
   *
   * @param {Id} id
   * @param {string} pointer a JSON pointer (RFC 6901), such as `/likes`
   * @param {number} [by]
   * @returns {Promise<I>}
   */
  async increment(id, pointer, by = 1) {
    return this.requests.patch(id, { increment: { [pointer]: by } });
  }

  /**
   * Change the expiry of an item and keep its data.
   *
   * @param {Id} id
   * @param {number} ttl time to live in seconds from now; 0: never expires
   * @param {{ ifMatch?: string, collectionTtl?: number }} [options]
   * @returns {Promise<void>}
   */
  async setItemTtl(id, ttl, options) {
    await this.requests.setTtl(id, ttl, options);
  }

  /**
   * Remove an item.
   *
   * @param {Id} id
   * @param {{ ifMatch?: string }} [options]
   * @returns {Promise<void>} rejected with status 404 if there is none
   */
  async remove(id, options) {
    await this.requests.remove(id, options);
  }

  /**
   * Read items page by page, in the order of their keys.
   *
   * @param {PageOptions} [options]
   * @returns {Promise<Paginator<I>>}
   */
  async getItems(options = {}) {
    const part = this.#part.members(this.#type.ids);
    return openPages(options, (members) => this.requests.page({ ...members, ...part }));
  }

  /**
   * Iterate over items, in the order of their keys. Pages are read as they are needed.
   *
   * @param {PageOptions} [options]
   * @returns {AsyncGenerator<I, void>}
   */
  async *items(options = {}) {
    for (let page = await this.getItems(options); ; page = await page.nextPage()) {
      yield* page.items;
      if (!page.hasNextPage) return;
    }
  }

  /**
   * Keep all items, or a part of them, in memory, always current. Wait for `replica.ready` before
   * you read from it. If this handle was opened with `replica`, the first one of the same part has
   * its first items already.
   *
   * @param {{ keys?: string[], indexes?: number[], prefix?: string }} [part] default: what this
   *   handle has open
   * @returns {Replica<I>}
   */
  replica({ keys, indexes, prefix } = {}) {
    this.checkUsable();
    const isGiven = (keys ?? indexes ?? prefix) != null;
    const prepared = this.#prepared;
    if (!isGiven && prepared !== null) {
      this.#prepared = null;
      return prepared;
    }
    return this.#replica(isGiven ? Part.of(keys ?? indexes, prefix) : this.#part);
  }

  /**
   * Make a replica of the reply to `open`. Called with that reply, before any event.
   *
   * @internal
   * @param {JsonObject} opened
   */
  prepareReplica(opened) {
    this.#prepared = this.#replica(this.#part, opened);
  }

  /**
   * @param {Part} part
   * @param {JsonObject} [opened]
   */
  #replica(part, opened) {
    /** @type {Replica<I>} */
    const replica = new Replica(this.objects, this.subscription, part, {
      read: (page, receive) => this.requests.send("items", page, receive),
      ids: this.#type.ids,
      onClose: () => void this.#replicas.delete(replica),
      opened,
    });
    this.#replicas.add(replica);
    return replica;
  }

  /**
   * Change the expiry of the whole, and keep its items.
   *
   * @param {number} ttl time to live in seconds from now; 0: never expires
   * @returns {Promise<void>}
   */
  async setTtl(ttl) {
    await this.requests.sendWrite("ttl_collection", { ttl }, ignore);
  }

  /** Close this handle, its listeners and replicas; the last handle unsubscribes. @override */
  close() {
    for (const replica of [...this.#replicas]) replica.close();
    super.close();
  }

  /** @internal @protected @override */
  absence() {
    return { code: this.#type.notFound, name: this.#type.noun };
  }

  /** @internal @protected */
  async removeWhole() {
    await this.requests.sendWrite("remove_collection", {}, () => this.subscription.wroteRemoval());
  }
}
