/** Dragging cards by a finger or a pen, at their handles. */

import { DropTarget } from "./drop-target.js";

export class CardTouch {
  #drop;
  #target;
  /** @type {HTMLElement | null} the card that is dragged */
  #task = null;

  /**
   * @param {HTMLElement} board
   * @param {(key: string, column: string, beforeKey: string | null) => void} drop
   */
  constructor(board, drop) {
    this.#drop = drop;
    this.#target = new DropTarget(board);
    board.addEventListener("pointerdown", (event) => this.#start(event));
    board.addEventListener("pointermove", (event) => this.#move(event));
    board.addEventListener("pointerup", (event) => this.#end(event));
    board.addEventListener("pointercancel", () => this.#stop());
  }

  #start(event) {
    // A mouse drags the whole card.
    if (event.pointerType === "mouse" || !event.target.closest(".task-handle")) return;
    event.preventDefault();
    event.target.setPointerCapture(event.pointerId);
    this.#task = event.target.closest(".task");
    this.#task.classList.add("dragged");
  }

  #move(event) {
    if (this.#task !== null) this.#target.mark(this.#place(event));
  }

  #end(event) {
    const key = this.#task?.dataset.key;
    const place = this.#place(event);
    this.#stop();
    if (key === undefined || place === null || key === place.before) return;
    this.#drop(key, place.column, place.before);
  }

  #stop() {
    this.#task?.classList.remove("dragged");
    this.#task = null;
    this.#target.mark(null);
  }

  /** The event's own target is the handle, which has captured the pointer. */
  #place({ clientX, clientY }) {
    return this.#target.at(document.elementFromPoint(clientX, clientY), clientY);
  }
}
