/** What receives the events of a part of a collection: a handle, or a replica. */

/** @import { Item } from "./item.js" */
/** @import { ItemChange } from "./item-events.js" */
/** @import { Part } from "./part.js" */

/**
 * Callbacks of one handle, or of one replica.
 *
 * @typedef {object} Listener
 * @property {Part} part it gets only changes of these items
 * @property {(event: any) => void} emit called with each event
 * @property {(error: Error | null) => void} end called when no event follows
 * @property {(revision: string) => void} [reset] called on a reset; default: `emit` is
 * @property {(id: string | number) => Item | null | undefined} [known] returns the newest known
 *   state of an item, null if there is none, undefined if it is not known
 * @property {(id: string | number) => Item | undefined} [base] returns what a delta of an item
 *   begins from; only of a replica that can use deltas
 * @property {ReplicaListener} [replica] keeps the items of the part
 */

/**
 * What a replica receives besides events; see `Replica`.
 *
 * @typedef {object} ReplicaListener
 * @property {(change: ItemChange) => void} show
 * @property {(orders: Map<string | number, number>, completeTo: number | null) => void} confirm
 * @property {(ids: (string | number)[]) => Promise<void>} readWritten
 */

export {};
