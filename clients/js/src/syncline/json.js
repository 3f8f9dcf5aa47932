/** JSON as text, checked and encoded once. */

import { SynclineError, messageOf, tooLarge } from "./errors.js";
import { Code } from "./protocol.js";

/** @import { JsonObject } from "./protocol.js" */

const utf8 = new TextEncoder();

/**
 * @param {string} text
 * @param {number} limit in bytes
 * @throws {SynclineError} it is longer
 */
export function checkSize(text, limit) {
  if (text.length * 3 <= limit) return; // a UTF-16 unit becomes three bytes at most
  const size = utf8.encode(text).length;
  if (size > limit) throw tooLarge(size, limit);
}

/** A JSON value in text form; a message takes it over as it is, so that it is encoded once. */
export class Json {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  /**
   * @param {unknown} value
   * @throws {SynclineError} it cannot be written, or would be written as something else
   */
  static of(value) {
    try {
      const text = JSON.stringify(value, refuseOthers);
      if (text === undefined) throw new TypeError("it is undefined");
      return new Json(text);
    } catch (error) {
      // What V8 says of a circle goes on for lines.
      const message = `This is no JSON value: ${messageOf(error).split("\n")[0]}.`;
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
    if (data === null) throw notData("null", Code.INVALID_DATA);
    if (data === undefined) throw notData("undefined", Code.INVALID_JSON);
    const json = Json.of(data);
    if (!json.text.startsWith("{")) {
      throw notData(Array.isArray(data) ? "an array" : typeof data, Code.INVALID_JSON);
    }
    if (limit !== null) checkSize(json.text, limit);
    return json;
  }
}

/**
 * @param {string} given
 * @param {number} code
 */
function notData(given, code) {
  return new SynclineError(`data must be a JSON object, not ${given}.`, { code, status: 400 });
}

/** What `JSON.stringify` writes as `{}`: a promise is most often one that was not awaited. */
const WRITTEN_AS_EMPTY = [Map, Set, WeakMap, WeakSet, Promise, RegExp, ArrayBuffer];

/**
 * Refuse what JSON would leave out, or write as another value. A member that is undefined is left
 * out as usual.
 *
 * @this {unknown} what holds the value
 * @param {string} key
 * @param {unknown} value
 */
function refuseOthers(key, value) {
  const kind = kindOf(value, Array.isArray(this));
  if (kind) throw new TypeError(`${key || "it"} is ${kind}`);
  return value;
}

/**
 * @param {unknown} value
 * @param {boolean} isElement of an array, where undefined would become null
 * @returns {string | null} null if JSON has it
 */
function kindOf(value, isElement) {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? null : String(value);
    case "undefined":
      return isElement ? "undefined" : null;
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    case "bigint":
      return "a BigInt";
    case "object": {
      const type = WRITTEN_AS_EMPTY.find((each) => value instanceof each);
      return type ? `a ${type.name}` : null;
    }
    default:
      return null;
  }
}

/**
 * A JSON object as text, with members that may be `Json`.
 *
 * @param {JsonObject} members
 */
export function encodeMessage(members) {
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
export function pointerTo(key) {
  return `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
