/** JSON as text, checked and encoded once. */

import { SynclineError, messageOf, tooLarge } from "./errors.js";
import { findFault, kindOf } from "./json-faults.js";
import { Code } from "./protocol.js";

/** @import { JsonObject } from "./protocol.js" */

const utf8 = new TextEncoder();

/** `JSON.stringify` writes a lone surrogate, and only that, as such an escape. */
const MAY_BE_HALF = /\\ud[89a-f]/;

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
   * @param {string} [name] of what it is, for the error's sentence
   * @throws {SynclineError} it cannot be written, or would be written as something else: NaN or
   *   Infinity, a BigInt, half of an emoji, a circle, a Map; the sentence says which, and where
   */
  static of(value, name = "This") {
    let text;
    try {
      text = JSON.stringify(value, refuseOthers);
      if (text === undefined) throw new TypeError("it is undefined");
    } catch (error) {
      throw notJson(value, name, error);
    }
    // A backslash of the application's own before "ud800" matches too: only the value can tell.
    if (MAY_BE_HALF.test(text) && findFault(value) !== null) {
      throw notJson(value, name, undefined);
    }
    return new Json(text);
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

/**
/**
 * @param {unknown} value
 * @param {string} name
 * @param {unknown} cause
 */
function notJson(value, name, cause) {
  const fault = findFault(value);
  // What V8 says of a value goes on for lines.
  const [line] = messageOf(cause).split("\n");
  const reason = fault === null ? line : `at ${fault.place} ${fault.reason}`;
  const message = `${name} is no JSON value: ${reason}.`;
  return new SynclineError(message, { code: Code.INVALID_JSON, status: 400, cause });
}

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
 * A JSON object as text, with members that may be `Json`.
 *
 * @param {JsonObject} members
 */
export function encodeMessage(members) {
  const pairs = Object.entries(members).map(([name, value]) => {
    const text = value instanceof Json ? value.text : Json.of(value, name).text;
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
