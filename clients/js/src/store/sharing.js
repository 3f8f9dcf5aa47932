/** Frozen data that keeps the identity of its equal parts from one state to the next. */

/**
 * Freeze `next`, with the parts of `previous` in place of equal ones: a component that gets such a
 * part need not render again.
 *
 * @template T
 * @param {any} previous frozen; undefined if there is none
 * @param {T} next JSON that nothing else refers to; it is changed
 * @returns {T} `previous` itself if they are equal
 */
export function share(previous, next) {
  if (typeof next !== "object" || next === null) return next;
  const isAlike = isObject(previous) && Array.isArray(previous) === Array.isArray(next);
  /** @type {any} */
  const before = isAlike ? previous : {};
  const own = /** @type {any} */ (next);
  const keys = Object.keys(next);
  const keysBefore = Object.keys(before);
  // The order of keys counts: an application may render them in that order.
  let isEqual = isAlike && keys.length === keysBefore.length;
  for (const [place, key] of keys.entries()) {
    const had = Object.hasOwn(before, key) ? before[key] : undefined;
    own[key] = share(had, own[key]);
    if (own[key] !== had || keysBefore[place] !== key) isEqual = false;
  }
  return isEqual ? previous : Object.freeze(next);
}

/**
 * `next`, or `previous` if all its members are identical.
 *
 * @template {object} T
 * @param {T | null} previous
 * @param {T} next
 * @returns {T}
 */
export function shareShallow(previous, next) {
  const entries = Object.entries(next);
  const before = /** @type {any} */ (previous);
  const isEqual =
    previous !== null &&
    entries.length === Object.keys(previous).length &&
    entries.every(([key, value]) => Object.hasOwn(before, key) && before[key] === value);
  return isEqual ? previous : Object.freeze(next);
}

/**
 * `next`, or `previous` if all its members are identical.
 *
 * @param {readonly any[]} previous
 * @param {any[]} next
 * @returns {readonly any[]}
 */
export function shareArray(previous, next) {
  const isEqual =
    previous.length === next.length && next.every((each, place) => each === previous[place]);
  return isEqual ? previous : Object.freeze(next);
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null;
}
