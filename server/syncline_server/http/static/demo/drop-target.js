/** The place on the board under a pointer, where a dragged card would go. */

/** @typedef {{ column: string, before: string | null }} Place `before`: the key of the next card */

export class DropTarget {
  #board;
  /** @type {Element | null} the element that shows where the card would go */
  #marked = null;

  /** @param {HTMLElement} board holds `.column` elements, with `.task` elements in their lists */
  constructor(board) {
    this.#board = board;
  }

  /**
   * @param {any} element under the pointer
   * @param {number} y of the pointer
   * @returns {Place | null} null if it is outside the columns
   */
  at(element, y) {
    const column = element?.closest?.(".column");
    if (!column || !this.#board.contains(column)) return null;
    const isBelow = (task) => {
      const { top, height } = task.getBoundingClientRect();
      return y < top + height / 2;
    };
    const next = [...column.querySelectorAll(".task")].find(isBelow);
    return { column: column.dataset.column, before: next?.dataset.key ?? null };
  }

  /** @param {Place | null} place null: none */
  mark(place) {
    const element = place && this.#elementOf(place);
    if (element === this.#marked) return;
    this.#marked?.classList.remove("drop-here");
    element?.classList.add("drop-here");
    this.#marked = element;
  }

  #elementOf({ column, before }) {
    const list = this.#board.querySelector(`[data-column=${column}] ol`);
    return [...list.children].find((task) => task.dataset.key === before) ?? list;
  }
}
