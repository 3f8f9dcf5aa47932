/** What changed between two revisions of a document, as a JSON patch (RFC 6902). */

import { digest } from "./canonical.js";

/** @import { JsonObject } from "./protocol.js" */

/** Operations in one delta, at most. */
const OPERATIONS_LIMIT = 256;

/** A delta that does not lead from the state that is held to the one that was meant. */
export class Inapplicable extends Error {}

/**
 * Change `value` by the operations of a delta; members of them become part of it.
 *
 * @param {JsonObject} value changed in part where the delta does not fit
 * @param {any} delta as it came: `operations`, and the `digest` of what they lead to
 * @throws {Inapplicable} it does not fit `value`, or the digest is another one
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
  // A path of no member at all means the data as a whole, which no delta replaces.
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
 * The key of a member, or the index of an element, that is there.
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
  // An assignment to `__proto__` would not make a member.
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
