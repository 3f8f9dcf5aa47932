/** Making elements. All text becomes text nodes: nothing here can turn data into markup. */

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
  return content.flat(Infinity).filter(isShown).map((each) => each instanceof Node ? each : String(each));
}

/** @param {unknown} each */
function isShown(each) {
  return each !== null && each !== undefined && each !== false;
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

/**
 * A table that scrolls sideways within its own box where the window is narrow.
 *
 * @param {string} label
 * @param {string[]} columns
 * @param {Node[]} rows
 */
export function table(label, columns, rows) {
  return element(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": label },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, columns.map((each) => element("th", { scope: "col" }, each)))),
      element("tbody", {}, rows),
    ),
  );
}

/** @param {...Content} cells */
export function row(...cells) {
  return element("tr", {}, cells.map((each) => element("td", {}, each)));
}
