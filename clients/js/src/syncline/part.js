/** Parts of a collection: some keys, or all that begin with a prefix. */

/** @import { JsonObject } from "./protocol.js" */

/** Maximum number of keys in a part (docs/protocol.md, section 3). */
const KEYS_LIMIT = 256;

/** A part of a collection; `Part.WHOLE` is all of it. Immutable. */
export class Part {
  #keys;
  #prefix;

  /**
   * @param {Set<string | number> | null} keys null if the part has a prefix
   * @param {string} [prefix]
   */
  constructor(keys, prefix = "") {
    this.#keys = keys;
    this.#prefix = prefix;
  }

  /** The whole collection: every key begins with the empty prefix. */
  static WHOLE = new Part(null);

  /**
   * The part that an application names.
   *
   * @param {Iterable<string | number> | undefined} keys
   * @param {string | undefined} [prefix]
   * @throws {TypeError}
   */
  static of(keys, prefix) {
    if (keys != null && prefix != null) {
      throw new TypeError("a part has keys or a prefix, not both");
    }
    if (keys == null) return prefix == null || prefix === "" ? Part.WHOLE : new Part(null, prefix);
    if (typeof keys === "string") throw new TypeError("the keys of a part are an array");
    const set = new Set(keys);
    if (set.size < 1 || set.size > KEYS_LIMIT) {
      throw new TypeError(`a part has 1 to ${KEYS_LIMIT} keys, not ${set.size}`);
    }
    return new Part(set);
  }

  /**
   * The smallest part that a request can name and that contains all of these (rule C28).
   *
   * @param {Iterable<Part>} parts
   */
  static containing(parts) {
    /** @type {Part | null} */
    let all = null;
    for (const part of parts) all = all === null ? part : all.#with(part);
    return all ?? Part.WHOLE;
  }

  get isWhole() {
    return this.#keys === null && this.#prefix === "";
  }

  /** @param {string | number} key */
  has(key) {
    return this.#keys === null ? String(key).startsWith(this.#prefix) : this.#keys.has(key);
  }

  /** @param {Part} other */
  contains(other) {
    if (other.#keys !== null) return [...other.#keys].every((key) => this.has(key));
    return this.#keys === null && other.#prefix.startsWith(this.#prefix);
  }

  /**
   * The members of a request for this part.
   *
   * @param {string} keysName name of the member with the keys
   * @returns {JsonObject}
   */
  members(keysName) {
    if (this.isWhole) return {};
    return this.#keys === null ? { prefix: this.#prefix } : { [keysName]: [...this.#keys] };
  }

  /** @param {Part} other */
  #with(other) {
    if (this.contains(other)) return this;
    if (other.contains(this)) return other;
    if (this.#keys !== null && other.#keys !== null) {
      const keys = new Set([...this.#keys, ...other.#keys]);
      if (keys.size <= KEYS_LIMIT) return new Part(keys);
    }
    return Part.WHOLE;
  }
}

/**
 * Order of the protocol: indexes as numbers, other keys by code points.
 *
 * @param {string | number} left
 * @param {string | number} right
 */
export function compareKeys(left, right) {
  if (typeof left === "number" || typeof right === "number") return Number(left) - Number(right);
  for (let place = 0; place < left.length && place < right.length; ) {
    const a = left.codePointAt(place) ?? 0;
    const b = right.codePointAt(place) ?? 0;
    if (a !== b) return a - b;
    place += a > 0xffff ? 2 : 1;
  }
  return left.length - right.length;
}
