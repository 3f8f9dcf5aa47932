/** When an object ends: a countdown, and a form for another time. */

import { button, element, field, fill } from "./elements.js";
import { dialog } from "./dialog.js";
import { attempt } from "./notices.js";
import { countdown } from "./times.js";

/** @import { Context } from "./object.js" */

/** Milliseconds between two figures of the countdown. */
const TICK = 1_000;

export class Expiry {
  #context;
  #shown = element("span", { class: "countdown" });
  /** @type {string | null} */
  #expires = null;

  /** @param {Context} context @param {string | null} expires */
  constructor(context, expires) {
    this.#context = context;
    this.element = element(
      "span", {}, this.#shown, " ", button("Change…", () => this.#change(), { class: "quiet" }),
    );
    this.show(expires);
    const timer = setInterval(() => this.#draw(), TICK);
    context.signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  /** @param {string | null} expires */
  show(expires) {
    this.#expires = expires;
    this.#draw();
  }

  #draw() {
    if (this.#expires === null) return fill(this.#shown, "Never expires");
    const left = (new Date(this.#expires).getTime() - Date.now()) / TICK;
    fill(this.#shown, "Expires in ", element("b", {}, countdown(left)));
  }

  #change() {
    const { api, path } = this.#context;
    const ttl = element("input", {
      type: "number", min: "0", max: "31536000", step: "1", value: "0", required: true, autofocus: true,
    });
    return dialog("Expiry", (close) => [
      element(
        "form",
        {
          onsubmit: async (/** @type {Event} */ event) => {
            event.preventDefault();
            const changed = await attempt(() => api.post(path, { Ttl: Number(ttl.value) }), "Expiry changed.");
            if (!changed) return;
            this.show(changed.date_expires);
            close();
          },
        },
        field("Expires after (seconds)", ttl, "0: never."),
        element(
          "div", { class: "actions" },
          button("Cancel", () => close()),
          element("button", { type: "submit", class: "primary" }, "Change"),
        ),
      ),
    ]);
  }
}
