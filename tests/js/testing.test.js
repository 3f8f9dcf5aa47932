/** The package syncline-testing: a real server for the tests of applications. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { SyncClient } from "../../clients/js/src/syncline.js";
import * as testing from "../../clients/testing/src/index.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, ".venv/bin");
const entry = new URL("../../clients/testing/src/index.js", import.meta.url).href;

/** What a process does that never stops its server: `then` follows. */
const starts = (then) => `
  import { startServer } from ${JSON.stringify(entry)};
  const server = await startServer({ command: ${JSON.stringify(join(bin, "syncline"))} });
  console.log(server.url);
  ${then}
`;

/** Resolves when nothing listens at the URL any more. */
async function untilGone(url) {
  for (;;) {
    const reply = await fetch(`${url}/healthz`).catch(() => null);
    if (reply === null) return;
    await reply.text();
  }
}

describe("a server for tests", () => {
  let server;
  const clients = [];

  function connect(token) {
    const client = new SyncClient(token, { url: server.url });
    clients.push(client);
    return client;
  }

  before(async () => {
    server = await testing.startServer({ command: [join(bin, "syncline")], args: ["--item-limit=2000"] });
  });

  after(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
    await server.stop();
    await server.stop();
    await untilGone(server.url);
  });

  test("serves clients, each service for itself", async () => {
    const [one, two] = [await server.service(), await server.service({ AclEnabled: true })];
    const alice = connect(() => one.token("alice"));
    const lobby = await alice.document({ id: "lobby", data: { players: 1 } });
    await lobby.update({ players: 2 });
    const { documents } = await one.request("GET", "/Documents");
    assert.deepEqual(documents.map((each) => each.data), [{ players: 2 }]);
    assert.deepEqual((await two.request("GET", "/Documents")).documents, []);
    assert.equal((await server.request("GET", `/Services/${two.sid}`)).acl_enabled, true);
    await two.remove();
    await assert.rejects(two.request("GET", "/Documents"), /404/);
  });

  test("gives tokens of the default service, and credentials", async () => {
    const document = await connect(() => server.token("bob")).document("of-default");
    assert.match(document.sid, /^ET[0-9a-f]{32}$/);
    assert.match(server.accountSid, /^AC/);
    assert.match(server.apiKeySid, /^SK/);
    assert.ok(server.authToken && server.apiKeySecret);
  });

  test("moves its time: documents and tokens expire, and new tokens are valid", async () => {
    const service = await server.service();
    const brief = service.token("alice", { ttl: 60 });
    const alice = connect(() => service.token("alice"));
    const document = await alice.document({ id: "brief", ttl: 600 });
    const removed = new Promise((resolve) => document.on("removed", resolve));
    const now = await server.advance(601);
    assert.ok(now.getTime() - Date.now() > 590_000);
    assert.ok(server.offset >= 601);
    assert.equal((await removed).expired, true);
    const url = `${server.url}/v1/Services/${service.sid}/Documents`;
    const reply = await fetch(url, { headers: { Authorization: `Bearer ${brief}` } });
    assert.equal((await reply.json()).code, 20104);
    await (await alice.document("next")).update({ n: 1 });
  });
});

test("the server ends with the process that started it", async (t) => {
  await t.test("when that one is killed", async () => {
    const code = starts("setInterval(() => {}, 1000);");
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [url] = await once(createInterface({ input: child.stdout }), "line");
    child.kill("SIGKILL");
    await untilGone(url);
  });

  await t.test("when it forgets to stop the server, which does not keep it alive", async () => {
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", starts("")]);
    await untilGone(stdout.trim());
  });
});

test("the command is found, or its absence explained", async (t) => {
  const saved = { PATH: process.env.PATH, SYNCLINE_COMMAND: process.env.SYNCLINE_COMMAND };
  t.after(() => {
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  const directory = await mkdtemp(join(tmpdir(), "syncline-path-"));
  t.after(() => rm(directory, { recursive: true }));

  process.env.SYNCLINE_COMMAND = `"/a b/python" -m syncline_server`;
  assert.deepEqual(testing.findCommand(), ["/a b/python", "-m", "syncline_server"]);
  delete process.env.SYNCLINE_COMMAND;
  process.env.PATH = [directory, bin].join(delimiter);
  assert.deepEqual(testing.findCommand(), [join(bin, "syncline")]);
  process.env.PATH = directory;
  assert.throws(() => testing.findCommand(), /pip install 'syncline\[server\]'/);
  // Not a link: a virtual environment is found from the path of its interpreter.
  await writeFile(join(directory, "python3"), `#!/bin/sh\nexec "${bin}/python" "$@"\n`, { mode: 0o755 });
  assert.deepEqual(testing.findCommand(), ["python3", "-m", "syncline_server"]);
});

test("a server that does not start says why", async () => {
  await assert.rejects(testing.startServer({ command: "/absent/syncline" }), /ENOENT/);
  const command = join(bin, "syncline");
  await assert.rejects(testing.startServer({ command, args: ["--no-such"] }), /ended with 2\n.*no-such/);
});

test("its types fit its names, and refuse wrong programs", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "syncline-types-"));
  t.after(() => rm(directory, { recursive: true }));
  await symlink(join(root, "clients/testing"), join(directory, "syncline-testing"));
  await writeFile(
    join(directory, "right.ts"),
    `import * as testing from "./syncline-testing/src/index.js";
     const names: (keyof typeof testing)[] = ${JSON.stringify(Object.keys(testing))};
     export const missing: Exclude<keyof typeof testing, "findCommand" | "startServer"> extends never ? true : false = true;
     const server: testing.TestServer = await testing.startServer({ args: ["--demo"], timeout: 1 });
     const service: testing.TestService = await server.service({ AclEnabled: true });
     const token: string = service.token("alice", { ttl: 60 }) + server.token("bob", { service: service.sid });
     const now: Date = await server.advance(60);
     await server.stop();
     export { names, token, now };
     // @ts-expect-error: an unknown option
     await testing.startServer({ port: 1 });
     // @ts-expect-error: seconds are a number
     await server.advance("60");
     // @ts-expect-error: an identity is needed
     service.token();
    `,
  );
  const options = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext", "--skipLibCheck", "--types", ""];
  await writeFile(join(directory, "package.json"), '{ "type": "module" }');
  await run(join(root, "node_modules/.bin/tsc"), [...options, "right.ts"], { cwd: directory }).catch(
    (error) => assert.fail(error.stdout),
  );
});

test("a command without a program is refused", async () => {
  for (const command of ["", []]) {
    await assert.rejects(testing.startServer({ command }), { message: "command names no program" });
  }
});

test("the package has its modules and types, in the version of the client", async () => {
  const directory = join(root, "clients/testing");
  const read = async (path) => JSON.parse(await readFile(join(root, path), "utf8"));
  const [own, client] = [await read("clients/testing/package.json"), await read("clients/js/package.json")];
  assert.equal(own.version, client.version);
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: directory });
  const [{ files }] = JSON.parse(stdout);
  const sources = ["command.js", "index.d.ts", "index.js", "server.js", "token.js"];
  assert.deepEqual(
    files.map(({ path }) => path).sort(),
    ["README.md", "package.json", ...sources.map((name) => `src/${name}`)],
  );
});

test("Vitest runs the same tests", async () => {
  const { stdout } = await run(
    join(root, "node_modules/.bin/vitest"),
    ["run", "--reporter=json", "--testTimeout=60000", "--hookTimeout=60000"],
    {
      cwd: join(root, "tests/js/vitest"),
      env: { ...process.env, SYNCLINE_COMMAND: `"${join(bin, "syncline")}"` },
    },
  ).catch((error) => assert.fail(`${error.stdout}${error.stderr}`));
  assert.equal(JSON.parse(stdout).numPassedTests, 1);
});
