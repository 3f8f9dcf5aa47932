/** Tokens: where they come from, how they are renewed, and what happens when they end. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Client, TokenDenied } from "../../clients/js/src/syncline.js";
import { body, Peer, reply, send } from "./peer.js";
import { Proxy } from "./proxy.js";
import { startServer } from "./server.js";
import { connect, next, rejection, until, when, whenState } from "./support.js";

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
    test("a token that expires is reported, and a new one connects again", async (t) => {
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

    test("the vendor's way to renew a token: updateToken when asked", async (t) => {
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

describe("what is no token", () => {
  const PAGE = "<!doctype html><title>secret page</title>";
  for (const [what, given, named] of [
    ["an HTML page", PAGE, /an HTML page of \d+ characters/],
    ["JSON", '{"token":"secret.secret.secret"}', /JSON of 32 characters/],
    ["another string", "secret", /a string of 6 characters that is no JWT/],
    ["two parts", "secret.secret", /that is no JWT/],
    ["nothing", undefined, /returned undefined/],
    ["null", null, /returned null/],
    ["blanks", "  \n", /an empty string/],
    ["an object", { token: "secret" }, /a value of type Object/],
    ["a response", new Response("secret"), /a value of type Response/],
  ]) {
    test(`${what} is asked for again, until a token comes`, async (t) => {
      const answers = [given, Promise.resolve(given)];
      const client = connect(t, server, {
        token: () => (answers.length > 0 ? answers.shift() : server.token("alice")),
      });
      const errors = [];
      client.on("connectionError", (error) => errors.push(error));
      await client.document();
      assert.equal(errors.length, 2);
      for (const { terminal, message } of errors) {
        assert.equal(terminal, false);
        assert.match(message, named);
        assert.doesNotMatch(message, /secret/);
      }
    });
  }

  test("meanwhile what is asked ends in time, and says what came", async (t) => {
    const client = connect(t, server, { token: async () => PAGE, requestTimeout: 200 });
    const late = await rejection(client.document());
    assert.match(late.message, /no reply to open within 200 ms.*an HTML page/);
    assert.equal(client.connectionState, "connecting");
  });

  test("white space around a token is none of it", async (t) => {
    await connect(t, server, { token: () => `\n${server.token("alice")}\r\n` }).document();
    await connect(t, server, { token: ` ${server.token("alice")}\n` }).document();
  });

  test("a function that never returns is asked again", async (t) => {
    let asked = 0;
    const client = connect(t, server, {
      token: () => {
        asked += 1;
        return asked === 1 ? new Promise(() => {}) : server.token("alice");
      },
      tokenTimeout: 20,
    });
    const { message, terminal } = await next(client, "connectionError");
    assert.match(message, /the token function took more than 20 ms/);
    assert.equal(terminal, false);
    await client.document();
  });

  test("when it is renewed, the connection stays, and the function is asked again", async (t) => {
    const answers = [server.token("alice", SHORT), PAGE];
    const client = connect(t, server, { token: () => answers.shift() ?? server.token("alice") });
    const document = await client.document();
    const { terminal, message } = await next(client, "connectionError");
    assert.equal(terminal, false);
    assert.match(message, /an HTML page/);
    await until(() => answers.length === 0);
    assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
  });

  test("an error that only looks like the server's does not deny the client", async (t) => {
    let asked = 0;
    const client = connect(t, server, {
      token: async () => {
        asked += 1;
        if (asked > 1) return server.token("alice");
        const other = connect(t, server);
        return other.document({ id: "none of that name", mode: "open_existing" });
      },
    });
    const { terminal } = await next(client, "connectionError");
    assert.equal(terminal, false);
    await client.document();
  });
});

test("a renewal for which there is no token yet is tried again on the same connection", async (t) => {
  const peer = await Peer.start();
  t.after(() => peer.stop());
  peer.onRequest = (socket, request) => {
    reply(socket, request, { created: true, document: body(1, {}) });
    send(socket, { event: "token_about_to_expire", expires_in: 60 });
  };
  const tokens = ["a.b.first", null, null, "a.b.second"];
  const token = () => {
    const given = tokens.shift();
    if (!given) throw new Error("no token now");
    return given;
  };
  const client = connect(t, peer, { token, transport: "websocket", backoffInitial: 5 });
  await client.document();
  await until(() => tokens.length === 0);
  await until(() => peer.requests.length === 3);
  assert.deepEqual(
    peer.requests.map((request) => request.token),
    ["a.b.first", undefined, "a.b.second"],
  );
});

test("only the application ends the asking: it says that the user is signed out", async (t) => {
  let asked = 0;
  const client = connect(t, server, {
    token: async () => {
      asked += 1;
      throw new TokenDenied("bye");
    },
  });
  const opening = rejection(client.document());
  const error = await next(client, "connectionError");
  assert.deepEqual([error.terminal, error.message], [true, "bye"]);
  assert.ok((await opening) instanceof TokenDenied);
  assert.equal(client.connectionState, "denied");
  assert.equal(asked, 1);
  await client.updateToken(() => server.token("alice"));
  await client.document();
});

describe("in the token function the application may", () => {
  test("shut the client down", async (t) => {
    const client = connect(t, server, {
      token: () => {
        void client.shutdown();
        return server.token("alice");
      },
    });
    assert.match((await rejection(client.document())).message, /shut down/);
    assert.equal(client.connectionState, "disconnected");
  });

  test("shut the client down, and wait for that", async (t) => {
    const client = connect(t, server, {
      token: async () => {
        await client.shutdown();
        throw new Error("closed");
      },
    });
    assert.match((await rejection(client.document())).message, /shut down/);
  });

  test("give another token", async (t) => {
    const client = connect(t, server, {
      token: async () => {
        await client.updateToken(() => server.token("alice"));
        throw new Error("ask the other one");
      },
    });
    await client.document();
  });

  test("close a document", async (t) => {
    const client = connect(t, server, {
      token: () => {
        document?.close();
        return server.token("alice");
      },
    });
    let document = null;
    document = await client.document();
    await client.updateToken(() => {
      document.close();
      return server.token("alice");
    });
    assert.match((await rejection(document.set({}))).message, /closed/);
  });
});
