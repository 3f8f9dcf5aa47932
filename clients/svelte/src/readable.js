/** A source of snapshots as a Svelte store. */

/** @import { Readable } from "svelte/store" */

/** A server that renders subscribes as well, but must open nothing. */
const IS_BROWSER = typeof window !== "undefined";

/**
 * A store whose values are the snapshots of a source.
 *
 * @template S
 * @template [V=S]
 * @param {{
 *   subscribe: (listener: () => void) => () => void,
 *   getSnapshot: () => S,
 *   getInitialSnapshot: () => S,
 * }} source
 * @param {(snapshot: S) => V} [describe] makes the value; called when the snapshot has changed
 * @returns {Readable<V>}
 */
export function readableOf(source, describe = (snapshot) => /** @type {any} */ (snapshot)) {
  return {
    subscribe(run) {
      if (!IS_BROWSER) {
        run(describe(source.getInitialSnapshot()));
        return () => {};
      }
      let last = source.getSnapshot();
      run(describe(last));
      return source.subscribe(() => {
        const next = source.getSnapshot();
        if (next === last) return;
        last = next;
        run(describe(next));
      });
    },
  };
}
