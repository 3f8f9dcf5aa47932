/** Connection of a client: one transport at a time, with reconnects (docs/protocol.md, section 6). */

import { Attempts } from "./attempts.js";
import { Backoff } from "./backoff.js";
import { Dialer } from "./dialer.js";
import {
  HalfOpen,
  INTERRUPTED,
  SynclineError,
  TokenDenied,
  clientClosed,
  connectionLost,
  messageOf,
  tooManyRequests,
} from "./errors.js";
import { Pause } from "./pause.js";
import { Code, OUTSTANDING_LIMIT } from "./protocol.js";
import { retryPause } from "./refusals.js";
import { Deferred, ignore, orAborted, sleep, within } from "./timing.js";
import { TokenSource } from "./token.js";
import { watchWakeups } from "./wakeups.js";

/** @import { Options, Server } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Token } from "./token.js" */
/** @import { Exit, ObserverOfEvents, Receive, Request, Transport } from "./transport.js" */

/**
 * State of the connection, with the names of the vendor's SDK.
 *
 * - `connecting`: not connected; the client dials now or after a pause.
 * - `connected`
 * - `denied`: the token was refused or has expired, or the token function threw `TokenDenied`;
 *   `updateToken` connects again.
 * - `error`: the server has ended the connection permanently; make another client.
 * - `disconnecting`, `disconnected`: `shutdown` was called.
 *
 * @typedef {"connecting" | "connected" | "denied" | "error" | "disconnecting" | "disconnected"}
 *   ConnectionState
 */

/**
 * Callbacks of a connection.
 *
 * @typedef {object} Observer
 * @property {ObserverOfEvents} onEvent called with each event of the server, in order
 * @property {() => void} onConnected called when a new transport is in use
 * @property {(state: ConnectionState) => void} onState called with each new state
 * @property {(error: SynclineError, isTerminal: boolean) => void} onBroken called with the reason
 *   when the connection ended or could not be opened; terminal if the client will not reconnect by
 *   itself
 */

/**
 * Keeps one transport open: dials, falls back to REST, backs off, dials again.
 *
 * A request waits for a transport, and is sent again if the transport ends before the reply (rule
 * C7). The caller gives every write an `op`.
 */
export class Connection {
  /** @type {ConnectionState} */
  state = "connecting";

  #dialer;
  #options;
  #observer;
  #backoff;
  /** @type {Transport | null} */
  #transport = null;
  /** @type {SynclineError | null} while set, requests are rejected with it and do not wait */
  #failure = null;
  /** @type {TokenSource | null} used for the last attempt to connect */
  #tried = null;
  /** @type {Deferred<void>} resolved and replaced when `#transport` or `#failure` changes */
  #changed = new Deferred();
  #stop = new AbortController();
  #pause;
  #outstanding = 0;
  /** @type {SynclineError | null} reason of the last break or failed attempt */
  #break = null;

  /**
   * @param {Server} server
   * @param {TokenSource} token
   * @param {Options} options
   * @param {Observer} observer
   */
  constructor(server, token, options, observer) {
    this.#dialer = new Dialer(server, token, options, observer.onEvent);
    this.#options = options;
    this.#observer = observer;
    this.#backoff = new Backoff(options.backoffInitial, options.backoffLimit);
    this.#pause = new Pause(options.requestTimeout);
  }

  /** The transport in use; null while there is no connection. */
  get transport() {
    return this.#transport?.isOpen ? this.#transport : null;
  }

  /** The reason of the break; null while connected. */
  get #lastBreak() {
    return this.transport ? null : this.#break;
  }

  get #token() {
    return this.#dialer.token;
  }

  /** Connect, and reconnect after each break. */
  start() {
    watchWakeups(this.#stop.signal, (isNewNetwork) => {
      // Skip the back-off. A `denied` client waits for `updateToken`, not for the network.
      if (!this.#failure) this.#pause.end();
      this.transport?.probe(isNewNetwork);
    });
    void this.#keepOpen();
  }

  /**
   * Wait for a transport, send a request and return the result of its reply.
   *
   * @template T
   * @param {string} verb
   * @param {JsonObject} members members that are undefined or null are not sent
   * @param {Receive<T>} receive
   * @param {Partial<Exit>} [exit]
   * @returns {Promise<T>}
   */
  async request(verb, members, receive, { signal, undo } = {}) {
    if (this.#outstanding >= OUTSTANDING_LIMIT) {
      throw tooManyRequests(`${this.#outstanding} requests wait for their replies already.`);
    }
    const given = Object.entries(members).filter(([, value]) => value != null);
    const request = { do: verb, ...Object.fromEntries(given) };
    const { requestTimeout } = this.#options;
    const attempts = new Attempts(request, requestTimeout);
    const late = () => attempts.late(this.#lastBreak);
    this.#outstanding += 1;
    // Only requests of the application shorten pauses (rule C10).
    const release = "op" in request ? this.#pause.hurry() : ignore;
    try {
      return await within(requestTimeout, late, signal ?? null, (deadline) =>
        this.#carryOut(request, receive, { signal: deadline, undo }, attempts),
      );
    } finally {
      this.#outstanding -= 1;
      release();
    }
  }

  /**
   * Replace the token; rejected if the server refuses the new one, and the old one stays in use.
   *
   * @param {Token} token
   */
  async updateToken(token) {
    if (this.#failure && this.state !== "denied") throw this.#failure;
    const previous = this.#token;
    const replacement = new TokenSource(token);
    // Set before the first await: a reconnect that starts meanwhile uses the new token.
    this.#dialer.token = replacement;
    if (!this.transport) {
      this.#failure = null; // requests from now on wait for the new connection
      this.#pause.end();
      return;
    }
    try {
      await this.#authenticate();
    } catch (error) {
      if (error === INTERRUPTED) return; // the next connection uses the new token anyway
      // Not if a later `updateToken` has replaced it again during the await.
      if (this.#token === replacement) this.#dialer.token = previous;
      throw error;
    }
  }

  /** Send a fresh token if it is a function; until then the old token stays (rule C17). */
  async renewToken() {
    const { transport } = this;
    const { backoffInitial, backoffLimit } = this.#options;
    const backoff = new Backoff(backoffInitial, backoffLimit);
    while (transport?.isOpen && this.#token.isRenewable) {
      try {
        return await this.#authenticate();
      } catch (error) {
        if (error === INTERRUPTED) return; // the next connection gets a fresh token anyway
        const message = `the access token could not be renewed: ${messageOf(error)}`;
        this.#observer.onBroken(connectionLost(message, { cause: error }), false);
        const isPassing = error instanceof SynclineError && error.retry && !error.status;
        if (!isPassing) return; // keep the old token until it expires
      }
      await sleep(backoff.pause(), this.#stop.signal).catch(ignore);
    }
  }

  /** Close the connection permanently. */
  shutdown() {
    if (this.state === "disconnected") return;
    this.#become("disconnecting");
    // Set before `#change` wakes the requests: they are rejected with it and do not wait again.
    this.#failure = clientClosed();
    this.#stop.abort(this.#failure);
    this.#transport?.close();
    this.#transport = null;
    this.#change();
    this.#pause.end();
    this.#become("disconnected");
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {Exit} exit
   * @param {Attempts} attempts
   * @returns {Promise<T>}
   */
  async #carryOut(request, receive, exit, attempts) {
    const { backoffInitial, backoffLimit } = this.#options;
    const backoff = new Backoff(backoffInitial, backoffLimit);
    for (;;) {
      const transport = await this.#ready(exit.signal);
      if (!attempts.begin()) throw attempts.late(this.#lastBreak);
      try {
        const { log } = this.#options;
        if (log) return await log.send(transport, request, receive, exit);
        return await transport.request(request, receive, exit);
      } catch (error) {
        if (error === INTERRUPTED) continue;
        if (!attempts.takeRefusal(error)) throw error;
        await sleep(retryPause(error.retryAfter) + backoff.pause(), exit.signal);
      }
    }
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Transport>}
   */
  async #ready(signal) {
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (this.transport) return this.transport;
      // A closed transport may still be set here: `#connect` replaces it, and then calls `#change`.
      await orAborted(this.#changed.promise, signal);
    }
  }

  async #authenticate() {
    const stop = this.#stop.signal;
    const token = await this.#dialer.getToken(stop);
    const { requestTimeout } = this.#options;
    const late = () => new Attempts({ do: "auth" }, requestTimeout).late(this.#lastBreak);
    // The transport may have ended, or been replaced, while the token function ran.
    await within(requestTimeout, late, stop, async (signal) => {
      if (!this.transport) throw INTERRUPTED;
      await this.transport.authenticate(token, signal);
    });
  }

  async #keepOpen() {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const reason = await this.#connect();
      if (signal.aborted || !(await this.#recover(reason))) return;
    }
  }

  /** Connect, and wait for the end of the connection. @returns {Promise<unknown>} the reason */
  async #connect() {
    try {
      this.#tried = this.#token;
      let transport = await this.#dialer.dial(this.#stop.signal);
      for (;;) transport = await this.#stand(transport);
    } catch (error) {
      this.#transport = null;
      return error;
    }
  }

  /**
   * Use a transport until it ends, or until a better one is found.
   *
   * @param {Transport} transport
   * @returns {Promise<Transport>} the better transport; rejected with the reason of the end
   */
  async #stand(transport) {
    const since = performance.now();
    this.#transport = transport;
    this.#change();
    this.#become("connected");
    this.#observer.onConnected();
    const probing = new AbortController();
    const probe = this.#dialer.findBetter(transport, probing.signal);
    /** @type {Transport | null} */
    let found = null;
    try {
      const end = await Promise.race([transport.ended, probe]);
      if (end instanceof SynclineError) throw end;
      found = end;
      return found;
    } finally {
      this.#backoff.resetIfStable(performance.now() - since);
      // `transport.ended` may win the race although `probe` is about to resolve: close that one.
      probing.abort(INTERRUPTED);
      probe.then((late) => late !== found && late.close(), ignore);
      transport.close();
    }
  }

  /**
   * Report a break, and wait until the client should connect again.
   *
   * @param {unknown} reason
   * @returns {Promise<boolean>} false if the client must not reconnect
   */
  async #recover(reason) {
    const error =
      reason instanceof SynclineError
        ? reason
        : connectionLost(`the connection failed: ${messageOf(reason)}`, { cause: reason });
    this.#break = error;
    // 1. Decide, and set `#failure` before `#change` wakes the requests: if the client is `denied`
    //    or the error is final they are rejected, otherwise they wait for the next transport.
    const isDenied = this.#isDenied(error);
    const isFinal = !error.status && !error.retry && !(error instanceof TokenDenied);
    this.#failure = isDenied || isFinal ? error : null;
    this.#change();
    // 2. Notify listeners. A listener may call `updateToken` or `shutdown`.
    this.#become(isDenied ? "denied" : isFinal ? "error" : "connecting");
    this.#observer.onBroken(error, isDenied || isFinal);
    if (isFinal) return false;
    // 3. Pause; a `denied` client until `updateToken`. If a listener has just called `updateToken`,
    //    its `#wake` came before this pause and would be lost: check again and skip the pause.
    const isToWait = this.#isDenied(error) || !isDenied;
    if (isToWait && !this.#stop.signal.aborted) {
      await (isDenied ? this.#pause.untilEnded() : this.#pauseAfter(error));
    }
    // 4. Let requests wait again, except after `shutdown`, whose error must stay.
    if (!this.#stop.signal.aborted) this.#failure = null;
    this.#become("connecting");
    return true;
  }

  /**
   * True if the client must wait for `updateToken`: the server itself refuses the token (rule C3).
   *
   * @param {SynclineError} error
   */
  #isDenied(error) {
    // `updateToken` was called since the attempt: try the new token first.
    if (this.#token !== this.#tried) return false;
    if (error instanceof TokenDenied) return true;
    if (error.retry || error.status < 400 || error.status > 499) return false;
    return error.code !== Code.TOKEN_EXPIRED || !this.#token.isRenewable;
  }

  /** @param {SynclineError} error */
  async #pauseAfter(error) {
    // It took seconds to find out that the connection was half-open: no further pause.
    if (error instanceof HalfOpen) return;
    await this.#pause.take(retryPause(error.retryAfter), this.#backoff.pause());
  }

  #change() {
    this.#changed.resolve();
    this.#changed = new Deferred();
  }

  /** @param {ConnectionState} state */
  #become(state) {
    if (state === this.state || this.state === "disconnected") return;
    this.state = state;
    this.#observer.onState(state);
  }
}
