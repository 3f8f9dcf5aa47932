/** Readable log of what a client does, for the option `debug`. */

import { Json } from "./encoding.js";
import { INTERRUPTED, SynclineError, messageOf, statusOf } from "./errors.js";
import { OBJECT_TYPES } from "./protocol.js";

/** @import { JsonObject } from "./protocol.js" */
/** @import { Exit, Receive, Request, Transport } from "./transport.js" */

/**
 * Where the log goes: `true` is the console; else an object with `log` or `debug`, such as
 * `console`, or a function.
 *
 * @typedef {boolean | WriteLine | { log: WriteLine } | { debug: WriteLine }} Debug
 */

/**
 * Called with one line, and with the message of the protocol where `debugData` is set.
 *
 * @callback WriteLine
 * @param {string} line
 * @param {JsonObject} [message]
 * @returns {unknown}
 */

/** Members of requests, replies and events that are shown. Only these are: none of them has data. */
const SHOWN = Object.freeze([
  "kind",
  "key",
  "index",
  "revision",
  "created",
  "mode",
  "if_match",
  "ttl",
  "collection_ttl",
  "prefix",
  "from",
  "after",
  "order",
  "limit",
  "count",
  "expires_in",
]);

/** Lists in messages, of which only the length is shown. */
const COUNTED = Object.freeze(["keys", "indexes", "items"]);

/** Changes of one event that are shown. */
const CHANGES_SHOWN = 3;

/** Characters of a value that are shown. */
const VALUE_LENGTH = 80;

/** A JWT, or its beginning: the error of an application's token function may quote one. */
const TOKEN = /\beyJ[\w-]{5,}(\.[\w-]*)*/g;

/** Writes a line for each state, request, reply and event. */
export class DebugLog {
  #write;
  #withData;
  #lastRequest = 0;

  /**
   * @param {WriteLine} write
   * @param {boolean} withData
   */
  constructor(write, withData) {
    this.#write = write;
    this.#withData = withData;
  }

  /**
   * @param {Debug | null | undefined} debug
   * @param {boolean} [withData]
   * @returns {DebugLog | null} null if nothing is to be logged
   * @throws {TypeError} `debug` is nothing that can log
   */
  static of(debug, withData = false) {
    if (debug === undefined || debug === null || debug === false) return null;
    const write = writerOf(debug === true ? console : debug);
    if (write) return new DebugLog(write, withData);
    throw new TypeError("debug is true, a function, or an object with a method log or debug");
  }

  /** @param {string} text */
  note(text) {
    this.#line(text);
  }

  /**
   * @param {string} state of the connection
   * @param {string | null} transport
   */
  state(state, transport) {
    this.#line(state === "connected" ? `${state}, transport ${transport}` : state);
  }

  /**
   * @param {SynclineError} error
   * @param {boolean} isTerminal
   */
  broken(error, isTerminal) {
    this.#line(`connection error${isTerminal ? ", terminal" : ""}: ${describe(error)}`);
  }

  /** @param {JsonObject} message an event or a notice of the server */
  event(message) {
    this.#line(`event ${message.event}${subjectOf(message)}`, message);
  }

  /**
   * Send a request, and log it and its reply.
   *
   * @template T
   * @param {Transport} transport
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {Exit} exit
   * @returns {Promise<T>}
   */
  async send(transport, request, receive, exit) {
    this.#lastRequest += 1;
    const number = this.#lastRequest;
    const since = performance.now();
    const time = () => `in ${Math.round(performance.now() - since)} ms`;
    this.#line(`→ ${number} ${request.do}${subjectOf(request)}`, request);
    // Logged before `receive` runs: the events that it causes follow the reply.
    const receiveLogged = (/** @type {JsonObject} */ ok) => {
      this.#line(`← ${number} ok ${time()}${subjectOf(ok)}`, ok);
      return receive(ok);
    };
    try {
      return await transport.request(request, receiveLogged, exit);
    } catch (error) {
      const outcome = statusOf(error) ? "refused" : "failed";
      this.#line(`← ${number} ${outcome} ${time()}: ${describe(error)}`);
      throw error;
    }
  }

  /**
   * @param {string} line
   * @param {JsonObject} [message]
   */
  #line(line, message) {
    const time = new Date().toISOString().slice(11, 23);
    const text = `syncline ${time} ${line.replace(TOKEN, "(token)")}`;
    try {
      if (this.#withData && message) this.#write(text, plain(message));
      else this.#write(text);
    } catch (error) {
      console.error("syncline: the debug function failed:", error);
    }
  }
}

/** @param {any} target @returns {WriteLine | null} */
function writerOf(target) {
  if (typeof target === "function") return target;
  const name = ["log", "debug"].find((each) => typeof target[each] === "function");
  return name === undefined ? null : (...words) => target[name](...words);
}

/**
 * What a message is about, without its data; with a space before it, unless it is empty.
 *
 * @param {JsonObject} message
 */
function subjectOf(message) {
  const type = OBJECT_TYPES.find((each) => each in message);
  const object = type === undefined ? undefined : message[type];
  const words = type === undefined ? [] : [type, ...namesOf(object)];
  const members = { ...message.item, ...message, ...(isHeader(object) ? object : {}) };
  for (const name of SHOWN) {
    if (members[name] != null) words.push(`${name}=${quote(members[name])}`);
  }
  for (const name of COUNTED) {
    if (Array.isArray(message[name])) words.push(`${message[name].length} ${name}`);
  }
  if (Array.isArray(message.changes)) words.push(changesOf(message.changes));
  return words.map((word) => ` ${word}`).join("");
}

/**
 * @param {unknown} object the name of an object in a request, or its header
 * @returns {string[]}
 */
function namesOf(object) {
  if (typeof object === "string") return [quote(object)];
  if (!isHeader(object)) return [];
  const { sid, unique_name: name } = object;
  return [sid, name].filter((each) => typeof each === "string").map(quote);
}

/** @param {unknown} object @returns {object is JsonObject} */
function isHeader(object) {
  return typeof object === "object" && object !== null && !(object instanceof Json);
}

/** @param {JsonObject[]} changes */
function changesOf(changes) {
  const shown = changes
    .slice(0, CHANGES_SHOWN)
    .map(({ kind, key, index }) => `${kind} ${quote(key ?? index)}`);
  const others = changes.length - shown.length;
  return [...shown, ...(others > 0 ? [`${others} others`] : [])].join(", ");
}

/** @param {unknown} value */
function quote(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > VALUE_LENGTH ? `${text.slice(0, VALUE_LENGTH)}…` : text;
}

/** @param {unknown} error */
function describe(error) {
  if (error === INTERRUPTED) return "the connection ended before the reply; it is sent again";
  const { status, code } = /** @type {Partial<SynclineError>} */ (error ?? {});
  return `${status ? `${status}/${code} ` : ""}${messageOf(error)}`;
}

/**
 * A message with its data, as objects.
 *
 * @param {JsonObject} message
 * @returns {JsonObject}
 */
function plain(message) {
  const members = Object.entries(message).map(([name, value]) => [
    name,
    value instanceof Json ? JSON.parse(value.text) : value,
  ]);
  return Object.fromEntries(members);
}
