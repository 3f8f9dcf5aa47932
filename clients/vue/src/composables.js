/** Composables that read objects, and write them. */

import { computed, toValue } from "vue";
import { addressOf } from "syncline/store";

import { useStore } from "./plugin.js";
import { useSnapshot } from "./snapshot.js";

/** @import { ComputedRef, MaybeRefOrGetter } from "vue" */
/** @import { JsonObject } from "syncline" */
/**
 * @import {
 *   DocumentMethods, DocumentOptions, DocumentState, ListIndexesState, ListItemMethods,
 *   ListItemSnapshot, ListMethods, ListOptions, ListState, MapItemMethods, MapItemSnapshot,
 *   MapKeysState, MapMethods, MapOptions, MapState, MessageState, Name, StreamMethods,
 *   StreamOptions, StreamState,
 * } from "syncline/store"
 */

/**
 * Each member of a snapshot as a ref.
 *
 * @template S
 * @typedef {{ [Member in keyof S]: ComputedRef<S[Member]> }} Refs
 */

/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {StreamOptions & {
 *   onMessage?: (message: MessageState<T>) => void,
 *   onMissed?: (count: number) => void,
 * }} UseStreamOptions `onMessage` is called with each message, `onMissed` with the number of
 *   messages that this client was too slow to receive
 */

/**
 * The data of a document, and its writes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {MaybeRefOrGetter<Name>} name SID or unique name; null: nothing is open
 * @param {MaybeRefOrGetter<DocumentOptions<T> | undefined>} [options]
 * @returns {Refs<DocumentState<T>> & DocumentMethods<T>}
 */
export function useDocument(name, options) {
  const store = useStore();
  const address = () => addressOf("document", toValue(name), toValue(options));
  return useResult(() => store.document(toValue(name), toValue(options)), address, ["data"]);
}

/**
 * All items of a map, and its writes. An item is the same object until it changes, so that a child
 * that gets it is updated only then.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {MaybeRefOrGetter<Name>} name
 * @param {MaybeRefOrGetter<MapOptions | undefined>} [options] `keys` or `prefix`: a part of the map
 * @returns {Refs<MapState<T>> & MapMethods<T>}
 */
export function useMap(name, options) {
  const store = useStore();
  const address = () => addressOf("map", toValue(name), toValue(options));
  return useResult(() => store.map(toValue(name), toValue(options)), address, ["items", "keys"]);
}

/**
 * The keys of a map, and its writes; `keys` changes only when an item comes or goes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {MaybeRefOrGetter<Name>} name
 * @param {MaybeRefOrGetter<MapOptions | undefined>} [options]
 * @returns {Refs<MapKeysState> & MapMethods<T>}
 */
export function useMapKeys(name, options) {
  const store = useStore();
  const address = () => addressOf("map", toValue(name), toValue(options));
  return useResult(() => store.mapKeys(toValue(name), toValue(options)), address, ["keys"]);
}

/**
 * One item of a map, and its writes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {MaybeRefOrGetter<Name>} name of the map
 * @param {MaybeRefOrGetter<string>} key
 * @param {MaybeRefOrGetter<MapOptions | undefined>} [options] as where the map is used otherwise
 * @returns {Refs<MapItemSnapshot<T>> & MapItemMethods<T>}
 */
export function useMapItem(name, key, options) {
  const store = useStore();
  const address = () => addressOf("map", toValue(name), toValue(options)) + toValue(key);
  const make = () => store.mapItem(toValue(name), toValue(key), toValue(options));
  return useResult(make, address, ["item", "data"]);
}

/**
 * All items of a list, and its writes; as `useMap`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {MaybeRefOrGetter<Name>} name
 * @param {MaybeRefOrGetter<ListOptions | undefined>} [options] `indexes`: a part of the list
 * @returns {Refs<ListState<T>> & ListMethods<T>}
 */
export function useList(name, options) {
  const store = useStore();
  const address = () => addressOf("list", toValue(name), toValue(options));
  const make = () => store.list(toValue(name), toValue(options));
  return useResult(make, address, ["items", "indexes"]);
}

/**
 * The indexes of a list, and its writes; as `useMapKeys`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {MaybeRefOrGetter<Name>} name
 * @param {MaybeRefOrGetter<ListOptions | undefined>} [options]
 * @returns {Refs<ListIndexesState> & ListMethods<T>}
 */
export function useListIndexes(name, options) {
  const store = useStore();
  const address = () => addressOf("list", toValue(name), toValue(options));
  return useResult(() => store.listIndexes(toValue(name), toValue(options)), address, ["indexes"]);
}

/**
 * One item of a list, and its writes; as `useMapItem`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {MaybeRefOrGetter<Name>} name
 * @param {MaybeRefOrGetter<number>} index
 * @param {MaybeRefOrGetter<ListOptions | undefined>} [options]
 * @returns {Refs<ListItemSnapshot<T>> & ListItemMethods<T>}
 */
export function useListItem(name, index, options) {
  const store = useStore();
  const address = () => addressOf("list", toValue(name), toValue(options)) + toValue(index);
  const make = () => store.listItem(toValue(name), toValue(index), toValue(options));
  return useResult(make, address, ["item", "data"]);
}

/**
 * The messages of a stream, and how to publish one.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {MaybeRefOrGetter<Name>} name
 * @param {UseStreamOptions<T>} [options]
 * @returns {Refs<StreamState<T>> & StreamMethods<T>}
 */
export function useStream(name, { onMessage, onMissed, ...options } = {}) {
  const store = useStore();
  const address = () => addressOf("stream", toValue(name), options);
  const listen = (/** @type {any} */ source) => [
    source.onMessage((/** @type {MessageState<T>} */ message) => onMessage?.(message)),
    source.onMissed((/** @type {number} */ count) => onMissed?.(count)),
  ];
  return useResult(() => store.stream(toValue(name), options), address, ["messages"], listen);
}

/**
 * @param {() => any} make
 * @param {() => string} address
 * @param {string[]} members of snapshots, besides those that all have
 * @param {(source: any) => (() => void)[]} [listen]
 * @returns {any}
 */
function useResult(make, address, members, listen = () => []) {
  const { source, snapshot } = useSnapshot(make, address, listen);
  const refs = ["status", ...members, "error", "removal"].map((name) => [
    name,
    computed(() => snapshot.value[name]),
  ]);
  const methods = Object.keys(source.value.methods).map((name) => [
    name,
    (/** @type {unknown[]} */ ...given) => source.value.methods[name](...given),
  ]);
  return Object.fromEntries([...refs, ...methods]);
}
