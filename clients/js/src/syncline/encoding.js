/** Encoding of the application's values as JSON text, with errors that name the place. */

import { SynclineError, messageOf, tooLarge } from "./errors.js";
import { findFault, kindOf } from "./jsonfaults.js";
import { Code } from "./protocol.js";

/** @import { JsonObject } from "./protocol.js" */

const utf8 = new TextEncoder();

/** `JSON.stringify` writes only a lone surrogate as such an escape. */
const MAY_BE_HALF = /\\ud[89a-f]/;

/**
 * @param {string} text
 * @param {number} limit in bytes
 * @throws {SynclineError} `text` is longer as UTF-8
 */
export function checkSize(text, limit) {
  if (text.length * 3 <= limit) return; // a UTF-16 unit takes at most three bytes in UTF-8
  const size = utf8.encode(text).length;
  if (size > limit) throw tooLarge(size, limit);
}

/** A JSON value as text; `encodeMessage` copies the text, so that the value is encoded once. */
export class Json {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  /**
   * @param {unknown} value
   * @param {string} [name] name of the value in error messages
   * @throws {SynclineError} JSON cannot represent the value, or would change it: NaN or Infinity, a
   *   BigInt, a lone surrogate, a circular reference, a Map; the message says which, and where
   */
  static of(value, name = "This") {
    let text;
    try {
      text = JSON.stringify(value, refuseOthers);
      if (text === undefined) throw new TypeError("it is undefined");
    } catch (error) {
      throw notJson(value, name, error);
    }
    // A literal backslash before "ud800" in a string matches too: check the value itself.
    if (MAY_BE_HALF.test(text) && findFault(value) !== null) {
      throw notJson(value, name, undefined);
    }
    return new Json(text);
  }

  /**
   * Encode a list of objects, whose members may be `Json`.
   *
   * @param {JsonObject[]} objects
   */
  static list(objects) {
    return new Json(`[${objects.map(encodeMessage).join(",")}]`);
  }

  /**
   * Encode the data of a document, an item or a message.
   *
   * @param {unknown} data
   * @param {number | null} limit in bytes; null for no check
   * @param {number} [nullCode] the error code where the data is null
   * @throws {SynclineError} as in `of`; also if `data` is not an object or is too large
   */
  static data(data, limit, nullCode = Code.INVALID_DATA) {
    if (data === null) throw notData("null", nullCode);
    if (data === undefined) throw notData("undefined", Code.INVALID_JSON);
    const json = Json.of(data);
    if (!json.text.startsWith("{")) {
      throw notData(Array.isArray(data) ? "an array" : typeof data, Code.INVALID_JSON);
    }
    if (limit !== null) checkSize(json.text, limit);
    return json;
  }
}

/** In a request to `open`: an object without a name. */
export const NAMELESS = new Json("null");

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
  // V8's messages about circular references have several lines: use the first.
  const [line] = messageOf(cause).split("\n");
  const reason = fault === null ? line : `at ${fault.place} ${fault.reason}`;
  const message = `${name} is not a JSON value: ${reason}.`;
  return new SynclineError(message, { code: Code.INVALID_JSON, status: 400, cause });
}

/**
 * Replacer of `JSON.stringify`: refuses values that JSON would omit or change. Members that are
 * undefined are omitted as usual.
 *
 * @this {unknown} the object or array that contains the value
 * @param {string} key
 * @param {unknown} value
 */
function refuseOthers(key, value) {
  const kind = kindOf(value, Array.isArray(this));
  if (kind) throw new TypeError(`${key || "it"} is ${kind}`);
  return value;
}

/**
 * Encode a JSON object; its members may be `Json`.
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
