/** Stores that read objects, and write them. */

import { findStore } from "./context.js";
import { readableOf } from "./readable.js";

/** @import { Readable } from "svelte/store" */
/** @import { JsonObject } from "syncline" */
/**
 * @import {
 *   DocumentMethods, DocumentOptions, DocumentState, ListIndexesState, ListItemMethods,
 *   ListItemSnapshot, ListMethods, ListOptions, ListState, MapItemMethods, MapItemSnapshot,
 *   MapKeysState, MapMethods, MapOptions, MapState, MessageState, Name, StreamMethods,
 *   StreamOptions, StreamState,
 * } from "syncline/store"
 */
/** @import { WithClient } from "./context.js" */

/**
 * A store whose values have the state `S` and the functions `M`. The functions are those of the
 * store, too; `$store = …` is not possible, because a write may fail.
 *
 * @template S
 * @template M
 * @typedef {Readable<S & M> & { methods: M }} ObjectStore
 */

/**
 * The data of a document, and its writes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name SID or unique name; null: nothing is open
 * @param {DocumentOptions<T> & WithClient} [options]
 * @returns {ObjectStore<DocumentState<T>, DocumentMethods<T>>}
 */
export function documentStore(name, { client, ...options } = {}) {
  return objectStore(findStore(client).document(name, options));
}

/**
 * All items of a map, and its writes. An item is the same object until it changes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {MapOptions & WithClient} [options] `keys` or `prefix`: a part of the map
 * @returns {ObjectStore<MapState<T>, MapMethods<T>>}
 */
export function mapStore(name, { client, ...options } = {}) {
  return objectStore(findStore(client).map(name, options));
}

/**
 * The keys of a map, and its writes. The value changes only when an item comes or goes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {MapOptions & WithClient} [options]
 * @returns {ObjectStore<MapKeysState, MapMethods<T>>}
 */
export function mapKeysStore(name, { client, ...options } = {}) {
  return objectStore(findStore(client).mapKeys(name, options));
}

/**
 * One item of a map, and its writes. The value changes only when this item changes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name of the map
 * @param {string} key
 * @param {MapOptions & WithClient} [options] as where the map is used otherwise
 * @returns {ObjectStore<MapItemSnapshot<T>, MapItemMethods<T>>}
 */
export function mapItemStore(name, key, { client, ...options } = {}) {
  return objectStore(findStore(client).mapItem(name, key, options));
}

/**
 * All items of a list, and its writes; as `mapStore`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {ListOptions & WithClient} [options] `indexes`: a part of the list
 * @returns {ObjectStore<ListState<T>, ListMethods<T>>}
 */
export function listStore(name, { client, ...options } = {}) {
  return objectStore(findStore(client).list(name, options));
}

/**
 * The indexes of a list, and its writes; as `mapKeysStore`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {ListOptions & WithClient} [options]
 * @returns {ObjectStore<ListIndexesState, ListMethods<T>>}
 */
export function listIndexesStore(name, { client, ...options } = {}) {
  return objectStore(findStore(client).listIndexes(name, options));
}

/**
 * One item of a list, and its writes; as `mapItemStore`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {number} index
 * @param {ListOptions & WithClient} [options]
 * @returns {ObjectStore<ListItemSnapshot<T>, ListItemMethods<T>>}
 */
export function listItemStore(name, index, { client, ...options } = {}) {
  return objectStore(findStore(client).listItem(name, index, options));
}

/**
 * The newest messages of a stream, and how to publish one. `onMessage` and `onMissed` are called
 * while something subscribes to the store.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {StreamOptions & WithClient & {
 *   onMessage?: (message: MessageState<T>) => void,
 *   onMissed?: (count: number) => void,
 * }} [options]
 * @returns {ObjectStore<StreamState<T>, StreamMethods<T>>}
 */
export function streamStore(name, { client, onMessage, onMissed, ...options } = {}) {
  const source = findStore(client).stream(name, options);
  const { methods, getSnapshot, getInitialSnapshot } = source;
  /** @param {() => void} listener */
  const subscribe = (listener) => {
    const stops = [
      source.subscribe(listener),
      source.onMessage((message) => onMessage?.(/** @type {any} */ (message))),
      source.onMissed((count) => onMissed?.(count)),
    ];
    return () => stops.forEach((stop) => stop());
  };
  return objectStore(/** @type {any} */ ({ subscribe, methods, getSnapshot, getInitialSnapshot }));
}

/**
 * @template S
 * @template M
 * @param {import("syncline/store").Source<S> & { methods: M }} source
 * @returns {ObjectStore<S, M>}
 */
function objectStore(source) {
  const { methods } = source;
  const { subscribe } = readableOf(source, (snapshot) => ({ ...snapshot, ...methods }));
  return { subscribe, methods };
}
