/** Short messages at the edge of the page, which screen readers read out. */

import { element } from "./elements.js";

/** Milliseconds for which a message stays. */
const STAY = 6_000;

/**
 * @param {string} text
 * @param {"done" | "failed"} [kind]
 */
export function notify(text, kind = "done") {
  const notice = element("p", { class: `notice ${kind}` }, text);
  document.getElementById("notices")?.append(notice);
  setTimeout(() => notice.remove(), STAY);
}

/**
 * Do something, and say what failed.
 *
 * @template T
 * @param {() => Promise<T>} act
 * @param {string} [done] said when it succeeds
 * @returns {Promise<T | undefined>} undefined if it failed
 */
export async function attempt(act, done) {
  try {
    const result = await act();
    if (done) notify(done);
    return result;
  } catch (error) {
    notify(error instanceof Error ? error.message : String(error), "failed");
    return undefined;
  }
}
