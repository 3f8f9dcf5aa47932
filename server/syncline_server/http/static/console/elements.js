/** Making elements. All text becomes text nodes: nothing here can turn data into markup. */

/**
 * Characters that are invisible or reorder the text around them, with which one name looks like
 * another; shown as JSON escapes.
 */
const MISLEADING =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** @typedef {string | number | Node | null | undefined | false | Content[]} Content */

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] attributes; a function is a listener, as `onclick`; true
 *   is an attribute without a value; false, null and undefined are none
 * @param {...Content} content
 * @returns {any} the element
 */
export function element(tag, properties = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, String(value));
    }
  }
  made.append(...nodes(content));
  return made;
}

/**
 * Put content in place of what an element has.
 *
 * @param {Element} parent
 * @param {...Content} content
 */
export function fill(parent, ...content) {
  parent.replaceChildren(...nodes(content));
}

/** @param {Content[]} content @returns {(string | Node)[]} */
function nodes(content) {
  return content.flatMap((each) => {
    if (Array.isArray(each)) return nodes(each);
    if (each === null || each === undefined || each === false) return [];
    return [each instanceof Node ? each : visible(String(each))];
  });
}

/** @param {string} text */
function visible(text) {
  return text.replace(MISLEADING, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * A button of type `button`: it submits no form.
 *
 * @param {string} label
 * @param {(event: Event) => unknown} act
 * @param {Record<string, any>} [properties]
 */
export function button(label, act, properties = {}) {
  return element("button", { type: "button", onclick: act, ...properties }, label);
}

/**
 * A labelled field.
 *
 * @param {string} label
 * @param {HTMLElement} input
 * @param {string} [hint]
 */
export function field(label, input, hint) {
  return element(
    "label",
    { class: input.getAttribute("type") === "checkbox" ? "field check" : "field" },
    element("span", { class: "label" }, label),
    input,
    hint && element("span", { class: "hint" }, hint),
  );
}

/** A table; where the window is narrow, each row is a block with the names of its columns. */
export class Table {
  #columns;
  #body = element("tbody");

  /** @param {string} label @param {string[]} columns */
  constructor(label, columns) {
    this.#columns = columns;
    const heads = columns.map((each) => element("th", { scope: "col" }, each));
    this.element = element(
      "div", { class: "table" },
      element("table", { "aria-label": label }, element("thead", {}, element("tr", {}, heads)), this.#body),
    );
  }

  get isEmpty() {
    return this.#body.childElementCount === 0;
  }

  /** @param {...Content} cells @returns {HTMLElement} the row */
  add(...cells) {
    const row = element(
      "tr", {}, cells.map((each, place) => element("td", { "data-label": this.#columns[place] }, each)),
    );
    this.#body.append(row);
    return row;
  }
}
