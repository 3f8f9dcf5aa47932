/** Events by listeners. */

/**
 * The listeners of one source. The failure of a listener, be it thrown or a promise that is
 * rejected, is logged, and disturbs nobody else.
 *
 * @template {Record<string, any>} Events what a listener gets, by the event's name
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
   * The same as `on`.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  addListener(name, listener) {
    return this.#add(name, listener, false);
  }

  /**
   * Listen to the next event of that name only.
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
    const held = this.#listeners.get(name) ?? [];
    const index = held.findLastIndex((each) => each.listener === listener);
    if (index >= 0) this.#listeners.set(name, held.toSpliced(index, 1));
    return this;
  }

  /**
   * The same as `off`.
   *
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => unknown} listener
   */
  removeListener(name, listener) {
    return this.off(name, listener);
  }

  /** @param {keyof Events} [name] all of them, if left out */
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
   * @returns {boolean} false if there was none
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
        // An async listener: nobody else sees its rejection. (A thenable need not be a Promise.)
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
    // A new array each time: whoever is being called keeps the old one.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), { listener, once }]);
    return this;
  }
}
