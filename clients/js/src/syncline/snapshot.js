/** Snapshot of a document at one revision. */

/** @import { JsonObject } from "./protocol.js" */

/** One state of a document (docs/protocol.md, section 2); immutable. */
export class Snapshot {
  /** @type {string | null} */
  #json;
  /** @type {JsonObject | null} the parsed data until `json` is read; never returned to a caller */
  #parsed;

  /**
   * @internal
   * @param {{
   *   sid: string, uniqueName: string | null, revision: string,
   *   json: string | null, parsed: JsonObject | null,
   *   dateCreated: string, dateUpdated: string, dateExpires: string | null,
   *   createdBy: string, updatedBy: string | null,
   * }} state the data is in `json` or in `parsed`
   */
  constructor(state) {
    /** `ET` and 32 hexadecimal digits. */
    this.sid = state.sid;
    /** Unique name; null if the document has none. */
    this.uniqueName = state.uniqueName;
    /** Opaque; changes with each write. */
    this.revision = state.revision;
    /** ISO 8601, UTC. */
    this.dateCreated = state.dateCreated;
    /** When this revision was written; ISO 8601, UTC. */
    this.dateUpdated = state.dateUpdated;
    /** When the document expires; ISO 8601, UTC; null if never. */
    this.dateExpires = state.dateExpires;
    /** Identity of the creator, or `system`. */
    this.createdBy = state.createdBy;
    /** Identity that wrote this revision, or `system`; null if not known. */
    this.updatedBy = state.updatedBy;
    this.#json = state.json;
    this.#parsed = state.parsed;
  }

  /** The data, parsed again at each access: the caller may change it. @returns {JsonObject} */
  get data() {
    return JSON.parse(this.json);
  }

  /** The data as compact JSON. @returns {string} */
  get json() {
    this.#json ??= JSON.stringify(this.#parsed);
    this.#parsed = null;
    return this.#json;
  }

  /** The revision as a number, which increases with every write. */
  get order() {
    return Number(this.revision);
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
    /** @param {string} name @param {unknown} fallback @returns {any} */
    const member = (name, fallback) => {
      const value = name in body ? body[name] : fallback;
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
export function checkRevision(revision) {
  if (typeof revision !== "string" || !Number.isSafeInteger(Number(revision))) {
    throw new TypeError("a document has no revision");
  }
  return revision;
}
