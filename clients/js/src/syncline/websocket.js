/** The transport that is wanted: the native protocol over a WebSocket. */

import { Close, FIRST_PRIVATE_CLOSE_CODE, whyClosed } from "./close.js";
import {
  HalfOpen,
  INTERRUPTED,
  SynclineError,
  WebSocketBlocked,
  clientClosed,
  connectionLost,
  halfOpen,
  messageOf,
  refusalOf,
} from "./errors.js";
import { checkSize, encodeMessage } from "./json.js";
import { MESSAGE_LIMIT, OUTSTANDING_LIMIT, SUBPROTOCOL } from "./protocol.js";
import { Deferred, ignore, sleep, within } from "./timing.js";

/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { EventHandler, Exit, Receive, Request, Transport } from "./transport.js" */

/**
 * Bytes in a message to the server, at most, by the document's limit, where the server has not said:
 * it takes no less.
 */
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

  /** @type {number | null} */
  #messageLimit = null;
  #socket;
  #options;
  #onEvent;
  /** @type {Deferred<void>} */
  #opened = new Deferred();
  /** @type {Deferred<SynclineError>} */
  #end = new Deferred();
  /** Aborted with the transport's end. */
  #life = new AbortController();
  /** True once authenticated; before, nothing else may be asked. */
  #isJoined = false;
  #lastId = 0;
  #messagesHeard = 0;
  #lastHeard = performance.now();
  /**
   * @type {Map<number, {
   *   since: number, receive: Receive<any>,
   *   resolve: (result: any) => void, reject: (error: unknown) => void,
   * }>} in the order in which they were sent
   */
  #pending = new Map();
  /** @type {Map<number, (ok: JsonObject) => void>} what undoes requests that were given up */
  #givenUp = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} when a reply is overdue */
  #overdue;

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
    transport.#isJoined = true;
    void transport.#watch();
    return transport;
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {Exit} exit
   * @returns {Promise<T>}
   */
  async request(request, receive, { signal, undo }) {
    if (!this.isOpen) throw INTERRUPTED;
    this.#lastId += 1;
    const id = this.#lastId;
    // The id comes first, so that the server can answer what it cannot parse.
    const message = encodeMessage({ id, ...request });
    // A message that is larger than a frame may be would end the connection.
    const limit = this.#messageLimit ?? (this.dataLimit ?? Infinity) * FRAME_FACTOR;
    checkSize(message, limit);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { since: performance.now(), receive, resolve, reject });
      signal.addEventListener("abort", () => this.#giveUp(id, undo), { once: true });
      this.#socket.send(message);
      if (this.#isJoined) this.#watchRequests();
    });
  }

  /** Ask for a sign of life now. */
  probe() {
    void this.#probe(this.#options.probeTimeout);
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
      this.#messageLimit = ok.message_limit ?? null;
    };
    await this.request(request, receive, { signal });
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
    this.#lastHeard = performance.now();
    try {
      if (typeof text !== "string" || text.length > MESSAGE_LIMIT) throw new TypeError("no text");
      this.#take(JSON.parse(text));
    } catch (cause) {
      const message = `the server does not speak ${SUBPROTOCOL}: ${messageOf(cause)}`;
      // Whatever garbled it, a proxy or a server that is being replaced, may be gone next time.
      this.#finish(connectionLost(message, { cause }), Close.VIOLATION);
    }
  }

  /** @param {JsonObject} message */
  #take(message) {
    if (!("id" in message)) {
      this.#onEvent(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    if (pending === undefined) {
      const undo = this.#givenUp.get(message.id);
      this.#givenUp.delete(message.id);
      if (undo && "ok" in message) undo(message.ok);
      return;
    }
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
   * @param {number} id
   * @param {((ok: JsonObject) => void) | undefined} undo
   */
  #giveUp(id, undo) {
    if (!this.#pending.delete(id) || !undo) return;
    this.#givenUp.set(id, undo);
    if (this.#givenUp.size > OUTSTANDING_LIMIT) {
      this.#finish(connectionLost("the server does not reply"), Close.NORMAL);
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
    this.#givenUp.clear();
    clearTimeout(this.#overdue);
    if (closeCode === null) return;
    // Nothing answers the closing handshake there: `ws` would keep its process alive for it.
    const { terminate } = /** @type {{ terminate?: () => void }} */ (this.#socket);
    if (terminate && reason instanceof HalfOpen) terminate.call(this.#socket);
    else this.#socket.close(closeCode);
  }

  /** A page cannot see pings: ask for a sign of life after a silence. */
  async #watch() {
    const { pingInterval, pingTimeout } = this.#options;
    while (this.isOpen) {
      const heard = this.#messagesHeard;
      await sleep(pingInterval, this.#life.signal).catch(ignore);
      if (this.#messagesHeard === heard) await this.#probe(pingTimeout);
    }
  }

  /** Probe when a request waits for its reply, and nothing else came for a while either. */
  #watchRequests() {
    if (this.#overdue !== undefined) return;
    const { probeAfter } = this.#options;
    const [oldest] = this.#pending.values();
    const silent = performance.now() - Math.max(oldest.since, this.#lastHeard);
    this.#overdue = setTimeout(() => {
      this.#overdue = undefined;
      if (this.#pending.size === 0) return;
      const [{ since }] = this.#pending.values();
      if (performance.now() - Math.max(since, this.#lastHeard) >= probeAfter) this.probe();
      this.#watchRequests();
    }, Math.max(probeAfter - silent, 0) || probeAfter);
  }

  /**
   * Without a sign of life in time, give the connection up, and do not wait for it to close: a
   * half-open one would take minutes.
   *
   * @param {number} time
   */
  async #probe(time) {
    if (!this.isOpen) return;
    const heard = this.#messagesHeard;
    const late = () => halfOpen("the server is silent");
    try {
      await within(time, late, this.#life.signal, (signal) =>
        this.request({ do: "ping" }, ignore, { signal }),
      );
    } catch (error) {
      // Whatever was heard is a sign of life; its own answer may come after a lot of events.
      const isSilent = error instanceof SynclineError && this.#messagesHeard === heard;
      if (isSilent && this.isOpen) this.#finish(error, Close.NORMAL);
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
