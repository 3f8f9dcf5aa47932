/** The verbs of a list that differ from those of a map, against a real server. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ListItem } from "../../clients/js/src/syncline.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, recordItems, rejection, until } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: items have indexes, which are never given again`, async (t) => {
    const id = freshName(t);
    const list = await connect(t, server, { transport }).list(id);
    const other = await connect(t, server).list(id);
    assert.match(list.sid, /^ES[0-9a-f]{32}$/);
    assert.equal(list.type, "list");
    const [own, foreign] = [recordItems(list), recordItems(other)];
    const first = await list.push({ n: 1 });
    assert.ok(first instanceof ListItem);
    assert.deepEqual([first.index, first.data], [0, { n: 1 }]);
    await list.push({ n: 2 }, { ttl: 600 });
    await list.remove(0);
    assert.equal((await list.push({ n: 3 })).index, 2);
    await list.set(1, { n: 4 });
    await list.update(1, { m: 5 });
    await list.increment(1, "/n");
    await list.mutate(2, (data) => ({ n: data.n * 10 }));
    assert.deepEqual((await list.get(1)).data, { n: 5, m: 5 });
    const results = await list.batch((batch) => batch.push({ n: 6 }).set(1, { n: 7 }).remove(2));
    const written = [["added", 3], ["updated", 1], ["removed", 2]];
    assert.deepEqual(results.map(({ kind, id }) => [kind, id]), written);
    const count = 11;
    await until(() => own.length === count && foreign.length === count);
    const shown = ({ type, item, index }) => [type, item?.index ?? index];
    assert.deepEqual(own.map(shown), foreign.map(shown));
    assert.deepEqual(foreign.map(shown)[2], ["itemRemoved", 0]);
    assert.ok(own.every(({ isLocal }) => isLocal) && foreign.every(({ isLocal }) => !isLocal));
    const { items } = await other.getItems({ order: "desc" });
    assert.deepEqual(items.map(({ index, data }) => [index, data]), [[3, { n: 6 }], [1, { n: 7 }]]);
  });

  test(`${transport}: what a list does not have is refused`, async (t) => {
    const list = await connect(t, server, { transport }).list();
    for (const call of [
      () => list.get(7),
      () => list.set(7, {}),
      () => list.update(7, { n: 1 }),
      () => list.mutate(7, () => ({})),
      () => list.remove(7),
      () => list.setItemTtl(7, 60),
    ]) {
      assert.equal((await rejection(call())).status, 404);
    }
    assert.equal((await rejection(list.get(-1))).code, 54458);
    await assert.rejects(list.get("0"), TypeError);
    await assert.rejects(list.remove(undefined), TypeError);
    const removed = next(list, "removed");
    await list.removeList();
    assert.equal((await removed).isLocal, true);
  });

  test(`${transport}: a replica is in the order of indexes; a part is some of them`, async (t) => {
    const id = freshName(t);
    const writer = await connect(t, server).list(id);
    for (let n = 0; n < 12; n += 1) await writer.push({ n });
    const client = connect(t, server, { transport });
    const whole = (await client.list(id)).replica();
    const part = (await client.list({ id, indexes: [11, 2, 12] })).replica();
    await Promise.all([whole.ready, part.ready]);
    assert.deepEqual(whole.keys(), Array.from({ length: 12 }, (_, n) => n));
    assert.deepEqual(part.keys(), [2, 11]);
    await writer.push({ n: 12 });
    await until(() => part.has(12) && whole.has(12));
    assert.deepEqual([...part].map(({ data }) => data.n), [2, 11, 12]);
  });
}
