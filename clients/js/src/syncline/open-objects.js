/** The documents that are open on a connection. */

import { Backoff } from "./backoff.js";
import { INTERRUPTED, statusOf } from "./errors.js";
import { Snapshot } from "./snapshot.js";
import { Removal, Subscription } from "./subscription.js";
import { ignore, sleep } from "./timing.js";

/** @import { Connection } from "./connection.js" */
/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */
/** @import { Exit, Receive } from "./transport.js" */

/** Documents that are opened at a time after a break. */
const RESUBSCRIBING_AT_ONCE = 64;

/** The documents that are open on one connection, through every break. */
export class OpenDocuments {
  #options;
  #connection;
  /** @type {Map<string, Subscription>} by SID */
  #subscriptions = new Map();
  #unsubscriptions = 0;
  /** @type {Subscription[]} to open again on this connection */
  #waiting = [];
  /** @type {Set<Subscription>} whose whole state is asked for: a delta could not be applied */
  #finding = new Set();
  /** @type {Set<AbortController>} one for each document: a signal should have few listeners */
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
   * Ask the server (docs/protocol.md, section 3).
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
   * @template Handle
   * @param {JsonObject} members of `open`
   * @param {(subscription: Subscription) => Handle} attach called as the reply comes: no event, no
   *   `close` can fall in between
   * @param {AbortSignal} [signal]
   * @returns {Promise<Handle>}
   */
  async open(members, attach, signal) {
    const before = this.#unsubscriptions;
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      const subscription = this.#opened(ok);
      return { sid: subscription.sid, handle: attach(subscription) };
    };
    // A reply that comes after the caller has given up has subscribed this connection all the same.
    const undo = (/** @type {JsonObject} */ ok) => void this.#unsubscribe(ok.document.sid);
    const { sid, handle } = await this.request("open", members, receive, { signal, undo });
    const subscription = this.#subscriptions.get(sid);
    if (this.#unsubscriptions !== before && subscription) {
      // An `unsubscribe` was under way, maybe of this document, and may have been carried out last.
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
   * Take an event of the server.
   *
   * @param {string} name
   * @param {JsonObject} body its `document`
   * @param {boolean} mayBeEarly true if it can have overtaken the reply to a write
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

  /** Open them all again, on a new connection, and catch up. */
  resubscribe() {
    this.#stopResubscribing();
    const waiting = [...this.#subscriptions.values()];
    for (const subscription of waiting) subscription.reconnected();
    this.#waiting = waiting;
    const work = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await this.#resubscribe(next);
      }
    };
    const workers = Math.min(waiting.length, RESUBSCRIBING_AT_ONCE);
    for (let worker = 0; worker < workers; worker += 1) void work();
  }

  /**
   * There will be no connection any more.
   *
   * @param {Error | null} error null if the application wanted it
   */
  end(error) {
    this.#stopResubscribing();
    for (const subscription of this.#subscriptions.values()) subscription.end(error);
    this.#subscriptions.clear();
  }

  /** @param {JsonObject} ok */
  #opened(ok) {
    const held = this.#subscriptions.get(ok.document.sid);
    const snapshot = Snapshot.parse(ok.document);
    const subscription = held ?? new Subscription(snapshot, this.#options.eventQueue);
    // The server does not tell this state again: the handles that there are hear of it here.
    if (held) held.receive(snapshot, true);
    else this.#subscriptions.set(snapshot.sid, subscription);
    return subscription;
  }

  /**
   * Tell the server that nobody here has a document open.
   *
   * @param {string} sid
   */
  async #unsubscribe(sid) {
    if (this.#subscriptions.has(sid)) return; // another handle has it
    if (!this.#connection.transport) return; // the next connection does not open it
    this.#unsubscriptions += 1;
    await this.request("unsubscribe", { document: sid }, ignore).catch(ignore);
    this.#unsubscriptions += 1;
    const again = this.#subscriptions.get(sid);
    // Opened meanwhile, and the server may have carried out the `unsubscribe` after that.
    if (again) await this.#resubscribe(again);
  }

  /**
   * Ask for the whole document, once at a time.
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
   * Open again by SID, and catch up; until it is done, or the document is found missing.
   *
   * @param {Subscription} subscription
   */
  async #resubscribe(subscription) {
    const controller = new AbortController();
    const { signal } = controller;
    const backoff = new Backoff(this.#options.backoffInitial, this.#options.backoffLimit);
    this.#resubscribing.add(controller);
    while (!signal.aborted && this.#subscriptions.get(subscription.sid) === subscription) {
      try {
        await this.#reopen(subscription, signal);
        if (!subscription.isLost) break;
      } catch (error) {
        // 403: the right to read was taken away meanwhile.
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
    const held = subscription.current;
    const revision = subscription.isLost ? null : held.revision;
    const members = { document: held.sid, mode: "open_existing", revision };
    /** @param {JsonObject} ok */
    const receive = (ok) => {
      // Without `data` the document is at the revision held, whatever became current since.
      const snapshot = Snapshot.parse(ok.document, held);
      if (snapshot.order < held.order) subscription.restore(snapshot);
      else subscription.receive(snapshot, true);
    };
    await this.#connection.request("open", members, receive, { signal });
  }
}
