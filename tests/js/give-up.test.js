/** Who gives up opening a document leaves nothing behind. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { body, Peer, reply, SID, TOKEN } from "./peer.js";
import { Proxy } from "./proxy.js";
import { startServer } from "./server.js";
import { connect, freshName, rejection, until, whenState } from "./support.js";

const TIMES = 50;

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

/** Documents that are open on all connections, as the server counts them. */
async function countSubscriptions() {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith("syncline_subscriptions"))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

async function connectThroughProxy(t, options) {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  return { proxy, client: connect(t, server, { url: proxy.url, ...options }) };
}

describe("a peer that replies late", () => {
  async function open(t, options) {
    const peer = await Peer.start();
    t.after(() => peer.stop());
    const client = connect(t, { url: peer.url, token: () => TOKEN }, {
      transport: "websocket",
      ...options,
    });
    await whenState(client, "connected");
    const late = [];
    const unsubscribed = [];
    let onUnsubscribed = () => {};
    peer.onRequest = (socket, request) => {
      if (request.do === "open") late.push(() => replyTo(socket, request));
      if (request.do !== "unsubscribe") return;
      unsubscribed.push(request.document);
      onUnsubscribed();
      reply(socket, request, {});
    };
    const replyTo = (socket, request) => {
      const sid = SID.slice(0, -request.document.length) + request.document;
      reply(socket, request, { created: true, document: { ...body(1, {}), sid } });
    };
    const unsubscriptions = (count) =>
      new Promise((resolve) => {
        onUnsubscribed = () => unsubscribed.length === count && resolve();
        onUnsubscribed();
      });
    return { client, late, unsubscribed, unsubscriptions };
  }

  test(`${TIMES} of ${TIMES} that were timed out are unsubscribed`, async (t) => {
    const { client, late, unsubscribed, unsubscriptions } = await open(t, { requestTimeout: 100 });
    const names = Array.from({ length: TIMES }, (_, n) => String(n + 10));
    const refused = await Promise.all(names.map((name) => rejection(client.document(name))));
    assert.ok(refused.every(({ message }) => /no reply to open/.test(message)));
    await until(() => late.length === TIMES);
    for (const answer of late) answer();
    await unsubscriptions(TIMES);
    assert.deepEqual(unsubscribed.map((sid) => sid.slice(-2)).sort(), names);
  });

  test(`${TIMES} of ${TIMES} that were aborted are unsubscribed`, async (t) => {
    const { client, late, unsubscriptions } = await open(t);
    const controller = new AbortController();
    const { signal } = controller;
    const names = Array.from({ length: TIMES }, (_, n) => String(n + 10));
    const refused = names.map((id) => rejection(client.document({ id, signal })));
    await until(() => late.length === TIMES);
    controller.abort(new Error("the page has moved on"));
    for (const { message } of await Promise.all(refused)) {
      assert.equal(message, "the page has moved on");
    }
    for (const answer of late) answer();
    await unsubscriptions(TIMES);
  });

  test("not if somebody else has it open", async (t) => {
    const { client, late, unsubscribed } = await open(t);
    const controller = new AbortController();
    const given = rejection(client.document({ id: "10", signal: controller.signal }));
    const kept = client.document("10");
    await until(() => late.length === 2);
    controller.abort();
    assert.equal((await given).name, "AbortError");
    late[1]();
    const document = await kept;
    late[0]();
    const third = client.document("11");
    await until(() => late.length === 3);
    late[2]();
    await third;
    assert.deepEqual(unsubscribed, []);
    document.close();
  });
});

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: the server keeps nothing of ${TIMES} documents that were given up`, async (t) => {
    const { proxy, client } = await connectThroughProxy(t, { transport, requestTimeout: 300 });
    await whenState(client, "connected");
    proxy.replyDelay = 600;
    const names = Array.from({ length: TIMES }, () => freshName(t));
    for (const error of await Promise.all(names.map((name) => rejection(client.document(name))))) {
      assert.equal(error.status, 0);
    }
    await until(async () => (await countSubscriptions()) === 0);
  });
}
