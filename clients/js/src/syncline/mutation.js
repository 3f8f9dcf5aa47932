/** Mutations: read, compute, write, and again if another writer was first. */

import { statusOf } from "./errors.js";
import { randomBelow, sleep } from "./timing.js";

/** @import { Item } from "./item.js" */
/** @import { MutationQueue } from "./mutation-queue.js" */
/** @import { Options } from "./options.js" */
/** @import { JsonObject } from "./protocol.js" */

/** First and largest ceiling of the random pause between attempts. */
const PAUSE = 10;
const PAUSE_LIMIT = 500;

/** For how long after the last conflict writers are taken to contend. */
const CONTENTION_MEMORY = 1000;

/**
 * Whether writers contend for an object, as its last mutations showed. Where they do, a first try
 * would only be refused: the client asks for its turn instead, and then writes once.
 */
export class Contention {
  #until = 0;

  /** True for some time after a conflict or a turn. */
  get isLikely() {
    return performance.now() < this.#until;
  }

  /** @param {boolean} isContended whether a write met another one, or had to wait for its turn */
  record(isContended) {
    this.#until = isContended ? performance.now() + CONTENTION_MEMORY : 0;
  }
}

/**
 * Called with the data, which it may change. Returns the new data, or null or undefined to write
 * nothing.
 *
 * @template {JsonObject} [T=JsonObject]
 * @callback Mutator
 * @param {T} data
 * @returns {T | null | undefined | void | Promise<T | null | undefined | void>}
 */

/**
 * As `Mutator`, for an item. `data` is `{}` where a map has no such item; `item` is null then.
 *
 * @template {JsonObject} [T=JsonObject]
 * @template {Item<T>} [I=Item<T>]
 * @callback ItemMutator
 * @param {T} data
 * @param {I | null} item the newest state; null if there is no such item, which the write creates
 * @returns {T | null | undefined | void | Promise<T | null | undefined | void>}
 */

/**
 * @template State, Result
 * @typedef {object} Mutation
 * @property {(refusal: unknown) => State | Promise<State>} read returns the newest state;
 *   `refusal` is the 412 to the last attempt, null before the first
 * @property {(state: State) => ReturnType<Mutator>} compute calls the mutator
 * @property {(data: JsonObject, state: State) => Promise<Result>} write writes only if `state` is
 *   still the newest
 * @property {(state: State) => Result} unchanged the result if the mutator returned nothing
 */

/**
 * @template State, Result
 * @param {MutationQueue} queue
 * @param {Options} options
 * @param {Mutation<State, Result>} mutation
 * @returns {Promise<Result>}
 */
export function mutate(queue, options, { read, compute, write, unchanged }) {
  const deadline = performance.now() + options.mutateTimeout;
  return queue.run(options.mutateWait, async (calling) => {
    /** @type {unknown} */
    let refusal = null;
    // A refusal carries the newest state: the first retry needs no pause.
    for (let ceiling = 0; ; ceiling = Math.min(ceiling * 2 || PAUSE, PAUSE_LIMIT)) {
      const state = await read(refusal);
      const data = await calling(() => compute(state));
      if (data === null || data === undefined) return unchanged(state);
      try {
        // The revision that the mutator saw: a newer one may have come during its await.
        return await write(data, state);
      } catch (error) {
        if (statusOf(error) !== 412 || performance.now() >= deadline) throw error;
        refusal = error;
      }
      await sleep(randomBelow(ceiling));
    }
  });
}
