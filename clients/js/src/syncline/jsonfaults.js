/** Search for the part of a value that is not valid JSON, for error messages. */

/** Maximum number of characters of a path in an error message. */
const PATH_SHOWN = 100;

const LONE_SURROGATE = /[\ud800-\udfff]/u;

/** Types that `JSON.stringify` writes as `{}`. A promise usually means a missing `await`. */
const WRITTEN_AS_EMPTY = [Map, Set, WeakMap, WeakSet, Promise, RegExp, ArrayBuffer];

/** @typedef {{ place: string, reason: string }} Fault */

/**
 * Find the first part of a value that is not valid JSON; null if the value is valid.
 *
 * Traverses nested containers without recursion. Slow, and used only after a value was refused or
 * looks suspicious.
 *
 * @param {unknown} root
 * @returns {Fault | null}
 */
export function findFault(root) {
  const outermost = written(root, "");
  const reason = faultOf(outermost);
  if (reason !== null) return { place: shownPath([]), reason };
  /** @type {string[]} */
  const path = [];
  const trail = [{ container: outermost, members: membersOf(outermost) }];
  for (let open = trail.at(-1); open !== undefined; open = trail.at(-1)) {
    const next = open.members.next();
    if (next.done) {
      trail.pop();
      path.pop();
      continue;
    }
    const [key, member] = next.value;
    const half = halfIn(key);
    if (half) return { place: shownPath(path), reason: `it has a key with ${half}` };
    const value = written(member, key);
    const isCircle = isContainer(value) && trail.some(({ container }) => container === value);
    const found = isCircle ? "it contains itself" : faultOf(value, Array.isArray(open.container));
    if (found !== null) return { place: shownPath([...path, key]), reason: found };
    if (isContainer(value)) {
      path.push(key);
      trail.push({ container: value, members: membersOf(value) });
    }
  }
  return null;
}

/**
 * Describe the first lone surrogate in a text and its place; null if there is none.
 *
 * @param {string} text
 */
export function halfIn(text) {
  const match = LONE_SURROGATE.exec(text);
  if (match === null) return null;
  const half = escaped(match[0]);
  return `half of a surrogate pair (${half}) as character ${match.index}, which UTF-8 cannot carry`;
}

/**
 * Return the value that `JSON.stringify` writes for a value.
 *
 * @param {any} value
 * @param {string} key
 */
function written(value, key) {
  return typeof value?.toJSON === "function" ? value.toJSON(key) : value;
}

/**
 * @param {any} value
 * @returns {IterableIterator<[string, unknown]>}
 */
function membersOf(value) {
  const entries = isContainer(value) ? Object.entries(value) : [];
  return entries[Symbol.iterator]();
}

/** @param {unknown} value */
function isContainer(value) {
  return typeof value === "object" && value !== null;
}

/**
 * Check the value itself, not what it contains.
 *
 * @param {unknown} value
 * @param {boolean} [isElement] true for an element of an array
 */
function faultOf(value, isElement = false) {
  if (typeof value === "bigint") return "a BigInt is not a JSON value; give a number or a string";
  if (typeof value === "number" && !Number.isFinite(value)) return `${value} is not a JSON number`;
  const kind = kindOf(value, isElement);
  if (kind !== null) return `it is ${kind}`;
  const half = typeof value === "string" ? halfIn(value) : null;
  return half && `it holds ${half}`;
}

/**
 * Format keys and indexes as a JSON pointer (RFC 6901), shortened, with unprintable text escaped.
 *
 * @param {string[]} path
 */
function shownPath(path) {
  const names = path.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
  const shown = names.join("").replace(/[\ud800-\udfff\p{C}]/gu, escaped);
  return (shown.length > PATH_SHOWN ? `${shown.slice(0, PATH_SHOWN - 1)}…` : shown) || "the top";
}

/**
 * Describe a value that JSON cannot represent; null if JSON can.
 *
 * @param {unknown} value
 * @param {boolean} isElement true for an element of an array, where undefined would become null
 * @returns {string | null}
 */
export function kindOf(value, isElement) {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? null : String(value);
    case "undefined":
      return isElement ? "undefined" : null;
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    case "bigint":
      return "a BigInt";
    case "object": {
      const type = WRITTEN_AS_EMPTY.find((each) => value instanceof each);
      return type ? `a ${type.name}` : null;
    }
    default:
      return null;
  }
}

/** @param {string} character */
function escaped(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
