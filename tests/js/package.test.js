/** The package: its types, what it holds, what it says of itself. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import * as syncline from "../../clients/js/src/syncline.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const packageDirectory = join(root, "clients/js");
const tsc = join(root, "node_modules/.bin/tsc");

const CONSUMER = `
import Default, { Client, Emitter, EventQueue, ListItem, MapItem, Paginator, Replica, Snapshot, SyncClient, SyncDocument, SyncList, SyncMap, SyncStream, SynclineError } from "syncline";
import type { ClientOptions, ConnectionState, DocumentEvent, ItemAddedEvent, UpdatedEvent } from "syncline";

const options: ClientOptions = { url: "https://sync.example.com", transport: "rest" };
const client: Client = new SyncClient(async () => "token", options);
const state: ConnectionState = client.connectionState;
client.on("connectionStateChanged", (next: ConnectionState) => next === state);
client.on("connectionError", ({ terminal, message }) => [terminal satisfies boolean, message.length]);
client.once("tokenExpired", () => client.updateToken("token"));

const document: SyncDocument = await client.document({ id: "a", mode: "open_existing", ttl: 1 });
document.on("updated", (event: UpdatedEvent) => event.previousData.color satisfies unknown);
document.on("removed", ({ isLocal, expired }) => [isLocal satisfies boolean, expired]);
await document.mutate((data) => ({ count: data.count + 1 }), { ttl: 60 });
await document.mutate(() => null);
await document.set({ color: "red" }, { ifMatch: document.revision });
await document.patch({ increment: { "/count": 1 } });
for await (const event of document.events()) {
  const received: DocumentEvent = event;
  if (received.type === "updated") received.data satisfies Record<string, unknown>;
}

const map: SyncMap = await client.map({ id: "players", prefix: "team1/", ttl: 60 });
map.on("itemAdded", (event: ItemAddedEvent<MapItem>) => [event.item.key satisfies string, event.isLocal]);
map.on("itemRemoved", ({ previousItemData, expired }) => [previousItemData, expired]);
const set: MapItem = await map.set("alice", { score: 1 }, { ttl: 60, ifMatch: "-1" });
await map.mutate("alice", (data) => ({ score: data.score + set.data.score }));
const page: Paginator<MapItem> = await map.getItems({ from: "a", pageSize: 10, order: "desc" });
if (page.hasNextPage) (await page.nextPage()).items.map(({ key }) => key.length);
const [result] = await map.batch((batch) => batch.set("bob", {}).remove("alice"));
result.item?.key satisfies string | undefined;
const replica: Replica<MapItem> = map.replica();
await replica.ready;
for (const { key, data } of replica) console.log(key satisfies string, data);
for await (const event of map.events()) console.log(event.type satisfies string);
const list: SyncList = await client.list({ id: "tasks", indexes: [1, 2] });
const pushed: ListItem = await list.push({ do: "sweep" });
await list.increment(pushed.index, "/n", 2);
const stream: SyncStream = await client.stream("cursors");
stream.on("messagePublished", ({ message }) => message.data.x);
stream.on("missed", ({ count }) => count satisfies number);
await stream.publishMessage({ x: 1 });
// @ts-expect-error an item of a list has an index
await list.get("key");
// @ts-expect-error a map has no such event
map.on("messagePublished", () => {});

const newest: Snapshot | null = new SynclineError("no").document;
export { Default, Emitter, EventQueue, newest };

// @ts-expect-error there is no such event
document.on("changed", () => {});
// @ts-expect-error a token is needed
new Client();
`;

let directory;
let packed;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "syncline-package-"));
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--no-update-notifier"], {
    cwd: packageDirectory,
  });
  [packed] = JSON.parse(stdout);
});
after(() => rm(directory, { recursive: true }));

test("the types are right", async () => {
  await run(tsc, ["-p", packageDirectory]);
});

test("the package holds the modules and their types, and nothing else", async () => {
  const parts = await readdir(join(packageDirectory, "src/syncline"));
  const modules = ["syncline", ...parts.map((part) => `syncline/${part.replace(/\.js$/, "")}`)];
  assert.deepEqual(
    packed.files.map(({ path }) => path).sort(),
    [
      "README.md",
      "package.json",
      ...modules.flatMap((name) => [`src/${name}.js`, `types/${name}.d.ts`]),
    ].sort(),
  );
});

test("TypeScript that uses the package compiles", async () => {
  await writeFile(join(directory, "consumer.mts"), CONSUMER);
  await writeFile(join(directory, "package.json"), '{"type":"module"}');
  await run("mkdir", ["-p", join(directory, "node_modules")]);
  await symlink(packageDirectory, join(directory, "node_modules/syncline"));
  const flags = "--strict --noEmit --target es2022 --module nodenext --lib es2022,dom,esnext.disposable";
  await run(tsc, [...flags.split(" "), "--types", "", "consumer.mts"], { cwd: directory }).catch(
    ({ stdout }) => assert.fail(stdout),
  );
});

test("typed programs compile, and each wrong line in them is refused", async () => {
  await run(tsc, ["-p", join(root, "tests/types")]).catch(({ stdout }) => assert.fail(stdout));
});

test("everything public is exported, and nothing else", () => {
  assert.deepEqual(Object.keys(syncline).sort(), [
    "Client",
    "Emitter",
    "EventQueue",
    "ListItem",
    "MapItem",
    "Paginator",
    "Replica",
    "Snapshot",
    "StreamMessage",
    "SyncClient",
    "SyncDocument",
    "SyncList",
    "SyncMap",
    "SyncStream",
    "SynclineError",
    "TokenDenied",
    "default",
  ]);
  assert.equal(syncline.SyncClient, syncline.Client);
  assert.equal(syncline.default, syncline.Client);
});

test("the versions agree", async () => {
  const protocol = join(root, "protocol/syncline_protocol/__init__.py");
  const [, version] = /__version__ = "(.+)"/.exec(await readFile(protocol, "utf8"));
  assert.equal(syncline.Client.version, version);
  assert.equal(packed.version, version);
});
