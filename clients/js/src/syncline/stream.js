/** Handle of an open stream. */

import { Json } from "./encoding.js";
import { Handle } from "./handle.js";
import { Code, makeOp } from "./protocol.js";
import { StreamMessage, mergeMessages } from "./stream-events.js";
import { ignore } from "./timing.js";

/** @import { OpenObjects } from "./open-objects.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { StreamEvents } from "./stream-events.js" */
/** @import { StreamSubscription } from "./stream-subscription.js" */

const NAMES = /** @type {const} */ (["messagePublished", "missed", "expiry", "removed"]);

/**
 * A stream: messages to all that have it open; nothing is stored. Made by `Client.stream`.
 *
 * @template {JsonObject} [T=JsonObject] type of the data of a message
 * @extends {Handle<StreamSubscription, StreamEvents<T>>}
 */
export class SyncStream extends Handle {
  /** The names of the events. */
  static messagePublished = /** @type {const} */ ("messagePublished");
  static missed = /** @type {const} */ ("missed");
  static expiry = /** @type {const} */ ("expiry");
  static removed = /** @type {const} */ ("removed");

  /**
   * @internal
   * @param {OpenObjects} objects
   * @param {StreamSubscription} subscription
   */
  constructor(objects, subscription) {
    super(objects, subscription, mergeMessages);
  }

  /** @internal @protected @override */
  get names() {
    return NAMES;
  }

  /** @type {"stream"} */
  get type() {
    return "stream";
  }

  /**
   * Send a message to all that have the stream open at this moment, this client among them.
   *
   * @param {T} data
   * @returns {Promise<StreamMessage<T>>}
   */
  async publishMessage(data) {
    const json = Json.data(data, this.objects.limits.message, Code.MESSAGE_INVALID_DATA);
    return this.#write("publish", { data: json }, ({ message }) => {
      this.subscription.published(message.sid);
      return /** @type {StreamMessage<T>} */ (StreamMessage.parse(message, json.text));
    });
  }

  /**
   * Change the expiry of the stream.
   *
   * @param {number} ttl time to live in seconds from now; 0: never expires
   * @returns {Promise<void>}
   */
  async setTtl(ttl) {
    await this.#write("ttl", { ttl }, ignore);
  }

  /** Remove the stream for all clients. @returns {Promise<void>} */
  async removeStream() {
    await this.#write("remove", {}, () => this.subscription.wroteRemoval());
  }

  /** @internal @protected @override */
  absence() {
    return { code: Code.STREAM_NOT_FOUND, name: "Stream" };
  }

  /**
   * @template T
   * @param {string} verb
   * @param {JsonObject} members
   * @param {(ok: JsonObject) => T} receive
   * @returns {Promise<T>}
   */
  async #write(verb, members, receive) {
    this.checkUsable();
    const all = { stream: this.sid, op: makeOp(), ...members };
    return this.subscription.writing(() => this.objects.request(verb, all, receive));
  }
}
