/** The event of a write of this window, which follows the reply to the write. */

/** Milliseconds; longer than the event takes. */
const LIMIT = 5_000;

const EVENTS = ["itemAdded", "itemUpdated", "itemRemoved"];

/**
 * Wait until a replica has what was written: when the reply comes, it still has the item as it was.
 *
 * @param {import("/syncline.js").Replica} replica
 * @param {string} key
 * @param {import("/syncline.js").MapItem | undefined} written undefined: it was removed
 * @returns {Promise<void>}
 */
export async function untilShown(replica, key, written) {
  const isShown = () => {
    const item = replica.get(key);
    return written ? item !== undefined && item.dateUpdated >= written.dateUpdated : item === undefined;
  };
  if (isShown()) return;
  await new Promise((resolve) => {
    const check = (event) => {
      // Another window may have removed the item since.
      if (event.type === "itemRemoved" ? event.key === key : isShown()) end();
    };
    const end = () => {
      for (const name of EVENTS) replica.off(name, check);
      clearTimeout(timer);
      resolve();
    };
    // No event comes for an item that was added and removed during a break.
    const timer = setTimeout(end, LIMIT);
    for (const name of EVENTS) replica.on(name, check);
  });
}
