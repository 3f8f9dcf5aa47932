/** Patches: rules by which the server changes the newest data. */

import { Json, pointerTo } from "./encoding.js";
import { PATCH_TYPES } from "./protocol.js";

/** @import { JsonObject } from "./protocol.js" */

/** Maximum number of operations in one JSON patch (docs/protocol.md, section 3). */
const OPERATIONS_LIMIT = 1_000;

/**
 * One rule by which the server changes the newest data.
 *
 * @typedef {{ merge: JsonObject }
 *   | { operations: JsonObject[] }
 *   | { increment: Record<string, number> }} Patch
 *   a JSON merge patch (RFC 7396); a JSON patch (RFC 6902), applied completely or not at all; or
 *   numbers to add, by JSON pointer (RFC 6901)
 */

/**
 * The member of a request for a patch.
 *
 * @param {Patch} patch
 * @returns {JsonObject}
 */
export function patchMember(patch) {
  const rules = Object.entries(patch).filter(([, rule]) => rule != null);
  if (rules.length !== 1 || !(rules[0][0] in PATCH_TYPES)) {
    throw new TypeError("patch takes exactly one of merge, operations and increment");
  }
  const [[kind, rule]] = rules;
  return { [kind]: Json.of(rule) };
}

/**
 * The patch that sets top-level keys and leaves the others as they are.
 *
 * @param {JsonObject} changes
 * @returns {Patch | null} null if no patch does it
 */
export function settingKeys(changes) {
  const entries = Object.entries(changes);
  const isPlain = entries.every(([, value]) => JSON.stringify(value) !== undefined);
  // A value that JSON cannot write, such as undefined, removes its key; a patch cannot do that.
  if (!isPlain || entries.length > OPERATIONS_LIMIT) return null;
  const operations = entries.map(([key, value]) => ({ op: "add", path: pointerTo(key), value }));
  return { operations };
}
