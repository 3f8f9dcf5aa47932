/**
 * Open objects as sources of snapshots: what the framework bindings (clients/react, clients/vue,
 * clients/svelte) share, and what a binding for another framework is made of.
 *
 *     import { storeOf } from "syncline/store";
 *
 *     const lobby = storeOf(client).document("lobby");
 *     const unsubscribe = lobby.subscribe(() => render(lobby.getSnapshot()));
 *     await lobby.methods.update({ open: true });
 *
 * An object is opened for its first subscriber, and closed some time after its last one has left.
 * All subscribers share one handle. A source itself does nothing until it has a subscriber.
 *
 *     store                                      public API
 *     document-, collection-, item-, stream-source, connection-source
 *                                                what one subscriber reads, and its writes
 *     source                                     what they share
 *     kinds                                      how objects of each type are opened
 *     shared-object                              opening, retries, removal, closing
 *     document-view, collection-view, stream-view  the data of an open object as frozen values
 *     sharing                                    frozen data that keeps the identity of equal parts
 *
 * @license Apache-2.0
 */

/** @import { JsonObject } from "./syncline/protocol.js" */

export { addressOf } from "./store/kinds.js";
export { Store, storeOf } from "./store/store.js";

/** @typedef {import("./store/connection-source.js").Connection} Connection */
/** @typedef {import("./store/source.js").State} State */
/** @typedef {import("./store/source.js").Status} Status */
/** @typedef {import("./store/kinds.js").ListOptions} ListOptions */
/** @typedef {import("./store/kinds.js").MapOptions} MapOptions */
/** @typedef {import("./store/kinds.js").Name} Name */
/** @typedef {import("./store/store.js").StoreOptions} StoreOptions */
/** @typedef {import("./store/store.js").StoreSource} StoreSource */
/** @typedef {import("./store/kinds.js").StreamOptions} StreamOptions */
/** @typedef {import("./store/collection-source.js").MapKeysState} MapKeysState */
/** @typedef {import("./store/collection-source.js").ListIndexesState} ListIndexesState */
/**
 * @template S
 * @typedef {import("./store/source.js").Source<S>} Source
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/kinds.js").DocumentOptions<T>} DocumentOptions
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/document-source.js").DocumentMethods<T>} DocumentMethods
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/document-source.js").DocumentState<T>} DocumentState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/collection-source.js").ListMethods<T>} ListMethods
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/collection-source.js").ListState<T>} ListState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/collection-source.js").MapMethods<T>} MapMethods
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/collection-source.js").MapState<T>} MapState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/collection-view.js").ListItemState<T>} ListItemState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/collection-view.js").MapItemState<T>} MapItemState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/item-source.js").ListItemMethods<T>} ListItemMethods
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/item-source.js").ListItemSnapshot<T>} ListItemSnapshot
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/item-source.js").MapItemMethods<T>} MapItemMethods
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/item-source.js").MapItemSnapshot<T>} MapItemSnapshot
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/stream-source.js").StreamMethods<T>} StreamMethods
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/stream-source.js").StreamState<T>} StreamState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./store/stream-view.js").MessageState<T>} MessageState
 */
