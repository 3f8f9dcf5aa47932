/** State of one open list or map, and the order of its events. */

import { Inapplicable } from "./deltas.js";
import { Removal } from "./events.js";
import { Header, checkRevision } from "./header.js";
import { Item } from "./item.js";
import { ItemChange, Reset } from "./item-events.js";
import { jsonOfDelta } from "./item-deltas.js";
import { MutationQueue } from "./mutation-queue.js";
import { ExpiryChanged } from "./object-events.js";
import { ObjectState } from "./object-state.js";
import { OwnWrites } from "./own-writes.js";
import { Part } from "./part.js";

/** @import { Listener, ReplicaListener } from "./collection-listener.js" */
/** @import { CollectionType } from "./item-types.js" */
/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * Changes up to `revision`. `resumedTo`: revision of the collection if they are in a reply to
 * `open`; otherwise 0. `dateExpires`: expiry of the collection, which a write of an item may have
 * set; undefined if the message does not have it.
 *
 * @typedef {{
 *   changes: JsonObject[], revision: number, resumedTo: number, dateExpires?: string | null,
 * }} Changes
 */

/**
 * What the client has received of one collection, and what it has announced (rules C23 to C28).
 *
 * `#since` is the revision up to which all changes were announced. A reconnect resumes from it, so
 * an event that waits for a write (rule C13) may come twice: the second one is not newer.
 *
 * @extends {ObjectState<Changes | Reset | ExpiryChanged, Listener>}
 */
export class CollectionSubscription extends ObjectState {
  #kind;
  #since;
  /** Part that the connection has open, by the last reply to `open`. */
  #part;
  #hasDeltas;
  /** True while changes are missing: those that come are skipped until the reply to `open`. */
  #isSkipping = false;
  /** True if a reply to `open` did not say what had changed. */
  #isUncertain = false;
  /** Revision up to which changes come because of a break; 0 if there are none. */
  #resumedTo = 0;
  /** @type {string | null} */
  #announcedExpiry;
  #own = new OwnWrites();
  /** @type {Map<string | number, MutationQueue>} by key: runs the `mutate` calls one at a time */
  #mutations = new Map();

  /**
   * @param {CollectionType} type
   * @param {JsonObject} ok the reply to `open`
   * @param {JsonObject} members of that request
   * @param {Options} options
   */
  constructor(type, ok, members, { eventQueue }) {
    super(type.name, ok, eventQueue);
    this.#kind = type;
    this.#since = Number(ok.more_since ?? this.current.revision);
    this.#part = this.#partOf(members);
    this.#hasDeltas = members.deltas === true;
    this.#announcedExpiry = this.current.dateExpires;
  }

  /** The revision to resume from (rule C23). */
  get since() {
    return this.#since;
  }

  /** True while there are changes that the client can only get by `open`. */
  get isLost() {
    return this.#isSkipping || !this.#isComplete;
  }

  /**
   * True if the collection is open without deltas, and a replica of `part` could use them.
   *
   * @param {Part} part
   */
  couldUseDeltas(part) {
    return !this.#hasDeltas && part.contains(this.#wanted());
  }

  /** True if events bring all changes that the handles are interested in. */
  get #isComplete() {
    if (this.#isUncertain) return false;
    return this.#part.isWhole || [...this.handles].every(({ part }) => this.#part.contains(part));
  }

  /**
   * Members of an `open` for another user of this collection: it resumes, so that those who have it
   * open already miss nothing.
   *
   * @param {Part} part of the new user
   * @returns {JsonObject}
   */
  joining(part) {
    const all = Part.containing([this.#wanted(), part]);
    const deltas = this.#replicaOf(all) ? { deltas: true } : {};
    return { revision: String(this.#since), ...deltas, ...all.members(this.#kind.ids) };
  }

  /** Members of the `open` that catches up, and how to process its reply (rule C11). */
  reopening() {
    const members = this.joining(this.#wanted());
    const receive = (/** @type {JsonObject} */ ok) => this.openedAgain(ok, members);
    return { members, receive };
  }

  /**
   * Process the reply to an `open` of a collection that was open already.
   *
   * @param {JsonObject} ok
   * @param {JsonObject} members of the request
   */
  openedAgain(ok, members) {
    this.#part = this.#partOf(members);
    this.#hasDeltas = members.deltas === true;
    const header = Header.of(ok[this.type], this.current);
    // A reset may go back to an older revision (rule C14).
    if (ok.reset || header.order >= this.current.order) this.replace(ok[this.type]);
    this.#isUncertain = !ok.reset && !ok.changes;
    if (ok.reset) {
      this.order.put(new Reset(header.revision), true);
    } else if (ok.changes) {
      const { changes, more_since: more } = ok;
      const { dateExpires, order: resumedTo } = header;
      const revision = Number(more ?? header.revision);
      this.order.put({ changes, revision, resumedTo, dateExpires }, true);
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
      this.replace(body);
    }
    // Without the changes of the other items, their revisions must not count: `open` brings all.
    if (message.event !== "reset" && !this.#isComplete) return;
    if (message.event === "items") {
      const { changes, resumed } = message; // `resumed`: over REST, a stream was cut meanwhile
      const resumedTo = Number(resumed ?? 0);
      const { date_expires: dateExpires } = body;
      const news = { changes, revision: Number(revision), resumedTo, dateExpires };
      this.order.put(news, mayBeEarly);
    } else if (message.event === "reset") {
      this.order.put(new Reset(revision), mayBeEarly);
    } else if (message.event === "expiry") {
      this.order.put(new ExpiryChanged(body.date_expires, revision), mayBeEarly);
    }
  }

  /**
   * Record that an own write was applied; replicas show it (rule C30).
   *
   * @param {ItemChange} change its `item` is null if the data is not known
   */
  wrote(change) {
    if (change.order <= this.#since) return;
    if (this.#part.has(change.id)) this.#own.add(change);
    if (change.item === null && change.kind !== "removed") return;
    const own = change.with({ isLocal: true });
    for (const replica of this.#replicasOf(change.id)) replica.show(own);
  }

  /**
   * Let the replicas read own writes whose data was not in the reply (rule C30).
   *
   * @param {(string | number)[]} ids
   */
  async readWritten(ids) {
    /** @type {Map<ReplicaListener, (string | number)[]>} */
    const wanted = new Map();
    for (const id of ids) {
      for (const each of this.#replicasOf(id)) wanted.set(each, [...(wanted.get(each) ?? []), id]);
    }
    await Promise.all([...wanted].map(([replica, ofReplica]) => replica.readWritten(ofReplica)));
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

  /** @internal @protected @override @param {Changes | Reset | ExpiryChanged} news */
  process(news) {
    if (news instanceof Reset) this.#reset(news);
    else if (news instanceof ExpiryChanged) this.#expire(news);
    else this.#applyAll(news);
  }

  /** @internal @protected @override */
  finish() {
    for (const own of this.#own.takeUpTo(Infinity)) this.#announce(own);
  }

  /** @internal @protected @override */
  overflowed() {
    // Which changes are dropped is not known: ask for them again.
    this.order.drop((news) => news instanceof Removal);
    this.#lose();
  }

  /**
   * A replica that keeps all items of a part (rule C33).
   *
   * @param {Part} part
   */
  #replicaOf(part) {
    return [...this.handles].find((each) => each.base && each.part.contains(part));
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

  /** @param {Changes} news */
  #applyAll({ changes, revision, resumedTo, dateExpires }) {
    if (this.#isSkipping && resumedTo === 0) return;
    this.#isSkipping = false;
    if (resumedTo > 0) this.#resumedTo = resumedTo;
    /** @type {Map<string | number, number>} */
    const orders = new Map();
    for (const body of changes) {
      orders.set(body[this.#kind.id], Number(checkRevision(body.revision)));
    }
    // What is not newer came before, in an event or in an earlier reply.
    const parsed = this.#changesIn(changes.filter((each) => Number(each.revision) > this.#since));
    if (parsed === null) return this.#lose();
    for (const change of parsed) {
      const { order } = change;
      // Own writes of this item whose events were lost or merged into that of a later revision.
      for (const own of this.#own.takeUpTo(order - 1, change.id)) this.#announce(own);
      this.#announce(change.with({ isLocal: this.#own.delete(order) }));
    }
    this.#since = Math.max(this.#since, revision);
    // Until all portions have come, an item that none has named may come in the next one.
    const isReplayed = this.#resumedTo > 0 && this.#since >= this.#resumedTo;
    const completeTo = isReplayed ? this.#resumedTo : null;
    if (completeTo !== null) this.#announceOvertaken(completeTo);
    for (const { replica } of [...this.handles]) replica?.confirm(orders, completeTo);
    if (dateExpires === undefined) return;
    this.#expire(new ExpiryChanged(dateExpires, String(revision)));
  }

  /**
   * @param {JsonObject[]} bodies
   * @returns {ItemChange[] | null} without those that a page has overtaken; null if the data of one
   *   is not known (rules C15 and C33)
   */
  #changesIn(bodies) {
    const parsed = [];
    try {
      for (const body of bodies) {
        const change = this.#changeIn(body);
        if (change === null) return null;
        if (change !== undefined) parsed.push(change);
      }
    } catch (error) {
      if (error instanceof Inapplicable) return null;
      throw error;
    }
    return parsed;
  }

  /**
   * @param {JsonObject} body
   * @returns {ItemChange | null | undefined} null if its data is not known; undefined if a page has
   *   overtaken it
   * @throws {Inapplicable}
   */
  #changeIn(body) {
    const { kind, revision } = body;
    const id = body[this.#kind.id];
    if (kind === "removed") {
      const previousJson = body.data ? JSON.stringify(body.data) : null;
      return new ItemChange({ kind, id, revision, body, previousJson });
    }
    // The event of an own write may come without data, because the client has it.
    let json = "data" in body ? undefined : this.#own.jsonOf(Number(revision));
    if (json === undefined && body.delta) {
      const made = jsonOfDelta(body, this.#replicaOf(this.#wanted())?.base?.(id));
      if (made === null) return undefined;
      json = made;
    }
    const item = Item.parse(body, json);
    return item && new ItemChange({ kind, id, revision, item });
  }

  /** @param {Reset} reset */
  #reset(reset) {
    this.#since = Number(reset.revision);
    this.#isSkipping = false;
    this.#resumedTo = 0;
    this.#own.clear();
    for (const handle of [...this.handles]) {
      if (handle.reset) handle.reset(reset.revision);
      else handle.emit(reset);
    }
  }

  /** @param {ExpiryChanged} event */
  #expire(event) {
    const order = Number(event.revision);
    if (this.#isSkipping || order < this.#since) return;
    this.#since = order;
    if (isSameExpiry(event.dateExpires, this.#announcedExpiry)) return;
    this.#announcedExpiry = event.dateExpires;
    // A replica has the items only.
    for (const handle of [...this.handles]) if (!handle.reset) handle.emit(event);
  }

  /**
   * Announce own writes that are in no reply to an `open` that resumed after them: the item was
   * removed meanwhile, before the server had sent it to this client.
   *
   * @param {number} completeTo revision up to which all changes have come
   */
  #announceOvertaken(completeTo) {
    this.#resumedTo = 0;
    const revision = String(this.#since);
    for (const own of this.#own.takeUpTo(completeTo)) {
      this.#announce(own);
      if (own.item === null) continue;
      const previousJson = own.item.json;
      this.#announce(new ItemChange({ kind: "removed", id: own.id, revision, previousJson }));
    }
  }

  /** @param {string | number} id */
  #replicasOf(id) {
    return [...this.handles].flatMap(({ part, replica }) => (replica && part.has(id) ? [replica] : []));
  }

  /** @param {ItemChange} change */
  #announce(change) {
    for (const handle of [...this.handles]) if (handle.part.has(change.id)) handle.emit(change);
  }
}

/**
 * REST has no fractions of a second.
 *
 * @param {string | null} left
 * @param {string | null} right
 */
function isSameExpiry(left, right) {
  return secondsOf(left) === secondsOf(right);
}

/** @param {string | null} date */
function secondsOf(date) {
  return date === null ? null : Math.floor(Date.parse(date) / 1000);
}
