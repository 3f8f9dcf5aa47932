import base from "./typedoc.config.mjs";

/** How TypeDoc makes the reference pages of the bindings and of the helper for tests: one page each. */
export default {
  ...base,
  entryPoints: [
    "../clients/react/src/syncline-react.js",
    "../clients/vue/src/syncline-vue.js",
    "../clients/svelte/src/syncline-svelte.js",
    "../clients/testing/src/index.d.ts",
  ],
  tsconfig: "tsconfig.json",
  out: "reference/packages",
  name: "Packages for Node and frameworks",
  outputFileStrategy: "modules",
  hidePageTitle: false,
  pageTitleTemplates: { module: ({ name }) => name.split("/").pop() },
};
