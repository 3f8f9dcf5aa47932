import { OptionDefaults } from "typedoc";

/** How TypeDoc makes the reference pages of the browser client: Markdown, which Sphinx then shows. */
export default {
  plugin: ["typedoc-plugin-markdown"],
  entryPoints: ["../clients/js/src/syncline.js"],
  tsconfig: "../clients/js/tsconfig.json",
  out: "reference/javascript",
  entryFileName: "index",
  name: "JavaScript client",
  readme: "none",
  blockTags: [...OptionDefaults.blockTags, "@implements"],
  disableSources: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  treatWarningsAsErrors: true,
};
