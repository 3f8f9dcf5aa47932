/** Listeners: how they are added and removed, and which names exist. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Emitter, SyncDocument, SyncList, SyncMap, SyncStream } from "../../clients/js/src/syncline.js";
import { sharedServer } from "./server.js";
import { connect, next } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

/** An emitter, and what its listeners received. */
function listening() {
  const received = [];
  return { emitter: new Emitter(), received, listener: (event) => received.push(event) };
}

describe("what `on` returns", () => {
  test("removes the listener, and may be called again", () => {
    const { emitter, received, listener } = listening();
    const unsubscribe = emitter.on("news", listener);
    emitter.emit("news", 1);
    assert.equal(unsubscribe(), undefined);
    assert.equal(emitter.emit("news", 2), false);
    emitter.on("news", listener);
    unsubscribe();
    emitter.emit("news", 3);
    assert.deepEqual(received, [1, 3]);
  });

  test("removes this registration of a listener, where the listener was added several times", () => {
    const { emitter, received } = listening();
    const same = (event) => received.push(`same ${event}`);
    const first = emitter.on("news", same);
    emitter.on("news", (event) => received.push(`other ${event}`));
    emitter.addListener("news", same);
    first();
    emitter.emit("news", 1);
    assert.deepEqual(received, ["other 1", "same 1"]);
  });

  test("of `once` removes a listener that was not called yet", () => {
    const { emitter, received, listener } = listening();
    const unsubscribe = emitter.once("news", listener);
    unsubscribe();
    emitter.emit("news", 1);
    const late = emitter.once("news", listener);
    emitter.emit("news", 2);
    emitter.emit("news", 3);
    late();
    assert.deepEqual(received, [2]);
  });

  test("may be called by the listener", () => {
    const { emitter, received } = listening();
    const unsubscribe = emitter.on("news", (event) => {
      received.push(event);
      unsubscribe();
    });
    emitter.on("news", (event) => received.push(event));
    emitter.emit("news", 1);
    emitter.emit("news", 2);
    assert.deepEqual(received, [1, 1, 2]);
  });

  test("works beside `off`, which removes the last registration", () => {
    const { emitter, received, listener } = listening();
    const first = emitter.on("news", listener);
    emitter.on("news", listener);
    assert.equal(emitter.off("news", listener), emitter);
    first();
    assert.equal(emitter.listenerCount("news"), 0);
    assert.equal(emitter.removeListener("news", listener), emitter);
    emitter.emit("news", 1);
    assert.deepEqual(received, []);
  });
});

describe("the name of an event that does not exist", () => {
  const ITEMS = "itemAdded, itemUpdated, itemRemoved, removed";
  for (const [what, open, names] of [
    [
      "the client",
      (client) => client,
      "connectionStateChanged, connectionError, tokenAboutToExpire, tokenExpired",
    ],
    ["a document", (client) => client.document(), "updated, removed"],
    ["a map", (client) => client.map(), `${ITEMS}, reset, expiry`],
    ["a list", (client) => client.list(), `${ITEMS}, reset, expiry`],
    ["a stream", (client) => client.stream(), "messagePublished, missed, expiry, removed"],
    ["a replica", async (client) => (await client.map()).replica(), ITEMS],
  ]) {
    test(`is refused by ${what}, and the error lists the names`, async (t) => {
      const emitter = await open(connect(t, server));
      const message = `there is no event itemadded here; there are: ${names}`;
      for (const verb of ["on", "addListener", "once", "off", "removeListener"]) {
        assert.throws(() => emitter[verb]("itemadded", () => {}), { name: "TypeError", message });
      }
      for (const verb of ["removeAllListeners", "listenerCount"]) {
        assert.throws(() => emitter[verb]("itemadded"), { name: "TypeError", message });
      }
      assert.throws(() => emitter.on(Symbol("s"), () => {}), /there is no event Symbol\(s\) here/);
      assert.throws(() => emitter.on(undefined, () => {}), /there is no event undefined here/);
      for (const name of names.split(", ")) {
        emitter.on(name, () => {})();
        assert.equal(emitter.removeAllListeners(name), emitter);
        assert.equal(emitter.listenerCount(name), 0);
      }
    });
  }

  test("is no matter of an emitter of the application's own", () => {
    const { emitter, received, listener } = listening();
    emitter.on("anything", listener);
    emitter.emit("anything", 1);
    assert.deepEqual(received, [1]);
  });

  test("every name that a class lists exists", async (t) => {
    const client = connect(t, server);
    for (const [handle, type] of [
      [client, client.constructor],
      [await client.document(), SyncDocument],
      [await client.map(), Object.getPrototypeOf(SyncMap)],
      [await client.list(), Object.getPrototypeOf(SyncList)],
      [await client.stream(), SyncStream],
    ]) {
      assert.ok(Object.keys(type).length > 1);
      for (const name of Object.values(type)) assert.equal(handle.listenerCount(name), 0);
    }
  });
});

test("a listener of an open document ends with its unsubscribe function", async (t) => {
  const document = await connect(t, server).document({ data: { n: 0 } });
  const received = [];
  const unsubscribe = document.on("updated", ({ data }) => received.push(data.n));
  const first = next(document, "updated");
  await document.set({ n: 1 });
  await first;
  unsubscribe();
  const second = next(document, "updated");
  await document.set({ n: 2 });
  await second;
  assert.deepEqual(received, [1]);
});
