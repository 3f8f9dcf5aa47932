/** Copies of a template of the page, each with ids of its own. */

import { element } from "./elements.js";

/** Attributes that name other elements by their ids. */
const REFERENCES = ["for", "aria-labelledby", "aria-describedby"];

/**
 * Make a copy of a template. Its ids, and what refers to them, begin with `side` and a hyphen.
 *
 * @param {string} id of the template
 * @param {string} side
 * @returns {{ root: DocumentFragment, find: (id: string) => HTMLElement }} `find` takes an id as it
 *   stands in the template, and finds the element once `root` is in the page
 */
export function copyTemplate(id, side) {
  const root = /** @type {any} */ (element(id)).content.cloneNode(true);
  for (const name of ["id", ...REFERENCES]) {
    for (const each of root.querySelectorAll(`[${name}]`)) {
      each.setAttribute(name, `${side}-${each.getAttribute(name)}`);
    }
  }
  return { root, find: (name) => element(`${side}-${name}`) };
}
