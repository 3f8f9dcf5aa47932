/** The vectors that drive the tests of both clients and of the protocol (protocol/vectors). */

import { readFileSync } from "node:fs";
import { test } from "node:test";

/** The vectors of one file. */
export function vectors(name) {
  return JSON.parse(readFileSync(new URL(`../../protocol/vectors/${name}.json`, import.meta.url)));
}

/** Run a test with each vector of one file. */
export function each(name, run) {
  for (const vector of vectors(name)) test(vector.name, (t) => run(vector, t));
}
