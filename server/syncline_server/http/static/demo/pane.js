/** One of the two panes: a client of its own, and what it shows. */

import { Client } from "../syncline.js";
import { Board } from "./board.js";
import { Counter } from "./counter.js";
import { element } from "./elements.js";
import { fetchToken, keepIdentity, readIdentity } from "./identity.js";
import { Journal } from "./journal.js";
import { describeDuration } from "./latency.js";
import { Network } from "./network.js";
import { Preferences } from "./preferences.js";
import { Settlement } from "./settlement.js";
import { copyTemplate } from "./template.js";

const TRANSPORTS = { websocket: "WebSocket", rest: "HTTP" };

const OPTIONS = {
  /** Short, as somebody watches and the server is near. */
  backoffLimit: 2_000,
  /** Times for which a write waits while there is no connection: somebody tries that out. */
  requestTimeout: 3_600_000,
  mutateTimeout: 3_600_000,
};

/**
 * What the parts of a pane get from it.
 *
 * @typedef {object} PaneContext
 * @property {(id: string) => HTMLElement} find an element of the pane
 * @property {(name: string, what: (string | Node)[], event: Received) => void} record an event
 * @property {(revision: string, at: number) => void} sent called with the revision that was written,
 *   and when the write began
 * @property {(error: Error) => void} report takes a write that failed
 * @property {() => void} changed called when the number of writes that wait may have changed
 *
 * @typedef {{ who: string | null, isLocal: boolean, revision: string | null, date: Date | null }}
 *   Received who wrote, whether this pane did, which revision, and when, by the server's clock
 */

export class Pane {
  /** @type {Client} */
  #client;
  #find;
  #latency;
  #report;
  #changed;
  #network = new Network();
  #wasConnected = false;
  #journal;
  #settlement;
  #preferences;
  #counter;
  #board;

  /**
   * @param {"left" | "right"} side
   * @param {{
   *   latency: import("./latency.js").Latency, report: (error: Error) => void, changed: () => void,
   * }} page
   */
  constructor(side, { latency, report, changed }) {
    const { root, find } = copyTemplate("pane", side);
    element(side).append(root);
    this.side = side;
    this.#find = find;
    this.#latency = latency;
    this.#report = report;
    this.#changed = changed;
    this.#journal = new Journal(find("events"));
    this.#settlement = new Settlement(find("settlement"));
    const context = this.#context();
    this.#preferences = new Preferences(context);
    this.#counter = new Counter(context);
    this.#board = new Board(context);
    this.#listen();
    this.#join(find("identity").value);
  }

  get isConnected() {
    return this.#client?.connectionState === "connected";
  }

  /** True if the user wants it to be without a connection. */
  get isCut() {
    return this.#network.isCut;
  }

  /** What tells the panes apart, and whether they are in sync. */
  get summary() {
    return {
      name: this.#find("identity").value,
      state: this.#state,
      colours: this.#preferences.colours,
      count: this.#counter.count,
      waiting: this.#waiting,
    };
  }

  /** Bring what depends on the time up to date. */
  tick() {
    this.#preferences.tick();
    this.#show();
  }

  /** @returns {PaneContext} */
  #context() {
    return {
      find: this.#find,
      record: (name, what, event) => this.#record(name, what, event),
      sent: (revision, at) => this.#latency.sent(revision, { side: this.side, at }),
      report: this.#report,
      changed: () => this.#show(),
    };
  }

  #listen() {
    const name = this.#find("identity");
    name.value = readIdentity(this.side);
    name.addEventListener("change", () => {
      name.value = name.value.trim() || readIdentity(this.side);
      this.#join(keepIdentity(this.side, name.value));
    });
    this.#find("identity-form").addEventListener("submit", (event) => {
      event.preventDefault();
      name.blur();
    });
    this.#find("offline").addEventListener("click", () => this.#switchNetwork());
  }

  /** Take part under a name; a connection is for one identity. */
  #join(identity) {
    this.#client?.shutdown();
    const { WebSocket, fetch } = this.#network;
    const client = new Client(() => this.#getToken(identity), { ...OPTIONS, WebSocket, fetch });
    this.#client = client;
    client.on("connectionStateChanged", () => {
      if (client !== this.#client) return;
      if (this.isConnected) this.#latency.connected(this.side);
      this.#show();
    });
    this.#wasConnected = false;
    this.#show();
    for (const part of this.#parts) part.keepOpen(client).catch(this.#report);
  }

  async #getToken(identity) {
    try {
      const { token, response } = await fetchToken(identity, this.#network.fetch);
      this.#settlement.answered(response);
      return token;
    } catch (error) {
      // Failures of the network are TypeErrors; the state of the connection shows them.
      if (!(error instanceof TypeError)) this.#report(error);
      throw error;
    }
  }

  #switchNetwork() {
    if (this.isCut) {
      this.#settlement.restore(this.#waiting);
      this.#network.restore();
    } else {
      this.#settlement.cut();
      this.#network.cut();
    }
    this.#show();
  }

  #record(name, what, event) {
    this.#journal.add(name, event.who, what, event.isLocal);
    this.#settlement.received(name, event);
    if (event.revision !== null) {
      this.#latency.received(event.revision, { side: this.side, at: performance.now() });
    }
    this.#show();
  }

  get #parts() {
    return [this.#preferences, this.#counter, this.#board];
  }

  get #waiting() {
    return this.#parts.reduce((sum, part) => sum + part.waiting, 0);
  }

  get #state() {
    return this.isCut ? "offline" : this.#client.connectionState;
  }

  #show() {
    // A part may report a change before the client exists.
    if (this.#client === undefined) return;
    this.#wasConnected ||= this.isConnected;
    this.#find("offline").setAttribute("aria-checked", String(this.isCut));
    element(this.side).dataset.network = this.isCut ? "offline" : "online";
    element(this.side).setAttribute("aria-label", `Pane of ${this.#find("identity").value}`);
    this.#showConnection();
    this.#settlement.show(this.#waiting, this.isConnected && !this.isCut);
    this.#find("waiting").textContent = String(this.#waiting);
    for (const writer of ["own", "other"]) {
      const median = this.#latency.median(this.side, writer);
      this.#find(`latency-${writer}`).textContent = describeDuration(median);
    }
    this.#changed();
  }

  #showConnection() {
    const shown = this.#find("connection");
    const text = describeConnection(this.#state, this.#client.transport, this.#wasConnected);
    // It is a live region: written only when it says something else.
    if (shown.textContent !== text) shown.textContent = text;
    shown.dataset.state = this.#state;
  }
}

function describeConnection(state, transport, wasConnected) {
  switch (state) {
    case "offline":
      return "Offline";
    case "connected":
      return `Connected · ${TRANSPORTS[transport] ?? "…"}`;
    case "connecting":
      return wasConnected ? "Reconnecting…" : "Connecting…";
    case "denied":
      return "Token refused";
    default:
      return "Disconnected";
  }
}
