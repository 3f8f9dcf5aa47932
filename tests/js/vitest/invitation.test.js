/** A test of an application, run by Vitest in `testing.test.js`. */

import { afterAll, beforeAll, expect, test } from "vitest";

import { SyncClient } from "../../../clients/js/src/syncline.js";
import { startServer } from "../../../clients/testing/src/index.js";

let server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("an invitation lasts an hour", async () => {
  const service = await server.service();
  const client = new SyncClient(() => service.token("alice"), { url: server.url });
  const invitation = await client.document({ id: "invitation", ttl: 3600 });
  const removed = new Promise((resolve) => invitation.on("removed", resolve));
  await server.advance(3600);
  expect((await removed).expired).toBe(true);
  await client.shutdown();
});
