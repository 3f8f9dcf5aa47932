/** The columns of the board: shows the cards, and keeps what the user is doing there. */

import { COLUMNS } from "./card.js";
import { CardView } from "./card-view.js";
import { make } from "./elements.js";

const NAMES = Object.keys(COLUMNS);

export class Columns {
  #board;
  #fallback;
  #actions;
  /** @type {Map<string, CardView>} */
  #views = new Map();

  /**
   * @param {HTMLElement} board gets an element for each column
   * @param {HTMLElement} fallback gets the focus when the last card is removed
   * @param {ConstructorParameters<typeof CardView>[1]} actions of the cards
   */
  constructor(board, fallback, actions) {
    this.#board = board;
    this.#fallback = fallback;
    this.#actions = actions;
    board.append(...NAMES.map((name) => makeColumn(board.id, name)));
  }

  /** @param {import("./card.js").Card[]} cards in order */
  show(cards) {
    const focus = this.#focus();
    const before = this.#positions();
    this.#removeOthers(new Set(cards.map((card) => card.key)));
    for (const card of cards) this.#viewOf(card.key).show(card);
    for (const name of NAMES) this.#fill(name, cards.filter((card) => card.column === name));
    for (const [view, from] of before) if (view.element.isConnected) view.slide(from);
    this.#restore(focus);
  }

  /** @param {string} key */
  flash(key) {
    this.#views.get(key)?.flash();
  }

  #fill(name, cards) {
    const column = this.#board.querySelector(`[data-column=${name}]`);
    const list = column.querySelector("ol");
    column.querySelector(".column-size").textContent = String(cards.length);
    // Only what is at another place is moved: moving an element ends its focus and its drag.
    cards.forEach(({ key }, place) => {
      const { element } = this.#viewOf(key);
      if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
    });
  }

  #viewOf(key) {
    const found = this.#views.get(key) ?? new CardView(key, this.#actions);
    this.#views.set(key, found);
    return found;
  }

  #removeOthers(keys) {
    for (const [key, view] of this.#views) {
      if (keys.has(key)) continue;
      view.element.remove();
      this.#views.delete(key);
    }
  }

  #positions() {
    return [...this.#views.values()].map((view) => [view, view.element.getBoundingClientRect()]);
  }

  /** What has the focus, if it is in a card; `next` is for when the card is removed. */
  #focus() {
    const { activeElement: active } = document;
    const task = active?.closest(".task");
    if (!task || !this.#board.contains(task)) return null;
    return { active, task, next: task.nextElementSibling ?? task.previousElementSibling };
  }

  #restore(focus) {
    if (focus === null || document.activeElement === focus.active) return;
    const wanted = [focus.active, focus.task, focus.next, this.#fallback];
    wanted.find((each) => each?.isConnected && !each.disabled)?.focus();
  }
}

/** @param {string} board its id @param {keyof typeof COLUMNS} name */
function makeColumn(board, name) {
  const title = make("h3", "", COLUMNS[name], " ", make("span", "column-size", "0"));
  title.id = `${board}-${name}`;
  const list = make("ol", "tasks");
  list.setAttribute("aria-labelledby", title.id);
  const column = make("div", "column", title, list);
  column.dataset.column = name;
  return column;
}
