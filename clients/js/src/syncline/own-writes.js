/** Own writes of items that are not announced yet (docs/protocol.md, rule C24). */

/** @import { ItemChange } from "./item-events.js" */

/** Own writes of one collection that wait for their events; beyond it the oldest is forgotten. */
const OWN_LIMIT = 1_024;

/** The own writes of one collection, from their replies to their events. */
export class OwnWrites {
  /** @type {Map<number, ItemChange>} by revision */
  #changes = new Map();

  /** @param {ItemChange} change its `item` is null if the data is not known */
  add(change) {
    this.#changes.set(change.order, change.with({ isLocal: true }));
    const [oldest] = this.#changes.keys();
    if (this.#changes.size > OWN_LIMIT) this.#changes.delete(oldest);
  }

  /** The data of an own write; undefined if it is not known. @param {number} order */
  jsonOf(order) {
    return this.#changes.get(order)?.item?.json;
  }

  /** Forget a write. @param {number} order @returns {boolean} false if it was not an own one */
  delete(order) {
    return this.#changes.delete(order);
  }

  /**
   * Forget the writes up to a revision.
   *
   * @param {number} order
   * @param {string | number} [id] default: of all items
   * @returns {ItemChange[]} those that can be announced, oldest first. Without its data a write
   *   cannot; the later state includes it
   */
  takeUpTo(order, id) {
    const taken = [...this.#changes.values()]
      .filter((change) => change.order <= order && (id === undefined || change.id === id))
      .sort((left, right) => left.order - right.order);
    for (const change of taken) this.#changes.delete(change.order);
    return taken.filter(({ kind, item }) => item !== null || kind === "removed");
  }

  clear() {
    this.#changes.clear();
  }
}
