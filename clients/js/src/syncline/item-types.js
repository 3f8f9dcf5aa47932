/** What the types of collections have of their own. */

import { SynclineError } from "./errors.js";
import { halfIn } from "./jsonfaults.js";
import { Code } from "./protocol.js";

/** Maximum length of a key in characters (docs/protocol.md, section 2). */
const KEY_LENGTH = 320;

/**
 * @typedef {object} CollectionType
 * @property {"map" | "list"} name the member of messages that names the collection
 * @property {"key" | "index"} id the member with the key of an item
 * @property {"keys" | "indexes"} ids the member with the keys of a part
 * @property {(id: unknown) => void} checkId throws if it is no key, or no index, of an item. The
 *   server would refuse it too, but over REST it is part of a path
 * @property {boolean} createsItems true if a write of an item that does not exist creates it
 * @property {string} noun in error messages
 * @property {number} notFound error code where there is no such collection
 * @property {number} invalidData error code where the data of an item is null
 */

/** @type {CollectionType} */
export const MAP = Object.freeze({
  name: "map",
  id: "key",
  ids: "keys",
  checkId: checkKey,
  createsItems: true,
  noun: "Map",
  notFound: Code.MAP_NOT_FOUND,
  invalidData: Code.MAP_ITEM_INVALID_DATA,
});

/** @type {CollectionType} */
export const LIST = Object.freeze({
  name: "list",
  id: "index",
  ids: "indexes",
  checkId: checkIndex,
  createsItems: false,
  noun: "List",
  notFound: Code.LIST_NOT_FOUND,
  invalidData: Code.LIST_ITEM_INVALID_DATA,
});

/** @param {unknown} key */
function checkKey(key) {
  if (typeof key !== "string") throw new TypeError("the key of an item is a string");
  const half = halfIn(key);
  const isShort = key !== "" && [...key.slice(0, 2 * KEY_LENGTH + 1)].length <= KEY_LENGTH;
  if (!half && isShort && key !== "." && key !== "..") return;
  const rule = `a key has 1 to ${KEY_LENGTH} characters, and is neither . nor ..`;
  const what = half ? `it holds ${half}` : rule;
  throw new SynclineError(`The key of the item is wrong: ${what}.`, {
    code: Code.INVALID_ITEM_KEY,
    status: 400,
  });
}

/** @param {unknown} index */
function checkIndex(index) {
  if (typeof index !== "number") throw new TypeError("the index of an item is a number");
  if (Number.isSafeInteger(index) && index >= 0) return;
  throw new SynclineError(`The index of an item is an integer from 0, not ${index}.`, {
    code: Code.INVALID_INDEX,
    status: 400,
  });
}
