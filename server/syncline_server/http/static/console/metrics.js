/** Figures in the text format of Prometheus. */

export class Metrics {
  /** @type {Map<string, number[]>} the values of all samples by their names */
  #values = new Map();

  /** @param {string} name @param {number} value */
  add(name, value) {
    const values = this.#values.get(name);
    if (values === undefined) this.#values.set(name, [value]);
    else values.push(value);
  }

  /** @param {string} name @returns {number} over all labels; 0 if there is none */
  sum(name) {
    return (this.#values.get(name) ?? []).reduce((all, each) => all + each, 0);
  }

  /** @param {string} name @returns {number} 0 if there is none */
  max(name) {
    return Math.max(0, ...this.#values.get(name) ?? []);
  }
}

/** @param {string} text @returns {Metrics} */
export function parseMetrics(text) {
  const metrics = new Metrics();
  for (const [, name, value] of text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/gm)) {
    const number = Number(value);
    if (Number.isFinite(number)) metrics.add(name, number);
  }
  return metrics;
}
