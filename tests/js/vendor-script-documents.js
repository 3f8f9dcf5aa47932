/** Documents, connections and tokens: steps of the script of the vendor's SDK. */

import assert from "node:assert/strict";

import { next, whenState } from "./support.js";
import { whenSubscribed } from "./vendor-sdk.js";
import {
  cut,
  FORBIDDEN,
  put,
  read,
  record,
  refused,
  REMOVED,
  whenCounted,
} from "./vendor-script.js";

const DATA_LIMIT = 16_384;

/** In this order; later ones use what earlier ones have left in the script. */
export const DOCUMENT_STEPS = {
  "connect": async (script) => {
    script.mine = script.open();
    script.other = script.open({ identity: "bob" });
    await Promise.all([script.mine, script.other].map((each) => whenState(each, "connected")));
  },
  "create by name": async (script) => {
    const options = { id: script.newName(), ttl: 600, ...script.holding({ n: 0 }) };
    script.document = await script.mine.document(options);
    assert.match(script.document.sid, /^ET[0-9a-f]{32}$/);
    assert.deepEqual(read(script.document), { n: 0 });
    assert.ok(Date.parse(script.document.dateExpires) > Date.now());
  },
  "find by name": async (script) => {
    script.theirs = await script.other.document(script.document.uniqueName);
    assert.equal(script.theirs.sid, script.document.sid);
    assert.deepEqual(read(script.theirs), { n: 0 });
  },
  "create without a name": async (script) => {
    const [first, second] = [await script.mine.document(), await script.mine.document()];
    assert.notEqual(first.sid, second.sid);
    assert.equal(first.uniqueName, null);
  },
  "open_existing without a document": (script) =>
    refused(script.mine.document({ id: script.newName(), mode: "open_existing" }), [404, 54300]),
  "create_new with a taken name": (script) =>
    refused(
      script.mine.document({ id: script.document.uniqueName, mode: "create_new" }),
      [409, 54301],
    ),
  "subscribe": async (script) => {
    await Promise.all([script.document, script.theirs].map(whenSubscribed));
  },
  "set": async (script) => {
    script.events = [record(script.document), record(script.theirs)];
    assert.deepEqual(await script.document.set({ n: 1 }), { n: 1 });
  },
  "receive a change of another client": async (script) => {
    await whenCounted(script.theirs, 1);
    assert.deepEqual(script.events[1], [["updated", false, { n: 1 }]]);
  },
  "receive one's own change once": async (script) => {
    await script.mine.document(script.newName()); // its reply comes after all events so far
    assert.deepEqual(script.events[0], [["updated", true, { n: 1 }]]);
  },
  "update": async (script) => {
    assert.deepEqual(await script.document.update({ m: 1 }), { n: 1, m: 1 });
  },
  "mutate from both sides": async (script) => {
    const increment = (data) => ({ n: data.n + 1 });
    const sides = [script.document, script.theirs];
    await Promise.all(sides.map((document) => document.mutate(increment)));
    await Promise.all(sides.map((document) => whenCounted(document, 3)));
  },
  "setTtl": async (script) => {
    await script.document.setTtl(60);
    const { date_expires } = await script.server.rest("GET", `/${script.document.sid}`);
    assert.ok(Date.parse(date_expires) - Date.now() < 61_000);
  },
  "receive a change of the REST API": async (script) => {
    await put(script, script.document, 4);
    await whenCounted(script.document, 4);
  },
  "data above the limit": async (script) => {
    await refused(script.document.set({ s: "x".repeat(DATA_LIMIT) }), [413, 54006]);
    assert.deepEqual(read(script.document), { n: 4 });
  },
  "close, and open again": async (script) => {
    const { uniqueName } = script.document;
    script.document.close();
    await put(script, script.document, 5);
    script.document = await script.mine.document(uniqueName);
    await whenCounted(script.document, 5);
    await whenSubscribed(script.document);
  },
  "catch up after a break": async (script) => {
    const { proxy, client } = await script.openThroughProxy();
    const document = await whenSubscribed(await client.document(script.holding({ n: 0 })));
    await cut(proxy, client);
    await put(script, document, 1);
    await put(script, document, 2);
    const events = record(document);
    proxy.isDown = false;
    await whenCounted(document, 2);
    await whenSubscribed(document);
    assert.deepEqual(events, [["updated", false, { n: 2 }]]);
    await put(script, document, 3);
    await whenCounted(document, 3);
  },
  "a removal during a break": async (script) => {
    const { proxy, client } = await script.openThroughProxy();
    const name = script.newName();
    const document = await whenSubscribed(await client.document(name));
    await cut(proxy, client);
    await script.server.rest("DELETE", `/${document.sid}`);
    const { sid } = await script.server.rest("POST", "", { UniqueName: name, Data: '{"n":1}' });
    const removed = next(document, "removed");
    proxy.isDown = false;
    await removed;
    const again = await client.document(name);
    assert.deepEqual([again.sid, read(again)], [sid, { n: 1 }]);
  },
  "remove": async (script) => {
    const removed = next(script.theirs, "removed");
    await script.document.removeDocument();
    await removed;
    await refused(script.theirs.set({}), REMOVED);
  },
  "create again under the name": async (script) => {
    const again = await script.mine.document({
      id: script.theirs.uniqueName,
      ...script.holding({ n: 9 }),
    });
    assert.notEqual(again.sid, script.theirs.sid);
    assert.deepEqual(read(again), { n: 9 });
  },
  "an expiry": async (script) => {
    const document = await whenSubscribed(await script.mine.document({ ttl: 1 }));
    await next(document, "removed");
  },
  "lose the right to read during a break": async (script) => {
    const { name, token, allow, forbid } = await script.restricted();
    const { proxy, client } = await script.openThroughProxy({ token });
    const document = await whenSubscribed(await client.document(name));
    const events = record(document);
    await cut(proxy, client);
    await forbid();
    const removed = next(document, "removed");
    proxy.isDown = false;
    await removed;
    assert.deepEqual(events, [["removed", false, undefined]]);
    await refused(client.document(name), FORBIDDEN);
    await allow();
    const again = await whenSubscribed(await client.document(name));
    assert.deepEqual(await again.set({ n: 1 }), { n: 1 });
  },
  "renew the token in time": async (script) => {
    const client = script.open({ token: script.server.token("alice", 600) });
    const document = await whenSubscribed(await client.document(script.holding({ n: 0 })));
    await client.updateToken(script.server.token("alice"));
    assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
  },
  "renew the token on tokenExpired": async (script) => {
    const client = script.open({ token: script.server.token("alice", 3) });
    const expired = next(client, "tokenExpired");
    const document = await whenSubscribed(await client.document(script.holding({ n: 0 })));
    await expired;
    await put(script, document, 1);
    await client.updateToken(script.server.token("alice"));
    await whenState(client, "connected");
    await whenCounted(document, 1);
    await put(script, document, 2);
    await whenCounted(document, 2);
  },
  "a name above all limits": async (script) => {
    await refused(script.mine.document("x".repeat(70_000)), [413, 54006]);
    assert.equal(script.mine.connectionState, "connected");
  },
  "a request above the message limit": async (script) => {
    const [large, small] = await Promise.all([script.mine.document(), script.mine.document()]);
    await Promise.all([large, small].map(whenSubscribed));
    await Promise.all([
      refused(large.set({ s: "x".repeat(400_000) }), [413, 54006]),
      small.set({ n: 1 }),
    ]);
    await put(script, large, 2);
    await whenCounted(large, 2);
    assert.equal(script.mine.connectionState, "connected");
  },
};
