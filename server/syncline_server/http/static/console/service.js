/** One service: tabs for each type of object, its parked webhooks and its settings. */

import { addressTo } from "./address.js";
import { path } from "./api.js";
import { element } from "./elements.js";
import { objectList } from "./object-list.js";
import { serviceSettings } from "./service-settings.js";
import { nameOf } from "./services.js";
import { TYPES } from "./types.js";
import { parkedWebhooks } from "./webhooks.js";

/** @import { Page } from "./views.js" */

/** @type {Record<string, { title: string, show: (tab: Tab) => Promise<void> }>} by address */
const TABS = {
  ...Object.fromEntries(
    Object.entries(TYPES).map(([plural, { title }]) => [
      plural, { title, show: (/** @type {Tab} */ tab) => objectList(tab, plural) },
    ]),
  ),
  webhooks: { title: "Parked webhooks", show: parkedWebhooks },
  settings: { title: "Settings", show: serviceSettings },
};

/** @typedef {Page & { service: any }} Tab */

/** @param {Page} page */
export async function serviceView(page) {
  const { api, main, parameters: [sid, given], signal } = page;
  const service = await api.get(path("Services", sid), signal);
  const chosen = Object.hasOwn(TABS, given ?? "") ? given : Object.keys(TABS)[0];
  const content = element("section", { "aria-label": TABS[chosen].title });
  main.append(
    crumbs(["Services", addressTo("services")]),
    element("header", { class: "head" }, element("h1", {}, nameOf(service))),
    element("p", { class: "soft" }, element("code", {}, service.sid)),
    element(
      "nav", { class: "tabs", "aria-label": "Service" },
      Object.entries(TABS).map(([name, { title }]) =>
        element(
          "a",
          { href: addressTo("services", sid, name), "aria-current": name === chosen ? "page" : null },
          title,
        )
      ),
    ),
    content,
  );
  await TABS[chosen].show({ ...page, main: content, service });
}

/**
 * Links to what contains this view.
 *
 * @param {...[string, string]} links each a title and an address
 */
export function crumbs(...links) {
  return element(
    "nav", { class: "crumbs", "aria-label": "Breadcrumb" },
    links.map(([title, address]) => [element("a", { href: address }, title), " / "]),
  );
}
