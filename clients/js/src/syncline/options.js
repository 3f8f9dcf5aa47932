/** What an application may choose, and where the server is. */

/**
 * @typedef {object} ClientOptions
 * @property {string} [url] base URL of the server, `http(s)://` or `ws(s)://`, with the path prefix
 *   that a proxy may serve it under; by default where this module was loaded from, and in a bundle
 *   the origin of the bundle, else that of the page
 * @property {"auto" | "websocket" | "rest"} [transport] `rest` is REST and server-sent events;
 *   `auto`, the default, takes it where WebSockets are blocked
 * @property {typeof globalThis.WebSocket} [WebSocket] the constructor, where it is not global
 * @property {typeof globalThis.fetch} [fetch] the function, if not the global one
 * @property {number} [openTimeout] for one attempt to connect and authenticate
 * @property {number} [tokenTimeout] for one call of the token function
 * @property {number} [fallbackAfter] time without a WebSocket after which REST is tried beside it
 * @property {number} [requestTimeout] for one request, waiting for a connection included
 * @property {number} [mutateTimeout] after which `mutate` tries no more
 * @property {number} [mutateWait] after which a `mutate` waits no more for the mutator of another
 *   one of the same document: most likely that one waits for this one
 * @property {number} [backoffInitial] the longest first pause before connecting again
 * @property {number} [backoffLimit] the longest pause
 * @property {number} [pingInterval] silence after which the server is asked for a sign of life
 * @property {number} [pingTimeout] after which, without one, the connection counts as broken
 * @property {number} [probeAfter] time that a request may wait for its reply in silence, before the
 *   server is asked for a sign of life
 * @property {number} [probeTimeout] after which, without one, the connection is given up: the
 *   client dials again at once, and sends again what was not answered
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
  };
}

/** @typedef {{ httpUrl: string, websocketUrl: string }} Server `httpUrl` has no slash at its end */

/**
 * @param {string | undefined} given
 * @returns {Server}
 * @throws {TypeError} the URL cannot be a server's
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

/** Where a server has this file, below the path prefix that it may be served under. */
const THIS_FILE = "/syncline/options.js";

/**
 * @param {string | undefined} here the URL of this module; a bundle that is no module has none
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
