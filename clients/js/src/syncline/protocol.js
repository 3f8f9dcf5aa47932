/** Constants of the native protocol (docs/protocol.md), for every transport. */

/**
 * A parsed JSON object. An array is none, and neither is a Map: what can be iterated is not accepted.
 *
 * @typedef {Record<string, any> & { [Symbol.iterator]?: never }} JsonObject
 */

export const SUBPROTOCOL = "syncline.v1";

/** Maximum size in UTF-16 units of a message from the server: four times the largest document. */
export const MESSAGE_LIMIT = 4 * 2 ** 20;

/** Types of objects: the member of a message with that name names the object, or is its header. */
export const OBJECT_TYPES = Object.freeze(["document", "list", "map", "stream"]);

/** Maximum number of requests that wait for replies; further ones are rejected. */
export const OUTSTANDING_LIMIT = 10_000;

/**
 * Error codes of the server by status (docs/guide/errors.md), besides 20000 plus the status.
 *
 * @type {Record<number, number[]>}
 */
export const CODES_BY_STATUS = {
  400: [
    20001, 20422, 54003, 54008, 54010, 54011, 54051, 54053, 54101, 54156, 54206, 54209, 54251,
    54302, 54351, 54419, 54451, 54452, 54453, 54454, 54458,
  ],
  401: [20003, 20101, 20102, 20103, 20104, 20105, 20106, 20107, 20157, 51215],
  403: [54007, 54056],
  404: [54050, 54100, 54150, 54151, 54200, 54201, 54250, 54300, 54354],
  405: [20004],
  409: [54208, 54301],
  412: [54103, 54155, 54205],
  413: [54006],
  429: [54009],
};

/** Error codes that the client itself uses. */
export const Code = Object.freeze({
  TOKEN_INVALID: 20101,
  TOKEN_EXPIRED: 20104,
  TOO_LARGE: 54006,
  INVALID_JSON: 54008,
  TOO_MANY_REQUESTS: 54009,
  DOCUMENT_NOT_FOUND: 54100,
  INVALID_DATA: 54101,
  LIST_NOT_FOUND: 54150,
  LIST_ITEM_INVALID_DATA: 54156,
  MAP_NOT_FOUND: 54200,
  MAP_ITEM_INVALID_DATA: 54206,
  INVALID_ITEM_KEY: 54209,
  STREAM_NOT_FOUND: 54250,
  MESSAGE_INVALID_DATA: 54251,
  NAME_TAKEN: 54301,
  INVALID_NAME: 54302,
  INVALID_INDEX: 54458,
});

/** Media types of patches, by kind. @type {Record<string, string>} */
export const PATCH_TYPES = {
  merge: "application/merge-patch+json",
  operations: "application/json-patch+json",
  increment: "application/vnd.syncline.increment+json",
};

/** Make an operation id (docs/protocol.md, section 3). */
export function makeOp() {
  // `crypto.randomUUID` does not exist in a page that was loaded over plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
