/** What a connection to the server can do, whichever way it is made; types only. */

/** @import { SynclineError } from "./errors.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * What a connection to the server can do, whichever way it is made. Requests and events are the
 * native protocol's (docs/protocol.md, sections 3 and 5) on every transport.
 *
 * @typedef {object} Transport
 * @property {"websocket" | "rest"} name
 * @property {boolean} ordered true if the reply to a write comes before the event that it causes
 * @property {number | null} dataLimit bytes in a document; null if the server has not told
 * @property {boolean} isOpen
 * @property {Promise<SynclineError>} ended resolved when the connection has ended; to why
 * @property {<T>(request: Request, receive: Receive<T>, exit: Exit) => Promise<T>} request
 *   rejected with `INTERRUPTED` if the connection ends first
 * @property {(isNewNetwork: boolean) => void} probe make sure, within `probeTimeout`, that the
 *   connection is alive; true if connections from before may be dead
 * @property {(token: string, signal: AbortSignal) => Promise<void>} authenticate go on with another
 *   token
 * @property {() => void} close pending requests are interrupted
 */

/** @typedef {JsonObject & { do: string }} Request a verb and its members, without the id */

/**
 * Takes the `ok` of a reply. Called before any later event is handed on, so that what it registers
 * is there when the event comes; its result is the result of the request.
 *
 * @template T
 * @typedef {(ok: JsonObject) => T} Receive
 */

/**
 * How a request is given up.
 *
 * @typedef {object} Exit
 * @property {AbortSignal} signal
 * @property {(ok: JsonObject) => void} [undo] takes the reply, if it comes after that
 */

/** @typedef {(message: JsonObject) => void} EventHandler takes an event or a notice */

/**
 * Takes an event or a notice, and whether it may have overtaken the reply to a write.
 *
 * @typedef {(message: JsonObject, mayBeEarly: boolean) => void} ObserverOfEvents
 */

export {};
