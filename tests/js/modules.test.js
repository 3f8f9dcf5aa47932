/** How the client is built: parts that fit a sitting, and depend on each other one way only. */

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../../clients/js/src", import.meta.url));
const ENTRIES = ["syncline.js", "store.js"];
const LINES = 400;

/** Imports of values and of types: `… from "./x.js"` and `import("./x.js")`. */
const IMPORT = /\b(?:from |import\()"([^"]+)"/g;

const texts = new Map();
const imports = new Map();
before(async () => {
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = posix.normalize(path.slice(source.length + 1));
    const text = await readFile(path, "utf8");
    const code = text.replace(/^ \* {5}.*$/gm, ""); // without examples
    texts.set(name, text);
    const found = [...code.matchAll(IMPORT)].map(([, path]) => path);
    assert.deepEqual(found.filter((path) => !/^\.\.?\//.test(path)), [], `${name} needs a package`);
    imports.set(name, new Set(found.map((path) => posix.join(posix.dirname(name), path))));
  }
});

test("no module imports itself, through whichever others", () => {
  const done = new Set();
  const visit = (name, path) => {
    assert.ok(!path.includes(name), `a cycle: ${[...path, name].join(" → ")}`);
    if (done.has(name)) return;
    assert.ok(imports.has(name), `${path.at(-1)} imports ${name}, which is not there`);
    for (const next of imports.get(name)) visit(next, [...path, name]);
    done.add(name);
  };
  for (const entry of ENTRIES) visit(entry, []);
  assert.deepEqual([...done].sort(), [...texts.keys()].sort(), "all are part of the client");
});

test("every module fits a sitting", () => {
  const long = [...texts].filter(([, text]) => text.split("\n").length - 1 > LINES);
  assert.deepEqual(long.map(([name]) => name), []);
});
