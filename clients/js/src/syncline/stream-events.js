/** Messages of streams, and their events. */

import { Data } from "./data.js";
import { memberOf } from "./header.js";

/** @import { ExpiryEvent, ObjectRemovedEvent } from "./object-events.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {object} MessagePublishedEvent
 * @property {"messagePublished"} type
 * @property {StreamMessage<T>} message
 * @property {boolean} isLocal true if this client published it, through any of its handles
 */

/**
 * @typedef {object} MessagesMissedEvent messages that this client was too slow to receive
 * @property {"missed"} type
 * @property {number} count
 */

/**
 * Events of a stream, by name.
 *
 * @template {JsonObject} [T=JsonObject]
 * @typedef {{
 *   messagePublished: MessagePublishedEvent<T>,
 *   missed: MessagesMissedEvent,
 *   expiry: ExpiryEvent,
 *   removed: ObjectRemovedEvent,
 * }} StreamEvents
 */

/**
 * A message of a stream; immutable.
 *
 * @template {JsonObject} [T=JsonObject] type of the data
 */
export class StreamMessage {
  #data;

  /**
   * @internal
   * @param {{ sid: string, dateCreated: string | null, createdBy: string | null }} members
   * @param {Data} data
   */
  constructor({ sid, dateCreated, createdBy }, data) {
    /** `TZ` and 32 hexadecimal digits. */
    this.sid = sid;
    /** When it was published; null in the result of `publishMessage`. */
    this.dateCreated = dateCreated === null ? null : new Date(dateCreated);
    /** Identity of the publisher, or `system`; null in the result of `publishMessage`. */
    this.createdBy = createdBy;
    this.#data = data;
  }

  /** The data; a copy that the caller may change. @returns {T} */
  get data() {
    return /** @type {T} */ (this.#data.copy());
  }

  /** Alias of `data`. */
  get value() {
    return this.data;
  }

  /**
   * @internal
   * @param {JsonObject} body
   * @param {string | null} [json] the data if the caller knows it
   */
  static parse(body, json = null) {
    const data = Data.in(body, json);
    if (data === null) throw new TypeError("a message has no data");
    const members = {
      sid: memberOf(body, "sid", undefined),
      dateCreated: memberOf(body, "date_created", null),
      createdBy: memberOf(body, "created_by", null),
    };
    return new StreamMessage(members, data);
  }
}

/** A message came. */
export class MessagePublished {
  /** @type {"messagePublished"} */
  name = "messagePublished";

  /**
   * @param {StreamMessage} message
   * @param {boolean} isLocal
   */
  constructor(message, isLocal) {
    this.message = message;
    this.isLocal = isLocal;
  }

  /** @returns {MessagePublishedEvent} */
  describe() {
    return { type: "messagePublished", message: this.message, isLocal: this.isLocal };
  }
}

/** In the place of so many messages, for which this client was too slow. */
export class MessagesMissed {
  /** @type {"missed"} */
  name = "missed";

  /** @param {number} count */
  constructor(count) {
    this.count = count;
  }

  /** @returns {MessagesMissedEvent} */
  describe() {
    return { type: "missed", count: this.count };
  }
}

/**
 * Merge for a reader of a stream that is too slow: the oldest messages are dropped, and counted.
 *
 * @param {any[]} events
 * @param {{ name: string }} event
 */
export function mergeMessages(events, event) {
  events.push(event);
  let count = 0;
  // Two go for each that comes: `missed` takes a place too.
  for (let gone = 0; gone < 2; gone += 1) {
    const place = events.findIndex(({ name }) => name === "messagePublished" || name === "missed");
    if (place < 0) break;
    const [each] = events.splice(place, 1);
    count += each instanceof MessagesMissed ? each.count : 1;
  }
  if (count > 0) events.unshift(new MessagesMissed(count));
}
