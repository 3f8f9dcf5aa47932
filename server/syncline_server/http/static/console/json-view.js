/** JSON as text in lines; the lines that changed light up. */

import { element } from "./elements.js";

/** @typedef {{ path: string, depth: number, parts: [string, string][] }} Line */

/** A block of JSON that is shown again and again. */
export class JsonView {
  /** @type {Map<string, string> | null} the text of each line by its path; null before the first */
  #before = null;

  constructor() {
    this.element = element("pre", { class: "json", tabindex: "0", "aria-label": "Data" });
  }

  /** @param {unknown} value */
  show(value) {
    const lines = [...linesOf(value, "$", 0, "", "")];
    const texts = new Map(lines.map((line) => [line.path, textOf(line)]));
    const before = this.#before;
    this.element.replaceChildren(
      ...lines.map((line) => {
        const isChanged = before !== null && before.get(line.path) !== texts.get(line.path);
        return element(
          "span", { class: isChanged ? "line changed" : "line" },
          "  ".repeat(line.depth),
          line.parts.map(([kind, text]) => element("span", { class: kind }, text)),
          "\n",
        );
      }),
    );
    this.#before = texts;
  }
}

/** @param {Line} line */
function textOf(line) {
  return line.parts.map(([, text]) => text).join("");
}

/**
 * @param {unknown} value
 * @param {string} path
 * @param {number} depth
 * @param {string} label its name with a colon; empty in an array
 * @param {string} comma empty for the last one
 * @returns {Generator<Line>}
 */
function* linesOf(value, path, depth, label, comma) {
  /** @type {[string, string][]} */
  const start = label === "" ? [] : [["name", label], ["mark", ": "]];
  if (value === null || typeof value !== "object") {
    yield { path, depth, parts: [...start, [kindOf(value), JSON.stringify(value)], ["mark", comma]] };
    return;
  }
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const members = Object.entries(value);
  if (members.length === 0) {
    yield { path, depth, parts: [...start, ["mark", open + close + comma]] };
    return;
  }
  yield { path, depth, parts: [...start, ["mark", open]] };
  for (const [position, [name, member]] of members.entries()) {
    const shown = Array.isArray(value) ? "" : JSON.stringify(name);
    const separator = position < members.length - 1 ? "," : "";
    yield* linesOf(member, `${path}/${name.replaceAll("/", "~1")}`, depth + 1, shown, separator);
  }
  yield { path: `${path}}`, depth, parts: [["mark", close + comma]] };
}

/** @param {unknown} value */
function kindOf(value) {
  return typeof value === "string" ? "string" : "scalar";
}
