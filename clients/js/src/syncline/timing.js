/** Promise helpers: deferreds, timeouts, abort signals and pauses. */

export function ignore() {}

/**
 * A promise with its `resolve` and `reject` functions.
 *
 * @template T
 */
export class Deferred {
  constructor() {
    /** @type {(value: T) => void} */
    this.resolve = ignore;
    /** @type {(error: unknown) => void} */
    this.reject = ignore;
    /** @type {Promise<T>} */
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * Settle like `promise`, or reject with the reason of `signal` if `signal` is aborted first.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export function orAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** If a timer fires later than this, the process or the machine was asleep. */
export const ASLEEP_AFTER = 1_000;

/** Time that is left at least after a sleep, or the whole time if that is less. */
const AFTER_SLEEP = 10_000;

/** Between two readings of the clock, which reveal a sleep. */
const SLICE = 1_000;

/**
 * Run `work` with a signal that is aborted when `time` is over or `outer` is aborted. After a
 * sleep some time is left: the reply may have arrived, but timers fire first.
 *
 * @template T
 * @param {number} time
 * @param {() => Error} late makes the error when the time is over
 * @param {AbortSignal | null} outer
 * @param {(signal: AbortSignal) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function within(time, late, outer, work) {
  const controller = new AbortController();
  const stopTimer = startTimer(time, () => controller.abort(late()));
  const abort = () => controller.abort(outer?.reason);
  outer?.addEventListener("abort", abort, { once: true });
  try {
    if (outer?.aborted) throw outer.reason;
    return await orAborted(work(controller.signal), controller.signal);
  } finally {
    stopTimer();
    outer?.removeEventListener("abort", abort);
  }
}

/**
 * @param {number} time
 * @param {() => void} onExpiry
 * @returns {() => void} stops it
 */
function startTimer(time, onExpiry) {
  let left = time;
  // Only one sleep: in a page that is hidden, every timer may fire a minute late.
  let hasSlept = false;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const wait = () => {
    const since = Date.now();
    const slice = Math.min(left, SLICE);
    timer = setTimeout(() => {
      const passed = Math.max(Date.now() - since, slice);
      left -= passed;
      if (!hasSlept && passed - slice > ASLEEP_AFTER) {
        hasSlept = true;
        left = Math.max(left, Math.min(time, AFTER_SLEEP));
      }
      if (left > 0) wait();
      else onExpiry();
    }, slice);
  };
  wait();
  return () => clearTimeout(timer);
}

/**
 * @param {number} time
 * @param {AbortSignal} [signal] rejects the promise with its reason when aborted
 * @returns {Promise<void>}
 */
export function sleep(time, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, time);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
  });
}

/** @param {number} ceiling exclusive */
export function randomBelow(ceiling) {
  return Math.random() * ceiling;
}
