/** What one subscriber reads of an object: snapshots, a subscription and writes. */

import { shareShallow } from "./sharing.js";

/** @import { SharedObject } from "./shared-object.js" */

/**
 * - `idle`: the name is null; nothing is open.
 * - `loading`: not open yet. `error` is set if an attempt failed and another follows.
 * - `ready`: `data` is the newest data that the client knows, also while it is disconnected.
 * - `error`: `error` says why the object cannot be opened. It is tried again when the client
 *   connects again, and by `reopen`.
 * - `removed`: the object was removed, or the right to read it was taken away. `removal` is the
 *   event, if the client got it. `reopen` opens it again.
 *
 * @typedef {"idle" | "loading" | "ready" | "error" | "removed"} Status
 */

/**
 * @typedef {object} State what all snapshots have
 * @property {Status} status
 * @property {Error | null} error
 * @property {import("../syncline/object-events.js").ObjectRemovedEvent
 *   | import("../syncline/events.js").RemovedEvent | null} removal
 */

/**
 * Finds the shared object of a source, or makes it.
 *
 * @typedef {object} Access
 * @property {() => SharedObject | undefined} find undefined while nobody has the object open
 * @property {() => SharedObject} demand
 */

/** @type {Readonly<State>} */
const IDLE = Object.freeze({ status: "idle", error: null, removal: null });
/** @type {Readonly<State>} */
const LOADING = Object.freeze({ status: "loading", error: null, removal: null });

/**
 * Snapshots of type `S`. Its functions can be passed on without it: they are bound.
 *
 * @template S
 */
export class Source {
  /** @protected */
  access;

  #topic;
  /** @type {S | null} */
  #last = null;
  /** @type {S | null} */
  #initial = null;

  /**
   * @param {Access | null} access null: there is nothing to open
   * @param {unknown} [topic] which changes matter; default: all
   */
  constructor(access, topic) {
    this.access = access;
    this.#topic = topic;
  }

  /**
   * Call `listener` after each change of the snapshot, and perhaps without one. The object is open
   * until the function that this returns is called, and a little longer.
   *
   * @param {() => void} listener
   * @returns {() => void} safe to repeat
   */
  subscribe = (listener) =>
    this.access === null ? () => {} : this.access.demand().subscribe(() => listener(), this.#topic);

  /** The newest snapshot, frozen; the same object until something changes. @returns {S} */
  getSnapshot = () => {
    const object = this.access?.find();
    if (!object) return this.getInitialSnapshot();
    const { status, error, removal } = object;
    const members = this.read(object.view, status);
    const before = /** @type {any} */ (this.#last ?? this.getInitialSnapshot());
    const last = shareShallow(before, { status, ...members, error, removal });
    this.#last = last;
    return last;
  };

  /** The snapshot before anything is open, which a server renders. @returns {S} */
  getInitialSnapshot = () => {
    const { status, error, removal } = this.access === null ? IDLE : LOADING;
    const members = this.read(null, status);
    this.#initial ??= /** @type {any} */ (Object.freeze({ status, ...members, error, removal }));
    return /** @type {S} */ (this.#initial);
  };

  /** Open the object again after an error or a removal. */
  reopen = () => {
    this.access?.find()?.reopen();
  };

  /**
   * Call `use` with the handle once the object is open. It opens the object if no subscriber has.
   *
   * @template T
   * @param {(handle: any) => Promise<T>} use
   * @returns {Promise<T>} rejected as well if the object cannot be opened
   */
  async write(use) {
    if (this.access === null) throw new TypeError("nothing is open, because the name is null");
    const object = this.access.demand();
    const release = object.retain();
    try {
      return await use(await object.handle());
    } finally {
      object.refresh();
      release();
    }
  }

  /**
   * The members of a snapshot that depend on the type.
   *
   * @protected
   * @param {any} _view null unless the object is ready
   * @param {Status} _status
   * @returns {object}
   */
  read(_view, _status) {
    return {};
  }
}

/**
 * Functions that call the methods of a handle by these names.
 *
 * @param {Source<any>} source
 * @param {readonly string[]} names
 * @param {readonly unknown[]} [first] arguments before those of the caller
 * @returns {any}
 */
export function writesOf(source, names, first = []) {
  const writes = names.map((name) => [
    name,
    (/** @type {unknown[]} */ ...given) =>
      source.write((handle) => handle[name](...first, ...given)),
  ]);
  return Object.fromEntries(writes);
}
