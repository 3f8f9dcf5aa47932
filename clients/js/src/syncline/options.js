/** Options of a client, and the addresses of the server. */

import { DebugLog } from "./debug.js";

/** @import { Debug } from "./debug.js" */

/**
 * @typedef {object} ClientOptions
 * @property {string} [url] base URL of the server, `http(s)://` or `ws(s)://`, including a path
 *   prefix if a proxy adds one; default: where this module was loaded from, and in a bundle the
 *   origin of the bundle, else of the page
 * @property {"auto" | "websocket" | "rest"} [transport] `rest` is REST and server-sent events;
 *   `auto`, the default, falls back to it where WebSockets are blocked
 * @property {typeof globalThis.WebSocket} [WebSocket] the constructor, if there is no global one
 * @property {typeof globalThis.fetch} [fetch] default: the global function
 * @property {number} [openTimeout] limit for one attempt to connect and authenticate
 * @property {number} [tokenTimeout] limit for one call of the token function
 * @property {number} [fallbackAfter] time to wait for a WebSocket before REST is tried in parallel
 * @property {number} [requestTimeout] limit for one request, including the wait for a connection
 * @property {number} [mutateTimeout] time after which `mutate` stops retrying
 * @property {number} [mutateWait] maximum time that a `mutate` waits for the mutator of another
 *   call for the same document; after that, the other mutator is assumed to wait for this call
 * @property {number} [backoffInitial] maximum of the first random pause before a reconnect
 * @property {number} [backoffLimit] maximum of every later pause
 * @property {number} [pingInterval] silence after which the client asks for a sign of life
 * @property {number} [pingTimeout] time to wait for it; then the connection counts as broken
 * @property {number} [probeAfter] time that a request may wait for its reply while nothing comes
 *   from the server; then the client asks for a sign of life
 * @property {number} [probeTimeout] time to wait for it; then the client drops the connection,
 *   dials again at once, and sends the requests without a reply again
 * @property {number} [websocketRetry] in the fallback, maximum time between WebSocket attempts
 * @property {number} [eventStreams] in the fallback, number of documents, lists and maps with an
 *   event stream of their own; others are polled every two seconds. Streams always have one. Over HTTP/1.1 browsers allow six connections
 *   per host, shared by all tabs
 * @property {number} [eventQueue] events that may wait for one reader; beyond that, they are merged:
 *   those of a document into the newest, those of a list or map into a `reset`, those of a stream
 *   into `missed`
 * @property {boolean} [deltas] let the server send only the changes of a document, or of an item of a
 *   replica, where that is shorter, which is the default; false always asks for whole ones and saves
 *   the time to apply the changes
 * @property {Debug} [debug] log each state, request, reply and event as a line, with names and keys
 *   but without tokens and data: `true` for the console; an object with a method `log` or `debug`;
 *   or a function
 * @property {boolean} [debugData] with `debug`, pass the message with its data as a second argument
 */

/**
 * @typedef {Required<Omit<ClientOptions, "url" | "WebSocket" | "debug" | "debugData">> & {
 *   WebSocket: typeof globalThis.WebSocket | undefined,
 *   log: DebugLog | null,
 * }} Options
 */

/**
 * @param {ClientOptions} options
 * @returns {Options}
 */
export function withDefaults(options) {
  return {
    transport: options.transport ?? "auto",
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
    // A browser's `fetch` must be called as a method of its window.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    openTimeout: options.openTimeout ?? 10_000,
    tokenTimeout: options.tokenTimeout ?? 10_000,
    fallbackAfter: options.fallbackAfter ?? 2_000,
    requestTimeout: options.requestTimeout ?? 30_000,
    mutateTimeout: options.mutateTimeout ?? 60_000,
    mutateWait: options.mutateWait ?? 10_000,
    backoffInitial: options.backoffInitial ?? 500,
    backoffLimit: options.backoffLimit ?? 30_000,
    pingInterval: options.pingInterval ?? 20_000,
    pingTimeout: options.pingTimeout ?? 10_000,
    probeAfter: options.probeAfter ?? 4_000,
    probeTimeout: options.probeTimeout ?? 3_000,
    websocketRetry: options.websocketRetry ?? 60_000,
    eventStreams: options.eventStreams ?? 2,
    eventQueue: options.eventQueue ?? 256,
    deltas: options.deltas ?? true,
    log: DebugLog.of(options.debug, options.debugData),
  };
}

/** @typedef {{ httpUrl: string, websocketUrl: string }} Server `httpUrl` has no trailing slash */

/**
 * @param {string | undefined} given
 * @returns {Server}
 * @throws {TypeError} the URL is not a server URL
 */
export function parseServer(given) {
  const text = given ?? defaultUrl(import.meta.url);
  const url = parse(text);
  if (!url || !/^(http|ws)s?:$/.test(url.protocol) || !url.host) {
    throw new TypeError(`url must be http(s)://host or ws(s)://host, not ${text}`);
  }
  if (url.search || url.hash || url.username || url.password) {
    throw new TypeError("url must have no query, fragment or credentials");
  }
  const secure = url.protocol.endsWith("s:") ? "s" : "";
  const base = `${secure}://${url.host}${url.pathname.replace(/\/+$/, "")}`;
  return { httpUrl: `http${base}`, websocketUrl: `ws${base}/v1/ws` };
}

/** @param {string} text @returns {URL | null} */
function parse(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** Path of this file on a server, after any path prefix. */
const THIS_FILE = "/syncline/options.js";

/**
 * @param {string | undefined} here URL of this module; undefined in a bundle that is not a module
 * @returns {string}
 */
function defaultUrl(here) {
  const url = here ? parse(here) : null;
  if (url && /^https?:$/.test(url.protocol)) {
    const isServed = url.pathname.endsWith(THIS_FILE);
    return isServed ? url.origin + url.pathname.slice(0, -THIS_FILE.length) : url.origin;
  }
  if (/^https?:/.test(globalThis.location?.origin ?? "")) return globalThis.location.origin;
  throw new TypeError(
    "the server is not known, because this module was not loaded from one: pass the option `url`",
  );
}
