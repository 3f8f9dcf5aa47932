/** Conversion of native requests to REST requests. */

import { OBJECT_TYPES } from "./protocol.js";

/** @import { Request } from "./transport.js" */

/** Segments of paths, by type. @type {Record<string, string>} */
const SEGMENTS = { document: "Documents", list: "Lists", map: "Maps", stream: "Streams" };

/**
 * The path of the objects of a type, or of one, below the service.
 *
 * @param {string} type
 * @param {string} [address] SID or unique name
 */
export function pathTo(type, address) {
  const segment = `/${SEGMENTS[type]}`;
  return address === undefined ? segment : `${segment}/${encodeURIComponent(address)}`;
}

/**
 * The type and the address of the object that a request names; of an `open` the address may be
 * undefined.
 *
 * @param {Request} request
 * @returns {{ type: string, address: any }}
 */
export function targetOf(request) {
  const type = OBJECT_TYPES.find((each) => each in request) ?? "document";
  const given = request[type];
  return { type, address: typeof given === "string" ? given : undefined };
}

/**
 * The mode of an `open`. A SID is never created, in any mode.
 *
 * @param {Request} request
 * @returns {string}
 */
export function modeOf(request) {
  const { mode = "open_or_create" } = request;
  const { address = "" } = targetOf(request);
  return /^[A-Z]{2}[a-f0-9]{32}$/.test(address) ? "open_existing" : mode;
}

/**
 * Form parameters for a create or an update.
 *
 * @param {Request} request
 */
export function formOf(request) {
  const form = new URLSearchParams();
  const { address } = targetOf(request);
  if (request.do === "open" && address !== undefined) form.set("UniqueName", address);
  if ("data" in request) form.set("Data", request.data.text);
  if ("ttl" in request) form.set("Ttl", String(request.ttl));
  return form;
}

/**
 * @param {Request} request
 * @returns {Record<string, string>}
 */
export function headersOf(request) {
  return {
    ...("if_match" in request ? { "If-Match": request.if_match } : {}),
    ...("op" in request ? { "Idempotency-Key": request.op } : {}),
  };
}
