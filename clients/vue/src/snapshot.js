/** A source of snapshots as a ref. */

import { getCurrentInstance, onMounted, onScopeDispose, shallowRef, watch } from "vue";

/** @import { ShallowRef } from "vue" */

/**
 * @template S
 * @typedef {object} SnapshotSource
 * @property {(listener: () => void) => () => void} subscribe
 * @property {() => S} getSnapshot
 */

/**
 * The snapshots of a source until the component unmounts, or the effect scope is disposed of.
 *
 * A component subscribes when it has mounted, so never while a server renders.
 *
 * @template {SnapshotSource<any>} O
 * @param {() => O} make makes the source; called again when `address` changes
 * @param {() => unknown} [address] may read refs
 * @param {(source: O) => (() => void)[]} [listen] adds further listeners, and returns functions that
 *   remove them
 * @returns {{ source: ShallowRef<O>, snapshot: ShallowRef<ReturnType<O["getSnapshot"]>> }}
 */
export function useSnapshot(make, address = () => null, listen = () => []) {
  /** @type {ShallowRef<O>} */
  const source = shallowRef(make());
  const snapshot = shallowRef(source.value.getSnapshot());
  /** @type {(() => void) | null} */
  let stop = null;
  const start = () => {
    const current = source.value;
    const take = () => {
      snapshot.value = current.getSnapshot();
    };
    stop?.();
    const stops = [current.subscribe(take), ...listen(current)];
    stop = () => stops.forEach((each) => each());
    take();
  };
  watch(
    address,
    () => {
      source.value = make();
      if (stop) start();
      else snapshot.value = source.value.getSnapshot();
    },
    { flush: "sync" },
  );
  onScopeDispose(() => {
    stop?.();
    stop = null;
  });
  if (getCurrentInstance()) onMounted(start);
  else start();
  return { source, snapshot };
}
