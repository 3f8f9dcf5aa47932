/** Snapshot of a document at one revision. */

import { Data } from "./data.js";
import { Header, headerMembers } from "./header.js";

/** @import { HeaderMembers } from "./header.js" */
/** @import { JsonObject } from "./protocol.js" */

/** One state of a document (docs/protocol.md, section 2); immutable. */
export class Snapshot extends Header {
  #data;

  /**
   * @internal
   * @param {HeaderMembers} members
   * @param {Data} data
   */
  constructor(members, data) {
    super(members);
    this.#data = data;
  }

  /** The data, parsed again at each access: the caller may change it. @returns {JsonObject} */
  get data() {
    return this.#data.copy();
  }

  /** The data as compact JSON. @returns {string} */
  get json() {
    return this.#data.json;
  }

  /**
   * Parse the state in a message.
   *
   * @internal
   * @param {JsonObject} body the `document` of a reply or an event, or a REST resource
   * @param {Snapshot | null} [base] an earlier state, for the members that `body` omits
   * @param {string | null} [json] the data if the caller knows it; null: from `body` or `base`
   * @throws {TypeError} a member is missing and there is no `base` to take it from
   */
  static parse(body, base = null, json = null) {
    const data = Data.in(body, json) ?? (base === null ? undefined : base.#data);
    if (data === undefined) throw new TypeError("a document has no data");
    return new Snapshot(headerMembers(body, base), data);
  }
}
