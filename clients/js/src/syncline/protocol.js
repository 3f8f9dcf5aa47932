/** What the native protocol fixes (docs/protocol.md), on every transport. */

/** @typedef {Record<string, any>} JsonObject a parsed JSON object */

export const SUBPROTOCOL = "syncline.v1";

/** UTF-16 units in a message of the server, at most: the largest document four times. */
export const MESSAGE_LIMIT = 4 * 2 ** 20;

/** A client that waits for more replies than this is refused more requests. */
export const OUTSTANDING_LIMIT = 10_000;

/**
 * The codes of the server's error bodies (docs/guide.md, "Errors"). An error body with another code
 * counts as the server's only if it names its code in `more_info` too.
 */
export const DOCUMENTED_CODES = new Set([
  20001, 20003, 20004, 20101, 20102, 20103, 20104, 20105, 20106, 20107, 20157, 20400, 20403, 20404,
  20408, 20409, 20414, 20415, 20422, 20429, 20431, 20500, 20503, 51215, 54003, 54006, 54007, 54008,
  54009, 54010, 54011, 54050, 54051, 54053, 54056, 54100, 54101, 54103, 54300, 54301, 54302, 54351,
  54354, 54419, 54453, 54454,
]);

/** Codes that the client gives or acts on itself. */
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
