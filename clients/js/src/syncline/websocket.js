/** Transport that speaks the native protocol over a WebSocket. */

import { Close, errorForClose, isOwn } from "./close-codes.js";
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
import { checkSize, encodeMessage } from "./encoding.js";
import { MESSAGE_LIMIT, OUTSTANDING_LIMIT, SUBPROTOCOL } from "./protocol.js";
import { Deferred, ignore, sleep, within } from "./timing.js";

/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { EventHandler, Exit, Limits, Receive, Request, Transport } from "./transport.js" */

/**
 * A `Transport` over one WebSocket.
 *
 * @implements {Transport}
 */
export class WebSocketTransport {
  /** @type {"websocket"} */
  name = "websocket";
  ordered = true;
  isOpen = false;
  /** @type {Limits} */
  limits = { data: null, item: null, message: null };

  /** @type {number | null} */
  #messageLimit = null;
  #socket;
  #options;
  #onEvent;
  /** @type {Deferred<void>} */
  #opened = new Deferred();
  /** @type {Deferred<SynclineError>} */
  #end = new Deferred();
  /** Aborted when the transport ends. */
  #life = new AbortController();
  /** True once authenticated; before that, no other request is allowed. */
  #isJoined = false;
  #lastId = 0;
  #messagesReceived = 0;
  #lastReceived = performance.now();
  /**
   * @type {Map<number, {
   *   since: number, receive: Receive<any>,
   *   resolve: (result: any) => void, reject: (error: unknown) => void,
   * }>} requests without a reply, oldest first
   */
  #pending = new Map();
  /** @type {Map<number, (ok: JsonObject) => void>} `undo` of each aborted request, by id */
  #givenUp = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} fires when a reply may be overdue */
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
    // "close" follows, with the reason. Without a listener some implementations throw the error.
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
   * @param {{ onEvent: EventHandler, signal: AbortSignal }} observer
   * @returns {Promise<WebSocketTransport>} rejected with `WebSocketBlocked` if no Syncline server
   *   answers: a browser does not show whether the host refused or does not exist
   */
  static async open(url, token, options, { onEvent, signal }) {
    const late = () => new WebSocketBlocked(`no WebSocket at ${url} in time`, { retry: true });
    const transport = new WebSocketTransport(dial(url, options), options, onEvent);
    try {
      await within(options.openTimeout, late, signal, (deadline) =>
        transport.#join(token, deadline),
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
    // The id comes first, so that the server can reply even to a message it cannot parse.
    const message = encodeMessage({ id, ...request });
    // The server would close the connection if a message exceeds its limit: reject it here.
    checkSize(message, this.#messageLimit ?? Infinity);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { since: performance.now(), receive, resolve, reject });
      signal.addEventListener("abort", () => this.#giveUp(id, undo), { once: true });
      this.#socket.send(message);
      if (this.#isJoined) this.#watchRequests();
    });
  }

  /** Ask the server for a sign of life now. */
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
      if (isOwn(reason.closeCode) || reason.status) throw reason;
      // Not by the server: some proxies pass the handshake and then cut the connection.
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
      this.limits = {
        data: ok.data_limit ?? null,
        item: ok.item_limit ?? null,
        message: ok.stream_message_limit ?? null,
      };
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
    this.#messagesReceived += 1;
    this.#lastReceived = performance.now();
    try {
      if (typeof text !== "string" || text.length > MESSAGE_LIMIT) throw new TypeError("no text");
      this.#take(JSON.parse(text));
    } catch (cause) {
      const message = `the server does not speak ${SUBPROTOCOL}: ${messageOf(cause)}`;
      // A proxy, or a server that is being replaced, may have garbled the message: reconnect.
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
    // The caller has aborted the request: only `undo` wants the reply.
    if (pending === undefined) {
      const undo = this.#givenUp.get(message.id);
      this.#givenUp.delete(message.id);
      if (undo && "ok" in message) undo(message.ok);
      return;
    }
    this.#pending.delete(message.id);
    try {
      if ("error" in message) pending.reject(refusalOf(message.error));
      // `receive` runs before the next message is processed: a write is registered before its event
      // comes (promise 4).
      else pending.resolve(pending.receive(message.ok));
    } catch (error) {
      // Not a reply of this protocol: the request is sent again on the next transport.
      pending.reject(INTERRUPTED);
      throw error;
    }
  }

  /**
   * @param {number} id
   * @param {((ok: JsonObject) => void) | undefined} undo
   */
  #giveUp(id, undo) {
    // Not pending: the reply came before the abort.
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
    this.#finish(errorForClose(code, reason), null);
  }

  /**
   * @param {SynclineError} reason
   * @param {number | null} closeCode code to close the socket with; null if it is closed already
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
    // A half-open connection never answers the close handshake, and `ws` would wait for it and keep
    // the Node process alive.
    const { terminate } = /** @type {{ terminate?: () => void }} */ (this.#socket);
    if (terminate && reason instanceof HalfOpen) terminate.call(this.#socket);
    else this.#socket.close(closeCode);
  }

  /** Probe after each silence of `pingInterval`: a browser does not show the server's pings. */
  async #watch() {
    const { pingInterval, pingTimeout } = this.#options;
    while (this.isOpen) {
      const received = this.#messagesReceived;
      await sleep(pingInterval, this.#life.signal).catch(ignore);
      if (this.#messagesReceived === received) await this.#probe(pingTimeout);
    }
  }

  /** Probe when a request has no reply and nothing else came for `probeAfter` either (rule C19). */
  #watchRequests() {
    if (this.#overdue !== undefined) return;
    const { probeAfter } = this.#options;
    const [oldest] = this.#pending.values();
    const silent = performance.now() - Math.max(oldest.since, this.#lastReceived);
    this.#overdue = setTimeout(() => {
      this.#overdue = undefined;
      if (this.#pending.size === 0) return;
      const [{ since }] = this.#pending.values();
      if (performance.now() - Math.max(since, this.#lastReceived) >= probeAfter) this.probe();
      this.#watchRequests();
    }, Math.max(probeAfter - silent, 0) || probeAfter);
  }

  /**
   * Ask for a sign of life. If none comes in time, drop the connection (rule C19).
   *
   * @param {number} time
   */
  async #probe(time) {
    if (!this.isOpen) return;
    const received = this.#messagesReceived;
    const late = () => halfOpen("the server is silent");
    try {
      await within(time, late, this.#life.signal, (signal) =>
        this.request({ do: "ping" }, ignore, { signal }),
      );
    } catch (error) {
      // Any message is a sign of life: the reply to the ping may be queued behind many events.
      const isSilent = error instanceof SynclineError && this.#messagesReceived === received;
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
    // A page that was loaded over HTTPS may not open a `ws:` URL.
    throw new WebSocketBlocked(`no WebSocket at ${url}: ${messageOf(cause)}`, { cause });
  }
}
