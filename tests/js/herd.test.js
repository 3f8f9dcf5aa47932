/** A server that has no room for now: that is waited for, and is not a blocked WebSocket. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client } from "../../clients/js/src/syncline.js";
import { startServer } from "./server.js";
import { connect, next, rejection, WebSocket, whenState } from "./support.js";

/** A machine that is only slow is no reason to take REST, or to give up. */
const PATIENT = { fallbackAfter: 1_000_000, requestTimeout: 100_000 };

async function startFor(t, ...options) {
  const server = await startServer(...options);
  t.after(() => server.stop());
  return server;
}

/** Counts what is asked of the server by plain HTTP. */
function counting(paths) {
  return (input, init) => {
    paths.push(new URL(input).pathname);
    return fetch(input, init);
  };
}

for (const transport of ["auto", "websocket", "rest"]) {
  test(`with --connect-rate everybody of a herd gets in: ${transport}`, async (t) => {
    const server = await startFor(t, "--connect-rate=4");
    const clients = Array.from({ length: 9 }, (_, n) =>
      connect(t, server, { identity: `client${n}`, transport, ...PATIENT }),
    );
    await Promise.all(clients.map((client) => client.document("lobby")));
    const transports = new Set(clients.map((client) => client.transport));
    assert.deepEqual([...transports], [transport === "rest" ? "rest" : "websocket"]);
  });
}

for (const transport of ["auto", "rest"]) {
  test(`with --max-connections who comes later waits for room: ${transport}`, async (t) => {
    const server = await startFor(t, "--max-connections=1");
    const first = connect(t, server);
    await first.document("lobby");
    const second = connect(t, server, { identity: "bob", transport, ...PATIENT });
    const opening = second.document("lobby");
    if (transport === "auto") {
      const refusal = await next(second, "connectionError");
      assert.deepEqual([refusal.httpStatusCode, refusal.terminal], [503, false]);
    } else {
      await whenState(second, "connected");
    }
    await first.shutdown();
    await opening;
    assert.equal(second.transport, transport === "auto" ? "websocket" : "rest");
  });
}

test("a time-out names why there was no room", async (t) => {
  const server = await startFor(t, "--max-connections=1");
  await connect(t, server).document("lobby");
  for (const transport of ["auto", "rest"]) {
    const client = connect(t, server, { transport, requestTimeout: 1_500 });
    if (transport === "auto") await next(client, "connectionError");
    else await whenState(client, "connected");
    const late = await rejection(client.document("lobby"));
    assert.match(late.message, /no reply to open within 1500 ms.*already has 1 connections/);
    assert.equal(late.retry, true);
  }
});

test("Retry-After is waited for, and no longer than 30 s", async (t) => {
  const pauses = [];
  const isAsked = (time) => time === 7_000 || time === 30_000;
  const { setTimeout: real } = globalThis;
  t.mock.method(globalThis, "setTimeout", (callback, time, ...rest) => {
    pauses.push(time);
    return real(callback, isAsked(time) ? 0 : time, ...rest);
  });
  t.mock.method(Math, "random", () => 0);
  let asked = 0;
  const refusing = async (input) => {
    // REST may be tried beside it.
    if (!String(input).endsWith("/v1/ws")) throw new TypeError("no REST here");
    asked += 1;
    if (asked > 2) throw new TypeError("enough");
    const seconds = asked === 1 ? "7" : "86400";
    const body = { code: 20429, message: "too many", status: 429 };
    return Response.json(body, { status: 429, headers: { "Retry-After": seconds } });
  };
  const client = new Client("a.b.c", {
    url: "http://127.0.0.1:1",
    WebSocket,
    fetch: refusing,
  });
  t.after(() => client.shutdown());
  for (let time = 0; time < 2; time += 1) {
    const error = await next(client, "connectionError");
    assert.deepEqual([error.httpStatusCode, error.errorCode, error.terminal], [429, 20429, false]);
  }
  await next(client, "connectionError");
  assert.deepEqual(pauses.filter(isAsked), [7_000, 30_000]);
});

test("asking whether there is room costs one request, and none with room", async (t) => {
  const server = await startFor(t, "--max-connections=1");
  const reply = await fetch(`${server.url}/v1/ws`);
  assert.deepEqual([reply.status, await reply.json()], [200, { websocket: "open" }]);
  const paths = [];
  const client = connect(t, server, { fetch: counting(paths) });
  await client.document("lobby");
  assert.deepEqual(paths, []);
  const second = connect(t, server, { identity: "bob", fetch: counting(paths) });
  await next(second, "connectionError");
  // REST may be tried beside it.
  assert.deepEqual(paths.filter((path) => path === "/v1/ws"), ["/v1/ws"]);
  const refused = await fetch(`${server.url}/v1/ws`);
  assert.deepEqual([refused.status, refused.headers.get("Retry-After")], [503, "1"]);
});
