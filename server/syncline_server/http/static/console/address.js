/** Addresses of views, after `#`. */

/** @param {...string} segments */
export function addressTo(...segments) {
  return `#/${segments.map(encodeURIComponent).join("/")}`;
}

/**
 * The decoded segments of an address.
 *
 * @param {string} hash
 * @returns {string[]}
 */
export function addressOf(hash) {
  try {
    return hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent).filter(Boolean);
  } catch {
    return []; // not an address of ours
  }
}
