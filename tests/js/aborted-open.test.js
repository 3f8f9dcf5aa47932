/** A call that is aborted right after its reply was processed. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { SyncDocument } from "../../clients/js/src/syncline/document.js";
import { OpenObjects } from "../../clients/js/src/syncline/open-objects.js";
import { Subscription } from "../../clients/js/src/syncline/subscription.js";
import { orAborted } from "../../clients/js/src/syncline/timing.js";
import { body, SID } from "./peer.js";

test("the handle that nobody gets is closed", async () => {
  const controller = new AbortController();
  const sent = [];
  const connection = {
    transport: {},
    request(verb, members, receive) {
      sent.push([verb, members.document]);
      if (verb !== "open") return Promise.resolve(receive({}));
      const replied = Promise.resolve(receive({ document: body(1, {}) }));
      const call = orAborted(replied, controller.signal);
      controller.abort(new Error("given up"));
      return call;
    },
  };
  const documents = new OpenObjects(connection, { eventQueue: 10 });
  const kind = { type: "document", subscribe: Subscription.open };
  const attach = (subscription) => new SyncDocument(documents, subscription);
  await assert.rejects(documents.open(kind, { document: "name" }, attach, controller.signal), /given up/);
  assert.deepEqual(sent, [["open", "name"], ["unsubscribe", SID]]);
});
