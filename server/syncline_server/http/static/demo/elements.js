/** What the parts of the page share: finding, making and filling elements. */

const SECOND = 1_000;
const RELATIVE = new Intl.RelativeTimeFormat("en", { style: "short" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {...(string | Node)} content
 */
export function make(tag, className, ...content) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...content);
  return made;
}

/**
 * The name of who wrote, with a dot in a colour of its own.
 *
 * @param {string | null} identity
 */
export function person(identity) {
  const made = make("span", "person", identity ?? "unknown");
  made.style.setProperty("--hue", String(hueOf(identity)));
  return made;
}

/** @param {string} colour */
export function dot(colour) {
  const made = make("i", "dot");
  made.style.setProperty("background-color", colour);
  return made;
}

/**
 * @param {Date} moment in the past or the future
 * @returns {string} as "5 sec. ago" or "in 5 sec."
 */
export function fromNow(moment) {
  const seconds = Math.round((moment.getTime() - Date.now()) / SECOND);
  if (seconds === 0) return "just now";
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each);
  return RELATIVE.format(Math.trunc(seconds / length), unit);
}

/**
 * The hue of a writer's colour.
 *
 * @param {string | null} identity
 */
export function hueOf(identity) {
  const text = identity ?? "";
  return [...text].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 360, 7);
}
