/** The option `debug`: a readable log, without tokens, and without data unless it is asked for. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Client } from "../../clients/js/src/syncline.js";
import { Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, next, until } from "./support.js";

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

const SECRET = "what nobody may see";

/** Lines without what differs from run to run. */
function stable(lines) {
  return lines.map((line) =>
    line
      .replace(/^syncline \d\d:\d\d:\d\d\.\d{3} /, "")
      .replace(/ in \d+ ms/, "")
      .replace(/"(ET|MP|TO)[0-9a-f]{32}"/, "$1")
      .replace(/revision="\d+"/, "revision"),
  );
}

/** A client that logs, and its lines. */
function logging(t, options = {}) {
  const lines = [];
  return { client: connect(t, server, { debug: (line) => lines.push(line), ...options }), lines };
}

test("states, requests, replies and events are lines, in order", async (t) => {
  const { client, lines } = logging(t, { transport: "websocket" });
  const id = crypto.randomUUID();
  const document = await client.document({ id, data: { n: 1 } });
  const received = next(document, "updated");
  await document.set({ n: 2 }, { ttl: 60 });
  await received;
  const map = await client.map({ id, prefix: "a" });
  const added = next(map, "itemAdded");
  await map.set("alice", { n: 1 });
  await added;
  await assert.rejects(map.add("alice", {}));
  await client.shutdown();
  const named = JSON.stringify(id);
  assert.deepEqual(stable(lines), [
    `client 0.1.0 of ${server.url}, transport websocket`,
    "connected, transport websocket",
    `→ 1 open document ${named} mode="open_or_create"`,
    `← 1 ok document ET ${named} revision created=true`,
    "→ 2 set document ET ttl=60",
    `← 2 ok document ET ${named} revision`,
    `event updated document ET ${named} revision`,
    `→ 3 open map ${named} mode="open_or_create" prefix="a"`,
    `← 3 ok map MP ${named} revision created=true`,
    '→ 4 set map MP key="alice"',
    `← 4 ok map MP ${named} kind="added" key="alice" revision`,
    `event items map MP ${named} revision added "alice"`,
    '→ 5 add map MP key="alice"',
    "← 5 refused: 409/54208 The map has an item 'alice' already; nothing was changed.",
    "disconnecting",
    "disconnected",
  ]);
});

for (const transport of ["websocket", "rest"]) {
  test(`${transport}: no line has a token or data`, async (t) => {
    const tokens = [];
    const { client, lines } = logging(t, { transport });
    await client.updateToken(() => {
      tokens.push(server.token("alice"));
      return tokens.at(-1);
    });
    const data = { [SECRET]: SECRET, n: 0 };
    const document = await client.document({ data });
    await document.set(data);
    await document.update({ again: SECRET });
    await document.mutate(() => data);
    await document.patch({ merge: { merged: SECRET } });
    await document.increment("/n");
    await assert.rejects(document.set(data, { ifMatch: "1" }));
    const operations = [{ op: "test", path: "/n", value: SECRET }];
    await assert.rejects(document.patch({ operations }));
    const map = await client.map();
    await map.set("a", data);
    await map.batch((batch) => batch.set("a", data).add("b", data));
    await map.getItems();
    await map.replica().ready;
    await map.remove("a");
    const stream = await client.stream();
    const received = next(stream, "messagePublished");
    await stream.publishMessage(data);
    await received;
    await client.updateToken(server.token("alice"));
    assert.ok(lines.length > 30);
    const text = lines.join("\n");
    assert.ok(!text.includes(SECRET), text);
    for (const token of tokens) {
      for (const part of token.split(".")) assert.ok(!text.includes(part.slice(0, 12)), text);
    }
  });
}

test("a token in the error of the token function is not logged", async (t) => {
  const token = server.token("alice");
  const lines = [];
  const client = new Client(
    () => {
      throw new Error(`cannot parse ${token} nor ${token.slice(0, 10)}`);
    },
    { url: server.url, debug: (line) => lines.push(line) },
  );
  t.after(() => client.shutdown());
  await next(client, "connectionError");
  const [, line] = stable(lines);
  const message = "there is no token: cannot parse (token) nor (token)";
  assert.equal(line, `connection error: ${message}`);
});

test("`debugData` adds the messages with their data", async (t) => {
  const messages = [];
  const client = connect(t, server, {
    debug: (line, message) => messages.push(message),
    debugData: true,
    transport: "websocket",
  });
  const document = await client.document({ data: { n: 1 } });
  const received = next(document, "updated");
  await document.set({ n: 2 });
  await received;
  const map = await client.map();
  await map.batch((batch) => batch.set("a", { n: 3 }));
  const sent = messages.filter((each) => each?.do);
  assert.deepEqual(sent.map(({ do: verb, data }) => [verb, data]).slice(0, 2), [
    ["open", { n: 1 }],
    ["set", { n: 2 }],
  ]);
  assert.deepEqual(sent.at(-1).operations, [{ op: "put", key: "a", data: { n: 3 } }]);
  assert.ok(messages.some((each) => each?.event === "updated"));
});

test("a break and the next connection are lines", async (t) => {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  const options = { url: proxy.url, transport: "websocket", backoffInitial: 1 };
  const { client, lines } = logging(t, options);
  const document = await client.document();
  proxy.cut();
  await next(client, "connectionStateChanged");
  await document.set({ n: 1 });
  const words = stable(lines);
  assert.ok(words.some((line) => line.startsWith("connection error: ")), words.join("\n"));
  assert.ok(words.indexOf("connecting") < words.lastIndexOf("connected, transport websocket"));
});

describe("the log goes", () => {
  for (const method of ["log", "debug"]) {
    test(`to an object with a method ${method}`, async (t) => {
      const lines = [];
      const target = { [method](line) { lines.push([this, line]); } };
      await connect(t, server, { debug: target }).document();
      assert.ok(lines.length > 2);
      assert.ok(lines.every(([self, line]) => self === target && line.startsWith("syncline ")));
    });
  }

  test("to the console", async (t) => {
    const lines = [];
    t.mock.method(console, "log", (...words) => lines.push(words));
    await connect(t, server, { debug: true }).document();
    await connect(t, server, { debug: console }).document();
    assert.ok(lines.length > 4);
    assert.ok(lines.every((words) => words.length === 1));
  });

  test("nowhere by default", async (t) => {
    const log = t.mock.method(console, "log", () => {});
    for (const debug of [undefined, null, false]) await connect(t, server, { debug }).document();
    assert.equal(log.mock.callCount(), 0);
  });

  test("to nothing that cannot log", () => {
    for (const debug of ["console", 1, {}, { log: "file" }, Symbol("s")]) {
      assert.throws(() => new Client("token", { url: server.url, debug }), {
        name: "TypeError",
        message: "debug is true, a function, or an object with a method log or debug",
      });
    }
  });
});

test("a debug function that throws is reported, and the client goes on", async (t) => {
  const failure = new Error("a defect of the application");
  const logged = [];
  t.mock.method(console, "error", (...words) => logged.push(words));
  const debug = () => {
    throw failure;
  };
  const document = await connect(t, server, { debug }).document();
  await document.set({ n: 1 });
  await until(() => logged.length > 2);
  assert.deepEqual(logged[0], ["syncline: the debug function failed:", failure]);
});
