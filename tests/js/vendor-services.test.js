/** The vendor's Node helper library, unmodified: all that it can do with services and permissions. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import twilio from "twilio";

import { sharedServer } from "./server.js";

let server, credentials, services;
before(async () => {
  server = await sharedServer();
  credentials = JSON.parse(await readFile(join(server.dataDir, "credentials.json"), "utf8"));
  const client = twilio(credentials.account_sid, credentials.auth_token);
  client.sync.baseUrl = server.url;
  services = client.sync.v1.services;
});
after(() => server.stop());

/** Status and code of the refusal that `promise` must end in. */
async function refusal(promise) {
  let status, code;
  await assert.rejects(promise, (error) => {
    ({ status, code } = error);
    assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${code}`);
    return true;
  });
  return [status, code];
}

describe("services", () => {
  test("create, fetch, update and remove", async () => {
    const settings = {
      friendlyName: "Ünïcode",
      webhookUrl: "https://hooks.example.com/sync",
      reachabilityWebhooksEnabled: true,
      aclEnabled: true,
      reachabilityDebouncingEnabled: true,
      reachabilityDebouncingWindow: 7_000,
      webhooksFromRestEnabled: true,
    };
    const created = await services.create(settings);
    assert.match(created.sid, /^IS[0-9a-f]{32}$/);
    assert.equal(created.uniqueName, null);
    assert.equal(created.accountSid, credentials.account_sid);
    for (const [name, value] of Object.entries(settings)) assert.equal(created[name], value, name);
    assert.equal(created.dateUpdated.getTime(), created.dateCreated.getTime());
    assert.equal(created.links.documents, `${created.url}/Documents`);
    assert.deepEqual((await services(created.sid).fetch()).toJSON(), created.toJSON());

    const updated = await services(created.sid).update({ friendlyName: "other", aclEnabled: false });
    assert.equal(updated.friendlyName, "other");
    assert.equal(updated.aclEnabled, false);
    assert.equal(updated.webhookUrl, settings.webhookUrl);

    assert.equal(await services(created.sid).remove(), true);
    assert.deepEqual(await refusal(services(created.sid).fetch()), [404, 54_050]);
  });

  test("the default one", async () => {
    const service = await services("default").fetch();
    assert.equal(service.uniqueName, "default");
    assert.equal(service.reachabilityDebouncingWindow, 5_000);
    assert.deepEqual(await refusal(services("default").remove()), [403, 20_403]);
  });

  test("list over several pages", async () => {
    const made = await Promise.all(Array.from({ length: 5 }, () => services.create()));
    const listed = (await services.list({ pageSize: 2 })).map(({ sid }) => sid);
    assert.equal(new Set(listed).size, listed.length);
    for (const { sid } of made) assert.ok(listed.includes(sid));
    assert.equal((await services.list({ limit: 3 })).length, 3);

    const first = await services.page({ pageSize: 2 });
    const back = await (await first.nextPage()).previousPage();
    assert.deepEqual(
      back.instances.map(({ sid }) => sid),
      first.instances.map(({ sid }) => sid),
    );
  });

  for (const [parameters, expected] of [
    [{ friendlyName: "x".repeat(256) }, [400, 54_053]],
    [{ webhookUrl: "nowhere" }, [400, 54_051]],
    [{ reachabilityDebouncingWindow: 1 }, [400, 20_422]],
  ]) {
    test(`create with ${JSON.stringify(parameters).slice(0, 40)}`, async () => {
      assert.deepEqual(await refusal(services.create(parameters)), expected);
    });
  }

  test("an update with nothing", async () => {
    assert.deepEqual(await refusal(services("default").update()), [400, 54_010]);
  });
});

describe("permissions", () => {
  let service, document;
  before(async () => {
    service = await services.create({ aclEnabled: true });
    const uniqueName = randomUUID();
    document = await services(service.sid).documents.create({ uniqueName });
  });
  const permissions = (sid = document.sid) =>
    services(service.sid).documents(sid).documentPermissions;

  for (const identity of ["alice", "alice@example.com", "a%20b"]) {
    test(`set, fetch and remove that of ${identity}`, async () => {
      const rights = { read: true, write: false, manage: true };
      const made = await permissions()(identity).update(rights);
      assert.equal(made.identity, decodeURIComponent(identity));
      assert.equal(made.documentSid, document.sid);
      assert.equal(made.serviceSid, service.sid);
      for (const [right, value] of Object.entries(rights)) assert.equal(made[right], value);
      const fetched = await permissions(document.uniqueName)(identity).fetch();
      assert.deepEqual(fetched.toJSON(), made.toJSON());
      assert.equal(await permissions()(identity).remove(), true);
      assert.deepEqual(await refusal(permissions()(identity).fetch()), [404, 54_354]);
    });
  }

  test("list over several pages", async () => {
    const rights = { read: true, write: false, manage: false };
    for (const identity of ["c", "a", "b"]) await permissions()(identity).update(rights);
    const listed = await permissions().list({ pageSize: 2 });
    assert.deepEqual(
      listed.map(({ identity }) => identity),
      ["a", "b", "c"],
    );
  });

  test("an identity that is too long", async () => {
    const rights = { read: true, write: true, manage: true };
    const tooLong = permissions()("x".repeat(257));
    assert.deepEqual(await refusal(tooLong.update(rights)), [400, 54_351]);
  });
});
