/** State of one open stream, and the order of its messages. */

import { Removal } from "./events.js";
import { checkRevision } from "./header.js";
import { ExpiryChanged } from "./object-events.js";
import { ObjectState } from "./object-state.js";
import { MessagePublished, MessagesMissed, StreamMessage } from "./stream-events.js";

/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */

/** Own messages whose event has not come; beyond it the oldest is forgotten. */
const OWN_LIMIT = 1_000;

/**
 * What the client has received of one stream (rule C29).
 *
 * @extends {ObjectState<MessagesMissed | StreamMessage | ExpiryChanged, {
 *   emit: (event: any) => void, end: (error: Error | null) => void,
 * }>}
 */
export class StreamSubscription extends ObjectState {
  /** A stream is never behind: what was published meanwhile does not come. */
  isLost = false;

  /** @type {Set<string>} SIDs of own messages whose event has not come */
  #own = new Set();

  /**
   * @param {JsonObject} ok the reply to `open`
   * @param {Options} options
   */
  constructor(ok, { eventQueue }) {
    super("stream", ok, eventQueue);
  }

  /** Members of the `open` that subscribes again, and how to process its reply (rule C11). */
  reopening() {
    const receive = (/** @type {JsonObject} */ ok) => this.openedAgain(ok);
    return { members: { revision: this.current.revision }, receive };
  }

  /** @param {JsonObject} ok the reply to an `open` of a stream that was open already */
  openedAgain(ok) {
    const before = this.current.dateExpires;
    this.replace(ok.stream);
    const { dateExpires, revision } = this.current;
    if (dateExpires === before) return;
    this.order.put(new ExpiryChanged(dateExpires, revision), true);
  }

  /**
   * Process an event of the server.
   *
   * @param {JsonObject} message
   * @param {boolean} mayBeEarly true if it may come before the reply to its write
   */
  take(message, mayBeEarly) {
    if (message.event === "message") {
      this.order.put(StreamMessage.parse(message.message), mayBeEarly);
    } else if (message.event === "missed") {
      this.order.put(new MessagesMissed(message.count), mayBeEarly);
    } else if (message.event === "expiry") {
      const body = message.stream;
      if (Number(checkRevision(body.revision)) <= this.current.order) return;
      this.replace(body);
      this.order.put(new ExpiryChanged(body.date_expires, body.revision), mayBeEarly);
    }
  }

  /** Record that an own message was published. @param {string} sid of the message */
  published(sid) {
    this.#own.add(sid);
    const [oldest] = this.#own;
    if (this.#own.size > OWN_LIMIT) this.#own.delete(oldest);
  }

  /** @internal @protected @override @param {MessagesMissed | StreamMessage | ExpiryChanged} news */
  process(news) {
    const isMessage = news instanceof StreamMessage;
    this.emit(isMessage ? new MessagePublished(news, this.#own.delete(news.sid)) : news);
  }

  /** @internal @protected @override */
  overflowed() {
    // All that waits is dropped; the application learns how much that was.
    let count = 0;
    this.order.drop((news) => {
      if (news instanceof StreamMessage) count += 1;
      else if (news instanceof MessagesMissed) count += news.count;
      return news instanceof Removal;
    });
    this.order.put(new MessagesMissed(count), true);
  }
}
