/** Events of objects over REST: event streams, and polling beyond their limit. */

import { Backoff } from "./backoff.js";
import { HalfOpen, INTERRUPTED, SynclineError, connectionLost, statusOf } from "./errors.js";
import { retryPause } from "./refusals.js";
import { readEvents } from "./sse.js";
import { Deferred, sleep } from "./timing.js";

/** @import { Http } from "./http.js" */
/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { EventHandler, Receive } from "./transport.js" */

/** Time between two polls of an object that has no stream of its own. */
const POLL_INTERVAL = 2_000;

/** A stream that ends sooner than this is reopened after a pause. */
const QUICK_END = 1_000;

/** The longest pause between streams: meanwhile the object is stale. */
const STREAM_PAUSE_LIMIT = 5_000;

/** Time for which a poll that resumes waits for changes: if there are none, no event comes. */
const POLL_DURATION = 1_000;

const REOPENED = connectionLost("an event stream is opened again");
const POLLED = connectionLost("a poll has ended");

/**
 * How the event stream of one object is read, and what its events are natively.
 *
 * @typedef {object} Source
 * @property {string} address of the object, in the request: a SID, or a name
 * @property {(address: string) => string} pathOf returns the path of an object, below the service
 * @property {string} query of the path of its stream; empty, or with a question mark
 * @property {string | null} resumed the revision to resume from; null for the state
 * @property {boolean} isPolled false if its events are lost unless a stream is open: then it always
 *   has one
 * @property {boolean} resumes true if a poll asks for what has changed, not for the state
 * @property {(data: JsonObject) => string} sidIn returns the SID in an event, or in a reply
 * @property {(data: JsonObject, id: string | null) => string | null} revisionOf returns the revision
 *   to resume from after an event, which had this `id`; null: it has not changed
 * @property {(data: JsonObject | null) => JsonObject} replyOf makes the `ok` of `open` from the first
 *   state; null: it resumes, and there is none
 * @property {(name: string, data: JsonObject) => JsonObject} messageOf makes the message of an event
 * @property {(sid: string) => JsonObject} removal makes the message for an object that is gone
 */

/**
 * Callback for an event; returns true if the object was removed.
 *
 * @typedef {(event: { name: string, data: JsonObject, id: string | null }) => boolean} Take
 */

/** Follows objects: `eventStreams` of them have a stream of their own, the others are polled. */
export class EventStreams {
  #http;
  #options;
  #onEvent;
  /** @type {Map<AbortController, () => number>} open streams, and when each last received data */
  #readings = new Map();
  /** @type {Map<string, AbortController>} by SID; aborting one unfollows the object */
  #streams = new Map();

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
   * Follow an object; the first event of its stream serves as the reply to `open`.
   *
   * @template T
   * @param {Source} source
   * @param {boolean} created
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  follow(source, created, receive, signal) {
    const controller = this.#http.start(signal);
    /** @type {Deferred<T>} */
    const opened = new Deferred();
    let sid = "";
    /** @param {JsonObject | null} data of the first state; null if the stream resumes */
    const onOpen = (data) => {
      const ok = source.replyOf(data);
      sid = source.sidIn(ok);
      // The address may be a name: only now is the SID known, and whether it is followed already.
      this.unfollow(sid);
      this.#streams.set(sid, controller);
      opened.resolve(receive({ created, ...ok }));
    };
    this.#watch(source, controller, onOpen)
      .catch((error) => opened.reject(this.#http.failed(error, controller.signal)))
      .finally(() => {
        this.#http.done(controller);
        // A later `follow` of the same object may have replaced the entry.
        if (this.#streams.get(sid) === controller) this.#streams.delete(sid);
      });
    return opened.promise;
  }

  /** @param {string} sid */
  unfollow(sid) {
    this.#streams.get(sid)?.abort(INTERRUPTED);
    this.#streams.delete(sid);
  }

  /**
   * Reopen the streams, each after its last event. After a change of network, or sleep, their
   * connections may be dead.
   *
   * @param {number} silence reopen only streams without data for this time
   */
  reopen(silence) {
    const since = performance.now() - silence;
    for (const [reading, lastReceived] of this.#readings) {
      if (lastReceived() <= since) reading.abort(REOPENED);
    }
  }

  /**
   * Deliver the events of an object until it is removed.
   *
   * @param {Source} source
   * @param {AbortController} controller
   * @param {(data: JsonObject | null) => void} onOpen
   */
  async #watch(source, controller, onOpen) {
    const { signal } = controller;
    /** @type {string | null} null until the first state */
    let sid = null;
    let revision = source.resumed;
    // By name only until the SID is known: the name may be given to another object meanwhile.
    const path = () => source.pathOf(sid ?? source.address);
    const onResponse = () => {
      if (source.resumed === null || sid !== null) return;
      onOpen(null);
      sid = source.sidIn(source.replyOf(null));
    };
    /** @type {Take} */
    const take = ({ name, data, id }) => {
      // A listener of an earlier event in the same chunk may have ended this stream.
      signal.throwIfAborted();
      if (sid === null) onOpen(data);
      else this.#onEvent(source.messageOf(name, data));
      sid = source.sidIn(data);
      revision = source.revisionOf(data, id) ?? revision;
      return name === "removed";
    };
    const { backoffInitial, backoffLimit } = this.#options;
    const limit = Math.min(backoffLimit, STREAM_PAUSE_LIMIT);
    const pauses = new Backoff(Math.min(backoffInitial, limit), limit);
    let failures = 0;
    try {
      for (;;) {
        const since = performance.now();
        const end = await this.#look(source, revision, controller, { path: path(), onResponse, take });
        const stood = performance.now() - since;
        if (end === "removed") return;
        // 1. No first state, so there is nothing to continue from: the `open` fails.
        if (sid === null) throw connectionLost("an event stream ended before its first event");
        // 2. Polled: poll again later.
        if (end === "seen") await sleep(POLL_INTERVAL, signal);
        // 3. Cut by something in between: continue, by rule C20.
        if (end === "ended" && stood < QUICK_END) await sleep(pauses.pause(), signal);
        // 4. Not reopened. If the server refused for now (429, 503), wait as it asks. If the
        //    network failed, try once more: the same cause may have cut the new connection too.
        failures = end instanceof Error && !isBusy(end) ? failures + 1 : 0;
        if (failures > 1) throw end;
        if (end instanceof Error) await sleep(pauses.pause() + waitOf(end), signal);
        pauses.resetIfStable(stood);
      }
    } catch (error) {
      if (sid === null || signal.aborted) throw error;
      // Removed, or the right to read was revoked, between two polls or streams: no event comes.
      if (![403, 404].includes(statusOf(error))) throw this.#http.lost(error);
      this.#onEvent(source.removal(sid));
    }
  }

  /**
   * Read an object's stream to its end, or only for a moment if `eventStreams` others are open.
   *
   * @param {Source} source
   * @param {string | null} revision the revision that the client has; null if none
   * @param {AbortController} controller
   * @param {{ path: string, onResponse: () => void, take: Take }} observer `path`: of the object;
   *   `onResponse`: the stream is open
   * @returns {Promise<"removed" | "seen" | "ended" | "reopened" | Error>} `seen`: polled; `ended`:
   *   something in between cut the stream; an error: it could not be reopened, worth another try;
   *   rejected if the document cannot be followed
   */
  async #look(source, revision, controller, { path, onResponse, take }) {
    const keepsOpen = !source.isPolled || this.#readings.size < this.#options.eventStreams;
    // A document is polled for its state. A collection resumes, and says nothing if nothing is new.
    const resumes = keepsOpen || source.resumes;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let expiry;
    const reading = this.#http.start(controller.signal);
    let lastReceived = performance.now();
    let isOpen = false;
    let isBegun = revision !== null;
    if (keepsOpen) this.#readings.set(reading, () => lastReceived);
    const onPart = () => {
      lastReceived = performance.now();
      this.#http.dataReceived();
    };
    try {
      const url = `${path}/Events${source.query}`;
      const body = await this.#http.stream(url, resumes ? revision : null, reading);
      isOpen = true;
      onResponse();
      if (!keepsOpen && resumes) expiry = setTimeout(() => reading.abort(POLLED), POLL_DURATION);
      for await (const event of readEvents(body, reading.signal, onPart)) {
        isBegun = true;
        if (take(event)) return "removed";
        if (!keepsOpen && !resumes) return "seen";
      }
      return "ended";
    } catch (error) {
      // 1. The caller has ended it. 2. `reopen`. 3. No first state yet: the caller must know why.
      // 4. Cut while open: continue. 5. Not opened because of the network or a busy server: retry.
      if (controller.signal.aborted) throw error;
      if (reading.signal.reason === REOPENED) return "reopened";
      if (reading.signal.reason === POLLED) return "seen";
      if (!isBegun) throw error;
      const isMeant = error instanceof SynclineError && !(error instanceof HalfOpen);
      if (isOpen && !isMeant) return "ended";
      const isWeather = error instanceof Error && statusOf(error) === 0;
      if (!isOpen && (isWeather || isBusy(error))) return error;
      throw error;
    } finally {
      clearTimeout(expiry);
      this.#readings.delete(reading);
      this.#http.done(reading);
    }
  }
}

/** @param {Error} error */
function waitOf(error) {
  return error instanceof SynclineError ? retryPause(error.retryAfter) : 0;
}

/** @param {unknown} error @returns {error is SynclineError} */
function isBusy(error) {
  return error instanceof SynclineError && error.status !== 0 && error.retry;
}
