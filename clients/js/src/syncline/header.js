/** What all objects have: names, dates, revision. */

/** @import { JsonObject } from "./protocol.js" */

/**
 * @typedef {{
 *   sid: string, uniqueName: string | null, revision: string, dateCreated: string,
 *   dateUpdated: string, dateExpires: string | null, createdBy: string, updatedBy: string | null,
 * }} HeaderMembers
 */

/** Header of an object at one revision (docs/protocol.md, section 2); immutable. */
export class Header {
  /**
   * @internal
   * @param {HeaderMembers} members
   */
  constructor(members) {
    /** Two letters and 32 hexadecimal digits. */
    this.sid = members.sid;
    /** Unique name; null if the object has none. */
    this.uniqueName = members.uniqueName;
    /** Opaque; changes with each write. */
    this.revision = members.revision;
    /** ISO 8601, UTC. */
    this.dateCreated = members.dateCreated;
    /** When this revision was written; ISO 8601, UTC. */
    this.dateUpdated = members.dateUpdated;
    /** When the object expires; ISO 8601, UTC; null if never. */
    this.dateExpires = members.dateExpires;
    /** Identity of the creator, or `system`. */
    this.createdBy = members.createdBy;
    /** Identity that wrote this revision, or `system`; null if not known. */
    this.updatedBy = members.updatedBy;
  }

  /** The revision as a number, which increases with every write. */
  get order() {
    return Number(this.revision);
  }

  /**
   * Parse the header in a message.
   *
   * @internal
   * @param {JsonObject} body
   * @param {Header | null} [base] an earlier one, for the members that `body` omits
   * @throws {TypeError} a member is missing and there is no `base` to take it from
   */
  static of(body, base = null) {
    return new Header(headerMembers(body, base));
  }
}

/**
 * @param {JsonObject} body the object of a reply or an event, or a REST resource
 * @param {Header | null} base
 * @returns {HeaderMembers}
 */
export function headerMembers(body, base) {
  return {
    sid: memberOf(body, "sid", undefined),
    uniqueName: memberOf(body, "unique_name", base?.uniqueName),
    revision: checkRevision(body.revision),
    dateCreated: memberOf(body, "date_created", base?.dateCreated),
    dateUpdated: memberOf(body, "date_updated", base?.dateUpdated),
    dateExpires: memberOf(body, "date_expires", base?.dateExpires),
    createdBy: memberOf(body, "created_by", base?.createdBy),
    updatedBy: memberOf(body, "updated_by", base?.updatedBy ?? null),
  };
}

/**
 * @param {JsonObject} body
 * @param {string} name
 * @param {unknown} fallback
 * @returns {any}
 */
export function memberOf(body, name, fallback) {
  const value = name in body ? body[name] : fallback;
  if (value === undefined) throw new TypeError(`a message has no ${name}`);
  return value;
}

/**
 * @param {unknown} revision
 * @returns {string}
 */
export function checkRevision(revision) {
  if (typeof revision !== "string" || !Number.isSafeInteger(Number(revision))) {
    throw new TypeError("a message has no revision");
  }
  return revision;
}
