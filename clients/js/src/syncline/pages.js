/** Pages of the items of a collection. */

/** @import { Item } from "./item.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * @typedef {object} PageOptions
 * @property {string | number} [from] key or index of the first item, which need not exist
 * @property {"asc" | "desc"} [order] default: `asc`
 * @property {number} [pageSize] 1 to 500; default: 50
 * @property {number} [limit] alias of `pageSize`
 */

/**
 * @template {Item} I
 * @typedef {(members: JsonObject) => Promise<{ items: I[], next: string | number | null }>} ReadPage
 *   sends the request `items`
 */

/** @type {Record<string, "asc" | "desc">} */
const OPPOSITE = { asc: "desc", desc: "asc" };

/** One page of items. @template {Item} [I=Item] */
export class Paginator {
  #read;
  #order;
  #pageSize;
  #previous;
  #next;

  /**
   * @internal
   * @param {ReadPage<I>} read
   * @param {{ order: "asc" | "desc", pageSize: number | undefined }} options
   * @param {{
   *   items: I[], previous: string | number | null, next: string | number | null,
   * }} page `previous` and `next`: keys before and after which more items follow; null if none do
   */
  constructor(read, { order, pageSize }, { items, previous, next }) {
    this.#read = read;
    this.#order = order;
    this.#pageSize = pageSize;
    this.#previous = previous;
    this.#next = next;
    /** The items of this page, in order. */
    this.items = items;
  }

  /** True if more items follow. */
  get hasNextPage() {
    return this.#next !== null;
  }

  /** True if there are items before this page. */
  get hasPrevPage() {
    return this.#previous !== null;
  }

  /** @returns {Promise<Paginator<I>>} rejected if there is no next page */
  async nextPage() {
    if (this.#next === null) throw new RangeError("there is no next page");
    const after = this.#next;
    const page = await this.#read({ after, order: this.#order, limit: this.#pageSize });
    const previous = page.items.length > 0 ? page.items[0].id : after;
    return this.#page({ items: page.items, previous, next: page.next });
  }

  /** @returns {Promise<Paginator<I>>} rejected if there is no previous page */
  async prevPage() {
    if (this.#previous === null) throw new RangeError("there is no previous page");
    const after = this.#previous;
    const page = await this.#read({ after, order: OPPOSITE[this.#order], limit: this.#pageSize });
    const items = page.items.reverse();
    const next = items.length > 0 ? /** @type {I} */ (items.at(-1)).id : after;
    return this.#page({ items, previous: page.next, next });
  }

  /**
   * @param {{ items: I[], previous: string | number | null, next: string | number | null }} page
   * @returns {Paginator<I>}
   */
  #page(page) {
    return new Paginator(this.#read, { order: this.#order, pageSize: this.#pageSize }, page);
  }
}

/**
 * Read the first page.
 *
 * @template {Item} I
 * @param {PageOptions} options
 * @param {ReadPage<I>} read
 * @returns {Promise<Paginator<I>>}
 */
export async function openPages({ from, order = "asc", pageSize, limit }, read) {
  const size = pageSize ?? limit;
  const { items, next } = await read({ from, order, limit: size });
  const first = items[0]?.id ?? from;
  let previous = null;
  if (from !== undefined && first !== undefined && order in OPPOSITE) {
    // A walk that begins in the middle: only the server knows whether there are items before.
    const before = await read({ after: first, order: OPPOSITE[order], limit: 1 });
    if (before.items.length > 0) previous = first;
  }
  return new Paginator(read, { order, pageSize: size }, { items, previous, next });
}
