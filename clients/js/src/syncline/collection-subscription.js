/** State of one open list or map, shared by its handles and replicas, and the order of its events. */

import { EventOrder } from "./event-order.js";
import { Removal } from "./events.js";
import { Header, checkRevision } from "./header.js";
import { Item } from "./item.js";
import { ItemChange, Reset } from "./item-events.js";
import { MutationQueue } from "./mutation-queue.js";
import { ExpiryChanged, ObjectRemoved } from "./object-events.js";
import { Part } from "./part.js";
import { ignore } from "./timing.js";

/** @import { CollectionType } from "./item-types.js" */
/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * Callbacks of one handle, or of one replica.
 *
 * @typedef {object} Listener
 * @property {Part} part it gets only changes of these items
 * @property {(event: any) => void} emit called with each event
 * @property {(error: Error | null) => void} end called when no event follows
 * @property {(revision: string) => void} [reset] called on a reset; default: `emit` is
 * @property {(id: string | number) => Item | null | undefined} [known] returns the newest known
 *   state of an item, null if there is none, undefined if it is not known
 */

/**
 * Changes up to `revision`. `resumedTo`: revision of the collection if they are in a reply to
 * `open`; otherwise 0.
 *
 * @typedef {{ changes: JsonObject[], revision: number, resumedTo: number }} Changes
 */

/**
 * What the client has received of one collection, and what it has announced (rules C23 to C28).
 *
 * `#since` is the revision up to which all changes were announced. A reconnect resumes from it, so
 * an event that waits for a write (rule C13) may come twice: the second one is not newer.
 */
export class CollectionSubscription {
  /** Called when `isLost` becomes true. */
  onLost = ignore;
  /** @type {Set<Listener>} */
  handles = new Set();

  #kind;
  /** @type {EventOrder<Changes | Reset | ExpiryChanged | Removal>} */
  #order;
  #since;
  /** Part that the connection has open, by the last reply to `open`. */
  #part;
  /** True while changes are missing: those that come are skipped until the reply to `open`. */
  #isSkipping = false;
  /** True if a reply to `open` did not say what had changed. */
  #isUncertain = false;
  /** Revision of the collection in the last reply to an `open` that resumed. */
  #resumedTo = 0;
  /** @type {Map<number, ItemChange>} unannounced own writes, by revision */
  #own = new Map();
  #isRemovedHere = false;
  #isRemovalAnnounced = false;
  /** @type {Map<string | number, MutationQueue>} by key: runs the `mutate` calls one at a time */
  #mutations = new Map();

  /**
   * @param {CollectionType} type
   * @param {JsonObject} ok the reply to `open`
   * @param {JsonObject} members of that request
   * @param {Options} options
   */
  constructor(type, ok, members, { eventQueue }) {
    this.#kind = type;
    this.current = Header.of(ok[type.name]);
    this.#since = Number(ok.more_since ?? this.current.revision);
    this.#part = this.#partOf(members);
    const overflow = () => {
      // Which changes were dropped is not known: ask for them again.
      this.#order.drop((news) => news instanceof Removal);
      this.#lose();
    };
    this.#order = new EventOrder(eventQueue, (news) => this.#process(news), overflow);
  }

  get type() {
    return this.#kind.name;
  }

  get sid() {
    return this.current.sid;
  }

  get uniqueName() {
    return this.current.uniqueName;
  }

  /** True once the client knows that the object was removed; may be true before the event. */
  get removed() {
    return this.#isRemovedHere || this.#isRemovalAnnounced;
  }

  /** The revision to resume from (rule C23). */
  get since() {
    return this.#since;
  }

  /** True while there are changes that the client can only get by `open`. */
  get isLost() {
    return this.#isSkipping || this.#isUncertain || !this.#part.contains(this.#wanted());
  }

  /**
   * Members of an `open` for another user of this collection: it resumes, so that those who have it
   * open already miss nothing.
   *
   * @param {Part} part of the new user
   * @returns {JsonObject}
   */
  joining(part) {
    return {
      revision: String(this.#since),
      ...Part.containing([this.#wanted(), part]).members(this.#kind.ids),
    };
  }

  /** Members of the `open` that catches up, and how to process its reply (rule C11). */
  reopening() {
    const members = this.joining(this.#wanted());
    return {
      members,
      receive: (/** @type {JsonObject} */ ok) => this.openedAgain(ok, members),
    };
  }

  /**
   * Process the reply to an `open` of a collection that was open already.
   *
   * @param {JsonObject} ok
   * @param {JsonObject} members of the request
   */
  openedAgain(ok, members) {
    this.#part = this.#partOf(members);
    const header = Header.of(ok[this.type], this.current);
    if (ok.reset || header.order >= this.current.order) this.current = header;
    this.#isUncertain = !ok.reset && !ok.changes;
    if (ok.reset) {
      this.#order.put(new Reset(header.revision), true);
    } else if (ok.changes) {
      const revision = Number(ok.more_since ?? header.revision);
      this.#order.put({ changes: ok.changes, revision, resumedTo: header.order }, true);
    }
  }

  /**
   * Process an event of the server.
   *
   * @param {JsonObject} message
   * @param {boolean} mayBeEarly true if it may come before the reply to its write
   */
  take(message, mayBeEarly) {
    const body = message[this.type];
    const revision = checkRevision(body.revision);
    if (message.event === "reset" || Number(revision) >= this.current.order) {
      this.current = Header.of(body, this.current);
    }
    if (message.event === "items") {
      const { changes, resumed } = message; // `resumed`: over REST, a stream was cut meanwhile
      const resumedTo = Number(resumed ?? 0);
      this.#order.put({ changes, revision: Number(revision), resumedTo }, mayBeEarly);
    } else if (message.event === "reset") {
      this.#order.put(new Reset(revision), mayBeEarly);
    } else if (message.event === "expiry") {
      this.#order.put(new ExpiryChanged(body.date_expires, revision), mayBeEarly);
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

  /**
   * Record that an own write was applied.
   *
   * @param {ItemChange} change its `item` is null if the data is not known
   */
  wrote(change) {
    const isToCome = change.order > this.#since && this.#part.has(change.id);
    if (isToCome) this.#own.set(change.order, change.with({ isLocal: true }));
  }

  /** Make the header in the reply to a write the current one if it is newer. @param {JsonObject} body */
  adopt(body) {
    const header = Header.of(body, this.current);
    if (header.order > this.current.order) this.current = header;
  }

  /** Record that this client removed the object. */
  wroteRemoval() {
    this.#isRemovedHere = true;
  }

  /**
   * The queue for mutations of one item.
   *
   * @param {string | number} id
   */
  mutationsOf(id) {
    for (const [each, queue] of this.#mutations) if (queue.isIdle) this.#mutations.delete(each);
    const queue = this.#mutations.get(id) ?? new MutationQueue("item");
    this.#mutations.set(id, queue);
    return queue;
  }

  /**
   * The newest state of an item that a replica has.
   *
   * @param {string | number} id
   * @returns {Item | null | undefined} null: there is none; undefined: not known
   */
  known(id) {
    for (const { known } of this.handles) {
      const item = known?.(id);
      if (item !== undefined) return item;
    }
    return undefined;
  }

  /**
   * End all handles: no event follows, because of `error` if it is not null.
   *
   * @param {Error | null} error
   */
  end(error) {
    for (const handle of [...this.handles]) handle.end(error);
  }

  #wanted() {
    return Part.containing([...this.handles].map(({ part }) => part));
  }

  /** @param {JsonObject} members */
  #partOf(members) {
    return Part.of(members[this.#kind.ids], members.prefix);
  }

  #lose() {
    this.#isSkipping = true;
    this.onLost();
  }

  /** @param {Changes | Reset | ExpiryChanged | Removal} news */
  #process(news) {
    // A removal may come twice: by its event, and as the 404 to an `open` in flight.
    if (this.#isRemovalAnnounced) return;
    if (news instanceof Removal) this.#announceRemoval(news);
    else if (news instanceof Reset) this.#reset(news);
    else if (news instanceof ExpiryChanged) this.#expire(news);
    else this.#applyAll(news);
  }

  /** @param {Changes} news */
  #applyAll({ changes, revision, resumedTo }) {
    if (this.#isSkipping && resumedTo === 0) return;
    this.#isSkipping = false;
    if (resumedTo > 0) this.#resumedTo = resumedTo;
    for (const body of changes) {
      const order = Number(checkRevision(body.revision));
      if (order <= this.#since) continue; // it came before, in an event or in an earlier reply
      const change = this.#changeIn(body);
      if (change === null) return this.#lose();
      this.#announceOwnBefore(order, change.id);
      const isLocal = this.#own.delete(order);
      this.#announce(change.with({ isLocal }));
    }
    this.#since = Math.max(this.#since, revision);
    this.#announceOvertaken();
  }

  /** @param {JsonObject} body @returns {ItemChange | null} null if its data is not known (rule C15) */
  #changeIn(body) {
    const { kind, revision } = body;
    const id = body[this.#kind.id];
    if (kind === "removed") {
      const previousJson = body.data ? JSON.stringify(body.data) : null;
      return new ItemChange({ kind, id, revision, body, previousJson });
    }
    // The event of an own write may come without data, because the client has it.
    const own = "data" in body ? undefined : this.#own.get(Number(revision));
    const item = Item.parse(body, own?.item?.json);
    return item && new ItemChange({ kind, id, revision, item });
  }

  /** @param {Reset} reset */
  #reset(reset) {
    this.#since = Number(reset.revision);
    this.#isSkipping = false;
    this.#own.clear();
    for (const handle of [...this.handles]) {
      if (handle.reset) handle.reset(reset.revision);
      else handle.emit(reset);
    }
  }

  /** @param {ExpiryChanged} event */
  #expire(event) {
    if (this.#isSkipping || Number(event.revision) <= this.#since) return;
    this.#since = Number(event.revision);
    for (const handle of [...this.handles]) if (!handle.reset) handle.emit(event);
  }

  /** @param {Removal} removal */
  #announceRemoval(removal) {
    for (const own of this.#ownUpTo(Infinity)) this.#announceOwn(own);
    this.#isRemovalAnnounced = true;
    const event = new ObjectRemoved(removal.body, this.#isRemovedHere, this.current.dateExpires);
    for (const handle of [...this.handles]) handle.emit(event);
    this.end(null);
  }

  /**
   * Announce own writes of an item whose events were lost or merged into that of a later revision.
   *
   * @param {number} order
   * @param {string | number} id
   */
  #announceOwnBefore(order, id) {
    for (const own of this.#ownUpTo(order - 1)) if (own.id === id) this.#announceOwn(own);
  }

  /**
   * Announce own writes that are in no reply to an `open` that resumed after them: the item was
   * removed meanwhile, before the server had sent it to this client.
   */
  #announceOvertaken() {
    for (const own of this.#ownUpTo(Math.min(this.#since, this.#resumedTo))) {
      this.#announceOwn(own);
      if (own.item === null) continue;
      const revision = String(this.#since);
      this.#announce(new ItemChange({ kind: "removed", id: own.id, revision, previousJson: own.item.json }));
    }
  }

  /** @param {number} order @returns {ItemChange[]} unannounced own writes, oldest first */
  #ownUpTo(order) {
    const orders = [...this.#own.keys()].filter((each) => each <= order).sort((a, b) => a - b);
    return orders.map((each) => /** @type {ItemChange} */ (this.#own.get(each)));
  }

  /** @param {ItemChange} own */
  #announceOwn(own) {
    this.#own.delete(own.order);
    // Without data there is nothing to announce; the later state includes the write.
    if (own.item !== null || own.kind === "removed") this.#announce(own);
  }

  /** @param {ItemChange} change */
  #announce(change) {
    for (const handle of [...this.handles]) if (handle.part.has(change.id)) handle.emit(change);
  }
}
