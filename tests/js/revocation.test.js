/** What a client makes of rights that are taken away. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Proxy } from "./proxy.js";
import { startServer } from "./server.js";
import { connect, next, when } from "./support.js";

let server;
before(async () => {
  server = await startServer();
  const file = await readFile(join(server.dataDir, "credentials.json"), "utf8");
  const { account_sid, auth_token } = JSON.parse(file);
  const response = await fetch(`${server.url}/v1/Services/default`, {
    method: "POST",
    headers: { Authorization: `Basic ${btoa(`${account_sid}:${auth_token}`)}` },
    body: new URLSearchParams({ AclEnabled: "true" }),
  });
  assert.equal((await response.json()).acl_enabled, true);
});
after(() => server.stop());

const revoke = (document) => server.rest("DELETE", `/${document.sid}/Permissions/alice`);

test("who creates a document may do everything with it", async (t) => {
  const document = await connect(t, server).document();
  await document.set({ n: 1 });
  await document.increment("/n");
  await when(document, () => document.data.n === 2);
  await document.removeDocument();
});

test("what one may not read or write is refused with 403", async (t) => {
  const document = await connect(t, server).document();
  const client = connect(t, server, { identity: "bob" });
  const refused = (error) => error.status === 403 && error.code === 54_007;
  await assert.rejects(client.document(document.sid), refused);
  await server.rest("POST", `/${document.sid}/Permissions/bob`, { Read: "true" });
  const opened = await client.document(document.sid);
  await assert.rejects(opened.set({}), refused);
  await assert.rejects(opened.removeDocument(), refused);
});

test("a reader whose right is taken away receives a removal", async (t) => {
  const document = await connect(t, server).document({ data: { n: 0 } });
  const removed = next(document, "removed");
  await revoke(document);
  const event = await removed;
  assert.equal(event.removedBy, "system");
  assert.deepEqual(event.previousData, { n: 0 });
});

test("also when that happened during a break", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  const client = connect(t, server, { url: proxy.url });
  const document = await client.document();
  proxy.isDown = true;
  proxy.cut();
  await next(client, "connectionError");
  await revoke(document);
  proxy.isDown = false;
  assert.equal((await next(document, "removed")).removedBy, null);
});
