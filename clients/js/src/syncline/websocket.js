/** The transport that is wanted: the native protocol over a WebSocket. */

import { Close, FIRST_PRIVATE_CLOSE_CODE, whyClosed } from "./close.js";
import {
  INTERRUPTED,
  SynclineError,
  WebSocketBlocked,
  clientClosed,
  connectionLost,
  messageOf,
  refusalOf,
} from "./errors.js";
import { checkSize, encodeMessage } from "./json.js";
import { MESSAGE_LIMIT, SUBPROTOCOL } from "./protocol.js";
import { Deferred, ignore, sleep, within } from "./timing.js";

/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { EventHandler, Receive, Request, Transport } from "./transport.js" */

/** Bytes in a message to the server, at most, by the document's limit: the server takes no less. */
const FRAME_FACTOR = 8;

/**
 * The native protocol over one WebSocket.
 *
 * @implements {Transport}
 */
export class WebSocketTransport {
  /** @type {"websocket"} */
  name = "websocket";
  ordered = true;
  isOpen = false;
  /** @type {number | null} */
  dataLimit = null;

  #socket;
  #options;
  #onEvent;
  /** @type {Deferred<void>} */
  #opened = new Deferred();
  /** @type {Deferred<SynclineError>} */
  #end = new Deferred();
  /** Aborted with the transport's end. */
  #life = new AbortController();
  #lastId = 0;
  #messagesHeard = 0;
  /**
   * @type {Map<number, {
   *   receive: Receive<any>, resolve: (result: any) => void, reject: (error: unknown) => void,
   * }>}
   */
  #pending = new Map();

  /**
   * @param {WebSocket} socket
   * @param {Options} options
   * @param {EventHandler} onEvent
   */
  constructor(socket, options, onEvent) {
    this.#socket = socket;
    this.#options = options;
    this.#onEvent = onEvent;
    socket.addEventListener("open", () => this.#onOpen());
    socket.addEventListener("message", (event) => this.#onMessage(event.data));
    socket.addEventListener("close", (event) => this.#onClose(event.code, event.reason));
    // It says nothing, and "close" follows; but some implementations throw what nobody listens to.
    socket.addEventListener("error", ignore);
  }

  get ended() {
    return this.#end.promise;
  }

  /**
   * Connect and authenticate, within `openTimeout`.
   *
   * @param {string} url
   * @param {string} token
   * @param {Options} options
   * @param {EventHandler} onEvent
   * @param {AbortSignal} signal
   * @returns {Promise<WebSocketTransport>} rejected with `WebSocketBlocked` if no Syncline server
   *   answers: a page is not told whether the host refused, or is not there
   */
  static async open(url, token, options, onEvent, signal) {
    const late = () => new WebSocketBlocked(`no WebSocket at ${url} in time`, { retry: true });
    const transport = new WebSocketTransport(dial(url, options), options, onEvent);
    try {
      await within(options.openTimeout, late, signal, (patience) =>
        transport.#join(token, patience),
      );
    } catch (error) {
      transport.close();
      throw error;
    }
    void transport.#watch();
    return transport;
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  async request(request, receive, signal) {
    if (!this.isOpen) throw INTERRUPTED;
    this.#lastId += 1;
    const id = this.#lastId;
    // The id comes first, so that the server can answer what it cannot parse.
    const message = encodeMessage({ id, ...request });
    // A message that is larger than a frame may be would end the connection for good.
    if (this.dataLimit !== null) checkSize(message, FRAME_FACTOR * this.dataLimit);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { receive, resolve, reject });
      signal.addEventListener("abort", () => this.#pending.delete(id), { once: true });
      this.#socket.send(message);
    });
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  async authenticate(token, signal) {
    await this.#authenticate({ do: "auth", token }, signal);
  }

  close() {
    this.#finish(clientClosed(), Close.NORMAL);
  }

  /**
   * @param {string} token
   * @param {AbortSignal} signal
   */
  async #join(token, signal) {
    await this.#opened.promise;
    const { deltas } = this.#options;
    try {
      await this.#authenticate({ do: "auth", token, ...(deltas ? { deltas } : {}) }, signal);
    } catch (error) {
      if (error !== INTERRUPTED) throw error;
      const reason = await this.ended;
      if ((reason.closeCode ?? 0) >= FIRST_PRIVATE_CLOSE_CODE || reason.status) throw reason;
      // Some proxies let the handshake pass and then cut the connection.
      throw new WebSocketBlocked(reason.message, { retry: true });
    }
  }

  /**
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #authenticate(request, signal) {
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      this.dataLimit = ok.data_limit ?? null;
    };
    await this.request(request, receive, signal);
  }

  #onOpen() {
    if (this.#socket.protocol !== SUBPROTOCOL) {
      this.#finish(connectionLost("the WebSocket does not speak " + SUBPROTOCOL), Close.NORMAL);
      return;
    }
    this.isOpen = true;
    this.#opened.resolve();
  }

  /** @param {unknown} text */
  #onMessage(text) {
    if (!this.isOpen) return;
    this.#messagesHeard += 1;
    try {
      if (typeof text !== "string" || text.length > MESSAGE_LIMIT) throw new TypeError("no text");
      this.#take(JSON.parse(text));
    } catch (cause) {
      const message = `the server does not speak ${SUBPROTOCOL}: ${messageOf(cause)}`;
      this.#finish(connectionLost(message, { retry: false, cause }), Close.VIOLATION);
    }
  }

  /** @param {JsonObject} message */
  #take(message) {
    if (!("id" in message)) {
      this.#onEvent(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    this.#pending.delete(message.id);
    try {
      if ("error" in message) pending.reject(refusalOf(message.error));
      else pending.resolve(pending.receive(message.ok));
    } catch (error) {
      pending.reject(INTERRUPTED);
      throw error;
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #onClose(code, reason) {
    this.#finish(whyClosed(code, reason), null);
  }

  /**
   * @param {SynclineError} reason
   * @param {number | null} closeCode to close the socket with; null if it is closed
   */
  #finish(reason, closeCode) {
    this.isOpen = false;
    this.#end.resolve(reason);
    this.#life.abort(INTERRUPTED);
    this.#opened.reject(new WebSocketBlocked(reason.message, { retry: true, cause: reason }));
    this.#opened.promise.catch(ignore);
    for (const { reject } of this.#pending.values()) reject(INTERRUPTED);
    this.#pending.clear();
    if (closeCode !== null) this.#socket.close(closeCode);
  }

  /** A page cannot see pings: ask for a sign of life after a silence. */
  async #watch() {
    const { pingInterval, pingTimeout } = this.#options;
    const { signal } = this.#life;
    const late = () => connectionLost("the server is silent");
    while (this.isOpen) {
      const heard = this.#messagesHeard;
      try {
        await sleep(pingInterval, signal);
        if (this.#messagesHeard !== heard) continue;
        await within(pingTimeout, late, signal, (patience) =>
          this.request({ do: "ping" }, ignore, patience),
        );
      } catch (error) {
        // Whatever was heard is a sign of life; its own answer may come after a lot of events.
        const isSilent = error instanceof SynclineError && this.#messagesHeard === heard;
        if (isSilent) this.#finish(error, Close.NORMAL);
      }
    }
  }
}

/**
 * @param {string} url
 * @param {Options} options
 */
function dial(url, options) {
  if (options.WebSocket === undefined) throw new WebSocketBlocked("there is no WebSocket here");
  try {
    return new options.WebSocket(url, [SUBPROTOCOL]);
  } catch (cause) {
    // A page that was loaded over HTTPS may not make a plain one.
    throw new WebSocketBlocked(`no WebSocket at ${url}: ${messageOf(cause)}`, { cause });
  }
}
