/** Signs that the network, the page or the machine is back. */

import { ASLEEP_AFTER } from "./timing.js";

/** Between two looks at the clock. */
const TICK = 2_000;

/**
 * Call `onWakeup` when the network is back, the page is shown again, or a timer fires so late that
 * the machine must have slept. Node and workers lack some of these events, and need none.
 *
 * @param {AbortSignal} signal ends it
 * @param {(isNewNetwork: boolean) => void} onWakeup true if connections may have died meanwhile
 */
export function watchWakeups(signal, onWakeup) {
  const { document } = globalThis;
  const shown = () => document.visibilityState === "visible" && onWakeup(false);
  globalThis.addEventListener?.("online", () => onWakeup(true), { signal });
  globalThis.addEventListener?.("pageshow", () => onWakeup(false), { signal });
  document?.addEventListener?.("visibilitychange", shown, { signal });
  let due = Date.now() + TICK;
  const timer = setInterval(() => {
    if (Date.now() - due > ASLEEP_AFTER) onWakeup(true);
    due = Date.now() + TICK;
  }, TICK);
  // A client alone must not keep a Node process alive.
  /** @type {any} */ (timer).unref?.();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}
