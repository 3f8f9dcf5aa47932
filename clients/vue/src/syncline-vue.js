/**
 * Vue composables for Syncline: documents, maps, lists and streams as refs.
 *
 *     createApp(App).use(createSyncline({ url: "https://sync.example.com", token: fetchToken }));
 *
 *     <script setup>
 *     const { status, data, update } = useDocument("lobby");
 *     </script>
 *
 * Components that use one object share one handle. It stays open for a second after the last one
 * has unmounted, so that a component that mounts again has its data at once.
 *
 * @license Apache-2.0
 */

export { createSyncline, useClient, useConnection } from "./plugin.js";
export {
  useDocument,
  useList,
  useListIndexes,
  useListItem,
  useMap,
  useMapItem,
  useMapKeys,
  useStream,
} from "./composables.js";

/** @typedef {import("syncline/store").Connection} Connection */
/** @typedef {import("syncline/store").Status} Status */
