/** Data of changes that come as deltas (docs/protocol.md, section 5 and rule C33). */

import { Inapplicable, apply } from "./deltas.js";

/** @import { Item } from "./item.js" */
/** @import { JsonObject } from "./protocol.js" */

/**
 * The data of a change that comes without it.
 *
 * @param {JsonObject} change
 * @param {Item | undefined} item as a replica has it; undefined if it is not known to be right
 * @returns {string | null} compact JSON; null if a page has overtaken the change: it says nothing new
 * @throws {Inapplicable} the item is not the one that the delta begins from, or the delta does not
 *   lead to the data that the server meant
 */
export function jsonOfDelta(change, item) {
  if (item === undefined) throw new Inapplicable("this client does not have the item");
  const order = Number(change.revision);
  if (item.order >= order) return item.order === order ? item.json : null;
  if (change.previous_revision !== item.revision) {
    throw new Inapplicable("this client does not have the item at the revision before");
  }
  const { data } = item;
  apply(data, change.delta);
  return JSON.stringify(data);
}
