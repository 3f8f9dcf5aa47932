/** Events that lists, maps and streams have in common. */

/** @import { JsonObject } from "./protocol.js" */

/**
 * @typedef {object} ExpiryEvent the object expires at another time
 * @property {"expiry"} type
 * @property {string | null} dateExpires ISO 8601, UTC; null if never
 * @property {string} revision
 */

/**
 * @typedef {object} ObjectRemovedEvent the object was removed; no event follows
 * @property {"removed"} type
 * @property {boolean} isLocal true if this client removed it
 * @property {string | null} revision revision of the removal; null if not connected then
 * @property {string | null} removedBy identity that removed it, `system` for an expiry; null as for
 *   `revision`
 * @property {boolean | null} expired true if it expired; null as for `revision`
 * @property {Date | null} dateRemoved null as for `revision`
 */

/** The object expires at another time. */
export class ExpiryChanged {
  /** @type {"expiry"} */
  name = "expiry";

  /**
   * @param {string | null} dateExpires
   * @param {string} revision
   */
  constructor(dateExpires, revision) {
    this.dateExpires = dateExpires;
    this.revision = revision;
  }

  /** @returns {ExpiryEvent} */
  describe() {
    return { type: "expiry", dateExpires: this.dateExpires, revision: this.revision };
  }
}

/** An object other than a document was removed. */
export class ObjectRemoved {
  /** @type {"removed"} */
  name = "removed";

  /**
   * @param {JsonObject} body the object in the event; empty if it was not found
   * @param {boolean} isLocal
   * @param {string | null} dateExpires the last known expiry
   */
  constructor(body, isLocal, dateExpires) {
    this.body = body;
    this.isLocal = isLocal;
    this.dateExpires = dateExpires;
  }

  /** @returns {ObjectRemovedEvent} */
  describe() {
    const { revision, removed_by, expired, date_removed } = this.body;
    const hasRunOut = this.dateExpires !== null && Date.parse(this.dateExpires) <= Date.now();
    return {
      type: "removed",
      isLocal: this.isLocal,
      revision: revision ?? null,
      removedBy: removed_by ?? null,
      expired: expired ?? (hasRunOut || null),
      dateRemoved: date_removed ? new Date(date_removed) : null,
    };
  }
}
