/** Streams: steps of the script of the vendor's SDK. */

import assert from "node:assert/strict";

import { next } from "./support.js";
import { whenSubscribed } from "./vendor-sdk.js";
import { cut, read, refused, whenMany } from "./vendor-script.js";

const MESSAGE_LIMIT = 4_096;

/** Everything that a stream reports from now on, as `[name, isLocal, data]`. */
function recordMessages(stream) {
  const events = [];
  stream.on("messagePublished", ({ message, isLocal }) =>
    events.push(["messagePublished", isLocal, read(message)]),
  );
  stream.on("removed", ({ isLocal }) => events.push(["removed", isLocal]));
  return events;
}

function publish({ server }, stream, data) {
  const path = `/v1/Services/${server.service}/Streams/${stream.sid}/Messages`;
  return server.account("POST", path, { Data: JSON.stringify(data) });
}

/** In this order; later ones use what earlier ones have left in the script. */
export const STREAM_STEPS = {
  "stream: create, and find by name": async (script) => {
    const name = script.newName();
    const mine = await whenSubscribed(await script.mine.stream({ id: name, ttl: 600 }));
    const theirs = await whenSubscribed(await script.other.stream(name));
    assert.match(mine.sid, /^TO[0-9a-f]{32}$/);
    assert.equal(theirs.sid, mine.sid);
    assert.ok(Date.parse(mine.dateExpires) > Date.now());
    script.stream = { mine, theirs, own: recordMessages(mine), others: recordMessages(theirs) };
  },
  "stream: open_existing and create_new": async (script) => {
    const { mine } = script.stream;
    const open = (options) => script.mine.stream(options);
    await refused(open({ id: script.newName(), mode: "open_existing" }), [404, 54300]);
    await refused(open({ id: mine.uniqueName, mode: "create_new" }), [409, 54301]);
  },
  "stream: publish, and receive once": async (script) => {
    const { mine, theirs, own, others } = script.stream;
    const message = await mine.publishMessage({ n: 1 });
    assert.match(message.sid, /^TZ[0-9a-f]{32}$/);
    await whenMany(others, 1);
    await theirs.publishMessage({ n: 2 });
    await publish(script, mine, { n: 3 });
    await Promise.all([whenMany(own, 3), whenMany(others, 3)]);
    assert.deepEqual(own, [
      ["messagePublished", true, { n: 1 }],
      ["messagePublished", false, { n: 2 }],
      ["messagePublished", false, { n: 3 }],
    ]);
    assert.deepEqual(others, [
      ["messagePublished", false, { n: 1 }],
      ["messagePublished", true, { n: 2 }],
      ["messagePublished", false, { n: 3 }],
    ]);
  },
  "stream: a message above the limit": async (script) => {
    const { mine } = script.stream;
    await refused(mine.publishMessage({ s: "x".repeat(MESSAGE_LIMIT) }), [413, 54006]);
  },
  "stream: setTtl": async (script) => {
    const { mine } = script.stream;
    await mine.setTtl(0);
    assert.equal(mine.dateExpires, null);
  },
  "stream: messages after a break": async (script) => {
    const { proxy, client } = await script.openThroughProxy();
    const stream = await whenSubscribed(await client.stream());
    await cut(proxy, client);
    await publish(script, stream, { n: 1 });
    const events = recordMessages(stream);
    const established = next(stream, "_subscriptionStateChanged");
    proxy.isDown = false;
    await established;
    await whenSubscribed(stream);
    await publish(script, stream, { n: 2 });
    await whenMany(events, 1);
    assert.deepEqual(events, [["messagePublished", false, { n: 2 }]]);
  },
  "stream: remove": async (script) => {
    const { mine, own, others } = script.stream;
    own.length = others.length = 0;
    await mine.removeStream();
    await whenMany(others, 1);
    assert.deepEqual(own, [["removed", true]]);
    assert.deepEqual(others, [["removed", false]]);
    await refused(script.stream.theirs.publishMessage({}), [404, 54300]);
  },
  "stream: an expiry": async (script) => {
    const stream = await whenSubscribed(await script.mine.stream({ ttl: 1 }));
    await next(stream, "removed");
  },
};
