/** Lists that come page by page. */

import { button, element } from "./elements.js";
import { attempt } from "./notices.js";

/** @import { Api } from "./api.js" */

/**
 * Show the first page, and a button for the next one while there is one.
 *
 * @param {Api} api
 * @param {string} first the path of the first page
 * @param {string} key the member of the reply that has the resources
 * @param {(resources: any[], reply: any) => void} add shows the resources of another page
 * @param {AbortSignal} signal
 * @returns {Promise<HTMLElement>} what holds the button
 */
export async function pages(api, first, key, add, signal) {
  const more = element("div", { class: "more" });

  /** @param {string} path */
  async function load(path) {
    const reply = await api.get(path, signal);
    add(reply[key], reply);
    const next = reply.meta.next_page_url;
    more.replaceChildren();
    if (next === null) return;
    // All pages have one path; that of the URL may begin with the prefix of a proxy.
    const following = first.split("?")[0] + new URL(next).search;
    more.append(button("Show more", () => attempt(() => load(following))));
  }

  await load(first);
  return more;
}
