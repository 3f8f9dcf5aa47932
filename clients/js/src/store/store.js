/** The objects that the parts of an application have open through one client. */

import { Client } from "../syncline/client.js";
import { SynclineError } from "../syncline/errors.js";
import { CollectionSource } from "./collection-source.js";
import { CollectionView } from "./collection-view.js";
import { ConnectionSource } from "./connection-source.js";
import { DocumentSource } from "./document-source.js";
import { DocumentView } from "./document-view.js";
import { ItemSource } from "./item-source.js";
import { SharedObject } from "./shared-object.js";
import { StreamSource } from "./stream-source.js";
import { StreamView } from "./stream-view.js";

/** @import { ConnectionError, ListPart, MapPart, OpenDocumentOptions, OpenOptions } from "../syncline/client.js" */
/** @import { ClientOptions } from "../syncline/options.js" */
/** @import { Token } from "../syncline/token.js" */
/** @import { JsonObject } from "../syncline/protocol.js" */
/** @import { ListItemSnapshot, ListItemMethods, MapItemSnapshot, MapItemMethods } from "./item-source.js" */
/** @import { ListIndexesState, ListMethods, ListState, MapKeysState, MapMethods, MapState } from "./collection-source.js" */
/** @import { Kind } from "./shared-object.js" */
/** @import { Access } from "./source.js" */

/** Time for which an object stays open after its last subscriber, in milliseconds. */
const GRACE = 1_000;

/**
 * @typedef {object} StoreOptions
 * @property {number} [grace] time in milliseconds for which an object, or a client that the store
 *   has made, stays open after its last user; default 1,000
 */

/**
 * @typedef {object} StoreSource either `client`, or `token`
 * @property {Client | null} [client] stays the application's: nobody shuts it down. Null: there is
 *   none yet, as on a server that renders; every object is `loading`
 * @property {string} [url] address of the server; as the option of `Client`
 * @property {Token} [token] an access token, or a function that returns a fresh one
 * @property {Omit<ClientOptions, "url">} [options] further options of the client
 * @property {number} [grace] as in `StoreOptions`; not with `client`
 */

/** SID or unique name. Null or undefined: nothing is opened. @typedef {string | null | undefined} Name */

/**
 * Options that concern the creation (`data`, `ttl`) count for whoever opens the object first.
 *
 * @template {JsonObject} [T=JsonObject]
 * @typedef {Omit<OpenDocumentOptions, "id" | "signal" | "data"> & { data?: T, initial?: T }}
 *   DocumentOptions `initial`: shown until the document is ready, as what a server rendered
 */
/** @typedef {Omit<OpenOptions, "id" | "signal"> & MapPart} MapOptions */
/** @typedef {Omit<OpenOptions, "id" | "signal"> & ListPart} ListOptions */
/**
 * @typedef {Omit<OpenOptions, "id" | "signal"> & { keep?: number }} StreamOptions `keep`: how many
 *   messages snapshots have at most; default 0
 */

/** Makes sources. Sources of one object share one handle. */
export class Store {
  /** The newest error of the connection. @type {ConnectionError | null} */
  connectionError = null;
  connection = new ConnectionSource(this);

  /** @type {(() => Client) | null} */
  #make;
  #grace;
  /** @type {Client | null} */
  #client = null;
  /** @type {Map<string, SharedObject>} */
  #objects = new Map();
  /** @type {Set<() => void>} */
  #watchers = new Set();
  #users = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #closing;

  /**
   * @param {Client | (() => Client) | null} client a function is called when the first object is
   *   opened; the store shuts the client that it returns down when it is not retained any more.
   *   Null: there is no client yet, and every object stays `loading`
   * @param {StoreOptions} [options]
   */
  constructor(client, { grace = GRACE } = {}) {
    this.#make = typeof client === "function" ? client : null;
    this.#grace = grace;
    if (typeof client === "object" && client !== null) this.#use(client);
  }

  /**
   * What the application gives to a binding: its client, or what a client is made of.
   *
   * @param {StoreSource} given
   * @returns {Store}
   */
  static of({ client, url, token, options, grace }) {
    if (client) return storeOf(client);
    if (client === null) return new Store(null);
    if (token === undefined) throw new TypeError("Syncline needs a `client`, or a `token`");
    return new Store(() => new Client(token, { ...options, ...(url && { url }) }), { grace });
  }

  /** Null until it is made. @returns {Client | null} */
  get client() {
    return this.#client;
  }

  /** The client; makes it if it is not there yet. @returns {Client | null} */
  demandClient() {
    return this.#client ?? (this.#make ? this.#use(this.#make()) : null);
  }

  /** @param {Client} client */
  #use(client) {
    this.#client = client;
    client.on("connectionStateChanged", (state) => this.#changed(client, state));
    client.on("connectionError", (error) => this.#failed(client, error));
    this.#callWatchers();
    return client;
  }

  /**
   * Keep the client that the store has made until the function that this returns is called.
   *
   * @returns {() => void} safe to repeat
   */
  retain() {
    this.#users += 1;
    clearTimeout(this.#closing);
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#users -= 1;
      if (this.#users > 0 || !this.#make) return;
      this.#closing = setTimeout(() => this.#close(), this.#grace);
      /** @type {any} */ (this.#closing).unref?.();
    };
  }

  /**
   * Call `listener` when the client is made, and when the state of its connection changes. Makes
   * the client.
   *
   * @param {() => void} listener
   * @returns {() => void} safe to repeat
   */
  watch(listener) {
    const own = () => listener();
    this.#watchers.add(own);
    // Not at once, for the reason in `SharedObject.retain`.
    queueMicrotask(() => this.#watchers.has(own) && this.demandClient());
    return () => void this.#watchers.delete(own);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {DocumentOptions<T>} [options]
   * @returns {DocumentSource<T>}
   */
  document(name, { initial, ...options } = {}) {
    const access = this.#access("document", name, options, {
      open: (client, signal) => client.document(/** @type {any} */ ({ id: name, ...options, signal })),
      view: (handle, notify) => new DocumentView(handle, notify),
    });
    return new DocumentSource(access, initial);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {MapOptions} [options]
   * @returns {CollectionSource<MapState<T>, MapMethods<T>>}
   */
  map(name, options) {
    return new CollectionSource(this.#accessMap(name, options), "map", true);
  }

  /**
   * The keys of a map, without the items.
   *
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {MapOptions} [options]
   * @returns {CollectionSource<MapKeysState, MapMethods<T>>}
   */
  mapKeys(name, options) {
    return new CollectionSource(this.#accessMap(name, options), "map", false);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {string} key
   * @param {MapOptions} [options]
   * @returns {ItemSource<MapItemSnapshot<T>, MapItemMethods<T>>}
   */
  mapItem(name, key, options) {
    return new ItemSource(this.#accessMap(name, options), key);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {ListOptions} [options]
   * @returns {CollectionSource<ListState<T>, ListMethods<T>>}
   */
  list(name, options) {
    return new CollectionSource(this.#accessList(name, options), "list", true);
  }

  /**
   * The indexes of a list, without the items.
   *
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {ListOptions} [options]
   * @returns {CollectionSource<ListIndexesState, ListMethods<T>>}
   */
  listIndexes(name, options) {
    return new CollectionSource(this.#accessList(name, options), "list", false);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {number} index
   * @param {ListOptions} [options]
   * @returns {ItemSource<ListItemSnapshot<T>, ListItemMethods<T>>}
   */
  listItem(name, index, options) {
    return new ItemSource(this.#accessList(name, options), index);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {StreamOptions} [options]
   * @returns {StreamSource<T>}
   */
  stream(name, { keep = 0, ...options } = {}) {
    const access = this.#access("stream", name, { ...options, keep }, {
      open: (client, signal) => client.stream({ id: /** @type {string} */ (name), ...options, signal }),
      view: (handle, notify) => new StreamView(handle, notify, keep),
    });
    return new StreamSource(access);
  }

  /** @param {Name} name @param {MapOptions} [options] */
  #accessMap(name, options = {}) {
    return this.#access("map", name, options, {
      open: (client, signal) => client.map({ id: /** @type {string} */ (name), ...options, signal }),
      view: (handle, notify) => new CollectionView(handle, notify),
    });
  }

  /** @param {Name} name @param {ListOptions} [options] */
  #accessList(name, options = {}) {
    return this.#access("list", name, options, {
      open: (client, signal) => client.list({ id: /** @type {string} */ (name), ...options, signal }),
      view: (handle, notify) => new CollectionView(handle, notify),
    });
  }

  /**
   * @param {string} type
   * @param {Name} name
   * @param {object} options
   * @param {Kind} kind
   * @returns {Access | null}
   */
  #access(type, name, options, kind) {
    if (name === null || name === undefined) return null;
    const address = addressOf(type, name, options);
    return {
      find: () => this.#objects.get(address),
      demand: () => this.#objects.get(address) ?? this.#add(address, kind),
    };
  }

  /**
   * @param {string} address
   * @param {Kind} kind
   */
  #add(address, kind) {
    const hasClient = this.#client !== null || this.#make !== null;
    const object = new SharedObject(hasClient ? kind : waiting(kind), {
      grace: this.#grace,
      demandClient: () => /** @type {Client} */ (this.demandClient()),
      onDrop: () => {
        if (this.#objects.get(address) === object) this.#objects.delete(address);
      },
    });
    this.#objects.set(address, object);
    return object;
  }

  /**
   * @param {Client} client
   * @param {import("../syncline/connection.js").ConnectionState} state
   */
  #changed(client, state) {
    if (this.#client !== client) return;
    if (state === "connected") for (const object of this.#all()) object.connected();
    if (state === "disconnected") this.#end(new SynclineError("the client was shut down"));
    this.#callWatchers();
  }

  /**
   * @param {Client} client
   * @param {ConnectionError} error
   */
  #failed(client, error) {
    if (this.#client !== client) return;
    this.connectionError = error;
    if (error.terminal && client.connectionState === "error") {
      const { message, errorCode: code, httpStatusCode: status } = error;
      this.#end(new SynclineError(message, { code, status }));
    }
    this.#callWatchers();
  }

  /** @param {Error} error */
  #end(error) {
    for (const object of this.#all()) object.end(error);
  }

  #close() {
    const client = this.#client;
    this.#client = null;
    this.connectionError = null;
    for (const object of this.#all()) object.drop();
    void client?.shutdown();
    this.#callWatchers();
  }

  #all() {
    return [...this.#objects.values()];
  }

  #callWatchers() {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/**
 * What tells shared objects apart: two that differ in it do not share a handle.
 *
 * @param {string} type
 * @param {Name} name
 * @param {any} [options]
 */
export function addressOf(type, name, { mode, keys, indexes, prefix, keep } = {}) {
  return JSON.stringify([type, name, mode, keys, indexes, prefix, keep]);
}

/** Opens nothing. @param {Kind} kind @returns {Kind} */
function waiting({ view }) {
  return { open: () => new Promise(() => {}), view };
}

/** @type {WeakMap<Client, Store>} */
const stores = new WeakMap();

/**
 * The store of a client, the same at each call. The client stays the application's.
 *
 * @param {Client} client
 * @returns {Store}
 */
export function storeOf(client) {
  const store = stores.get(client) ?? new Store(client);
  stores.set(client, store);
  return store;
}
