/** The element of one card. */

import { COLUMNS } from "./card.js";
import { hueOf, make, person } from "./elements.js";

const NAMES = Object.keys(COLUMNS);

const SHORTCUTS = "Shift+ArrowLeft Shift+ArrowRight Shift+ArrowUp Shift+ArrowDown";

/** Milliseconds. */
const FLASH = 1_200;
const SLIDE = 180;

export class CardView {
  #text = make("p", "task-text");
  #writer = make("span", "task-writer");
  #left;
  #right;
  #edit;
  #remove;

  /**
   * @param {string} key
   * @param {{
   *   step: (key: string, by: number) => void,
   *   edit: (key: string) => void,
   *   remove: (key: string) => void,
   * }} actions of the buttons
   */
  constructor(key, { step, edit, remove }) {
    this.#left = button("←", () => step(key, -1));
    this.#right = button("→", () => step(key, 1));
    this.#edit = button("✎", () => edit(key));
    this.#remove = button("✕", () => remove(key));
    const buttons = [this.#left, this.#right, this.#edit, this.#remove];
    const handle = make("span", "task-handle", "⠿");
    handle.ariaHidden = "true";
    const row = make("span", "task-buttons", handle, ...buttons);
    this.element = make("li", "task", this.#text, this.#writer, row);
    this.element.dataset.key = key;
    this.element.draggable = true;
    this.element.tabIndex = 0;
    this.element.setAttribute("aria-keyshortcuts", SHORTCUTS);
  }

  /** @param {import("./card.js").Card} card */
  show({ text, column, writer, isPending }) {
    const at = NAMES.indexOf(column);
    this.element.setAttribute("aria-label", text);
    this.element.classList.toggle("pending", isPending);
    this.element.style.setProperty("--hue", String(hueOf(writer)));
    this.#text.textContent = text;
    this.#writer.replaceChildren(isPending ? "not saved yet" : person(writer));
    offer(this.#left, NAMES[at - 1], text);
    offer(this.#right, NAMES[at + 1], text);
    name(this.#edit, `Edit: ${text}`);
    name(this.#remove, `Remove: ${text}`);
  }

  /** Show in the colour of the writer that somebody changed it. */
  flash() {
    const shadow = getComputedStyle(this.element).getPropertyValue("--writer");
    this.#animate([{ boxShadow: `0 0 0 4px ${shadow}` }, { boxShadow: "0 0 0 4px transparent" }], FLASH);
  }

  /** @param {DOMRect} from where it was before it moved */
  slide(from) {
    const to = this.element.getBoundingClientRect();
    const [x, y] = [from.left - to.left, from.top - to.top];
    if (x !== 0 || y !== 0) this.#animate([{ translate: `${x}px ${y}px` }, { translate: "0" }], SLIDE);
  }

  #animate(frames, duration) {
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.element.animate(frames, { duration: isStill ? 0 : duration, easing: "ease-out" });
  }
}

/** @param {string} sign @param {() => void} act */
function button(sign, act) {
  const made = make("button", "task-button", sign);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/** A button for a move to a column; without one it is not available. */
function offer(button, column, text) {
  button.disabled = column === undefined;
  name(button, `${column === undefined ? "No column here" : `Move to ${COLUMNS[column]}`}: ${text}`);
}

function name(button, label) {
  button.ariaLabel = label;
  button.title = label.split(":")[0];
}
