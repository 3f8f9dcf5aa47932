/** The connection of a client, as snapshots. */

import { shareShallow } from "./sharing.js";

/** @import { ConnectionError } from "../syncline/client.js" */
/** @import { ConnectionState } from "../syncline/connection.js" */
/** @import { Client } from "../syncline/client.js" */

/**
 * @typedef {object} Connection
 * @property {ConnectionState} state
 * @property {ConnectionError | null} error why the connection ended or could not be opened; null
 *   while connected
 */

/** @type {Connection} */
const INITIAL = Object.freeze({ state: "connecting", error: null });

export class ConnectionSource {
  #store;
  /** @type {Connection} */
  #last = INITIAL;

  /**
   * @param {{
   *   client: Client | null,
   *   connectionError: ConnectionError | null,
   *   watch: (listener: () => void) => () => void,
   * }} store
   */
  constructor(store) {
    this.#store = store;
  }

  /** @param {() => void} listener @returns {() => void} safe to repeat */
  subscribe = (listener) => this.#store.watch(listener);

  /** @returns {Connection} frozen; the same object until something changes */
  getSnapshot = () => {
    const { client, connectionError } = this.#store;
    // Without a client, an error says why none could be made.
    const state = client?.connectionState ?? (connectionError ? "error" : "connecting");
    const error = state === "connected" ? null : connectionError;
    this.#last = shareShallow(this.#last, { state, error });
    return this.#last;
  };

  /** @returns {Connection} */
  getInitialSnapshot = () => INITIAL;
}
