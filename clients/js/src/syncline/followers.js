/** Documents that are followed over HTTP. */

import { INTERRUPTED, connectionLost, statusOf } from "./errors.js";
import { readEvents } from "./sse.js";
import { pathTo } from "./http.js";
import { Deferred, sleep } from "./timing.js";

/** @import { Http } from "./http.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { EventHandler, Receive } from "./transport.js" */

/** Between two looks at a document that has no stream of its own. */
const POLL_INTERVAL = 2_000;

/** Each document's events: some documents have a stream of their own, the others are looked at. */
export class Followers {
  #http;
  #limit;
  #onEvent;
  #streams = 0;
  /** @type {Map<string, AbortController>} of what follows a document, by its SID */
  #followers = new Map();

  /**
   * @param {Http} http
   * @param {number} limit streams that may be open
   * @param {EventHandler} onEvent
   */
  constructor(http, limit, onEvent) {
    this.#http = http;
    this.#limit = limit;
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
   * Hand on what happens to a document, until it is removed.
   *
   * @param {string} address
   * @param {AbortController} controller
   * @param {(document: JsonObject) => void} onFirstState
   */
  async #watch(address, controller, onFirstState) {
    /** @type {string | null} null until it is open */
    let sid = null;
    /** @param {string} name @param {JsonObject} data */
    const take = (name, data) => {
      if (name !== "state") this.#onEvent({ event: name, document: data });
      else if (sid === null) onFirstState(data);
      else this.#onEvent({ event: "updated", document: data });
      sid = data.sid;
      return name === "removed";
    };
    try {
      while (!(await this.#look(sid ?? address, controller, take))) {
        await sleep(POLL_INTERVAL, controller.signal);
      }
    } catch (error) {
      if (sid === null || controller.signal.aborted) throw error;
      // Between two looks it was removed, of which there is no event any more.
      if (statusOf(error) !== 404) throw this.#http.lost(error);
      this.#onEvent({ event: "removed", document: { sid } });
    }
  }

  /**
   * Read a document's stream: to its end, or only what it is now if enough others are held open.
   *
   * @param {string} address
   * @param {AbortController} controller
   * @param {(name: string, data: JsonObject) => boolean} take returns whether it was removed
   * @returns {Promise<boolean>} true if the document was removed, false to look again
   */
  async #look(address, controller, take) {
    const isHeld = this.#streams < this.#limit;
    this.#streams += isHeld ? 1 : 0;
    try {
      const body = await this.#http.stream(`${pathTo(address)}/Events`, controller);
      for await (const { name, data } of readEvents(body, controller.signal)) {
        if (take(name, data)) return true;
        if (!isHeld) return false;
      }
    } finally {
      this.#streams -= isHeld ? 1 : 0;
    }
    throw connectionLost("an event stream ended");
  }
}
