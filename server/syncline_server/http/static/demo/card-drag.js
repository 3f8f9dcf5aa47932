/** Dragging cards by the mouse; also from the board of the other pane or of another window. */

import { DropTarget } from "./drop-target.js";

/** Media type of what is dragged: a drag of anything else is not for the board. */
const TYPE = "application/x-syncline-card";

export class CardDrag {
  #board;
  #drop;
  #target;

  /**
   * @param {HTMLElement} board holds `.column` elements, with `.task` elements in their lists
   * @param {(key: string, column: string, beforeKey: string | null) => void} drop
   */
  constructor(board, drop) {
    this.#board = board;
    this.#drop = drop;
    this.#target = new DropTarget(board);
    board.addEventListener("dragstart", (event) => this.#start(event));
    board.addEventListener("dragover", (event) => this.#over(event));
    board.addEventListener("drop", (event) => this.#end(event));
    board.addEventListener("dragleave", (event) => {
      if (!board.contains(event.relatedTarget)) this.#target.mark(null);
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
    const place = this.#place(event);
    if (place === null) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    this.#target.mark(place);
  }

  #end(event) {
    const place = this.#place(event);
    this.#stop();
    if (place === null) return;
    event.preventDefault();
    const key = event.dataTransfer.getData(TYPE);
    if (key !== place.before) this.#drop(key, place.column, place.before);
  }

  #stop() {
    this.#target.mark(null);
    this.#board.querySelector(".dragged")?.classList.remove("dragged");
  }

  #place(event) {
    if (!event.dataTransfer.types.includes(TYPE)) return null;
    return this.#target.at(event.target, event.clientY);
  }
}
