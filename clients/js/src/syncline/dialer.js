/** Opens transports: a WebSocket, or REST where WebSockets are blocked (docs/protocol.md, C18). */

import { Backoff } from "./backoff.js";
import { INTERRUPTED, WebSocketBlocked, connectionLost } from "./errors.js";
import { refusalIn } from "./refusals.js";
import { RestTransport } from "./rest.js";
import { Deferred, ignore, sleep, within } from "./timing.js";
import { WebSocketTransport } from "./websocket.js";

/** @import { Options, Server } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { TokenSource } from "./token.js" */
/** @import { ObserverOfEvents, Transport } from "./transport.js" */

/** In the fallback, maximum pause before the first WebSocket attempt. */
const FIRST_PROBE = 1_000;

/** Opens the transport that the options and the network allow. */
export class Dialer {
  #server;
  #options;
  #onEvent;
  /** True from the fallback to REST until a WebSocket connects. */
  #isBlocked = false;

  /**
   * @param {Server} server
   * @param {TokenSource} token
   * @param {Options} options
   * @param {ObserverOfEvents} onEvent
   */
  constructor(server, token, options, onEvent) {
    this.#server = server;
    this.#options = options;
    this.#onEvent = onEvent;
    /** Called for each transport; `Connection.updateToken` replaces it. */
    this.token = token;
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Transport>}
   */
  async dial(signal) {
    const { transport: choice } = this.#options;
    const token = await this.getToken(signal);
    if (choice === "rest") return this.#dialRest(token, signal);
    if (choice === "websocket") return this.#dialWebSocket(token, signal);
    return this.#dialEither(token, signal);
  }

  /**
   * In the fallback, retry until a WebSocket connects; otherwise stay pending.
   *
   * @param {Transport} transport the transport in use
   * @param {AbortSignal} signal
   * @returns {Promise<Transport>}
   */
  async findBetter(transport, signal) {
    const { transport: choice, websocketRetry, WebSocket } = this.#options;
    const isSettled = transport.name === "websocket" || choice === "rest" || !WebSocket;
    if (isSettled) return new Promise(ignore);
    const backoff = new Backoff(Math.min(FIRST_PROBE, websocketRetry), websocketRetry);
    for (;;) {
      await sleep(backoff.pause(), signal);
      try {
        const found = await this.#dialWebSocket(await this.getToken(signal), signal);
        this.#isBlocked = false;
        return found;
      } catch {
        // Still blocked: pause and try again.
      }
    }
  }

  /** @param {AbortSignal} signal */
  getToken(signal) {
    const { tokenTimeout } = this.#options;
    const late = () =>
      connectionLost(`there is no token: the token function took more than ${tokenTimeout} ms`);
    return within(tokenTimeout, late, signal, () => this.token.get());
  }

  /**
   * Open a WebSocket, or REST where WebSockets are blocked.
   *
   * 1. Dial a WebSocket. Some proxies refuse the handshake, which shows at once.
   * 2. Dial REST too when the WebSocket is refused, or after `fallbackAfter`: other proxies never
   *    answer a handshake. If WebSockets were blocked last time, dial REST at once; `findBetter`
   *    looks for a WebSocket later.
   * 3. The first transport wins; the other attempt is aborted, and closed if it opens all the same.
   *
   * @param {string} token
   * @param {AbortSignal} outer
   * @returns {Promise<Transport>}
   */
  async #dialEither(token, outer) {
    const losing = new AbortController();
    const { signal } = losing;
    const abort = () => losing.abort(outer.reason);
    outer.addEventListener("abort", abort, { once: true });
    if (outer.aborted) abort();
    /** @type {Deferred<void>} */
    const blocked = new Deferred();
    /** @type {Promise<void>} */
    let checking = Promise.resolve();
    /** @type {Transport | null} */
    let found = null;
    const socket = this.#dialWebSocket(token, signal).catch(async (error) => {
      if (!(error instanceof WebSocketBlocked)) throw error;
      // A server that is full refuses too. Then REST would be refused as well: report the refusal.
      if (!this.#isBlocked) checking = this.#checkAdmission(signal);
      blocked.resolve(); // in parallel with the check: an unstable network leaves little time
      await checking;
      return rest;
    });
    const headStart = this.#isBlocked ? 0 : this.#options.fallbackAfter;
    const rest = Promise.race([blocked.promise, sleep(headStart, signal)]).then(() =>
      this.#dialRest(token, signal),
    );
    try {
      // If REST fails, the WebSocket may still succeed, so wait for it. Its error decides.
      const admitted = rest.then((transport) => checking.then(() => transport));
      found = await Promise.race([socket, admitted.catch(() => socket)]);
      this.#isBlocked = found.name === "rest";
      return found;
    } finally {
      outer.removeEventListener("abort", abort);
      losing.abort(INTERRUPTED);
      rest.then((late) => late !== found && late.close(), ignore);
      socket.catch(ignore);
    }
  }

  /**
   * Find out why a handshake was refused. A browser hides the reply: request the path with `fetch`.
   *
   * @param {AbortSignal} signal
   * @throws {SynclineError} the server refuses connections for now (429 or 503)
   */
  async #checkAdmission(signal) {
    const { fetch, probeTimeout } = this.#options;
    const late = () => connectionLost("no answer in time");
    /** @type {Response} */
    let response;
    let text = "";
    try {
      response = await within(probeTimeout, late, signal, async (deadline) => {
        const reply = await fetch(`${this.#server.httpUrl}/v1/ws`, {
          cache: "no-store",
          credentials: "omit",
          redirect: "error",
          signal: deadline,
        });
        text = await reply.text();
        return reply;
      });
    } catch {
      return; // Not known: the REST attempt will show it.
    }
    if (response.ok) return;
    const refusal = refusalIn(response, text);
    if (refusal.status && refusal.retry) throw refusal;
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  #dialWebSocket(token, signal) {
    const url = this.#server.websocketUrl;
    const onEvent = (/** @type {JsonObject} */ message) => this.#onEvent(message, false);
    return WebSocketTransport.open(url, token, this.#options, { onEvent, signal });
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  #dialRest(token, signal) {
    const onEvent = (/** @type {JsonObject} */ message) => this.#onEvent(message, true);
    const url = this.#server.httpUrl;
    return RestTransport.open(url, token, this.#options, { onEvent, signal });
  }
}
