/** Several clients that change one document at once. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { sharedServer } from "./server.js";
import { connect, freshName, record, when } from "./support.js";

// So many that those who wait for their turns are sent the newest state only.
const CLIENTS = 12;
const ROUNDS = 12;
const TOTAL = CLIENTS * ROUNDS;

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

async function open(t) {
  const id = freshName(t);
  return Promise.all(Array.from({ length: CLIENTS }, () => connect(t, server).document(id)));
}

async function repeat(documents, work) {
  await Promise.all(
    documents.map(async (document) => {
      for (let round = 0; round < ROUNDS; round += 1) await work(document);
    }),
  );
}

test("mutate loses no increment, and all end at the same revision", async (t) => {
  const documents = await open(t);
  const seen = documents.map(record);
  await repeat(documents, (document) =>
    document.mutate((data) => ({ ...data, count: (data.count ?? 0) + 1 })),
  );
  await Promise.all(
    documents.map((each, n) => when(each, () => seen[n].at(-1)?.data.count === TOTAL)),
  );
  assert.equal(new Set(documents.map(({ revision }) => revision)).size, 1);
  for (const events of seen) {
    const revisions = events.map(({ revision }) => Number(revision));
    assert.deepEqual(revisions, [...new Set(revisions)].sort((a, b) => a - b));
    assert.equal(events.filter(({ isLocal }) => isLocal).length, ROUNDS);
  }
});

test("increment and update never conflict", async (t) => {
  const documents = await open(t);
  await Promise.all([
    repeat(documents, (document) => document.increment("/count")),
    ...documents.map((document, n) => document.update({ [`from${n}`]: true })),
  ]);
  await Promise.all(documents.map((each) => when(each, ({ data }) => data.count === TOTAL)));
  const stored = await server.rest("GET", `/${documents[0].sid}`);
  assert.equal(stored.data.count, TOTAL);
  assert.equal(Object.keys(stored.data).length, CLIENTS + 1);
});
