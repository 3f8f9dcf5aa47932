/** The events of one object, or of all, over an event stream with the login of the page. */

import { readEvents } from "../syncline/sse.js";
import { ApiError } from "./api.js";

/** @import { Api } from "./api.js" */

/** Milliseconds before a stream is opened again: at first, and at most. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/** Milliseconds that a stream lasts before its end no longer counts as a failure. */
const STABLE = 5_000;

/**
 * Read a stream, and open it again when it breaks, until `signal` is aborted.
 *
 * @param {Api} api
 * @param {string} path
 * @param {object} handlers
 * @param {(name: string, data: any) => boolean | void} handlers.onEvent returns true at the last one
 * @param {(state: "open" | "broken" | "ended", reason: string) => void} handlers.onState
 * @param {AbortSignal} signal
 */
export async function follow(api, path, { onEvent, onState }, signal) {
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    const since = performance.now();
    let reason = "The stream ended.";
    try {
      const body = await api.stream(path, signal);
      onState("open", "");
      for await (const { name, data } of readEvents(body, signal)) {
        if (signal.aborted) return;
        if (onEvent(name, data)) return onState("ended", "");
      }
    } catch (error) {
      if (signal.aborted) return;
      reason = error instanceof Error ? error.message : String(error);
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) {
        return onState("ended", reason);
      }
    }
    onState("broken", reason);
    pause = performance.now() - since > STABLE ? FIRST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
    await sleep(pause, signal);
  }
}

/** @param {number} time @param {AbortSignal} signal */
function sleep(time, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, time);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(undefined);
    }, { once: true });
  });
}

/** An element that shows the state of a stream. */
export function liveState() {
  const shown = document.createElement("span");
  shown.className = "live";
  shown.setAttribute("role", "status");
  shown.textContent = "Connecting…";
  const texts = { open: "Live", broken: "Connecting again…", ended: "Ended" };
  return {
    element: shown,
    /** @param {"open" | "broken" | "ended"} state @param {string} reason */
    set(state, reason) {
      shown.dataset.state = state;
      shown.textContent = texts[state];
      shown.title = reason;
    },
  };
}
