/** How a connection is made. */

import { Backoff } from "./backoff.js";
import { INTERRUPTED, WebSocketBlocked, connectionLost } from "./errors.js";
import { refusalIn } from "./http.js";
import { RestTransport } from "./rest.js";
import { Deferred, ignore, sleep, within } from "./timing.js";
import { WebSocketTransport } from "./websocket.js";

/** @import { Options, Server } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { TokenSource } from "./token.js" */
/** @import { ObserverOfEvents, Transport } from "./transport.js" */

/** In the fallback, the longest pause before the first attempt at a WebSocket. */
const FIRST_PROBE = 1_000;

/** Makes transports: a WebSocket, or else its replacement. */
export class Dialer {
  #server;
  #options;
  #onEvent;
  /** True while no WebSocket has passed since one was found blocked. */
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
    /** Asked for each transport; may be replaced. */
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
   * In the fallback, try again and again whether WebSockets pass now.
   *
   * @param {Transport} transport the one in use
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
        // Still none.
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
   * A WebSocket, or REST where WebSockets are blocked. Some proxies refuse a handshake, which tells
   * at once; others swallow it: so REST is tried beside it after a while. Where WebSockets were
   * blocked the last time, that is at once: `findBetter` looks for them later.
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
      // A server that has no room refuses too: then REST would not help, and is not needed.
      if (!this.#isBlocked) checking = this.#checkAdmission(signal);
      blocked.resolve(); // beside the question: a network that breaks all the time leaves no time
      await checking;
      return rest;
    });
    const headStart = this.#isBlocked ? 0 : this.#options.fallbackAfter;
    const rest = Promise.race([blocked.promise, sleep(headStart, signal)]).then(() =>
      this.#dialRest(token, signal),
    );
    try {
      // REST may fail where a WebSocket passes, but not the other way: the socket has the last word.
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
   * A page does not see why a handshake was refused: ask the same path without one.
   *
   * @param {AbortSignal} signal
   * @throws {SynclineError} the server itself has no room for now
   */
  async #checkAdmission(signal) {
    const { fetch, probeTimeout } = this.#options;
    const late = () => connectionLost("no answer in time");
    /** @type {Response} */
    let response;
    let text = "";
    try {
      response = await within(probeTimeout, late, signal, async (patience) => {
        const reply = await fetch(`${this.#server.httpUrl}/v1/ws`, {
          cache: "no-store",
          credentials: "omit",
          redirect: "error",
          signal: patience,
        });
        text = await reply.text();
        return reply;
      });
    } catch {
      return; // For REST to find out.
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
    return WebSocketTransport.open(url, token, this.#options, onEvent, signal);
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  #dialRest(token, signal) {
    const onEvent = (/** @type {JsonObject} */ message) => this.#onEvent(message, true);
    return RestTransport.open(this.#server.httpUrl, token, this.#options, onEvent, signal);
  }
}
