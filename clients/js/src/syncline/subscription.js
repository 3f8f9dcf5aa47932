/** State of one open document, shared by its handles, and the order of its events. */

import { Inapplicable, apply } from "./deltas.js";
import { EventOrder } from "./event-order.js";
import { Removal, Removed, Updated } from "./events.js";
import { checkRevision } from "./header.js";
import { Contention } from "./mutation.js";
import { MutationQueue } from "./mutation-queue.js";
import { Snapshot } from "./snapshot.js";
import { ignore } from "./timing.js";

/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * Callbacks of one handle of the document.
 *
 * @typedef {object} Listener
 * @property {(event: Updated | Removed) => void} emit called with each event
 * @property {(error: Error | null) => void} end called when no event follows
 */

/**
 * State of one document: what the client knows, and what it has announced to the handles.
 *
 * The two differ. A reply changes `current` at once; events are announced by the rules C12, C13 and
 * C16 of docs/protocol.md.
 */
export class Subscription {
  type = "document";
  /** Called when `isLost` becomes true. */
  onLost = ignore;
  /** @type {Set<Listener>} */
  handles = new Set();
  /** Runs the `mutate` calls one at a time. */
  mutations = new MutationQueue();
  contention = new Contention();

  /** @type {EventOrder<Snapshot | Removal>} */
  #order;
  /** @type {Snapshot} */
  #announced;
  /** @type {Snapshot} the last state not from the reply to a write: deltas begin there */
  #delivered;
  /** Newest revision whose delta could not be applied. */
  #missed = 0;
  /** @type {Map<number, Snapshot | null>} unannounced own writes, by revision; null: no data */
  #own = new Map();
  #isRemovedHere = false;
  #isRemovalAnnounced = false;

  /**
   * @param {Snapshot} snapshot the state in the reply to `open`
   * @param {number} bound maximum number of events that wait for writes; beyond it the oldest is
   *   dropped
   */
  constructor(snapshot, bound) {
    this.current = snapshot;
    this.#announced = snapshot;
    this.#delivered = snapshot;
    this.#order = new EventOrder(bound, (news) => {
      if (news instanceof Removal) this.#announceRemoval(news);
      else this.#announce(news);
    });
  }

  get sid() {
    return this.current.sid;
  }

  get uniqueName() {
    return this.current.uniqueName;
  }

  /** True once the client knows that the document was removed; may be true before the event. */
  get removed() {
    return this.#isRemovedHere || this.#isRemovalAnnounced;
  }

  /** True while a newer state exists that the client can only get by `open`. */
  get isLost() {
    return this.#missed > this.#delivered.order;
  }

  /**
   * Start with the state in the reply to `open`.
   *
   * @param {JsonObject} ok
   * @param {Options} options
   */
  static open(ok, { eventQueue }) {
    return new Subscription(Snapshot.parse(ok.document), eventQueue);
  }

  /**
   * Make the state in a reply the current one if it is newer.
   *
   * @param {Snapshot} snapshot
   */
  adopt(snapshot) {
    if (snapshot.order > this.current.order) this.current = snapshot;
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

  /**
   * Record that an own write was applied.
   *
   * @param {number} order its revision as a number
   * @param {Snapshot | null} snapshot null if its data is not known
   */
  wrote(order, snapshot) {
    if (order > this.#announced.order) this.#own.set(order, snapshot);
    if (snapshot) this.adopt(snapshot);
  }

  /** Prepare for a new connection. */
  reconnected() {
    this.#order.reconnected();
  }

  /**
   * Go back to an older state if the server's data set went back (rule C14).
   *
   * `before` is the state that was current when the client sent the request whose reply brought
   * `snapshot`. A reply that is only late may be older than `current`, but never older than
   * `before`.
   *
   * @param {Snapshot} snapshot
   * @param {Snapshot} before
   * @returns {boolean} false if the data set did not go back; then nothing has changed
   */
  goBack(snapshot, before) {
    if (snapshot.order >= before.order || this.current.order !== before.order) return false;
    const previous = this.#announced;
    this.current = snapshot;
    this.#announced = snapshot;
    this.#delivered = snapshot;
    this.#missed = 0;
    this.#own.clear();
    // Events of the lost data set are not announced, but the document stays removed.
    this.#order.drop((news) => news instanceof Removal);
    if (!this.#isRemovalAnnounced) this.#emit(new Updated(snapshot, previous, false));
    return true;
  }

  /**
   * Process the newest state, as a reply or a refusal has brought it.
   *
   * It is older than `before` only if the server's data set went back; else it is adopted if it is
   * newer than `current`.
   *
   * @param {Snapshot} snapshot
   * @param {Snapshot} before as in `goBack`
   */
  takeNewest(snapshot, before) {
    if (!this.goBack(snapshot, before)) this.adopt(snapshot);
  }

  /** Record that this client removed the document. */
  wroteRemoval() {
    this.#isRemovedHere = true;
  }

  /**
   * Process the `document` of an `updated` event, which may carry a delta instead of data. If the
   * delta does not apply to the state that the client has, `isLost` becomes true and the caller
   * fetches the whole document.
   *
   * @param {JsonObject} body
   * @param {boolean} mayBeEarly as in `receive`
   */
  update(body, mayBeEarly) {
    try {
      const whole = "data" in body ? body : { ...body, data: this.#dataOf(body) };
      this.receive(Snapshot.parse(whole, this.current), mayBeEarly);
    } catch (error) {
      if (!(error instanceof Inapplicable)) throw error;
      this.#missed = Math.max(this.#missed, Number(body.revision));
      if (this.isLost) this.onLost();
    }
  }

  /**
   * Process a state or removal from the server.
   *
   * @param {Snapshot | Removal} news
   * @param {boolean} mayBeEarly true if it may come before the reply to its write
   */
  receive(news, mayBeEarly) {
    if (news instanceof Snapshot) {
      if (news.order > this.#delivered.order) this.#delivered = news;
      // `>=`: an event replaces the same revision from a REST reply, which has dates in seconds.
      if (news.order >= this.current.order) this.current = news;
    }
    this.#order.put(news, mayBeEarly);
  }

  /**
   * Process an event of the server.
   *
   * @param {JsonObject} message
   * @param {boolean} mayBeEarly as in `receive`
   */
  take(message, mayBeEarly) {
    if (message.event === "updated") this.update(message.document, mayBeEarly);
  }

  /**
   * Process the reply to an `open` of another handle. The server sends no event for the state that
   * it replied with.
   *
   * @param {JsonObject} ok
   */
  openedAgain(ok) {
    this.receive(Snapshot.parse(ok.document), true);
  }

  /** Members of the `open` that catches up, and how to process its reply (rule C11). */
  reopening() {
    const before = this.current;
    return {
      members: { revision: this.isLost ? null : before.revision },
      /** @param {JsonObject} ok */
      receive: (ok) => {
        // A reply without `data` means that the document is at the revision we sent, so the data is
        // that of `before`. `current` may be newer: events came while we waited.
        const snapshot = Snapshot.parse(ok.document, before);
        if (!this.goBack(snapshot, before)) this.receive(snapshot, true);
      },
    };
  }

  /**
   * End all handles: no event follows, because of `error` if it is not null.
   *
   * @param {Error | null} error
   */
  end(error) {
    for (const handle of [...this.handles]) handle.end(error);
  }

  /**
   * Compute the data of an event that does not carry it (section 5, and rule C15).
   *
   * @param {JsonObject} body
   * @returns {JsonObject}
   * @throws {Inapplicable}
   */
  #dataOf(body) {
    const revision = checkRevision(body.revision);
    const isCurrent = this.current.revision === revision;
    // The event of an own write may have neither data nor delta, because the client has the data.
    const known = isCurrent ? this.current : this.#own.get(Number(revision));
    if (known) return known.data;
    if (body.previous_revision !== this.#delivered.revision) {
      throw new Inapplicable("this client does not have the revision before");
    }
    const { data } = this.#delivered;
    apply(data, body.delta);
    return data;
  }

  /** @param {Snapshot} snapshot */
  #announce(snapshot) {
    this.#announceOwnBefore(snapshot.order);
    const isLocal = this.#own.delete(snapshot.order);
    this.#announceState(snapshot, isLocal);
  }

  /**
   * Announce own writes whose events were lost or merged into that of a later revision.
   *
   * @param {number} order
   */
  #announceOwnBefore(order) {
    const earlier = [...this.#own.keys()].filter((own) => own < order).sort((a, b) => a - b);
    for (const own of earlier) {
      const snapshot = this.#own.get(own);
      this.#own.delete(own);
      // Without data there is nothing to announce; the later state includes the write.
      if (snapshot) this.#announceState(snapshot, true);
    }
  }

  /**
   * @param {Snapshot} snapshot
   * @param {boolean} isLocal
   */
  #announceState(snapshot, isLocal) {
    // Not newer: after a reconnect, for example, `open` may return a state announced before.
    if (snapshot.order <= this.#announced.order || this.#isRemovalAnnounced) return;
    const event = new Updated(snapshot, this.#announced, isLocal);
    this.#announced = snapshot;
    this.#emit(event);
  }

  /** @param {Removal} removal */
  #announceRemoval(removal) {
    // A removal may come twice: by its event, and as the 404 to an `open` in flight.
    if (this.#isRemovalAnnounced) return;
    this.#announceOwnBefore(Infinity);
    this.#isRemovalAnnounced = true;
    this.#emit(new Removed(removal.body, this.#announced, this.#isRemovedHere));
    this.end(null);
  }

  /** @param {Updated | Removed} event */
  #emit(event) {
    for (const handle of [...this.handles]) handle.emit(event);
  }
}
