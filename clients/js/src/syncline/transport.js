/** Interface of a transport, over a WebSocket or REST; types only. */

/** @import { SynclineError } from "./errors.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * One connection to the server; it does not reconnect. On every transport, requests and events have
 * the form of the native protocol (docs/protocol.md, sections 3 and 5).
 *
 * @typedef {object} Transport
 * @property {"websocket" | "rest"} name
 * @property {boolean} ordered true if the reply to a write comes before the event of that write
 * @property {Limits} limits
 * @property {boolean} isOpen
 * @property {Promise<SynclineError>} ended resolved with the reason when the connection has ended
 * @property {<T>(request: Request, receive: Receive<T>, exit: Exit) => Promise<T>} request
 *   rejected with `INTERRUPTED` if the connection ends before the reply
 * @property {(isNewNetwork: boolean) => void} probe check within `probeTimeout` that the connection
 *   is alive; `isNewNetwork`: existing TCP connections may be dead
 * @property {(token: string, signal: AbortSignal) => Promise<void>} authenticate replace the token
 * @property {() => void} close end the connection; pending requests are rejected with `INTERRUPTED`
 */

/**
 * Maximum sizes in bytes of the data of a document, an item and a message; null if not known.
 *
 * @typedef {{ data: number | null, item: number | null, message: number | null }} Limits
 */

/** @typedef {JsonObject & { do: string }} Request a verb and its members, without the id */

/**
 * Called with the `ok` of a reply, before any later event is delivered. What it registers is
 * therefore in place when the event comes. Its result is the result of the request.
 *
 * @template T
 * @typedef {(ok: JsonObject) => T} Receive
 */

/**
 * How a request is cancelled.
 *
 * @typedef {object} Exit
 * @property {AbortSignal} signal
 * @property {(ok: JsonObject) => void} [undo] called with the reply if it comes after the abort
 */

/** @typedef {(message: JsonObject) => void} EventHandler called with an event or a notice */

/**
 * Called with an event or a notice, and whether it may come before the reply to its write.
 *
 * @typedef {(message: JsonObject, mayBeEarly: boolean) => void} ObserverOfEvents
 */

export {};
