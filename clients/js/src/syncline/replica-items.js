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
   * What a delta of an item begins from.
   *
   * @param {string | number} id
   * @returns {Item | undefined} undefined if there is none, or a reset has made it doubtful
   */
  base(id) {
    return this.#unconfirmed.has(id) ? undefined : this.#items.get(id);
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
    this.#unconfirmed = new Set(this.#items.keys());
    this.#changed.clear();
  }

  /**
   * @param {JsonObject} ok the reply with the page
   * @returns {ItemChange[]}
   */
  page(ok) {
    /** @type {ItemChange[]} */
    const changes = [];
    for (const body of ok.items) {
      const item = Item.parse(body);
      if (item === null) throw new TypeError("an item has no data");
      const change = this.#takeFromPage(item);
      if (change !== null && !this.#isFirstWalk) changes.push(change);
    }
    if (ok.next !== null) return changes;
    const revision = this.#resetAt;
    for (const id of [...this.#unconfirmed].sort(compareKeys)) {
      const previousJson = this.#items.get(id)?.json;
      this.#delete(id);
      changes.push(new ItemChange({ kind: "removed", id, revision, previousJson }));
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
    const had = this.#items.get(id);
    // A page may have overtaken the event.
    if (had && !this.#unconfirmed.has(id) && had.order >= change.order) return null;
    if (!this.isComplete) this.#changed.set(id, change.order);
    this.#unconfirmed.delete(id);
    if (item === null) {
      if (!this.#delete(id) && this.isComplete) return null;
    } else {
      this.#set(item);
    }
    const previousJson = had?.json ?? change.previousJson;
    // A complete replica knows better than the event what is new.
    const kind = item === null || !this.isComplete ? change.kind : had ? "updated" : "added";
    return change.with({ kind, previousJson });
  }

  /** @param {Item} item @returns {ItemChange | null} */
  #takeFromPage(item) {
    const { id, revision } = item;
    const changedAt = this.#changed.get(id);
    // After a reset an event counts more than the pages, whatever the revisions (rule C26).
    if (changedAt !== undefined && (!this.#isFirstWalk || changedAt >= item.order)) return null;
    const had = this.#items.get(id);
    const isNew = !had || this.#unconfirmed.has(id) || had.order < item.order;
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
