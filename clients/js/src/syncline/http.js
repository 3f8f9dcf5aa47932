/** HTTP requests of one REST transport. */

import { INTERRUPTED, SynclineError, connectionLost, halfOpen, messageOf } from "./errors.js";
import { notSyncline, refusalIn } from "./refusals.js";
import { Deferred, within } from "./timing.js";

/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */

/** @typedef {{ body?: BodyInit, headers?: Record<string, string> }} Call */

/** A request got no reply although the server answers others: its TCP connection is dead. */
const UNANSWERED = connectionLost("a request got no reply");

/** Times `probeAfter`: limit for a reply. The server may delay a 412 for 5 s. */
const UNANSWERED_FACTOR = 2;

/**
 * Requests to one service, under one token. If the network fails for one of them,
 * or the server refuses the token, all end together and are rejected with `INTERRUPTED`.
 */
export class Http {
  isOpen = true;

  /** When data last came from the server. */
  lastReceived = performance.now();
  /** Called when the connection of a request was dead: those of the streams may be dead too. */
  onDeadConnection = () => {};

  #url;
  #options;
  #token = "";
  #service = "";
  /** @type {Deferred<SynclineError>} */
  #end = new Deferred();
  /** @type {Map<AbortController, () => void>} requests in flight, and how to unlink each */
  #running = new Map();

  /**
   * @param {string} url
   * @param {Options} options
   */
  constructor(url, options) {
    this.#url = url;
    this.#options = options;
  }

  /** Resolved to the reason when the requests have ended. */
  get ended() {
    return this.#end.promise;
  }

  /**
   * @param {string} token
   * @param {string} serviceSid
   */
  use(token, serviceSid) {
    this.#token = token;
    this.#service = `${this.#url}/v1/Services/${encodeURIComponent(serviceSid)}`;
  }

  /**
   * Send a cheap request: it costs the server only the check of the token.
   *
   * @param {AbortSignal} signal
   */
  async check(signal) {
    await this.#ask(`${this.#url}/v3/Configuration`, {}, signal);
  }

  /**
   * @param {string} method
   * @param {string} path below the service, with a leading slash
   * @param {Call} call
   * @param {AbortSignal} signal
   * @returns {Promise<JsonObject>} the resource; empty for a removal
   */
  async call(method, path, call, signal) {
    return (await this.reply(method, path, call, signal)).resource;
  }

  /**
   * As `call`, with the status.
   *
   * @param {string} method
   * @param {string} path
   * @param {Call} call
   * @param {AbortSignal} signal
   */
  async reply(method, path, call, signal) {
    return this.#ask(this.#service + path, { method, ...call }, signal);
  }

  /**
   * @param {string} url
   * @param {Call & { method?: string }} init
   * @param {AbortSignal} signal
   * @returns {Promise<{ status: number, resource: JsonObject }>}
   */
  async #ask(url, init, signal) {
    try {
      return await this.#untilDone(signal, async (controller) => {
        const response = await this.#send(url, init, controller);
        const text = await response.text();
        // The server answers a removal with 204 only; an empty 200 comes from a captive portal.
        if (response.status === 204) return { status: 204, resource: {} };
        if (init.method === "DELETE") throw notSyncline(response);
        return { status: response.status, resource: JSON.parse(text) };
      });
    } catch (error) {
      throw this.failed(error, signal);
    }
  }

  /**
   * @param {string} path
   * @param {string | null} lastEventId
   * @param {AbortController} controller of `start`
   * @returns {Promise<ReadableStream<Uint8Array>>} rejected with an error to pass to `failed`
   */
  async stream(path, lastEventId, controller) {
    const headers = {
      Accept: "text/event-stream",
      ...(lastEventId === null ? {} : { "Last-Event-ID": lastEventId }),
    };
    return this.#untilDone(controller.signal, async (attempt) => {
      const response = await this.#send(this.#service + path, { headers }, attempt);
      const type = response.headers.get("Content-Type") ?? "";
      if (!response.body || !type.startsWith("text/event-stream")) throw notSyncline(response);
      // `done` must not unlink it: the caller's controller still has to abort the body.
      this.#running.delete(attempt);
      return response.body;
    });
  }

  /**
   * Ask for a sign of life; if none comes in time, end all requests. Any reply is a sign of life. A
   * probe that fails ends nothing, because the requests will fail too. Only silence does.
   */
  async probe() {
    const { fetch, probeTimeout } = this.#options;
    const asked = performance.now();
    const controller = this.start(null);
    const late = () => halfOpen("the server is silent");
    try {
      // `no-cors`: a reply that a page may not read, such as a gateway's error, still counts.
      const init = /** @type {const} */ ({ mode: "no-cors", cache: "no-store", credentials: "omit" });
      await within(probeTimeout, late, controller.signal, (signal) =>
        fetch(`${this.#url}/v1/ws`, { ...init, signal }),
      );
      this.dataReceived();
    } catch (error) {
      const isSilent = error instanceof SynclineError && this.lastReceived < asked;
      if (isSilent && this.isOpen) this.finish(error);
    } finally {
      this.done(controller);
    }
  }

  /** Record that data came from the server. */
  dataReceived() {
    this.lastReceived = performance.now();
  }

  /**
   * Make a controller that is aborted with `signal`, and when these requests end.
   *
   * @param {AbortSignal | null} signal
   */
  start(signal) {
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    // `done` removes the listener: a document's signal outlives many requests.
    this.#running.set(controller, () => signal?.removeEventListener("abort", abort));
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) controller.abort(signal.reason);
    if (!this.isOpen) controller.abort(INTERRUPTED);
    return controller;
  }

  /** @param {AbortController} controller of `start` */
  done(controller) {
    this.#running.get(controller)?.();
    this.#running.delete(controller);
  }

  /**
   * The error to throw; a refused token or a lost connection also ends all requests.
   *
   * @param {unknown} error
   * @param {AbortSignal} signal
   */
  failed(error, signal) {
    if (!this.isOpen) return INTERRUPTED;
    if (signal.aborted) return signal.reason;
    const isRefusal = error instanceof SynclineError && error.status;
    return isRefusal && error.status !== 401 ? error : this.lost(error);
  }

  /** @param {unknown} cause */
  lost(cause) {
    const isKnown = cause instanceof SynclineError;
    this.finish(isKnown ? cause : connectionLost(`the connection broke: ${messageOf(cause)}`));
    return INTERRUPTED;
  }

  /** @param {SynclineError} reason */
  finish(reason) {
    // From now on `failed` returns INTERRUPTED for every request, so that each is sent again.
    this.isOpen = false;
    this.#end.resolve(reason);
    for (const controller of this.#running.keys()) controller.abort(INTERRUPTED);
  }

  /**
   * Run `attempt`, and run it again on another TCP connection if it gets no reply. The server
   * applies a write once, because of its `op`.
   *
   * @template T
   * @param {AbortSignal} signal
   * @param {(controller: AbortController) => Promise<T>} attempt
   * @returns {Promise<T>}
   */
  async #untilDone(signal, attempt) {
    const { probeAfter } = this.#options;
    // The limit doubles: on a slow link, sending alone may take longer than the first limit.
    for (let limit = UNANSWERED_FACTOR * probeAfter; ; limit *= 2) {
      const controller = this.start(signal);
      const probing = setTimeout(() => void this.probe(), probeAfter);
      const expiry = setTimeout(() => controller.abort(UNANSWERED), limit);
      try {
        return await attempt(controller);
      } catch (error) {
        if (controller.signal.reason !== UNANSWERED) throw error;
        this.onDeadConnection();
      } finally {
        clearTimeout(probing);
        clearTimeout(expiry);
        this.done(controller);
      }
    }
  }

  /**
   * @param {string} url
   * @param {Call & { method?: string }} init
   * @param {AbortController} controller
   * @returns {Promise<Response>} a success
   */
  async #send(url, init, controller) {
    const { fetch } = this.#options; // a browser's `fetch` must not be called as a method of ours
    const response = await fetch(url, {
      ...init,
      headers: { ...init.headers, Authorization: `Bearer ${this.#token}` },
      cache: "no-store",
      credentials: "omit",
      // The token must only go to the host that the application named.
      redirect: "error",
      signal: controller.signal,
    });
    this.dataReceived();
    if (!response.ok) throw refusalIn(response, await response.text());
    return response;
  }
}
