/** Client of one server: the entry point for applications. */

import { Connection } from "./connection.js";
import { SyncDocument } from "./document.js";
import { Emitter } from "./emitter.js";
import { SynclineError } from "./errors.js";
import { halfIn } from "./jsonfaults.js";
import { Json } from "./encoding.js";
import { OpenDocuments } from "./open-objects.js";
import { parseServer, withDefaults } from "./options.js";
import { Code, makeOp } from "./protocol.js";
import { TokenSource } from "./token.js";

/** @import { ConnectionState } from "./connection.js" */
/** @import { ClientOptions } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Token } from "./token.js" */

/**
 * @typedef {object} OpenDocumentOptions
 * @property {string} [id] SID or unique name; without it, a document without a name is created
 * @property {"open_or_create" | "open_existing" | "create_new"} [mode] by default
 *   `open_or_create`, or `create_new` without `id`
 * @property {JsonObject} [data] initial data if the document is created
 * @property {number} [ttl] time to live in seconds if the document is created; 0: never expires
 * @property {AbortSignal} [signal] aborting it cancels the call, which is rejected with its reason;
 *   the client unsubscribes, but a document that was created stays
 */

/**
 * Why the connection ended, or could not be opened.
 *
 * @typedef {object} ConnectionError
 * @property {boolean} terminal true if the client will not reconnect by itself
 * @property {string} message
 * @property {number} [httpStatusCode]
 * @property {number} [errorCode]
 */

/**
 * A connection to a server that reconnects after each break, and the open documents.
 *
 * @extends {Emitter<{
 *   connectionStateChanged: ConnectionState,
 *   connectionError: ConnectionError,
 *   tokenAboutToExpire: void,
 *   tokenExpired: void,
 * }>}
 */
export class Client extends Emitter {
  /** The names of the events. */
  static connectionStateChanged = /** @type {const} */ ("connectionStateChanged");
  static connectionError = /** @type {const} */ ("connectionError");
  static tokenAboutToExpire = /** @type {const} */ ("tokenAboutToExpire");
  static tokenExpired = /** @type {const} */ ("tokenExpired");

  #connection;
  #documents;

  /**
   * Connects at once, and reconnects after each break, with random, growing pauses.
   *
   * @param {Token} token an access token, or a function, sync or async, that returns a fresh one;
   *   the client calls it on each connect, and when the token is about to expire
   * @param {ClientOptions} [options]
   * @throws {TypeError} `token` or `url` is invalid
   */
  constructor(token, options = {}) {
    super();
    const complete = withDefaults(options);
    this.#connection = new Connection(parseServer(options.url), new TokenSource(token), complete, {
      onEvent: (message, mayBeEarly) => this.#onEvent(message, mayBeEarly),
      onConnected: () => this.#documents.resubscribe(),
      onState: (state) => this.emit("connectionStateChanged", state),
      onBroken: (error, isTerminal) => this.#onBroken(error, isTerminal),
    });
    this.#documents = new OpenDocuments(this.#connection, complete);
    this.#connection.start();
  }

  /** Version of this module. */
  static get version() {
    return "0.1.0";
  }

  /** @returns {ConnectionState} */
  get connectionState() {
    return this.#connection.state;
  }

  /** `websocket` or `rest`; null while there is no connection. */
  get transport() {
    return this.#connection.transport?.name ?? null;
  }

  /** Maximum size of a document in bytes of compact UTF-8 JSON; null if not known. */
  get dataLimit() {
    return this.#documents.dataLimit;
  }

  /**
   * Open a document: fetch or create it, and subscribe to it.
   *
   * @param {string | OpenDocumentOptions} [document] SID or unique name, or options; without it, a
   *   document without a name is created
   * @returns {Promise<SyncDocument>} rejected with a `SynclineError`: 404 the document does not
   *   exist and must not be created, 409 the name is taken, and as in `SyncDocument`. On 429 and
   *   503 the client tries again, up to `requestTimeout`
   */
  async document(document) {
    if (!["undefined", "string", "object"].includes(typeof document)) {
      throw new TypeError("a document is opened with a string, or with an object of options");
    }
    const given = typeof document === "string" ? { id: document } : (document ?? {});
    const id = given.id || undefined;
    const half = typeof id === "string" ? halfIn(id) : null;
    if (half) throw new SynclineError(`id holds ${half}.`, { code: Code.INVALID_NAME, status: 400 });
    const mode = given.mode ?? (id ? "open_or_create" : "create_new");
    if (!id && mode === "open_existing") {
      throw new SynclineError("Cannot get entity without id", { status: 404 });
    }
    const { dataLimit } = this.#documents;
    const data = given.data == null ? undefined : Json.data(given.data, dataLimit);
    const members = { document: id, mode, data, ttl: given.ttl, op: makeOp() };
    return this.#documents.open(
      members,
      (subscription) => new SyncDocument(this.#documents, subscription),
      given.signal,
    );
  }

  /**
   * Replace the token; the new one must be for the same identity.
   *
   * @param {Token} token
   * @returns {Promise<void>} rejected if the server refuses the new token; the old one stays in use
   */
  async updateToken(token) {
    await this.#connection.updateToken(token);
  }

  /** Close the connection and all handles; the documents stay. Safe to repeat. */
  async shutdown() {
    this.#connection.shutdown();
    this.#documents.end(null);
  }

  /**
   * @param {JsonObject} message
   * @param {boolean} mayBeEarly
   */
  #onEvent(message, mayBeEarly) {
    if (message.event === "token_about_to_expire") {
      this.emit("tokenAboutToExpire", undefined);
      void this.#connection.renewToken();
    } else if (message.document) {
      this.#documents.take(message.event, message.document, mayBeEarly);
    }
  }

  /**
   * @param {SynclineError} error
   * @param {boolean} isTerminal
   */
  #onBroken(error, isTerminal) {
    this.emit("connectionError", {
      terminal: isTerminal,
      message: error.message,
      ...(error.status ? { httpStatusCode: error.status } : {}),
      ...(error.code ? { errorCode: error.code } : {}),
    });
    if (error.code === Code.TOKEN_EXPIRED) this.emit("tokenExpired", undefined);
    if (isTerminal && this.connectionState === "error") this.#documents.end(error);
  }
}
