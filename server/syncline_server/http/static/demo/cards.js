/** The cards of the open map, as this pane shows them, and the writes to them. */

import { COLUMNS, KEYS, SAMPLES, cleanText, compareCards, placeBetween, readCard } from "./card.js";
import { untilShown } from "./own-event.js";

/** Code of the refusal to add an item whose key exists. */
const KEY_EXISTS = 54208;

/** Code of the refusal to change an item that does not exist. */
const NO_ITEM = 54201;

/**
 * A write shows at once, before the server has it; `mutate` applies it to the newest data, so that a
 * move and an edit of one card by two windows both count.
 */
export class Cards {
  #map;
  #replica;
  #onChange;
  #sent;
  /** What this window writes, by key, over what the replica has; null for a removal. */
  #pending = new Map();

  /**
   * @param {import("/syncline.js").SyncMap} map
   * @param {import("/syncline.js").Replica} replica
   * @param {{ onChange: () => void, sent: import("./pane.js").PaneContext["sent"] }} listeners
   *   `onChange` is called whenever `list` changes by a write of this pane
   */
  constructor(map, replica, { onChange, sent }) {
    this.#map = map;
    this.#replica = replica;
    this.#onChange = onChange;
    this.#sent = sent;
  }

  /** Cards whose writes wait for their replies. */
  get waiting() {
    return this.#pending.size;
  }

  /** @returns {import("./card.js").Card[]} in the order of the columns' cards */
  list() {
    const cards = KEYS.map((key) => this.get(key));
    return cards.filter((card) => card !== undefined).sort(compareCards);
  }

  /** @param {string} key @returns {import("./card.js").Card | undefined} */
  get(key) {
    const item = this.#replica.get(key);
    const pending = this.#pending.get(key);
    if (pending === null || (!item && !pending?.text)) return undefined;
    return readCard(key, { ...item?.data, ...pending }, item?.updatedBy ?? null, pending !== undefined);
  }

  /** @param {string} column */
  in(column) {
    return this.list().filter((card) => card.column === column);
  }

  /** Fill a new map; several windows may do so at once, and one succeeds. */
  async addSamples() {
    const isNew = this.#map.dateUpdated.getTime() === this.#map.dateCreated.getTime();
    if (!isNew || this.#replica.size > 0) return;
    const add = (batch) => SAMPLES.forEach((data, place) => batch.add(KEYS[place], data));
    await this.#map.batch(add).catch((error) => ignoreCode(error, KEY_EXISTS));
  }

  /**
   * Add a card to the end of the first column.
   *
   * @param {string} text
   * @throws {Error} there is no room
   */
  async add(text) {
    const [column] = Object.keys(COLUMNS);
    const place = placeBetween(this.in(column).at(-1), undefined) ?? 0;
    const data = { text: cleanText(text), column, place };
    const taken = new Set();
    for (;;) {
      const key = this.#freeKey(taken);
      try {
        await this.#write(key, data, () => this.#map.add(key, data));
        return;
      } catch (error) {
        // Another window was first, and its card may be on the way to this one.
        ignoreCode(error, KEY_EXISTS);
        taken.add(key);
      }
    }
  }

  /**
   * Move a card.
   *
   * @param {string} key
   * @param {string} column
   * @param {string | null} beforeKey the card that it is put before; null: to the end
   */
  async move(key, column, beforeKey) {
    const others = this.in(column).filter((card) => card.key !== key);
    const found = others.findIndex((card) => card.key === beforeKey);
    const at = found < 0 ? others.length : found;
    const place = placeBetween(others[at - 1], others[at]);
    if (place !== null) return this.#change(key, { column, place });
    // No number is left between the neighbours: give the whole column new places.
    const keys = others.map((card) => card.key).toSpliced(at, 0, key);
    await Promise.all(keys.map((each, next) => this.#change(each, { column, place: next })));
  }

  /**
   * Change the text of a card, unless another writer has changed it since `basis` was read.
   *
   * @param {string} key
   * @param {import("./card.js").Card | undefined} basis undefined: the card did not exist
   * @param {string} text
   * @returns {Promise<import("./card-dialog.js").Rival | null>} null if it was written
   */
  async edit(key, basis, text) {
    let rival = null;
    const mutate = (data) => {
      const card = this.#exists(key, data) ? readCard(key, data, null, false) : undefined;
      rival = card?.text === basis?.text ? null : { card };
      // The card of `basis` gives the place to one that was removed.
      return rival ? null : { column: basis?.column, place: basis?.place, ...data, text };
    };
    try {
      const item = await this.#write(key, { text }, () => this.#map.mutate(key, mutate));
      return rival && { card: readCard(key, item.data, item.updatedBy, false) };
    } catch (error) {
      if (rival === null) throw error;
      ignoreCode(error, NO_ITEM);
      return rival;
    }
  }

  /** @param {string} key */
  async remove(key) {
    const remove = () => this.#map.remove(key);
    await this.#write(key, null, remove).catch((error) => ignoreCode(error, NO_ITEM));
  }

  /** Change a card that exists: a card that another window removed stays removed. */
  async #change(key, changes) {
    const mutate = (data) => (this.#exists(key, data) ? { ...data, ...changes } : null);
    const write = () => this.#map.mutate(key, mutate);
    await this.#write(key, changes, write).catch((error) => ignoreCode(error, NO_ITEM));
  }

  /**
   * @param {string} key
   * @param {any} data as a mutator gets it: empty if there is no item, or if its data is empty
   */
  #exists(key, data) {
    const isEmpty = (each) => each !== undefined && Object.keys(each).length === 0;
    return !isEmpty(data) || isEmpty(this.#replica.get(key)?.data);
  }

  async #write(key, shown, send) {
    const pending = shown && { ...this.#pending.get(key), ...shown };
    this.#pending.set(key, pending);
    this.#onChange();
    try {
      const start = performance.now();
      const item = await send();
      if (item) this.#sent(item.revision, start);
      await untilShown(this.#replica, key, item);
      return item;
    } finally {
      // A later write to this card may be under way.
      if (this.#pending.get(key) === pending) this.#pending.delete(key);
      this.#onChange();
    }
  }

  /** Random, so that windows that add at the same time seldom choose the same key. */
  #freeKey(taken) {
    const isFree = (key) => !this.#replica.has(key) && !this.#pending.has(key) && !taken.has(key);
    const free = KEYS.filter(isFree);
    if (free.length === 0) throw new Error(`The board is full: it has room for ${KEYS.length} cards.`);
    return free[Math.floor(Math.random() * free.length)];
  }
}

/** @param {any} error @param {number} code */
function ignoreCode(error, code) {
  if (error.code !== code) throw error;
}
