/** Items of a replica, and how events and pages change them (docs/protocol.md, C25 to C27). */

import { Item } from "./item.js";
import { ItemChange } from "./item-events.js";
import { compareKeys } from "./part.js";

/** @import { JsonObject } from "./protocol.js" */

/** The items that a replica has. Each method returns the changes to announce. */
export class ReplicaItems {
  /** True once all pages were read; false after a reset, until they were read again. */
  isComplete = false;

  /** @type {Map<string | number, Item>} */
  #items = new Map();
  /** @type {(string | number)[] | null} in order; null if they have changed since */
  #keys = null;
  /** True until all pages were read once: what they bring is not announced. */
  #isFirstWalk = true;
  #resetAt = "0";
  /** Keys that no page and no event has confirmed since a reset. @type {Set<string | number>} */
  #unconfirmed = new Set();
  /**
   * Revisions of what events changed: during the first walk since the page that is being read was
   * asked for, in a later walk since the reset.
   *
   * @type {Map<string | number, number>}
   */
  #changed = new Map();
  /**
   * Revisions of what pages and own writes have brought before their events, also of own removals.
   *
   * @type {Map<string | number, number>}
   */
  #ahead = new Map();
  /**
   * What was announced last of each item of which an own write is shown; null for no item.
   *
   * @type {Map<string | number, Item | null>}
   */
  #announced = new Map();

  get size() {
    return this.#items.size;
  }

  /** @param {string | number} id */
  get(id) {
    return this.#items.get(id);
  }

  /**
   * @param {string | number} id
   * @returns {Item | null | undefined} null: there is none; undefined: not known
   */
  known(id) {
    return this.#items.get(id) ?? (this.isComplete ? null : undefined);
  }

  /**
   * What a delta of an item begins from: its state without own writes whose events are to come.
   *
   * @param {string | number} id
   * @returns {Item | undefined} undefined if there is none, or a reset has made it doubtful
   */
  base(id) {
    if (this.#unconfirmed.has(id)) return undefined;
    return this.#announced.has(id) ? (this.#announced.get(id) ?? undefined) : this.#items.get(id);
  }

  /** The keys in order; the array must not be changed. */
  keys() {
    this.#keys ??= [...this.#items.keys()].sort(compareKeys);
    return this.#keys;
  }

  /** Prepare for a page that is asked for now. */
  ask() {
    // What changed before is in the page. It still counts more than a page after a reset.
    if (this.#isFirstWalk) this.#changed.clear();
  }

  /**
   * Prepare for a walk through all pages: changes are not known one by one.
   *
   * @param {string} revision of the collection
   */
  reset(revision) {
    this.#resetAt = revision;
    this.isComplete = false;
    this.#isFirstWalk = false;
    const announced = [...this.#announced].filter(([, item]) => item !== null).map(([id]) => id);
    this.#unconfirmed = new Set([...this.#items.keys(), ...announced]);
    this.#changed.clear();
    this.#ahead.clear();
  }

  /**
   * @param {JsonObject} ok the reply with the page
   * @param {number} since revision up to which all changes have come
   * @returns {ItemChange[]}
   */
  page(ok, since) {
    /** @type {ItemChange[]} */
    const changes = [];
    for (const item of itemsIn(ok)) {
      const changedAt = this.#changed.get(item.id);
      // After a reset an event counts more than the pages, whatever the revisions (rule C26).
      if (changedAt !== undefined && (!this.#isFirstWalk || changedAt >= item.order)) {
        const isBefore = this.#isFirstWalk && this.#announced.get(item.id) === null;
        if (isBefore) this.#announced.set(item.id, item); // the state before an own write
        continue;
      }
      const change = this.#readOne(item, since);
      if (change !== null && !this.#isFirstWalk) changes.push(change);
    }
    if (ok.next !== null) return changes;
    const revision = this.#resetAt;
    for (const id of [...this.#unconfirmed].sort(compareKeys)) {
      const known = this.#knownOf(id);
      this.#announced.delete(id);
      this.#delete(id);
      if (!known) continue;
      changes.push(new ItemChange({ kind: "removed", id, revision, previousJson: known.json }));
    }
    for (const id of [...this.#announced.keys()]) {
      if (!this.#ahead.has(id)) this.#announced.delete(id);
    }
    this.#unconfirmed.clear();
    this.#changed.clear();
    this.isComplete = true;
    this.#isFirstWalk = false;
    return changes;
  }

  /**
   * @param {ItemChange} change
   * @returns {ItemChange | null} null if it changes nothing
   */
  apply(change) {
    const { id, item } = change;
    // An own write may be shown already: what counts here is what was announced.
    const isShown = this.#announced.has(id);
    const had = this.#knownOf(id);
    // A page may have overtaken the event.
    if (had && !this.#unconfirmed.has(id) && had.order >= change.order) return null;
    if (isShown && change.order < (this.#ahead.get(id) ?? 0)) {
      this.#announced.set(id, item);
      return this.#difference(change, had);
    }
    this.#announced.delete(id);
    if (!this.isComplete) this.#changed.set(id, change.order);
    this.#unconfirmed.delete(id);
    if (item === null) this.#delete(id);
    else this.#set(item);
    return this.#difference(change, had);
  }

  /**
   * Show an own write, which is announced in its turn (rule C30).
   *
   * @param {ItemChange} change
   */
  show({ id, item, order }) {
    const had = this.#items.get(id);
    const newest = had && !this.#unconfirmed.has(id) ? had.order : 0;
    if (order <= Math.max(newest, this.#ahead.get(id) ?? 0, this.#changed.get(id) ?? 0)) return;
    if (!this.#announced.has(id)) this.#announced.set(id, had ?? null);
    this.#ahead.set(id, order);
    if (!this.isComplete) this.#changed.set(id, order);
    this.#unconfirmed.delete(id);
    if (item === null) this.#delete(id);
    else this.#set(item);
  }

  /**
   * Show items that were read because this client wrote them.
   *
   * @param {JsonObject} ok the reply with the items
   * @param {number} since as for `page`
   */
  showWritten(ok, since) {
    for (const item of itemsIn(ok)) {
      const { id, revision, order } = item;
      if (order > since) this.show(new ItemChange({ kind: "updated", id, revision, item }));
    }
  }

  /**
   * Process that a message has named items.
   *
   * @param {Map<string | number, number>} orders revisions of the changes by key
   * @param {number | null} completeTo revision up to which the server has replayed all changes since
   *   a break. It does not tell that an item was removed that it thinks the client never received:
   *   one that a page or an own write has brought before the events
   * @returns {ItemChange[]}
   */
  confirm(orders, completeTo) {
    for (const [id, order] of orders) {
      if (order >= (this.#ahead.get(id) ?? order)) this.#ahead.delete(id);
    }
    if (completeTo === null) return [];
    const lost = [...this.#ahead].filter(([, order]) => order <= completeTo).map(([id]) => id);
    return lost.map((id) => this.#lose(id, completeTo)).filter((each) => each !== null);
  }

  /**
   * Items that are ahead, whose changes should have come by now. The server does not tell a slow
   * client that an item was removed that it thinks the client never received.
   *
   * @param {number} since as for `page`
   * @returns {(string | number)[]} in order
   */
  suspects(since) {
    const late = [...this.#ahead].filter(([, order]) => order <= since).map(([id]) => id);
    for (const id of late) {
      if (this.#items.has(id) || this.#announced.get(id)) continue;
      // An own removal of an item that was never announced: no event follows.
      this.#ahead.delete(id);
      this.#announced.delete(id);
    }
    return late.filter((id) => this.#items.has(id)).sort(compareKeys);
  }

  /**
   * Process a page of suspects.
   *
   * @param {(string | number)[]} asked
   * @param {JsonObject} ok the reply with those that there are
   * @param {number} since as for `page`
   * @returns {ItemChange[]}
   */
  settle(asked, ok, since) {
    const there = new Map(itemsIn(ok).map((item) => [item.id, item]));
    /** @type {(ItemChange | null)[]} */
    const changes = [];
    for (const id of asked) {
      const had = this.#items.get(id);
      // An event has named it meanwhile, or this client has written it.
      if (!had || (this.#ahead.get(id) ?? Infinity) > since) continue;
      const item = there.get(id);
      if (!item) {
        changes.push(this.#lose(id, since));
      } else if (item.order > since) {
        this.#ahead.set(id, item.order); // its event is still to come
      } else {
        this.#ahead.delete(id);
        if (item.order > had.order) changes.push(this.#readOne(item, since));
      }
    }
    return changes.filter((each) => each !== null);
  }

  /** The state that was announced last, if there is one. @param {string | number} id */
  #knownOf(id) {
    return (this.#announced.has(id) ? this.#announced.get(id) : this.#items.get(id)) ?? null;
  }

  /**
   * The announcement of a change.
   *
   * @param {ItemChange} change
   * @param {Item | null} had the state before
   * @returns {ItemChange | null} null if there is nothing to announce
   */
  #difference(change, had) {
    if (change.item === null && !had && this.isComplete) return null;
    const previousJson = had?.json ?? change.previousJson;
    // A complete replica knows better than the event what is new.
    const isAsGiven = change.item === null || !this.isComplete;
    return change.with({ kind: isAsGiven ? change.kind : had ? "updated" : "added", previousJson });
  }

  /**
   * Process that an item that was ahead is gone, at the revision `order` or before.
   *
   * @param {string | number} id
   * @param {number} order
   * @returns {ItemChange | null}
   */
  #lose(id, order) {
    const revision = String(Math.max(order, (this.#ahead.get(id) ?? 0) + 1));
    this.#ahead.delete(id);
    return this.apply(new ItemChange({ kind: "removed", id, revision }));
  }

  /**
   * @param {Item} item
   * @param {number} since as for `page`
   * @returns {ItemChange | null} null if it changes nothing
   */
  #readOne(item, since) {
    const { id, revision } = item;
    if (item.order > since) this.#ahead.set(id, item.order); // its event is still to come
    const shown = this.#items.get(id);
    const had = this.#knownOf(id);
    this.#announced.delete(id);
    const isNew = !shown || this.#unconfirmed.has(id) || shown.order < item.order;
    this.#unconfirmed.delete(id);
    if (isNew) this.#set(item);
    if (had?.revision === revision) return null;
    const kind = had ? "updated" : "added";
    return new ItemChange({ kind, id, revision, item, previousJson: had?.json });
  }

  /** @param {Item} item */
  #set(item) {
    if (!this.#items.has(item.id)) this.#keys = null;
    this.#items.set(item.id, item);
  }

  /** @param {string | number} id */
  #delete(id) {
    const isThere = this.#items.delete(id);
    if (isThere) this.#keys = null;
    return isThere;
  }
}

/** @param {JsonObject} ok @returns {Item[]} */
function itemsIn(ok) {
  return ok.items.map((/** @type {JsonObject} */ body) => {
    const item = Item.parse(body);
    if (item === null) throw new TypeError("an item has no data");
    return item;
  });
}
