import { render as renderPage } from "svelte/server";

import Page from "./Page.svelte";

export function render({ url, token, places }) {
  return renderPage(Page, { props: { provided: { url, token }, places } }).body;
}
