/** The messages of a stream as they come. A stream keeps none. */

import { button, element } from "./elements.js";
import { jsonField } from "./json-field.js";
import { JsonView } from "./json-view.js";
import { attempt } from "./notices.js";
import { clock } from "./times.js";

/** @import { Content, Context } from "./object.js" */

/** Messages that stay on the page. */
const KEPT = 50;

/** @param {Context} context @returns {Content} */
export function messagesContent({ api, path }) {
  const list = element("ol", { class: "items" });
  const empty = element("p", { class: "empty" }, "Messages appear here while this page is open.");
  const data = jsonField({}, "New message (a JSON object)");

  /** @param {Event} event */
  async function publish(event) {
    event.preventDefault();
    const given = data.read();
    if (given !== null) await attempt(() => api.post(`${path}/Messages`, { Data: given }), "Published.");
  }

  return {
    element: element(
      "section", { class: "card", "aria-label": "Messages" },
      element(
        "header", { class: "head" },
        element("h2", {}, "Messages"),
        button("Clear", () => list.replaceChildren(), { class: "quiet" }),
      ),
      empty, list,
      element(
        "form", { onsubmit: publish },
        data.element,
        element("div", { class: "actions" }, element("button", { type: "submit", class: "primary" }, "Publish")),
      ),
    ),
    onEvent(name, event) {
      if (name === "missed") return list.prepend(element("li", {}, `${event.count} messages were missed.`));
      if (name !== "message") return undefined;
      const { message } = event;
      const view = new JsonView();
      view.show(message.data);
      empty.hidden = true;
      list.prepend(
        element(
          "li", {},
          element("header", { class: "head" }, element("h3", {}, message.created_by),
            element("span", { class: "soft" }, clock(new Date(message.date_created)))),
          view.element,
        ),
      );
      while (list.childElementCount > KEPT) list.lastElementChild?.remove();
      return undefined;
    },
  };
}
