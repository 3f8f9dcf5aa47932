/** The switch between the panes, for windows that have room for one. */

import { dot, element, hueOf, make } from "./elements.js";

export class Tabs {
  #panes;
  /** What each button shows, so that it is made again only if it differs. */
  #shown = new Map();

  /** @param {import("./pane.js").Pane[]} panes */
  constructor(panes) {
    this.#panes = panes;
    for (const { side } of panes) {
      element(`show-${side}`).addEventListener("click", () => this.#choose(side));
    }
    this.#choose(panes[0].side);
  }

  /** Show of both panes what tells whether they are in sync. */
  update() {
    for (const { side, summary } of this.#panes) {
      const text = JSON.stringify(summary);
      if (this.#shown.get(side) === text) continue;
      this.#shown.set(side, text);
      element(`show-${side}`).replaceChildren(...describe(summary));
    }
  }

  #choose(side) {
    document.body.dataset.shown = side;
    for (const pane of this.#panes) {
      element(`show-${pane.side}`).setAttribute("aria-pressed", String(pane.side === side));
    }
  }
}

function describe({ name, state, colours, count, waiting }) {
  const title = make("strong", "person", name);
  title.style.setProperty("--hue", String(hueOf(name)));
  const note = waiting > 0 && state === "offline" ? `Offline, ${waiting} waiting` : `Count ${count}`;
  const line = make("span", "tab-state", make("span", "dots", ...colours.map(dot)), note);
  return [title, line];
}
