/** Batches: several writes to the items of one collection, applied in one step. */

/** @import { JsonObject } from "./protocol.js" */

/** @typedef {{ collectionTtl?: number }} BatchOptions time to live of the whole, in seconds */

/** @typedef {{ ttl?: number }} BatchItemOptions time to live of the item, in seconds */

/** @typedef {BatchItemOptions & { ifMatch?: string }} BatchWriteOptions */

/**
 * Collects the operations of a batch of a map.
 *
 * @template {JsonObject} [T=JsonObject]
 */
export class MapBatch {
  /** @internal @type {JsonObject[]} */
  operations = [];

  /** @param {string} key @param {T} data @param {BatchItemOptions} [options] */
  add(key, data, { ttl } = {}) {
    this.operations.push({ op: "add", key, data, ttl });
    return this;
  }

  /** @param {string} key @param {T} data @param {BatchWriteOptions} [options] */
  set(key, data, { ttl, ifMatch } = {}) {
    this.operations.push({ op: "put", key, data, ttl, if_match: ifMatch });
    return this;
  }

  /**
   * Replace the data of an item that exists.
   *
   * @param {string} key
   * @param {T} data
   * @param {BatchWriteOptions} [options]
   */
  replace(key, data, { ttl, ifMatch } = {}) {
    this.operations.push({ op: "update", key, data, ttl, if_match: ifMatch });
    return this;
  }

  /** @param {string} key @param {number} ttl @param {{ ifMatch?: string }} [options] */
  setItemTtl(key, ttl, { ifMatch } = {}) {
    this.operations.push({ op: "update", key, ttl, if_match: ifMatch });
    return this;
  }

  /** @param {string} key @param {{ ifMatch?: string }} [options] */
  remove(key, { ifMatch } = {}) {
    this.operations.push({ op: "remove", key, if_match: ifMatch });
    return this;
  }
}

/**
 * Collects the operations of a batch of a list.
 *
 * @template {JsonObject} [T=JsonObject]
 */
export class ListBatch {
  /** @internal @type {JsonObject[]} */
  operations = [];

  /** @param {T} data @param {BatchItemOptions} [options] */
  push(data, { ttl } = {}) {
    this.operations.push({ op: "add", data, ttl });
    return this;
  }

  /** @param {number} index @param {T} data @param {BatchWriteOptions} [options] */
  set(index, data, { ttl, ifMatch } = {}) {
    this.operations.push({ op: "update", index, data, ttl, if_match: ifMatch });
    return this;
  }

  /** @param {number} index @param {number} ttl @param {{ ifMatch?: string }} [options] */
  setItemTtl(index, ttl, { ifMatch } = {}) {
    this.operations.push({ op: "update", index, ttl, if_match: ifMatch });
    return this;
  }

  /** @param {number} index @param {{ ifMatch?: string }} [options] */
  remove(index, { ifMatch } = {}) {
    this.operations.push({ op: "remove", index, if_match: ifMatch });
    return this;
  }
}

/**
 * @param {MapBatch | ListBatch} batch an empty one
 * @param {JsonObject[] | ((batch: any) => void)} given
 * @returns {JsonObject[]}
 */
export function collectBatch(batch, given) {
  if (Array.isArray(given)) return given;
  if (typeof given !== "function") throw new TypeError("a batch is an array or a function");
  given(batch);
  return batch.operations;
}
