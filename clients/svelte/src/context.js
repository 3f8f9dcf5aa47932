/** The client of a tree of components, and its connection. */

import { getContext, onDestroy, setContext } from "svelte";
import { Store, storeOf } from "syncline/store";

import { readableOf } from "./readable.js";

/** @import { Readable } from "svelte/store" */
/** @import { Client } from "syncline" */
/** @import { Connection, StoreSource } from "syncline/store" */

const KEY = Symbol("syncline");

/**
 * @typedef {object} WithClient
 * @property {Client} [client] default: that of `provideSyncline` in a component above; needed
 *   outside of components
 */

/**
 * Give a client to the stores of this component and of those below it. Call it while the component
 * is initialized.
 *
 * With `token`, the client is made when the first store needs it, and shut down after the component
 * has unmounted; it does not connect while a server renders.
 *
 * @param {StoreSource} given either `client`, or `token`
 */
export function provideSyncline(given) {
  const store = Store.of(given);
  setContext(KEY, store);
  onDestroy(store.retain());
}

/**
 * The client; null while a server renders, and until something has subscribed.
 *
 * @returns {Readable<Client | null>}
 */
export function clientStore() {
  const store = findStore();
  const { subscribe } = store.connection;
  return readableOf({
    subscribe,
    getSnapshot: () => store.client,
    getInitialSnapshot: () => null,
  });
}

/**
 * The state of the connection, and why it is not connected.
 *
 * @param {WithClient} [options]
 * @returns {Readable<Connection>}
 */
export function connectionStore({ client } = {}) {
  return readableOf(findStore(client).connection);
}

/** @param {Client} [client] @returns {Store} */
export function findStore(client) {
  if (client) return storeOf(client);
  const store = /** @type {Store | undefined} */ (getContext(KEY));
  if (store) return store;
  throw new Error("Syncline's stores need provideSyncline(…) in a component above, or a `client`");
}
