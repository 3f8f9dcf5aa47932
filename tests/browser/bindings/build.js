/**
 * Packs Syncline's packages, installs them as an application does, and builds the test pages:
 *
 *     node build.js DIRECTORY
 *
 * The pages contain the programs of the READMEs, too. DIRECTORY then has the installed packages in
 * app/node_modules; app/dist/FRAMEWORK/client.js, a page's script; and server.js beside it, which
 * exports `render` and which Node runs with the installed packages.
 */

import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import react from "@vitejs/plugin-react";
import vue from "@vitejs/plugin-vue";
import { build } from "vite";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../../..");
const clients = join(root, "clients");
const [directory] = process.argv.slice(2);
const app = join(directory, "app");
const npm = ["--no-update-notifier", "--ignore-scripts"];

const FRAMEWORKS = {
  react: { client: "client.jsx", server: "server.jsx", plugin: react },
  vue: { client: "client.js", server: "server.js", plugin: vue },
  svelte: { client: "client.svelte.js", server: "server.js", plugin: svelte },
};

async function install() {
  await mkdir(app, { recursive: true });
  // Apart from the sources, which other tests may read meanwhile.
  const made = (name) => join(directory, "packages", name);
  const names = Object.keys(FRAMEWORKS);
  await Promise.all([
    run(process.execPath, [join(clients, "js/build.js"), made("js")]),
    ...names.map((each) => run(process.execPath, [join(clients, "build-binding.js"), each, made(each)])),
  ]);
  const all = ["js", ...names].map(made);
  await run("npm", ["pack", ...all, "--pack-destination", directory, ...npm]);
  const tarballs = (await readdir(directory)).filter((name) => name.endsWith(".tgz"));
  await writeFile(join(app, "package.json"), '{"type":"module"}');
  // The frameworks, which are peers of the packages, are found one directory up.
  const flags = ["--offline", "--legacy-peer-deps", "--no-audit", "--no-fund", ...npm];
  await run("npm", ["install", ...flags, ...tarballs.map((name) => join("..", name))], { cwd: app });
  await symlink(join(root, "node_modules"), join(directory, "node_modules"));
  await cp(here, join(app, "pages"), { recursive: true });
}

/** Write the files that a README shows beside the pages; they connect to the page's own host. */
async function extractReadme(name) {
  const text = await readFile(join(clients, name, "README.md"), "utf8");
  const target = join(app, "pages", name, "readme");
  await mkdir(target);
  for (const [, content] of text.matchAll(/^```(?:js|jsx|vue|svelte)\n(.*?)^```$/gms)) {
    const [, file] = /^(?:\/\/|<!--) (\S+)/.exec(content);
    const local = content
      .replace('="https://sync.example.com"', "={location.origin}")
      .replace('"https://sync.example.com"', "location.origin");
    await writeFile(join(target, file), local);
  }
}

async function buildPages(name, { client, server, plugin }) {
  const source = join(app, "pages", name);
  const common = {
    root: source,
    configFile: false,
    logLevel: "warn",
    // StrictMode mounts twice, and frameworks report what differs from the server, only then.
    mode: "development",
    define: { "process.env.NODE_ENV": '"development"' },
    resolve: { dedupe: ["react", "vue", "svelte"] },
  };
  const outDir = join(app, "dist", name);
  const output = { entryFileNames: "[name].js", codeSplitting: false };
  const input = (file) => ({ [file.startsWith("client") ? "client" : "server"]: join(source, file) });
  await build({
    ...common,
    plugins: [plugin()],
    build: { outDir, emptyOutDir: false, minify: false, modulePreload: false, rolldownOptions: { input: input(client), output } },
  });
  await build({
    ...common,
    plugins: [plugin()],
    build: { outDir, emptyOutDir: false, ssr: true, rolldownOptions: { input: input(server), output } },
  });
}

await install();
await Promise.all(
  Object.entries(FRAMEWORKS).map(async ([name, framework]) => {
    await extractReadme(name);
    await buildPages(name, framework);
  }),
);
