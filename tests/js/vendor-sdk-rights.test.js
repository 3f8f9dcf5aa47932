/** Rights to read that the vendor's unmodified SDK loses, while it is connected or not. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { freshName, next, rejection, whenState } from "./support.js";
import { IMPATIENT, nextRefusal, open, VERSIONS, whenSubscribed } from "./vendor-sdk.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server.stop());

const READ = { Read: "true", Write: "false", Manage: "false" };
const WRITE = { Read: "false", Write: "true", Manage: "true" };

/** A service with one document, of which `alice` may lose the right to read. */
async function restricted(t, { acl = "true" } = {}) {
  const { sid: service } = await server.account("POST", "/v1/Services", { AclEnabled: acl });
  const base = `/v1/Services/${service}`;
  const name = freshName(t);
  const { sid } = await server.account("POST", `${base}/Documents`, { UniqueName: name });
  const path = `${base}/Documents/${sid}/Permissions/alice`;
  const allow = () => server.account("POST", path, READ);
  if (acl === "true") await allow();
  return {
    name,
    allow,
    token: server.token("alice", 3_600, service),
    forbid: () => server.account("DELETE", path),
    allowWriting: () => server.account("POST", path, WRITE),
    switchOn: () => server.account("POST", base, { AclEnabled: "true" }),
    deleteService: () => server.account("DELETE", base),
  };
}

/** What takes the right away, by the name of a method. */
const LOSSES = { forbid: {}, allowWriting: {}, switchOn: { acl: "false" } };

async function refusedAndThenOpen(client, { name, allow }) {
  const error = await rejection(client.document(name));
  assert.deepEqual([error.status, error.code], [403, 54007]);
  await allow();
  return whenSubscribed(await client.document(name));
}

describe("rights", { concurrency: true }, () => {
  for (const version of ["2.0.1", "4.0.1"]) {
    const Sdk = VERSIONS[version];
    for (const [loss, options] of Object.entries(LOSSES)) {
      test(`${version}: ${loss} during a break`, async (t) => {
        const scene = await restricted(t, options);
        const proxy = await Proxy.start(server.url);
        t.after(() => proxy.stop());
        const client = open(t, server, { Sdk, url: proxy.url, token: scene.token, ...IMPATIENT });
        const document = await whenSubscribed(await client.document(scene.name));
        document.on("failure", (error) => assert.fail(error.message));
        const left = whenState(client, "connecting");
        proxy.isDown = true;
        proxy.cut();
        await left;
        await scene[loss]();
        const removed = next(document, "removed");
        proxy.isDown = false;
        await removed;
        const again = next(await refusedAndThenOpen(client, scene), "removed");
        await scene.forbid();
        await again;
      });

      test(`${version}: ${loss} just after opening`, async (t) => {
        const scene = await restricted(t, options);
        const client = open(t, server, { Sdk, token: scene.token });
        const document = await client.document(scene.name);
        document.on("failure", (error) => assert.fail(error.message));
        const removed = next(document, "removed");
        await scene[loss]();
        await removed;
        await refusedAndThenOpen(client, scene);
      });
    }

    test(`${version}: several documents, of which one may still be read`, async (t) => {
      const { sid: service } = await server.account("POST", "/v1/Services", { AclEnabled: "true" });
      const base = `/v1/Services/${service}/Documents`;
      const sids = [];
      for (const _ of [1, 2]) {
        const { sid } = await server.account("POST", base, {});
        await server.account("POST", `${base}/${sid}/Permissions/alice`, READ);
        sids.push(sid);
      }
      const proxy = await Proxy.start(server.url);
      t.after(() => proxy.stop());
      const token = server.token("alice", 3_600, service);
      const client = open(t, server, { Sdk, url: proxy.url, token, ...IMPATIENT });
      const [first, second] = await Promise.all(sids.map((sid) => client.document(sid)));
      await Promise.all([first, second].map(whenSubscribed));
      second.on("removed", () => assert.fail("it may be read"));
      const left = whenState(client, "connecting");
      proxy.isDown = true;
      proxy.cut();
      await left;
      await server.account("DELETE", `${base}/${first.sid}/Permissions/alice`);
      const removed = next(first, "removed");
      proxy.isDown = false;
      await removed;
      await whenSubscribed(second);
      const updated = next(second, "updated");
      await server.account("POST", `${base}/${second.sid}`, { Data: '{"n":1}' });
      assert.deepEqual((await updated).data, { n: 1 });
    });

    test(`${version}: a service that is deleted`, async (t) => {
      const scene = await restricted(t);
      const client = open(t, server, { Sdk, token: scene.token, ...IMPATIENT });
      const document = await whenSubscribed(await client.document(scene.name));
      const removed = next(document, "removed");
      await scene.deleteService();
      await removed;
    });

    test(`${version}: a service that is deleted during a break`, async (t) => {
      const scene = await restricted(t);
      const proxy = await Proxy.start(server.url);
      t.after(() => proxy.stop());
      const client = open(t, server, { Sdk, url: proxy.url, token: scene.token, ...IMPATIENT });
      await whenSubscribed(await client.document(scene.name));
      const left = whenState(client, "connecting");
      proxy.isDown = true;
      proxy.cut();
      await left;
      await scene.deleteService();
      const refused = nextRefusal(client);
      proxy.isDown = false;
      assert.equal((await refused).httpStatusCode, 401);
      assert.equal(client.connectionState, "denied");
    });
  }
});
