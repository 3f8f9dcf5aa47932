/** Event streams of lists, maps and streams. */

import { pathTo } from "./rest-requests.js";

/** @import { Source } from "./event-streams.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Request } from "./transport.js" */

/** Types of which nothing is kept: what is not received at once does not come. */
const UNSTORED = new Set(["stream"]);

/**
 * Characters of a query, at most: a URL has at most 8,192 bytes. For a part with more keys the whole
 * is read, of which each handle receives its part.
 */
const QUERY_LENGTH = 7000;

/** Members of an `open` that name a part, and the parameters in the path that do. */
const PART = Object.freeze({ keys: "Key", indexes: "Index", prefix: "Prefix" });

/**
 * How the event stream of an object is read.
 *
 * @param {string} type
 * @param {string} address
 * @param {Request} request the `open`; with a `revision` it resumes
 * @returns {Source}
 */
export function objectSource(type, address, request) {
  const isStored = !UNSTORED.has(type);
  const query = new URLSearchParams();
  for (const [member, name] of Object.entries(PART)) {
    for (const value of [request[member] ?? []].flat()) query.append(name, String(value));
  }
  if (request.items?.limit) query.append("Items", String(request.items.limit));
  // Only a SID is surely the object that the client has at that revision.
  const isResumed = isStored && "revision" in request && request.mode === "open_existing";
  return {
    address,
    pathOf: (each) => pathTo(type, each),
    query: query.size > 0 && String(query).length <= QUERY_LENGTH ? `?${query}` : "",
    resumed: isResumed ? request.revision : null,
    isPolled: isStored,
    resumes: isStored,
    sidIn: (data) => data[type].sid,
    revisionOf: (_, id) => id,
    replyOf: (data) => data ?? resumedReply(type, address, request.revision),
    messageOf: (name, data) => (name === "state" ? eventOf(type, data) : { event: name, ...data }),
    removal: (sid) => ({ event: "removed", [type]: { sid } }),
  };
}

/**
 * The reply to an `open` that resumes: what has changed since comes as events.
 *
 * @param {string} type
 * @param {string} sid
 * @param {string} revision
 */
function resumedReply(type, sid, revision) {
  return { [type]: { sid, revision }, changes: [], more_since: revision };
}

/**
 * The event that does the same as the state at the beginning of a stream that resumes.
 *
 * @param {string} type
 * @param {JsonObject} state
 */
function eventOf(type, state) {
  const header = state[type];
  if (state.reset) return { event: "reset", [type]: header };
  if (!state.changes) return { event: "expiry", [type]: header };
  const revision = state.more_since ?? header.revision;
  // Its changes may have been made by this client, before the break.
  const resumed = header.revision;
  return { event: "items", [type]: { ...header, revision }, changes: state.changes, resumed };
}
