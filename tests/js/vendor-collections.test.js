/** The vendor's Node helper library, unmodified: lists, maps, streams and their items. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import twilio from "twilio";

import { startServer } from "./server.js";

let server, service;
before(async () => {
  server = await startServer();
  const file = join(server.dataDir, "credentials.json");
  const { account_sid: user, auth_token: password } = JSON.parse(await readFile(file, "utf8"));
  const client = twilio(user, password);
  client.sync.baseUrl = server.url;
  service = client.sync.v1.services("default");
});
after(() => server.stop());

const unique = (name = "object") => `${name}-${randomUUID()}`;

/** Status and code of the refusal that `promise` must end in. */
async function refusal(promise) {
  let status, code;
  await assert.rejects(promise, (error) => {
    ({ status, code } = error);
    assert.ok(error.message);
    return true;
  });
  return [status, code];
}

for (const [plural, prefix, linked] of [
  ["syncLists", "ES", ["items", "permissions"]],
  ["syncMaps", "MP", ["items", "permissions"]],
  ["syncStreams", "TO", ["messages"]],
]) {
  describe(plural, () => {
    test("create, fetch, update, list and remove", async () => {
      const uniqueName = unique("é");
      const created = await service[plural].create({ uniqueName, ttl: 3_600 });
      assert.match(created.sid, new RegExp(`^${prefix}[0-9a-f]{32}$`));
      assert.equal(created.uniqueName, uniqueName);
      assert.equal(created.createdBy, "system");
      assert.equal(created.dateExpires - created.dateCreated, 3_600_000);
      assert.deepEqual(Object.keys(created.links).sort(), linked);
      for (const address of [created.sid, encodeURIComponent(uniqueName)]) {
        const fetched = await service[plural](address).fetch();
        assert.deepEqual(fetched.toJSON(), created.toJSON());
      }
      const updated = await service[plural](created.sid).update({ ttl: 0 });
      assert.equal(updated.dateExpires, null);
      const listed = (await service[plural].list({ pageSize: 3 })).map(({ sid }) => sid);
      assert.ok(listed.includes(created.sid));
      assert.deepEqual(await refusal(service[plural].create({ uniqueName })), [409, 54_301]);
      assert.equal(await service[plural](created.sid).remove(), true);
      assert.deepEqual(await refusal(service[plural](created.sid).fetch()), [404, 20_404]);
    });

    test("refusals", async () => {
      const created = await service[plural].create();
      const { update } = service[plural](created.sid);
      assert.deepEqual(await refusal(service[plural].create({ uniqueName: "" })), [400, 54_302]);
      assert.deepEqual(await refusal(service[plural].create({ ttl: -1 })), [400, 54_011]);
      assert.deepEqual(await refusal(update.call(service[plural](created.sid))), [400, 54_010]);
      assert.deepEqual(await refusal(service[plural].page({ pageSize: 0 })), [400, 54_454]);
    });
  });
}

for (const { plural, items, permissions, id, mismatch, invalid } of [
  {
    plural: "syncLists",
    items: "syncListItems",
    permissions: "syncListPermissions",
    id: "index",
    mismatch: 54_155,
    invalid: 54_156,
  },
  {
    plural: "syncMaps",
    items: "syncMapItems",
    permissions: "syncMapPermissions",
    id: "key",
    mismatch: 54_205,
    invalid: 54_206,
  },
]) {
  const isMap = id === "key";
  const withKey = (parameters) => (isMap ? { key: unique("key"), ...parameters } : parameters);

  describe(items, () => {
    test("create, fetch, update, list and remove", async () => {
      const { sid } = await service[plural].create();
      const of = service[plural](sid)[items];
      const created = await of.create(withKey({ data: { a: 1, u: "é" }, itemTtl: 3_600 }));
      assert.deepEqual(created.data, { a: 1, u: "é" });
      assert.equal(created[isMap ? "mapSid" : "listSid"], sid);
      assert.equal(created.dateExpires - created.dateCreated, 3_600_000);
      const item = of(created[id]);
      assert.deepEqual((await item.fetch()).toJSON(), created.toJSON());
      const updated = await item.update({ data: { a: 2 }, itemTtl: 0, ttl: 60 });
      assert.deepEqual([updated.data, updated.dateExpires], [{ a: 2 }, null]);
      const ifMatch = updated.revision;
      await item.update({ ifMatch, data: { a: 3 } });
      const stale = item.update({ ifMatch, data: { a: 4 } });
      assert.deepEqual(await refusal(stale), [412, mismatch]);
      assert.deepEqual(await refusal(item.remove({ ifMatch })), [412, mismatch]);
      assert.deepEqual((await item.fetch()).data, { a: 3 });
      assert.deepEqual(
        (await of.list()).map((each) => each[id]),
        [created[id]],
      );
      await item.update({ ttl: 60, collectionTtl: 60 });
      assert.ok((await service[plural](sid).fetch()).dateExpires);
      assert.equal(await item.remove(), true);
      assert.deepEqual(await refusal(item.fetch()), [404, 20_404]);
      assert.deepEqual(await refusal(item.update({ data: {} })), [404, 20_404]);
    });

    test("pages over more than a thousand items in both orders", async () => {
      const { sid } = await service[plural].create();
      const of = service[plural](sid)[items];
      const made = [];
      for (let start = 0; start < 1_050; start += 50) {
        const adds = Array.from({ length: 50 }, (_, n) =>
          of.create(isMap ? { key: String(start + n).padStart(4, "0"), data: {} } : { data: {} }),
        );
        made.push(...(await Promise.all(adds)));
      }
      const ids = made.map((each) => each[id]).sort((a, b) => (a < b ? -1 : 1));
      for (const [order, expected] of [
        ["asc", ids],
        ["desc", ids.toReversed()],
      ]) {
        const listed = (await of.list({ order, pageSize: 100 })).map((each) => each[id]);
        assert.deepEqual(listed, expected);
      }
      const exclusive = await of.list({ from: String(ids[1_000]), bounds: "exclusive" });
      assert.deepEqual(
        exclusive.map((each) => each[id]),
        ids.slice(1_001),
      );
      const first = await of.page({ pageSize: 10 });
      const back = await (await first.nextPage()).previousPage();
      assert.deepEqual(
        back.instances.map((each) => each[id]),
        ids.slice(0, 10),
      );
    });

    test("refusals", async () => {
      const { sid } = await service[plural].create();
      const of = service[plural](sid)[items];
      for (const [parameters, expected] of [
        [{ data: "null" }, [400, invalid]],
        [{ data: [1] }, [400, 54_008]],
        [{ data: { a: "x".repeat(17_000) } }, [413, 54_006]],
        [{ data: {}, ttl: -1 }, [400, 54_011]],
      ]) {
        assert.deepEqual(await refusal(of.create(withKey(parameters))), expected);
      }
      const created = await of.create(withKey({ data: {} }));
      assert.deepEqual(await refusal(of(created[id]).update()), [400, 54_010]);
      for (const [parameters, code] of [
        [{ order: "up" }, 54_451],
        [{ bounds: "both" }, 54_452],
        [{ pageToken: "x" }, 54_453],
      ]) {
        assert.deepEqual(await refusal(of.page(parameters)), [400, code]);
      }
      if (isMap) {
        const again = of.create({ key: created.key, data: {} });
        assert.deepEqual(await refusal(again), [409, 54_208]);
        const long = of.create({ key: "x".repeat(321), data: {} });
        assert.deepEqual(await refusal(long), [400, 54_209]);
      }
    });

    test("permissions", async () => {
      const { sid } = await service[plural].create();
      const of = service[plural](sid)[permissions];
      assert.deepEqual(await refusal(of("alice").fetch()), [404, 54_354]);
      await of("alice").update({ read: true, write: false, manage: true });
      const { read, write, manage } = await of("alice").fetch();
      assert.deepEqual([read, write, manage], [true, false, true]);
      assert.deepEqual(
        (await of.list()).map(({ identity }) => identity),
        ["alice"],
      );
      assert.equal(await of("alice").remove(), true);
    });
  });
}

describe("streamMessages", () => {
  test("create", async () => {
    const { sid } = await service.syncStreams.create();
    const messages = service.syncStreams(sid).streamMessages;
    const message = await messages.create({ data: { a: 1 } });
    assert.match(message.sid, /^TZ[0-9a-f]{32}$/);
    assert.deepEqual(message.data, { a: 1 });
    assert.deepEqual(await refusal(messages.create({ data: "null" })), [400, 54_251]);
    const large = messages.create({ data: { a: "x".repeat(4_097) } });
    assert.deepEqual(await refusal(large), [413, 54_006]);
  });
});
