import { createApp, createSSRApp, h, shallowRef } from "vue";
import { createSyncline } from "syncline-vue";

import { given } from "../shared.js";
import Page from "./Page.vue";

globalThis.start = ({ places = [], isRendered = false, ...settings }) => {
  const shown = shallowRef(places);
  globalThis.show = (places) => {
    shown.value = places;
  };
  const app = (isRendered ? createSSRApp : createApp)(() => h(Page, { places: shown.value }));
  app.use(createSyncline(given(settings)));
  app.mount("#root");
  globalThis.stop = () => app.unmount();
};

globalThis.startReadme = () => import("./readme/main.js");
