/** Handles of one list or map, rights that are taken away, and writes without a reply. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, recordItems, rejection, until } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: a handle that is closed and opened again at once gets events`, async (t) => {
    const id = freshName(t);
    const client = connect(t, server, { transport });
    const other = await connect(t, server).map(id);
    let map = await client.map(id);
    for (let round = 0; round < 3; round += 1) {
      map.close();
      map = await client.map(id);
    }
    const added = next(map, "itemAdded");
    await other.set("a", {});
    assert.equal((await added).item.key, "a");
  });

  test(`${transport}: who loses the right to read gets removed, and the others nothing`, async (t) => {
    const { sid: service } = await server.account("POST", "/v1/Services", { AclEnabled: true });
    const token = (identity) => () => server.token(identity, 3_600, service);
    const owner = await connect(t, server, { token: token("alice") }).map(freshName(t));
    await owner.set("a", { n: 1 });
    const path = `/v1/Services/${service}/Maps/${owner.sid}/Permissions/bob`;
    await server.account("POST", path, { Read: true, Write: false, Manage: false });
    const bob = connect(t, server, { token: token("bob"), transport });
    const map = await bob.map(owner.sid);
    const replica = map.replica();
    await replica.ready;
    const refused = await rejection(map.set("a", { n: 2 }));
    assert.deepEqual([refused.status, refused.code, refused.item], [403, 54007, null]);
    const removals = [next(map, "removed"), next(replica, "removed")];
    const events = recordItems(owner);
    await server.account("POST", path, { Read: false, Write: false, Manage: false });
    for (const { isLocal, expired } of await Promise.all(removals)) {
      assert.deepEqual([isLocal, expired ?? false], [false, false]);
    }
    assert.equal((await rejection(bob.map(owner.sid))).status, 403);
    await owner.set("a", { n: 3 });
    await until(() => events.length === 1);
    assert.equal(owner.removed, false);
  });
}

test("of a write without a reply the client says that its outcome is unknown", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  const options = { url: proxy.url, requestTimeout: 500, probeAfter: 60_000 };
  const map = await connect(t, server, options).map(freshName(t));
  proxy.swallowsReplies = true;
  const error = await rejection(map.set("a", {}));
  assert.equal(error.status, 0);
  assert.match(error.message, /no reply to set within 500 ms; its outcome is unknown/);
});

test("an open that is aborted is undone, and the client goes on", async (t) => {
  const client = connect(t, server);
  const id = freshName(t);
  const controller = new AbortController();
  const opening = client.map({ id, signal: controller.signal });
  controller.abort(new Error("given up"));
  await assert.rejects(opening, /given up/);
  const map = await client.map(id);
  const added = next(map, "itemAdded");
  await map.set("a", {});
  assert.equal((await added).isLocal, true);
});

test("an expired item is announced as such", async (t) => {
  const map = await connect(t, server).map(freshName(t));
  const removed = next(map, "itemRemoved");
  await map.set("a", { n: 1 }, { ttl: 1 });
  const { key, expired, removedBy, isLocal, previousItemData } = await removed;
  assert.deepEqual([key, expired, removedBy, isLocal], ["a", true, "system", false]);
  assert.deepEqual(previousItemData, { n: 1 });
});
