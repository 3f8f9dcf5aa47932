/** The vendor's Node helper library, unmodified: its main path through documents. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import twilio from "twilio";

import { sharedServer } from "./server.js";

let server, credentials, documents;
before(async () => {
  server = await sharedServer();
  credentials = JSON.parse(await readFile(join(server.dataDir, "credentials.json"), "utf8"));
  documents = documentsFor(credentials.account_sid, credentials.auth_token);
});
after(() => server.stop());

function documentsFor(user, password, options) {
  const client = twilio(user, password, options);
  client.sync.baseUrl = server.url;
  return client.sync.v1.services("default").documents;
}

const unique = (name = "document") => `${name}-${randomUUID()}`;

/** Status and code of the refusal that `promise` must end in. */
async function refusal(promise) {
  let status, code;
  await assert.rejects(promise, (error) => {
    ({ status, code } = error);
    assert.ok(error.message);
    assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${code}`);
    return true;
  });
  return [status, code];
}

describe("the main path", () => {
  test("create, fetch, update and remove", async () => {
    const uniqueName = unique("My Doc é");
    const created = await documents.create({ uniqueName, data: { a: 1, u: "é" }, ttl: 3_600 });
    assert.match(created.sid, /^ET[0-9a-f]{32}$/);
    assert.equal(created.uniqueName, uniqueName);
    assert.equal(created.accountSid, credentials.account_sid);
    assert.deepEqual(created.data, { a: 1, u: "é" });
    assert.equal(created.createdBy, "system");
    assert.equal(created.dateExpires - created.dateCreated, 3_600_000);
    assert.equal(created.links.permissions, `${created.url}/Permissions`);

    for (const address of [created.sid, encodeURIComponent(uniqueName)]) {
      const fetched = await documents(address).fetch();
      assert.deepEqual(fetched.toJSON(), created.toJSON());
    }

    const updated = await documents(created.sid).update({ data: { a: 2 }, ttl: 0 });
    assert.deepEqual(updated.data, { a: 2 });
    assert.equal(updated.dateExpires, null);
    assert.notEqual(updated.revision, created.revision);

    assert.equal(await documents(created.sid).remove(), true);
    assert.deepEqual(await refusal(documents(created.sid).fetch()), [404, 20_404]);
  });

  test("create with nothing", async () => {
    const created = await documents.create();
    assert.equal(created.uniqueName, null);
    assert.deepEqual(created.data, {});
  });

  test("data that is empty is as if it were missing", async () => {
    const created = await documents.create({ data: "" });
    assert.deepEqual(created.data, {});
    await documents(created.sid).update({ data: { a: 1 } });
    assert.deepEqual((await documents(created.sid).update({ data: "", ttl: 60 })).data, { a: 1 });
    assert.deepEqual(await refusal(documents(created.sid).update({ data: "" })), [400, 54_010]);
  });

  test("a limit or a page size above the largest is taken as the largest", async () => {
    const made = await Promise.all(Array.from({ length: 101 }, () => documents.create()));
    for (const options of [{ limit: 1_001 }, { pageSize: 5_000 }]) {
      const listed = new Set((await documents.list(options)).map(({ sid }) => sid));
      for (const { sid } of made) assert.ok(listed.has(sid));
    }
    assert.equal((await documents.page({ pageSize: 5_000 })).instances.length, 100);
  });

  test("a name with a slash, encoded by the caller", async () => {
    const uniqueName = `${unique()}/b`;
    const created = await documents.create({ uniqueName });
    assert.equal((await documents(encodeURIComponent(uniqueName)).fetch()).sid, created.sid);
  });

  test("update only the revision that was read", async () => {
    const created = await documents.create({ data: { a: 1 } });
    const ifMatch = created.revision;
    await documents(created.sid).update({ ifMatch, data: { a: 2 } });
    const stale = documents(created.sid).update({ ifMatch, data: { a: 3 } });
    assert.deepEqual(await refusal(stale), [412, 54_103]);
    assert.deepEqual((await documents(created.sid).fetch()).data, { a: 2 });
  });

  test("list over several pages", async () => {
    const made = await Promise.all(Array.from({ length: 7 }, () => documents.create()));
    const listed = (await documents.list({ pageSize: 3 })).map(({ sid }) => sid);
    assert.equal(new Set(listed).size, listed.length);
    for (const { sid } of made) assert.ok(listed.includes(sid));
    assert.equal((await documents.list({ limit: 5 })).length, 5);

    const first = await documents.page({ pageSize: 2 });
    const second = await first.nextPage();
    const back = await second.previousPage();
    assert.deepEqual(
      back.instances.map(({ sid }) => sid),
      first.instances.map(({ sid }) => sid),
    );
  });

  test("an API key", async () => {
    const [[key, secret]] = Object.entries(credentials.api_keys);
    const { account_sid: accountSid } = credentials;
    const created = await documentsFor(key, secret, { accountSid }).create();
    assert.equal(created.accountSid, accountSid);
  });
});

describe("refusals", () => {
  test("wrong credentials", async () => {
    const strangers = documentsFor(credentials.account_sid, "wrong");
    assert.deepEqual(await refusal(strangers.create()), [401, 20_003]);
    assert.deepEqual(await refusal(strangers.list()), [401, 20_003]);
  });

  test("a name that is taken", async () => {
    const uniqueName = unique();
    await documents.create({ uniqueName });
    assert.deepEqual(await refusal(documents.create({ uniqueName })), [409, 54_301]);
  });

  for (const [parameters, expected] of [
    [{ uniqueName: "" }, [400, 54_302]],
    [{ data: "null" }, [400, 54_101]],
    [{ data: [1] }, [400, 54_008]],
    [{ data: { a: "x".repeat(17_000) } }, [413, 54_006]],
    [{ ttl: -1 }, [400, 54_011]],
  ]) {
    test(`create with ${JSON.stringify(parameters).slice(0, 30)}`, async () => {
      assert.deepEqual(await refusal(documents.create(parameters)), expected);
    });
  }

  test("an update with nothing", async () => {
    const created = await documents.create();
    assert.deepEqual(await refusal(documents(created.sid).update()), [400, 54_010]);
  });

  test("a page size that is not allowed", async () => {
    assert.deepEqual(await refusal(documents.page({ pageSize: 0 })), [400, 54_454]);
  });
});
