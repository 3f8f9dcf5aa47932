/** The objects that the parts of an application have open through one client. */

import { Client } from "../syncline/client.js";
import { SynclineError, messageOf } from "../syncline/errors.js";
import { CollectionSource } from "./collection-source.js";
import { ConnectionSource } from "./connection-source.js";
import { DocumentSource } from "./document-source.js";
import { ItemSource } from "./item-source.js";
import { KINDS, addressOf, waiting } from "./kinds.js";
import { SharedObject } from "./shared-object.js";
import { StreamSource } from "./stream-source.js";

/** @import { ConnectionError } from "../syncline/client.js" */
/** @import { ClientOptions } from "../syncline/options.js" */
/** @import { Token } from "../syncline/token.js" */
/** @import { JsonObject } from "../syncline/protocol.js" */
/** @import { ListItemSnapshot, ListItemMethods, MapItemSnapshot, MapItemMethods } from "./item-source.js" */
/** @import { ListIndexesState, ListMethods, ListState, MapKeysState, MapMethods, MapState } from "./collection-source.js" */
/** @import { DocumentOptions, ListOptions, MapOptions, Name, StreamOptions } from "./kinds.js" */
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

  /** Make the client; an invalid token or address is an error of the connection. */
  #tryClient() {
    try {
      this.demandClient();
    } catch (error) {
      this.connectionError = { terminal: true, message: messageOf(error) };
      this.#callWatchers();
    }
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
    queueMicrotask(() => {
      if (this.#watchers.has(own)) this.#tryClient();
    });
    return () => void this.#watchers.delete(own);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {DocumentOptions<T>} [options]
   * @returns {DocumentSource<T>}
   */
  document(name, { initial, ...options } = {}) {
    return new DocumentSource(this.#access("document", name, options), initial);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {MapOptions} [options]
   * @returns {CollectionSource<MapState<T>, MapMethods<T>>}
   */
  map(name, options) {
    return new CollectionSource(this.#access("map", name, options), "map", true);
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
    return new CollectionSource(this.#access("map", name, options), "map", false);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {string} key
   * @param {MapOptions} [options]
   * @returns {ItemSource<MapItemSnapshot<T>, MapItemMethods<T>>}
   */
  mapItem(name, key, options) {
    return new ItemSource(this.#access("map", name, options), key);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {ListOptions} [options]
   * @returns {CollectionSource<ListState<T>, ListMethods<T>>}
   */
  list(name, options) {
    return new CollectionSource(this.#access("list", name, options), "list", true);
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
    return new CollectionSource(this.#access("list", name, options), "list", false);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {number} index
   * @param {ListOptions} [options]
   * @returns {ItemSource<ListItemSnapshot<T>, ListItemMethods<T>>}
   */
  listItem(name, index, options) {
    return new ItemSource(this.#access("list", name, options), index);
  }

  /**
   * @template {JsonObject} [T=JsonObject]
   * @param {Name} name
   * @param {StreamOptions} [options]
   * @returns {StreamSource<T>}
   */
  stream(name, options) {
    return new StreamSource(this.#access("stream", name, options));
  }

  /**
   * @param {keyof typeof KINDS} type
   * @param {Name} name
   * @param {object} [options]
   * @returns {Access | null}
   */
  #access(type, name, options = {}) {
    // The client creates an object without a name where the name is "": each page would leave one.
    if (name === null || name === undefined || name === "") return null;
    const address = addressOf(type, name, options);
    return {
      find: () => this.#objects.get(address),
      demand: () => this.#objects.get(address) ?? this.#add(address, KINDS[type](name, options)),
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
