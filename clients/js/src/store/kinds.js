/** How objects of each type are opened, and what tells them apart. */

import { CollectionView } from "./collection-view.js";
import { DocumentView } from "./document-view.js";
import { StreamView } from "./stream-view.js";

/** @import { ListPart, MapPart, OpenDocumentOptions, OpenOptions } from "../syncline/client.js" */
/** @import { JsonObject } from "../syncline/protocol.js" */
/** @import { Kind } from "./shared-object.js" */

/** SID or unique name. Null, undefined or "": nothing is opened. @typedef {string | null | undefined} Name */

/**
 * Options that concern the creation (`data`, `ttl`) count for whoever opens the object first.
 *
 * @template {JsonObject} [T=JsonObject]
 * @typedef {Omit<OpenDocumentOptions, "id" | "signal" | "data"> & { data?: T, initial?: T }}
 *   DocumentOptions `initial`: data to show while the document is loading, as a server rendered it
 */
/** @typedef {Omit<OpenOptions, "id" | "signal"> & MapPart} MapOptions */
/** @typedef {Omit<OpenOptions, "id" | "signal"> & ListPart} ListOptions */
/**
 * @typedef {Omit<OpenOptions, "id" | "signal"> & { keep?: number }} StreamOptions `keep`: how many
 *   messages snapshots have at most; default 0
 */

/** @type {Record<"document" | "map" | "list" | "stream", (id: string, options: any) => Kind>} */
export const KINDS = {
  document: (id, options) => ({
    open: (client, signal) => client.document({ id, ...options, signal }),
    view: (handle, notify) => new DocumentView(handle, notify),
  }),
  map: (id, options) => ({
    open: (client, signal) => client.map({ id, ...options, signal }),
    view: (handle, notify) => new CollectionView(handle, notify),
  }),
  list: (id, options) => ({
    open: (client, signal) => client.list({ id, ...options, signal }),
    view: (handle, notify) => new CollectionView(handle, notify),
  }),
  stream: (id, { keep = 0, ...options }) => ({
    open: (client, signal) => client.stream({ id, ...options, signal }),
    view: (handle, notify) => new StreamView(handle, notify, keep),
  }),
};

/**
 * What tells shared objects apart: two that differ in it do not share a handle.
 *
 * @param {string} type
 * @param {Name} name
 * @param {any} [options]
 */
export function addressOf(type, name, { mode, keys, indexes, prefix, keep } = {}) {
  return JSON.stringify([type, name, mode, keys, indexes, prefix, keep]);
}

/** Opens nothing. @param {Kind} kind @returns {Kind} */
export function waiting({ view }) {
  return { open: () => new Promise(() => {}), view };
}
