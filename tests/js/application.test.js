/** What applications pass in, and do in their own functions: it works, or is one clear error. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import vm from "node:vm";

import { Client, Emitter } from "../../clients/js/src/syncline.js";
import { bundle } from "./bundle.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, rejection, until } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

/** What is logged as an error, until the end of the test. */
function errorsOf(t) {
  const logged = [];
  t.mock.method(console, "error", (...words) => logged.push(words));
  return logged;
}


describe("a listener", () => {
  const failure = new Error("a defect of the application");
  for (const [what, listener] of [
    ["that throws", () => { throw failure; }],
    ["that is async and throws", async () => { throw failure; }],
    ["that rejects later", () => new Promise((_, reject) => setImmediate(reject, failure))],
    ["that returns a thenable", () => ({ then: (_, reject) => reject(failure) })],
    ["whose thenable throws", () => ({ then: () => { throw failure; } })],
  ]) {
    test(`${what} is logged, and the others are called`, async (t) => {
      const logged = errorsOf(t);
      const unhandled = [];
      const keep = (error) => unhandled.push(error);
      process.on("unhandledRejection", keep);
      t.after(() => process.off("unhandledRejection", keep));
      const document = await connect(t, server).document({ data: { n: 0 } });
      document.on("updated", listener);
      const received = next(document, "updated");
      await document.set({ n: 1 });
      assert.deepEqual((await received).data, { n: 1 });
      await until(() => logged.length === 1);
      assert.deepEqual(logged, [["syncline: a listener for updated failed:", failure]]);
      assert.deepEqual(unhandled, []);
    });
  }

  test("of the client too", async (t) => {
    const logged = errorsOf(t);
    const client = connect(t, server);
    client.on("connectionStateChanged", async () => { throw failure; });
    await client.document();
    await until(() => logged.length === 1);
    assert.equal(logged[0][0], "syncline: a listener for connectionStateChanged failed:");
  });

  test("that is async and does not fail is nobody's concern", async (t) => {
    const logged = errorsOf(t);
    const emitter = new Emitter();
    emitter.on("news", async () => "well");
    emitter.on("news", () => null);
    assert.equal(emitter.emit("news", 1), true);
    await new Promise(setImmediate);
    assert.deepEqual(logged, []);
  });
});

describe("mutate inside mutate", () => {
  const NESTED = /mutate was called inside a mutator of the same document/;
  const add = (data) => ({ n: (data.n ?? 0) + 1 });
  for (const [what, mutator] of [
    ["at once", (inner) => async (data) => { await inner(); return add(data); }],
    [
      "after an await",
      (inner) => async (data) => {
        await new Promise(setImmediate);
        await inner();
        return add(data);
      },
    ],
  ]) {
    test(`is refused, and what follows goes on: ${what}`, async (t) => {
      const client = connect(t, server);
      const id = freshName(t);
      const [document, handle] = [await client.document(id), await client.document(id)];
      for (const inner of [document, handle]) {
        assert.match((await rejection(document.mutate(mutator(() => inner.mutate(add))))).message, NESTED);
      }
      assert.deepEqual(await document.mutate(add), { n: 1 });
    });
  }

  test("of another document works", async (t) => {
    const client = connect(t, server);
    const [one, other] = [await client.document(), await client.document()];
    await one.mutate(async (data) => {
      await new Promise(setImmediate);
      await other.mutate(add);
      return add(data);
    });
    assert.deepEqual([one.data, other.data], [{ n: 1 }, { n: 1 }]);
  });

  test("through another document is refused", async (t) => {
    const client = connect(t, server);
    const [one, other] = [await client.document(), await client.document()];
    const refusal = await rejection(
      one.mutate(async (data) => {
        await other.mutate(async () => one.mutate(add));
        return add(data);
      }),
    );
    assert.match(refusal.message, NESTED);
  });

  test("that the mutator does not wait for, and calls when it has returned, works", async (t) => {
    const document = await connect(t, server).document();
    let later;
    await document.mutate((data) => {
      later = new Promise((resolve) => setImmediate(resolve)).then(async () => {
        await until(() => document.data.n === 1);
        return document.mutate(add);
      });
      return add(data);
    });
    assert.deepEqual(await later, { n: 2 });
  });

  test("where callers cannot be followed it ends after a while", async (t) => {
    t.mock.method(process, "getBuiltinModule", () => undefined);
    const { Client: BrowserClient } = await importAgain();
    const client = new BrowserClient(server.token("alice"), { url: server.url, mutateWait: 50 });
    t.after(() => client.shutdown());
    const document = await client.document();
    const refusal = await rejection(
      document.mutate(async () => {
        await new Promise(setImmediate);
        return document.mutate(add);
      }),
    );
    assert.match(refusal.message, NESTED);
    const rounds = Array.from({ length: 20 }, () => document.mutate(add));
    await Promise.all(rounds);
    assert.deepEqual(document.data, { n: 20 });
  });
});

/** The client, evaluated a second time. */
async function importAgain() {
  const script = await bundle();
  return vm.runInThisContext(`${script}; Syncline`);
}

describe("what is no JSON", () => {
  const circle = {};
  circle.self = circle;
  for (const [what, value, named] of [
    ["a BigInt", 1n, /at \/a a BigInt is/],
    ["a circle", circle, /at \/a\/self it contains itself/],
    ["a function", () => {}, /at \/a it is a function/],
    ["a symbol", Symbol("s"), /at \/a it is a symbol/],
    ["NaN", NaN, /at \/a NaN is/],
    ["undefined in an array", [undefined], /at \/a\/0 it is undefined/],
    ["a map", new Map([[1, 2]]), /at \/a it is a Map/],
    ["a promise", Promise.resolve(1), /at \/a it is a Promise/],
    ["a function further in", { b: [{ c() {} }] }, /at \/a\/b\/0\/c it is a function/],
  ]) {
    test(`${what} is refused at once, by each call`, async (t) => {
      const client = connect(t, server);
      const document = await client.document({ data: { a: 0 } });
      const { revision } = document;
      for (const call of [
        () => document.update({ a: value }),
        () => document.set({ a: value }),
        () => document.mutate(() => ({ a: value })),
        () => document.patch({ merge: { a: value } }),
        () => client.document({ data: { a: value } }),
      ]) {
        const refusal = await rejection(call());
        assert.deepEqual([refusal.status, refusal.code], [400, 54008]);
        assert.match(refusal.message, /^This is not a JSON value: .+\.$/);
        assert.match(refusal.message, named);
      }
      assert.equal(document.revision, revision);
    });
  }

  for (const value of [undefined, null, 1, 1n, "text", [], () => {}, Symbol("s"), new Map()]) {
    test(`update with ${typeof value} ${String(value)} is refused`, async (t) => {
      const document = await connect(t, server).document();
      assert.equal((await rejection(document.update(value))).status, 400);
      if (value != null) assert.equal((await rejection(document.patch({ merge: value }))).status, 400);
    });
  }

  test("a member that is undefined is omitted, as JavaScript does", async (t) => {
    const document = await connect(t, server).document({ data: { a: 1, b: 2 } });
    assert.deepEqual(await document.update({ a: undefined, when: new Date(0) }), {
      b: 2,
      when: "1970-01-01T00:00:00.000Z",
    });
    assert.deepEqual(await document.set({ a: undefined, b: null }), { b: null });
  });
});

describe("the URL of the server", () => {
  test("may have a path prefix", async (t) => {
    const asked = [];
    const client = connect(t, server, {
      url: "http://127.0.0.1:1/some/prefix/",
      transport: "rest",
      fetch: async (input) => {
        asked.push(input);
        throw new TypeError("no network");
      },
    });
    await next(client, "connectionError");
    assert.match(asked[0], /^http:\/\/127\.0\.0\.1:1\/some\/prefix\/v3\/Configuration$/);
  });

  for (const wrong of ["no url", "", "/path", "//host", 7, "ftp://host"]) {
    test(`${JSON.stringify(wrong)} is none, and the error says what is`, () => {
      assert.throws(() => new Client("a.b.c", { url: wrong }), {
        name: "TypeError",
        message: `url must be http(s)://host or ws(s)://host, not ${wrong}`,
      });
    });
  }

  test("is needed where the module was not loaded from a server", () => {
    assert.throws(() => new Client("a.b.c"), /pass the option `url`/);
  });

  test("is needed in a bundle that is no module, outside of a page", async () => {
    const { Client: Bundled } = vm.runInNewContext(`${await bundle()}; Syncline`, {
      crypto, TextEncoder, setTimeout, clearTimeout, URL,
    });
    assert.throws(() => new Bundled("a.b.c"), /pass the option `url`/);
  });

  test("of a page is the default in such a bundle", async (t) => {
    const asked = [];
    const { Client: Bundled } = vm.runInNewContext(`${await bundle()}; Syncline`, {
      crypto, TextEncoder, setTimeout, clearTimeout, setInterval, clearInterval, URL, performance,
      AbortController,
      location: new URL("https://page.example.com/some/page.html"),
      fetch: async (input) => {
        asked.push(input);
        throw new TypeError("no network");
      },
    });
    const client = new Bundled("a.b.c", { transport: "rest" });
    t.after(() => client.shutdown());
    await new Promise((resolve) => client.once("connectionError", resolve));
    assert.match(asked[0], /^https:\/\/page\.example\.com\/v3\/Configuration$/);
  });
});
