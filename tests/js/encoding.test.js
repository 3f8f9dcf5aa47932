/** JSON that not every language writes and reads alike: large integers, half of an emoji. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Json } from "../../clients/js/src/syncline/encoding.js";
import { sharedServer } from "./server.js";
import { connect, freshName, rejection, when } from "./support.js";
import { open } from "./vendor-sdk.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

/** What `JSON.stringify` writes in digits, from 2^64 on. */
const LARGE = [1e20, -1e20, 2 ** 64, -(2 ** 63) - 2048, 123456789012345680000, 9.9e20];

/** Enough data for events to be deltas. */
const PADDING = "x".repeat(500);

for (const transport of ["websocket", "rest"]) {
  test(`numbers beyond 64 bits are stored and received, by ${transport}`, async (t) => {
    const id = freshName(t);
    const writer = await connect(t, server, { transport }).document({ id, data: { n: LARGE } });
    const reader = await connect(t, server).document(id);
    assert.deepEqual(reader.data, { n: LARGE });

    await writer.set({ n: LARGE.map((number) => number * 2), PADDING });
    await when(reader, () => reader.data.n[0] === 2e20);
    await writer.patch({ merge: { m: LARGE } });
    await writer.patch({ operations: [{ op: "add", path: "/o", value: 3e20 }] });
    await writer.increment("/o", 1e20);
    await writer.mutate((data) => ({ ...data, done: true }));
    await when(reader, () => reader.data.done);
    const expected = { n: LARGE.map((number) => number * 2), PADDING, m: LARGE, o: 4e20, done: true };
    assert.deepEqual(reader.data, expected);
    assert.deepEqual(writer.data, expected);
    assert.deepEqual((await server.rest("GET", `/${writer.sid}`)).data, expected);
  });
}

test("a document in which a back end stored such numbers can be changed", async (t) => {
  const id = freshName(t);
  const Data = JSON.stringify({ n: 0, PADDING }).replace(":0", ":123456789012345678901");
  await server.rest("POST", "", { UniqueName: id, Data });
  const reader = await connect(t, server, { identity: "bob" }).document(id);
  const writer = await connect(t, server).document(id);
  await writer.mutate((data) => ({ ...data, m: data.n }));
  await when(reader, () => reader.data.m !== undefined);
  assert.equal(reader.data.m, 123456789012345678901);
  assert.deepEqual(reader.data, writer.data);
});

test("the vendor's SDK stores and changes such numbers", async (t) => {
  const document = await open(t, server).document({ id: freshName(t), data: { n: 1e20 } });
  await document.mutate((data) => ({ n: data.n * 2 }));
  await document.update({ m: 3e20 });
  assert.deepEqual((await server.rest("GET", `/${document.sid}`)).data, { n: 2e20, m: 3e20 });
});

test("what JSON cannot carry is refused with its place", async (t) => {
  const circle = { inner: {} };
  circle.inner.circle = circle;
  const cases = [
    [{ a: [1, { "b/c": Number.NaN }] }, "at /a/1/b~1c NaN is not a JSON number"],
    [{ a: -Infinity }, "at /a -Infinity is not a JSON number"],
    [{ a: ["ok", "x\ud83d"] }, "at /a/1 it holds half of a surrogate pair (\\ud83d) as character 1"],
    [{ a: { "x\udc00": 1 } }, "at /a it has a key with half of a surrogate pair (\\udc00)"],
    [{ a: { b: 1n } }, "at /a/b a BigInt is not a JSON value"],
    [circle, "at /inner/circle it contains itself"],
  ];
  const document = await connect(t, server).document({ id: freshName(t) });
  for (const [data, reason] of cases) {
    const error = await rejection(document.set(data));
    assert.deepEqual([error.status, error.code], [400, 54008]);
    assert.ok(error.message.includes(reason), error.message);
  }
  assert.deepEqual(document.data, {});
});

test("a backslash before such a text, and a whole emoji, are fine", () => {
  const data = { a: "\\ud83d", "\ud83d\ude00": "\ud83d\ude00" };
  assert.equal(Json.of(data).text, JSON.stringify(data));
  const date = new Date(0);
  assert.equal(Json.of({ date, x: "\\ud83d" }).text, JSON.stringify({ date, x: "\\ud83d" }));
});

for (const transport of ["websocket", "rest"]) {
  test(`a name with half of an emoji is refused, by ${transport}`, async (t) => {
    const error = await rejection(connect(t, server, { transport }).document("a\ud83d"));
    assert.deepEqual([error.status, error.code], [400, 54302]);
    assert.match(error.message, /half of a surrogate pair \(\\ud83d\) as character 1/);
  });
}
