/** The client of an application, and its connection. */

import { inject } from "vue";
import { Store } from "syncline/store";

import { useSnapshot } from "./snapshot.js";

/** @import { App, InjectionKey, ShallowRef } from "vue" */
/** @import { Client } from "syncline" */
/** @import { Connection, StoreSource } from "syncline/store" */

/** @type {InjectionKey<Store>} */
const KEY = Symbol("syncline");

/**
 * A plugin for `app.use`: gives a client to the composables of all components.
 *
 * With `token`, the plugin makes the client when the first component needs it, and shuts it down
 * after the application has unmounted; it does not connect while a server renders.
 *
 * @param {StoreSource} given either `client`, or `token`
 */
export function createSyncline(given) {
  const store = Store.of(given);
  return {
    /** @param {App} app */
    install(app) {
      app.provide(KEY, store);
      app.onUnmount(store.retain());
    },
  };
}

/**
 * The client; null while a server renders, and until the component has mounted.
 *
 * @returns {Readonly<ShallowRef<Client | null>>}
 */
export function useClient() {
  const store = useStore();
  return useSnapshot(() => ({
    subscribe: store.connection.subscribe,
    getSnapshot: () => store.client,
  })).snapshot;
}

/**
 * The state of the connection, and why it is not connected.
 *
 * @returns {Readonly<ShallowRef<Connection>>}
 */
export function useConnection() {
  const { connection } = useStore();
  return useSnapshot(() => connection).snapshot;
}

/** @returns {Store} */
export function useStore() {
  const store = inject(KEY, null);
  if (store === null) throw new Error("Syncline's composables need app.use(createSyncline(…))");
  return store;
}
