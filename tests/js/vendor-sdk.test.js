/** Documents in the vendor's unmodified SDK. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { sharedServer } from "./server.js";
import { freshName, next, rejection, when } from "./support.js";
import { open, record, whenSubscribed } from "./vendor-sdk.js";

const DATA_LIMIT = 16_384;

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server.stop());

/** Data of exactly so many bytes as compact JSON. */
function dataOf(bytes) {
  return { s: "x".repeat(bytes - JSON.stringify({ s: "" }).length) };
}

async function refused(promise, status, code) {
  const error = await rejection(promise);
  assert.deepEqual([error.status, error.code], [status, code], error.message);
}

/** The same document in a second client. */
async function elsewhere(t, document) {
  return whenSubscribed(await open(t, server, { identity: "bob" }).document(document.sid));
}

test("a document is created by the first who opens it, and found by the second", async (t) => {
  const name = freshName(t);
  const made = await open(t, server).document({ id: name, data: { n: 1 }, ttl: 600 });
  const found = await open(t, server, { identity: "bob" }).document(name);
  assert.match(made.sid, /^ET[0-9a-f]{32}$/);
  for (const document of [made, found]) {
    assert.equal(document.sid, made.sid);
    assert.equal(document.uniqueName, name);
    assert.deepEqual(document.data, { n: 1 });
    assert.equal(document.revision, made.revision);
    assert.ok(document.dateUpdated instanceof Date && !Number.isNaN(document.dateUpdated.valueOf()));
    assert.ok(Date.parse(document.dateExpires) > Date.now());
  }
  const stored = await server.rest("GET", `/${made.sid}`);
  assert.equal(stored.created_by, "alice");
});

test("without a name, each is a document of its own", async (t) => {
  const client = open(t, server);
  const [first, second] = [await client.document(), await client.document({ data: { n: 2 } })];
  assert.notEqual(first.sid, second.sid);
  assert.equal(first.uniqueName, null);
  assert.deepEqual([first.data, second.data], [{}, { n: 2 }]);
});

test("open_existing finds by name and by SID, and refuses what is not there", async (t) => {
  const client = open(t, server);
  const name = freshName(t);
  await refused(client.document({ id: name, mode: "open_existing" }), 404, 54300);
  const gone = `ET${"0".repeat(32)}`;
  await refused(client.document({ id: gone, mode: "open_existing" }), 404, 54100);
  const { sid } = await server.rest("POST", "", { UniqueName: name, Data: '{"n":1}' });
  const byName = await client.document({ id: name, mode: "open_existing" });
  const bySid = await open(t, server).document({ id: sid, mode: "open_existing" });
  assert.deepEqual([byName.sid, bySid.sid], [sid, sid]);
  assert.deepEqual(bySid.data, { n: 1 });
});

test("create_new refuses a name that is taken, and a name that is none", async (t) => {
  const client = open(t, server);
  const name = freshName(t);
  await client.document({ id: name, mode: "create_new" });
  await refused(client.document({ id: name, mode: "create_new" }), 409, 54301);
  await refused(client.document("x".repeat(321)), 400, 54302);
  await refused(client.document(`ET${"0".repeat(32)}`), 400, 54302);
  await refused(client.document({ id: freshName(t), ttl: 31_536_001 }), 400, 54011);
});

test("odd names keep their documents apart", async (t) => {
  const client = open(t, server);
  const names = [
    ..."./?#%&+ =:;,@!*'()\"\\<>{}[]|^~`$_-",
    "..",
    "a/b",
    "a%2Fb",
    "%2F",
    "/v3/Documents/x",
    "x?y#z",
    "null",
    "0",
    "ET123",
    "grüße",
    "\u4f60\u597d \u{1f642}",
    "e\u0301",
    "\u00e9",
    "\t\n\r",
    "\u0000",
    "\u2028",
    "x".repeat(320),
  ];
  const tag = freshName(t).slice(-12);
  const documents = await Promise.all(
    names.map((name, n) => client.document({ id: (name + tag).slice(-320), data: { n } })),
  );
  const again = open(t, server, { identity: "bob" });
  for (const [n, document] of documents.entries()) {
    const found = await again.document({ id: document.uniqueName, mode: "open_existing" });
    assert.equal(found.sid, document.sid, names[n]);
    assert.deepEqual(found.data, { n });
  }
});

test("data comes back as it was set, whatever is in it", async (t) => {
  const document = await open(t, server).document();
  const other = await elsewhere(t, document);
  const data = {
    "": null,
    "a/b~c": [true, false, null, [], {}],
    grüße: "\u4f60\u597d \u{1f642} \u0000\u001f\u2028 TWILSOCK V3.0 3\r\n{}\r\n",
    numbers: [0, -1, 1.5, 1e21, 5e-324, 2 ** 53],
    __proto: { deep: { deeper: [{ deepest: 1 }] } },
  };
  const arrived = next(other, "updated");
  assert.deepEqual(await document.set(data), data);
  assert.deepEqual((await arrived).data, data);
  assert.deepEqual((await server.rest("GET", `/${document.sid}`)).data, data);
});

test("each write is delivered once to everybody, with what was before", async (t) => {
  const document = await open(t, server).document({ data: { n: 0 } });
  const other = await elsewhere(t, document);
  await whenSubscribed(document);
  const [own, others] = [record(document), record(other)];

  await document.set({ n: 1 });
  await document.update({ m: 2 });
  await document.mutate((data) => ({ ...data, n: data.n + 1 }));
  await when(other, ({ data }) => data.n === 2);
  await other.set({ n: 3 });
  await when(document, ({ data }) => data.n === 3);

  const reported = [
    [{ n: 1 }, { n: 0 }],
    [{ n: 1, m: 2 }, { n: 1 }],
    [{ n: 2, m: 2 }, { n: 1, m: 2 }],
    [{ n: 3 }, { n: 2, m: 2 }],
  ];
  assert.deepEqual(
    own,
    reported.map(([data, before], at) => ["updated", at < 3, data, before]),
  );
  assert.deepEqual(
    others,
    reported.map(([data, before], at) => ["updated", at === 3, data, before]),
  );
  assert.equal(document.revision, other.revision);
});

test("a mutator that gives null changes nothing", async (t) => {
  const document = await open(t, server).document({ data: { n: 0 } });
  const { revision } = document;
  assert.deepEqual(await document.mutate(() => null), { n: 0 });
  assert.equal((await server.rest("GET", `/${document.sid}`)).revision, revision);
});

test("a mutator runs again on the newest data when another was quicker", async (t) => {
  const document = await open(t, server).document({ data: { n: 0 } });
  const { descriptor } = document.syncDocumentImpl;
  const stale = structuredClone(descriptor);
  await document.set({ n: 1 });
  // As if the client had not received that yet.
  Object.assign(descriptor, stale);
  const given = [];
  const result = await document.mutate((data) => {
    given.push(data.n);
    return { n: data.n + 1 };
  });
  assert.deepEqual(given, [0, 1]);
  assert.deepEqual(result, { n: 2 });
});

test("a client that removes a document receives that once, and can write it no more", async (t) => {
  const client = open(t, server);
  const document = await whenSubscribed(await client.document({ data: { last: 1 } }));
  const other = await elsewhere(t, document);
  const [own, arrived] = [record(document), next(other, "removed")];
  await document.removeDocument();
  await arrived;
  assert.deepEqual(own, [["removed", true, undefined, { last: 1 }]]);
  await refused(document.set({}), 404, 54100);
  await refused(other.set({}), 404, 54100);
  await refused(document.removeDocument(), 404, 54100);
});

test("the others receive a removal by any client", async (t) => {
  const client = open(t, server);
  const [byClient, byRest] = [
    await client.document({ data: { n: 1 } }),
    await client.document({ data: { n: 2 } }),
  ];
  const others = [await elsewhere(t, byClient), await elsewhere(t, byRest)];
  const arrived = others.map((document) => next(document, "removed"));
  await byClient.removeDocument();
  await server.rest("DELETE", `/${byRest.sid}`);
  for (const [at, event] of (await Promise.all(arrived)).entries()) {
    assert.deepEqual([event.isLocal, event.previousData], [false, { n: at + 1 }]);
  }
});

test("a name whose document was removed can be taken again", async (t) => {
  const client = open(t, server);
  const name = freshName(t);
  const first = await client.document(name);
  await first.removeDocument();
  const second = await client.document({ id: name, data: { again: true } });
  assert.notEqual(second.sid, first.sid);
  const arrived = next(second, "updated");
  await whenSubscribed(second);
  await server.rest("POST", `/${second.sid}`, { Data: '{"n":1}' });
  assert.deepEqual((await arrived).data, { n: 1 });
});

test("a time to live is set, kept, cleared, and ends the document", async (t) => {
  const client = open(t, server);
  const document = await client.document({ data: { n: 1 }, ttl: 600 });
  const { dateExpires } = document;
  await document.set({ n: 2 });
  assert.equal(document.dateExpires, dateExpires);
  await document.setTtl(0);
  assert.equal(document.dateExpires, null);
  await refused(document.setTtl(31_536_001), 400, 54011);
  const removed = next(document, "removed");
  await whenSubscribed(document);
  await document.set({ n: 3 }, { ttl: 1 });
  assert.ok(Date.parse(document.dateExpires) > Date.now());
  assert.deepEqual(await removed, { isLocal: false, previousData: { n: 3 } });
});

test("data may be as large as the limit, and not a byte larger", async (t) => {
  const client = open(t, server);
  const document = await client.document({ data: dataOf(DATA_LIMIT) });
  await refused(client.document({ data: dataOf(DATA_LIMIT + 1) }), 413, 54006);
  await refused(document.set(dataOf(DATA_LIMIT + 1)), 413, 54006);
  await refused(document.mutate(() => dataOf(10 * DATA_LIMIT)), 413, 54006);
  // The limit is of bytes: two for each of these.
  await refused(document.set({ s: "é".repeat(DATA_LIMIT / 2) }), 413, 54006);
  assert.deepEqual(document.data, dataOf(DATA_LIMIT));
  assert.deepEqual(await document.set(dataOf(DATA_LIMIT)), dataOf(DATA_LIMIT));
});

test("one connection has 250 documents open, and receives events of each", async (t) => {
  const client = open(t, server);
  const prefix = freshName(t);
  const documents = await Promise.all(
    Array.from({ length: 250 }, (_, n) => client.document(`${prefix} ${n}`)),
  );
  await Promise.all(documents.map(whenSubscribed));
  const writer = open(t, server, { identity: "bob" });
  const arrived = documents.map((document) => next(document, "updated"));
  await Promise.all(
    documents.map(async ({ sid }, n) => (await writer.document(sid)).set({ n })),
  );
  for (const [n, event] of (await Promise.all(arrived)).entries()) {
    assert.deepEqual([event.isLocal, event.data], [false, { n }]);
  }
});

test("closing one of several handles leaves the others as they are", async (t) => {
  const client = open(t, server);
  const name = freshName(t);
  const [closed, kept] = [await client.document(name), await client.document(name)];
  assert.equal(closed.sid, kept.sid);
  await whenSubscribed(kept);
  const silent = record(closed);
  closed.close();
  const arrived = next(kept, "updated");
  await server.rest("POST", `/${kept.sid}`, { Data: '{"n":1}' });
  assert.deepEqual((await arrived).data, { n: 1 });
  assert.deepEqual(silent, []);
  await assert.rejects(closed.set({}), /closed/);
  await kept.set({ n: 2 });
});

test("what was closed can be opened again, and is up to date", async (t) => {
  const client = open(t, server);
  const name = freshName(t);
  const first = await whenSubscribed(await client.document({ id: name, data: { n: 0 } }));
  first.close();
  await server.rest("POST", `/${first.sid}`, { Data: '{"n":1}' });
  const second = await client.document(name);
  await when(second, ({ data }) => data.n === 1);
  await whenSubscribed(second);
  const arrived = next(second, "updated");
  await server.rest("POST", `/${first.sid}`, { Data: '{"n":2}' });
  assert.deepEqual((await arrived).data, { n: 2 });
});
