/** Keeps a document of this page open. */

/** Milliseconds until a document that was removed is opened, and so created, again. */
export const COMES_BACK_AFTER = 2_000;

/**
 * Open a document and call the listeners for its events, until the client is shut down.
 *
 * @param {import("/syncline.js").Client} client
 * @param {string} name
 * @param {object} initial the data, where it does not exist yet
 * @param {{
 *   opened: (document: import("/syncline.js").SyncDocument) => void,
 *   updated: (event: import("/syncline.js").UpdatedEvent) => void,
 *   removed: (event: import("/syncline.js").RemovedEvent) => void,
 * }} listeners
 * @returns {Promise<void>} rejected with an error that another try cannot fix
 */
export async function keepOpen(client, name, initial, listeners) {
  while (client.connectionState !== "disconnected") {
    try {
      const handle = await client.document({ id: name, data: initial });
      listeners.opened(handle);
      for await (const event of handle) listeners[event.type](event);
    } catch (error) {
      if (client.connectionState !== "disconnected" && !error.retry) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, COMES_BACK_AFTER));
  }
}
