/**
 * Syncline's client for browsers and Node: JSON documents that stay in sync with a server.
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
 *     client, document, emitter            public API
 *     open-objects                         subscriptions, which outlive connections
 *     connection, attempts, pause, dialer  the connection: reconnects, retries, fallback
 *     websocket, close-codes               transport: the native protocol (docs/protocol.md)
 *     rest, rest-requests, http, refusals  transport where WebSockets are blocked (section 9)
 *     document-streams, sse                events on that transport
 *     transport                            interface of the transports
 *     wakeups                              detects when network, page or machine come back
 *     options, token                       options, token and token function of the application
 *     subscription, event-queue, events    events of a document, and their order
 *     mutation-queue                       runs one mutation of a document at a time
 *     deltas, canonical                    changes between two revisions, and their digest
 *     encoding, jsonfaults, backoff        helpers
 *     queue, timing                        helpers
 *     errors, snapshot, protocol           used by all of the above
 *
 * The Python client (clients/python/syncline) and its protocol package (protocol/syncline_protocol)
 * have a module of the same name for each of these, except protocol, queue and wakeups.
 *
 * Times are in milliseconds, unless a name or a comment says otherwise.
 *
 * @license Apache-2.0
 */

export { Client, Client as SyncClient, Client as default } from "./syncline/client.js";
export { SyncDocument } from "./syncline/document.js";
export { Emitter } from "./syncline/emitter.js";
export { SynclineError, TokenDenied } from "./syncline/errors.js";
export { EventQueue } from "./syncline/event-queue.js";
export { ListItem, MapItem } from "./syncline/item.js";
export { SyncList } from "./syncline/list.js";
export { SyncMap } from "./syncline/map.js";
export { Paginator } from "./syncline/pages.js";
export { Replica } from "./syncline/replica.js";
export { SyncStream } from "./syncline/stream.js";
export { StreamMessage } from "./syncline/stream-events.js";
export { Snapshot } from "./syncline/snapshot.js";

/** @typedef {import("./syncline/client.js").ConnectionError} ConnectionError */
/** @typedef {import("./syncline/client.js").OpenDocumentOptions} OpenDocumentOptions */
/** @typedef {import("./syncline/connection.js").ConnectionState} ConnectionState */
/** @typedef {import("./syncline/mutation.js").Mutator} Mutator */
/** @typedef {import("./syncline/patches.js").Patch} Patch */
/** @typedef {import("./syncline/document.js").WriteOptions} WriteOptions */
/** @typedef {import("./syncline/events.js").DocumentEvent} DocumentEvent */
/** @typedef {import("./syncline/events.js").RemovedEvent} RemovedEvent */
/** @typedef {import("./syncline/events.js").UpdatedEvent} UpdatedEvent */
/** @typedef {import("./syncline/options.js").ClientOptions} ClientOptions */
/** @typedef {import("./syncline/protocol.js").JsonObject} JsonObject */
/** @typedef {import("./syncline/token.js").Token} Token */
