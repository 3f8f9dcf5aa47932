/**
 * Syncline's client for browsers and Node: JSON documents that stay in step with a server.
 *
 *     import { Client } from "https://sync.example.com/syncline.js";
 *
 *     const client = new Client(async () => (await fetch("/token")).text());
 *     const prefs = await client.document("user_prefs");
 *     prefs.on("updated", ({ data, isLocal }) => render(data));
 *     await prefs.update({ color: "red" });
 *
 * One module without dependencies, so that it can be served as it is. Its parts, top down:
 *
 *     errors, tools, JSON         what everything uses
 *     Snapshot, events            a document at one revision; what changed
 *     Emitter, EventQueue         how changes are told
 *     Subscription                what is told, in which order
 *     tokens, options
 *     WebSocketTransport          the native protocol (docs/protocol.md)
 *     RestTransport               its replacement where WebSockets are blocked (section 9)
 *     Connection                  one transport at a time, kept open
 *     OpenDocuments               the subscriptions, through every break
 *     SyncDocument, Client        the public face
 *
 * Times are in milliseconds, unless a name or a comment says otherwise.
 *
 * @license Apache-2.0
 */

const SUBPROTOCOL = "syncline.v1";

/** UTF-16 units in a message of the server, at most: the largest document four times. */
const MESSAGE_LIMIT = 4 * 2 ** 20;

/** A client that waits for more replies than this is refused more requests. */
const OUTSTANDING_LIMIT = 10_000;

/** @typedef {Record<string, any>} JsonObject a parsed JSON object */

// --- errors --------------------------------------------------------------------------------------

/** Codes that the client gives or acts on itself; docs/protocol.md, section 7, has all of them. */
const Code = Object.freeze({
  TOKEN_INVALID: 20101,
  TOKEN_EXPIRED: 20104,
  TOO_LARGE: 54006,
  INVALID_JSON: 54008,
  TOO_MANY_REQUESTS: 54009,
  DOCUMENT_NOT_FOUND: 54100,
  INVALID_DATA: 54101,
});

/**
 * What every promise of this module is rejected with.
 *
 * - `status` 400 to 503: the server refused, and changed nothing; or it was not even asked.
 * - `status` 0: there was no answer. `retry` tells whether one may come later.
 */
export class SynclineError extends Error {
  /**
   * @param {string} message a sentence for a person
   * @param {{
   *   code?: number,
   *   status?: number,
   *   retry?: boolean,
   *   closeCode?: number | null,
   *   document?: Snapshot | null,
   *   cause?: unknown,
   * }} [details]
   */
  constructor(message, details = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.name = "SynclineError";
    /** The code, as in the REST API (54103 for a revision mismatch); 0 if there was no answer. */
    this.code = details.code ?? 0;
    /** The HTTP status that goes with the code; 0 if there was no answer. */
    this.status = details.status ?? 0;
    /** True if the same call may succeed later as it is. */
    this.retry = details.retry ?? false;
    /** The close code of the WebSocket that ended; null if that is not the reason. */
    this.closeCode = details.closeCode ?? null;
    /** The newest state of the document, with a revision mismatch (status 412); else null. */
    this.document = details.document ?? null;
  }
}

/** Something answers, but no WebSocket can be made: REST may do. */
class WebSocketBlocked extends SynclineError {}

/** A transport ended before the reply; the request may be sent again with the same `op`. */
const INTERRUPTED = new SynclineError("the connection was interrupted", { retry: true });

/**
 * @param {string} message
 * @param {{ closeCode?: number, retry?: boolean, cause?: unknown }} [details]
 */
function connectionLost(message, details = {}) {
  return new SynclineError(message, { retry: true, ...details });
}

function clientClosed() {
  return new SynclineError("the client was shut down");
}

/** @param {string} reason */
function tokenExpired(reason) {
  return new SynclineError(reason, { code: Code.TOKEN_EXPIRED, status: 401 });
}

/** @param {string} message */
function tooManyRequests(message) {
  return new SynclineError(message, { code: Code.TOO_MANY_REQUESTS, status: 429, retry: true });
}

/**
 * @param {number} size in bytes
 * @param {number} limit in bytes
 */
function tooLarge(size, limit) {
  const message = `data is ${size} bytes as compact JSON; at most ${limit} are allowed.`;
  return new SynclineError(message, { code: Code.TOO_LARGE, status: 413 });
}

/**
 * The `error` of a reply.
 *
 * @param {JsonObject} body
 * @throws {TypeError} it is not one
 */
function refusalOf(body) {
  const { code, status, message, retry, document } = body;
  if (!Number.isInteger(code) || !Number.isInteger(status)) {
    throw new TypeError("an error has no code or no status");
  }
  return new SynclineError(String(message), {
    code,
    status,
    retry: Boolean(retry),
    document: document ? Snapshot.parse(document) : null,
  });
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

// --- tools ---------------------------------------------------------------------------------------

function ignore() {}

/**
 * A promise with its two ends in reach.
 *
 * @template T
 */
class Deferred {
  constructor() {
    /** @type {(value: T) => void} */
    this.resolve = ignore;
    /** @type {(error: unknown) => void} */
    this.reject = ignore;
    /** @type {Promise<T>} */
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * The outcome of `promise`, or the reason of `signal` if that is aborted first.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
function orAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * Carry out `work`, which is given a signal, within a time and until `outer` is aborted.
 *
 * @template T
 * @param {number} time
 * @param {() => Error} late makes the error for when the time is over
 * @param {AbortSignal | null} outer
 * @param {(signal: AbortSignal) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function within(time, late, outer, work) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(late()), time);
  const abort = () => controller.abort(outer?.reason);
  outer?.addEventListener("abort", abort, { once: true });
  try {
    if (outer?.aborted) throw outer.reason;
    return await orAborted(work(controller.signal), controller.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", abort);
  }
}

/**
 * @param {number} time
 * @param {AbortSignal} [signal] ends it early, with its reason
 * @returns {Promise<void>}
 */
function sleep(time, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, time);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
  });
}

/** @param {number} ceiling exclusive */
function randomBelow(ceiling) {
  return Math.random() * ceiling;
}

/**
 * Random pauses below a ceiling that doubles with each failure (docs/protocol.md, section 8).
 *
 * The ceiling goes back only after a connection has stood for a while; otherwise a server that
 * accepts and drops at once would be dialled without pause.
 */
class Backoff {
  /** After this a connection counts as good. */
  static STABLE_AFTER = 5_000;

  #initial;
  #limit;
  #ceiling;

  /**
   * @param {number} initial the first ceiling
   * @param {number} limit the greatest ceiling
   */
  constructor(initial, limit) {
    this.#initial = initial;
    this.#limit = limit;
    this.#ceiling = initial;
  }

  /** The next pause; raises the ceiling. */
  pause() {
    const pause = randomBelow(this.#ceiling);
    this.#ceiling = Math.min(this.#ceiling * 2, this.#limit);
    return pause;
  }

  /** @param {number} time that a connection stood */
  connectionStood(time) {
    if (time >= Backoff.STABLE_AFTER) this.#ceiling = this.#initial;
  }
}

/** Work that is done one after the other, in the order in which it came. */
class Queue {
  #last = Promise.resolve();
  #length = 0;

  /** True if nothing is under way or waits. */
  get isIdle() {
    return this.#length === 0;
  }

  /**
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async run(work) {
    if (this.#length >= OUTSTANDING_LIMIT) {
      throw tooManyRequests(`${this.#length} calls wait for this document already.`);
    }
    this.#length += 1;
    const result = this.#last.then(work);
    this.#last = result.then(ignore, ignore);
    try {
      return await result;
    } finally {
      this.#length -= 1;
    }
  }
}

// --- JSON ----------------------------------------------------------------------------------------

const utf8 = new TextEncoder();

/**
 * @param {string} text
 * @returns {number} bytes as UTF-8
 */
function byteLength(text) {
  return utf8.encode(text).length;
}

/** A JSON value in text form; a message takes it over as it is, so that it is encoded once. */
class Json {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  /**
   * @param {unknown} value
   * @throws {SynclineError} it cannot be written: NaN or Infinity, a BigInt, a circle
   */
  static of(value) {
    try {
      return new Json(JSON.stringify(value, refuseInfinite));
    } catch (error) {
      const message = `This is no JSON value: ${messageOf(error)}.`;
      throw new SynclineError(message, { code: Code.INVALID_JSON, status: 400, cause: error });
    }
  }

  /**
   * A document's data.
   *
   * @param {unknown} data
   * @param {number | null} limit in bytes; null leaves it to the server
   * @throws {SynclineError} as `of`, and for what is no object, and for what is too large
   */
  static data(data, limit) {
    if (data === null) {
      throw new SynclineError("data must be a JSON object, not null.", {
        code: Code.INVALID_DATA,
        status: 400,
      });
    }
    const json = Json.of(data);
    if (typeof json.text !== "string" || !json.text.startsWith("{")) {
      const given = Array.isArray(data) ? "an array" : typeof data;
      throw new SynclineError(`data must be a JSON object, not ${given}.`, {
        code: Code.INVALID_JSON,
        status: 400,
      });
    }
    const size = limit === null ? 0 : byteLength(json.text);
    if (limit !== null && size > limit) throw tooLarge(size, limit);
    return json;
  }
}

/**
 * JSON would write null, which is another value.
 *
 * @param {string} key
 * @param {unknown} value
 */
function refuseInfinite(key, value) {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`${key || "it"} is ${value}`);
  }
  return value;
}

/**
 * A JSON object as text, with members that may be `Json`.
 *
 * @param {JsonObject} members
 */
function encodeMessage(members) {
  const pairs = Object.entries(members).map(([name, value]) => {
    const text = value instanceof Json ? value.text : Json.of(value).text;
    return `${JSON.stringify(name)}:${text}`;
  });
  return `{${pairs.join(",")}}`;
}

/**
 * @param {string} key
 * @returns {string} the JSON pointer (RFC 6901) to a top-level key
 */
function pointerTo(key) {
  return `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** A new operation id (docs/protocol.md, section 3). */
function makeOp() {
  // `crypto.randomUUID` is missing where a page was loaded over plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- snapshots and events ------------------------------------------------------------------------

/** One state of a document (docs/protocol.md, section 2). It does not change. */
export class Snapshot {
  /** @type {string | null} */
  #json;
  /** @type {JsonObject | null} parsed, until somebody needs it; never handed out */
  #parsed;

  /**
   * @internal
   * @param {{
   *   sid: string, uniqueName: string | null, revision: string,
   *   json: string | null, parsed: JsonObject | null,
   *   dateCreated: string, dateUpdated: string, dateExpires: string | null,
   *   createdBy: string, updatedBy: string | null,
   * }} state with the data as `json` or as `parsed`
   */
  constructor(state) {
    /** `ET` and 32 hexadecimal digits. */
    this.sid = state.sid;
    /** null if the document has none. */
    this.uniqueName = state.uniqueName;
    /** Opaque; changes with each write. */
    this.revision = state.revision;
    /** ISO 8601, UTC. */
    this.dateCreated = state.dateCreated;
    /** When this revision was written; ISO 8601, UTC. */
    this.dateUpdated = state.dateUpdated;
    /** When the document will expire; ISO 8601, UTC; null if never. */
    this.dateExpires = state.dateExpires;
    /** An identity, or `system`. */
    this.createdBy = state.createdBy;
    /** The identity that wrote this revision, or `system`; null if it is not known. */
    this.updatedBy = state.updatedBy;
    this.#json = state.json;
    this.#parsed = state.parsed;
  }

  /** The data, parsed anew at each access: the caller may change it. @returns {JsonObject} */
  get data() {
    return JSON.parse(this.json);
  }

  /** The data as compact JSON. @returns {string} */
  get json() {
    this.#json ??= JSON.stringify(this.#parsed);
    this.#parsed = null;
    return this.#json;
  }

  /** The revision as a number: of two, the later one is greater. */
  get order() {
    return Number(this.revision);
  }

  /**
   * The state that a message tells.
   *
   * @internal
   * @param {JsonObject} body the `document` of a reply or an event, or a REST resource
   * @param {Snapshot | null} [base] an earlier state, for the members that `body` leaves out
   * @param {string | null} [json] the data, where the receiver knows it and `body` leaves it out
   * @throws {TypeError} a member is missing and there is no `base` to take it from
   */
  static parse(body, base = null, json = null) {
    /** @param {string} name @param {unknown} held @returns {any} */
    const member = (name, held) => {
      const value = name in body ? body[name] : held;
      if (value === undefined) throw new TypeError(`a document has no ${name}`);
      return value;
    };
    const parsed = json === null && "data" in body ? member("data", undefined) : null;
    return new Snapshot({
      sid: member("sid", undefined),
      uniqueName: member("unique_name", base?.uniqueName),
      revision: checkRevision(body.revision),
      json: json ?? (parsed === null ? member("data", base?.json) : null),
      parsed,
      dateCreated: member("date_created", base?.dateCreated),
      dateUpdated: member("date_updated", base?.dateUpdated),
      dateExpires: member("date_expires", base?.dateExpires),
      createdBy: member("created_by", base?.createdBy),
      updatedBy: member("updated_by", base?.updatedBy ?? null),
    });
  }
}

/**
 * @param {unknown} revision
 * @returns {string}
 */
function checkRevision(revision) {
  if (typeof revision !== "string" || !Number.isSafeInteger(Number(revision))) {
    throw new TypeError("a document has no revision");
  }
  return revision;
}

/**
 * @typedef {object} UpdatedEvent the document has a new revision: new data, or a new expiry
 * @property {"updated"} type
 * @property {JsonObject} data the new data
 * @property {JsonObject} previousData the data before, as the last event told it
 * @property {boolean} isLocal true if this client wrote it, through whichever handle
 * @property {string} revision
 * @property {string | null} updatedBy the identity that wrote, or `system`; null if not known
 * @property {Date} dateUpdated
 * @property {string | null} dateExpires ISO 8601, UTC; null if never
 */

/**
 * @typedef {object} RemovedEvent the document is gone; no event follows
 * @property {"removed"} type
 * @property {JsonObject} previousData the last data that was told
 * @property {boolean} isLocal true if this client removed it
 * @property {string | null} revision of the removal; null if there was no connection then
 * @property {string | null} removedBy the identity, `system` for an expiry; null as above
 * @property {boolean | null} expired true if its time to live ran out; null as above
 * @property {Date | null} dateRemoved null as above
 */

/** @typedef {UpdatedEvent | RemovedEvent} DocumentEvent */

/** An `updated` event, before it is written out for a listener. */
class Updated {
  /** @type {"updated"} */
  name = "updated";

  /**
   * @param {Snapshot} snapshot
   * @param {Snapshot} previous
   * @param {boolean} isLocal
   */
  constructor(snapshot, previous, isLocal) {
    this.snapshot = snapshot;
    this.previous = previous;
    this.isLocal = isLocal;
  }

  /**
   * This event and an earlier one as one.
   *
   * @param {Updated} earlier
   */
  following(earlier) {
    return new Updated(this.snapshot, earlier.previous, this.isLocal);
  }

  /** For one listener, who may change it. @returns {UpdatedEvent} */
  describe() {
    const { snapshot, previous, isLocal } = this;
    return {
      type: "updated",
      data: snapshot.data,
      previousData: previous.data,
      isLocal,
      revision: snapshot.revision,
      updatedBy: snapshot.updatedBy,
      dateUpdated: new Date(snapshot.dateUpdated),
      dateExpires: snapshot.dateExpires,
    };
  }
}

/** A `removed` event, before it is written out for a listener. */
class Removed {
  /** @type {"removed"} */
  name = "removed";

  /**
   * @param {JsonObject} body the event's `document`; empty if the document was found missing
   * @param {Snapshot} previous
   * @param {boolean} isLocal
   */
  constructor(body, previous, isLocal) {
    this.body = body;
    this.previous = previous;
    this.isLocal = isLocal;
  }

  /** @returns {RemovedEvent} */
  describe() {
    const { revision, removed_by, expired, date_removed } = this.body;
    return {
      type: "removed",
      previousData: this.previous.data,
      isLocal: this.isLocal,
      revision: revision ?? null,
      removedBy: removed_by ?? null,
      expired: expired ?? null,
      dateRemoved: date_removed ? new Date(date_removed) : null,
    };
  }
}

// --- emitters ------------------------------------------------------------------------------------

/**
 * The listeners of one source. A listener that throws is reported, and disturbs nobody else.
 *
 * @template {Record<string, any>} Events what a listener gets, by the event's name
 */
export class Emitter {
  /** @type {Map<keyof Events, { listener: (event: any) => unknown, once: boolean }[]>} */
  #listeners = new Map();

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  on(name, listener) {
    return this.#add(name, listener, false);
  }

  /**
   * The same as `on`.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  addListener(name, listener) {
    return this.#add(name, listener, false);
  }

  /**
   * Listen to the next event of that name only.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  once(name, listener) {
    return this.#add(name, listener, true);
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  off(name, listener) {
    const held = this.#listeners.get(name) ?? [];
    const index = held.findLastIndex((each) => each.listener === listener);
    if (index >= 0) this.#listeners.set(name, held.toSpliced(index, 1));
    return this;
  }

  /**
   * The same as `off`.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  removeListener(name, listener) {
    return this.off(name, listener);
  }

  /** @param {keyof Events} [name] all of them, if left out */
  removeAllListeners(name) {
    if (name === undefined) this.#listeners.clear();
    else this.#listeners.delete(name);
    return this;
  }

  /** @param {keyof Events} name */
  listenerCount(name) {
    return this.#listeners.get(name)?.length ?? 0;
  }

  /**
   * Call the listeners, in the order in which they were added.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} event
   * @returns {boolean} false if there was none
   */
  emit(name, event) {
    const listeners = this.#listeners.get(name) ?? [];
    for (const { listener, once } of listeners) {
      if (once) this.off(name, listener);
      try {
        listener.call(this, event);
      } catch (error) {
        console.error(`syncline: a listener for ${String(name)} failed:`, error);
      }
    }
    return listeners.length > 0;
  }

  /**
   * @param {keyof Events} name
   * @param {(event: any) => unknown} listener
   * @param {boolean} once
   */
  #add(name, listener, once) {
    if (typeof listener !== "function") throw new TypeError("a listener must be a function");
    // A new array each time: whoever is being called keeps the old one.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), { listener, once }]);
    return this;
  }
}

/**
 * An asynchronous iterator over a document's events, with room for so many.
 *
 * When it is full, the newest `updated` is joined with the last one in the queue: a slow reader
 * gets the newest state rather than every state between.
 *
 * @implements {AsyncIterableIterator<DocumentEvent>}
 */
export class EventQueue {
  #bound;
  #onReturn;
  /** @type {(Updated | Removed)[]} */
  #events = [];
  /** @type {Deferred<void>} resolved, and replaced, when something happens */
  #changed = new Deferred();
  #ended = false;
  /** @type {Error | null} */
  #error = null;

  /**
   * @internal
   * @param {number} bound
   * @param {(queue: EventQueue) => void} onReturn called when the reader stops
   */
  constructor(bound, onReturn) {
    this.#bound = bound;
    this.#onReturn = onReturn;
  }

  /** @internal @param {Updated | Removed} event */
  put(event) {
    const last = this.#events.at(-1);
    const isFull = this.#events.length >= this.#bound;
    if (isFull && event instanceof Updated && last instanceof Updated) {
      this.#events[this.#events.length - 1] = event.following(last);
    } else {
      this.#events.push(event);
    }
    this.#change();
  }

  /**
   * What is queued can still be read; then the iteration stops, or throws `error`.
   *
   * @internal
   * @param {Error | null} error
   */
  end(error) {
    this.#ended = true;
    this.#error = error;
    this.#change();
  }

  /** @returns {Promise<IteratorResult<DocumentEvent, undefined>>} */
  async next() {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return { done: false, value: event.describe() };
      if (this.#ended) return this.#stop();
      await this.#changed.promise;
    }
  }

  /** Stop; drops what is queued. @returns {Promise<IteratorResult<DocumentEvent, undefined>>} */
  async return() {
    this.#events = [];
    this.end(null);
    this.#onReturn(this);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {IteratorResult<DocumentEvent, undefined>} */
  #stop() {
    const error = this.#error;
    this.#error = null;
    if (error) throw error;
    return { done: true, value: undefined };
  }

  #change() {
    this.#changed.resolve();
    this.#changed = new Deferred();
  }
}

// --- subscriptions -------------------------------------------------------------------------------

/** The end of a document; `body` is the event's, empty if the document was only found missing. */
class Removal {
  /** @param {JsonObject} [body] */
  constructor(body = {}) {
    this.body = body;
  }
}

/**
 * Whoever is told of a subscription: one handle of the document.
 *
 * @typedef {object} Listener
 * @property {(event: Updated | Removed) => void} tell
 * @property {(error: Error | null) => void} end no event follows
 */

/**
 * What the client knows of one open document, shared by its handles, and what it has told of it.
 *
 * The two differ: a reply tells at once what the document is (`current`), but events are told in
 * the order of their revisions, each own write once as `isLocal`. Hence three rules:
 *
 * - An own write is announced when its event comes; or, if the event was lost in a break or joined
 *   with a later one, just before the next later state.
 * - Where events can overtake replies (the fallback, and the state after a break), one waits until
 *   the writes that were under way when it came are settled: it may be theirs.
 * - What is not newer than the last announcement is not told again.
 */
class Subscription {
  removed = false;
  /** @type {Set<Listener>} */
  handles = new Set();
  /** The calls of `mutate`, one at a time. */
  mutations = new Queue();

  #bound;
  /** @type {Snapshot} */
  #announced;
  /** @type {Map<number, Snapshot | null>} own writes to announce, by revision; null: no data */
  #own = new Map();
  #removedHere = false;
  #lastTicket = 0;
  /** @type {Set<number>} */
  #underWay = new Set();
  /** @type {{ ticket: number, news: Snapshot | Removal }[]} */
  #waiting = [];

  /**
   * @param {Snapshot} snapshot the state that the reply to `open` told
   * @param {number} bound events that may wait for writes; beyond, the oldest state gives way
   */
  constructor(snapshot, bound) {
    this.current = snapshot;
    this.#announced = snapshot;
    this.#bound = bound;
  }

  get sid() {
    return this.current.sid;
  }

  /**
   * Take a state that a reply told, if it is newer.
   *
   * @param {Snapshot} snapshot
   */
  adopt(snapshot) {
    if (snapshot.order > this.current.order) this.current = snapshot;
  }

  /**
   * Surrounds each own write, from before it is sent until its reply is taken.
   *
   * @template T
   * @param {() => Promise<T>} write
   */
  async writing(write) {
    this.#lastTicket += 1;
    const ticket = this.#lastTicket;
    this.#underWay.add(ticket);
    try {
      return await write();
    } finally {
      this.#underWay.delete(ticket);
      this.#release();
    }
  }

  /**
   * An own write was applied.
   *
   * @param {number} order of its revision
   * @param {Snapshot | null} snapshot null if its data is not known
   */
  wrote(order, snapshot) {
    if (order > this.#announced.order) this.#own.set(order, snapshot);
    if (snapshot) this.adopt(snapshot);
  }

  /** An own removal was carried out. */
  wroteRemoval() {
    this.#removedHere = true;
  }

  /**
   * Take news of the server.
   *
   * @param {Snapshot | Removal} news
   * @param {boolean} mayBeEarly true if it can have overtaken the reply to a write
   */
  receive(news, mayBeEarly) {
    if (news instanceof Snapshot) this.adopt(news);
    this.#waiting.push({ ticket: mayBeEarly ? this.#lastTicket : 0, news });
    if (this.#waiting.length > this.#bound) this.#waiting.shift();
    this.#release();
  }

  /**
   * No news will come; tell the handles why.
   *
   * @param {Error | null} error
   */
  end(error) {
    for (const handle of [...this.handles]) handle.end(error);
  }

  #release() {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { ticket, news } = next;
      for (const write of this.#underWay) if (write <= ticket) return;
      this.#waiting.shift();
      if (news instanceof Removal) this.#announceRemoval(news);
      else this.#announce(news);
    }
  }

  /** @param {Snapshot} snapshot */
  #announce(snapshot) {
    this.#announceOwnBefore(snapshot.order);
    const isLocal = this.#own.delete(snapshot.order);
    this.#tell(snapshot, isLocal);
  }

  /** @param {number} order */
  #announceOwnBefore(order) {
    const earlier = [...this.#own.keys()].filter((own) => own < order).sort((a, b) => a - b);
    for (const own of earlier) {
      const snapshot = this.#own.get(own);
      this.#own.delete(own);
      if (snapshot) this.#tell(snapshot, true);
    }
  }

  /**
   * @param {Snapshot} snapshot
   * @param {boolean} isLocal
   */
  #tell(snapshot, isLocal) {
    if (snapshot.order <= this.#announced.order) return;
    const event = new Updated(snapshot, this.#announced, isLocal);
    this.#announced = snapshot;
    this.#emit(event);
  }

  /** @param {Removal} removal */
  #announceRemoval(removal) {
    if (this.removed) return;
    this.#announceOwnBefore(Infinity);
    this.removed = true;
    this.#emit(new Removed(removal.body, this.#announced, this.#removedHere));
    this.end(null);
  }

  /** @param {Updated | Removed} event */
  #emit(event) {
    for (const handle of [...this.handles]) handle.tell(event);
  }
}

// --- tokens and options --------------------------------------------------------------------------

/** @typedef {string | (() => string | Promise<string>)} Token a JWT, or a function that gets one */

/** The application's token, asked for at each use. */
class TokenSource {
  #token;

  /** @param {Token} token */
  constructor(token) {
    if (typeof token !== "function" && (typeof token !== "string" || token === "")) {
      throw new TypeError("the token must be a string, or a function that returns one");
    }
    this.#token = token;
  }

  /** True if asking again may give another token. */
  get isRenewable() {
    return typeof this.#token === "function";
  }

  /** @returns {Promise<string>} rejected with whatever the application's function throws */
  async get() {
    const token = typeof this.#token === "function" ? await this.#token() : this.#token;
    if (typeof token !== "string" || token === "") {
      throw new TypeError("the token function returned no token");
    }
    return token;
  }
}

/**
 * What the client reads from its own token; only the server checks it.
 *
 * @param {string} token
 * @returns {{ identity: string | null, serviceSid: string, issued: number, expires: number }}
 *   `default` names the first service; times since 1970, 0 and Infinity if the token does not say
 */
function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { grants, iat, nbf, exp } = JSON.parse(new TextDecoder().decode(bytes));
    return {
      identity: grants.identity ?? null,
      serviceSid: grants.data_sync?.service_sid ?? "default",
      issued: Number(iat ?? nbf ?? 0) * 1_000,
      expires: Number(exp ?? Infinity) * 1_000,
    };
  } catch {
    return { identity: null, serviceSid: "default", issued: 0, expires: Infinity };
  }
}

/**
 * @typedef {object} ClientOptions
 * @property {string} [url] base URL of the server, `http(s)://` or `ws(s)://`; by default the
 *   origin that this module was loaded from, else that of the page
 * @property {"auto" | "websocket" | "rest"} [transport] `rest` is REST and server-sent events;
 *   `auto`, the default, takes it where WebSockets are blocked
 * @property {typeof globalThis.WebSocket} [WebSocket] the constructor, where it is not global
 * @property {typeof globalThis.fetch} [fetch] the function, if not the global one
 * @property {number} [openTimeout] for one attempt to connect and authenticate
 * @property {number} [requestTimeout] for one request, waiting for a connection included
 * @property {number} [mutateTimeout] after which `mutate` tries no more
 * @property {number} [backoffInitial] the longest first pause before connecting again
 * @property {number} [backoffLimit] the longest pause
 * @property {number} [pingInterval] silence after which the server is asked for a sign of life
 * @property {number} [pingTimeout] after which, without one, the connection counts as broken
 * @property {number} [websocketRetry] in the fallback, the longest time between attempts at a
 *   WebSocket
 * @property {number} [eventStreams] in the fallback, documents that have an event stream of their
 *   own; others are read every two seconds. Browsers allow a host six connections over HTTP/1.1,
 *   shared by all tabs
 * @property {number} [eventQueue] events that may wait for one reader; beyond, the newest are
 *   joined to one
 */

/**
 * @typedef {Required<Omit<ClientOptions, "url" | "WebSocket">> & {
 *   WebSocket: typeof globalThis.WebSocket | undefined,
 * }} Options
 */

/**
 * @param {ClientOptions} options
 * @returns {Options}
 */
function withDefaults(options) {
  return {
    transport: options.transport ?? "auto",
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
    // A browser's `fetch` must be called on its window.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    openTimeout: options.openTimeout ?? 10_000,
    requestTimeout: options.requestTimeout ?? 30_000,
    mutateTimeout: options.mutateTimeout ?? 60_000,
    backoffInitial: options.backoffInitial ?? 500,
    backoffLimit: options.backoffLimit ?? 30_000,
    pingInterval: options.pingInterval ?? 20_000,
    pingTimeout: options.pingTimeout ?? 10_000,
    websocketRetry: options.websocketRetry ?? 60_000,
    eventStreams: options.eventStreams ?? 2,
    eventQueue: options.eventQueue ?? 256,
  };
}

/**
 * The server's addresses.
 *
 * @param {string | undefined} given
 * @returns {{ httpUrl: string, websocketUrl: string }} `httpUrl` has no slash at its end
 * @throws {TypeError} the URL cannot be a server's
 */
function parseServer(given) {
  const text = given ?? defaultUrl();
  const url = new URL(text);
  if (!/^(http|ws)s?:$/.test(url.protocol) || !url.host) {
    throw new TypeError(`url must be http(s)://host or ws(s)://host, not ${text}`);
  }
  if (url.search || url.hash || url.username || url.password) {
    throw new TypeError("url must have no query, fragment or credentials");
  }
  const secure = url.protocol.endsWith("s:") ? "s" : "";
  const base = `${secure}://${url.host}${url.pathname.replace(/\/+$/, "")}`;
  return { httpUrl: `http${base}`, websocketUrl: `ws${base}/v1/ws` };
}

function defaultUrl() {
  const here = new URL(import.meta.url);
  if (/^https?:$/.test(here.protocol)) return here.origin;
  if (/^https?:/.test(globalThis.location?.origin ?? "")) return globalThis.location.origin;
  throw new TypeError("this module was not loaded from a server: url is needed");
}

// --- the WebSocket -------------------------------------------------------------------------------

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
 * @property {<T>(request: Request, receive: Receive<T>, signal: AbortSignal) => Promise<T>} request
 *   rejected with `INTERRUPTED` if the connection ends first
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

/** @typedef {(message: JsonObject) => void} EventHandler takes an event or a notice */

/** Close codes (docs/protocol.md, section 8). */
const Close = Object.freeze({ NORMAL: 1000, TOKEN_EXPIRED: 4001, VIOLATION: 4500, TOKEN: 4501 });

const FIRST_PRIVATE_CLOSE_CODE = 4000;
const FIRST_FINAL_CLOSE_CODE = 4500;
const FINAL_CLOSE_CODES = new Set([1002, 1003, 1007, 1009, 1010]);

/** Bytes in a message to the server, at most, by the document's limit: the server takes no less. */
const FRAME_FACTOR = 8;

/**
 * The native protocol over one WebSocket.
 *
 * @implements {Transport}
 */
class WebSocketTransport {
  /** @type {"websocket"} */
  name = "websocket";
  ordered = true;
  isOpen = false;
  /** @type {number | null} */
  dataLimit = null;

  #socket;
  #options;
  #onEvent;
  /** @type {Deferred<void>} */
  #opened = new Deferred();
  /** @type {Deferred<SynclineError>} */
  #end = new Deferred();
  /** Aborted with the transport's end. */
  #life = new AbortController();
  #lastId = 0;
  #messagesHeard = 0;
  /**
   * @type {Map<number, {
   *   receive: Receive<any>, resolve: (result: any) => void, reject: (error: unknown) => void,
   * }>}
   */
  #pending = new Map();

  /**
   * @param {WebSocket} socket
   * @param {Options} options
   * @param {EventHandler} onEvent
   */
  constructor(socket, options, onEvent) {
    this.#socket = socket;
    this.#options = options;
    this.#onEvent = onEvent;
    socket.addEventListener("open", () => this.#onOpen());
    socket.addEventListener("message", (event) => this.#onMessage(event.data));
    socket.addEventListener("close", (event) => this.#onClose(event.code, event.reason));
    // It says nothing, and "close" follows; but some implementations throw what nobody listens to.
    socket.addEventListener("error", ignore);
  }

  get ended() {
    return this.#end.promise;
  }

  /**
   * Connect and authenticate, within `openTimeout`.
   *
   * @param {string} url
   * @param {string} token
   * @param {Options} options
   * @param {EventHandler} onEvent
   * @param {AbortSignal} signal
   * @returns {Promise<WebSocketTransport>} rejected with `WebSocketBlocked` if no Syncline server
   *   answers: a page is not told whether the host refused, or is not there
   */
  static async open(url, token, options, onEvent, signal) {
    const late = () => new WebSocketBlocked(`no WebSocket at ${url} in time`, { retry: true });
    const transport = new WebSocketTransport(dial(url, options), options, onEvent);
    try {
      await within(options.openTimeout, late, signal, (patience) =>
        transport.#join(token, patience),
      );
    } catch (error) {
      transport.close();
      throw error;
    }
    void transport.#watch();
    return transport;
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  async request(request, receive, signal) {
    if (!this.isOpen) throw INTERRUPTED;
    this.#lastId += 1;
    const id = this.#lastId;
    // The id comes first, so that the server can answer what it cannot parse.
    const message = encodeMessage({ id, ...request });
    this.#checkSize(message);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { receive, resolve, reject });
      signal.addEventListener("abort", () => this.#pending.delete(id), { once: true });
      this.#socket.send(message);
    });
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  async authenticate(token, signal) {
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      this.dataLimit = ok.data_limit ?? null;
    };
    await this.request({ do: "auth", token }, receive, signal);
  }

  close() {
    this.#finish(clientClosed(), Close.NORMAL);
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  async #join(token, signal) {
    await this.#opened.promise;
    try {
      await this.authenticate(token, signal);
    } catch (error) {
      if (error !== INTERRUPTED) throw error;
      const reason = await this.ended;
      if ((reason.closeCode ?? 0) >= FIRST_PRIVATE_CLOSE_CODE || reason.status) throw reason;
      // Some proxies let the handshake pass and then cut the connection.
      throw new WebSocketBlocked(reason.message, { retry: true });
    }
  }

  /**
   * A message that is larger than a frame may be would end the connection for good.
   *
   * @param {string} message
   */
  #checkSize(message) {
    if (this.dataLimit === null) return;
    const limit = FRAME_FACTOR * this.dataLimit;
    if (message.length * 3 <= limit) return;
    const size = byteLength(message);
    if (size > limit) throw tooLarge(size, limit);
  }

  #onOpen() {
    if (this.#socket.protocol !== SUBPROTOCOL) {
      this.#finish(connectionLost("the WebSocket does not speak " + SUBPROTOCOL), Close.NORMAL);
      return;
    }
    this.isOpen = true;
    this.#opened.resolve();
  }

  /** @param {unknown} text */
  #onMessage(text) {
    if (!this.isOpen) return;
    this.#messagesHeard += 1;
    try {
      if (typeof text !== "string" || text.length > MESSAGE_LIMIT) throw new TypeError("no text");
      this.#take(JSON.parse(text));
    } catch (cause) {
      const message = `the server does not speak ${SUBPROTOCOL}: ${messageOf(cause)}`;
      this.#finish(connectionLost(message, { retry: false, cause }), Close.VIOLATION);
    }
  }

  /** @param {JsonObject} message */
  #take(message) {
    if (!("id" in message)) {
      this.#onEvent(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    this.#pending.delete(message.id);
    try {
      if ("error" in message) pending.reject(refusalOf(message.error));
      else pending.resolve(pending.receive(message.ok));
    } catch (error) {
      pending.reject(INTERRUPTED);
      throw error;
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #onClose(code, reason) {
    this.#finish(whyClosed(code, reason), null);
  }

  /**
   * @param {SynclineError} reason
   * @param {number | null} closeCode to close the socket with; null if it is closed
   */
  #finish(reason, closeCode) {
    this.isOpen = false;
    this.#end.resolve(reason);
    this.#life.abort(INTERRUPTED);
    this.#opened.reject(new WebSocketBlocked(reason.message, { retry: true, cause: reason }));
    this.#opened.promise.catch(ignore);
    for (const { reject } of this.#pending.values()) reject(INTERRUPTED);
    this.#pending.clear();
    if (closeCode !== null) this.#socket.close(closeCode);
  }

  /** A page cannot see pings: ask for a sign of life after a silence. */
  async #watch() {
    const { pingInterval, pingTimeout } = this.#options;
    const { signal } = this.#life;
    const late = () => connectionLost("the server is silent");
    while (this.isOpen) {
      const heard = this.#messagesHeard;
      try {
        await sleep(pingInterval, signal);
        if (this.#messagesHeard !== heard) continue;
        await within(pingTimeout, late, signal, (patience) =>
          this.request({ do: "ping" }, ignore, patience),
        );
      } catch (error) {
        // Whatever was heard is a sign of life; its own answer may come after a lot of events.
        const isSilent = error instanceof SynclineError && this.#messagesHeard === heard;
        if (isSilent) this.#finish(error, Close.NORMAL);
      }
    }
  }
}

/**
 * @param {string} url
 * @param {Options} options
 */
function dial(url, options) {
  if (options.WebSocket === undefined) throw new WebSocketBlocked("there is no WebSocket here");
  try {
    return new options.WebSocket(url, [SUBPROTOCOL]);
  } catch (cause) {
    // A page that was loaded over HTTPS may not make a plain one.
    throw new WebSocketBlocked(`no WebSocket at ${url}: ${messageOf(cause)}`, { cause });
  }
}

/**
 * @param {number} code
 * @param {string} reason
 */
function whyClosed(code, reason) {
  if (code === Close.TOKEN_EXPIRED) return tokenExpired(reason || "the token has expired");
  if (code === Close.TOKEN) {
    const details = { code: Code.TOKEN_INVALID, status: 401, closeCode: code };
    return new SynclineError(reason || "the token was refused", details);
  }
  const retry = code < FIRST_FINAL_CLOSE_CODE && !FINAL_CLOSE_CODES.has(code);
  return connectionLost(reason || "the connection broke", { closeCode: code, retry });
}

// --- REST and server-sent events -----------------------------------------------------------------

/** Silence after which a stream counts as broken: more than two heartbeats. */
const STREAM_SILENCE_LIMIT = 40_000;

/** Between two looks at a document that has no stream of its own. */
const POLL_INTERVAL = 2_000;

/** To find, or else create, a document that others create and remove at the same time. */
const OPEN_ATTEMPTS = 5;

/** How long before its end a token is renewed: this long, or this part of its life if less. */
const RENEW_BEFORE = 180_000;
const RENEW_PART = 0.1;

/** Where the clock is wrong, every token may seem to end at once. */
const RENEW_AT_LEAST_AFTER = 10_000;

/** A longer timer would go off at once. */
const TIMER_LIMIT = 2 ** 31 - 1;

/** @type {Record<string, string>} */
const PATCH_TYPES = {
  merge: "application/merge-patch+json",
  operations: "application/json-patch+json",
  increment: "application/vnd.syncline.increment+json",
};

const GATEWAY_FAILURES = new Set([502, 503, 504]);

/** A `text/event-stream`, in pieces as they come, to events (the HTML standard's rules). */
class EventStreamParser {
  #rest = "";
  #name = "";
  #data = "";

  /**
   * @param {string} chunk
   * @returns {Generator<{ name: string, data: string }>}
   * @throws {TypeError} an event is too long
   */
  *push(chunk) {
    const text = this.#rest + chunk;
    let start = 0;
    // A carriage return at the very end may be half of a line's end.
    for (const end of text.matchAll(/\r\n|\n|\r(?!$)/g)) {
      yield* this.#line(text.slice(start, end.index));
      start = end.index + end[0].length;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length + this.#data.length > MESSAGE_LIMIT) {
      throw new TypeError("an event is too long");
    }
  }

  /** @param {string} line */
  *#line(line) {
    if (line === "") {
      if (this.#data !== "") yield { name: this.#name, data: this.#data.slice(0, -1) };
      this.#name = "";
      this.#data = "";
      return;
    }
    const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line) ?? ["", "", ""];
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data += `${value}\n`;
  }
}

/**
 * Plain HTTP requests, and one event stream a document, in the place of a WebSocket.
 *
 * It ends, as a connection does, with the first request or stream that the network fails, or when
 * the token has run out: the client then connects again, and sends again what was not answered.
 *
 * @implements {Transport}
 */
class RestTransport {
  /** @type {"rest"} */
  name = "rest";
  ordered = false;
  isOpen = true;
  /** @type {number | null} */
  dataLimit = null;

  #url;
  #options;
  #onEvent;
  #token = "";
  #documents = "";
  /** @type {string | null} */
  #identity = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;
  /** @type {Deferred<SynclineError>} */
  #end = new Deferred();
  /** @type {Set<AbortController>} of what is under way */
  #running = new Set();
  /** @type {Map<string, AbortController>} of what follows a document, by its SID */
  #followers = new Map();
  #streams = 0;
  /** @type {Map<string, Queue>} requests that name one document go in turn, as on a socket */
  #turns = new Map();

  /**
   * @param {string} url
   * @param {string} token
   * @param {Options} options
   * @param {EventHandler} onEvent
   */
  constructor(url, token, options, onEvent) {
    this.#url = url;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#use(token);
  }

  get ended() {
    return this.#end.promise;
  }

  /**
   * Make sure that the server answers and takes the token, within `openTimeout`.
   *
   * @param {string} url
   * @param {string} token
   * @param {Options} options
   * @param {EventHandler} onEvent
   * @param {AbortSignal} signal
   * @returns {Promise<RestTransport>} rejected with why it cannot be used
   */
  static async open(url, token, options, onEvent, signal) {
    const late = () => connectionLost(`no answer from ${url} in time`);
    const transport = new RestTransport(url, token, options, onEvent);
    try {
      await within(options.openTimeout, late, signal, (patience) => transport.#check(patience));
    } catch (error) {
      transport.close();
      throw error === INTERRUPTED ? await transport.ended : error;
    }
    return transport;
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  async request(request, receive, signal) {
    const address = request.document;
    const turn = this.#turns.get(address) ?? new Queue();
    if (address !== undefined) this.#turns.set(address, turn);
    try {
      return await turn.run(async () => {
        signal.throwIfAborted();
        if (!this.isOpen) throw INTERRUPTED;
        return await this.#carryOut(request, receive, signal);
      });
    } finally {
      if (turn.isIdle) this.#turns.delete(address);
    }
  }

  /**
   * Streams that are open keep the old token, and end with it.
   *
   * @param {string} token
   * @param {AbortSignal} signal
   */
  async authenticate(token, signal) {
    const trial = await RestTransport.open(this.#url, token, this.#options, ignore, signal);
    trial.close();
    if (this.isOpen) this.#use(token);
  }

  close() {
    this.#finish(clientClosed());
  }

  /** @param {string} token */
  #use(token) {
    const { identity, serviceSid, issued, expires } = claimsOf(token);
    this.#token = token;
    this.#identity = identity;
    this.#documents = `v1/Services/${encodeURIComponent(serviceSid)}/Documents`;
    this.#renewBefore(issued, expires);
  }

  /**
   * There is no notice without a socket: make it.
   *
   * @param {number} issued since 1970
   * @param {number} expires since 1970
   */
  #renewBefore(issued, expires) {
    clearTimeout(this.#renewal);
    if (expires === Infinity) return;
    const before = Math.min(RENEW_BEFORE, (expires - issued) * RENEW_PART);
    const notify = () => {
      this.#onEvent({ event: "token_about_to_expire", expires_in: before / 1_000 });
    };
    const wanted = Math.max(expires - before - Date.now(), RENEW_AT_LEAST_AFTER);
    this.#renewal = setTimeout(notify, Math.min(wanted, TIMER_LIMIT));
  }

  /** @param {AbortSignal} signal */
  async #check(signal) {
    try {
      await this.#call("GET", `${this.#documents}?PageSize=1`, {}, signal);
    } catch (error) {
      // Another refusal than the token's: it answers, and that is enough.
      if (error === INTERRUPTED || !(error instanceof SynclineError) || !error.status) throw error;
    }
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  async #carryOut(request, receive, signal) {
    switch (request.do) {
      case "open":
        return this.#open(request, receive, signal);
      case "get":
        return receive(await this.#document("GET", request, {}, signal));
      case "set":
      case "ttl":
        return receive(await this.#document("POST", request, { body: formOf(request) }, signal));
      case "patch":
        return receive(await this.#patch(request, signal));
      case "remove": {
        const headers = headersOf(request);
        await this.#call("DELETE", this.#path(request.document), { headers }, signal);
        return receive({});
      }
      case "unsubscribe":
        this.#unfollow(request.document);
        return receive({});
      default:
        throw new TypeError(`REST has no ${request.do}`);
    }
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  async #open(request, receive, signal) {
    const { document: address, mode } = openingOf(request);
    for (let attempt = 1; ; attempt += 1) {
      if (address !== undefined && mode !== "create_new") {
        try {
          return await this.#follow(address, false, receive, signal);
        } catch (error) {
          if (statusOf(error) !== 404 || mode === "open_existing") throw error;
        }
      }
      try {
        const init = { body: formOf(request), headers: headersOf(request) };
        const created = await this.#call("POST", this.#documents, init, signal);
        return await this.#follow(created.sid, true, receive, signal);
      } catch (error) {
        // Otherwise another client has created it meanwhile.
        const isLast = mode === "create_new" || attempt === OPEN_ATTEMPTS;
        if (statusOf(error) !== 409 || isLast) throw error;
      }
    }
  }

  /**
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #patch(request, signal) {
    const kind = Object.keys(PATCH_TYPES).find((each) => each in request) ?? "merge";
    const headers = { ...headersOf(request), "Content-Type": PATCH_TYPES[kind] };
    const query = "ttl" in request ? `?Ttl=${encodeURIComponent(request.ttl)}` : "";
    return this.#document("PATCH", request, { body: request[kind].text, headers, query }, signal);
  }

  /**
   * Call, and put the resource of the reply in the form of a native reply.
   *
   * @param {string} method
   * @param {Request} request
   * @param {{ body?: BodyInit, headers?: Record<string, string>, query?: string }} call
   * @param {AbortSignal} signal
   */
  async #document(method, request, { query = "", headers = headersOf(request), body }, signal) {
    const path = this.#path(request.document) + query;
    const document = await this.#call(method, path, { headers, body }, signal);
    const updatedBy = method === "GET" ? null : this.#identity;
    return { document: { updated_by: updatedBy, ...document } };
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ body?: BodyInit, headers?: Record<string, string> }} call
   * @param {AbortSignal} signal
   * @returns {Promise<JsonObject>} the resource; empty where the server sends none
   */
  async #call(method, path, call, signal) {
    const controller = this.#start(signal);
    try {
      const response = await this.#fetch(path, { method, ...call }, controller);
      const text = await response.text();
      if (!response.ok) throw refusalIn(response, text);
      return text === "" ? {} : JSON.parse(text);
    } catch (error) {
      throw this.#failed(error, signal);
    } finally {
      this.#running.delete(controller);
    }
  }

  /**
   * @param {string} path
   * @param {{ method?: string, body?: BodyInit, headers?: Record<string, string> }} init
   * @param {AbortController} controller
   */
  #fetch(path, init, controller) {
    return this.#options.fetch(`${this.#url}/${path}`, {
      ...init,
      headers: { ...init.headers, Authorization: `Bearer ${this.#token}` },
      cache: "no-store",
      credentials: "omit",
      // The token goes to the host that the application named, or nowhere.
      redirect: "error",
      signal: controller.signal,
    });
  }

  /** @param {string} address */
  #path(address) {
    return `${this.#documents}/${encodeURIComponent(address)}`;
  }

  /**
   * Aborted with `signal`, and with the transport's end; the caller takes it out of `#running`.
   *
   * @param {AbortSignal} signal
   */
  #start(signal) {
    const controller = new AbortController();
    this.#running.add(controller);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
    if (signal.aborted) controller.abort(signal.reason);
    if (!this.isOpen) controller.abort(INTERRUPTED);
    return controller;
  }

  /**
   * Open the event stream; its first event is the reply to `open`.
   *
   * @template T
   * @param {string} address
   * @param {boolean} created
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  #follow(address, created, receive, signal) {
    const controller = this.#start(signal);
    /** @type {Deferred<T>} */
    const opened = new Deferred();
    /** @param {JsonObject} document */
    const onState = (document) => {
      this.#followers.get(document.sid)?.abort(INTERRUPTED);
      this.#followers.set(document.sid, controller);
      opened.resolve(receive({ created, document }));
    };
    this.#watch(address, controller, onState)
      .catch((error) => opened.reject(this.#failed(error, controller.signal)))
      .finally(() => this.#forget(controller));
    return opened.promise;
  }

  /** @param {AbortController} controller of what has ended */
  #forget(controller) {
    this.#running.delete(controller);
    for (const [sid, follower] of this.#followers) {
      if (follower === controller) this.#followers.delete(sid);
    }
  }

  /** @param {string} sid */
  #unfollow(sid) {
    this.#followers.get(sid)?.abort(INTERRUPTED);
    this.#followers.delete(sid);
  }

  /**
   * Hand on what happens to a document, until it is removed.
   *
   * @param {string} address
   * @param {AbortController} controller
   * @param {(document: JsonObject) => void} onFirstState
   */
  async #watch(address, controller, onFirstState) {
    /** @type {string | null} null until it is open */
    let sid = null;
    /** @param {string} name @param {JsonObject} data */
    const take = (name, data) => {
      if (name !== "state") this.#onEvent({ event: name, document: data });
      else if (sid === null) onFirstState(data);
      else this.#onEvent({ event: "updated", document: data });
      sid = data.sid;
      return name === "removed";
    };
    try {
      while (!(await this.#look(sid ?? address, controller, take))) {
        await sleep(POLL_INTERVAL, controller.signal);
      }
    } catch (error) {
      if (sid === null || controller.signal.aborted) throw error;
      // Between two looks it was removed, of which there is no event any more.
      if (statusOf(error) !== 404) throw this.#lost(error);
      this.#onEvent({ event: "removed", document: { sid } });
    }
  }

  /**
   * Read a document's stream: to its end, or only what it is now if enough others are held open.
   *
   * @param {string} address
   * @param {AbortController} controller
   * @param {(name: string, data: JsonObject) => boolean} take returns whether it was removed
   * @returns {Promise<boolean>} true if the document was removed, false to look again
   */
  async #look(address, controller, take) {
    const isHeld = this.#streams < this.#options.eventStreams;
    this.#streams += isHeld ? 1 : 0;
    try {
      for await (const { name, data } of this.#events(address, controller)) {
        if (take(name, data)) return true;
        if (!isHeld) return false;
      }
    } finally {
      this.#streams -= isHeld ? 1 : 0;
    }
    throw connectionLost("an event stream ended");
  }

  /**
   * @param {string} address
   * @param {AbortController} controller
   * @returns {AsyncGenerator<{ name: string, data: JsonObject }>}
   */
  async *#events(address, controller) {
    const headers = { Accept: "text/event-stream" };
    const response = await this.#fetch(`${this.#path(address)}/Events`, { headers }, controller);
    if (!response.ok || !response.body) throw refusalIn(response, await response.text());
    const late = () => connectionLost("an event stream is silent");
    const { signal } = controller;
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventStreamParser();
    try {
      for (;;) {
        const part = await within(STREAM_SILENCE_LIMIT, late, signal, () => reader.read());
        if (part.done) return;
        for (const { name, data } of parser.push(decoder.decode(part.value, { stream: true }))) {
          yield { name, data: checkClosing(name, JSON.parse(data)) };
        }
      }
    } finally {
      reader.cancel().catch(ignore);
    }
  }

  /**
   * What to throw; a refused token or a lost server ends the transport.
   *
   * @param {unknown} error
   * @param {AbortSignal} signal
   */
  #failed(error, signal) {
    if (!this.isOpen) return INTERRUPTED;
    if (signal.aborted) return signal.reason;
    const isRefusal = error instanceof SynclineError && error.status;
    return isRefusal && error.status !== 401 ? error : this.#lost(error);
  }

  /** @param {unknown} cause */
  #lost(cause) {
    const isKnown = cause instanceof SynclineError;
    this.#finish(isKnown ? cause : connectionLost(`the connection broke: ${messageOf(cause)}`));
    return INTERRUPTED;
  }

  /** @param {SynclineError} reason */
  #finish(reason) {
    this.isOpen = false;
    this.#end.resolve(reason);
    clearTimeout(this.#renewal);
    for (const controller of this.#running) controller.abort(INTERRUPTED);
    this.#followers.clear();
  }
}

/**
 * A SID is never created.
 *
 * @param {Request} request
 * @returns {{ document: string | undefined, mode: string }}
 */
function openingOf({ document, mode = "open_or_create" }) {
  return { document, mode: /^[A-Z]{2}[a-f0-9]{32}$/.test(document ?? "") ? "open_existing" : mode };
}

/**
 * The parameters of a create or an update, as the REST API names them.
 *
 * @param {Request} request
 */
function formOf(request) {
  const form = new URLSearchParams();
  if (request.do === "open" && "document" in request) form.set("UniqueName", request.document);
  if ("data" in request) form.set("Data", request.data.text);
  if ("ttl" in request) form.set("Ttl", String(request.ttl));
  return form;
}

/**
 * @param {Request} request
 * @returns {Record<string, string>}
 */
function headersOf(request) {
  return {
    ...("if_match" in request ? { "If-Match": request.if_match } : {}),
    ...("op" in request ? { "Idempotency-Key": request.op } : {}),
  };
}

/**
 * The error in a reply that is no success. One without Syncline's error body comes from something
 * in between: that is a lost connection, worth another attempt where a gateway says so.
 *
 * @param {Response} response
 * @param {string} text
 */
function refusalIn(response, text) {
  const { status, statusText } = response;
  try {
    const body = JSON.parse(text);
    const retry = status === 429 || status === 503;
    return refusalOf({ ...body, retry, document: body.details?.document });
  } catch {
    const message = `HTTP ${status} ${statusText} from something that is no Syncline server`;
    return connectionLost(message, { retry: GATEWAY_FAILURES.has(status) });
  }
}

/**
 * @param {string} name
 * @param {JsonObject} data
 * @throws {SynclineError} it is the stream's announcement of its end
 */
function checkClosing(name, data) {
  if (name !== "closing") return data;
  if (data.code === Code.TOKEN_EXPIRED) throw tokenExpired(data.message);
  throw connectionLost(data.message, { retry: Boolean(data.retry) });
}

/** @param {unknown} error */
function statusOf(error) {
  return error instanceof SynclineError ? error.status : 0;
}

// --- the connection ------------------------------------------------------------------------------

/**
 * As the vendor's SDK names them.
 *
 * - `connecting`: there is no connection, and one is being made, now or after a pause.
 * - `connected`
 * - `denied`: the token was refused or has expired; `updateToken` connects again.
 * - `error`: the server has ended the connection for good; make another client.
 * - `disconnecting`, `disconnected`: by `shutdown`.
 *
 * @typedef {"connecting" | "connected" | "denied" | "error" | "disconnecting" | "disconnected"}
 *   ConnectionState
 */

/** In the fallback, the longest pause before the first attempt at a WebSocket. */
const FIRST_PROBE = 1_000;

/**
 * Who is told of a connection.
 *
 * @typedef {object} Observer
 * @property {EventHandler} onEvent takes each event of the server, in order
 * @property {() => void} onConnected there is a new transport
 * @property {(state: ConnectionState) => void} onState
 * @property {(error: SynclineError, isTerminal: boolean) => void} onBroken takes why the
 *   connection ended, or could not be made; terminal if no other will be made by itself
 */

/**
 * One transport at a time, kept open: dial, fall back, back off, dial again.
 *
 * A request waits for a transport, and is sent again with the same members when the transport ends
 * before the reply: whoever makes a request that writes gives it an `op`, so that it is applied
 * once.
 */
class Connection {
  /** @type {ConnectionState} */
  state = "connecting";

  #server;
  #token;
  #options;
  #observer;
  #backoff;
  /** @type {Transport | null} */
  #transport = null;
  /** @type {SynclineError | null} why there is no connection and, for now, none will be made */
  #failure = null;
  /** @type {TokenSource | null} that the last attempt was made with */
  #tried = null;
  /** @type {Deferred<void>} resolved, and replaced, when a request may go on */
  #changed = new Deferred();
  #stop = new AbortController();
  #wake = ignore;
  #outstanding = 0;

  /**
   * @param {{ httpUrl: string, websocketUrl: string }} server
   * @param {TokenSource} token
   * @param {Options} options
   * @param {Observer} observer
   */
  constructor(server, token, options, observer) {
    this.#server = server;
    this.#token = token;
    this.#options = options;
    this.#observer = observer;
    this.#backoff = new Backoff(options.backoffInitial, options.backoffLimit);
  }

  /** The transport in use; null while there is no connection. */
  get transport() {
    return this.#transport?.isOpen ? this.#transport : null;
  }

  /** Connect, and keep connected. */
  start() {
    const online = () => {
      if (!this.#failure) this.#wake();
    };
    // A browser's; a pause has no point any more when the network is back.
    globalThis.addEventListener?.("online", online, { signal: this.#stop.signal });
    void this.#keepOpen();
  }

  /**
   * Ask the server, once it can be asked.
   *
   * @template T
   * @param {string} verb
   * @param {JsonObject} members those that are undefined or null are left out
   * @param {Receive<T>} receive
   * @param {AbortSignal | null} [signal]
   * @returns {Promise<T>}
   */
  async request(verb, members, receive, signal = null) {
    if (this.#outstanding >= OUTSTANDING_LIMIT) {
      throw tooManyRequests(`${this.#outstanding} requests wait for their replies already.`);
    }
    const given = Object.entries(members).filter(([, value]) => value != null);
    const request = { do: verb, ...Object.fromEntries(given) };
    this.#outstanding += 1;
    try {
      const late = () => this.#late(verb);
      return await within(this.#options.requestTimeout, late, signal, (patience) =>
        this.#carryOut(request, receive, patience),
      );
    } finally {
      this.#outstanding -= 1;
    }
  }

  /**
   * Go on with another token; rejected if the server refuses it: then the old one stays in force.
   *
   * @param {Token} token
   */
  async updateToken(token) {
    if (this.#failure && this.state !== "denied") throw this.#failure;
    const previous = this.#token;
    const replacement = new TokenSource(token);
    this.#token = replacement;
    if (!this.transport) {
      this.#wake();
      return;
    }
    try {
      await this.#authenticate();
    } catch (error) {
      if (error === INTERRUPTED) return; // the next connection takes it anyway
      if (this.#token === replacement) this.#token = previous;
      throw error;
    }
  }

  /** Give the server a fresh token, if there is one; a failure is left to the expiry. */
  async renewToken() {
    if (!this.transport || !this.#token.isRenewable) return;
    try {
      await this.#authenticate();
    } catch (error) {
      if (error === INTERRUPTED) return;
      const message = `the access token could not be renewed: ${messageOf(error)}`;
      this.#observer.onBroken(connectionLost(message, { cause: error }), false);
    }
  }

  /** End the connection for good. */
  shutdown() {
    if (this.state === "disconnected") return;
    this.#become("disconnecting");
    this.#failure = clientClosed();
    this.#stop.abort(this.#failure);
    this.#transport?.close();
    this.#transport = null;
    this.#change();
    this.#wake();
    this.#become("disconnected");
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  async #carryOut(request, receive, signal) {
    for (;;) {
      const transport = await this.#ready(signal);
      try {
        return await transport.request(request, receive, signal);
      } catch (error) {
        if (error !== INTERRUPTED) throw error;
      }
    }
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Transport>}
   */
  async #ready(signal) {
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (this.transport) return this.transport;
      await orAborted(this.#changed.promise, signal);
    }
  }

  /** @param {string} verb */
  #late(verb) {
    const message = `no reply to ${verb} within ${this.#options.requestTimeout} ms`;
    return new SynclineError(`${message}; its outcome is unknown`, { retry: true });
  }

  async #authenticate() {
    const stop = this.#stop.signal;
    const token = await this.#getToken(stop);
    const late = () => this.#late("auth");
    await within(this.#options.requestTimeout, late, stop, async (signal) => {
      if (!this.transport) throw INTERRUPTED;
      await this.transport.authenticate(token, signal);
    });
  }

  async #keepOpen() {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const reason = await this.#connect();
      if (signal.aborted || !(await this.#recover(reason))) return;
    }
  }

  /** Connect, and stay connected as long as it goes. @returns {Promise<unknown>} why it ended */
  async #connect() {
    try {
      let transport = await this.#dial();
      for (;;) transport = await this.#stand(transport);
    } catch (error) {
      this.#transport = null;
      return error;
    }
  }

  /**
   * @param {Transport} transport
   * @returns {Promise<Transport>} what takes its place; rejected with why it ended
   */
  async #stand(transport) {
    const since = performance.now();
    this.#transport = transport;
    this.#change();
    this.#become("connected");
    this.#observer.onConnected();
    const probing = new AbortController();
    const probe = this.#findWebSocket(transport, probing.signal);
    /** @type {WebSocketTransport | null} */
    let found = null;
    try {
      const end = await Promise.race([transport.ended, probe]);
      if (end instanceof SynclineError) throw end;
      found = end;
      return found;
    } finally {
      this.#backoff.connectionStood(performance.now() - since);
      probing.abort(INTERRUPTED);
      probe.then((late) => late !== found && late.close(), ignore);
      transport.close();
    }
  }

  /**
   * In the fallback, try again and again whether WebSockets pass now.
   *
   * @param {Transport} transport
   * @param {AbortSignal} signal
   * @returns {Promise<WebSocketTransport>}
   */
  async #findWebSocket(transport, signal) {
    const { transport: choice, websocketRetry, WebSocket } = this.#options;
    const isSettled = transport.name === "websocket" || choice === "rest" || !WebSocket;
    if (isSettled) return new Promise(ignore);
    const backoff = new Backoff(Math.min(FIRST_PROBE, websocketRetry), websocketRetry);
    for (;;) {
      await sleep(backoff.pause(), signal);
      try {
        return await this.#dialWebSocket(await this.#getToken(signal), signal);
      } catch {
        // Still none.
      }
    }
  }

  /** @returns {Promise<Transport>} */
  async #dial() {
    const { signal } = this.#stop;
    const { transport: choice } = this.#options;
    this.#tried = this.#token;
    const token = await this.#getToken(signal);
    if (choice === "rest") return this.#dialRest(token, signal);
    try {
      return await this.#dialWebSocket(token, signal);
    } catch (error) {
      if (!(error instanceof WebSocketBlocked) || choice === "websocket") throw error;
      return this.#dialRest(token, signal);
    }
  }

  /** @param {AbortSignal} signal */
  #getToken(signal) {
    const late = () => connectionLost("the token function returned nothing in time");
    return within(this.#options.openTimeout, late, signal, () => this.#token.get());
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  #dialWebSocket(token, signal) {
    const { onEvent } = this.#observer;
    return WebSocketTransport.open(
      this.#server.websocketUrl,
      token,
      this.#options,
      onEvent,
      signal,
    );
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  #dialRest(token, signal) {
    const { onEvent } = this.#observer;
    return RestTransport.open(this.#server.httpUrl, token, this.#options, onEvent, signal);
  }

  /**
   * Tell of a break, and wait until it makes sense to connect again.
   *
   * @param {unknown} reason
   * @returns {Promise<boolean>} false if there will be no connection any more
   */
  async #recover(reason) {
    const error =
      reason instanceof SynclineError
        ? reason
        : connectionLost(`there is no token: ${messageOf(reason)}`, { cause: reason });
    const isDenied = this.#isDenied(error);
    const isFinal = !error.status && !error.retry;
    this.#failure = isDenied || isFinal ? error : null;
    this.#change();
    this.#become(isDenied ? "denied" : isFinal ? "error" : "connecting");
    this.#observer.onBroken(error, isDenied || isFinal);
    if (isFinal) return false;
    // A listener may have brought a new token, or ended it all, just now.
    const isToWait = this.#isDenied(error) || !isDenied;
    if (isToWait && !this.#stop.signal.aborted) {
      await this.#pause(isDenied ? null : this.#backoff.pause());
    }
    if (!this.#stop.signal.aborted) this.#failure = null;
    this.#become("connecting");
    return true;
  }

  /**
   * True if another attempt needs another token, and nobody is there to give it. Where the server
   * refuses a connection, it is for the token: its signature, its end, its service.
   *
   * @param {SynclineError} error
   */
  #isDenied(error) {
    if (!error.status || error.retry || this.#token !== this.#tried) return false;
    return error.code !== Code.TOKEN_EXPIRED || !this.#token.isRenewable;
  }

  /**
   * @param {number | null} time null for until somebody wakes it
   * @returns {Promise<void>}
   */
  #pause(time) {
    return new Promise((resolve) => {
      const timer = time === null ? undefined : setTimeout(resolve, time);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #change() {
    this.#changed.resolve();
    this.#changed = new Deferred();
  }

  /** @param {ConnectionState} state */
  #become(state) {
    if (state === this.state || this.state === "disconnected") return;
    this.state = state;
    this.#observer.onState(state);
  }
}

// --- open documents ------------------------------------------------------------------------------

/** Documents that are opened at a time after a break. */
const RESUBSCRIBING_AT_ONCE = 64;

/** The documents that are open on one connection, through every break. */
class OpenDocuments {
  #options;
  #connection;
  /** @type {Map<string, Subscription>} by SID */
  #subscriptions = new Map();
  #unsubscriptions = 0;
  /** @type {Subscription[]} to open again on this connection */
  #waiting = [];
  /** @type {Set<AbortController>} one for each document: a signal should have few listeners */
  #resubscribing = new Set();

  /**
   * @param {Connection} connection
   * @param {Options} options
   */
  constructor(connection, options) {
    this.#connection = connection;
    this.#options = options;
  }

  get options() {
    return this.#options;
  }

  get dataLimit() {
    return this.#connection.transport?.dataLimit ?? null;
  }

  /**
   * Ask the server (docs/protocol.md, section 3).
   *
   * @template T
   * @param {string} verb
   * @param {JsonObject} members
   * @param {Receive<T>} receive
   */
  request(verb, members, receive) {
    return this.#connection.request(verb, members, receive);
  }

  /**
   * Fetch or create a document and subscribe to it.
   *
   * @param {JsonObject} members of `open`
   * @returns {Promise<SyncDocument>}
   */
  async open(members) {
    const before = this.#unsubscriptions;
    const handle = await this.request("open", members, (ok) => this.#opened(ok));
    const subscription = this.#subscriptions.get(handle.sid);
    if (this.#unsubscriptions !== before && subscription) {
      // An `unsubscribe` was under way, maybe of this document, and may have been carried out last.
      await this.#resubscribe(subscription);
    }
    return handle;
  }

  /**
   * End the subscription if no handle is left.
   *
   * @param {Subscription} subscription
   */
  async release(subscription) {
    const { sid } = subscription;
    if (subscription.handles.size > 0 || this.#subscriptions.get(sid) !== subscription) return;
    this.#subscriptions.delete(sid);
    if (!this.#connection.transport) return; // the next connection does not open it
    this.#unsubscriptions += 1;
    await this.request("unsubscribe", { document: sid }, ignore).catch(ignore);
    this.#unsubscriptions += 1;
    const again = this.#subscriptions.get(sid);
    // Opened meanwhile, and the server may have carried out the `unsubscribe` after that.
    if (again) await this.#resubscribe(again);
  }

  /**
   * Take an event of the server.
   *
   * @param {string} name
   * @param {JsonObject} body its `document`
   */
  take(name, body) {
    const subscription = this.#subscriptions.get(body.sid);
    if (!subscription) return;
    const mayBeEarly = !(this.#connection.transport?.ordered ?? true);
    if (name === "updated") {
      subscription.receive(Snapshot.parse(body, subscription.current), mayBeEarly);
    } else if (name === "removed") {
      this.#removed(subscription, new Removal(body), mayBeEarly);
    }
  }

  /** Open them all again, on a new connection, and catch up. */
  resubscribe() {
    this.#stopResubscribing();
    const waiting = [...this.#subscriptions.values()];
    this.#waiting = waiting;
    const work = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await this.#resubscribe(next);
      }
    };
    const workers = Math.min(waiting.length, RESUBSCRIBING_AT_ONCE);
    for (let worker = 0; worker < workers; worker += 1) void work();
  }

  /**
   * There will be no connection any more.
   *
   * @param {Error | null} error null if the application wanted it
   */
  end(error) {
    this.#stopResubscribing();
    for (const subscription of this.#subscriptions.values()) subscription.end(error);
    this.#subscriptions.clear();
  }

  /**
   * Make the handle as the reply comes: no event, no `close` can fall in between.
   *
   * @param {JsonObject} ok
   */
  #opened(ok) {
    const held = this.#subscriptions.get(ok.document.sid);
    const snapshot = Snapshot.parse(ok.document);
    const subscription = held ?? new Subscription(snapshot, this.#options.eventQueue);
    // The server does not tell this state again: the handles that there are hear of it here.
    if (held) held.receive(snapshot, true);
    else this.#subscriptions.set(snapshot.sid, subscription);
    return new SyncDocument(this, subscription);
  }

  /**
   * @param {Subscription} subscription
   * @param {Removal} removal
   * @param {boolean} mayBeEarly
   */
  #removed(subscription, removal, mayBeEarly) {
    const { sid } = subscription;
    if (this.#subscriptions.get(sid) === subscription) this.#subscriptions.delete(sid);
    subscription.receive(removal, mayBeEarly);
  }

  /**
   * Open again by SID, and catch up; until it is done, or the document is found missing.
   *
   * @param {Subscription} subscription
   */
  async #resubscribe(subscription) {
    const controller = new AbortController();
    const { signal } = controller;
    const backoff = new Backoff(this.#options.backoffInitial, this.#options.backoffLimit);
    this.#resubscribing.add(controller);
    while (!signal.aborted && this.#subscriptions.get(subscription.sid) === subscription) {
      try {
        await this.#reopen(subscription, signal);
        break;
      } catch (error) {
        // 403: the right to read was taken away meanwhile.
        const isGone = [403, 404].includes(statusOf(error));
        if (isGone) this.#removed(subscription, new Removal(), true);
        else await sleep(backoff.pause(), signal).catch(ignore);
      }
    }
    this.#resubscribing.delete(controller);
  }

  #stopResubscribing() {
    this.#waiting.length = 0;
    for (const controller of this.#resubscribing) controller.abort(INTERRUPTED);
  }

  /**
   * @param {Subscription} subscription
   * @param {AbortSignal} signal
   */
  async #reopen(subscription, signal) {
    const held = subscription.current;
    const members = { document: held.sid, mode: "open_existing", revision: held.revision };
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      // Without `data` the document is at the revision held, whatever became current since.
      subscription.receive(Snapshot.parse(ok.document, held), true);
    };
    await this.#connection.request("open", members, receive, signal);
  }
}

// --- the public face -----------------------------------------------------------------------------

/** Operations in one JSON patch, at most (docs/protocol.md, section 3). */
const OPERATIONS_LIMIT = 1_000;

/** The ceiling of the first random pause between attempts of `mutate`, and the greatest. */
const MUTATE_PAUSE = 10;
const MUTATE_PAUSE_LIMIT = 500;

/**
 * Takes the data, which it may change, and returns the new data; or null or undefined to leave the
 * document as it is.
 *
 * @callback Mutator
 * @param {any} data
 * @returns {JsonObject | null | undefined | void | Promise<JsonObject | null | undefined | void>}
 */

/**
 * @typedef {object} WriteOptions
 * @property {number} [ttl] seconds to live from now on, 0 for ever; left out, the expiry stays
 * @property {string} [ifMatch] write only if the document is at this revision
 */

/**
 * One rule by which the server changes the newest data.
 *
 * @typedef {{ merge: JsonObject }
 *   | { operations: JsonObject[] }
 *   | { increment: Record<string, number> }} Patch
 *   a JSON merge patch (RFC 7396); a JSON patch (RFC 6902), applied whole or not at all; or
 *   numbers to add, by JSON pointer (RFC 6901)
 */

/**
 * One document, subscribed to until `close()`; made by `Client.document`.
 *
 * Handles of one document share one subscription. All writes survive a break of the connection:
 * they are settled on the next one, and applied once. Every promise may be rejected with a
 * `SynclineError`: 404 the document is gone, 413 the data is too large, 412 `ifMatch` is not the
 * newest revision, 503 or 429 not now, 400 a value is not allowed, 0 no answer.
 *
 * @extends {Emitter<{ updated: UpdatedEvent, removed: RemovedEvent }>}
 */
export class SyncDocument extends Emitter {
  /** The names of the events. */
  static updated = /** @type {const} */ ("updated");
  static removed = /** @type {const} */ ("removed");

  #documents;
  #subscription;
  #isClosed = false;
  /** @type {{ error: Error | null } | null} why no event follows; null while some may */
  #end = null;
  /** @type {Set<EventQueue>} */
  #queues = new Set();
  /** @type {Listener} */
  #listener;

  /**
   * @internal
   * @param {OpenDocuments} documents
   * @param {Subscription} subscription
   */
  constructor(documents, subscription) {
    super();
    this.#documents = documents;
    this.#subscription = subscription;
    this.#listener = {
      tell: (event) => this.#tell(event),
      end: (error) => {
        this.#end = { error };
        for (const queue of this.#queues) queue.end(error);
      },
    };
    subscription.handles.add(this.#listener);
  }

  /** @type {"document"} */
  get type() {
    return "document";
  }

  /** `ET` and 32 hexadecimal digits. */
  get sid() {
    return this.#subscription.sid;
  }

  /** null if it has none. */
  get uniqueName() {
    return this.#subscription.current.uniqueName;
  }

  /** The newest data known; a copy, which the caller may change. */
  get data() {
    return this.#subscription.current.data;
  }

  /** The same as `data`. */
  get value() {
    return this.data;
  }

  /** The revision of `data`. */
  get revision() {
    return this.#subscription.current.revision;
  }

  get dateCreated() {
    return new Date(this.#subscription.current.dateCreated);
  }

  /** When this revision was written. */
  get dateUpdated() {
    return new Date(this.#subscription.current.dateUpdated);
  }

  /** When the document will expire; ISO 8601, UTC; null if never. */
  get dateExpires() {
    return this.#subscription.current.dateExpires;
  }

  /** An identity, or `system`. */
  get createdBy() {
    return this.#subscription.current.createdBy;
  }

  /** The identity that wrote this revision, or `system`; null if it is not known. */
  get updatedBy() {
    return this.#subscription.current.updatedBy;
  }

  /** True once the document is known to be gone. */
  get removed() {
    return this.#subscription.removed;
  }

  /**
   * Replace the data.
   *
   * @param {JsonObject} data
   * @param {WriteOptions} [options]
   * @returns {Promise<JsonObject>} the data as written
   */
  async set(data, { ttl, ifMatch } = {}) {
    const json = Json.data(data, this.#documents.dataLimit);
    return this.#write("set", { data: json, ttl, if_match: ifMatch }, json.text);
  }

  /**
   * Set some top-level keys and leave the others as they are; done by the server, so that it does
   * not conflict. The merge is shallow: a value replaces what was there.
   *
   * @param {JsonObject} changes new values by key
   * @param {{ ttl?: number }} [options] as in `set`
   * @returns {Promise<JsonObject>} the whole data as it is then
   */
  async update(changes, { ttl } = {}) {
    Json.data(changes, this.#documents.dataLimit);
    const entries = Object.entries(changes);
    const isPlain = entries.every(([, value]) => JSON.stringify(value) !== undefined);
    if (!isPlain || entries.length > OPERATIONS_LIMIT) {
      // What JSON cannot write, as undefined, takes its key away; a patch cannot say that.
      return this.mutate((data) => Object.assign(data, changes), { ttl });
    }
    const operations = entries.map(([key, value]) => ({ op: "add", path: pointerTo(key), value }));
    return this.patch({ operations }, { ttl });
  }

  /**
   * Compute new data from the newest and write it, again if somebody else was quicker.
   *
   * @param {Mutator} mutator may be called again, with newer data; must not itself wait for a
   *   `mutate` of this document
   * @param {{ ttl?: number }} [options] as in `set`
   * @returns {Promise<JsonObject>} the data as written; the newest data if the mutator cancelled
   */
  async mutate(mutator, { ttl } = {}) {
    this.#checkOpen();
    const deadline = performance.now() + this.#documents.options.mutateTimeout;
    return this.#subscription.mutations.run(async () => {
      // The refusal brings the newest state: the first attempt after it needs no pause.
      for (let ceiling = 0; ; ceiling = Math.min(ceiling * 2 || MUTATE_PAUSE, MUTATE_PAUSE_LIMIT)) {
        const newest = this.#subscription.current;
        const data = await mutator(newest.data);
        if (data === null || data === undefined) return this.data;
        try {
          return await this.set(data, { ttl, ifMatch: newest.revision });
        } catch (error) {
          if (statusOf(error) !== 412 || performance.now() >= deadline) throw error;
        }
        await sleep(randomBelow(ceiling));
      }
    });
  }

  /**
   * Let the server change the newest data by one rule.
   *
   * @param {Patch} patch a rule that does not fit the data is refused with 409
   * @param {WriteOptions} [options] without `ifMatch`, the server applies the patch again when
   *   another writer was quicker
   * @returns {Promise<JsonObject>} the whole data as it is then
   */
  async patch(patch, { ttl, ifMatch } = {}) {
    const rules = Object.entries(patch).filter(([, rule]) => rule != null);
    if (rules.length !== 1 || !(rules[0][0] in PATCH_TYPES)) {
      throw new TypeError("patch takes exactly one of merge, operations and increment");
    }
    const [[kind, rule]] = rules;
    return this.#write("patch", { [kind]: Json.of(rule), ttl, if_match: ifMatch });
  }

  /**
   * Add to a number; one that is missing counts as 0.
   *
   * @param {string} pointer a JSON pointer (RFC 6901), as `/likes`
   * @param {number} [by]
   * @returns {Promise<JsonObject>} the whole data as it is then
   */
  async increment(pointer, by = 1) {
    return this.patch({ increment: { [pointer]: by } });
  }

  /**
   * Set the expiry alone; the data stays.
   *
   * @param {number} ttl seconds to live from now on; 0 for ever
   * @param {{ ifMatch?: string }} [options]
   * @returns {Promise<void>}
   */
  async setTtl(ttl, { ifMatch } = {}) {
    await this.#write("ttl", { ttl, if_match: ifMatch });
  }

  /**
   * Remove the document, for everyone.
   *
   * @param {{ ifMatch?: string }} [options]
   * @returns {Promise<void>}
   */
  async removeDocument({ ifMatch } = {}) {
    this.#checkUsable();
    const members = { document: this.sid, if_match: ifMatch, op: makeOp() };
    const receive = () => this.#subscription.wroteRemoval();
    await this.#subscription.writing(() => this.#documents.request("remove", members, receive));
  }

  /** Drop this handle and its listeners; the last one ends the subscription. Safe to repeat. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.removeAllListeners();
    this.#listener.end(null);
    for (const queue of [...this.#queues]) void queue.return();
    this.#subscription.handles.delete(this.#listener);
    void this.#documents.release(this.#subscription);
  }

  /**
   * What happens from this call on, for `for await`. It ends after `removed`, or when the handle or
   * the client is closed; it throws what ended the connection for good.
   */
  events() {
    const { eventQueue } = this.#documents.options;
    const queue = new EventQueue(eventQueue, (ended) => this.#queues.delete(ended));
    if (this.#end) queue.end(this.#end.error);
    else this.#queues.add(queue);
    return queue;
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  /** @param {Updated | Removed} event */
  #tell(event) {
    for (const queue of this.#queues) queue.put(event);
    if (this.listenerCount(event.name) > 0) this.emit(event.name, event.describe());
  }

  /**
   * Carry out a write.
   *
   * @param {string} verb
   * @param {JsonObject} members
   * @param {string | null} [json] the data after it, if that is known before
   * @returns {Promise<JsonObject>} the data after it
   */
  async #write(verb, members, json = null) {
    this.#checkUsable();
    const all = { document: this.sid, op: makeOp(), ...members };
    /** @param {JsonObject} ok */
    const receive = (ok) => this.#takeWrite(ok.document, json);
    try {
      const written = await this.#subscription.writing(() =>
        this.#documents.request(verb, all, receive),
      );
      return (written ?? (await this.#read())).data;
    } catch (error) {
      const newest = error instanceof SynclineError ? error.document : null;
      if (newest) this.#subscription.adopt(newest);
      throw error;
    }
  }

  /**
   * @param {JsonObject} body
   * @param {string | null} json
   */
  #takeWrite(body, json) {
    // A repeated answer, and that of `ttl`, may lack the data: only the server knows it.
    const isKnown = json !== null || "data" in body;
    const snapshot = isKnown ? Snapshot.parse(body, this.#subscription.current, json) : null;
    this.#subscription.wrote(Number(checkRevision(body.revision)), snapshot);
    return snapshot;
  }

  /** @returns {Promise<Snapshot>} */
  #read() {
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      const snapshot = Snapshot.parse(ok.document, this.#subscription.current);
      this.#subscription.adopt(snapshot);
      return snapshot;
    };
    return this.#documents.request("get", { document: this.sid }, receive);
  }

  #checkUsable() {
    this.#checkOpen();
    if (this.removed) {
      const details = { code: Code.DOCUMENT_NOT_FOUND, status: 404 };
      throw new SynclineError("The Document has been removed", details);
    }
  }

  #checkOpen() {
    if (this.#isClosed) throw new SynclineError("Invalid operation on closed object");
  }
}

/**
 * @typedef {object} OpenDocumentOptions
 * @property {string} [id] SID or unique name; left out, a document without a name is created
 * @property {"open_or_create" | "open_existing" | "create_new"} [mode] by default
 *   `open_or_create`, or `create_new` without `id`
 * @property {JsonObject} [data] of a document that is created
 * @property {number} [ttl] seconds to live, of a document that is created; 0 for ever
 */

/**
 * Why a connection ended, or could not be made.
 *
 * @typedef {object} ConnectionError
 * @property {boolean} terminal true if no other will be made by itself
 * @property {string} message
 * @property {number} [httpStatusCode]
 * @property {number} [errorCode]
 */

/**
 * A connection to a server, through every break, and the documents that are open on it.
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
   * Connects at once, and again after each break, with random, growing pauses.
   *
   * @param {Token} token an access token, or a function, sync or async, that returns a fresh one:
   *   it is asked on each connect, and when the token is about to expire
   * @param {ClientOptions} [options]
   * @throws {TypeError} `token` or `url` cannot be one
   */
  constructor(token, options = {}) {
    super();
    const complete = withDefaults(options);
    this.#connection = new Connection(parseServer(options.url), new TokenSource(token), complete, {
      onEvent: (message) => this.#onEvent(message),
      onConnected: () => this.#documents.resubscribe(),
      onState: (state) => this.emit("connectionStateChanged", state),
      onBroken: (error, isTerminal) => this.#onBroken(error, isTerminal),
    });
    this.#documents = new OpenDocuments(this.#connection, complete);
    this.#connection.start();
  }

  /** Of this module. */
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

  /** Bytes in a document as compact UTF-8 JSON, at most; null if the server has not told. */
  get dataLimit() {
    return this.#documents.dataLimit;
  }

  /**
   * Open a document: fetch or create it, and subscribe to it.
   *
   * @param {string | OpenDocumentOptions} [document] its SID or unique name; left out, a document
   *   without a name is created
   * @returns {Promise<SyncDocument>} rejected with a `SynclineError`: 404 it does not exist and
   *   must not be created, 409 the name is taken, and as in `SyncDocument`
   */
  async document(document) {
    if (!["undefined", "string", "object"].includes(typeof document)) {
      throw new TypeError("a document is opened by a string, or by an object with options");
    }
    const given = typeof document === "string" ? { id: document } : (document ?? {});
    const id = given.id || undefined;
    const mode = given.mode ?? (id ? "open_or_create" : "create_new");
    if (!id && mode === "open_existing") {
      throw new SynclineError("Cannot get entity without id", { status: 404 });
    }
    const data = given.data ? Json.data(given.data, this.#documents.dataLimit) : undefined;
    return this.#documents.open({ document: id, mode, data, ttl: given.ttl, op: makeOp() });
  }

  /**
   * Go on with another token, for the same identity.
   *
   * @param {Token} token
   * @returns {Promise<void>} rejected if the server refuses it: then the old one stays in force
   */
  async updateToken(token) {
    await this.#connection.updateToken(token);
  }

  /** End the connection and all handles; documents stay as they are. Safe to repeat. */
  async shutdown() {
    this.#connection.shutdown();
    this.#documents.end(null);
  }

  /** @param {JsonObject} message */
  #onEvent(message) {
    if (message.event === "token_about_to_expire") {
      this.emit("tokenAboutToExpire", undefined);
      void this.#connection.renewToken();
    } else if (message.document) {
      this.#documents.take(message.event, message.document);
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

export { Client as SyncClient };
export default Client;
