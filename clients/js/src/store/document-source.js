/** What one subscriber reads of a document. */

import { Source, writesOf } from "./source.js";

/** @import { JsonObject } from "../syncline/protocol.js" */
/** @import { SyncDocument } from "../syncline/document.js" */
/** @import { DocumentView } from "./document-view.js" */
/** @import { Access, State, Status } from "./source.js" */

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
 * `data` is frozen. Unless the document is ready it is undefined; while it is loading, the option
 * `initial`.
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
   * @param {T} [initial] shown as `data` while the document is being opened
   */
  constructor(access, initial) {
    super(access);
    this.#initial = initial;
    this.methods = Object.freeze({ ...writesOf(this, WRITES), reopen: this.reopen });
  }

  /**
   * @protected
   * @override
   * @param {DocumentView | null} view
   * @param {Status} status
   */
  read(view, status) {
    return { data: status === "loading" ? this.#initial : view?.data };
  }
}
