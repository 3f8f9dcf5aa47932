/** Event emitter with listeners. */

/**
 * Listeners of one source of events. If a listener throws, or returns a promise that is rejected,
 * the error is logged, and the other listeners are still called.
 *
 * @template {Record<string, any>} Events type of each event, by name
 */
export class Emitter {
  /** @type {Map<keyof Events, { listener: (event: any) => unknown, once: boolean }[]>} */
  #listeners = new Map();

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
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
    const listeners = this.#listeners.get(name) ?? [];
    const index = listeners.findLastIndex((each) => each.listener === listener);
    if (index >= 0) this.#listeners.set(name, listeners.toSpliced(index, 1));
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
    else this.#listeners.delete(name);
    return this;
  }

  /** @param {keyof Events} name */
  listenerCount(name) {
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
    for (const { listener, once } of listeners) {
      if (once) this.off(name, listener);
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
   */
  #add(name, listener, once) {
    if (typeof listener !== "function") throw new TypeError("a listener must be a function");
    // A new array each time: `emit` may be iterating over the old one.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), { listener, once }]);
    return this;
  }
}
