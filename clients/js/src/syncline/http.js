/** HTTP requests under one token, which end together. */

import { INTERRUPTED, SynclineError, connectionLost, messageOf, refusalOf } from "./errors.js";
import { Deferred } from "./timing.js";

/** @import { JsonObject } from "./protocol.js" */

/** @typedef {{ body?: BodyInit, headers?: Record<string, string> }} Call */

const GATEWAY_FAILURES = new Set([502, 503, 504]);

/** The path to a document, below the service's documents. @param {string} address */
export function pathTo(address) {
  return `/${encodeURIComponent(address)}`;
}

/**
 * Requests to the documents of one service, until the network fails one, or the token is refused:
 * then all of them end, and are rejected with `INTERRUPTED`.
 */
export class Http {
  isOpen = true;

  #url;
  #fetch;
  #token = "";
  #documents = "";
  /** @type {Deferred<SynclineError>} */
  #end = new Deferred();
  /** @type {Set<AbortController>} of what is under way */
  #running = new Set();

  /**
   * @param {string} url
   * @param {typeof globalThis.fetch} fetch
   */
  constructor(url, fetch) {
    this.#url = url;
    this.#fetch = fetch;
  }

  /** Resolved to why they ended. */
  get ended() {
    return this.#end.promise;
  }

  /**
   * @param {string} token
   * @param {string} serviceSid
   */
  use(token, serviceSid) {
    this.#token = token;
    this.#documents = `${this.#url}/v1/Services/${encodeURIComponent(serviceSid)}/Documents`;
  }

  /**
   * Ask for what costs the server nothing but the check of the token.
   *
   * @param {AbortSignal} signal
   */
  async check(signal) {
    await this.#ask(`${this.#url}/v3/Configuration`, {}, signal);
  }

  /**
   * @param {string} method
   * @param {string} path below the documents, empty or with its own slash
   * @param {Call} call
   * @param {AbortSignal} signal
   * @returns {Promise<JsonObject>} the resource; empty where the server sends none
   */
  async call(method, path, call, signal) {
    return this.#ask(this.#documents + path, { method, ...call }, signal);
  }

  /**
   * @param {string} url
   * @param {Call & { method?: string }} init
   * @param {AbortSignal} signal
   * @returns {Promise<JsonObject>}
   */
  async #ask(url, init, signal) {
    const controller = this.start(signal);
    try {
      const response = await this.#send(url, init, controller);
      const text = await response.text();
      return text === "" ? {} : JSON.parse(text);
    } catch (error) {
      throw this.failed(error, signal);
    } finally {
      this.done(controller);
    }
  }

  /**
   * @param {string} path
   * @param {AbortController} controller of `start`
   * @returns {Promise<ReadableStream<Uint8Array>>} rejected with what is to be given to `failed`
   */
  async stream(path, controller) {
    const headers = { Accept: "text/event-stream" };
    const response = await this.#send(this.#documents + path, { headers }, controller);
    if (!response.body) throw refusalIn(response, "");
    return response.body;
  }

  /**
   * What is aborted with `signal`, and with these requests' end.
   *
   * @param {AbortSignal} signal
   */
  start(signal) {
    const controller = new AbortController();
    this.#running.add(controller);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
    if (signal.aborted) controller.abort(signal.reason);
    if (!this.isOpen) controller.abort(INTERRUPTED);
    return controller;
  }

  /** @param {AbortController} controller of `start` */
  done(controller) {
    this.#running.delete(controller);
  }

  /**
   * What to throw; a refused token or a lost server ends it all.
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
    this.isOpen = false;
    this.#end.resolve(reason);
    for (const controller of this.#running) controller.abort(INTERRUPTED);
  }

  /**
   * @param {string} url
   * @param {Call & { method?: string }} init
   * @param {AbortController} controller
   * @returns {Promise<Response>} a success
   */
  async #send(url, init, controller) {
    const fetch = this.#fetch; // not called on this object: a browser's must not be
    const response = await fetch(url, {
      ...init,
      headers: { ...init.headers, Authorization: `Bearer ${this.#token}` },
      cache: "no-store",
      credentials: "omit",
      // The token goes to the host that the application named, or nowhere.
      redirect: "error",
      signal: controller.signal,
    });
    if (!response.ok) throw refusalIn(response, await response.text());
    return response;
  }
}

/**
 * The error in a reply that is no success. One without Syncline's error body comes from something
 * in between: that is a lost connection, worth another attempt where a gateway says so.
 *
 * @param {Response} response
 * @param {string} text
 */
function refusalIn({ status, statusText }, text) {
  try {
    const body = JSON.parse(text);
    const retry = status === 429 || status === 503;
    return refusalOf({ ...body, retry, document: body.details?.document });
  } catch {
    const message = `HTTP ${status} ${statusText} from something that is no Syncline server`;
    return connectionLost(message, { retry: GATEWAY_FAILURES.has(status) });
  }
}
