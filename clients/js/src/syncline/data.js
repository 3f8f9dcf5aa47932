/** JSON data that many readers share. */

/** @import { JsonObject } from "./protocol.js" */

/** One JSON object; immutable. */
export class Data {
  /** @type {string | null} */
  #json;
  /** @type {JsonObject | null} until `json` is read; never returned to a caller */
  #parsed;

  /**
   * @param {string | null} json
   * @param {JsonObject | null} [parsed] the same as an object, if there is no `json`
   */
  constructor(json, parsed = null) {
    this.#json = json;
    this.#parsed = parsed;
  }

  /** As compact JSON. @returns {string} */
  get json() {
    this.#json ??= JSON.stringify(this.#parsed);
    this.#parsed = null;
    return this.#json;
  }

  /** Parse it again: the caller may change the copy. @returns {JsonObject} */
  copy() {
    return JSON.parse(this.json);
  }

  /**
   * The `data` of a message.
   *
   * @param {JsonObject} body
   * @param {string | null} json the data if the caller knows it
   * @returns {Data | null} null if neither has it
   */
  static in(body, json) {
    if (json !== null) return new Data(json);
    return "data" in body && body.data !== null ? new Data(null, body.data) : null;
  }
}
