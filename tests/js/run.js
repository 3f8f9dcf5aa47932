/** Runs all test files of this directory, which share one server: `node tests/js/run.js`. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { SHARED, startServer } from "./server.js";

const DIRECTORY = new URL(".", import.meta.url);

const files = (await readdir(DIRECTORY))
  .filter((name) => name.endsWith(".test.js"))
  .map((name) => fileURLToPath(new URL(name, DIRECTORY)));
const server = await startServer();
try {
  const options = ["--test", "--test-concurrency=2", "--test-timeout=300000"];
  const tests = spawn(process.execPath, [...options, ...files], {
    env: { ...process.env, [SHARED]: JSON.stringify([server.url, server.dataDir]) },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [status] = await once(tests, "exit");
  process.exitCode = status ?? 1;
} finally {
  await server.stop();
}
