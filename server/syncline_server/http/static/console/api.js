/** Requests to the server with the login of this page, which is kept in its memory alone. */

/** @import { JsonObject } from "/syncline/protocol.js" */

/** The server refused a request, or could not be reached. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, code?: number, details?: JsonObject | null }} [about] status 0: no
   *   reply
   */
  constructor(message, { status = 0, code = 0, details = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/** Address of the server, with the prefix under which a proxy may serve it. */
const ROOT = new URL("../", import.meta.url);

/** Seconds that a login lasts in a page, at most. */
const SESSION = 12 * 3_600;

export class Api {
  #authorization;
  #endsAt;
  /** Called when the login is no longer accepted. */
  onRefused = () => {};

  /**
   * @param {string} user SID of the account, of an API key or of a session; "" for no login
   * @param {string} secret
   * @param {{ person?: string | null, seconds?: number }} [session] of somebody whom the identity
   *   provider has authenticated, and for how long
   */
  constructor(user, secret, { person = null, seconds = SESSION } = {}) {
    const bytes = new TextEncoder().encode(`${user}:${secret}`);
    this.#authorization = user === "" ? null : `Basic ${btoa(String.fromCharCode(...bytes))}`;
    this.#endsAt = Date.now() + Math.min(seconds, SESSION) * 1_000;
    this.user = user;
    this.person = person;
  }

  /** True for the account's own login and for administrators: only they manage API keys. */
  get isOwner() {
    return this.user.startsWith("AC") || this.person !== null;
  }

  /** True once the login has lasted as long as it may. */
  get isOver() {
    return Date.now() >= this.#endsAt;
  }

  /**
   * @param {string} path as the server has it, without the prefix of a proxy
   * @param {AbortSignal} [signal]
   */
  get(path, signal) {
    return this.request("GET", path, { signal });
  }

  /**
   * @param {string} path
   * @param {JsonObject} body
   * @param {{ revision?: string | null }} [condition] `revision`: refuse with 412 if it has changed
   */
  post(path, body, { revision = null } = {}) {
    return this.request("POST", path, { body, revision });
  }

  /** @param {string} path */
  remove(path) {
    return this.request("DELETE", path);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ body?: JsonObject, revision?: string | null, signal?: AbortSignal, keepalive?: boolean }} [options]
   *   `keepalive`: the request outlives the page
   * @returns {Promise<any>} the JSON of the reply; null if it has none
   * @throws {ApiError}
   */
  async request(method, path, { body, revision = null, signal, keepalive } = {}) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (revision !== null) headers["If-Match"] = revision;
    const text = body && JSON.stringify(body);
    const reply = await this.#send(method, path, { headers, signal, body: text, keepalive });
    return reply.status === 204 ? null : reply.json();
  }

  /**
   * @param {string} path
   * @param {AbortSignal} signal
   * @returns {Promise<string>}
   */
  async text(path, signal) {
    const reply = await this.#send("GET", path, { headers: { Accept: "text/plain" }, signal });
    return reply.text();
  }

  /**
   * Open an event stream.
   *
   * @param {string} path
   * @param {AbortSignal} signal
   * @returns {Promise<ReadableStream<Uint8Array>>}
   */
  async stream(path, signal) {
    const reply = await this.#send("GET", path, { headers: { Accept: "text/event-stream" }, signal });
    return /** @type {ReadableStream<Uint8Array>} */ (reply.body);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ headers: Record<string, string>, body?: string, signal?: AbortSignal, keepalive?: boolean }} options
   */
  async #send(method, path, { headers, body, signal, keepalive }) {
    if (this.isOver) {
      this.onRefused();
      throw new ApiError("The session has ended. Log in again.", { status: 401 });
    }
    let reply;
    try {
      reply = await fetch(new URL(path.slice(1), ROOT), {
        method,
        headers: {
          ...headers,
          // What this page changes gets a line in the audit log.
          "Syncline-Console": "1",
          ...this.#authorization === null ? {} : { Authorization: this.#authorization },
        },
        keepalive,
        body,
        signal,
        // A login that the browser itself keeps must not be sent, and none be asked for.
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new ApiError("The server cannot be reached.");
    }
    if (reply.ok) return reply;
    const refusal = await refusalOf(reply);
    if (refusal.status === 401) this.onRefused();
    throw refusal;
  }
}

/** @param {Response} reply */
async function refusalOf(reply) {
  try {
    const { message, code, details } = await reply.json();
    return new ApiError(message, { status: reply.status, code, details });
  } catch {
    return new ApiError(`The server answered with status ${reply.status}.`, { status: reply.status });
  }
}

/**
 * A path whose segments are escaped.
 *
 * @param {...(string | number)} segments
 */
export function path(...segments) {
  return `/v1/${segments.map((each) => encodeURIComponent(each)).join("/")}`;
}
