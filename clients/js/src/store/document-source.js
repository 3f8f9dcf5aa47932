/** What one subscriber reads of a document. */

import { Source, writesOf } from "./source.js";

/** @import { JsonObject } from "../syncline/protocol.js" */
/** @import { SyncDocument } from "../syncline/document.js" */
/** @import { DocumentView } from "./document-view.js" */
/** @import { Access, State } from "./source.js" */

const WRITES = /** @type {const} */ ([
  "set",
  "update",
  "mutate",
  "patch",
  "increment",
  "setTtl",
  "removeDocument",
]);

/**
 * `data` is frozen, and undefined unless the document is ready.
 *
 * @template {JsonObject} [T=JsonObject]
 * @typedef {(State & { status: "ready", data: T })
 *   | (State & { status: "idle" | "loading" | "error" | "removed", data: T | undefined })}
 *   DocumentState
 */

/**
 * The methods of `SyncDocument` that write, and `reopen`.
 *
 * @template {JsonObject} [T=JsonObject]
 * @typedef {Pick<SyncDocument<T>, typeof WRITES[number]> & { reopen: () => void }} DocumentMethods
 */

/**
 * @template {JsonObject} [T=JsonObject]
 * @extends {Source<DocumentState<T>>}
 */
export class DocumentSource extends Source {
  /** @type {DocumentMethods<T>} */
  methods;
  #initial;

  /**
   * @param {Access | null} access
   * @param {T} [initial] shown as `data` until the document is ready
   */
  constructor(access, initial) {
    super(access);
    this.#initial = initial;
    this.methods = Object.freeze({ ...writesOf(this, WRITES), reopen: this.reopen });
  }

  /** @protected @override @param {DocumentView | null} view */
  read(view) {
    return { data: view === null ? this.#initial : view.data };
  }
}
