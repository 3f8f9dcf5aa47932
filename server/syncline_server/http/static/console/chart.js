/** A small chart of one figure over the last minutes. */

import { element } from "./elements.js";

/** Points on a chart, at most, and for how many there is room at first. */
const POINTS = 90;
const FIRST_POINTS = 20;

const WIDTH = 240;
const HEIGHT = 60;
const SVG = "http://www.w3.org/2000/svg";
const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export class Chart {
  /** @type {number[]} */
  #values = [];
  #unit;
  #title;
  #figure = element("span", { class: "figure" }, "–");
  #line = document.createElementNS(SVG, "polyline");
  #area = document.createElementNS(SVG, "polygon");
  #picture = document.createElementNS(SVG, "svg");
  #top = element("span", { class: "hint" });

  /** @param {string} title @param {string} unit */
  constructor(title, unit) {
    this.#title = title;
    this.#unit = unit;
    this.#picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.#picture.setAttribute("preserveAspectRatio", "none");
    this.#picture.setAttribute("role", "img");
    this.#picture.setAttribute("aria-label", `${title}: no figures yet`);
    this.#area.setAttribute("class", "area");
    this.#line.setAttribute("class", "curve");
    this.#picture.append(this.#area, this.#line);
    this.element = element(
      "section", { class: "card chart", "aria-label": title },
      element("h2", {}, title),
      element("p", {}, this.#figure, " ", element("span", { class: "soft" }, unit)),
      this.#picture,
      this.#top,
    );
  }

  /** @param {number} value */
  add(value) {
    this.#values.push(value);
    if (this.#values.length > POINTS) this.#values.shift();
    const step = WIDTH / (Math.max(this.#values.length, FIRST_POINTS) - 1);
    const top = Math.max(...this.#values);
    const points = this.#values.map((each, place) => {
      const x = WIDTH - (this.#values.length - 1 - place) * step;
      const y = HEIGHT - 2 - (top === 0 ? 0 : each / top * (HEIGHT - 6));
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    const start = WIDTH - (this.#values.length - 1) * step;
    this.#line.setAttribute("points", points.join(" "));
    this.#area.setAttribute("points", [`${start},${HEIGHT}`, ...points, `${WIDTH},${HEIGHT}`].join(" "));
    this.#figure.textContent = NUMBER.format(value);
    this.#top.textContent = `at most ${NUMBER.format(top)} in what is shown`;
    const text = `${this.#title}: ${NUMBER.format(value)} ${this.#unit}`.trim();
    this.#picture.setAttribute("aria-label", text);
  }
}
