/**
 * Syncline's client for browsers and Node: JSON documents, lists, maps and streams that stay in sync
 * with a server.
 *
 *     import { Client } from "https://sync.example.com/syncline.js";
 *
 *     const client = new Client(async () => {
 *       const response = await fetch("/token");
 *       if (!response.ok) throw new Error(`no token: HTTP ${response.status}`);
 *       return response.text();
 *     });
 *     const prefs = await client.document("user_prefs");
 *     prefs.on("updated", ({ data, isLocal }) => render(data));
 *     await prefs.update({ color: "red" });
 *
 * Only this module is public. The modules in `syncline/` are its parts. All are served unchanged,
 * without a build. Each line of this list depends only on itself and the lines below:
 *
 *     client                               public API
 *     document, map, list, stream, handle  what is open, as the application sees it
 *     collection, item-requests, batch     what maps and lists share
 *     replica, replica-items, pages        their items in memory, and page by page
 *     open-objects                         subscriptions, which outlive connections
 *     connection, attempts, pause, dialer  the connection: reconnects, retries, fallback
 *     websocket, close-codes               transport: the native protocol (docs/protocol.md)
 *     rest, rest-items, rest-requests      transport where WebSockets are blocked (section 9)
 *     http, refusals                       its requests
 *     event-streams, sse                   events on that transport
 *     event-sources, document-streams, collection-streams
 *                                          what the types have of their own there
 *     transport                            interface of the transports
 *     wakeups                              detects when network, page or machine come back
 *     options, token, debug                options, token and token function of the application, log
 *     subscription, collection-subscription, stream-subscription, object-state, own-writes
 *                                          what was received of one object, and announced
 *     event-order, event-queue             order of events, and their readers
 *     events, object-events, item-events, stream-events
 *     mutation, mutation-queue, patches    writes that depend on the newest data
 *     deltas, canonical                    changes between two revisions, and their digest
 *     encoding, jsonfaults, backoff, emitter, part, item-types
 *     queue, timing                        helpers
 *     errors, snapshot, item, header, data, protocol
 *                                          used by all of the above
 *
 * The Python client (clients/python/syncline) and its protocol package (protocol/syncline_protocol)
 * have a module of the same name for most of these.
 *
 * Times are in milliseconds, unless a name or a comment says otherwise.
 *
 * @license Apache-2.0
 */

export { ListBatch, MapBatch } from "./syncline/batch.js";
export { Client, Client as SyncClient, Client as default } from "./syncline/client.js";
export { SyncDocument } from "./syncline/document.js";
export { Emitter } from "./syncline/emitter.js";
export { SynclineError, TokenDenied } from "./syncline/errors.js";
export { EventQueue } from "./syncline/event-queue.js";
export { Item, ListItem, MapItem } from "./syncline/item.js";
export { SyncList } from "./syncline/list.js";
export { SyncMap } from "./syncline/map.js";
export { Paginator } from "./syncline/pages.js";
export { Replica } from "./syncline/replica.js";
export { SyncStream } from "./syncline/stream.js";
export { StreamMessage } from "./syncline/stream-events.js";
export { Snapshot } from "./syncline/snapshot.js";

/** @import { Item } from "./syncline/item.js" */

/** @typedef {import("./syncline/client.js").ClientEvents} ClientEvents */
/** @typedef {import("./syncline/client.js").ConnectionError} ConnectionError */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./syncline/client.js").OpenDocumentOptions<T>} OpenDocumentOptions
 */
/** @typedef {import("./syncline/client.js").OpenOptions} OpenOptions */
/** @typedef {import("./syncline/client.js").MapPart} MapPart */
/** @typedef {import("./syncline/client.js").ListPart} ListPart */
/** @typedef {import("./syncline/connection.js").ConnectionState} ConnectionState */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./syncline/mutation.js").Mutator<T>} Mutator
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @template {Item<T>} [I=Item<T>]
 * @typedef {import("./syncline/mutation.js").ItemMutator<T, I>} ItemMutator
 */
/** @typedef {import("./syncline/patches.js").Patch} Patch */
/** @typedef {import("./syncline/document.js").WriteOptions} WriteOptions */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./syncline/events.js").DocumentEvent<T>} DocumentEvent
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./syncline/events.js").DocumentEvents<T>} DocumentEvents
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./syncline/events.js").RemovedEvent<T>} RemovedEvent
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./syncline/events.js").UpdatedEvent<T>} UpdatedEvent
 */
/**
 * @template {Item} [I=Item]
 * @typedef {import("./syncline/item-events.js").ItemAddedEvent<I>} ItemAddedEvent
 */
/**
 * @template {Item} [I=Item]
 * @typedef {import("./syncline/item-events.js").ItemEvents<I>} ItemEvents
 */
/**
 * @template {Item} I
 * @typedef {import("./syncline/item-events.js").ItemName<I>} ItemName
 */
/**
 * @template {Item} I
 * @typedef {import("./syncline/item-events.js").ItemRemoval<I>} ItemRemoval
 */
/**
 * @template {Item} [I=Item]
 * @typedef {import("./syncline/item-events.js").ItemRemovedEvent<I>} ItemRemovedEvent
 */
/**
 * @template {Item} [I=Item]
 * @typedef {import("./syncline/item-events.js").ItemUpdatedEvent<I>} ItemUpdatedEvent
 */
/**
 * @template {Item} [I=Item]
 * @typedef {import("./syncline/item-events.js").ReplicaEvents<I>} ReplicaEvents
 */
/** @typedef {import("./syncline/item-events.js").ResetEvent} ResetEvent */
/** @typedef {import("./syncline/batch.js").BatchItemOptions} BatchItemOptions */
/** @typedef {import("./syncline/batch.js").BatchOptions} BatchOptions */
/** @typedef {import("./syncline/batch.js").BatchWriteOptions} BatchWriteOptions */
/**
 * @template {Item} [I=Item]
 * @typedef {import("./syncline/item-requests.js").BatchResult<I>} BatchResult
 */
/**
 * @template {Item} I
 * @typedef {import("./syncline/item.js").ItemId<I>} ItemId
 */
/** @typedef {import("./syncline/item-requests.js").ItemOptions} ItemOptions */
/** @typedef {import("./syncline/item-requests.js").ItemWriteOptions} ItemWriteOptions */
/** @typedef {import("./syncline/debug.js").Debug} Debug */
/** @typedef {import("./syncline/debug.js").WriteLine} WriteLine */
/** @typedef {import("./syncline/object-events.js").ExpiryEvent} ExpiryEvent */
/** @typedef {import("./syncline/object-events.js").ObjectRemovedEvent} ObjectRemovedEvent */
/** @typedef {import("./syncline/options.js").ClientOptions} ClientOptions */
/** @typedef {import("./syncline/pages.js").PageOptions} PageOptions */
/** @typedef {import("./syncline/protocol.js").JsonObject} JsonObject */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./syncline/stream-events.js").MessagePublishedEvent<T>} MessagePublishedEvent
 */
/** @typedef {import("./syncline/stream-events.js").MessagesMissedEvent} MessagesMissedEvent */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {import("./syncline/stream-events.js").StreamEvents<T>} StreamEvents
 */
/** @typedef {import("./syncline/token.js").Token} Token */
