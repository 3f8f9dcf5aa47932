/** The network of one client, which can be cut. */

/**
 * Gives a client its `WebSocket` and its `fetch`. `cut` closes what is open and lets nothing new
 * through, as a lost network does; the client has no other way to the server.
 */
export class Network {
  /** Aborted by `cut`, and replaced by `restore`. */
  #life = new AbortController();

  get isCut() {
    return this.#life.signal.aborted;
  }

  /** A WebSocket that ends when the network is cut; undefined where browsers have none. */
  get WebSocket() {
    if (globalThis.WebSocket === undefined) return undefined;
    const signal = () => this.#life.signal;
    return class extends globalThis.WebSocket {
      constructor(url, protocols) {
        super(url, protocols);
        const { aborted } = signal();
        // Nothing arrives after this: a socket that is closing receives no message.
        if (aborted) this.close();
        else signal().addEventListener("abort", () => this.close(), { once: true });
      }
    };
  }

  /** @type {typeof globalThis.fetch} */
  fetch = (input, init = {}) => {
    if (this.isCut) return Promise.reject(new TypeError("The network is cut."));
    const signals = [this.#life.signal, ...(init.signal ? [init.signal] : [])];
    return globalThis.fetch(input, { ...init, signal: AbortSignal.any(signals) });
  };

  cut() {
    this.#life.abort(new TypeError("The network was cut."));
  }

  restore() {
    this.#life = new AbortController();
    // What a browser dispatches when its network is back: the client dials at once.
    globalThis.dispatchEvent(new Event("online"));
  }
}
