/** The newest messages of an open stream. */

import { share } from "./sharing.js";

/** @import { SyncStream } from "../syncline/stream.js" */
/** @import { Notify } from "./shared-object.js" */

/** Topic of subscribers that get each message. */
export const MESSAGE = Symbol("message");
/** Topic of subscribers that learn how many messages were lost. */
export const MISSED = Symbol("missed");

/**
 * A message, frozen.
 *
 * @template [T=any]
 * @typedef {object} MessageState
 * @property {string} sid
 * @property {T} data
 * @property {Date | null} dateCreated
 * @property {string | null} createdBy
 * @property {boolean} isLocal true if this client published it
 */

export class StreamView {
  /** @type {Promise<void>} */
  ready = Promise.resolve();
  /** @type {readonly any[]} the newest ones, oldest first */
  messages = Object.freeze([]);

  /**
   * @param {SyncStream} stream
   * @param {Notify} notify
   * @param {number} keep how many messages `messages` has at most
   */
  constructor(stream, notify, keep) {
    stream.on("messagePublished", ({ message, isLocal }) => {
      const { sid, dateCreated, createdBy } = message;
      const data = share(undefined, message.data);
      const state = Object.freeze({ sid, data, dateCreated, createdBy, isLocal });
      if (keep > 0) this.messages = Object.freeze([...this.messages, state].slice(-keep));
      notify([MESSAGE], state);
    });
    stream.on("missed", ({ count }) => notify([MISSED], count));
  }

  refresh() {}

  close() {}
}
