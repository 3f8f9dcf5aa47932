/** One open document: what it is, and what its handles know of it. */

import { Inapplicable, apply } from "./deltas.js";
import { Removed, Updated } from "./events.js";
import { MutationQueue } from "./mutation-queue.js";
import { Snapshot, checkRevision } from "./snapshot.js";

/** @import { JsonObject } from "./protocol.js" */

/** The end of a document; `body` is the event's, empty if the document was only found missing. */
export class Removal {
  /** @param {JsonObject} [body] */
  constructor(body = {}) {
    this.body = body;
  }
}

/**
 * Whoever is told of a subscription: one handle of the document.
 *
 * @typedef {object} Listener
 * @property {(event: Updated | Removed) => void} tell
 * @property {(error: Error | null) => void} end no event follows
 */

/**
 * What the client knows of one open document, shared by its handles, and what it has told of it.
 *
 * The two differ: a reply tells at once what the document is (`current`), but events are told in
 * the order of their revisions, each own write once as `isLocal`. Hence three rules:
 *
 * - An own write is announced when its event comes; or, if the event was lost in a break or joined
 *   with a later one, just before the next later state.
 * - Where events can overtake replies (the fallback, and the state after a break), one waits until
 *   the writes that were under way when it came are settled: it may be theirs.
 * - What is not newer than the last announcement is not told again.
 */
export class Subscription {
  /** @type {Set<Listener>} */
  handles = new Set();
  /** The calls of `mutate`, one at a time. */
  mutations = new MutationQueue();

  #bound;
  /** @type {Snapshot} */
  #announced;
  /** @type {Snapshot} the last by the server itself, not by a write's reply: deltas begin there */
  #told;
  /** The newest revision whose event could not be understood. */
  #missed = 0;
  /** @type {Map<number, Snapshot | null>} own writes to announce, by revision; null: no data */
  #own = new Map();
  #isRemovedHere = false;
  #isRemovalTold = false;
  #lastTicket = 0;
  /** @type {Set<number>} */
  #underWay = new Set();
  /** The last write that may have been sent on an earlier connection. */
  #lastCarriedOver = 0;
  /** @type {{ ticket: number, news: Snapshot | Removal }[]} */
  #waiting = [];

  /**
   * @param {Snapshot} snapshot the state that the reply to `open` told
   * @param {number} bound events that may wait for writes; beyond, the oldest state gives way
   */
  constructor(snapshot, bound) {
    this.current = snapshot;
    this.#announced = snapshot;
    this.#told = snapshot;
    this.#bound = bound;
  }

  get sid() {
    return this.current.sid;
  }

  /** True once the document is known to be gone; after an own removal, before that is told. */
  get removed() {
    return this.#isRemovedHere || this.#isRemovalTold;
  }

  /** True while there is a newer state that only a reply to `open` can tell. */
  get isLost() {
    return this.#missed > this.#told.order;
  }

  /**
   * Take a state that a reply told, if it is newer.
   *
   * @param {Snapshot} snapshot
   */
  adopt(snapshot) {
    if (snapshot.order > this.current.order) this.current = snapshot;
  }

  /**
   * Surrounds each own write, from before it is sent until its reply is taken.
   *
   * @template T
   * @param {() => Promise<T>} write
   */
  async writing(write) {
    this.#lastTicket += 1;
    const ticket = this.#lastTicket;
    this.#underWay.add(ticket);
    try {
      return await write();
    } finally {
      this.#underWay.delete(ticket);
      this.#release();
    }
  }

  /**
   * An own write was applied.
   *
   * @param {number} order of its revision
   * @param {Snapshot | null} snapshot null if its data is not known
   */
  wrote(order, snapshot) {
    if (order > this.#announced.order) this.#own.set(order, snapshot);
    if (snapshot) this.adopt(snapshot);
  }

  /**
   * There is another connection. Writes that are under way may have been sent on the one before,
   * and be applied at any moment: on this one their events can come before their replies.
   */
  reconnected() {
    this.#lastCarriedOver = this.#lastTicket;
  }

  /**
   * Take an older state than the one held, which the server says is the newest: its data set was
   * restored from a backup, or lost writes in a failover. Without this the client would stay at a
   * revision that no longer exists.
   *
   * @param {Snapshot} snapshot
   */
  restore(snapshot) {
    const previous = this.#announced;
    this.current = snapshot;
    this.#announced = snapshot;
    this.#told = snapshot;
    this.#missed = 0;
    this.#own.clear();
    this.#waiting.length = 0;
    this.#emit(new Updated(snapshot, previous, false));
  }

  /** An own removal was carried out. */
  wroteRemoval() {
    this.#isRemovedHere = true;
  }

  /**
   * Take the `document` of an `updated` event, which may tell only what has changed. If it tells
   * nothing because another state is held than it begins from, the subscription is lost.
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
    }
  }

  /**
   * Take news of the server.
   *
   * @param {Snapshot | Removal} news
   * @param {boolean} mayBeEarly true if it can have overtaken the reply to a write
   */
  receive(news, mayBeEarly) {
    if (news instanceof Snapshot) {
      this.adopt(news);
      if (news.order > this.#told.order) this.#told = news;
    }
    this.#waiting.push({ ticket: mayBeEarly ? this.#lastTicket : this.#lastCarriedOver, news });
    if (this.#waiting.length > this.#bound) this.#waiting.shift();
    this.#release();
  }

  /**
   * No news will come; tell the handles why.
   *
   * @param {Error | null} error
   */
  end(error) {
    for (const handle of [...this.handles]) handle.end(error);
  }

  /**
   * The data that an event without it means (docs/protocol.md, section 5).
   *
   * @param {JsonObject} body
   * @returns {JsonObject}
   * @throws {Inapplicable}
   */
  #dataOf(body) {
    const revision = checkRevision(body.revision);
    const isCurrent = this.current.revision === revision;
    const known = isCurrent ? this.current : this.#own.get(Number(revision));
    if (known) return known.data;
    if (body.previous_revision !== this.#told.revision) {
      throw new Inapplicable("it is not held at the revision before");
    }
    const { data } = this.#told;
    apply(data, body.delta);
    return data;
  }

  #release() {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { ticket, news } = next;
      for (const write of this.#underWay) if (write <= ticket) return;
      this.#waiting.shift();
      if (news instanceof Removal) this.#announceRemoval(news);
      else this.#announce(news);
    }
  }

  /** @param {Snapshot} snapshot */
  #announce(snapshot) {
    this.#announceOwnBefore(snapshot.order);
    const isLocal = this.#own.delete(snapshot.order);
    this.#tell(snapshot, isLocal);
  }

  /** @param {number} order */
  #announceOwnBefore(order) {
    const earlier = [...this.#own.keys()].filter((own) => own < order).sort((a, b) => a - b);
    for (const own of earlier) {
      const snapshot = this.#own.get(own);
      this.#own.delete(own);
      if (snapshot) this.#tell(snapshot, true);
    }
  }

  /**
   * @param {Snapshot} snapshot
   * @param {boolean} isLocal
   */
  #tell(snapshot, isLocal) {
    if (snapshot.order <= this.#announced.order) return;
    const event = new Updated(snapshot, this.#announced, isLocal);
    this.#announced = snapshot;
    this.#emit(event);
  }

  /** @param {Removal} removal */
  #announceRemoval(removal) {
    if (this.#isRemovalTold) return;
    this.#announceOwnBefore(Infinity);
    this.#isRemovalTold = true;
    this.#emit(new Removed(removal.body, this.#announced, this.#isRemovedHere));
    this.end(null);
  }

  /** @param {Updated | Removed} event */
  #emit(event) {
    for (const handle of [...this.handles]) handle.tell(event);
  }
}
