"use client";

/** The client of a tree of components, and its connection. */

import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "react";
import { Store } from "syncline/store";

/** @import { ReactElement, ReactNode } from "react" */
/** @import { Client } from "syncline" */
/** @import { Connection, StoreSource } from "syncline/store" */

/**
 * Either `client`, or `token`. `options` and `grace` count when the client is made; another
 * `client` or `url` opens everything again. Give the provider a `key` to sign in another user.
 *
 * @typedef {StoreSource & { children?: ReactNode }} ProviderProps
 */

/** @type {import("react").Context<Store | null>} */
const StoreContext = createContext(/** @type {Store | null} */ (null));

/**
 * Gives a client to the hooks below it.
 *
 * With `token`, the provider makes the client when it mounts and shuts it down after it has
 * unmounted; it does not connect while a server renders. The token function may be another one at
 * each render; a token that is a string is passed to `updateToken` when it changes.
 *
 * @param {ProviderProps} props
 * @returns {ReactElement}
 */
export function SynclineProvider({ children, ...given }) {
  const { client, url, token } = given;
  const newest = useRef(given);
  const hasToken = token !== undefined;
  const store = useMemo(() => {
    // A store does nothing until it is used: React may call this twice, or discard its result.
    const renewing = (/** @type {any[]} */ ...each) => {
      const { token } = newest.current;
      return typeof token === "function" ? /** @type {any} */ (token)(...each) : token;
    };
    const own = typeof token === "function" ? renewing : token;
    return Store.of({ ...given, token: own });
  }, [client, url, hasToken]);
  useEffect(() => {
    newest.current = given;
  });
  useEffect(() => {
    const release = store.retain();
    const unwatch = store.watch(() => {}); // connects at once, not with the first object
    return () => {
      unwatch();
      release();
    };
  }, [store]);
  useUpdatedToken(store, token);
  return createElement(StoreContext.Provider, { value: store }, children);
}

/**
 * The client; null while a server renders, and until the provider has mounted.
 *
 * @returns {Client | null}
 */
export function useClient() {
  const store = useStore();
  return useSyncExternalStore(
    store.connection.subscribe,
    () => store.client,
    () => null,
  );
}

/**
 * The state of the connection, and why it is not connected.
 *
 * @returns {Connection}
 */
export function useConnection() {
  const { connection } = useStore();
  const { subscribe, getSnapshot, getInitialSnapshot } = connection;
  return useSyncExternalStore(subscribe, getSnapshot, getInitialSnapshot);
}

/** @returns {Store} */
export function useStore() {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("Syncline's hooks need a <SynclineProvider> above them");
  return store;
}

/**
 * @param {Store} store
 * @param {StoreSource["token"]} token
 */
function useUpdatedToken(store, token) {
  const used = useRef({ store, token });
  useEffect(() => {
    const before = used.current;
    used.current = { store, token };
    if (typeof token !== "string" || before.store !== store || before.token === token) return;
    store.client?.updateToken(token).catch((error) => {
      console.error("syncline: the new token was refused:", error);
    });
  }, [store, token]);
}
