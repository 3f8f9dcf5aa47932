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

/** @typedef {{ after: string | number } | { from: string | number }} Bounds */

/**
 * A page. `previous` and `next`: where the items before and behind it begin, those before it in the
 * opposite order; null if there are none.
 *
 * @template {Item} I
 * @typedef {{ items: I[], previous: Bounds | null, next: Bounds | null }} PageOf
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
   * @param {PageOf<I>} page
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
    const bounds = this.#next;
    if (bounds === null) throw new RangeError("there is no next page");
    const page = await this.#read({ ...bounds, order: this.#order, limit: this.#pageSize });
    // Items that followed may have been removed: then this page begins where they did.
    const previous = page.items.length > 0 ? { after: page.items[0].id } : behind(bounds);
    return this.#page({ items: page.items, previous, next: after(page.next) });
  }

  /** @returns {Promise<Paginator<I>>} rejected if there is no previous page */
  async prevPage() {
    const bounds = this.#previous;
    if (bounds === null) throw new RangeError("there is no previous page");
    const order = OPPOSITE[this.#order];
    const page = await this.#read({ ...bounds, order, limit: this.#pageSize });
    const items = page.items.reverse();
    const last = items.at(-1);
    const next = last === undefined ? behind(bounds) : { after: last.id };
    return this.#page({ items, previous: after(page.next), next });
  }

  /**
   * @param {PageOf<I>} page
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
    if (before.items.length > 0) previous = { after: first };
  }
  return new Paginator(read, { order, pageSize: size }, { items, previous, next: after(next) });
}

/**
 * @param {string | number | null} key
 * @returns {Bounds | null}
 */
function after(key) {
  return key === null ? null : { after: key };
}

/**
 * The bounds of the items that these do not reach, in the opposite order.
 *
 * @param {Bounds} bounds
 * @returns {Bounds}
 */
function behind(bounds) {
  return "after" in bounds ? { from: bounds.after } : { after: bounds.from };
}
