/** Events of a document. */

/** @import { JsonObject } from "./protocol.js" */
/** @import { Snapshot } from "./snapshot.js" */

/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {object} UpdatedEvent the document has a new revision: new data, or a new expiry
 * @property {"updated"} type
 * @property {T} data the new data
 * @property {T} previousData the data at the event before this one, or as it was opened
 * @property {boolean} isLocal true if this client wrote the revision, through any of its handles
 * @property {string} revision
 * @property {string | null} updatedBy identity that wrote the revision, or `system`; null if not
 *   known
 * @property {Date} dateUpdated
 * @property {string | null} dateExpires ISO 8601, UTC; null if never
 */

/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {object} RemovedEvent the document was removed; no event follows
 * @property {"removed"} type
 * @property {T} previousData the data at the event before this one
 * @property {boolean} isLocal true if this client removed the document
 * @property {string | null} revision revision of the removal; null if not connected then
 * @property {string | null} removedBy identity that removed it, `system` for an expiry; null as for
 *   `revision`
 * @property {boolean | null} expired true if the document expired; null as for `revision`, unless
 *   the last known expiry has passed (then true)
 * @property {Date | null} dateRemoved null as for `revision`
 */

/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {UpdatedEvent<T> | RemovedEvent<T>} DocumentEvent
 */

/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {{ updated: UpdatedEvent<T>, removed: RemovedEvent<T> }} DocumentEvents by name
 */

/** The end of an object; `body` is that of the event, empty if the object was not found. */
export class Removal {
  /** @param {JsonObject} [body] */
  constructor(body = {}) {
    this.body = body;
  }
}

/** An `updated` event, shared by all listeners. */
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
   * Merge this event with an earlier one.
   *
   * @param {Updated} earlier
   */
  following(earlier) {
    return new Updated(this.snapshot, earlier.previous, this.isLocal);
  }

  /** Make a copy for one listener, which may change it. @returns {UpdatedEvent} */
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

/** A `removed` event, shared by all listeners. */
export class Removed {
  /** @type {"removed"} */
  name = "removed";

  /**
   * @param {JsonObject} body the `document` of the event; empty if the document was not found
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

/**
 * Merge for a reader of a document that is too slow: the oldest events stay as they were, and the
 * last one gets the newest state.
 *
 * @param {(Updated | Removed)[]} events
 * @param {Updated | Removed} event
 */
export function mergeUpdates(events, event) {
  const last = events.at(-1);
  const isMerged = event instanceof Updated && last instanceof Updated;
  if (isMerged) events[events.length - 1] = event.following(last);
  else events.push(event);
}
