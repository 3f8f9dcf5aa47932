/** Client of one server: the entry point for applications. */

import { CollectionSubscription } from "./collection-subscription.js";
import { Connection } from "./connection.js";
import { SyncDocument } from "./document.js";
import { Emitter } from "./emitter.js";
import { SynclineError } from "./errors.js";
import { halfIn } from "./jsonfaults.js";
import { Json, NAMELESS } from "./encoding.js";
import { LIST, MAP } from "./item-types.js";
import { SyncList } from "./list.js";
import { SyncMap } from "./map.js";
import { OpenObjects } from "./open-objects.js";
import { parseServer, withDefaults } from "./options.js";
import { Part } from "./part.js";
import { Code, makeOp } from "./protocol.js";
import { PAGE_SIZE } from "./replica.js";
import { SyncStream } from "./stream.js";
import { StreamSubscription } from "./stream-subscription.js";
import { Subscription } from "./subscription.js";
import { TokenSource } from "./token.js";

/** @import { CollectionType } from "./item-types.js" */
/** @import { ConnectionState } from "./connection.js" */
/** @import { Kind } from "./open-objects.js" */
/** @import { ClientOptions } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Token } from "./token.js" */

/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {object} OpenDocumentOptions
 * @property {string} [id] SID or unique name; without it, a document without a name is created
 * @property {"open_or_create" | "open_existing" | "create_new"} [mode] by default
 *   `open_or_create`, or `create_new` without `id`
 * @property {T} [data] initial data if the document is created
 * @property {number} [ttl] time to live in seconds if the document is created; 0: never expires
 * @property {AbortSignal} [signal] aborting it cancels the call, which is rejected with its reason;
 *   the client unsubscribes, but a document that was created stays
 */

/**
 * @typedef {Omit<OpenDocumentOptions, "data">} OpenOptions options of a list, a map or a stream
 */

/**
 * @typedef {object} MapPart a part of a map: only its changes come, and pages have only its items.
 *   Without both it is the whole map
 * @property {string[]} [keys] 1 to 256 keys of items, existing or not
 * @property {string} [prefix] all items whose key begins with it
 * @property {boolean} [replica] true to read the first items in the same round trip, for `replica()`
 */

/**
 * @typedef {object} ListPart as `MapPart`
 * @property {number[]} [indexes]
 * @property {boolean} [replica]
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
 * Events of a client, by name.
 *
 * @typedef {{
 *   connectionStateChanged: ConnectionState,
 *   connectionError: ConnectionError,
 *   tokenAboutToExpire: void,
 *   tokenExpired: void,
 * }} ClientEvents
 */

const NAMES = /** @type {const} */ ([
  "connectionStateChanged",
  "connectionError",
  "tokenAboutToExpire",
  "tokenExpired",
]);

/**
 * A connection to a server that reconnects after each break, and the open documents.
 *
 * @extends {Emitter<ClientEvents>}
 */
export class Client extends Emitter {
  /** The names of the events. */
  static connectionStateChanged = /** @type {const} */ ("connectionStateChanged");
  static connectionError = /** @type {const} */ ("connectionError");
  static tokenAboutToExpire = /** @type {const} */ ("tokenAboutToExpire");
  static tokenExpired = /** @type {const} */ ("tokenExpired");

  #connection;
  #objects;
  #log;

  /**
   * Connects at once, and reconnects after each break, with random, growing pauses.
   *
   * @param {Token} token an access token, or a function, sync or async, that returns a fresh one;
   *   the client calls it on each connect, and when the token is about to expire
   * @param {ClientOptions} [options]
   * @throws {TypeError} `token`, `url` or `debug` is invalid
   */
  constructor(token, options = {}) {
    super();
    const complete = withDefaults(options);
    const server = parseServer(options.url);
    const { log } = complete;
    this.#log = log;
    this.#connection = new Connection(server, new TokenSource(token), complete, {
      onEvent: (message, mayBeEarly) => this.#onEvent(message, mayBeEarly),
      onConnected: () => this.#objects.resubscribe(),
      onState: (state) => {
        log?.state(state, this.transport);
        this.emit("connectionStateChanged", state);
      },
      onBroken: (error, isTerminal) => this.#onBroken(error, isTerminal),
    });
    this.#objects = new OpenObjects(this.#connection, complete);
    log?.note(`client ${Client.version} of ${server.httpUrl}, transport ${complete.transport}`);
    this.#connection.start();
  }

  /** Version of this module. */
  static get version() {
    return "0.1.0";
  }

  /** @internal @protected @override */
  get names() {
    return NAMES;
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
    return this.#objects.limits.data;
  }

  /**
   * Open a document: fetch or create it, and subscribe to it.
   *
   * @template {JsonObject} [T=JsonObject] type of the data, as the application knows it
   * @param {string | OpenDocumentOptions<NoInfer<T>>} [document] SID or unique name, or options;
   *   without it, a document without a name is created
   * @returns {Promise<SyncDocument<T>>} rejected with a `SynclineError`: 404 the document does not
   *   exist and must not be created, 409 the name is taken, and as in `SyncDocument`. On 429 and
   *   503 the client tries again, up to `requestTimeout`
   */
  async document(document) {
    const { id, given, members } = openingOf("document", document);
    const data = given.data == null ? undefined : Json.data(given.data, this.dataLimit);
    return this.#objects.open(
      { type: "document", subscribe: Subscription.open },
      { document: id, ...members, data },
      (subscription) => new SyncDocument(this.#objects, subscription),
      given.signal,
    );
  }

  /**
   * Open a map: fetch or create it, and subscribe to it.
   *
   * @template {JsonObject} [T=JsonObject] type of the data of an item
   * @param {string | (OpenOptions & MapPart)} [map] SID or unique name, or options; without it, a
   *   map without a name is created
   * @returns {Promise<SyncMap<T>>} rejected as in `document`
   */
  async map(map) {
    const { given, ...opening } = openingOf("map", map);
    const part = Part.of(given.keys, given.prefix);
    return this.#openCollection(MAP, { ...opening, part, given }, (each) =>
      new SyncMap(this.#objects, each, part),
    );
  }

  /**
   * Open a list: fetch or create it, and subscribe to it.
   *
   * @template {JsonObject} [T=JsonObject] type of the data of an item
   * @param {string | (OpenOptions & ListPart)} [list] SID or unique name, or options; without it, a
   *   list without a name is created
   * @returns {Promise<SyncList<T>>} rejected as in `document`
   */
  async list(list) {
    const { given, ...opening } = openingOf("list", list);
    const part = Part.of(given.indexes);
    return this.#openCollection(LIST, { ...opening, part, given }, (each) =>
      new SyncList(this.#objects, each, part),
    );
  }

  /**
   * Open a stream: fetch or create it, and subscribe to its messages.
   *
   * @template {JsonObject} [T=JsonObject] type of the data of a message
   * @param {string | OpenOptions} [stream] SID or unique name, or options; without it, a stream
   *   without a name is created
   * @returns {Promise<SyncStream<T>>} rejected as in `document`
   */
  async stream(stream) {
    const { id, given, members } = openingOf("stream", stream);
    /** @type {Kind<StreamSubscription>} */
    const kind = {
      type: "stream",
      subscribe: (ok, options) => new StreamSubscription(ok, options),
    };
    const all = { stream: id ?? NAMELESS, ...members };
    const attach = (/** @type {StreamSubscription} */ each) =>
      /** @type {SyncStream<T>} */ (new SyncStream(this.#objects, each));
    return this.#objects.open(kind, all, attach, given.signal);
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
    this.#objects.end(null);
  }

  /**
   * @template {{ close: () => void, prepareReplica: (opened: JsonObject) => void }} H
   * @param {CollectionType} type
   * @param {{
   *   id?: string, members: JsonObject, part: Part,
   *   given: { signal?: AbortSignal, replica?: boolean },
   * }} opening
   * @param {(subscription: CollectionSubscription) => H} attach
   * @returns {Promise<H>}
   */
  #openCollection(type, { id, members, part, given }, attach) {
    const isOpen = this.#objects.find(type.name, id);
    const joining =
      isOpen instanceof CollectionSubscription
        ? { ...isOpen.joining(part), items: false }
        : { ...part.members(type.ids), ...this.#firstPage(given.replica ?? false) };
    /** @type {JsonObject | null} */
    let opened = null;
    /** @type {Kind<CollectionSubscription>} */
    const kind = {
      type: type.name,
      subscribe: (ok, options, sent) => {
        opened = ok;
        return new CollectionSubscription(type, ok, sent, options);
      },
    };
    const all = { [type.name]: id ?? NAMELESS, ...members, ...joining };
    return this.#objects.open(
      kind,
      all,
      (subscription) => {
        const handle = attach(subscription);
        // Another `open` may have been faster: then its replica asks for its pages.
        if (given.replica && opened?.items) handle.prepareReplica(opened);
        return handle;
      },
      given.signal,
    );
  }

  /**
   * Members of an `open` that concern the items.
   *
   * @param {boolean} isReplica
   * @returns {JsonObject}
   */
  #firstPage(isReplica) {
    if (!isReplica) return { items: false };
    const deltas = this.#objects.options.deltas ? { deltas: true } : {};
    return { items: { limit: PAGE_SIZE }, ...deltas };
  }

  /**
   * @param {JsonObject} message
   * @param {boolean} mayBeEarly
   */
  #onEvent(message, mayBeEarly) {
    this.#log?.event(message);
    if (message.event === "token_about_to_expire") {
      this.emit("tokenAboutToExpire", undefined);
      void this.#connection.renewToken();
    } else {
      this.#objects.take(message, mayBeEarly);
    }
  }

  /**
   * @param {SynclineError} error
   * @param {boolean} isTerminal
   */
  #onBroken(error, isTerminal) {
    this.#log?.broken(error, isTerminal);
    this.emit("connectionError", {
      terminal: isTerminal,
      message: error.message,
      ...(error.status ? { httpStatusCode: error.status } : {}),
      ...(error.code ? { errorCode: error.code } : {}),
    });
    if (error.code === Code.TOKEN_EXPIRED) this.emit("tokenExpired", undefined);
    if (isTerminal && this.connectionState === "error") this.#objects.end(error);
  }
}

/**
 * What the application wants to open.
 *
 * @template {OpenOptions} O
 * @param {string} type
 * @param {string | O | undefined} wanted
 * @returns {{ id: string | undefined, given: O, members: JsonObject }} `members` of the request
 */
function openingOf(type, wanted) {
  if (!["undefined", "string", "object"].includes(typeof wanted)) {
    throw new TypeError(`a ${type} is opened with a string, or with an object of options`);
  }
  const given = /** @type {O} */ (typeof wanted === "string" ? { id: wanted } : (wanted ?? {}));
  const id = given.id || undefined;
  const half = typeof id === "string" ? halfIn(id) : null;
  if (half) throw new SynclineError(`id holds ${half}.`, { code: Code.INVALID_NAME, status: 400 });
  const mode = given.mode ?? (id ? "open_or_create" : "create_new");
  if (!id && mode === "open_existing") {
    throw new SynclineError("Cannot get entity without id", { status: 404 });
  }
  return { id, given, members: { mode, ttl: given.ttl, op: makeOp() } };
}
