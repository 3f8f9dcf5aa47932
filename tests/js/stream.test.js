/** Every verb of a stream, and its events, against a real server. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { StreamMessage } from "../../clients/js/src/syncline.js";
import {
  MessagePublished,
  MessagesMissed,
  mergeMessages,
} from "../../clients/js/src/syncline/stream-events.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, rejection, until } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

function record(stream) {
  const events = [];
  for (const name of ["messagePublished", "missed"]) stream.on(name, (event) => events.push(event));
  return events;
}

test("a message goes to all that have the stream open, and is local to its publisher", async (t) => {
  const id = freshName(t);
  const mine = await connect(t, server).stream(id);
  const other = await connect(t, server, { identity: "bob" }).stream({ id, mode: "open_existing" });
  assert.match(mine.sid, /^TO[0-9a-f]{32}$/);
  assert.deepEqual([mine.type, other.sid, other.createdBy], ["stream", mine.sid, "alice"]);
  const [own, foreign] = [record(mine), record(other)];
  const sent = await Promise.all([1, 2, 3].map((n) => mine.publishMessage({ n })));
  assert.ok(sent.every((message) => message instanceof StreamMessage));
  assert.deepEqual(sent.map(({ data }) => data), [{ n: 1 }, { n: 2 }, { n: 3 }]);
  await until(() => own.length === 3 && foreign.length === 3);
  assert.deepEqual(own.map(({ message }) => message.value.n), [1, 2, 3]);
  assert.deepEqual(foreign.map(({ message }) => message.sid), sent.map(({ sid }) => sid));
  assert.ok(own.every(({ isLocal }) => isLocal) && foreign.every(({ isLocal }) => !isLocal));
  assert.equal(foreign[0].message.createdBy, "alice");
  assert.ok(foreign[0].message.dateCreated instanceof Date);
});

test("a stream expires, is removed, and then refuses messages", async (t) => {
  const id = freshName(t);
  const mine = await connect(t, server).stream({ id, ttl: 600 });
  const other = await connect(t, server).stream(id);
  const expiry = next(other, "expiry");
  await mine.setTtl(0);
  assert.equal((await expiry).dateExpires, null);
  const removals = [next(mine, "removed"), next(other, "removed")];
  await mine.removeStream();
  const [local, foreign] = await Promise.all(removals);
  assert.deepEqual([local.isLocal, foreign.isLocal, foreign.removedBy], [true, false, "alice"]);
  assert.equal((await rejection(mine.publishMessage({}))).code, 54250);
});

test("what is no message is refused here", async (t) => {
  const stream = await connect(t, server).stream();
  assert.equal((await rejection(stream.publishMessage(null))).code, 54251);
  assert.equal((await rejection(stream.publishMessage("text"))).code, 54008);
  assert.equal((await rejection(stream.publishMessage({ big: "x".repeat(5_000) }))).code, 54006);
});

test("a reader of events() that is too slow learns how many messages it missed", async (t) => {
  const stream = await connect(t, server, { eventQueue: 4 }).stream();
  const events = stream.events();
  const all = record(stream);
  for (let n = 0; n < 10; n += 1) await stream.publishMessage({ n });
  await until(() => all.length === 10);
  const { value: missed } = await events.next();
  assert.equal(missed.type, "missed");
  const rest = [];
  for (let n = missed.count; n < 10; n += 1) rest.push((await events.next()).value.message.data.n);
  assert.deepEqual(rest, [7, 8, 9]);
  assert.equal(missed.count, 7);
});

test("a full queue keeps what is no message", () => {
  const removed = { name: "removed" };
  const events = [new MessagePublished({}, false), new MessagesMissed(3), removed];
  mergeMessages(events, new MessagePublished({}, true));
  assert.deepEqual(events.map(({ name, count }) => count ?? name), [4, "removed", "messagePublished"]);
});
