/** Keeps a document or a map of this page open. */

/** Milliseconds until an object that was removed is opened, and so created, again. */
export const COMES_BACK_AFTER = 2_000;

/**
 * Open an object and call the listeners for its events, until the client is shut down.
 *
 * @template {AsyncIterable<{ type: string }>} Handle
 * @param {import("/syncline.js").Client} client
 * @param {() => Promise<Handle>} open
 * @param {{ opened: (handle: Handle) => void } & Record<string, (event: any) => void>} listeners
 *   by the type of the event; other events are ignored
 * @returns {Promise<void>} rejected with an error that another try cannot fix
 */
export async function keepOpen(client, open, listeners) {
  while (client.connectionState !== "disconnected") {
    try {
      const handle = await open();
      listeners.opened(handle);
      for await (const event of handle) listeners[event.type]?.(event);
    } catch (error) {
      if (client.connectionState !== "disconnected" && !error.retry) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, COMES_BACK_AFTER));
  }
}
