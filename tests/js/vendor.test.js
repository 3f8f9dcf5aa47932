/** The vendor's samples for documents, in their shape, with only the import changed. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as Sync from "../../clients/js/src/syncline.js";
import { sharedServer } from "./server.js";
import { freshName, WebSocket, whenState } from "./support.js";

const Twilio = { Sync };

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

function open(t, token = server.token("alice")) {
  const syncClient = new Twilio.Sync.Client(token, { url: server.url, WebSocket });
  t.after(() => syncClient.shutdown());
  return syncClient;
}

test("the client: by each of its names, with the vendor's options", async (t) => {
  for (const Client of [Sync.Client, Sync.SyncClient, Sync.default]) {
    const syncClient = new Client(server.token("alice"), {
      logLevel: "info",
      url: server.url,
      WebSocket,
    });
    await whenState(syncClient, "connected");
    await syncClient.shutdown();
  }
  assert.equal(typeof Sync.Client.version, "string");
});

test("open a document by its unique name and update its data", (t) => {
  const name = freshName(t);
  return new Promise((resolve, reject) => {
    open(t)
      .document(name)
      .then(function (document) {
        document.on("updated", function (event) {
          assert.deepEqual(event.data, { temperature: 23 });
          resolve();
        });
        return document.set({ temperature: 23 });
      })
      .then(function (updateResult) {
        assert.deepEqual(updateResult, { temperature: 23 });
      })
      .catch(reject);
  });
});

test("open options: open_existing", (t) =>
  open(t)
    .document({ id: freshName(t), mode: "open_existing" })
    .then(
      () => assert.fail("there is none"),
      (error) => assert.deepEqual([error.status, error.code], [404, 54300]),
    ));

test("open options: create_new", (t) => {
  const options = {
    id: freshName(t),
    mode: "create_new",
    ttl: 86400,
    data: { name: "John Smith" },
  };
  const syncClient = open(t);
  return syncClient
    .document(options)
    .then((document) => {
      assert.deepEqual(document.data, { name: "John Smith" });
      return syncClient.document(options);
    })
    .then(
      () => assert.fail("it is taken"),
      (error) => assert.equal(error.status, 409),
    );
});

test("set", async (t) => {
  const document = await open(t).document({ data: { name: "John Smith", age: 34 } });
  await document
    .set({ name: "Barbara Oaks" }, { ttl: 86400 })
    .then((newValue) => assert.deepEqual(newValue, { name: "Barbara Oaks" }));
  assert.deepEqual(document.value, { name: "Barbara Oaks" });
});

test("mutate", async (t) => {
  const document = await open(t).document();
  const mutatorFunction = (currentValue) => {
    currentValue.viewCount = (currentValue.viewCount ?? 0) + 1;
    return currentValue;
  };
  await document
    .mutate(mutatorFunction, { ttl: 86400 })
    .then((newValue) => assert.deepEqual(newValue, { viewCount: 1 }));
});

test("update", async (t) => {
  const document = await open(t).document({ data: { name: "John Smith" } });
  await document
    .update({ age: 34 }, { ttl: 86400 })
    .then((newValue) => assert.deepEqual(newValue, { name: "John Smith", age: 34 }));
});

test("setTtl", async (t) => {
  const document = await open(t).document();
  await document.setTtl(3600).then(() => {
    assert.equal(typeof document.dateExpires, "string");
  });
});

test("removeDocument, and the event removed", async (t) => {
  const document = await open(t).document({ data: { last: true } });
  const removed = new Promise((resolve) => {
    document.on("removed", (args) => resolve([args.isLocal, args.previousData]));
  });
  await document.removeDocument().then(() => undefined);
  assert.deepEqual(await removed, [true, { last: true }]);
});

test("the event updated", async (t) => {
  const document = await open(t).document({ data: { before: true } });
  const updated = new Promise((resolve) => {
    document.on(Sync.SyncDocument.updated, resolve);
  });
  await document.set({ after: true });
  const args = await updated;
  assert.deepEqual(args.data, { after: true });
  assert.deepEqual(args.previousData, { before: true });
  assert.equal(args.isLocal, true);
});

test("close", async (t) => {
  const syncClient = open(t);
  const document = await syncClient.document();
  const copy = await syncClient.document(document.sid);
  document.on("updated", () => assert.fail("it is closed"));
  const received = new Promise((resolve) => {
    copy.on("updated", resolve);
  });
  assert.equal(document.close(), undefined);
  await copy.set({ n: 1 });
  await received;
  await assert.rejects(document.set({}), /Invalid operation on closed object/);
});

test("connectionStateChanged and connectionError", async (t) => {
  const states = [];
  const syncClient = open(t, "no token");
  syncClient.on("connectionStateChanged", (newState) => states.push(newState));
  const connectionError = await new Promise((resolve) => {
    syncClient.on("connectionError", resolve);
  });
  assert.equal(typeof connectionError.message, "string");
  assert.equal(connectionError.terminal, true);
  assert.equal(connectionError.httpStatusCode, 401);
  assert.deepEqual(states, [syncClient.connectionState]);
  assert.deepEqual(states, ["denied"]);
});

test("the properties of a document", async (t) => {
  const document = await open(t).document({ id: freshName(t), data: {} });
  for (const [name, type] of [
    ["sid", "string"],
    ["uniqueName", "string"],
    ["data", "object"],
    ["revision", "string"],
    ["dateUpdated", "object"],
    ["type", "string"],
  ]) {
    assert.equal(typeof document[name], type, name);
  }
  assert.equal(document.dateExpires, null);
  assert.ok(document.dateUpdated instanceof Date);
});
