/** Conversion of native requests to REST requests. */

/** @import { Request } from "./transport.js" */

/**
 * The address and mode of an `open`. A SID is never created, in any mode.
 *
 * @param {Request} request
 * @returns {{ document: string | undefined, mode: string }}
 */
export function openingOf({ document, mode = "open_or_create" }) {
  return { document, mode: /^[A-Z]{2}[a-f0-9]{32}$/.test(document ?? "") ? "open_existing" : mode };
}

/**
 * Form parameters for a create or an update.
 *
 * @param {Request} request
 */
export function formOf(request) {
  const form = new URLSearchParams();
  if (request.do === "open" && "document" in request) form.set("UniqueName", request.document);
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
