/** How long the client waits before it connects again. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Pause } from "../../clients/js/src/syncline/pause.js";
import { httpResponse, Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, next, when } from "./support.js";

const NEVER_MS = 1_000_000_000;

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

for (const transport of ["websocket", "rest", "auto"]) {
  for (const isFirst of [true, false]) {
    // By REST only a request notices the break at once.
    if (transport === "rest" && !isFirst) continue;
    const when = isFirst ? "comes before the break" : "comes during the pause";
    test(`${transport}: a request that ${when} does not time out meanwhile`, async (t) => {
      const proxy = await Proxy.start(server.url);
      t.after(() => proxy.stop());
      const backoff = { backoffInitial: NEVER_MS, backoffLimit: NEVER_MS };
      const options = { url: proxy.url, transport, requestTimeout: 4_000, ...backoff };
      const client = connect(t, server, options);
      const document = await client.document({ data: { n: 0 } });
      proxy.answer = httpResponse(502);
      const broken = next(client, "connectionError");
      proxy.cut();
      const early = isFirst ? document.increment("/n") : null;
      await broken;
      proxy.answer = null;
      assert.deepEqual(await (early ?? document.increment("/n")), { n: 1 });
    });
  }
}

test("a stream that ended at once is opened again within seconds", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  const backoff = { backoffInitial: NEVER_MS, backoffLimit: NEVER_MS };
  const client = connect(t, server, { url: proxy.url, transport: "rest", ...backoff });
  const document = await client.document({ data: { n: 0 } });
  t.mock.method(Math, "random", () => 0.01);
  proxy.cut();
  const changed = when(document, ({ data }) => data.n === 1);
  await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
  await changed;
});

describe("a pause", () => {
  test("ends at once when a request comes that finds it long enough", async () => {
    const pause = new Pause(4);
    const ended = pause.take(0, NEVER_MS);
    await new Promise((resolve) => setTimeout(resolve, 20));
    pause.hurry();
    await ended;
  });

  test("is as long as it should be when no request waits any more", async () => {
    const pause = new Pause(4);
    pause.hurry()();
    let isOver = false;
    const ended = pause.take(0, NEVER_MS).then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(!isOver);
    pause.end();
    await ended;
  });

  test("takes the time that the server asks for in any case", async () => {
    const pause = new Pause(4);
    pause.hurry();
    let isOver = false;
    const ended = pause.take(NEVER_MS, 0).then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(!isOver);
    pause.end();
    await ended;
  });
});
