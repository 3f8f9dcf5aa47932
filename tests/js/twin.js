/**
 * The browser client's half of what two languages must do alike, as a program: each line of input
 * is a JSON object, and each line of output the answer to it.
 *
 * - `{value}`: its canonical form and its digest.
 * - `{before, delta}`: the canonical form of what comes out; null if the delta does not fit.
 */

import { createInterface } from "node:readline";

import { canonical, digest } from "../../clients/js/src/syncline/canonical.js";
import { apply, Inapplicable } from "../../clients/js/src/syncline/deltas.js";

for await (const line of createInterface({ input: process.stdin })) {
  const { value, before, delta } = JSON.parse(line);
  const answer =
    before === undefined
      ? { canonical: canonical(value), digest: digest(value) }
      : { after: outcome(before, delta) };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

function outcome(before, delta) {
  try {
    apply(before, delta);
    return canonical(before);
  } catch (error) {
    if (error instanceof Inapplicable) return null;
    throw error;
  }
}
