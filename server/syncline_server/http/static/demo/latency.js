/** How long events take from the write to the pane that wrote, and to the other pane. */

/** Samples of which the median is taken. */
const SAMPLES = 21;

/** Revisions that are remembered until both ends are known. */
const REVISIONS = 256;

/** @typedef {{ side: string, at: number }} Moment `at` as of `performance.now()` */

export class Latency {
  /** @type {Map<string, Moment>} by the revision that a pane wrote */
  #sent = new Map();
  /** @type {Map<string, Moment[]>} by the revision that panes received */
  #received = new Map();
  /** @type {Map<string, number[]>} milliseconds, by the pane and the kind */
  #samples = new Map();
  /** @type {Map<string, number>} when a pane was connected last */
  #connected = new Map();

  /** A pane has a connection: what was written before reaches it later for that reason. */
  connected(side) {
    this.#connected.set(side, performance.now());
  }

  /**
   * @param {string} revision that a pane wrote, as the reply gave it
   * @param {Moment} start of the write
   */
  sent(revision, start) {
    remember(this.#sent, revision, start);
    // The other pane's event may have been faster than the reply.
    for (const end of this.#received.get(revision) ?? []) this.#measure(start, end);
  }

  /** @param {string} revision @param {Moment} end when a pane received its event */
  received(revision, end) {
    remember(this.#received, revision, [...(this.#received.get(revision) ?? []), end]);
    const start = this.#sent.get(revision);
    if (start) this.#measure(start, end);
  }

  /**
   * @param {string} side the pane that received
   * @param {"own" | "other"} writer
   * @returns {number | null} milliseconds; null without a sample
   */
  median(side, writer) {
    const sorted = (this.#samples.get(`${side} ${writer}`) ?? []).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  #measure(start, end) {
    const since = Math.max(...[start, end].map(({ side }) => this.#connected.get(side) ?? Infinity));
    // A write that waited for the network says nothing of its speed.
    if (start.at < since) return;
    const key = `${end.side} ${start.side === end.side ? "own" : "other"}`;
    const samples = this.#samples.get(key) ?? [];
    this.#samples.set(key, [...samples, end.at - start.at].slice(-SAMPLES));
  }
}

function remember(map, revision, value) {
  map.set(revision, value);
  if (map.size > REVISIONS) map.delete(map.keys().next().value);
}

/** @param {number | null} milliseconds */
export function describeDuration(milliseconds) {
  if (milliseconds === null) return "–";
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}
