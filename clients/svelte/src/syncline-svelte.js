/**
 * Svelte stores for Syncline: documents, maps, lists and streams.
 *
 *     <!-- App.svelte -->
 *     <script>
 *       provideSyncline({ url: "https://sync.example.com", token: fetchToken });
 *     </script>
 *
 *     <!-- Lobby.svelte -->
 *     <script>
 *       const lobby = documentStore("lobby");
 *     </script>
 *     {#if $lobby.status === "ready"}
 *       <button onclick={() => $lobby.update({ open: !$lobby.data.open })}>{$lobby.data.open}</button>
 *     {/if}
 *
 * Stores of one object share one handle. It stays open for a second after the last subscriber has
 * left, so that a component that mounts again has its data at once.
 *
 * @license Apache-2.0
 */

export { clientStore, connectionStore, provideSyncline } from "./context.js";
export {
  documentStore,
  listIndexesStore,
  listItemStore,
  listStore,
  mapItemStore,
  mapKeysStore,
  mapStore,
  streamStore,
} from "./stores.js";

/** @typedef {import("syncline/store").Connection} Connection */
/** @typedef {import("syncline/store").Status} Status */
