/** Tokens: where they come from, how they are renewed, and what happens when they end. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Client } from "../../clients/js/src/syncline.js";
import { Proxy } from "./proxy.js";
import { startServer } from "./server.js";
import { connect, next, rejection, when, whenState } from "./support.js";

/** Seconds; the server gives notice when a tenth of it is left. */
const SHORT = 2;

let server;
before(async () => {
  server = await startServer("--token-leeway", "0");
});
after(() => server?.stop());

test("a token function is asked on each connect", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  let asked = 0;
  const client = connect(t, server, {
    url: proxy.url,
    token: async () => {
      asked += 1;
      return server.token("alice");
    },
  });
  const document = await client.document();
  assert.equal(asked, 1);
  proxy.cut();
  await next(client, "connectionError");
  await document.set({ n: 1 });
  assert.equal(asked, 2);
});

test("a token function that fails is asked again", async (t) => {
  let asked = 0;
  const client = connect(t, server, {
    token: () => {
      asked += 1;
      if (asked === 1) throw new Error("not now");
      return asked === 2 ? "" : server.token("alice");
    },
  });
  const errors = [];
  client.on("connectionError", ({ terminal, message }) => errors.push([terminal, message]));
  await client.document();
  assert.deepEqual(errors, [
    [false, "there is no token: not now"],
    [false, "there is no token: the token function returned an empty string"],
  ]);
});

test("a token function is asked when the token is about to expire", async (t) => {
  const tokens = [server.token("alice", SHORT), server.token("alice")];
  const client = connect(t, server, { token: () => tokens.shift() });
  client.on("connectionError", (error) => assert.fail(error.message));
  client.on("tokenExpired", () => assert.fail("it was renewed"));
  await next(client, "tokenAboutToExpire");
  const document = await client.document();
  assert.equal(tokens.length, 0);
  assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
});

for (const transport of ["websocket", "rest"]) {
  describe(`over ${transport}`, () => {
    test("a token that expires is told, and a new one connects again", async (t) => {
      const client = connect(t, server, { transport, token: server.token("alice", SHORT) });
      const document = await client.document({ data: { n: 0 } });
      const terminal = next(client, "connectionError");
      await next(client, "tokenExpired");
      assert.deepEqual(await terminal, {
        terminal: true,
        message: (await terminal).message,
        httpStatusCode: 401,
        errorCode: 20104,
      });
      assert.equal(client.connectionState, "denied");
      const refusal = await rejection(document.set({ n: 1 }));
      assert.deepEqual([refusal.status, refusal.code], [401, 20104]);

      await server.rest("POST", `/${document.sid}`, { Data: '{"n":2}' });
      await client.updateToken(server.token("alice"));
      await when(document, ({ data }) => data.n === 2);
      assert.equal(client.connectionState, "connected");
      assert.deepEqual(await document.set({ n: 3 }), { n: 3 });
    });

    test("the vendor's way to renew a token: updateToken when told", async (t) => {
      const client = connect(t, server, { transport, token: server.token("alice", SHORT) });
      client.on("tokenAboutToExpire", () => client.updateToken(server.token("alice")));
      client.on("tokenExpired", () => client.updateToken(server.token("alice")));
      const document = await client.document();
      const ended = next(client, transport === "rest" ? "tokenExpired" : "tokenAboutToExpire");
      await ended;
      await whenState(client, "connected");
      assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
    });

    test("a token that is refused denies the client, until it gets a good one", async (t) => {
      const client = connect(t, server, { transport, token: "no token" });
      const asked = rejection(client.document());
      const error = await next(client, "connectionError");
      assert.deepEqual([error.terminal, error.httpStatusCode, error.errorCode], [true, 401, 20101]);
      assert.equal(client.connectionState, "denied");
      assert.equal((await asked).code, 20101);
      assert.equal((await rejection(client.document())).status, 401);
      await client.updateToken(() => server.token("alice"));
      await whenState(client, "connected");
      await client.document();
    });

    test("a new token that is refused leaves the old one in force", async (t) => {
      const client = connect(t, server, { transport, token: server.token("alice") });
      const document = await client.document();
      const states = [];
      client.on("connectionStateChanged", (state) => states.push(state));
      assert.equal((await rejection(client.updateToken("no token"))).status, 401);
      assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
      assert.deepEqual(states, []);
    });
  });
}

test("a token for a service that does not exist denies the client, too", async (t) => {
  const token = server.token("alice", 3_600, `IS${"0".repeat(32)}`);
  const client = connect(t, server, { token });
  const refusal = await rejection(client.document());
  assert.deepEqual([refusal.status, refusal.code], [404, 54050]);
  assert.equal(client.connectionState, "denied");
});

test("a token for another identity is refused on the open socket", async (t) => {
  const client = connect(t, server, { token: server.token("alice") });
  const document = await client.document();
  const refusal = await rejection(client.updateToken(server.token("bob")));
  assert.deepEqual([refusal.status, refusal.code], [401, 51215]);
  await document.set({ n: 1 });
  assert.equal(document.updatedBy, "alice");
});

test("a client that is denied gives up only then: a function is asked for another", async (t) => {
  const tokens = [server.token("alice", -5), server.token("alice")];
  const client = connect(t, server, { token: () => tokens.shift() });
  const expired = next(client, "tokenExpired");
  await client.document();
  await expired;
  assert.equal(tokens.length, 0);
});

test("a token and a url that cannot be any are refused at once", () => {
  const url = "http://127.0.0.1:1";
  for (const token of [undefined, null, "", 7]) {
    assert.throws(() => new Client(token, { url }), TypeError);
  }
  for (const wrong of [undefined, "no url", "ftp://host", "http://u:p@host", "http://host/?a=1"]) {
    assert.throws(() => new Client("token", { url: wrong }), TypeError);
  }
});
