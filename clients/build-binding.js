/**
 * Builds what the package of a framework binding ships besides its sources: the types.
 *
 *     node build-binding.js NAME            in the directory of that binding
 *     node build-binding.js NAME DIRECTORY  a complete package in that directory, made again
 *
 * tsc is that of the repository's package.json.
 */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const clients = fileURLToPath(new URL(".", import.meta.url));
const root = join(clients, "..");
const [name, directory] = process.argv.slice(2);
const source = join(clients, name);
const target = resolve(directory ?? source);

if (target !== source) {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const part of ["src", "README.md", "package.json"]) {
    cpSync(join(source, part), join(target, part), { recursive: true });
  }
}
rmSync(join(target, "types"), { recursive: true, force: true });
cpSync(join(root, "LICENSE"), join(target, "LICENSE"));

// tsc follows the imports into the client, and so writes the types of both.
const emitted = mkdtempSync(join(tmpdir(), "syncline-types-"));
const emit = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", emitted];
try {
  execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", source, ...emit], { stdio: "inherit" });
  cpSync(join(emitted, name, "src"), join(target, "types"), { recursive: true });
} finally {
  rmSync(emitted, { recursive: true });
}
