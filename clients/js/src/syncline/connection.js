/** The connection, through every break. */

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
import { Deferred, ignore, orAborted, sleep, within } from "./timing.js";
import { TokenSource } from "./token.js";
import { watchWakeups } from "./wakeups.js";

/** @import { Options, Server } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Token } from "./token.js" */
/** @import { Exit, ObserverOfEvents, Receive, Request, Transport } from "./transport.js" */

/**
 * As the vendor's SDK names them.
 *
 * - `connecting`: there is no connection, and one is being made, now or after a pause.
 * - `connected`
 * - `denied`: the token was refused or has expired, or the token function threw `TokenDenied`; `updateToken`
 *   connects again.
 * - `error`: the server has ended the connection for good; make another client.
 * - `disconnecting`, `disconnected`: by `shutdown`.
 *
 * @typedef {"connecting" | "connected" | "denied" | "error" | "disconnecting" | "disconnected"}
 *   ConnectionState
 */

/**
 * Who is told of a connection.
 *
 * @typedef {object} Observer
 * @property {ObserverOfEvents} onEvent takes each event of the server, in order
 * @property {() => void} onConnected there is a new transport
 * @property {(state: ConnectionState) => void} onState
 * @property {(error: SynclineError, isTerminal: boolean) => void} onBroken takes why the
 *   connection ended, or could not be made; terminal if no other will be made by itself
 */

/**
 * One transport at a time, kept open: dial, fall back, back off, dial again.
 *
 * A request waits for a transport, and is sent again with the same members when the transport ends
 * before the reply: whoever makes a request that writes gives it an `op`, so that it is applied
 * once.
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
  /** @type {SynclineError | null} why there is no connection and, for now, none will be made */
  #failure = null;
  /** @type {TokenSource | null} that the last attempt was made with */
  #tried = null;
  /** @type {Deferred<void>} resolved, and replaced, when a request may go on */
  #changed = new Deferred();
  #stop = new AbortController();
  #pause;
  #outstanding = 0;
  /** @type {SynclineError | null} why there is no connection, or was none the last time */
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

  /** Why there is no connection; null while there is one. */
  get #lastBreak() {
    return this.transport ? null : this.#break;
  }

  get #token() {
    return this.#dialer.token;
  }

  /** Connect, and keep connected. */
  start() {
    watchWakeups(this.#stop.signal, (isNewNetwork) => {
      // A pause has no point any more; the one of a client that is denied has.
      if (!this.#failure) this.#pause.end();
      this.transport?.probe(isNewNetwork);
    });
    void this.#keepOpen();
  }

  /**
   * Ask the server, once it can be asked.
   *
   * @template T
   * @param {string} verb
   * @param {JsonObject} members those that are undefined or null are left out
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
    // Who has no `op` opens a document again: nobody waits for that.
    const release = "op" in request ? this.#pause.hurry() : ignore;
    try {
      return await within(requestTimeout, late, signal ?? null, (patience) =>
        this.#carryOut(request, receive, { signal: patience, undo }, attempts),
      );
    } finally {
      this.#outstanding -= 1;
      release();
    }
  }

  /**
   * Go on with another token; rejected if the server refuses it: then the old one stays in force.
   *
   * @param {Token} token
   */
  async updateToken(token) {
    if (this.#failure && this.state !== "denied") throw this.#failure;
    const previous = this.#token;
    const replacement = new TokenSource(token);
    this.#dialer.token = replacement;
    if (!this.transport) {
      this.#failure = null; // what is asked from here on waits for the new connection
      this.#pause.end();
      return;
    }
    try {
      await this.#authenticate();
    } catch (error) {
      if (error === INTERRUPTED) return; // the next connection takes it anyway
      if (this.#token === replacement) this.#dialer.token = previous;
      throw error;
    }
  }

  /** Give the server a fresh token, if there is one; a failure is left to the expiry. */
  async renewToken() {
    if (!this.transport || !this.#token.isRenewable) return;
    try {
      await this.#authenticate();
    } catch (error) {
      if (error === INTERRUPTED) return;
      const message = `the access token could not be renewed: ${messageOf(error)}`;
      this.#observer.onBroken(connectionLost(message, { cause: error }), false);
    }
  }

  /** End the connection for good. */
  shutdown() {
    if (this.state === "disconnected") return;
    this.#become("disconnecting");
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
        return await transport.request(request, receive, exit);
      } catch (error) {
        if (error === INTERRUPTED) continue;
        if (!attempts.takeRefusal(error)) throw error;
        await sleep(Math.min(error.retryAfter ?? 0, backoffLimit) + backoff.pause(), exit.signal);
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
      await orAborted(this.#changed.promise, signal);
    }
  }

  async #authenticate() {
    const stop = this.#stop.signal;
    const token = await this.#dialer.getToken(stop);
    const { requestTimeout } = this.#options;
    const late = () => new Attempts({ do: "auth" }, requestTimeout).late(this.#lastBreak);
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

  /** Connect, and stay connected as long as it goes. @returns {Promise<unknown>} why it ended */
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
   * @param {Transport} transport
   * @returns {Promise<Transport>} what takes its place; rejected with why it ended
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
      this.#backoff.connectionStood(performance.now() - since);
      probing.abort(INTERRUPTED);
      probe.then((late) => late !== found && late.close(), ignore);
      transport.close();
    }
  }

  /**
   * Tell of a break, and wait until it makes sense to connect again.
   *
   * @param {unknown} reason
   * @returns {Promise<boolean>} false if there will be no connection any more
   */
  async #recover(reason) {
    const error =
      reason instanceof SynclineError
        ? reason
        : connectionLost(`the connection failed: ${messageOf(reason)}`, { cause: reason });
    this.#break = error;
    const isDenied = this.#isDenied(error);
    const isFinal = !error.status && !error.retry && !(error instanceof TokenDenied);
    this.#failure = isDenied || isFinal ? error : null;
    this.#change();
    this.#become(isDenied ? "denied" : isFinal ? "error" : "connecting");
    this.#observer.onBroken(error, isDenied || isFinal);
    if (isFinal) return false;
    // A listener may have brought a new token, or ended it all, just now.
    const isToWait = this.#isDenied(error) || !isDenied;
    if (isToWait && !this.#stop.signal.aborted) {
      await (isDenied ? this.#pause.untilEnded() : this.#pauseAfter(error));
    }
    if (!this.#stop.signal.aborted) this.#failure = null;
    this.#become("connecting");
    return true;
  }

  /**
   * True if another attempt needs another token, and nobody is there to give it. Where the server
   * refuses a connection, it is for the token: its signature, its end, its service.
   *
   * @param {SynclineError} error
   */
  #isDenied(error) {
    if (this.#token !== this.#tried) return false;
    if (error instanceof TokenDenied) return true;
    // A defect of the server (500) says nothing of the token.
    if (error.retry || error.status < 400 || error.status > 499) return false;
    return error.code !== Code.TOKEN_EXPIRED || !this.#token.isRenewable;
  }

  /** @param {SynclineError} error */
  async #pauseAfter(error) {
    // Finding it half-open took seconds: that was pause enough.
    if (error instanceof HalfOpen) return;
    const wanted = Math.min(error.retryAfter ?? 0, this.#options.backoffLimit);
    await this.#pause.take(wanted, this.#backoff.pause());
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
