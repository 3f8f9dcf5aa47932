/** Dragging cards between columns; also from the board of another window. */

/** Media type of what is dragged: a drag of anything else is not for the board. */
const TYPE = "application/x-syncline-card";

export class CardDrag {
  #board;
  #drop;
  /** @type {Element | null} the element that shows where the card would go */
  #marked = null;

  /**
   * @param {HTMLElement} board holds `.column` elements, with `.task` elements in their lists
   * @param {(key: string, column: string, beforeKey: string | null) => void} drop
   */
  constructor(board, drop) {
    this.#board = board;
    this.#drop = drop;
    board.addEventListener("dragstart", (event) => this.#start(event));
    board.addEventListener("dragover", (event) => this.#over(event));
    board.addEventListener("drop", (event) => this.#end(event));
    board.addEventListener("dragleave", (event) => {
      if (!board.contains(event.relatedTarget)) this.#mark(null);
    });
    board.addEventListener("dragend", () => this.#stop());
  }

  #start(event) {
    const task = event.target.closest?.(".task");
    if (!task) return;
    event.dataTransfer.setData(TYPE, task.dataset.key);
    event.dataTransfer.effectAllowed = "move";
    // After the browser has made the picture that follows the pointer.
    setTimeout(() => task.classList.add("dragged"));
  }

  #over(event) {
    const target = this.#target(event);
    if (target === null) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    this.#mark(target.before ?? target.column.querySelector("ol"));
  }

  #end(event) {
    const target = this.#target(event);
    this.#stop();
    if (target === null) return;
    event.preventDefault();
    const key = event.dataTransfer.getData(TYPE);
    if (key !== target.before?.dataset.key) {
      this.#drop(key, target.column.dataset.column, target.before?.dataset.key ?? null);
    }
  }

  #stop() {
    this.#mark(null);
    this.#board.querySelector(".dragged")?.classList.remove("dragged");
  }

  /** The column under the pointer, and the card there that the dragged one would be put before. */
  #target(event) {
    const column = event.target.closest?.(".column");
    if (!column || !event.dataTransfer.types.includes(TYPE)) return null;
    const isBelow = (task) => {
      const { top, height } = task.getBoundingClientRect();
      return event.clientY < top + height / 2;
    };
    return { column, before: [...column.querySelectorAll(".task")].find(isBelow) ?? null };
  }

  #mark(element) {
    if (element === this.#marked) return;
    this.#marked?.classList.remove("drop-here");
    element?.classList.add("drop-here");
    this.#marked = element;
  }
}
