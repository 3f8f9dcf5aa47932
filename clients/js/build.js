/**
 * Builds what the npm package ships besides its sources: `dist` and `types`.
 *
 *     node build.js            in this directory
 *     node build.js DIRECTORY  a complete package in that directory, which is made again
 *
 * The same sources give the same bytes. esbuild and tsc are those of the repository's package.json.
 */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
const target = resolve(process.argv[2] ?? here);

const { version, license } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));

/** What a bundle that is no module has in the place of `import.meta.url`. */
const SCRIPT_URL = "export const scriptUrl = globalThis.document?.currentScript?.src;";

if (target !== resolve(here)) {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const name of ["src", "README.md", "package.json", "tsconfig.json"]) {
    cpSync(join(here, name), join(target, name), { recursive: true });
  }
}
for (const name of ["dist", "types"]) rmSync(join(target, name), { recursive: true, force: true });
cpSync(join(root, "LICENSE"), join(target, "LICENSE"));

const common = {
  absWorkingDir: target,
  entryPoints: ["src/syncline.js"],
  bundle: true,
  minify: true,
  sourcemap: true,
  target: "es2022",
  charset: "utf8",
  // The head of syncline.js is for readers of the sources.
  legalComments: "none",
  banner: { js: `/*! Syncline ${version} | ${license} */` },
  logLevel: "warning",
};

await build({ ...common, format: "esm", outfile: "dist/syncline.min.js" });
await build({
  ...common,
  format: "iife",
  globalName: "Syncline",
  outfile: "dist/syncline.global.js",
  define: { "import.meta.url": "scriptUrl" },
  inject: ["script-url"],
  plugins: [
    {
      name: "script-url",
      setup({ onResolve, onLoad }) {
        const namespace = "script-url";
        onResolve({ filter: /^script-url$/ }, ({ path }) => ({ path, namespace }));
        onLoad({ filter: /./, namespace }, () => ({ contents: SCRIPT_URL }));
      },
    },
  ],
});

const emit = ["--noEmit", "false", "--declaration", "--declarationMap", "--emitDeclarationOnly"];
execFileSync(join(root, "node_modules/.bin/tsc"), [...emit, "--outDir", "types"], {
  cwd: target,
  stdio: "inherit",
});
