/** Registry of the open documents of a client, and their subscriptions. */

import { Backoff } from "./backoff.js";
import { INTERRUPTED, statusOf } from "./errors.js";
import { Snapshot } from "./snapshot.js";
import { Removal, Subscription } from "./subscription.js";
import { ignore, sleep } from "./timing.js";

/** @import { Connection } from "./connection.js" */
/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Exit, Receive } from "./transport.js" */

/** Maximum number of `open` requests in flight while resubscribing after a reconnect. */
const RESUBSCRIBING_AT_ONCE = 64;

/** The open documents of one client; subscribes again after each reconnect. */
export class OpenDocuments {
  #options;
  #connection;
  /** @type {Map<string, Subscription>} by SID */
  #subscriptions = new Map();
  #unsubscriptions = 0;
  /** @type {Subscription[]} not yet opened again on this connection */
  #waiting = [];
  /** @type {Set<Subscription>} whose whole state is being fetched: a delta could not be applied */
  #finding = new Set();
  /** @type {Set<AbortController>} one per document: a signal should have few listeners */
  #resubscribing = new Set();

  /**
   * @param {Connection} connection
   * @param {Options} options
   */
  constructor(connection, options) {
    this.#connection = connection;
    this.#options = options;
  }

  get options() {
    return this.#options;
  }

  get dataLimit() {
    return this.#connection.transport?.dataLimit ?? null;
  }

  /**
   * Send a request (docs/protocol.md, section 3).
   *
   * @template T
   * @param {string} verb
   * @param {JsonObject} members
   * @param {Receive<T>} receive
   * @param {Partial<Exit>} [exit]
   */
  request(verb, members, receive, exit) {
    return this.#connection.request(verb, members, receive, exit);
  }

  /**
   * Fetch or create a document and subscribe to it.
   *
   * @template {{ close: () => void }} Handle
   * @param {JsonObject} members members of the `open` request
   * @param {(subscription: Subscription) => Handle} attach called synchronously with the reply, so
   *   that no event and no `close` can come in between
   * @param {AbortSignal} [signal]
   * @returns {Promise<Handle>}
   */
  async open(members, attach, signal) {
    const before = this.#unsubscriptions;
    /** @type {Handle[]} */
    const attached = [];
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      const subscription = this.#opened(ok);
      const handle = attach(subscription);
      attached.push(handle);
      return { sid: subscription.sid, handle };
    };
    // The reply may come after the caller has aborted (rule C21).
    const undo = (/** @type {JsonObject} */ ok) => void this.#unsubscribe(ok.document.sid);
    const { sid, handle } = await this.request("open", members, receive, { signal, undo }).catch(
      (error) => {
        // Aborted after `receive`, before the call was resolved: nobody gets the handle.
        for (const givenUp of attached) givenUp.close();
        throw error;
      },
    );
    const subscription = this.#subscriptions.get(sid);
    if (this.#unsubscriptions !== before && subscription) {
      // An `unsubscribe`, perhaps of this document, was in flight during our `open` (rule C21).
      await this.#resubscribe(subscription);
    }
    return handle;
  }

  /**
   * End the subscription if no handle is left.
   *
   * @param {Subscription} subscription
   */
  async release(subscription) {
    const { sid } = subscription;
    if (subscription.handles.size > 0 || this.#subscriptions.get(sid) !== subscription) return;
    this.#subscriptions.delete(sid);
    await this.#unsubscribe(sid);
  }

  /**
   * Process an event of the server.
   *
   * @param {string} name
   * @param {JsonObject} body the `document` of the event
   * @param {boolean} mayBeEarly true if the event may have overtaken the reply to its write
   */
  take(name, body, mayBeEarly) {
    const subscription = this.#subscriptions.get(body.sid);
    if (!subscription) return;
    if (name === "updated") {
      subscription.update(body, mayBeEarly);
      if (subscription.isLost) void this.#find(subscription);
    } else if (name === "removed") {
      this.#removed(subscription, new Removal(body), mayBeEarly);
    }
  }

  /** Open all documents again on a new connection, and catch up (rule C11). */
  resubscribe() {
    this.#stopResubscribing();
    const waiting = [...this.#subscriptions.values()];
    for (const subscription of waiting) subscription.reconnected();
    this.#waiting = waiting;
    // `waiting` is shared by the workers. `#stopResubscribing` empties it, which ends them all.
    const work = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await this.#resubscribe(next);
      }
    };
    const workers = Math.min(waiting.length, RESUBSCRIBING_AT_ONCE);
    for (let worker = 0; worker < workers; worker += 1) void work();
  }

  /**
   * End all handles: the client is permanently disconnected.
   *
   * @param {Error | null} error null if the application shut the client down
   */
  end(error) {
    this.#stopResubscribing();
    for (const subscription of this.#subscriptions.values()) subscription.end(error);
    this.#subscriptions.clear();
  }

  /** @param {JsonObject} ok */
  #opened(ok) {
    const existing = this.#subscriptions.get(ok.document.sid);
    const snapshot = Snapshot.parse(ok.document);
    const subscription = existing ?? new Subscription(snapshot, this.#options.eventQueue);
    // The server sends no event for the state that it replied with, so the handles that already
    // exist are notified here.
    if (existing) existing.receive(snapshot, true);
    else this.#subscriptions.set(snapshot.sid, subscription);
    return subscription;
  }

  /**
   * Unsubscribe on the server, unless a handle has the document open.
   *
   * @param {string} sid
   */
  async #unsubscribe(sid) {
    if (this.#subscriptions.has(sid)) return; // a handle has the document open
    if (!this.#connection.transport) return; // the next connection does not subscribe to it
    // Counted twice, so that an `open` that is in flight when this begins or ends sees a change. An
    // `open` that begins and ends in between is covered by `again` below.
    this.#unsubscriptions += 1;
    await this.request("unsubscribe", { document: sid }, ignore).catch(ignore);
    this.#unsubscriptions += 1;
    const again = this.#subscriptions.get(sid);
    // Opened again during the await: the server may have executed our `unsubscribe` after it.
    if (again) await this.#resubscribe(again);
  }

  /**
   * Fetch the whole document, with at most one call per subscription.
   *
   * @param {Subscription} subscription
   */
  async #find(subscription) {
    if (this.#finding.has(subscription)) return;
    this.#finding.add(subscription);
    await this.#resubscribe(subscription);
    this.#finding.delete(subscription);
  }

  /**
   * @param {Subscription} subscription
   * @param {Removal} removal
   * @param {boolean} mayBeEarly
   */
  #removed(subscription, removal, mayBeEarly) {
    const { sid } = subscription;
    if (this.#subscriptions.get(sid) === subscription) this.#subscriptions.delete(sid);
    subscription.receive(removal, mayBeEarly);
  }

  /**
   * Open a document again by SID and catch up; retry until done or not found.
   *
   * @param {Subscription} subscription
   */
  async #resubscribe(subscription) {
    const controller = new AbortController();
    const { signal } = controller;
    const backoff = new Backoff(this.#options.backoffInitial, this.#options.backoffLimit);
    this.#resubscribing.add(controller);
    // The second condition ends the loop if the document was closed, or removed, during an await.
    while (!signal.aborted && this.#subscriptions.get(subscription.sid) === subscription) {
      try {
        await this.#reopen(subscription, signal);
        if (!subscription.isLost) break;
      } catch (error) {
        // To this client the document is gone (rule C11): emit `removed`.
        if ([403, 404].includes(statusOf(error))) {
          this.#removed(subscription, new Removal(), true);
          break;
        }
      }
      await sleep(backoff.pause(), signal).catch(ignore);
    }
    this.#resubscribing.delete(controller);
  }

  #stopResubscribing() {
    this.#waiting.length = 0;
    for (const controller of this.#resubscribing) controller.abort(INTERRUPTED);
  }

  /**
   * @param {Subscription} subscription
   * @param {AbortSignal} signal
   */
  async #reopen(subscription, signal) {
    const before = subscription.current;
    const revision = subscription.isLost ? null : before.revision;
    const members = { document: before.sid, mode: "open_existing", revision };
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      // A reply without `data` means that the document is at the revision we sent, so the data is
      // that of `before`. `current` may be newer: events came while we waited.
      const snapshot = Snapshot.parse(ok.document, before);
      if (!subscription.goBack(snapshot, before)) subscription.receive(snapshot, true);
    };
    await this.#connection.request("open", members, receive, { signal });
  }
}
