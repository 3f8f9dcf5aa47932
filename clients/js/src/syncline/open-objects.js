/** Registry of the open objects of a client, and their subscriptions. */

import { Backoff } from "./backoff.js";
import { INTERRUPTED, statusOf } from "./errors.js";
import { Removal } from "./events.js";
import { OBJECT_TYPES } from "./protocol.js";
import { ignore, sleep } from "./timing.js";

/** @import { Connection } from "./connection.js" */
/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Exit, Receive } from "./transport.js" */

const NO_LIMITS = Object.freeze({ data: null, item: null, message: null });

/** Maximum number of `open` requests in flight while resubscribing after a reconnect. */
const RESUBSCRIBING_AT_ONCE = 64;

/**
 * State of one open object, shared by its handles.
 *
 * @typedef {object} Subscription
 * @property {string} type name of the type of object, which is the member of requests that names it
 * @property {string} sid
 * @property {string | null} uniqueName
 * @property {boolean} isLost true while there are changes that the client can only get by `open`
 * @property {() => void} onLost called when `isLost` becomes true
 * @property {Set<any>} handles
 * @property {(ok: JsonObject, members: JsonObject) => void} openedAgain processes the reply to an
 *   `open` of another handle, with these members
 * @property {() => { members: JsonObject, receive: (ok: JsonObject) => void }} reopening
 *   members of the `open` that catches up, and how to process its reply
 * @property {() => void} reconnected prepares for a new connection
 * @property {(message: JsonObject, mayBeEarly: boolean) => void} take processes an event
 * @property {(removal: Removal, mayBeEarly: boolean) => void} receive
 * @property {(error: Error | null) => void} end ends all handles
 */

/**
 * A type of object.
 *
 * @template {Subscription} S
 * @typedef {object} Kind
 * @property {string} type
 * @property {(ok: JsonObject, options: Options, members: JsonObject) => S} subscribe makes the
 *   state from the reply to an `open` with these members
 */

/** The open objects of one client; subscribes again after each reconnect. */
export class OpenObjects {
  #options;
  #connection;
  /** @type {Map<string, Subscription>} by SID */
  #subscriptions = new Map();
  #unsubscriptions = 0;
  /** @type {Subscription[]} not yet opened again on this connection */
  #waiting = [];
  /** @type {Set<Subscription>} whose missing changes are being fetched */
  #finding = new Set();
  /** @type {Set<AbortController>} one per object: a signal should have few listeners */
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

  /** True while there is a connection that can have deltas. */
  get hasDeltas() {
    return this.#options.deltas && this.#connection.transport?.name === "websocket";
  }

  /** Maximum sizes of data, in bytes; null where they are not known. */
  get limits() {
    return this.#connection.transport?.limits ?? NO_LIMITS;
  }

  /**
   * The open object of a type with that SID or name.
   *
   * @param {string} type
   * @param {string | undefined} address
   */
  find(type, address) {
    for (const each of this.#subscriptions.values()) {
      const isNamed = each.sid === address || each.uniqueName === address;
      if (each.type === type && address !== undefined && isNamed) return each;
    }
    return undefined;
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
   * Fetch or create an object and subscribe to it.
   *
   * @template {Subscription} S
   * @template {{ close: () => void }} Handle
   * @param {Kind<S>} kind
   * @param {JsonObject} members members of the `open` request
   * @param {(subscription: S) => Handle} attach called synchronously with the reply, so that no
   *   event and no `close` can come in between
   * @param {AbortSignal} [signal]
   * @returns {Promise<Handle>}
   */
  async open(kind, members, attach, signal) {
    const before = this.#unsubscriptions;
    /** @type {Handle[]} */
    const attached = [];
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      const subscription = this.#opened(kind, ok, members);
      const handle = attach(subscription);
      attached.push(handle);
      return { sid: subscription.sid, handle };
    };
    // The reply may come after the caller has aborted (rule C21).
    const { type } = kind;
    const undo = (/** @type {JsonObject} */ ok) => void this.#unsubscribe(type, ok[type].sid);
    const { sid, handle } = await this.request("open", members, receive, { signal, undo }).catch(
      (error) => {
        // Aborted after `receive`, before the call was resolved: nobody gets the handle.
        for (const givenUp of attached) givenUp.close();
        throw error;
      },
    );
    const subscription = this.#subscriptions.get(sid);
    // An `unsubscribe`, perhaps of this object, was in flight during our `open` (rule C21); or the
    // reply was not to the newest `open` of this object.
    if (subscription && (this.#unsubscriptions !== before || subscription.isLost)) {
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
    const { type, sid } = subscription;
    if (subscription.handles.size > 0 || this.#subscriptions.get(sid) !== subscription) return;
    this.#subscriptions.delete(sid);
    await this.#unsubscribe(type, sid);
  }

  /**
   * Catch up with an object that is open, and wait until that is done.
   *
   * @param {Subscription} subscription
   */
  async catchUp(subscription) {
    await this.#resubscribe(subscription);
  }

  /**
   * Open a collection again that is open, and read its first page: catch up in the same step.
   *
   * @param {Subscription} subscription
   * @param {number} limit of the page
   * @param {(ok: JsonObject) => void} receive called with the reply, after what was missed was
   *   processed
   * @param {AbortSignal} signal
   */
  async openPage(subscription, limit, receive, signal) {
    await this.#reopen(subscription, signal, { items: { limit } }, receive);
  }

  /**
   * Process an event of the server.
   *
   * @param {JsonObject} message
   * @param {boolean} mayBeEarly true if the event may have overtaken the reply to its write
   */
  take(message, mayBeEarly) {
    const type = OBJECT_TYPES.find((each) => each in message);
    const subscription = type && this.#subscriptions.get(message[type].sid);
    if (!subscription) return;
    if (message.event === "removed") {
      this.#removed(subscription, new Removal(message[type]), mayBeEarly);
    } else {
      subscription.take(message, mayBeEarly);
    }
  }

  /** Open all objects again on a new connection, and catch up (rule C11). */
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

  /**
   * @template {Subscription} S
   * @param {Kind<S>} kind
   * @param {JsonObject} ok
   * @param {JsonObject} members of the request
   * @returns {S}
   */
  #opened(kind, ok, members) {
    const existing = this.#subscriptions.get(ok[kind.type].sid);
    if (existing) {
      existing.openedAgain(ok, members);
      return /** @type {S} */ (existing);
    }
    const subscription = kind.subscribe(ok, this.#options, members);
    subscription.onLost = () => void this.#find(subscription);
    this.#subscriptions.set(subscription.sid, subscription);
    return subscription;
  }

  /**
   * Unsubscribe on the server, unless a handle has the object open.
   *
   * @param {string} type
   * @param {string} sid
   */
  async #unsubscribe(type, sid) {
    if (this.#subscriptions.has(sid)) return; // a handle has the object open
    if (!this.#connection.transport) return; // the next connection does not subscribe to it
    // Counted twice, so that an `open` that is in flight when this begins or ends sees a change. An
    // `open` that begins and ends in between is covered by `again` below.
    this.#unsubscriptions += 1;
    await this.request("unsubscribe", { [type]: sid }, ignore).catch(ignore);
    this.#unsubscriptions += 1;
    const again = this.#subscriptions.get(sid);
    // Opened again during the await: the server may have executed our `unsubscribe` after it.
    if (again) await this.#resubscribe(again);
  }

  /**
   * Get what is missing, with at most one call per subscription.
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
   * Open an object again by SID and catch up; retry until done or not found.
   *
   * @param {Subscription} subscription
   */
  async #resubscribe(subscription) {
    const controller = new AbortController();
    const { signal } = controller;
    const backoff = new Backoff(this.#options.backoffInitial, this.#options.backoffLimit);
    this.#resubscribing.add(controller);
    // The second condition ends the loop if the object was closed, or removed, during an await.
    while (!signal.aborted && this.#subscriptions.get(subscription.sid) === subscription) {
      try {
        await this.#reopen(subscription, signal);
        if (!subscription.isLost) break;
      } catch (error) {
        // To this client the object is gone (rule C11): emit `removed`.
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
   * @param {JsonObject} [more] members
   * @param {(ok: JsonObject) => void} [then] called with the reply too
   */
  async #reopen(subscription, signal, more = {}, then = ignore) {
    const { type, sid } = subscription;
    const { members, receive } = subscription.reopening();
    const all = { [type]: sid, mode: "open_existing", ...members, ...more };
    /** @param {JsonObject} ok */
    const both = (ok) => {
      receive(ok);
      then(ok);
    };
    await this.#connection.request("open", all, both, { signal });
  }
}
