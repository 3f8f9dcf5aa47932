/** Every verb of a document, its properties and its events, against a real server. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { SynclineError } from "../../clients/js/src/syncline.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, record, rejection, when } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

const TTL = 600;

function secondsUntil(date) {
  return (Date.parse(date) - Date.now()) / 1_000;
}

describe("opening", () => {
  test("a name creates the document, with data and ttl, and then finds it", async (t) => {
    const client = connect(t, server);
    const id = freshName(t);
    const created = await client.document({ id, data: { color: "red" }, ttl: TTL });
    assert.deepEqual(created.data, { color: "red" });
    assert.ok(Math.abs(secondsUntil(created.dateExpires) - TTL) < 30);

    const found = await connect(t, server).document({ id, data: { color: "blue" } });
    assert.equal(found.sid, created.sid);
    assert.deepEqual(found.data, { color: "red" });
  });

  test("the properties are the document's", async (t) => {
    const id = freshName(t);
    const document = await connect(t, server).document(id);
    const resource = await server.rest("GET", `/${document.sid}`);
    assert.match(document.sid, /^ET[0-9a-f]{32}$/);
    assert.equal(document.type, "document");
    assert.equal(document.uniqueName, id);
    assert.equal(document.revision, resource.revision);
    assert.deepEqual(document.data, {});
    assert.deepEqual(document.value, {});
    assert.equal(document.dateExpires, null);
    assert.equal(document.createdBy, "alice");
    assert.equal(document.updatedBy, "alice");
    assert.ok(document.dateCreated instanceof Date);
    assert.equal(document.dateUpdated.getTime(), document.dateCreated.getTime());
    assert.equal(document.removed, false);
  });

  test("data is a copy: changing it changes nothing", async (t) => {
    const document = await connect(t, server).document({ data: { list: [1] } });
    document.data.list.push(2);
    assert.deepEqual(document.data, { list: [1] });
  });

  test("without a name each document is another one", async (t) => {
    const client = connect(t, server);
    const [one, two] = await Promise.all([client.document(), client.document({ data: { a: 1 } })]);
    assert.notEqual(one.sid, two.sid);
    assert.equal(one.uniqueName, null);
    assert.deepEqual(two.data, { a: 1 });
  });

  test("open_existing refuses what does not exist", async (t) => {
    const client = connect(t, server);
    const missing = await rejection(client.document({ id: freshName(t), mode: "open_existing" }));
    assert.ok(missing instanceof SynclineError);
    assert.deepEqual([missing.status, missing.code, missing.retry], [404, 54300, false]);

    const noSid = await rejection(client.document(`ET${"0".repeat(32)}`));
    assert.deepEqual([noSid.status, noSid.code], [404, 54100]);

    const nothing = await rejection(client.document({ mode: "open_existing" }));
    assert.equal(nothing.status, 404);
  });

  test("create_new refuses a name that is taken", async (t) => {
    const client = connect(t, server);
    const id = freshName(t);
    await client.document({ id, mode: "create_new" });
    const taken = await rejection(client.document({ id, mode: "create_new" }));
    assert.deepEqual([taken.status, taken.code], [409, 54301]);
  });

  test("what is neither a name nor options is refused", async (t) => {
    const client = connect(t, server);
    for (const wrong of [7, true, () => "name"]) {
      await assert.rejects(client.document(wrong), TypeError);
    }
    const noMode = await rejection(client.document({ id: freshName(t), mode: "create" }));
    assert.deepEqual([noMode.status, noMode.code], [400, 20422]);
  });

  test("names may hold any characters", async (t) => {
    const id = `${freshName(t)}/a b?c#d%2F é 💡`;
    const client = connect(t, server);
    const document = await client.document(id);
    assert.equal(document.uniqueName, id);
    assert.equal((await connect(t, server).document(id)).sid, document.sid);
  });
});

describe("writing", () => {
  test("set replaces the data and returns it", async (t) => {
    const document = await connect(t, server).document({ data: { old: true } });
    const before = document.revision;
    assert.deepEqual(await document.set({ text: "é💡", deep: [{ n: null }] }), {
      text: "é💡",
      deep: [{ n: null }],
    });
    assert.notEqual(document.revision, before);
    const stored = await server.rest("GET", `/${document.sid}`);
    assert.deepEqual(stored.data, { text: "é💡", deep: [{ n: null }] });
    assert.equal(stored.revision, document.revision);
  });

  test("set with ifMatch is refused for an old revision, with the newest state", async (t) => {
    const document = await connect(t, server).document({ data: { n: 0 } });
    const { revision } = document;
    await document.set({ n: 1 }, { ifMatch: revision });
    const refusal = await rejection(document.set({ n: 2 }, { ifMatch: revision }));
    assert.deepEqual([refusal.status, refusal.code], [412, 54103]);
    assert.deepEqual(refusal.document.data, { n: 1 });
    assert.equal(refusal.document.revision, document.revision);
  });

  test("update sets top-level keys and leaves the others", async (t) => {
    const document = await connect(t, server).document({ data: { a: { x: 1 }, b: 2, "c/~": 3 } });
    const updated = await document.update({ a: { y: 1 }, "c/~": null, d: 4 });
    assert.deepEqual(updated, { a: { y: 1 }, b: 2, "c/~": null, d: 4 });
    assert.deepEqual(document.data, updated);
  });

  test("update takes away a key whose value is undefined", async (t) => {
    const document = await connect(t, server).document({ data: { a: 1, b: 2 } });
    assert.deepEqual(await document.update({ a: undefined, c: 3 }), { b: 2, c: 3 });
  });

  test("update takes more keys than a patch may have operations", async (t) => {
    const document = await connect(t, server).document({ data: { kept: true } });
    const changes = Object.fromEntries(Array.from({ length: 1_200 }, (_, n) => [`k${n}`, n]));
    assert.deepEqual(await document.update(changes), { kept: true, ...changes });
  });

  test("mutate writes what the function returns", async (t) => {
    const document = await connect(t, server).document({ data: { count: 1 } });
    const written = await document.mutate(async (data) => {
      data.count += 1;
      return data;
    });
    assert.deepEqual(written, { count: 2 });
  });

  test("mutate that returns null or nothing leaves the document as it is", async (t) => {
    const document = await connect(t, server).document({ data: { count: 1 } });
    const { revision } = document;
    for (const nothing of [null, undefined]) {
      const newest = await document.mutate((data) => {
        data.count = 9;
        return nothing;
      });
      assert.deepEqual(newest, { count: 1 });
    }
    assert.equal((await server.rest("GET", `/${document.sid}`)).revision, revision);
  });

  test("mutate passes on what the function throws, and writes nothing", async (t) => {
    const document = await connect(t, server).document({ data: { count: 1 } });
    const thrown = new Error("no");
    assert.equal(await rejection(document.mutate(() => Promise.reject(thrown))), thrown);
    assert.deepEqual(await document.mutate((data) => ({ count: data.count + 1 })), { count: 2 });
  });

  test("calls of mutate through one client wait for each other", async (t) => {
    const client = connect(t, server);
    const id = freshName(t);
    const [one, two] = await Promise.all([client.document(id), client.document(id)]);
    let calls = 0;
    const add = (data) => {
      calls += 1;
      return { count: (data.count ?? 0) + 1 };
    };
    await Promise.all([one, two, one, two].map((handle) => handle.mutate(add)));
    assert.deepEqual(one.data, { count: 4 });
    assert.equal(calls, 4);
  });

  test("patch merges, operates and increments", async (t) => {
    const document = await connect(t, server).document({ data: { a: { x: 1, y: 2 }, list: [] } });
    assert.deepEqual(await document.patch({ merge: { a: { x: null } } }), { a: { y: 2 }, list: [] });
    const operations = [{ op: "add", path: "/list/-", value: "new" }];
    assert.deepEqual(await document.patch({ operations }), { a: { y: 2 }, list: ["new"] });
    const increment = { "/a/y": 0.5, "/likes": 3 };
    assert.deepEqual(await document.patch({ increment }), { a: { y: 2.5 }, list: ["new"], likes: 3 });
    assert.deepEqual(await document.increment("/likes"), { a: { y: 2.5 }, list: ["new"], likes: 4 });
    assert.deepEqual(document.data.likes, 4);
  });

  test("a patch that does not fit the data is refused, and so is a call with two", async (t) => {
    const document = await connect(t, server).document({ data: { text: "a" } });
    const misfit = await rejection(document.increment("/text"));
    assert.deepEqual([misfit.status, misfit.code], [409, 20409]);
    await assert.rejects(document.patch({ merge: {}, increment: {} }), TypeError);
    await assert.rejects(document.patch({}), TypeError);
  });

  test("ttl: every write can set it, setTtl sets it alone, 0 clears it", async (t) => {
    const document = await connect(t, server).document({ data: { n: 0 } });
    for (const write of [
      (ttl) => document.set({ n: 1 }, { ttl }),
      (ttl) => document.update({ n: 2 }, { ttl }),
      (ttl) => document.mutate((data) => data, { ttl }),
      (ttl) => document.patch({ merge: {} }, { ttl }),
      (ttl) => document.setTtl(ttl),
    ]) {
      await write(TTL);
      assert.ok(Math.abs(secondsUntil(document.dateExpires) - TTL) < 30);
      await write(0);
      assert.equal(document.dateExpires, null);
    }
    assert.deepEqual(document.data, { n: 2 });
    await document.setTtl(TTL);
    await document.set({ n: 3 });
    assert.ok(Math.abs(secondsUntil(document.dateExpires) - TTL) < 30);
  });

  test("values that are not allowed are refused, and change nothing", async (t) => {
    const document = await connect(t, server).document({ data: { n: 1 } });
    const { revision } = document;
    const circle = {};
    circle.self = circle;
    for (const [write, status, code] of [
      [() => document.set(null), 400, 54101],
      [() => document.set([1]), 400, 54008],
      [() => document.set("text"), 400, 54008],
      [() => document.set({ n: NaN }), 400, 54008],
      [() => document.set({ n: 1n }), 400, 54008],
      [() => document.set(circle), 400, 54008],
      [() => document.mutate(() => 7), 400, 54008],
      [() => document.set({}, { ttl: -1 }), 400, 54011],
      [() => document.setTtl(1.5), 400, 54011],
      [() => document.set({}, { ifMatch: "x" }), 400, 54003],
    ]) {
      const refusal = await rejection(write());
      assert.deepEqual([refusal.status, refusal.code], [status, code], refusal.message);
    }
    assert.equal((await server.rest("GET", `/${document.sid}`)).revision, revision);
  });

  test("data that is too large is refused, by whichever verb", async (t) => {
    const client = connect(t, server);
    const document = await client.document({ data: { text: "x".repeat(9_000) } });
    assert.equal(client.dataLimit, 16_384);
    const half = "é".repeat(4_500);
    for (const write of [
      () => document.set({ text: "é".repeat(8_192) }),
      () => document.update({ more: half }),
      () => document.patch({ merge: { more: half } }),
      () => document.patch({ merge: { more: "x".repeat(200_000) } }),
      () => client.document({ data: { text: "x".repeat(17_000) } }),
    ]) {
      const refusal = await rejection(write());
      assert.deepEqual([refusal.status, refusal.code], [413, 54006], refusal.message);
    }
    assert.equal(client.connectionState, "connected");
    const most = { text: "é".repeat((16_384 - '{"text":""}'.length - 1) / 2) };
    assert.deepEqual(await document.set(most), most);
  });
});

describe("events", () => {
  test("a change comes to every client, with the data before and after", async (t) => {
    const id = freshName(t);
    const mine = await connect(t, server).document({ id, data: { n: 1 } });
    const theirs = await connect(t, server, { identity: "bob" }).document(id);
    const events = Promise.all([next(mine, "updated"), next(theirs, "updated")]);
    await theirs.set({ n: 2 }, { ttl: TTL });
    for (const [event, isLocal] of [[(await events)[0], false], [(await events)[1], true]]) {
      assert.equal(event.type, "updated");
      assert.deepEqual(event.data, { n: 2 });
      assert.deepEqual(event.previousData, { n: 1 });
      assert.equal(event.isLocal, isLocal);
      assert.equal(event.revision, theirs.revision);
      assert.equal(event.updatedBy, "bob");
      assert.equal(event.dateUpdated.getTime(), theirs.dateUpdated.getTime());
      assert.equal(event.dateExpires, theirs.dateExpires);
    }
    assert.equal(mine.updatedBy, "bob");
    assert.equal(mine.createdBy, "alice");
  });

  test("each write is announced once, in order, with the data before it", async (t) => {
    const id = freshName(t);
    const mine = await connect(t, server).document(id);
    const theirs = await connect(t, server).document(id);
    const seen = [record(mine), record(theirs)];
    for (let n = 1; n <= 5; n += 1) await (n % 2 ? mine : theirs).set({ n });
    await mine.increment("/n");
    await when(mine, () => seen[0].length === 6);
    await when(theirs, () => seen[1].length === 6);
    for (const [events, odd] of [[seen[0], true], [seen[1], false]]) {
      assert.deepEqual(events.map(({ data }) => data.n), [1, 2, 3, 4, 5, 6]);
      assert.deepEqual(events.map((each) => each.previousData.n), [undefined, 1, 2, 3, 4, 5]);
      assert.deepEqual(
        events.map(({ isLocal }) => isLocal),
        [odd, !odd, odd, !odd, odd, odd],
      );
    }
  });

  test("handles of one client share what they know; each has its own listeners", async (t) => {
    const id = freshName(t);
    const client = connect(t, server);
    const [one, two] = await Promise.all([client.document(id), client.document(id)]);
    const seen = [record(one), record(two)];
    await one.set({ n: 1 });
    assert.deepEqual(two.data, { n: 1 });
    await when(two, () => seen[1].length === 1);
    assert.deepEqual(seen.map(([event]) => event.isLocal), [true, true]);
    assert.notEqual(seen[0][0].data, seen[1][0].data);

    two.close();
    const received = next(one, "updated");
    await server.rest("POST", `/${one.sid}`, { Data: '{"n":2}' });
    const event = await received;
    assert.equal(event.updatedBy, "system");
    assert.equal(seen[1].length, 1);
  });

  test("a handle that is closed refuses to write, and the last one unsubscribes", async (t) => {
    const client = connect(t, server);
    const document = await client.document({ data: { n: 1 } });
    const { sid } = document;
    document.close();
    document.close();
    for (const write of [
      () => document.set({}),
      () => document.update({}),
      () => document.mutate((data) => data),
      () => document.setTtl(1),
      () => document.removeDocument(),
    ]) {
      await assert.rejects(write(), /^SynclineError: Invalid operation on closed object$/);
    }
    await server.rest("POST", `/${sid}`, { Data: '{"n":2}' });
    const again = await client.document(sid);
    assert.deepEqual(again.data, { n: 2 });
    const received = next(again, "updated");
    await server.rest("POST", `/${sid}`, { Data: '{"n":3}' });
    assert.deepEqual((await received).previousData, { n: 2 });
  });

  test("closing and opening at once leaves the document subscribed", async (t) => {
    const client = connect(t, server);
    let document = await client.document();
    const { sid } = document;
    for (let round = 0; round < 5; round += 1) {
      document.close();
      document = await client.document(sid);
    }
    const received = next(document, "updated");
    await server.rest("POST", `/${sid}`, { Data: '{"n":1}' });
    assert.deepEqual((await received).data, { n: 1 });
  });

  test("a removal comes to every client, from either side", async (t) => {
    const id = freshName(t);
    const mine = await connect(t, server).document({ id, data: { n: 1 } });
    const theirs = await connect(t, server, { identity: "bob" }).document(id);
    const events = Promise.all([next(mine, "removed"), next(theirs, "removed")]);
    assert.equal(await theirs.removeDocument(), undefined);
    for (const [event, isLocal] of [[(await events)[0], false], [(await events)[1], true]]) {
      assert.equal(event.type, "removed");
      assert.equal(event.isLocal, isLocal);
      assert.deepEqual(event.previousData, { n: 1 });
      assert.equal(event.removedBy, "bob");
      assert.equal(event.expired, false);
      assert.ok(event.dateRemoved instanceof Date);
      assert.equal(typeof event.revision, "string");
    }
    assert.equal(mine.removed, true);
    const refusal = await rejection(mine.set({ n: 2 }));
    assert.deepEqual(
      [refusal.status, refusal.code, refusal.message],
      [404, 54100, "The Document has been removed"],
    );

    const reborn = await connect(t, server).document(id);
    assert.notEqual(reborn.sid, mine.sid);
    assert.deepEqual(reborn.data, {});
  });

  test("removeDocument with ifMatch is refused for an old revision", async (t) => {
    const document = await connect(t, server).document();
    const { revision } = document;
    await document.set({ n: 1 });
    assert.equal((await rejection(document.removeDocument({ ifMatch: revision }))).status, 412);
    await document.removeDocument({ ifMatch: document.revision });
  });

  test("a document that expires is removed, and says so", async (t) => {
    const document = await connect(t, server).document({ data: { n: 1 }, ttl: 1 });
    const event = await next(document, "removed");
    assert.equal(event.expired, true);
    assert.equal(event.removedBy, "system");
    assert.equal(event.isLocal, false);
  });

  test("events() iterates over what happens, until the removal", async (t) => {
    const document = await connect(t, server).document();
    const events = document.events();
    await document.set({ n: 1 });
    await server.rest("POST", `/${document.sid}`, { Data: '{"n":2}' });
    await document.removeDocument();
    const seen = [];
    for await (const event of events) seen.push([event.type, event.data?.n, event.isLocal]);
    assert.deepEqual(seen, [
      ["updated", 1, true],
      ["updated", 2, false],
      ["removed", undefined, true],
    ]);
    for await (const event of document) assert.fail(`${event.type} after the removal`);
  });

  test("a slow reader of events() gets the newest state, not every state", async (t) => {
    const document = await connect(t, server, { eventQueue: 2 }).document({ data: { n: 0 } });
    const events = document.events();
    for (let n = 1; n <= 5; n += 1) await document.set({ n });
    const removed = next(document, "removed");
    await document.removeDocument();
    await removed;
    const seen = [];
    for await (const event of events) seen.push([event.previousData.n, event.data?.n]);
    assert.deepEqual(seen, [
      [0, 1],
      [1, 5],
      [5, undefined],
    ]);
  });

  test("breaking out of events(), and closing, end the iteration", async (t) => {
    const client = connect(t, server);
    const document = await client.document();
    const seen = [];
    const reader = (async () => {
      for await (const event of document) {
        seen.push(event);
        break;
      }
    })();
    await document.set({ n: 1 });
    await reader;
    assert.equal(seen.length, 1);

    const pending = document.events().next();
    document.close();
    assert.deepEqual(await pending, { done: true, value: undefined });
  });

  test("a listener that throws does not disturb the others", async (t) => {
    const document = await connect(t, server).document();
    const { error } = console;
    t.after(() => {
      console.error = error;
    });
    const reported = [];
    console.error = (...parts) => reported.push(parts);
    document.on("updated", () => {
      throw new Error("in a listener");
    });
    const received = next(document, "updated");
    await document.set({ n: 1 });
    assert.deepEqual((await received).data, { n: 1 });
    assert.match(reported[0][0], /listener for updated/);
  });

  test("once, off, addListener, removeListener and removeAllListeners", async (t) => {
    const document = await connect(t, server).document();
    const calls = [];
    const listener = () => calls.push("listener");
    const other = () => calls.push("other");
    document.once("updated", () => calls.push("once"));
    document.on("updated", listener);
    document.addListener("updated", other);
    document.addListener("updated", listener);
    assert.equal(document.listenerCount("updated"), 4);
    let received = next(document, "updated");
    await document.set({ n: 1 });
    await received;
    assert.deepEqual(calls.splice(0), ["once", "listener", "other", "listener"]);

    document.off("updated", listener).removeListener("updated", other);
    document.off("updated", () => {});
    received = next(document, "updated");
    await document.set({ n: 2 });
    await received;
    assert.deepEqual(calls.splice(0), ["listener"]);

    document.removeAllListeners("updated");
    assert.equal(document.listenerCount("updated"), 0);
    assert.throws(() => document.on("updated", "no function"), TypeError);
  });
});
