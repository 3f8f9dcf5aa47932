/** JSON as text, checked and encoded once. */

import { SynclineError, messageOf, tooLarge } from "./errors.js";
import { findFault } from "./json-faults.js";
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
   * @throws {SynclineError} it cannot be written: NaN or Infinity, a BigInt, half of an emoji, a
   *   circle; the sentence says which, and where
   */
  static of(value, name = "This") {
    let text;
    try {
      text = JSON.stringify(value, refuseInfinite);
    } catch (error) {
      throw notJson(value, name, error);
    }
    // A backslash of the application's own before "ud800" matches too: only the value can tell.
    if (text !== undefined && MAY_BE_HALF.test(text) && findFault(value) !== null) {
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
    const json = Json.of(data);
    if (typeof json.text !== "string" || !json.text.startsWith("{")) {
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
 * @param {unknown} value
 * @param {string} name
 * @param {unknown} cause
 */
function notJson(value, name, cause) {
  const fault = findFault(value);
  const reason = fault === null ? messageOf(cause) : `at ${fault.place} ${fault.reason}`;
  const message = `${name} is no JSON value: ${reason}.`;
  return new SynclineError(message, { code: Code.INVALID_JSON, status: 400, cause });
}

/**
 * JSON would write null, which is another value.
 *
 * @param {string} _
 * @param {unknown} value
 */
function refuseInfinite(_, value) {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`it is ${value}`);
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
