/** Connections that look alive and carry nothing, as after sleep or a change of the network. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";

import { body, Peer, reply, TOKEN } from "./peer.js";
import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, next, record, rejection, when, WebSocket, whenState } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

/** Soon, instead of after some seconds. */
const SOON = { probeAfter: 100, probeTimeout: 100 };

async function connectThroughProxy(t, options) {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  return { proxy, client: connect(t, server, { url: proxy.url, ...options }) };
}

/** The page's events, which Node lacks. */
function becomePage(t) {
  const page = new EventTarget();
  page.visibilityState = "visible";
  for (const name of ["addEventListener", "document"]) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    t.after(() => {
      if (before) Object.defineProperty(globalThis, name, before);
      else delete globalThis[name];
    });
  }
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.document = page;
  return page;
}

for (const transport of ["websocket", "rest"]) {
  describe(transport, () => {
    for (const [what, start, applied] of [
      ["an increment", (document) => document.increment("/n"), { n: 1 }],
      ["a mutation", (document) => document.mutate(({ n }) => ({ n: n + 1 })), { n: 1 }],
      ["a set", (document) => document.set({ n: 1 }), { n: 1 }],
    ]) {
      test(`${what} over a half-open connection is done on the next one, once`, async (t) => {
        const { proxy, client } = await connectThroughProxy(t, { transport, ...SOON });
        const document = await client.document({ data: { n: 0 } });
        const seen = record(document);
        const witness = await connect(t, server, { identity: "bob" }).document(document.sid);
        const witnessed = record(witness);
        proxy.freeze();
        assert.deepEqual(await start(document), applied);
        await witness.set({ n: "end" });
        await when(witness, () => witnessed.at(-1)?.data.n === "end");
        await when(document, () => seen.at(-1)?.data.n === "end");
        assert.deepEqual(witnessed.map(({ data }) => data.n), [1, "end"]);
        assert.deepEqual(seen.map(({ data, isLocal }) => [data.n, isLocal]), [
          [1, true],
          ["end", false],
        ]);
      });
    }

    test("a write whose reply is lost in a half-open connection is applied once", async (t) => {
      const { proxy, client } = await connectThroughProxy(t, { transport, ...SOON });
      const document = await client.document({ data: { n: 0 } });
      const witness = await connect(t, server, { identity: "bob" }).document(document.sid);
      proxy.swallowsReplies = true;
      const written = document.increment("/n");
      await when(witness, ({ data }) => data.n === 1);
      proxy.freeze();
      proxy.swallowsReplies = false;
      assert.deepEqual(await written, { n: 1 });
      assert.deepEqual((await server.rest("GET", `/${document.sid}`)).data, { n: 1 });
    });

    for (const [event, isShown] of [["online"], ["visibilitychange", true]]) {
      test(`${event} finds out that the connection is dead`, async (t) => {
        const page = becomePage(t);
        const { proxy, client } = await connectThroughProxy(t, { transport, probeTimeout: 100 });
        const document = await client.document({ data: { n: 0 } });
        proxy.freeze();
        await server.rest("POST", `/${document.sid}`, { Data: '{"n":1}' });
        const changed = when(document, ({ data }) => data.n === 1);
        if (isShown && transport === "rest") page.dispatchEvent(new Event("online"));
        page.dispatchEvent(new Event(event));
        await changed;
      });
    }
  });
}

for (const event of ["online", "pageshow", "visibilitychange"]) {
  test(`${event} ends a pause at once`, async (t) => {
    const page = becomePage(t);
    const { proxy, client } = await connectThroughProxy(t, { requestTimeout: 1_000_000 });
    const document = await client.document({ data: { n: 0 } });
    t.mock.method(Math, "random", () => 1_000_000);
    proxy.isDown = true;
    const broken = next(client, "connectionError");
    proxy.cut();
    await broken;
    proxy.isDown = false;
    page.dispatchEvent(new Event(event));
    assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
  });
}

test("a page that is hidden probes nothing", async (t) => {
  const page = becomePage(t);
  const peer = await Peer.start();
  t.after(() => peer.stop());
  const client = connect(t, { url: peer.url, token: () => TOKEN }, { transport: "websocket" });
  await whenState(client, "connected");
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  peer.onRequest = (socket, request) => {
    reply(socket, request, { created: true, document: body(1, {}) });
  };
  await client.document();
  assert.deepEqual(peer.requests.map((request) => request.do), ["auth", "open"]);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  await client.document();
  assert.deepEqual(peer.requests.map((request) => request.do), ["auth", "open", "ping", "open"]);
});

test("after shutdown the page's events do nothing", async (t) => {
  const page = becomePage(t);
  const { proxy, client } = await connectThroughProxy(t);
  await client.document();
  await client.shutdown();
  const { accepted } = proxy;
  for (const event of ["online", "pageshow", "visibilitychange"]) {
    page.dispatchEvent(new Event(event));
  }
  await new Promise(setImmediate);
  assert.equal(proxy.accepted, accepted);
  assert.equal(client.connectionState, "disconnected");
});

test("a slow reply is waited for while the server shows that it lives", async (t) => {
  const peer = await Peer.start();
  t.after(() => peer.stop());
  const client = connect(t, { url: peer.url, token: () => TOKEN }, {
    transport: "websocket",
    ...SOON,
    probeTimeout: 20_000,
  });
  const { requests } = peer;
  const probed = new Promise((resolve) => {
    peer.requests = { push: (request) => requests.push(request) && request.do === "ping" && resolve() };
  });
  peer.onRequest = async (socket, request) => {
    await probed;
    reply(socket, request, { created: true, document: body(1, {}) });
  };
  await client.document();
  assert.deepEqual(
    requests.map((request) => request.do).filter((verb) => verb !== "ping"),
    ["auth", "open"],
  );
});

test("a request that waits too long to be sent again is not, since its id may be forgotten", async (t) => {
  const { proxy, client } = await connectThroughProxy(t, {
    token: server.token("alice"),
    requestTimeout: 1_000_000,
  });
  const document = await client.document({ data: { n: 0 } });
  proxy.swallowsReplies = true;
  const swallowed = proxy.swallowed();
  const written = rejection(document.increment("/n"));
  await swallowed;
  const { now } = Date;
  t.mock.method(Date, "now", () => now() + 101_000);
  proxy.swallowsReplies = false;
  proxy.cut();
  const late = await written;
  assert.match(late.message, /its outcome is unknown/);
  assert.deepEqual((await server.rest("GET", `/${document.sid}`)).data, { n: 1 });
});

/** Opens the document of its arguments, prints a line, and increments it after the next signal. */
const SLEEPER = `
  const [module, url, token, sid] = process.argv.slice(1);
  const { Client } = await import(module);
  const { WebSocket } = await import("ws");
  const client = new Client(token, { url, WebSocket, pingInterval: 1e6 });
  const document = await client.document(sid);
  console.log("open");
  document.on("updated", ({ data }) => {
    if (data.n === "awake") client.shutdown();
  });
`;

test("a process that was stopped finds out that its connection is dead", async (t) => {
  const { proxy } = await connectThroughProxy(t);
  const { sid } = await server.rest("POST", "", { Data: '{"n":0}' });
  const module = new URL("../../clients/js/src/syncline.js", import.meta.url).href;
  const sleeper = spawn(
    process.execPath,
    ["--input-type=module", "--eval", SLEEPER, module, proxy.url, server.token("alice"), sid],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  t.after(() => sleeper.kill("SIGKILL"));
  await new Promise((resolve) => sleeper.stdout.once("data", resolve));
  sleeper.kill("SIGSTOP");
  proxy.freeze();
  await server.rest("POST", `/${sid}`, { Data: '{"n":"awake"}' });
  // Longer than the client's clock may be late without a sleep.
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  sleeper.kill("SIGCONT");
  const [code] = await new Promise((resolve) => sleeper.once("exit", (...args) => resolve(args)));
  assert.equal(code, 0);
});

for (const requestTimeout of [500, 2_300]) {
  test(`a sleep uses up no time-out: of ${requestTimeout} ms`, async (t) => {
    const peer = await Peer.start();
    t.after(() => peer.stop());
    const server = { url: peer.url, token: () => TOKEN };
    const client = connect(t, server, { transport: "websocket", requestTimeout });
    await whenState(client, "connected");
    peer.onRequest = (socket, request) => {
      reply(socket, request, { created: true, document: body(1, {}) });
      // What stops the process: the reply is there, and so is the end of the time.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
    };
    await client.document();
  });
}
