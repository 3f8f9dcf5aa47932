/** State of one open object other than a document, shared by its handles. */

import { EventOrder } from "./event-order.js";
import { Removal } from "./events.js";
import { Header } from "./header.js";
import { ObjectRemoved } from "./object-events.js";
import { ignore } from "./timing.js";

/** @import { JsonObject } from "./protocol.js" */

/**
 * What was received of an object, in order, and passed to its handles.
 *
 * @template News what is received
 * @template {{ emit: (event: any) => void, end: (error: Error | null) => void }} Listener
 *   callbacks of one handle: `emit` is called with each event, `end` when no event follows
 */
export class ObjectState {
  /** Called when `isLost` becomes true. */
  onLost = ignore;
  /** @type {Set<Listener>} */
  handles = new Set();

  /** @type {Header} newest known */
  current;

  /** @internal @protected @type {EventOrder<News | Removal>} */
  order;
  #isRemovedHere = false;
  #isRemovalAnnounced = false;

  /**
   * @param {string} type name of the type of object
   * @param {JsonObject} ok the reply to `open`
   * @param {number} bound maximum amount of news that waits for writes; see `overflowed`
   */
  constructor(type, ok, bound) {
    this.type = type;
    this.current = Header.of(ok[type]);
    this.order = new EventOrder(bound, (news) => this.#take(news), () => this.overflowed());
  }

  get sid() {
    return this.current.sid;
  }

  get uniqueName() {
    return this.current.uniqueName;
  }

  /** True once the client knows that the object was removed; may be true before the event. */
  get removed() {
    return this.#isRemovedHere || this.#isRemovalAnnounced;
  }

  /**
   * @param {Removal} removal
   * @param {boolean} mayBeEarly true if it may come before the reply to its write
   */
  receive(removal, mayBeEarly) {
    this.order.put(removal, mayBeEarly);
  }

  /** Prepare for a new connection. */
  reconnected() {
    this.order.reconnected();
  }

  /**
   * Wrap an own write, from before it is sent until its reply is processed.
   *
   * @template T
   * @param {() => Promise<T>} write
   */
  writing(write) {
    return this.order.writing(write);
  }

  /**
   * Make the header in a message the current one if it is newer.
   *
   * @param {JsonObject} body it may lack members that do not change
   */
  adopt(body) {
    if (Number(body.revision) > this.current.order) this.replace(body);
  }

  /**
   * Make the header in a message the current one.
   *
   * @internal
   * @protected
   * @param {JsonObject} body as in `adopt`
   */
  replace(body) {
    this.current = Header.of(body, this.current);
  }

  /** Record that this client removed the object. */
  wroteRemoval() {
    this.#isRemovedHere = true;
  }

  /**
   * End all handles: no event follows, because of `error` if it is not null.
   *
   * @param {Error | null} error
   */
  end(error) {
    for (const handle of [...this.handles]) handle.end(error);
  }

  /** @internal @protected @param {any} event */
  emit(event) {
    for (const handle of [...this.handles]) handle.emit(event);
  }

  /**
   * Process news, in order.
   *
   * @internal
   * @protected
   * @param {News} _news
   */
  process(_news) {}

  /** Called before the removal is announced. @internal @protected */
  finish() {}

  /** Called when too much news waits for writes. @internal @protected */
  overflowed() {}

  /** @param {News | Removal} news */
  #take(news) {
    // A removal may come twice: by its event, and as the 404 to an `open` in flight.
    if (this.#isRemovalAnnounced) return;
    if (!(news instanceof Removal)) return this.process(news);
    this.finish();
    this.#isRemovalAnnounced = true;
    this.emit(new ObjectRemoved(news.body, this.#isRemovedHere, this.current.dateExpires));
    this.end(null);
  }
}
