/** What an application may choose, and where the server is. */

/**
 * @typedef {object} ClientOptions
 * @property {string} [url] base URL of the server, `http(s)://` or `ws(s)://`; by default the
 *   origin that this module was loaded from, else that of the page
 * @property {"auto" | "websocket" | "rest"} [transport] `rest` is REST and server-sent events;
 *   `auto`, the default, takes it where WebSockets are blocked
 * @property {typeof globalThis.WebSocket} [WebSocket] the constructor, where it is not global
 * @property {typeof globalThis.fetch} [fetch] the function, if not the global one
 * @property {number} [openTimeout] for one attempt to connect and authenticate
 * @property {number} [requestTimeout] for one request, waiting for a connection included
 * @property {number} [mutateTimeout] after which `mutate` tries no more
 * @property {number} [backoffInitial] the longest first pause before connecting again
 * @property {number} [backoffLimit] the longest pause
 * @property {number} [pingInterval] silence after which the server is asked for a sign of life
 * @property {number} [pingTimeout] after which, without one, the connection counts as broken
 * @property {number} [websocketRetry] in the fallback, the longest time between attempts at a
 *   WebSocket
 * @property {number} [eventStreams] in the fallback, documents that have an event stream of their
 *   own; others are read every two seconds. Browsers allow a host six connections over HTTP/1.1,
 *   shared by all tabs
 * @property {number} [eventQueue] events that may wait for one reader; beyond, the newest are
 *   joined to one
 * @property {boolean} [deltas] let the server tell what has changed in a document, where that is
 *   shorter than the document, which is the default; false saves the time to put the two together
 */

/**
 * @typedef {Required<Omit<ClientOptions, "url" | "WebSocket">> & {
 *   WebSocket: typeof globalThis.WebSocket | undefined,
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
    // A browser's `fetch` must be called on its window.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    openTimeout: options.openTimeout ?? 10_000,
    requestTimeout: options.requestTimeout ?? 30_000,
    mutateTimeout: options.mutateTimeout ?? 60_000,
    backoffInitial: options.backoffInitial ?? 500,
    backoffLimit: options.backoffLimit ?? 30_000,
    pingInterval: options.pingInterval ?? 20_000,
    pingTimeout: options.pingTimeout ?? 10_000,
    websocketRetry: options.websocketRetry ?? 60_000,
    eventStreams: options.eventStreams ?? 2,
    eventQueue: options.eventQueue ?? 256,
    deltas: options.deltas ?? true,
  };
}

/** @typedef {{ httpUrl: string, websocketUrl: string }} Server `httpUrl` has no slash at its end */

/**
 * @param {string | undefined} given
 * @returns {Server}
 * @throws {TypeError} the URL cannot be a server's
 */
export function parseServer(given) {
  const text = given ?? defaultUrl();
  const url = new URL(text);
  if (!/^(http|ws)s?:$/.test(url.protocol) || !url.host) {
    throw new TypeError(`url must be http(s)://host or ws(s)://host, not ${text}`);
  }
  if (url.search || url.hash || url.username || url.password) {
    throw new TypeError("url must have no query, fragment or credentials");
  }
  const secure = url.protocol.endsWith("s:") ? "s" : "";
  const base = `${secure}://${url.host}${url.pathname.replace(/\/+$/, "")}`;
  return { httpUrl: `http${base}`, websocketUrl: `ws${base}/v1/ws` };
}

function defaultUrl() {
  const here = new URL(import.meta.url);
  if (/^https?:$/.test(here.protocol)) return here.origin;
  if (/^https?:/.test(globalThis.location?.origin ?? "")) return globalThis.location.origin;
  throw new TypeError("this module was not loaded from a server: url is needed");
}
