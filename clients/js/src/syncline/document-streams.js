/** Event streams of documents. */

import { pathTo } from "./rest-requests.js";

/** @import { Source } from "./event-streams.js" */

/**
 * How the event stream of a document is read.
 *
 * @param {string} address
 * @returns {Source}
 */
export function documentSource(address) {
  return {
    address,
    pathOf: (each) => pathTo("document", each),
    query: "",
    resumed: null,
    isPolled: true,
    resumes: false,
    sidIn: (data) => (data.document ?? data).sid,
    revisionOf: (data, id) => id ?? data.revision ?? null,
    replyOf: (data) => ({ document: data }),
    messageOf: (name, data) => ({ event: name === "state" ? "updated" : name, document: data }),
    removal: (sid) => ({ event: "removed", document: { sid } }),
  };
}
