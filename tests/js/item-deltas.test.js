/** Items of replicas that come as deltas, and first pages that come with the reply to `open`. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WebSocket as NodeWebSocket } from "ws";

import { digest } from "../../clients/js/src/syncline/canonical.js";
import { header, itemBody, Peer, reply, send, TOKEN } from "./peer.js";
import { sharedServer } from "./server.js";
import { connect, freshName, recordItems, until } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

const { sid } = header(1);

function item(key, revision) {
  return itemBody(key, revision, { at: revision });
}

/** A change as a delta; `members` in the place of its own. */
function delta(key, revision, base, members = {}) {
  const { data, ...rest } = item(key, revision);
  const operations = [{ op: "replace", path: "/at", value: revision }];
  const made = { previous_revision: String(base), delta: { operations, digest: digest(data) } };
  return { kind: "updated", ...rest, ...made, ...members };
}

/** A client of a scripted server, whose replies stand in `answers`, by verb, in their order. */
async function scene(t, answers, options = {}) {
  const peer = await Peer.start();
  t.after(() => peer.stop());
  const asked = [];
  const script = { peer, asked, answers, socket: null };
  peer.onRequest = (socket, request) => {
    script.socket = socket;
    asked.push(request);
    const ok = answers[request.do]?.shift();
    if (ok) reply(socket, request, ok);
  };
  script.client = connect(t, { url: peer.url, token: () => TOKEN }, {
    transport: "websocket",
    backoffInitial: 5,
    ...options,
  });
  script.send = (revision, ...changes) =>
    send(script.socket, { event: "items", map: header(revision), changes });
  script.verbs = () => asked.map((request) => request.do);
  return script;
}

/** A scene with a replica of the items a and b at the revisions 1 and 2. */
async function opened(t, answers = {}, options = {}) {
  const first = { created: false, map: header(2), items: [item("a", 1), item("b", 2)], next: null };
  const { open = [], ...others } = answers;
  const script = await scene(t, { open: [first, ...open], ...others }, options);
  script.map = await script.client.map({ id: "players", replica: true });
  script.replica = script.map.replica();
  return script;
}

function dataOf(replica) {
  return Object.fromEntries(replica.items().map(({ key, data }) => [key, data.at]));
}

test("a replica of one page needs one request", async (t) => {
  const { replica, asked, map, answers } = await opened(t);
  assert.equal(replica.isComplete, true);
  assert.deepEqual(dataOf(replica), { a: 1, b: 2 });
  await replica.ready;
  answers.item = [{ map: header(2), item: item("a", 1) }];
  await map.get("a");
  const [open, read] = asked;
  assert.deepEqual([open.do, open.items, open.deltas], ["open", { limit: 500 }, true]);
  assert.equal(read.do, "item", "nothing else was asked for");
});

test("further pages follow the first", async (t) => {
  const script = await scene(t, {
    open: [{ map: header(5), items: [item("pa", 1), item("pb", 2)], next: "pb" }],
    items: [{ map: header(6), items: [item("pc", 5)], next: null }],
  });
  const map = await script.client.map({ id: "players", prefix: "p", replica: true });
  const replica = map.replica();
  assert.deepEqual([replica.isComplete, replica.keys()], [false, ["pa", "pb"]]);
  await replica.ready;
  assert.deepEqual(dataOf(replica), { pa: 1, pb: 2, pc: 5 });
  assert.deepEqual([script.asked[1].after, script.asked[1].prefix], ["pb", "p"]);
  assert.deepEqual(script.verbs(), ["open", "items"]);
});

test("a plain handle reads no items", async (t) => {
  const script = await scene(t, { open: [{ created: false, map: header(2) }] });
  await script.client.map("players");
  const [open] = script.asked;
  assert.deepEqual([open.items, open.deltas, script.asked.length], [false, undefined, 1]);
});

test("a replica of an open map needs one more", async (t) => {
  const changes = [{ kind: "updated", ...item("a", 3) }];
  const page = { items: [item("a", 3), item("b", 2)], next: null };
  const script = await scene(t, {
    open: [
      { created: false, map: header(2) },
      { created: false, map: header(3), changes, more_since: null, ...page },
    ],
  });
  const map = await script.client.map("players");
  const replica = map.replica();
  await replica.ready;
  assert.deepEqual(dataOf(replica), { a: 3, b: 2 });
  const [, again] = script.asked;
  assert.deepEqual(script.verbs(), ["open", "open"]);
  assert.deepEqual([again.map, again.revision, again.deltas], [sid, "2", true]);
  assert.deepEqual(again.items, { limit: 500 });
});

test("a replica of a smaller part asks for its own page", async (t) => {
  const script = await scene(t, {
    open: [{ created: false, map: header(2) }],
    items: [{ map: header(2), items: [item("a", 1)], next: null }],
  });
  const map = await script.client.map("players");
  await map.replica({ prefix: "a" }).ready;
  assert.deepEqual(script.verbs(), ["open", "items"]);
  assert.equal(script.asked[1].prefix, "a");
});

test("a reset in the reply that a replica waits for begins its walk again", async (t) => {
  const script = await scene(t, {
    open: [
      { created: false, map: header(2) },
      { created: false, map: header(9), reset: true, items: [item("a", 1)], next: null },
    ],
    items: [{ map: header(9), items: [item("a", 8)], next: null }],
  });
  const map = await script.client.map("players");
  const replica = map.replica();
  await replica.ready;
  assert.deepEqual(dataOf(replica), { a: 8 });
  assert.deepEqual(script.verbs(), ["open", "open", "items"]);
});

test("without the option none are asked for", async (t) => {
  const { asked } = await opened(t, {}, { deltas: false });
  assert.equal("deltas" in asked[0], false);
});

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: a real server has the first page in its reply`, async (t) => {
    const id = freshName(t);
    const writer = await connect(t, server).map(id);
    for (let start = 0; start < 600; start += 100) {
      await writer.batch((batch) => {
        for (let n = start; n < start + 100; n += 1) {
          batch.set(`k${String(n).padStart(3, "0")}`, { n });
        }
      });
    }
    const client = connect(t, server, { transport });
    const part = await client.map({ id, prefix: "k1", replica: true });
    const replica = part.replica();
    assert.deepEqual([replica.isComplete, replica.size], [true, 100]);
    const changes = recordItems(replica);
    await writer.set("k100", { n: -1 });
    await until(() => changes.length === 1);
    assert.deepEqual(changes[0].item.data, { n: -1 });

    const whole = await connect(t, server, { transport }).map({ id, replica: true });
    const all = whole.replica();
    assert.deepEqual([all.isComplete, all.size], [false, 500]);
    await all.ready;
    assert.equal(all.size, 600);
  });
}

test("deltas make the items and the events of all listeners", async (t) => {
  const { replica, map, send: deliver, asked } = await opened(t);
  const [seen, own] = [recordItems(replica), recordItems(map)];
  deliver(4, delta("a", 3, 1), delta("b", 4, 2));
  deliver(5, delta("a", 5, 3));
  await until(() => seen.length === 3);
  const shown = ({ item: { key, data }, previousItemData }) => [key, data.at, previousItemData?.at];
  assert.deepEqual(seen.map(shown), [["a", 3, 1], ["b", 4, 2], ["a", 5, 3]]);
  assert.deepEqual(own.map(({ item: { data } }) => data.at), [3, 4, 5]);
  assert.deepEqual(dataOf(replica), { a: 5, b: 4 });
  assert.equal(asked.length, 1);
});

const UNUSABLE = {
  "another outcome": delta("a", 4, 1, { delta: { operations: [], digest: digest({ at: 4 }) } }),
  "no such member": delta("a", 4, 1, {
    delta: { operations: [{ op: "remove", path: "/no" }], digest: "00000000" },
  }),
  nonsense: delta("a", 4, 1, { delta: "nonsense" }),
  "another base": delta("a", 4, 3),
  "no such item": delta("c", 4, 3),
};

for (const [name, change] of Object.entries(UNUSABLE)) {
  test(`a delta that cannot be used (${name}) is resumed, and nothing wrong is shown`, async (t) => {
    const { key } = change;
    const whole = { kind: "updated", ...item(key, 6) };
    const resumed = { created: false, map: header(6), changes: [whole], more_since: null };
    const { replica, send: deliver, asked } = await opened(t, { open: [resumed] });
    const seen = recordItems(replica);
    deliver(5, { kind: "updated", ...item("b", 5) }, change);
    await until(() => seen.length === 1);
    const [, again] = asked;
    assert.deepEqual([again.map, again.revision, again.deltas], [sid, "2", true]);
    assert.deepEqual([seen[0].item.key, seen[0].item.data], [key, { at: 6 }]);
    // Deltas go on from there.
    deliver(7, delta(key, 7, 6));
    await until(() => seen.length === 2);
    assert.deepEqual(seen[1].item.data, { at: 7 });
    assert.equal(asked.length, 2);
  });
}

test("when no replica has the items, the client goes without", async (t) => {
  const whole = { kind: "updated", ...item("a", 3) };
  const resumed = { created: false, map: header(3), changes: [whole], more_since: null };
  const { map, replica, send: deliver, asked } = await opened(t, { open: [resumed] });
  const seen = recordItems(map);
  replica.close();
  deliver(3, delta("a", 3, 1));
  await until(() => seen.length === 1);
  assert.equal("deltas" in asked[1], false);
});

test("replicas with deltas end as the server", async (t) => {
  const sizes = { whole: 0, deltas: 0 };
  const id = freshName(t);
  const fill = "x".repeat(4_000);
  const writer = await connect(t, server).map(id);
  await writer.batch((batch) => {
    for (let n = 0; n < 20; n += 1) batch.set(`k${n}`, { n, fill });
  });
  const users = {};
  for (const kind of ["whole", "deltas"]) {
    class Counted extends NodeWebSocket {
      constructor(...given) {
        super(...given);
        this.on("message", (text) => {
          if (String(text).startsWith('{"event"')) sizes[kind] += text.length;
        });
      }
    }
    const client = connect(t, server, { WebSocket: Counted, deltas: kind === "deltas" });
    users[kind] = (await client.map({ id, replica: true })).replica();
    await users[kind].ready;
  }
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(keys.map((key) => writer.increment(key, "/n")));
  }
  const expected = Object.fromEntries(
    (await writer.getItems({ pageSize: 100 })).items.map(({ key, data }) => [key, data.n]),
  );
  for (const replica of Object.values(users)) {
    const found = () => Object.fromEntries(replica.items().map(({ key, data }) => [key, data.n]));
    await until(() => JSON.stringify(found()) === JSON.stringify(expected));
  }
  // 20 of 200 changes came whole: the first of each item.
  assert.ok(sizes.deltas < sizes.whole / 4, `${sizes.deltas} bytes of ${sizes.whole}`);
});
