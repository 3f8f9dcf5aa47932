/** Many at once, with the vendor's unmodified SDK among them. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { sharedServer } from "./server.js";
import { connect, freshName, once, when } from "./support.js";
import { open, record, whenSubscribed } from "./vendor-sdk.js";

const PYTHON = fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server.stop());

test("60 clients that open one new name at once have one document", async (t) => {
  const name = freshName(t);
  const clients = Array.from({ length: 60 }, (_, n) => open(t, server, { identity: `c${n}` }));
  const documents = await Promise.all(
    clients.map((client, n) => client.document({ id: name, data: { by: n } })),
  );
  assert.equal(new Set(documents.map(({ sid }) => sid)).size, 1);
  assert.equal(new Set(documents.map(({ data }) => data.by)).size, 1);
});

test("300 rapid writes are applied in order, and received in order", async (t) => {
  const document = await open(t, server).document({ data: { n: 0 } });
  const other = await open(t, server, { identity: "bob" }).document(document.sid);
  await whenSubscribed(other);
  const [own, others] = [record(document), record(other)];
  const numbers = Array.from({ length: 300 }, (_, n) => n + 1);
  // `mutate`, because writes by `set` that wait are merged into one by the SDK.
  await Promise.all(numbers.map((n) => document.mutate(() => ({ n }))));
  await when(other, ({ data }) => data.n === 300);
  const reported = (isLocal) => numbers.map((n) => ["updated", isLocal, { n }, { n: n - 1 }]);
  assert.deepEqual(own, reported(true));
  assert.deepEqual(others, reported(false));
});

const ROUNDS = 50;

/** Takes part with the Python client; prints the data it ends with. */
const IN_PYTHON = `
import asyncio, json, sys
import syncline

async def main(url, token, name, rounds, total):
    async with syncline.connect(url, token=token) as client:
        document = await client.document(name)
        done = asyncio.Event()
        document.on("updated", lambda event: event.data["count"] == total and done.set())
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for _ in range(rounds):
            await document.mutate(lambda data: {**data, "count": data["count"] + 1})
        if document.data["count"] != total:
            await done.wait()
        print(json.dumps([document.data, document.revision]))

url, token, name, rounds, total = sys.argv[1:]
asyncio.run(main(url, token, name, int(rounds), int(total)))
`;

test("the SDK, the browser client and the Python client count together", async (t) => {
  const id = freshName(t);
  const total = 3 * ROUNDS;
  const vendors = await open(t, server).document({ id, data: { count: 0 } });
  const ours = await connect(t, server, { identity: "bob" }).document(id);
  const token = server.token("carol");
  const args = ["-c", IN_PYTHON, server.url, token, id, `${ROUNDS}`, `${total}`];
  const python = spawn(PYTHON, args, { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => python.kill());
  await once(python.stdout, "data");
  const output = python.stdout.toArray();
  python.stdin.write("go\n");

  const count = async (document) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await document.mutate((data) => ({ ...data, count: data.count + 1 }));
    }
    await when(document, ({ data }) => data.count === total);
  };
  await Promise.all([count(vendors), count(ours)]);
  const [data, revision] = JSON.parse(Buffer.concat(await output));

  assert.deepEqual([vendors.data, ours.data, data], Array(3).fill({ count: total }));
  assert.equal(vendors.revision, ours.revision);
  assert.equal(String(revision), vendors.revision);
});
