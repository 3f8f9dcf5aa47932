"use client";

/** Hooks that read objects, and write them. */

import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { addressOf } from "syncline/store";

import { useStore } from "./provider.js";

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
 * The result is the same object until something changes, its functions until the name changes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name SID or unique name; null: nothing is open
 * @param {DocumentOptions<T>} [options]
 * @returns {DocumentState<T> & DocumentMethods<T>}
 */
export function useDocument(name, options) {
  const store = useStore();
  return useResult(
    () => store.document(name, options),
    [store, addressOf("document", name, options)],
  );
}

/**
 * All items of a map, and its writes. The component renders again when any item changes; an item is
 * the same object until it changes, so that a memoized child that gets it does not.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {MapOptions} [options] `keys` or `prefix`: a part of the map
 * @returns {MapState<T> & MapMethods<T>}
 */
export function useMap(name, options) {
  const store = useStore();
  return useResult(() => store.map(name, options), [store, addressOf("map", name, options)]);
}

/**
 * The keys of a map, and its writes. The component renders again only when an item comes or goes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {MapOptions} [options]
 * @returns {MapKeysState & MapMethods<T>}
 */
export function useMapKeys(name, options) {
  const store = useStore();
  return useResult(() => store.mapKeys(name, options), [store, addressOf("map", name, options)]);
}

/**
 * One item of a map, and its writes. The component renders again only when this item changes.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name | Pick<MapMethods<T>, "item">} map name of the map, or what `useMap` or `useMapKeys`
 *   returned
 * @param {string} key
 * @param {MapOptions} [options] if `map` is a name: as where the map is used otherwise
 * @returns {MapItemSnapshot<T> & MapItemMethods<T>}
 */
export function useMapItem(map, key, options) {
  const store = useStore();
  const isName = typeof map !== "object" || map === null;
  return useResult(
    () => (isName ? store.mapItem(map, key, options) : map.item(key)),
    [store, isName ? addressOf("map", map, options) : map.item, key],
  );
}

/**
 * All items of a list, and its writes; as `useMap`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {ListOptions} [options] `indexes`: a part of the list
 * @returns {ListState<T> & ListMethods<T>}
 */
export function useList(name, options) {
  const store = useStore();
  return useResult(() => store.list(name, options), [store, addressOf("list", name, options)]);
}

/**
 * The indexes of a list, and its writes; as `useMapKeys`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {ListOptions} [options]
 * @returns {ListIndexesState & ListMethods<T>}
 */
export function useListIndexes(name, options) {
  const store = useStore();
  return useResult(
    () => store.listIndexes(name, options),
    [store, addressOf("list", name, options)],
  );
}

/**
 * One item of a list, and its writes; as `useMapItem`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name | Pick<ListMethods<T>, "item">} list
 * @param {number} index
 * @param {ListOptions} [options]
 * @returns {ListItemSnapshot<T> & ListItemMethods<T>}
 */
export function useListItem(list, index, options) {
  const store = useStore();
  const isName = typeof list !== "object" || list === null;
  return useResult(
    () => (isName ? store.listItem(list, index, options) : list.item(index)),
    [store, isName ? addressOf("list", list, options) : list.item, index],
  );
}

/**
 * The messages of a stream, and how to publish one.
 *
 * The component renders again for a message only if `keep` asks for `messages`; `onMessage` is
 * called in any case, and may be another function at each render.
 *
 * @template {JsonObject} [T=JsonObject]
 * @param {Name} name
 * @param {UseStreamOptions<T>} [options]
 * @returns {StreamState<T> & StreamMethods<T>}
 */
export function useStream(name, { onMessage, onMissed, ...options } = {}) {
  const store = useStore();
  const make = () => store.stream(name, options);
  const [source, result] = useSource(make, [store, addressOf("stream", name, options)]);
  const newest = useRef({ onMessage, onMissed });
  useEffect(() => {
    newest.current = { onMessage, onMissed };
  });
  useEffect(() => {
    const stops = [
      source.onMessage((/** @type {MessageState<T>} */ message) => newest.current.onMessage?.(message)),
      source.onMissed((/** @type {number} */ count) => newest.current.onMissed?.(count)),
    ];
    return () => stops.forEach((stop) => stop());
  }, [source]);
  return result;
}

/**
 * @param {() => any} make
 * @param {unknown[]} dependencies
 * @returns {any}
 */
function useResult(make, dependencies) {
  return useSource(make, dependencies)[1];
}

/**
 * @param {() => any} make makes a source; called when the dependencies change
 * @param {unknown[]} dependencies
 * @returns {[any, any]} the source, and its snapshot with its methods
 */
function useSource(make, dependencies) {
  // A source does nothing until it is subscribed to: React may call this twice.
  const source = useMemo(make, dependencies);
  const { subscribe, getSnapshot, getInitialSnapshot } = source;
  const snapshot = useSyncExternalStore(subscribe, getSnapshot, getInitialSnapshot);
  const result = useMemo(
    () => Object.freeze({ ...snapshot, ...source.methods }),
    [snapshot, source],
  );
  return [source, result];
}
