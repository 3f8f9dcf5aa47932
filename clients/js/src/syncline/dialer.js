/** How a connection is made. */

import { Backoff } from "./backoff.js";
import { WebSocketBlocked, connectionLost } from "./errors.js";
import { RestTransport } from "./rest.js";
import { ignore, sleep, within } from "./timing.js";
import { WebSocketTransport } from "./websocket.js";

/** @import { Options, Server } from "./options.js" */
/** @import { TokenSource } from "./token.js" */
/** @import { EventHandler, Transport } from "./transport.js" */

/** In the fallback, the longest pause before the first attempt at a WebSocket. */
const FIRST_PROBE = 1_000;

/** Makes transports: a WebSocket, or else its replacement. */
export class Dialer {
  #server;
  #options;
  #onEvent;

  /**
   * @param {Server} server
   * @param {TokenSource} token
   * @param {Options} options
   * @param {EventHandler} onEvent
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
    try {
      return await this.#dialWebSocket(token, signal);
    } catch (error) {
      if (!(error instanceof WebSocketBlocked) || choice === "websocket") throw error;
      return this.#dialRest(token, signal);
    }
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
        return await this.#dialWebSocket(await this.getToken(signal), signal);
      } catch {
        // Still none.
      }
    }
  }

  /** @param {AbortSignal} signal */
  getToken(signal) {
    const late = () => connectionLost("the token function returned nothing in time");
    return within(this.#options.openTimeout, late, signal, () => this.token.get());
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  #dialWebSocket(token, signal) {
    const url = this.#server.websocketUrl;
    return WebSocketTransport.open(url, token, this.#options, this.#onEvent, signal);
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  #dialRest(token, signal) {
    return RestTransport.open(this.#server.httpUrl, token, this.#options, this.#onEvent, signal);
  }
}
