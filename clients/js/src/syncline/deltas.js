/** Deltas between two revisions of a document, as JSON patches (RFC 6902). */

import { digest } from "./canonical.js";

/** @import { JsonObject } from "./protocol.js" */

/** Maximum number of operations in one delta. */
const OPERATIONS_LIMIT = 256;

/** The delta does not fit the data, or does not lead to the data that the server meant. */
export class Inapplicable extends Error {}

/**
 * Apply a delta to `value` in place; `value` then shares members with the operations.
 *
 * @param {JsonObject} value if the delta does not fit, some operations may have been applied
 * @param {any} delta unchecked: `operations`, and the `digest` of their result
 * @throws {Inapplicable} the delta does not fit `value`, or the result has another digest
 */
export function apply(value, delta) {
  const operations = delta?.operations;
  if (!Array.isArray(operations) || operations.length > OPERATIONS_LIMIT) {
    throw new Inapplicable(`a delta has at most ${OPERATIONS_LIMIT} operations`);
  }
  for (const operation of operations) applyOne(value, operation);
  const found = digest(value);
  if (found !== delta.digest) throw new Inapplicable(`the digest is ${found}, not ${delta.digest}`);
}

/**
 * @param {JsonObject} value
 * @param {any} operation
 */
function applyOne(value, operation) {
  if (typeof operation?.path !== "string") throw misfit();
  // An empty path means the whole data, which no delta replaces.
  const [root, ...names] = operation.path.split("/").map(unescape);
  const last = names.pop();
  if (root !== "" || last === undefined) throw misfit();
  /** @type {any} */
  let target = value;
  for (const name of names) target = target[existing(target, name)];
  const verb = operation.op;
  if (verb === "remove") remove(target, existing(target, last));
  else if (!Object.hasOwn(operation, "value")) throw misfit();
  else if (verb === "replace") put(target, existing(target, last), operation.value);
  else if (verb !== "add") throw misfit();
  else if (Array.isArray(target)) target.splice(index(last, target.length + 1), 0, operation.value);
  else put(target, last, operation.value);
}

/**
 * Return the key of an existing member, or the index of an existing element.
 *
 * @param {any} target
 * @param {string} name
 * @returns {any}
 */
function existing(target, name) {
  if (Array.isArray(target)) return index(name, target.length);
  if (!isObject(target) || !Object.hasOwn(target, name)) throw misfit();
  return name;
}

/**
 * @param {string} name
 * @param {number} limit
 */
function index(name, limit) {
  if (!/^(0|[1-9][0-9]{0,8})$/.test(name) || Number(name) >= limit) throw misfit();
  return Number(name);
}

/**
 * @param {any} target
 * @param {string | number} place
 * @param {unknown} value
 */
function put(target, place, value) {
  if (!isObject(target)) throw misfit();
  // Assigning to `__proto__` would set the prototype, not a member.
  const member = { value, writable: true, enumerable: true, configurable: true };
  if (place === "__proto__") Object.defineProperty(target, place, member);
  else target[place] = value;
}

/**
 * @param {any} target
 * @param {string | number} place
 */
function remove(target, place) {
  if (Array.isArray(target)) target.splice(Number(place), 1);
  else delete target[place];
}

/**
 * @param {any} value
 * @returns {value is JsonObject}
 */
function isObject(value) {
  return typeof value === "object" && value !== null;
}

/** @param {string} name */
function unescape(name) {
  return name.replaceAll("~1", "/").replaceAll("~0", "~");
}

function misfit() {
  return new Inapplicable("an operation does not fit the data");
}
