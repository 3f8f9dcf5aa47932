/** The vendor's unmodified SDK in Node, as an application moves it to Syncline. */

import { createRequire } from "node:module";

import { next, whenState } from "./support.js";

const require = createRequire(import.meta.url);
const { SyncClient } = require("twilio-sync");

export { SyncClient };

/** The client class of each version that is tested. Before 3.1.0 they speak an older protocol. */
export const VERSIONS = {
  "0.12.4": require("twilio-sync-0-12").SyncClient,
  "2.0.1": require("twilio-sync-2-0").SyncClient,
  "3.0.6": require("twilio-sync-3-0").SyncClient,
  "3.1.0": require("twilio-sync-3-1").SyncClient,
  "4.0.1": SyncClient,
};

/** Quick to connect again after a break; the SDK's own default begins at a second. */
export const IMPATIENT = { retryPolicy: { min: 50, max: 400, randomness: 0.2 } };

/** The options that an application changes. */
export function moved(url) {
  return { cdsUri: url, twilsock: { uri: `${url.replace(/^http/, "ws")}/v3/wsconnect` } };
}

/**
 * A client that ends with the test.
 *
 * @param {import("node:test").TestContext} t
 * @param {import("./server.js").Server} server
 * @param {object} [options] of the SDK; besides, `identity`, `token`, and `url` instead of the
 *   server's own, and `Sdk`, another class of client
 */
export function open(
  t,
  server,
  { identity = "alice", token, url, Sdk = SyncClient, ...options } = {},
) {
  const given = token ?? server.token(identity);
  const client = new Sdk(given, { ...moved(url ?? server.url), ...options });
  t.after(() => client.shutdown());
  return client;
}

/** All events of a document from now on, as `[name, isLocal, data, previousData]`. */
export function record(document) {
  const events = [];
  for (const name of ["updated", "removed"]) {
    document.on(name, ({ isLocal, data, previousData }) =>
      events.push([name, isLocal, data, previousData]),
    );
  }
  return events;
}

/** The SDK's own name of the part of an object that its handles share. */
const SHARED_PARTS = ["syncDocumentImpl", "syncMapImpl", "syncListImpl", "syncStreamImpl"];

/** Resolved once the server has confirmed that events of the object will come. */
export async function whenSubscribed(object) {
  const entity = object[SHARED_PARTS.find((name) => object[name] !== undefined)];
  while (entity.subscriptionState !== "established") {
    await next(object, "_subscriptionStateChanged");
  }
  return object;
}

/** The next error after which the client does not try to connect again. */
export async function nextRefusal(client) {
  let error;
  do error = await next(client, "connectionError");
  while (!error.terminal);
  return error;
}

/** The names of a client's states from now on, each once it is entered. */
export function states(client) {
  const seen = [];
  client.on("connectionStateChanged", (state) => seen.push(state));
  return seen;
}

export { next, whenState };
