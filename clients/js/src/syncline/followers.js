/** Documents that are followed over HTTP. */

import { Backoff } from "./backoff.js";
import { HalfOpen, INTERRUPTED, SynclineError, connectionLost, statusOf } from "./errors.js";
import { readEvents } from "./sse.js";
import { pathTo } from "./http.js";
import { Deferred, sleep } from "./timing.js";

/** @import { Http } from "./http.js" */
/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { EventHandler, Receive } from "./transport.js" */

/** Between two looks at a document that has no stream of its own. */
const POLL_INTERVAL = 2_000;

/** A stream that ends sooner is opened again after a pause. */
const QUICK_END = 1_000;

/** The longest pause between streams: meanwhile the document is stale. */
const STREAM_PAUSE_LIMIT = 5_000;

const REOPENED = connectionLost("an event stream is opened again");

/** Each document's events: some documents have a stream of their own, the others are looked at. */
export class Followers {
  #http;
  #options;
  #onEvent;
  /** @type {Map<AbortController, () => number>} streams, and when something came on each */
  #readings = new Map();
  /** @type {Map<string, AbortController>} of what follows a document, by its SID */
  #followers = new Map();

  /**
   * @param {Http} http
   * @param {Options} options
   * @param {EventHandler} onEvent
   */
  constructor(http, options, onEvent) {
    this.#http = http;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  /**
   * Open the event stream; its first event is the reply to `open`.
   *
   * @template T
   * @param {string} address
   * @param {boolean} created
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  follow(address, created, receive, signal) {
    const controller = this.#http.start(signal);
    /** @type {Deferred<T>} */
    const opened = new Deferred();
    let sid = "";
    /** @param {JsonObject} document */
    const onFirstState = (document) => {
      sid = document.sid;
      this.unfollow(sid);
      this.#followers.set(sid, controller);
      opened.resolve(receive({ created, document }));
    };
    this.#watch(address, controller, onFirstState)
      .catch((error) => opened.reject(this.#http.failed(error, controller.signal)))
      .finally(() => {
        this.#http.done(controller);
        if (this.#followers.get(sid) === controller) this.#followers.delete(sid);
      });
    return opened.promise;
  }

  /** @param {string} sid */
  unfollow(sid) {
    this.#followers.get(sid)?.abort(INTERRUPTED);
    this.#followers.delete(sid);
  }

  /**
   * Open the streams again, each after the last event that came: where the network has changed, or
   * the machine slept, theirs may be dead connections.
   *
   * @param {number} silence only those that have been silent for this time
   */
  reopen(silence) {
    const since = performance.now() - silence;
    for (const [reading, lastHeard] of this.#readings) {
      if (lastHeard() <= since) reading.abort(REOPENED);
    }
  }

  /**
   * Hand on what happens to a document, until it is removed.
   *
   * @param {string} address
   * @param {AbortController} controller
   * @param {(document: JsonObject) => void} onFirstState
   */
  async #watch(address, controller, onFirstState) {
    const { signal } = controller;
    /** @type {string | null} null until it is open */
    let sid = null;
    /** @type {string | null} */
    let revision = null;
    /** @param {string} name @param {JsonObject} data */
    const take = (name, data) => {
      // The rest of what came with the event that made somebody end this.
      signal.throwIfAborted();
      if (name !== "state") this.#onEvent({ event: name, document: data });
      else if (sid === null) onFirstState(data);
      else this.#onEvent({ event: "updated", document: data });
      sid = data.sid;
      revision = data.revision ?? revision;
      return name === "removed";
    };
    const { backoffInitial, backoffLimit } = this.#options;
    const limit = Math.min(backoffLimit, STREAM_PAUSE_LIMIT);
    const pauses = new Backoff(Math.min(backoffInitial, limit), limit);
    let failures = 0;
    try {
      for (;;) {
        const since = performance.now();
        const end = await this.#look(sid ?? address, revision, controller, take);
        const stood = performance.now() - since;
        if (end === "removed") return;
        // 1. Without an event there is nothing to go on from: the request fails.
        if (sid === null) throw connectionLost("an event stream ended before its first event");
        // 2. Looked at only: look again later.
        if (end === "seen") await sleep(POLL_INTERVAL, signal);
        // 3. Proxies cut responses after some time: go on at once. One that cuts all at once is
        //    not to be asked without a pause.
        if (end === "ended" && stood < QUICK_END) await sleep(pauses.pause(), signal);
        // 4. It could not be opened again. Too many come at once: the server says when. The network:
        //    what cut the stream may have cut the next connection too, so there is one more try.
        failures = end instanceof Error && !isBusy(end) ? failures + 1 : 0;
        if (failures > 1) throw end;
        if (end instanceof Error) await sleep(pauses.pause() + waitOf(end), signal);
        pauses.connectionStood(stood);
      }
    } catch (error) {
      if (sid === null || signal.aborted) throw error;
      // Between two looks it was removed, or the right to read it: there is no event any more.
      if (![403, 404].includes(statusOf(error))) throw this.#http.lost(error);
      this.#onEvent({ event: "removed", document: { sid } });
    }
  }

  /**
   * Read a document's stream: to its end, or only what it is now if enough others are held open.
   *
   * @param {string} address
   * @param {string | null} revision that the client has; null if none
   * @param {AbortController} controller
   * @param {(name: string, data: JsonObject) => boolean} take returns whether it was removed
   * @returns {Promise<"removed" | "seen" | "ended" | "reopened" | Error>} `ended` if something
   *   in between ended it; an error if it could not be opened again; rejected with why it cannot be
   *   followed
   */
  async #look(address, revision, controller, take) {
    const isHeld = this.#streams < this.#options.eventStreams;
    const reading = this.#http.start(controller.signal);
    let lastHeard = performance.now();
    let isOpen = false;
    let isBegun = revision !== null;
    if (isHeld) this.#readings.set(reading, () => lastHeard);
    const onPart = () => {
      lastHeard = performance.now();
      this.#http.heard();
    };
    try {
      const path = `${pathTo(address)}/Events`;
      const body = await this.#http.stream(path, isHeld ? revision : null, reading);
      isOpen = true;
      for await (const { name, data } of readEvents(body, reading.signal, onPart)) {
        isBegun = true;
        if (take(name, data)) return "removed";
        if (!isHeld) return "seen";
      }
      return "ended";
    } catch (error) {
      if (controller.signal.aborted) throw error;
      if (reading.signal.reason === REOPENED) return "reopened";
      if (!isBegun) throw error;
      const isMeant = error instanceof SynclineError && !(error instanceof HalfOpen);
      if (isOpen && !isMeant) return "ended";
      const isWeather = error instanceof Error && statusOf(error) === 0;
      if (!isOpen && (isWeather || isBusy(error))) return error;
      throw error;
    } finally {
      this.#readings.delete(reading);
      this.#http.done(reading);
    }
  }

  get #streams() {
    return this.#readings.size;
  }
}

/** @param {Error} error */
function waitOf(error) {
  return error instanceof SynclineError ? (error.retryAfter ?? 0) : 0;
}

/** @param {unknown} error @returns {error is SynclineError} */
function isBusy(error) {
  return error instanceof SynclineError && error.status !== 0 && error.retry;
}
