/**
 * The client as a classic script, which some bundlers make of it: one file, without `import.meta`.
 * As a program, it prints that; the script then leaves the exports in the global `Syncline`.
 */

import { readdir, readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../../clients/js/src", import.meta.url));

const IMPORT = /^import \{([^}]*)\} from "([^"]+)";$/gm;
const REEXPORT = /^export \{([^}]*)\} from "([^"]+)";$/gm;
const EXPORT = /^export (async function\*?|function\*?|class|const|let) (\w+)/gm;

export async function bundle() {
  const modules = [];
  for (const path of ["syncline.js", ...(await readdir(join(source, "syncline"))).map(inside)]) {
    const text = await readFile(join(source, path), "utf8");
    modules.push(`${JSON.stringify(path)}(exports) {\n${scriptOf(text, path)}\n}`);
  }
  return `var Syncline = (() => {
    const done = {};
    const modules = {${modules.join(",\n")}};
    const load = (path) => done[path] ?? (modules[path]((done[path] = {})), done[path]);
    return load("syncline.js");
  })();`;
}

const inside = (name) => `syncline/${name}`;

function scriptOf(text, path) {
  const load = (from) => `load(${JSON.stringify(posix.join(posix.dirname(path), from))})`;
  const names = [...text.matchAll(EXPORT)].map(([, , name]) => `exports.${name} = ${name};`);
  return text
    .replace(IMPORT, (_, list, from) => `const {${list.replaceAll(" as ", ": ")}} = ${load(from)};`)
    .replace(REEXPORT, (_, list, from) =>
      list
        .split(",")
        .map((each) => each.trim().split(" as "))
        .map(([name, as = name]) => `exports.${as} = ${load(from)}.${name};`)
        .join("\n"),
    )
    .replace(EXPORT, "$1 $2")
    .replace(/^export \{\};$/gm, "")
    .replaceAll("import.meta", "({})")
    .concat("\n", names.join("\n"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(await bundle());
