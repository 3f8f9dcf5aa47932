/** The map `demo_board`: cards in columns that several people move at once. */

import { COLUMNS, KEYS, readCard } from "./card.js";
import { CardDialog } from "./card-dialog.js";
import { CardDrag } from "./card-drag.js";
import { CardTouch } from "./card-touch.js";
import { Cards } from "./cards.js";
import { Columns } from "./columns.js";
import { keepOpen } from "./keep-open.js";

const NAME = "demo_board";

const NAMES = Object.keys(COLUMNS);

/** Moves by the keyboard, as columns and places. */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Board {
  #pane;
  #find;
  /** @type {Cards | null} null while the map is not open */
  #cards = null;
  #columns;
  #dialog;

  /** @param {import("./pane.js").PaneContext} pane */
  constructor(pane) {
    this.#pane = pane;
    this.#find = pane.find;
    const board = pane.find("board");
    this.#columns = new Columns(board, pane.find("card-text"), {
      step: (key, by) => this.#step(key, by, 0),
      edit: (key) => this.#dialog.open(key, this.#cards?.get(key)),
      remove: (key) => this.#write((cards) => cards.remove(key)),
    });
    this.#dialog = new CardDialog(pane.find, async (key, basis, text) => {
      if (this.#cards === null) throw new Error("The board is not open. Try again in a moment.");
      return this.#cards.edit(key, basis, text);
    });
    new CardDrag(board, (...move) => this.#move(...move));
    new CardTouch(board, (...move) => this.#move(...move));
    board.addEventListener("keydown", (event) => this.#onKey(event));
    pane.find("card-form").addEventListener("submit", (event) => this.#add(event));
  }

  /** Cards whose writes wait for their replies. */
  get waiting() {
    return this.#cards?.waiting ?? 0;
  }

  /** @param {import("/syncline.js").Client} client */
  keepOpen(client) {
    this.#close();
    const failed = (map, error) => {
      if (!map.removed && client.connectionState !== "disconnected") this.#pane.report(error);
    };
    return keepOpen(client, () => client.map({ id: NAME, keys: KEYS, replica: true }), {
      opened: (map) => this.#opened(map).catch((error) => failed(map, error)),
      removed: (event) => this.#removed(event),
    });
  }

  async #opened(map) {
    const replica = map.replica();
    await replica.ready;
    const cards = new Cards(map, replica, { onChange: () => this.#show(), sent: this.#pane.sent });
    this.#cards = cards;
    for (const name of ["itemAdded", "itemUpdated", "itemRemoved"]) {
      replica.on(name, (event) => this.#changed(event));
    }
    this.#show();
    await cards.addSamples();
  }

  #removed({ removedBy, expired, isLocal, dateRemoved: date }) {
    const event = { who: removedBy, isLocal, revision: null, date };
    this.#pane.record(NAME, [expired ? "expired" : "removed it"], event);
    this.#close();
  }

  #close() {
    this.#cards = null;
    this.#show();
  }

  #show() {
    this.#columns.show(this.#cards?.list() ?? []);
    this.#find("board").dataset.state = this.#cards === null ? "closed" : "open";
    this.#find("card-add").disabled = this.#cards === null;
    this.#pane.changed();
  }

  #changed({ item, key = item.key, previousItemData, isLocal, ...removal }) {
    const previous = previousItemData && readCard("", previousItemData, null, false);
    const card = item && readCard(key, item.data, item.updatedBy, false);
    const what = describe(card, previous);
    const who = card ? card.writer : removal.removedBy;
    const revision = item?.revision ?? removal.revision;
    const date = item?.dateUpdated ?? removal.dateRemoved;
    if (what !== null) this.#pane.record(`${NAME}/${key}`, [what], { who, isLocal, revision, date });
    this.#show();
    if (card && !isLocal) this.#columns.flash(key);
  }

  #add(event) {
    event.preventDefault();
    const input = this.#find("card-text");
    const text = input.value.trim();
    input.value = "";
    if (text === "") return;
    void this.#write(async (cards) => {
      try {
        await cards.add(text);
      } catch (error) {
        // Do not lose what was typed.
        input.value ||= text;
        throw error;
      }
    });
  }

  #onKey(event) {
    const task = event.target.closest(".task");
    const step = STEPS[event.key];
    if (!task || !step || !event.shiftKey) return;
    event.preventDefault();
    this.#step(task.dataset.key, ...step);
  }

  /** Move a card to the end of a neighbouring column, or past a neighbour in its own. */
  #step(key, columns, places) {
    const card = this.#cards?.get(key);
    const column = card && NAMES[NAMES.indexOf(card.column) + columns];
    if (column === undefined) return;
    if (columns !== 0) return this.#move(key, column, null);
    const keys = this.#cards.in(column).map((each) => each.key);
    const to = keys.indexOf(key) + places;
    if (to < 0 || to >= keys.length) return;
    this.#move(key, column, keys[places < 0 ? to : to + 1] ?? null);
  }

  #move(key, column, beforeKey) {
    const card = this.#cards?.get(key);
    // A drag may come from a window whose card is removed here.
    if (card === undefined) return;
    void this.#write((cards) => cards.move(key, column, beforeKey));
    const at = this.#cards.in(column).findIndex((each) => each.key === key) + 1;
    this.#find("board-status").textContent = `“${card.text}” is number ${at} in ${COLUMNS[column]}.`;
  }

  /** @param {(cards: Cards) => Promise<void>} write */
  async #write(write) {
    const cards = this.#cards;
    if (cards === null) return;
    try {
      await write(cards);
    } catch (error) {
      // Without a board it is no failure: it is removed, or another client opens it.
      if (this.#cards === cards) this.#pane.report(error);
    }
  }
}

/**
 * What happened to a card.
 *
 * @param {import("./card.js").Card | null | undefined} card null or undefined: it was removed
 * @param {import("./card.js").Card | null} previous null: it is new
 */
function describe(card, previous) {
  if (!card) return `removed “${previous?.text ?? "a card"}”`;
  if (!previous) return `added “${card.text}”`;
  if (card.text !== previous.text) return `wrote “${card.text}”`;
  if (card.column !== previous.column) return `moved “${card.text}” to ${COLUMNS[card.column]}`;
  return card.place === previous.place ? null : `moved “${card.text}” within ${COLUMNS[card.column]}`;
}
