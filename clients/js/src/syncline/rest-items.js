/** Requests for items, over REST. */

import { compareKeys } from "./part.js";
import { PATCH_TYPES } from "./protocol.js";
import { headersOf, pathTo, targetOf } from "./rest-requests.js";

/** @import { Http } from "./http.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Request } from "./transport.js" */

/** Maximum number of items in a page over REST. */
const PAGE_LIMIT = 100;

/** Characters of a query, after which the next one begins: a URL has at most 8,192 bytes. */
const QUERY_LENGTH = 3000;

/** As `if_match`: the item must not exist. */
const ABSENT = "-1";

/** Greater than every key that begins with the text before it. */
const LAST_CHARACTER = "\u{10ffff}";

/** What names one item of a collection. */
const ITEM_VERBS = new Set(["item", "set", "patch", "ttl", "remove"]);

/** Carries out native requests for items by REST calls. */
export class RestItems {
  #http;

  /** @param {Http} http */
  constructor(http) {
    this.#http = http;
  }

  /**
   * @param {Request} request
   * @param {AbortSignal} signal
   * @returns {Promise<JsonObject | null>} the `ok` of the native reply; null if the request is not
   *   for items
   */
  async carryOut(request, signal) {
    if (request.do === "items") return this.#page(request, signal);
    if (request.do === "batch") return this.#batch(request, request.operations.text, signal);
    const id = request.key ?? request.index;
    if (request.do === "add") return this.#write("POST", "", request, signal);
    if (id === undefined) {
      if (!hasItems(request) || !ITEM_VERBS.has(request.do)) return null;
      throw new TypeError(`${request.do} names an item`);
    }
    const path = `/${encodeURIComponent(id)}`;
    switch (request.do) {
      case "item":
        return { item: await this.#call("GET", `/Items${path}`, request, signal) };
      case "set":
        // An item of a list is only replaced.
        return this.#write("key" in request ? "PUT" : "POST", path, request, signal);
      case "ttl":
        return this.#write("POST", path, request, signal);
      case "patch":
        return this.#patch(path, request, signal);
      case "remove":
        return this.#remove(id, request, signal);
      default:
        return null;
    }
  }

  /**
   * @param {string} method
   * @param {string} path below the items
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #write(method, path, request, signal) {
    const form = ttlsOf(request);
    if (request.do === "add" && "key" in request) form.set("Key", request.key);
    if ("data" in request) form.set("Data", request.data.text);
    const init = { body: form, headers: conditionsOf(request) };
    const where = `${collectionPath(request)}/Items${path}`;
    const { status, resource } = await this.#http.reply(method, where, init, signal);
    return { kind: status === 201 ? "added" : "updated", item: resource };
  }

  /**
   * @param {string} path
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #patch(path, request, signal) {
    const kind = Object.keys(PATCH_TYPES).find((each) => each in request) ?? "merge";
    const headers = { ...conditionsOf(request), "Content-Type": PATCH_TYPES[kind] };
    const ttls = ttlsOf(request);
    const where = `${collectionPath(request)}/Items${path}?${ttls}`;
    const init = { body: request[kind].text, headers };
    const item = await this.#http.call("PATCH", where, init, signal);
    return { kind: "updated", item };
  }

  /**
   * Remove by a batch of one: the reply to `DELETE` does not have the revision of the removal.
   *
   * @param {string | number} id
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #remove(id, request, signal) {
    const name = "key" in request ? "key" : "index";
    const operation = { op: "remove", [name]: id, if_match: request.if_match };
    const { changes } = await this.#batch(request, JSON.stringify([operation]), signal);
    return { kind: "removed", item: changes[0] };
  }

  /**
   * @param {Request} request
   * @param {string} operations as JSON
   * @param {AbortSignal} signal
   */
  async #batch(request, operations, signal) {
    const { collection_ttl: ttl } = request;
    const end = ttl === undefined ? "}" : `,"collection_ttl":${JSON.stringify(ttl)}}`;
    const body = `{"operations":${operations}${end}`;
    const { op } = request;
    const type = { "Content-Type": "application/json" };
    const headers = { ...type, ...(op ? { "Idempotency-Key": op } : {}) };
    const path = `${collectionPath(request)}/Batch`;
    const reply = await this.#http.call("POST", path, { body, headers }, signal);
    /** @param {JsonObject} item */
    const changeOf = ({ change, ...item }) => ({ kind: change, ...item });
    return { changes: reply.items.map(changeOf) };
  }

  /**
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #page(request, signal) {
    const keys = request.keys ?? request.indexes;
    return keys ? this.#pageOfKeys(keys, request, signal) : this.#pageOfRange(request, signal);
  }

  /**
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #pageOfRange(request, signal) {
    const { from, after, order = "asc", limit = 50, prefix = "" } = request;
    const query = new URLSearchParams({ Order: order, PageSize: String(pageSize(limit)) });
    const start = after ?? from;
    const edge = order === "desc" ? prefix + LAST_CHARACTER : prefix;
    const direction = order === "desc" ? -1 : 1;
    const isBeforeEdge = start === undefined || compareKeys(start, edge) * direction < 0;
    if (prefix !== "" && isBeforeEdge) {
      query.set("From", edge);
    } else if (start !== undefined) {
      query.set("From", String(start));
      if (after !== undefined) query.set("Bounds", "exclusive");
    }
    const { items, meta } = await this.#call("GET", `/Items?${query}`, request, signal);
    const isWithin = (/** @type {JsonObject} */ { key }) => prefix === "" || key.startsWith(prefix);
    // Keys with one prefix follow each other: the first of another ends the walk.
    const outside = items.findIndex((/** @type {JsonObject} */ item) => !isWithin(item));
    const page = outside < 0 ? items : items.slice(0, outside);
    const last = page.at(-1);
    const hasMore = outside < 0 && meta.next_page_url !== null && last !== undefined;
    return { items: page, next: hasMore ? (last.key ?? last.index) : null };
  }

  /**
   * A page of named items, which are read one by one.
   *
   * @param {(string | number)[]} keys
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #pageOfKeys(keys, request, signal) {
    const { from, after, order = "asc", limit = 50 } = request;
    const direction = order === "desc" ? -1 : 1;
    const compare = (/** @type {any} */ a, /** @type {any} */ b) => direction * compareKeys(a, b);
    const wanted = keys
      .filter((key) => after === undefined || compare(key, after) > 0)
      .filter((key) => from === undefined || compare(key, from) >= 0)
      .sort(compare);
    if (wanted.length === 0) {
      await this.#call("GET", "", request, signal); // refused if there is no such collection
      return { items: [], next: null };
    }
    const name = request.keys ? "Key" : "Index";
    /** @type {JsonObject[]} */
    const items = [];
    let query = `Order=${order}`;
    for (const [place, key] of wanted.entries()) {
      query += `&${name}=${encodeURIComponent(key)}`;
      if (query.length < QUERY_LENGTH && place < wanted.length - 1) continue;
      const page = await this.#call("GET", `/Items?${query}`, request, signal);
      items.push(...page.items);
      query = `Order=${order}`;
    }
    const next = items.length > limit ? items[limit - 1][name.toLowerCase()] : null;
    return { items: items.slice(0, limit), next };
  }

  /**
   * @param {string} method
   * @param {string} path below the collection
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  #call(method, path, request, signal) {
    return this.#http.call(method, collectionPath(request) + path, {}, signal);
  }
}

/** @param {Request} request */
function collectionPath(request) {
  const { type, address } = targetOf(request);
  return pathTo(type, address);
}

/** @param {Request} request */
function hasItems(request) {
  return "map" in request || "list" in request;
}

/**
 * Over REST a page has at most `PAGE_LIMIT` items; what is no number is refused by the server.
 *
 * @param {unknown} limit
 */
function pageSize(limit) {
  return typeof limit === "number" ? Math.min(limit, PAGE_LIMIT) : limit;
}

/** @param {Request} request */
function ttlsOf(request) {
  const form = new URLSearchParams();
  if ("ttl" in request) form.set("ItemTtl", String(request.ttl));
  if ("collection_ttl" in request) form.set("CollectionTtl", String(request.collection_ttl));
  return form;
}

/** @param {Request} request @returns {Record<string, string>} */
function conditionsOf(request) {
  if (request.if_match !== ABSENT) return headersOf(request);
  const { "If-Match": _, ...headers } = headersOf(request);
  return { ...headers, "If-None-Match": "*" };
}
