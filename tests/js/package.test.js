/** The package: its types, what it holds, what it says of itself. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import vm from "node:vm";
import { brotliCompressSync, gzipSync } from "node:zlib";

import * as syncline from "../../clients/js/src/syncline.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const packageDirectory = join(root, "clients/js");
const PROGRAMS = join(root, "tests/types");
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

/**
 * Maximum sizes of a build in bytes: about a tenth above what it has, so that a dependency, or a
 * part that is bundled twice, is noticed. `README.md` states the sizes.
 */
const BUDGET = { raw: 95_000, gzip: 32_000, brotli: 29_000 };

/** What `README.md` states may be off by this part. */
const TOLERANCE = 0.1;

const VENDOR = join(root, "node_modules/twilio-sync/builds/twilio-sync.min.js");

const BUILDS = ["syncline.min.js", "syncline.global.js"];

const brotli = (bytes) => brotliCompressSync(bytes).length;
const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;

async function sizesOf(path) {
  const bytes = await readFile(path);
  return { raw: bytes.length, gzip: gzip(bytes), brotli: brotli(bytes) };
}

let directory;
/** The package, as it is packed. */
let built;
let packed;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "syncline-package-"));
  built = join(directory, "package");
  // Not in clients/js itself: other tests may use what is built there.
  await run(process.execPath, [join(packageDirectory, "build.js"), built]);
  const options = ["--dry-run", "--json", "--ignore-scripts", "--no-update-notifier"];
  const { stdout } = await run("npm", ["pack", ...options], { cwd: built });
  [packed] = JSON.parse(stdout);
});
after(() => rm(directory, { recursive: true }));

const check = (...options) =>
  run(tsc, options, { cwd: directory }).catch(({ stdout }) => assert.fail(stdout));

test("the types are right", async () => {
  await check("-p", packageDirectory);
});

test("the package holds the modules, their types and the builds, and nothing else", async () => {
  const sources = await readdir(join(packageDirectory, "src"), { recursive: true });
  const modules = sources.filter((name) => name.endsWith(".js")).map((name) => name.slice(0, -3));
  assert.deepEqual(
    packed.files.map(({ path }) => path).sort(),
    [
      "LICENSE",
      "README.md",
      "package.json",
      ...BUILDS.flatMap((name) => [`dist/${name}`, `dist/${name}.map`]),
      ...modules.flatMap((name) => [
        `src/${name}.js`,
        `types/${name}.d.ts`,
        `types/${name}.d.ts.map`,
      ]),
    ].sort(),
  );
});

for (const [resolution, module] of [["nodenext", "nodenext"], ["bundler", "esnext"]]) {
  test(`TypeScript that uses the package compiles: ${resolution}`, async () => {
    const consumer = join(directory, resolution);
    await mkdir(join(consumer, "node_modules"), { recursive: true });
    await writeFile(join(consumer, "consumer.mts"), CONSUMER);
    await writeFile(join(consumer, "package.json"), '{"type":"module"}');
    await symlink(built, join(consumer, "node_modules/syncline"));
    for (const program of await readdir(PROGRAMS)) {
      if (program.endsWith(".ts")) await cp(join(PROGRAMS, program), join(consumer, program));
    }
    const compilerOptions = {
      module,
      moduleResolution: resolution,
      lib: ["es2022", "dom", "esnext.disposable"],
      target: "es2022",
      strict: true,
      noEmit: true,
      types: [],
    };
    await writeFile(join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions }));
    await check("-p", consumer);
  });
}

test("the program in the guide compiles", async () => {
  const guide = await readFile(join(root, "docs/guide/typed-data.md"), "utf8");
  const [, program] = /## TypeScript\n[^]*?```ts\n([^]*?)```/.exec(guide);
  const names = ["show", "hide", "move"].map((name) => `declare function ${name}(...of: any[]): void;`);
  const client = "declare const client: Client;";
  await mkdir(join(directory, "guide/node_modules"), { recursive: true });
  await symlink(built, join(directory, "guide/node_modules/syncline"));
  await writeFile(join(directory, "guide/guide.mts"), [program, client, ...names].join("\n"));
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", ""];
  await check(...flags, join(directory, "guide/guide.mts"));
});

test("a wrong program that compiles is noticed", async () => {
  const program = 'import { Client } from "syncline";\n// @ts-expect-error\nnew Client("token");\n';
  await mkdir(join(directory, "wrong/node_modules"), { recursive: true });
  await writeFile(join(directory, "wrong/wrong.mts"), program);
  await symlink(built, join(directory, "wrong/node_modules/syncline"));
  const flags = ["--noEmit", "--module", "nodenext", "--types", ""];
  await assert.rejects(run(tsc, [...flags, join(directory, "wrong/wrong.mts")]), ({ stdout }) => {
    assert.match(stdout, /TS2578: Unused '@ts-expect-error' directive/);
    return true;
  });
});

test("a build has the same bytes wherever it is made", async () => {
  const again = join(directory, "again");
  await run(process.execPath, [join(packageDirectory, "build.js"), again]);
  for (const { path } of packed.files) {
    const [one, other] = [readFile(join(built, path)), readFile(join(again, path))];
    assert.ok((await one).equals(await other), path);
  }
});

test("the package says what a bundler and a CDN need", async () => {
  const { exports, ...manifest } = JSON.parse(await readFile(join(built, "package.json"), "utf8"));
  assert.equal(manifest.sideEffects, false);
  assert.equal(manifest.dependencies, undefined);
  const named = [manifest.types, manifest.unpkg, manifest.jsdelivr];
  const targets = Object.values(exports).flatMap((each) =>
    typeof each === "string" ? [each] : Object.values(each),
  );
  const paths = packed.files.map(({ path }) => `./${path}`);
  for (const each of [...named, ...targets]) assert.ok(paths.includes(each), each);
});

test("each build has a map to the sources", async () => {
  const sources = packed.files.map(({ path }) => path).filter((path) => path.startsWith("src/"));
  for (const name of BUILDS) {
    const text = await readFile(join(built, "dist", name), "utf8");
    assert.match(text, new RegExp(`//# sourceMappingURL=${name}\\.map\n$`));
    const map = JSON.parse(await readFile(join(built, `dist/${name}.map`), "utf8"));
    assert.equal(map.sources.length, map.sourcesContent.length);
    const mapped = map.sources.filter((path) => path.startsWith("../"));
    for (const path of mapped) assert.ok(sources.includes(path.slice("../".length)), path);
    assert.ok(mapped.length > sources.length / 2);
  }
});

test("a build is no larger than its budget, and README.md states its size", async () => {
  const readme = await readFile(join(packageDirectory, "README.md"), "utf8");
  const vendor = await sizesOf(VENDOR);
  const all = [["twilio-sync.min.js", vendor]];
  for (const name of BUILDS) {
    const sizes = await sizesOf(join(built, "dist", name));
    for (const [how, budget] of Object.entries(BUDGET)) {
      assert.ok(sizes[how] <= budget, `${name}: ${sizes[how]} bytes ${how}, more than ${budget}`);
      assert.ok(sizes[how] < vendor[how]);
    }
    all.push([name, sizes]);
  }
  for (const [name, sizes] of all) {
    const row = new RegExp(`\\| [^|]*${name}[^|]* \\| (\\d+) kB \\| (\\d+) kB \\| (\\d+) kB \\|`).exec(readme);
    assert.ok(row, `README.md does not state the size of ${name}`);
    for (const [place, size] of Object.values(sizes).entries()) {
      const stated = Number(row[place + 1]) * 1_000;
      assert.ok(Math.abs(stated - size) <= TOLERANCE * size, `${name}: ${stated}, not ${size}`);
    }
  }
});

test("the builds export what the module exports", async () => {
  const module = await import(pathToFileURL(join(built, "dist/syncline.min.js")));
  const script = await readFile(join(built, "dist/syncline.global.js"), "utf8");
  const names = Object.keys(syncline).sort();
  assert.deepEqual(Object.keys(module).sort(), names);
  const global = vm.runInThisContext(`(() => { ${script}\nreturn Syncline; })()`);
  assert.deepEqual(Object.keys(global).sort(), names);
});

test("everything public is exported, and nothing else", () => {
  assert.deepEqual(Object.keys(syncline).sort(), [
    "Client",
    "Emitter",
    "EventQueue",
    "Item",
    "ListBatch",
    "ListItem",
    "MapBatch",
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
