/** Event emitter with listeners. */

/** @typedef {{ listener: (event: any) => unknown, once: boolean }} Registration */

/**
 * Listeners of one source of events. If a listener throws, or returns a promise that is rejected,
 * the error is logged, and the other listeners are still called. The name of an event that does not
 * exist is refused.
 *
 * @template {Record<string, any>} Events type of each event, by name
 */
export class Emitter {
  /** @type {Map<keyof Events, Registration[]>} */
  #listeners = new Map();

  /**
   * The names of all events; null if any name may be used.
   *
   * @internal
   * @protected
   * @returns {readonly string[] | null}
   */
  get names() {
    return null;
  }

  /**
   * Add a listener.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   * @returns {() => void} removes the listener; safe to repeat
   */
  on(name, listener) {
    return this.#add(name, listener, false);
  }

  /**
   * Alias of `on`.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   * @returns {() => void} removes the listener; safe to repeat
   */
  addListener(name, listener) {
    return this.#add(name, listener, false);
  }

  /**
   * Add a listener for the next event of that name only.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   * @returns {() => void} removes the listener; safe to repeat
   */
  once(name, listener) {
    return this.#add(name, listener, true);
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  off(name, listener) {
    this.#check(name);
    const added = this.#listeners.get(name)?.findLast((each) => each.listener === listener);
    if (added) this.#remove(name, added);
    return this;
  }

  /**
   * Alias of `off`.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  removeListener(name, listener) {
    return this.off(name, listener);
  }

  /** @param {keyof Events} [name] default: all events */
  removeAllListeners(name) {
    if (name === undefined) this.#listeners.clear();
    else if (this.#check(name)) this.#listeners.delete(name);
    return this;
  }

  /** @param {keyof Events} name */
  listenerCount(name) {
    this.#check(name);
    return this.#listeners.get(name)?.length ?? 0;
  }

  /**
   * Call the listeners, in the order in which they were added.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} event
   * @returns {boolean} false if there was no listener
   */
  emit(name, event) {
    const listeners = this.#listeners.get(name) ?? [];
    for (const added of listeners) {
      const { listener, once } = added;
      if (once) this.#remove(name, added);
      /** @param {unknown} error */
      const report = (error) => {
        console.error(`syncline: a listener for ${String(name)} failed:`, error);
      };
      try {
        const result = /** @type {any} */ (listener.call(this, event));
        // Nothing else handles the rejection of an async listener. A thenable may have no `catch`.
        if (typeof result?.then === "function") result.then(undefined, report);
      } catch (error) {
        report(error);
      }
    }
    return listeners.length > 0;
  }

  /**
   * @param {keyof Events} name
   * @param {(event: any) => unknown} listener
   * @param {boolean} once
   * @returns {() => void}
   */
  #add(name, listener, once) {
    this.#check(name);
    if (typeof listener !== "function") throw new TypeError("a listener must be a function");
    const added = { listener, once };
    // A new array each time: `emit` may be iterating over the old one.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), added]);
    return () => this.#remove(name, added);
  }

  /**
   * @param {keyof Events} name
   * @param {Registration} added
   */
  #remove(name, added) {
    const listeners = this.#listeners.get(name) ?? [];
    if (listeners.includes(added)) {
      this.#listeners.set(name, listeners.filter((each) => each !== added));
    }
  }

  /**
   * A misspelt name would otherwise be a listener that is never called.
   *
   * @param {keyof Events} name
   * @returns {true}
   * @throws {TypeError} there is no such event
   */
  #check(name) {
    const { names } = this;
    if (names === null || names.includes(/** @type {string} */ (name))) return true;
    throw new TypeError(`there is no event ${String(name)} here; there are: ${names.join(", ")}`);
  }
}
