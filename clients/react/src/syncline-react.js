"use client";

/**
 * React hooks for Syncline: documents, maps, lists and streams as state of components.
 *
 *     <SynclineProvider url="https://sync.example.com" token={fetchToken}>
 *       <Lobby />
 *     </SynclineProvider>
 *
 *     function Lobby() {
 *       const { status, data, update } = useDocument("lobby");
 *       if (status !== "ready") return <p>{status}</p>;
 *       return <button onClick={() => update({ open: !data.open })}>{String(data.open)}</button>;
 *     }
 *
 * Components that use one object share one handle. It stays open for a second after the last one
 * has unmounted, so that a component that mounts again has its data at once.
 *
 * @license Apache-2.0
 */

export { SynclineProvider, useClient, useConnection } from "./provider.js";
export {
  useDocument,
  useList,
  useListIndexes,
  useListItem,
  useMap,
  useMapItem,
  useMapKeys,
  useStream,
} from "./hooks.js";

/** @typedef {import("./provider.js").ProviderProps} ProviderProps */
/** @typedef {import("./hooks.js").UseStreamOptions} UseStreamOptions */
/** @typedef {import("syncline/store").Connection} Connection */
/** @typedef {import("syncline/store").Status} Status */
