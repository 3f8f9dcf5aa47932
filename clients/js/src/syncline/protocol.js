/** What the native protocol fixes (docs/protocol.md), on every transport. */

/** @typedef {Record<string, any>} JsonObject a parsed JSON object */

export const SUBPROTOCOL = "syncline.v1";

/** UTF-16 units in a message of the server, at most: the largest document four times. */
export const MESSAGE_LIMIT = 4 * 2 ** 20;

/** A client that waits for more replies than this is refused more requests. */
export const OUTSTANDING_LIMIT = 10_000;

/** Codes that the client gives or acts on itself; docs/protocol.md, section 7, has all of them. */
export const Code = Object.freeze({
  TOKEN_INVALID: 20101,
  TOKEN_EXPIRED: 20104,
  TOO_LARGE: 54006,
  INVALID_JSON: 54008,
  TOO_MANY_REQUESTS: 54009,
  DOCUMENT_NOT_FOUND: 54100,
  INVALID_DATA: 54101,
  NAME_TAKEN: 54301,
  INVALID_NAME: 54302,
});

/** The media types of patches, by their kinds. @type {Record<string, string>} */
export const PATCH_TYPES = {
  merge: "application/merge-patch+json",
  operations: "application/json-patch+json",
  increment: "application/vnd.syncline.increment+json",
};

/** A new operation id (docs/protocol.md, section 3). */
export function makeOp() {
  // `crypto.randomUUID` is missing where a page was loaded over plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
