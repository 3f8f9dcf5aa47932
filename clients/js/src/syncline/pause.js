/** The wait before the next attempt to connect, which requests shorten. */

import { ignore } from "./timing.js";

/** The longest random pause while a request waits, as a share of its time-out (rule C10). */
const SHARE = 0.25;

export class Pause {
  #limit;
  #waiting = 0;
  /** Ends the pause. */
  #end = ignore;
  /** Ends the pause as soon as a request that waits may end it. */
  #shorten = ignore;

  /** @param {number} requestTimeout */
  constructor(requestTimeout) {
    this.#limit = requestTimeout * SHARE;
  }

  /** End the pause at once, if there is one. */
  end() {
    this.#end();
  }

  /** A request waits from now on. @returns {() => void} to be called when it does no more */
  hurry() {
    this.#waiting += 1;
    this.#shorten();
    return () => {
      this.#waiting -= 1;
    };
  }

  /**
   * @param {number} asked by the server: that long in any case
   * @param {number} random
   */
  take(asked, random) {
    const since = performance.now();
    const shortest = asked + Math.min(random, this.#limit);
    return this.#until((end) => {
      let timer = setTimeout(end, this.#waiting > 0 ? shortest : asked + random);
      this.#shorten = () => {
        clearTimeout(timer);
        timer = setTimeout(end, Math.max(since + shortest - performance.now(), 0));
      };
      return () => clearTimeout(timer);
    });
  }

  /** As long as nobody ends it. */
  untilEnded() {
    return this.#until(() => ignore);
  }

  /**
   * @param {(end: () => void) => () => void} begin returns what cleans up
   * @returns {Promise<void>}
   */
  #until(begin) {
    return new Promise((resolve) => {
      const clean = begin(() => this.#end());
      this.#end = () => {
        this.#end = ignore;
        this.#shorten = ignore;
        clean();
        resolve();
      };
    });
  }
}
