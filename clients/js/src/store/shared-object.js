/** One object of the server that all its subscribers share: opening, retries, removal, closing. */

import { Backoff } from "../syncline/backoff.js";
import { SynclineError } from "../syncline/errors.js";
import { Deferred, ignore, sleep } from "../syncline/timing.js";

/** @import { Client } from "../syncline/client.js" */

/** The first pause, at most, after a failed attempt to open; it doubles with each failure. */
const RETRY_INITIAL = 500;
const RETRY_LIMIT = 30_000;

/**
 * The data of an open object.
 *
 * @typedef {object} View
 * @property {Promise<void>} ready resolved when it is complete
 * @property {() => void} refresh takes what the client knows after an own write
 * @property {() => void} close
 */

/**
 * Called by a view when it has changed. `topics`: to whom it matters, besides the subscribers of
 * everything; `payload` is passed to them.
 *
 * @typedef {(topics?: readonly unknown[], payload?: unknown) => void} Notify
 */

/**
 * How objects of one type are opened and read.
 *
 * @typedef {object} Kind
 * @property {(client: Client, signal: AbortSignal) => Promise<any>} open resolved with a handle
 * @property {(handle: any, notify: Notify) => View} view
 */

/**
 * What the owner of a shared object gives it.
 *
 * @typedef {object} Owner
 * @property {() => Client} demandClient
 * @property {number} grace time for which the object stays open without users
 * @property {() => void} onDrop called when it is closed; it must not be used again
 */

/**
 * States:
 *
 * - `loading`: opened as soon as it has a user. `error` is set if an attempt failed and another
 *   follows.
 * - `ready`: `view` has the data.
 * - `error`: it could not be opened. Tried again when the client connects again, and by `reopen`.
 * - `removed`: it was removed, or the right to read it was taken away. `reopen` opens it again.
 */
export class SharedObject {
  /** @type {"loading" | "ready" | "error" | "removed"} */
  status = "loading";
  /** @type {Error | null} */
  error = null;
  /** The event of the removal. @type {any} */
  removal = null;

  #kind;
  #owner;
  #users = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #closing;
  /** @type {AbortController | null} set from the first user until `ready`, `error` or `removed` */
  #attempt = null;
  /** @type {any} */
  #handle = null;
  /** @type {View | null} */
  #view = null;
  /** @type {Deferred<any>} settled with the handle by the attempt in progress, or the next one */
  #opened = newDeferred();
  /** @type {Map<unknown, Set<(payload: any) => void>>} by topic; undefined: everything */
  #listeners = new Map();

  /**
   * @param {Kind} kind
   * @param {Owner} owner
   */
  constructor(kind, owner) {
    this.#kind = kind;
    this.#owner = owner;
  }

  /** The data; null unless `ready`. */
  get view() {
    return this.status === "ready" ? this.#view : null;
  }

  /**
   * Keep the object open until the function that this returns is called.
   *
   * @returns {() => void} safe to repeat
   */
  retain() {
    this.#users += 1;
    clearTimeout(this.#closing);
    if (this.#attempt === null && this.status === "loading") {
      const attempt = new AbortController();
      this.#attempt = attempt;
      // Not at once: a component may subscribe, unsubscribe and subscribe in one go (StrictMode), or
      // only read (server rendering).
      queueMicrotask(() => {
        if (this.#users > 0) void this.#keepTrying(attempt.signal);
        else if (this.#attempt === attempt) this.#attempt = null;
      });
    }
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#users -= 1;
      if (this.#users === 0) this.#dropLater();
    };
  }

  /**
   * Call `listener` after each change, until the function that this returns is called.
   *
   * @param {(payload: any) => void} listener
   * @param {unknown} [topic] default: everything
   */
  subscribe(listener, topic) {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    const release = this.retain();
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) {
        this.#listeners.delete(topic);
      }
      release();
    };
  }

  /** The handle, once the object is open. The caller retains the object. @returns {Promise<any>} */
  async handle() {
    if (this.#handle) return this.#handle;
    if (this.status === "removed") throw new SynclineError("It has been removed", { status: 404 });
    if (this.status === "error" && this.#attempt === null) throw this.error;
    return this.#opened.promise;
  }

  /** Take what the client knows after an own write. */
  refresh() {
    this.view?.refresh();
  }

  /** Open it again after an error or a removal. */
  reopen() {
    if (this.status === "ready" || this.#users === 0) return;
    this.#become("loading");
    this.#start();
  }

  /** The client is connected again: what failed before may succeed now. */
  connected() {
    if (this.error !== null && this.status !== "removed" && this.#users > 0) this.#start();
  }

  /** The client has ended. @param {Error} error */
  end(error) {
    this.#stop(error);
    this.#become("error", { error });
    if (this.#users === 0) this.drop();
  }

  /** Close it, whoever uses it. */
  drop() {
    clearTimeout(this.#closing);
    this.#stop(new SynclineError("It was closed"));
    this.#owner.onDrop();
  }

  #dropLater() {
    if (this.status === "error" || this.status === "removed") return this.drop();
    this.#closing = setTimeout(() => this.drop(), this.#owner.grace);
    // In Node, an object that nobody uses does not keep the process alive.
    /** @type {any} */ (this.#closing).unref?.();
  }

  #start() {
    this.#attempt?.abort();
    this.#attempt = new AbortController();
    void this.#keepTrying(this.#attempt.signal);
  }

  /** @param {AbortSignal} signal aborted when another attempt replaces this one, or none is needed */
  async #keepTrying(signal) {
    const backoff = new Backoff(RETRY_INITIAL, RETRY_LIMIT);
    while (!signal.aborted) {
      try {
        return await this.#open(signal);
      } catch (error) {
        if (signal.aborted) return;
        // No `instanceof`: the client may be of another build of the package.
        const isPassing = /** @type {any} */ (error)?.retry === true;
        this.#failed(/** @type {Error} */ (error), isPassing);
        if (!isPassing) return;
      }
      await sleep(backoff.pause(), signal).catch(ignore);
    }
  }

  /** @param {AbortSignal} signal */
  async #open(signal) {
    const handle = await this.#kind.open(this.#owner.demandClient(), signal);
    if (signal.aborted) return handle.close(); // during the await above, after the reply had come
    // Removed before there was a listener for the event.
    if (handle.removed) return this.#removed(handle, null);
    this.#handle = handle;
    handle.on("removed", (/** @type {any} */ event) => this.#removed(handle, event));
    this.#view = this.#kind.view(handle, (...given) => this.#notify(...given));
    this.#opened.resolve(handle);
    await this.#view.ready;
    if (signal.aborted) return;
    this.#attempt = null;
    this.#become("ready");
  }

  /**
   * @param {Error} error
   * @param {boolean} isPassing
   */
  #failed(error, isPassing) {
    const attempt = isPassing ? this.#attempt : null;
    this.#closeHandle();
    this.#attempt = attempt;
    this.#rejectWaiting(error);
    this.#become(isPassing && this.status !== "error" ? "loading" : "error", { error });
    if (this.#users === 0 && !isPassing) this.drop();
  }

  /**
   * @param {any} handle
   * @param {any} event null if it is not known
   */
  #removed(handle, event) {
    handle.close();
    this.#stop(new SynclineError("It has been removed", { status: 404 }));
    this.#become("removed", { removal: event });
    if (this.#users === 0) this.drop();
  }

  /** @param {Error} reason for what waits for the handle */
  #stop(reason) {
    this.#attempt?.abort();
    this.#attempt = null;
    this.#closeHandle();
    this.#rejectWaiting(reason);
  }

  #closeHandle() {
    this.#view?.close();
    this.#handle?.close();
    this.#view = null;
    this.#handle = null;
  }

  /** @param {Error} error */
  #rejectWaiting(error) {
    this.#opened.reject(error);
    this.#opened = newDeferred();
  }

  /**
   * @param {SharedObject["status"]} status
   * @param {{ error?: Error | null, removal?: any }} [details]
   */
  #become(status, { error = null, removal = null } = {}) {
    this.status = status;
    this.error = error;
    this.removal = removal;
    for (const topic of [...this.#listeners.keys()]) this.#call(topic, undefined);
  }

  /** @type {Notify} */
  #notify(topics = [], payload = undefined) {
    if (this.status !== "ready") return;
    this.#call(undefined, payload);
    for (const topic of topics) this.#call(topic, payload);
  }

  /**
   * @param {unknown} topic
   * @param {unknown} payload
   */
  #call(topic, payload) {
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) {
      try {
        listener(payload);
      } catch (error) {
        console.error("syncline: a subscriber failed:", error);
      }
    }
  }
}

function newDeferred() {
  /** @type {Deferred<any>} */
  const deferred = new Deferred();
  deferred.promise.catch(ignore); // perhaps nobody waits
  return deferred;
}
