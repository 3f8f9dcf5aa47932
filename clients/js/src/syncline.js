/**
 * Syncline's client for browsers and Node: JSON documents that stay in step with a server.
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
 * This module is all that is public. Its parts lie beside it in `syncline/`, so that both can be
 * served as they are, without a build; each depends only on those beside and below it:
 *
 *     client, document, emitter            the public face
 *     open-objects                         the subscriptions, through every break
 *     connection, attempts, dialer         one transport at a time, kept open
 *     websocket, close                     the native protocol (docs/protocol.md)
 *     rest, followers, http, sse           its replacement where WebSockets are blocked (section 9)
 *     transport                            what both of them can do
 *     wakeups                              when the network, the page or the machine is back
 *     options, token                       what the application gives
 *     subscription, event-queue, events    which events handles get, in which order
 *     mutation-queue                       one mutation of a document at a time
 *     deltas, canonical                    what changed, and what makes sure of it
 *     json, json-faults, backoff           tools
 *     queue, timing                        the same
 *     errors, snapshot, protocol           what everything uses
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
export { Snapshot } from "./syncline/snapshot.js";

/** @typedef {import("./syncline/client.js").ConnectionError} ConnectionError */
/** @typedef {import("./syncline/client.js").OpenDocumentOptions} OpenDocumentOptions */
/** @typedef {import("./syncline/connection.js").ConnectionState} ConnectionState */
/** @typedef {import("./syncline/document.js").Mutator} Mutator */
/** @typedef {import("./syncline/document.js").Patch} Patch */
/** @typedef {import("./syncline/document.js").WriteOptions} WriteOptions */
/** @typedef {import("./syncline/events.js").DocumentEvent} DocumentEvent */
/** @typedef {import("./syncline/events.js").RemovedEvent} RemovedEvent */
/** @typedef {import("./syncline/events.js").UpdatedEvent} UpdatedEvent */
/** @typedef {import("./syncline/options.js").ClientOptions} ClientOptions */
/** @typedef {import("./syncline/protocol.js").JsonObject} JsonObject */
/** @typedef {import("./syncline/token.js").Token} Token */
