/** The data of an open document. */

import { share } from "./sharing.js";

/** @import { SyncDocument } from "../syncline/document.js" */
/** @import { Notify } from "./shared-object.js" */

export class DocumentView {
  /** @type {Promise<void>} */
  ready = Promise.resolve();
  /** @type {any} frozen */
  data;

  #document;
  #notify;
  #revision;

  /**
   * @param {SyncDocument} document
   * @param {Notify} notify
   */
  constructor(document, notify) {
    this.#document = document;
    this.#notify = notify;
    this.#revision = document.revision;
    this.data = share(undefined, document.data);
    document.on("updated", () => this.refresh());
  }

  /** Take what the client knows by now: the reply to a write comes before its event. */
  refresh() {
    if (this.#document.revision === this.#revision) return;
    this.#revision = this.#document.revision;
    const before = this.data;
    this.data = share(before, this.#document.data);
    if (this.data !== before) this.#notify();
  }

  close() {}
}
