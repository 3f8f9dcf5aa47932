/** HTTP requests under one token, which end together. */

import {
  INTERRUPTED,
  SynclineError,
  connectionLost,
  halfOpen,
  messageOf,
  refusalOf,
} from "./errors.js";
import { DOCUMENTED_CODES } from "./protocol.js";
import { Deferred, within } from "./timing.js";

/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */

/** @typedef {{ body?: BodyInit, headers?: Record<string, string> }} Call */

/** A request got no reply, though the server answers others: its own connection is dead. */
const UNANSWERED = connectionLost("a request got no reply");

/** By the time after which a request is probed for; the server may keep a 412 back for 5 s. */
const UNANSWERED_FACTOR = 2;

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

  /** When something came of the server the last time. */
  lastHeard = performance.now();
  /** Called when a request's own connection was dead: those of the streams may be dead too. */
  onDeadConnection = () => {};

  #url;
  #options;
  #token = "";
  #documents = "";
  /** @type {Deferred<SynclineError>} */
  #end = new Deferred();
  /** @type {Map<AbortController, () => void>} of what is under way, with what unlinks each */
  #running = new Map();

  /**
   * @param {string} url
   * @param {Options} options
   */
  constructor(url, options) {
    this.#url = url;
    this.#options = options;
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
    try {
      return await this.#insist(signal, async (controller) => {
        const response = await this.#send(url, init, controller);
        const text = await response.text();
        // A portal may answer anything with an empty 200; the server does a removal with a 204.
        if (response.status === 204) return {};
        if (init.method === "DELETE") throw notOurs(response);
        return JSON.parse(text);
      });
    } catch (error) {
      throw this.failed(error, signal);
    }
  }

  /**
   * @param {string} path
   * @param {string | null} lastEventId
   * @param {AbortController} controller of `start`
   * @returns {Promise<ReadableStream<Uint8Array>>} rejected with what is to be given to `failed`
   */
  async stream(path, lastEventId, controller) {
    const headers = {
      Accept: "text/event-stream",
      ...(lastEventId === null ? {} : { "Last-Event-ID": lastEventId }),
    };
    return this.#insist(controller.signal, async (attempt) => {
      const response = await this.#send(this.#documents + path, { headers }, attempt);
      const type = response.headers.get("Content-Type") ?? "";
      if (!response.body || !type.startsWith("text/event-stream")) throw notOurs(response);
      // It stays linked to the caller's controller, which ends the body.
      this.#running.delete(attempt);
      return response.body;
    });
  }

  /**
   * Ask for a sign of life; without one in time, all ends. Any answer is one, and a failure is for
   * the requests to find: silence is not.
   */
  async probe() {
    const { fetch, probeTimeout } = this.#options;
    const asked = performance.now();
    const controller = this.start(null);
    const late = () => halfOpen("the server is silent");
    try {
      // Of other origins too, where a gateway's answer could not be read.
      const init = /** @type {const} */ ({ mode: "no-cors", cache: "no-store", credentials: "omit" });
      await within(probeTimeout, late, controller.signal, (signal) =>
        fetch(`${this.#url}/v1/ws`, { ...init, signal }),
      );
      this.heard();
    } catch (error) {
      const isSilent = error instanceof SynclineError && this.lastHeard < asked;
      if (isSilent && this.isOpen) this.finish(error);
    } finally {
      this.done(controller);
    }
  }

  /** Something came of the server. */
  heard() {
    this.lastHeard = performance.now();
  }

  /**
   * What is aborted with `signal`, and with these requests' end.
   *
   * @param {AbortSignal | null} signal
   */
  start(signal) {
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    // Taken away when it is done: a document's signal outlives many requests.
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
    for (const controller of this.#running.keys()) controller.abort(INTERRUPTED);
  }

  /**
   * Carry out `attempt`; again, on another TCP connection, when nothing comes of it. A write has an
   * `op`, so that it is applied once.
   *
   * @template T
   * @param {AbortSignal} signal
   * @param {(controller: AbortController) => Promise<T>} attempt
   * @returns {Promise<T>}
   */
  async #insist(signal, attempt) {
    const { probeAfter } = this.#options;
    // Longer each time: on a slow link, sending alone takes its time.
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
    const { fetch } = this.#options; // not called on this object: a browser's must not be
    const response = await fetch(url, {
      ...init,
      headers: { ...init.headers, Authorization: `Bearer ${this.#token}` },
      cache: "no-store",
      credentials: "omit",
      // The token goes to the host that the application named, or nowhere.
      redirect: "error",
      signal: controller.signal,
    });
    this.heard();
    if (!response.ok) throw refusalIn(response, await response.text());
    return response;
  }
}

/**
 * The error in a reply that is no success. One without the server's own error body comes from
 * something in between, a gateway during a restart or a captive portal: that passes.
 *
 * @param {Response} response
 * @param {string} text
 * @returns {SynclineError}
 */
export function refusalIn(response, text) {
  const body = ownErrorIn(response.status, text);
  if (body === null) return notOurs(response);
  const { code, status, message, details } = body;
  const retry = status === 429 || status === 503;
  try {
    return refusalOf({ code, status, message, retry, document: details?.document }, retryAfterOf(response));
  } catch {
    return notOurs(response);
  }
}

/**
 * The error body, if it is the server's own (docs/protocol.md, section 7).
 *
 * @param {number} status of the reply
 * @param {string} text
 * @returns {JsonObject | null}
 */
function ownErrorIn(status, text) {
  /** @type {JsonObject} */
  let body;
  try {
    body = Object(JSON.parse(text));
  } catch {
    return null;
  }
  const { code, message, more_info: link } = body;
  if (!Number.isInteger(code) || typeof message !== "string" || body.status !== status) return null;
  // A server newer than this client may have codes that this client does not know.
  const isKnown = DOCUMENTED_CODES.has(code) || String(link).endsWith(`/errors/${code}`);
  return isKnown ? body : null;
}

/** @param {Response} response @returns {number | null} in milliseconds */
function retryAfterOf(response) {
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return seconds >= 0 ? seconds * 1_000 : null;
}

/** @param {Response} response */
function notOurs({ status, statusText }) {
  return connectionLost(`HTTP ${status} ${statusText} from something that is no Syncline server`);
}
