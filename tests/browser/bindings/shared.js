/** What the test pages of all frameworks share: what the page did, for the tests to read. */

/** Names of documents, maps, … that the page opened, one for each request. */
export const opened = [];
/** Number of requests that unsubscribe. */
export const unsubscribed = { count: 0 };
/** Tokens that the page sent. */
export const tokens = [];
/** Sockets that the page made. */
export const sockets = [];
/** How often each part of the page was rendered. */
export const renders = {};
/** The statuses that each place showed, without repetitions. */
export const statuses = {};
/** Messages that `onMessage` got. */
export const messages = [];
/** Warnings of the framework, as for a page that differs from what the server rendered. */
export const warnings = [];

Object.assign(globalThis, { opened, unsubscribed, tokens, sockets, renders, statuses, messages, warnings });

const { warn } = console;
console.warn = (...given) => {
  warnings.push(given.map(String).join(" "));
  warn(...given);
};

class RecordingSocket extends (globalThis.WebSocket ?? Object) {
  constructor(...given) {
    super(...given);
    sockets.push(this);
  }

  send(text) {
    const { do: verb, mode, document, map, list, stream, token } = JSON.parse(text);
    // After an `unsubscribe` the client opens by SID what was opened meanwhile.
    const isBySid = mode === "open_existing" && /^[A-Z]{2}[0-9a-f]{32}$/.test(document ?? map);
    if (verb === "open" && !isBySid) opened.push(document ?? map ?? list ?? stream);
    if (verb === "auth") tokens.push(token);
    if (verb === "unsubscribe") unsubscribed.count += 1;
    super.send(text);
  }
}

/** What the provider of a binding gets. */
export function given({ url, token, grace, isText }) {
  // On a busy machine the client may fall back to REST, which has no sockets to count.
  const transport = "websocket";
  const options = { WebSocket: RecordingSocket, transport, backoffInitial: 50, backoffLimit: 100 };
  return { url, token: isText ? token : async () => token, options, grace };
}

export function countRender(part) {
  renders[part] = (renders[part] ?? 0) + 1;
}

export function recordStatus(place, status) {
  const before = (statuses[place] ??= []);
  if (before.at(-1) !== status) before.push(status);
}

/** What a place shows of an error. */
export function textOf(error) {
  return error ? `${error.status ?? ""} ${error.message}`.trim() : "";
}
