/** Webhooks that could not be delivered, and were parked. */

import { path } from "./api.js";
import { confirm } from "./dialog.js";
import { button, element } from "./elements.js";
import { JsonView } from "./json-view.js";
import { attempt } from "./notices.js";
import { pages } from "./paging.js";
import { time } from "./times.js";

/** @import { Tab } from "./service.js" */

/** @param {Tab} tab */
export async function parkedWebhooks({ api, main, service, signal }) {
  const where = path("Services", service.sid, "ParkedWebhooks");
  const list = element("ol", { class: "items" });
  const empty = element("p", { class: "empty" }, "No webhook is parked.");
  const add = (/** @type {any[]} */ webhooks) => list.append(...webhooks.map(entry));
  const more = await pages(api, where, "parked_webhooks", add, signal);
  main.append(list, empty, more);
  showEmpty();

  function showEmpty() {
    empty.hidden = list.childElementCount > 0;
  }

  /** @param {any} webhook */
  function entry(webhook) {
    const view = new JsonView();
    view.show(webhook.parameters);
    const made = element(
      "li", { class: "card" },
      element(
        "header", { class: "head" },
        element("h3", {}, webhook.event_type),
        element(
          "span", { class: "together" },
          button("Replay", replay, { "aria-label": `Replay ${webhook.event_type}` }),
          button("Drop", drop, { class: "quiet", "aria-label": `Drop ${webhook.event_type}` }),
        ),
      ),
      element(
        "p", { class: "soft" },
        "Parked ", time(webhook.date_parked), ` after ${webhook.attempts} ${webhook.attempts === 1 ? "attempt" : "attempts"}`,
        webhook.status !== null && `, last status ${webhook.status}`,
      ),
      element("p", { class: "problem" }, webhook.reason),
      element("details", {}, element("summary", {}, "What it says"), view.element),
    );

    async function replay() {
      const isDone = await attempt(() => api.request("POST", `${where}/${encodeURIComponent(webhook.id)}/Replay`),
        "It is sent again.");
      if (isDone) remove();
    }

    async function drop() {
      const text = "It is never delivered. This cannot be undone.";
      if (!await confirm("Drop the webhook", text, { word: "", action: "Drop" })) return;
      const isDone = await attempt(async () => {
        await api.remove(`${where}/${encodeURIComponent(webhook.id)}`);
        return true;
      }, "The webhook was dropped.");
      if (isDone) remove();
    }

    function remove() {
      made.remove();
      showEmpty();
    }

    return made;
  }
}
