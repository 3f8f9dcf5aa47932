/** SIDs that an application has had before it moved: of its service, and of its documents. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";

import { startServer } from "./server.js";
import { freshName, next, rejection } from "./support.js";
import { open, record, whenSubscribed } from "./vendor-sdk.js";

const SERVICE = `IS${randomBytes(16).toString("hex")}`;

let server;
before(async () => {
  server = await startServer("--default-service-sid", SERVICE);
});
after(() => server.stop());

const token = (identity) => server.token(identity, 3_600, SERVICE);

/** SIDs that begin in every bucket; at most one of them in that of the name. */
const sids = Array.from({ length: 4 }, () => `ET${randomBytes(16).toString("hex")}`);

test("a document is opened, written, followed and removed by the SID that it had", async (t) => {
  for (const sid of sids) {
    const name = `${freshName(t)}-${sid}`;
    const path = `/v1/Services/${SERVICE}/Documents`;
    await server.account("POST", path, { UniqueName: name, Sid: sid, Data: '{"n":1}' });

    const ours = await open(t, server, { token: token("alice") }).document(sid);
    const client = open(t, server, { identity: "bob", token: token("bob") });
    const theirs = await whenSubscribed(await client.document(name));
    for (const document of [ours, theirs]) {
      assert.deepEqual([document.sid, document.uniqueName, document.data], [sid, name, { n: 1 }]);
    }

    const events = record(theirs);
    const changed = next(theirs, "updated");
    await ours.mutate(({ n }) => ({ n: n + 1 }));
    await changed;
    const removed = next(theirs, "removed");
    await ours.removeDocument();
    await removed;
    assert.deepEqual(
      events.map(([event]) => event),
      ["updated", "removed"],
    );
    const opening = client.document({ id: sid, mode: "open_existing" });
    assert.equal((await rejection(opening)).status, 404);
    const again = await client.document({ id: name, data: { n: 3 } });
    assert.notEqual(again.sid, sid);
  }
});
