/** Detects that the network, the page or the machine has come back. */

import { ASLEEP_AFTER } from "./timing.js";

/** Time between two checks of the clock. */
const TICK = 2_000;

/**
 * Call `onWakeup` when the network is back, when the page is shown again, or when a timer fires so
 * late that the machine must have slept. Node and workers lack some of these events.
 *
 * @param {AbortSignal} signal stops the detection when aborted
 * @param {(isNewNetwork: boolean) => void} onWakeup `isNewNetwork`: connections may be dead
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
  // This timer must not keep a Node process alive.
  /** @type {any} */ (timer).unref?.();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}
