/** JSON as text, checked and encoded once. */

import { SynclineError, messageOf, tooLarge } from "./errors.js";
import { Code } from "./protocol.js";

/** @import { JsonObject } from "./protocol.js" */

const utf8 = new TextEncoder();

/**
 * @param {string} text
 * @returns {number} bytes as UTF-8
 */
export function byteLength(text) {
  return utf8.encode(text).length;
}

/** A JSON value in text form; a message takes it over as it is, so that it is encoded once. */
export class Json {
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
