/** What becomes of the changes that were made while a pane was offline. */

/** Milliseconds by which the server's `Date` may be behind: whole seconds, renewed once a second. */
const DATE_LAG = 3_000;

const HINT = "Go offline, change something in both panes, and come back.";

export class Settlement {
  #line;
  /** @type {"unused" | "offline" | "settling" | "settled"} */
  #state = "unused";
  /** Own changes that waited when the network came back. */
  #waited = 0;
  /** Time of the server up to which an event of another writer was missed; null: not known yet. */
  #missedUntil = null;
  /** Names of the documents and cards whose missed changes came. */
  #caughtUp = new Set();

  /** @param {HTMLElement} line that shows it */
  constructor(line) {
    this.#line = line;
    this.show(0, false);
  }

  cut() {
    this.#state = "offline";
    this.#missedUntil = null;
    this.#caughtUp.clear();
  }

  /** @param {number} waiting own changes that wait */
  restore(waiting) {
    this.#state = "settling";
    this.#waited = waiting;
  }

  /** @param {Response} answer the first one since the network is back */
  answered(answer) {
    if (this.#state !== "settling" || this.#missedUntil !== null) return;
    this.#missedUntil = Date.parse(answer.headers.get("Date") ?? "") + DATE_LAG;
  }

  /**
   * @param {string} name of the document or card
   * @param {{ isLocal: boolean, date: Date | null }} event
   */
  received(name, { isLocal, date }) {
    if (isLocal || date === null || this.#missedUntil === null) return;
    if (date.getTime() < this.#missedUntil) this.#caughtUp.add(name);
  }

  /**
   * @param {number} waiting own changes that wait now
   * @param {boolean} isConnected
   */
  show(waiting, isConnected) {
    // Before the first answer it may be the connection that was cut, which has not noticed yet.
    const isBack = this.#missedUntil !== null && isConnected;
    if (this.#state === "settling" && isBack && waiting === 0) this.#state = "settled";
    const text = this.#describe(waiting);
    // It is a live region: written only when it says something else.
    if (this.#line.textContent !== text) this.#line.textContent = text;
    this.#line.dataset.state = this.#state;
  }

  #describe(waiting) {
    switch (this.#state) {
      case "unused":
        return HINT;
      case "offline":
        if (waiting > 0) return `Offline. ${changes(waiting)} to be written later.`;
        return "Offline. Change something here, and in the other pane.";
      case "settling":
        return `Online again. ${changes(waiting)} to be written…`;
      default:
        return `In sync again. Written: ${changes(this.#waited)}. Caught up: ${this.#caught()}.`;
    }
  }

  #caught() {
    const { size } = this.#caughtUp;
    return size === 1 ? "1 document or card" : `${size} documents and cards`;
  }
}

/** @param {number} count */
function changes(count) {
  return count === 1 ? "1 change" : `${count} changes`;
}
