/** What the tests of the browser client share. */

import { once } from "node:events";

import { WebSocket } from "ws";

import { Client, Replica } from "../../clients/js/src/syncline.js";

export { once, WebSocket };

/**
 * A client that ends with the test.
 *
 * @param {import("node:test").TestContext} t
 * @param {import("./server.js").Server} server
 * @param {object} [options] of `Client`; besides, `identity` and `token`
 */
export function connect(t, server, { identity = "alice", token, ...options } = {}) {
  const client = new Client(token ?? (() => server.token(identity)), {
    url: server.url,
    WebSocket,
    backoffInitial: 50,
    ...options,
  });
  t.after(() => client.shutdown());
  return client;
}

/** A unique name that no other test uses. */
export function freshName(t) {
  return `${t.name} ${crypto.randomUUID()}`;
}

/** Fails a test that would wait without end. */
const WAIT_LIMIT = 20_000;

function inTime(what, promise, limit = WAIT_LIMIT) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), limit).unref();
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The next event of that name. */
export function next(emitter, name) {
  return inTime(name, new Promise((resolve) => emitter.once(name, resolve)));
}

/** All events of a document from now on, in order; the array grows. */
export function record(document) {
  const events = [];
  document.on("updated", (event) => events.push(event));
  document.on("removed", (event) => events.push(event));
  return events;
}

/** All changes of the items of a list, a map or a replica from now on; the array grows. */
export function recordItems(collection) {
  const events = [];
  const names = ["itemAdded", "itemUpdated", "itemRemoved"];
  // A replica has no `reset`: it reads the items again.
  for (const name of collection instanceof Replica ? names : [...names, "reset"]) {
    collection.on(name, (event) => events.push(event));
  }
  return events;
}

/** Resolved as soon as an event of the document finds `condition` true. */
export function when(document, condition) {
  const found = new Promise((resolve) => {
    const check = () => {
      if (!condition(document)) return;
      document.off("updated", check);
      resolve();
    };
    document.on("updated", check);
    check();
  });
  return inTime(String(condition), found);
}

/** Resolved as soon as the client is in that state. */
export function whenState(client, state) {
  const reached = new Promise((resolve) => {
    const check = () => {
      if (client.connectionState !== state) return;
      client.off("connectionStateChanged", check);
      resolve();
    };
    client.on("connectionStateChanged", check);
    check();
  });
  return inTime(`the state ${state}`, reached);
}

/** Resolved when `condition` holds, which is asked again and again; it may be async. */
export function until(condition, limit = WAIT_LIMIT) {
  let isOver = false;
  const found = (async () => {
    while (!(await condition()) && !isOver) await new Promise(setImmediate);
  })();
  // Without that, the loop would keep the process of a failed test busy, and alive.
  return inTime(String(condition), found, limit).finally(() => (isOver = true));
}

/** The error that a promise is rejected with. */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the promise was not rejected");
}
