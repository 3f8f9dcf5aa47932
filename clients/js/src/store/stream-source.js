/** What one subscriber reads of a stream. */

import { NOTHING } from "./collection-view.js";
import { Source, writesOf } from "./source.js";
import { MESSAGE, MISSED } from "./stream-view.js";

/** @import { JsonObject } from "../syncline/protocol.js" */
/** @import { SyncStream } from "../syncline/stream.js" */
/** @import { Access, State } from "./source.js" */
/** @import { MessageState, StreamView } from "./stream-view.js" */

const WRITES = /** @type {const} */ (["publishMessage", "setTtl", "removeStream"]);

/**
 * `messages`: the newest ones, oldest first; as many as the option `keep` says.
 *
 * @template {JsonObject} [T=JsonObject]
 * @typedef {State & { messages: readonly MessageState<T>[] }} StreamState
 */
/**
 * @template {JsonObject} [T=JsonObject]
 * @typedef {Pick<SyncStream<T>, typeof WRITES[number]> & { reopen: () => void }} StreamMethods
 */

/**
 * @template {JsonObject} [T=JsonObject]
 * @extends {Source<StreamState<T>>}
 */
export class StreamSource extends Source {
  /** @type {StreamMethods<T>} */
  methods;

  /** @param {Access | null} access */
  constructor(access) {
    super(access);
    this.methods = Object.freeze({ ...writesOf(this, WRITES), reopen: this.reopen });
  }

  /**
   * Call `listener` with each message until the function that this returns is called.
   *
   * @param {(message: MessageState<T>) => void} listener
   */
  onMessage = (listener) => this.#on(MESSAGE, listener);

  /**
   * Call `listener` with the number of messages that this client was too slow to receive.
   *
   * @param {(count: number) => void} listener
   */
  onMissed = (listener) => this.#on(MISSED, listener);

  /** @protected @override @param {StreamView | null} view */
  read(view) {
    return { messages: view?.messages ?? NOTHING };
  }

  /**
   * @param {symbol} topic
   * @param {(payload: any) => void} listener
   */
  #on(topic, listener) {
    if (this.access === null) return () => {};
    // A change of the status has no payload.
    return this.access.demand().subscribe((payload) => {
      if (payload !== undefined) listener(payload);
    }, topic);
  }
}
