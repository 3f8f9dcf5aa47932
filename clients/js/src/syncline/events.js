/** What is told of a document: its changes, and its end. */

/** @import { JsonObject } from "./protocol.js" */
/** @import { Snapshot } from "./snapshot.js" */

/**
 * @typedef {object} UpdatedEvent the document has a new revision: new data, or a new expiry
 * @property {"updated"} type
 * @property {JsonObject} data the new data
 * @property {JsonObject} previousData the data before, as the last event told it
 * @property {boolean} isLocal true if this client wrote it, through whichever handle
 * @property {string} revision
 * @property {string | null} updatedBy the identity that wrote, or `system`; null if not known
 * @property {Date} dateUpdated
 * @property {string | null} dateExpires ISO 8601, UTC; null if never
 */

/**
 * @typedef {object} RemovedEvent the document is gone; no event follows
 * @property {"removed"} type
 * @property {JsonObject} previousData the last data that was told
 * @property {boolean} isLocal true if this client removed it
 * @property {string | null} revision of the removal; null if there was no connection then
 * @property {string | null} removedBy the identity, `system` for an expiry; null as above
 * @property {boolean | null} expired true if its time to live ran out; null as above, unless the
 *   known expiry has passed
 * @property {Date | null} dateRemoved null as above
 */

/** @typedef {UpdatedEvent | RemovedEvent} DocumentEvent */

/** An `updated` event, before it is written out for a listener. */
export class Updated {
  /** @type {"updated"} */
  name = "updated";

  /**
   * @param {Snapshot} snapshot
   * @param {Snapshot} previous
   * @param {boolean} isLocal
   */
  constructor(snapshot, previous, isLocal) {
    this.snapshot = snapshot;
    this.previous = previous;
    this.isLocal = isLocal;
  }

  /**
   * This event and an earlier one as one.
   *
   * @param {Updated} earlier
   */
  following(earlier) {
    return new Updated(this.snapshot, earlier.previous, this.isLocal);
  }

  /** For one listener, who may change it. @returns {UpdatedEvent} */
  describe() {
    const { snapshot, previous, isLocal } = this;
    return {
      type: "updated",
      data: snapshot.data,
      previousData: previous.data,
      isLocal,
      revision: snapshot.revision,
      updatedBy: snapshot.updatedBy,
      dateUpdated: new Date(snapshot.dateUpdated),
      dateExpires: snapshot.dateExpires,
    };
  }
}

/** A `removed` event, before it is written out for a listener. */
export class Removed {
  /** @type {"removed"} */
  name = "removed";

  /**
   * @param {JsonObject} body the event's `document`; empty if the document was found missing
   * @param {Snapshot} previous
   * @param {boolean} isLocal
   */
  constructor(body, previous, isLocal) {
    this.body = body;
    this.previous = previous;
    this.isLocal = isLocal;
  }

  /** @returns {RemovedEvent} */
  describe() {
    const { revision, removed_by, expired, date_removed } = this.body;
    return {
      type: "removed",
      previousData: this.previous.data,
      isLocal: this.isLocal,
      revision: revision ?? null,
      removedBy: removed_by ?? null,
      expired: expired ?? (this.#hasRunOut() || null),
      dateRemoved: date_removed ? new Date(date_removed) : null,
    };
  }

  #hasRunOut() {
    const { dateExpires } = this.previous;
    return dateExpires !== null && Date.parse(dateExpires) <= Date.now();
  }
}
