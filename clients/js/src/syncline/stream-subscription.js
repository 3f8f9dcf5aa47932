/** State of one open stream, shared by its handles, and the order of its messages. */

import { EventOrder } from "./event-order.js";
import { Removal } from "./events.js";
import { Header, checkRevision } from "./header.js";
import { ExpiryChanged, ObjectRemoved } from "./object-events.js";
import { MessagePublished, MessagesMissed, StreamMessage } from "./stream-events.js";
import { ignore } from "./timing.js";

/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * Callbacks of one handle.
 *
 * @typedef {object} Listener
 * @property {(event: any) => void} emit called with each event
 * @property {(error: Error | null) => void} end called when no event follows
 */

/** Own messages whose event has not come; beyond that the oldest is forgotten. */
const OWN_LIMIT = 1_000;

/** What the client has received of one stream (rule C29). */
export class StreamSubscription {
  /** @type {"stream"} */
  type = "stream";
  /** A stream is never behind: what was published meanwhile does not come. */
  isLost = false;
  onLost = ignore;
  /** @type {Set<Listener>} */
  handles = new Set();

  /** @type {EventOrder<MessagesMissed | StreamMessage | ExpiryChanged | Removal>} */
  #order;
  /** @type {Set<string>} SIDs of own messages whose event has not come */
  #own = new Set();
  #isRemovedHere = false;
  #isRemovalAnnounced = false;

  /**
   * @param {JsonObject} ok the reply to `open`
   * @param {Options} options
   */
  constructor(ok, { eventQueue }) {
    this.current = Header.of(ok.stream);
    let dropped = 0;
    // Beyond the bound all that waits is dropped; the application learns how much that was.
    const overflow = () => {
      this.#order.drop((news) => {
        const isKept = news instanceof Removal;
        if (!isKept) dropped += news instanceof MessagesMissed ? news.count : 1;
        return isKept;
      });
      this.#order.put(new MessagesMissed(dropped), true);
      dropped = 0;
    };
    this.#order = new EventOrder(eventQueue, (news) => this.#process(news), overflow);
  }

  get sid() {
    return this.current.sid;
  }

  get uniqueName() {
    return this.current.uniqueName;
  }

  /** True once the client knows that the stream was removed; may be true before the event. */
  get removed() {
    return this.#isRemovedHere || this.#isRemovalAnnounced;
  }

  /** Members of the `open` that subscribes again, and how to process its reply (rule C11). */
  reopening() {
    const receive = (/** @type {JsonObject} */ ok) => this.openedAgain(ok);
    return { members: { revision: this.current.revision }, receive };
  }

  /** @param {JsonObject} ok the reply to an `open` of a stream that was open already */
  openedAgain(ok) {
    const before = this.current;
    const header = Header.of(ok.stream, before);
    this.current = header;
    if (header.dateExpires === before.dateExpires) return;
    this.#order.put(new ExpiryChanged(header.dateExpires, header.revision), true);
  }

  /**
   * Process an event of the server.
   *
   * @param {JsonObject} message
   * @param {boolean} mayBeEarly true if it may come before the reply to its write
   */
  take(message, mayBeEarly) {
    if (message.event === "message") {
      this.#order.put(StreamMessage.parse(message.message), mayBeEarly);
    } else if (message.event === "missed") {
      this.#order.put(new MessagesMissed(message.count), mayBeEarly);
    } else if (message.event === "expiry") {
      const body = message.stream;
      if (Number(checkRevision(body.revision)) <= this.current.order) return;
      this.current = Header.of(body, this.current);
      this.#order.put(new ExpiryChanged(body.date_expires, body.revision), mayBeEarly);
    }
  }

  /**
   * @param {Removal} removal
   * @param {boolean} mayBeEarly
   */
  receive(removal, mayBeEarly) {
    this.#order.put(removal, mayBeEarly);
  }

  reconnected() {
    this.#order.reconnected();
  }

  /**
   * Wrap an own write, from before it is sent until its reply is processed.
   *
   * @template T
   * @param {() => Promise<T>} write
   */
  writing(write) {
    return this.#order.writing(write);
  }

  /** Record that an own message was published. @param {string} sid of the message */
  published(sid) {
    this.#own.add(sid);
    const [oldest] = this.#own;
    if (this.#own.size > OWN_LIMIT) this.#own.delete(oldest);
  }

  /** Record that this client removed the stream. */
  wroteRemoval() {
    this.#isRemovedHere = true;
  }

  /**
   * End all handles: no event follows, because of `error` if it is not null.
   *
   * @param {Error | null} error
   */
  end(error) {
    for (const handle of [...this.handles]) handle.end(error);
  }

  /** @param {MessagesMissed | StreamMessage | ExpiryChanged | Removal} news */
  #process(news) {
    // A removal may come twice: by its event, and as the 404 to an `open` in flight.
    if (this.#isRemovalAnnounced) return;
    if (news instanceof Removal) {
      this.#isRemovalAnnounced = true;
      const { dateExpires } = this.current;
      this.#emit(new ObjectRemoved(news.body, this.#isRemovedHere, dateExpires));
      this.end(null);
    } else if (news instanceof StreamMessage) {
      this.#emit(new MessagePublished(news, this.#own.delete(news.sid)));
    } else {
      this.#emit(news);
    }
  }

  /** @param {any} event */
  #emit(event) {
    for (const handle of [...this.handles]) handle.emit(event);
  }
}
