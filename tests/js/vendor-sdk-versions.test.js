/** One script of documents, connections and tokens for each tested version of the vendor's SDK. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Proxy } from "./proxy.js";
import { startServer } from "./server.js";
import { next, rejection, whenState } from "./support.js";
import { IMPATIENT, open, VERSIONS, whenSubscribed } from "./vendor-sdk.js";

const DATA_LIMIT = 16_384;
const FORBIDDEN = [403, 54007];
const REMOVED = [404, 54100];

let server;
before(async () => {
  server = await startServer("--token-leeway=0");
});
after(() => server.stop());

/** Version 0.12 calls the data of a document its value. */
const read = ({ data, value }) => data ?? value;

/** Everything that a document reports from now on, as `[name, isLocal, data]`. */
function record(document) {
  const events = [];
  for (const name of ["updated", "removed", "failure"]) {
    document.on(name, (event) => events.push([name, event.isLocal, read(event)]));
  }
  return events;
}

/** Resolved once the document's `n` is that number. */
async function whenCounted(document, n) {
  while (read(document).n !== n) await next(document, "updated");
}

async function refused(promise, [status, code]) {
  const error = await rejection(promise);
  assert.deepEqual([error.status, error.code], [status, code], error.message);
}

/** What the steps of one version share. */
class Script {
  constructor(t, version) {
    this.t = t;
    this.name = `${version} ${crypto.randomUUID()}`;
    this.Sdk = VERSIONS[version];
    this.documents = 0;
  }

  open(options) {
    return open(this.t, server, { Sdk: this.Sdk, ...IMPATIENT, ...options });
  }

  /** The option of `document()` for the data of a new one. */
  holding(data) {
    return this.Sdk.version.startsWith("0.") ? { value: data } : { data };
  }

  newName() {
    this.documents += 1;
    return `${this.name} ${this.documents}`;
  }

  /** A client behind a proxy, and a document that it has open and subscribed. */
  async openThroughProxy(options) {
    const proxy = await Proxy.start(server.url);
    this.t.after(() => proxy.stop());
    const client = this.open({ url: proxy.url, ...options });
    return { proxy, client };
  }

  /** A service with permissions, and a document in it that only `alice` may read. */
  async restricted() {
    const made = await server.account("POST", "/v1/Services", { AclEnabled: "true" });
    const base = `/v1/Services/${made.sid}/Documents`;
    const name = this.newName();
    const { sid } = await server.account("POST", base, { UniqueName: name, Data: '{"n":0}' });
    const path = `${base}/${sid}/Permissions/alice`;
    const may = { Read: "true", Write: "true", Manage: "false" };
    const allow = () => server.account("POST", path, may);
    await allow();
    const token = server.token("alice", 3_600, made.sid);
    return { name, token, allow, forbid: () => server.account("DELETE", path) };
  }
}

const put = (document, n) => server.rest("POST", `/${document.sid}`, { Data: `{"n":${n}}` });

async function cut(proxy, client) {
  const left = whenState(client, "connecting");
  proxy.isDown = true;
  proxy.cut();
  await left;
}

/** In this order; later ones use what earlier ones have left in the script. */
const STEPS = {
  "connect": async (script) => {
    script.mine = script.open();
    script.other = script.open({ identity: "bob" });
    await Promise.all([script.mine, script.other].map((each) => whenState(each, "connected")));
  },
  "create by name": async (script) => {
    const options = { id: script.newName(), ttl: 600, ...script.holding({ n: 0 }) };
    script.document = await script.mine.document(options);
    assert.match(script.document.sid, /^ET[0-9a-f]{32}$/);
    assert.deepEqual(read(script.document), { n: 0 });
    assert.ok(Date.parse(script.document.dateExpires) > Date.now());
  },
  "find by name": async (script) => {
    script.theirs = await script.other.document(script.document.uniqueName);
    assert.equal(script.theirs.sid, script.document.sid);
    assert.deepEqual(read(script.theirs), { n: 0 });
  },
  "create without a name": async (script) => {
    const [first, second] = [await script.mine.document(), await script.mine.document()];
    assert.notEqual(first.sid, second.sid);
    assert.equal(first.uniqueName, null);
  },
  "open_existing without a document": (script) =>
    refused(script.mine.document({ id: script.newName(), mode: "open_existing" }), [404, 54300]),
  "create_new with a taken name": (script) =>
    refused(
      script.mine.document({ id: script.document.uniqueName, mode: "create_new" }),
      [409, 54301],
    ),
  "subscribe": async (script) => {
    await Promise.all([script.document, script.theirs].map(whenSubscribed));
  },
  "set": async (script) => {
    script.events = [record(script.document), record(script.theirs)];
    assert.deepEqual(await script.document.set({ n: 1 }), { n: 1 });
  },
  "receive a change of another client": async (script) => {
    await whenCounted(script.theirs, 1);
    assert.deepEqual(script.events[1], [["updated", false, { n: 1 }]]);
  },
  "receive one's own change once": async (script) => {
    await script.mine.document(script.newName()); // its reply comes after all events so far
    assert.deepEqual(script.events[0], [["updated", true, { n: 1 }]]);
  },
  "update": async (script) => {
    assert.deepEqual(await script.document.update({ m: 1 }), { n: 1, m: 1 });
  },
  "mutate from both sides": async (script) => {
    const increment = (data) => ({ n: data.n + 1 });
    const sides = [script.document, script.theirs];
    await Promise.all(sides.map((document) => document.mutate(increment)));
    await Promise.all(sides.map((document) => whenCounted(document, 3)));
  },
  "setTtl": async (script) => {
    await script.document.setTtl(60);
    const { date_expires } = await server.rest("GET", `/${script.document.sid}`);
    assert.ok(Date.parse(date_expires) - Date.now() < 61_000);
  },
  "receive a change of the REST API": async (script) => {
    await put(script.document, 4);
    await whenCounted(script.document, 4);
  },
  "data above the limit": async (script) => {
    await refused(script.document.set({ s: "x".repeat(DATA_LIMIT) }), [413, 54006]);
    assert.deepEqual(read(script.document), { n: 4 });
  },
  "close, and open again": async (script) => {
    const { uniqueName } = script.document;
    script.document.close();
    await put(script.document, 5);
    script.document = await script.mine.document(uniqueName);
    await whenCounted(script.document, 5);
    await whenSubscribed(script.document);
  },
  "catch up after a break": async (script) => {
    const { proxy, client } = await script.openThroughProxy();
    const document = await whenSubscribed(await client.document(script.holding({ n: 0 })));
    await cut(proxy, client);
    await put(document, 1);
    await put(document, 2);
    const events = record(document);
    proxy.isDown = false;
    await whenCounted(document, 2);
    await whenSubscribed(document);
    assert.deepEqual(events, [["updated", false, { n: 2 }]]);
    await put(document, 3);
    await whenCounted(document, 3);
  },
  "a removal during a break": async (script) => {
    const { proxy, client } = await script.openThroughProxy();
    const name = script.newName();
    const document = await whenSubscribed(await client.document(name));
    await cut(proxy, client);
    await server.rest("DELETE", `/${document.sid}`);
    const { sid } = await server.rest("POST", "", { UniqueName: name, Data: '{"n":1}' });
    const removed = next(document, "removed");
    proxy.isDown = false;
    await removed;
    const again = await client.document(name);
    assert.deepEqual([again.sid, read(again)], [sid, { n: 1 }]);
  },
  "remove": async (script) => {
    const removed = next(script.theirs, "removed");
    await script.document.removeDocument();
    await removed;
    await refused(script.theirs.set({}), REMOVED);
  },
  "create again under the name": async (script) => {
    const again = await script.mine.document({
      id: script.theirs.uniqueName,
      ...script.holding({ n: 9 }),
    });
    assert.notEqual(again.sid, script.theirs.sid);
    assert.deepEqual(read(again), { n: 9 });
  },
  "an expiry": async (script) => {
    const document = await whenSubscribed(await script.mine.document({ ttl: 1 }));
    await next(document, "removed");
  },
  "lose the right to read during a break": async (script) => {
    const { name, token, allow, forbid } = await script.restricted();
    const { proxy, client } = await script.openThroughProxy({ token });
    const document = await whenSubscribed(await client.document(name));
    const events = record(document);
    await cut(proxy, client);
    await forbid();
    const removed = next(document, "removed");
    proxy.isDown = false;
    await removed;
    assert.deepEqual(events, [["removed", false, undefined]]);
    await refused(client.document(name), FORBIDDEN);
    await allow();
    const again = await whenSubscribed(await client.document(name));
    assert.deepEqual(await again.set({ n: 1 }), { n: 1 });
  },
  "renew the token in time": async (script) => {
    const client = script.open({ token: server.token("alice", 600) });
    const document = await whenSubscribed(await client.document(script.holding({ n: 0 })));
    await client.updateToken(server.token("alice"));
    assert.deepEqual(await document.set({ n: 1 }), { n: 1 });
  },
  "renew the token on tokenExpired": async (script) => {
    const client = script.open({ token: server.token("alice", 3) });
    const expired = next(client, "tokenExpired");
    const document = await whenSubscribed(await client.document(script.holding({ n: 0 })));
    await expired;
    await put(document, 1);
    await client.updateToken(server.token("alice"));
    await whenState(client, "connected");
    await whenCounted(document, 1);
    await put(document, 2);
    await whenCounted(document, 2);
  },
  "a name above all limits": async (script) => {
    await refused(script.mine.document("x".repeat(70_000)), [413, 54006]);
    assert.equal(script.mine.connectionState, "connected");
  },
  "a request above the message limit": async (script) => {
    const [large, small] = await Promise.all([script.mine.document(), script.mine.document()]);
    await Promise.all([large, small].map(whenSubscribed));
    await Promise.all([
      refused(large.set({ s: "x".repeat(400_000) }), [413, 54006]),
      small.set({ n: 1 }),
    ]);
    await put(large, 2);
    await whenCounted(large, 2);
    assert.equal(script.mine.connectionState, "connected");
  },
};

const results = Object.fromEntries(Object.keys(STEPS).map((step) => [step, {}]));
after(() => console.table(results));

describe("versions of the SDK", { concurrency: true }, () => {
  for (const version of Object.keys(VERSIONS)) {
    test(version, async (t) => {
      const script = new Script(t, version);
      for (const [step, run] of Object.entries(STEPS)) {
        await t.test(step, { timeout: 30_000 }, async () => {
          results[step][version] = "fails";
          await run(script);
          results[step][version] = "works";
        });
      }
    });
  }
});
