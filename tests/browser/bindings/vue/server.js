import { createSSRApp } from "vue";
import { renderToString } from "vue/server-renderer";
import { createSyncline } from "syncline-vue";

import Page from "./Page.vue";

export function render({ url, token, places }) {
  const app = createSSRApp(Page, { places });
  return renderToString(app.use(createSyncline({ url, token })));
}
