/** How the event stream of each type of object is read. */

import { objectSource } from "./collection-streams.js";
import { documentSource } from "./document-streams.js";

/** @import { Source } from "./event-streams.js" */
/** @import { Request } from "./transport.js" */

/** Types whose streams have a form of their own. @type {Record<string, typeof documentSource>} */
const SOURCES = { document: documentSource };

/**
 * @param {string} type
 * @param {string} address
 * @param {Request} request the `open`
 * @returns {Source}
 */
export function sourceOf(type, address, request) {
  return SOURCES[type]?.(address) ?? objectSource(type, address, request);
}
