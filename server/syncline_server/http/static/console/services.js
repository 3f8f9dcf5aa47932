/** All services, and a form for a new one. */

import { addressTo } from "./address.js";
import { path } from "./api.js";
import { Table, button, element, field } from "./elements.js";
import { dialog } from "./dialog.js";
import { attempt } from "./notices.js";
import { pages } from "./paging.js";
import { time } from "./times.js";

/** @import { Page } from "./views.js" */

/** @param {Page} page */
export async function servicesView({ api, main, signal }) {
  const table = new Table("Services", ["Name", "SID", "Permissions", "Webhooks", "Created"]);
  main.append(
    element(
      "header", { class: "head" },
      element("h1", {}, "Services"),
      button("New service", create, { class: "primary" }),
    ),
    table.element,
  );
  const add = (/** @type {any[]} */ services) => services.forEach(addService);
  main.append(await pages(api, path("Services"), "services", add, signal));

  /** @param {any} service */
  function addService(service) {
    table.add(
      element("a", { href: addressTo("services", service.sid) }, nameOf(service)),
      element("code", {}, service.sid),
      service.acl_enabled ? "checked" : "not checked",
      service.webhook_url ? "on" : "off",
      time(service.date_created),
    );
  }

  async function create() {
    const name = element("input", { name: "name", maxlength: "256", autofocus: true });
    const acl = element("input", { type: "checkbox" });
    const made = await dialog("New service", (close) => [
      element(
        "form",
        {
          onsubmit: async (/** @type {Event} */ event) => {
            event.preventDefault();
            const body = { FriendlyName: name.value, AclEnabled: acl.checked };
            const service = await attempt(() => api.post(path("Services"), body), "Service created.");
            if (service) close(service);
          },
        },
        field("Name", name, "For people; it may be empty."),
        field("Check permissions", acl, "Identities may then do only what a permission allows."),
        element(
          "div", { class: "actions" },
          button("Cancel", () => close()),
          element("button", { type: "submit", class: "primary" }, "Create"),
        ),
      ),
    ]);
    if (made) location.hash = addressTo("services", made.sid);
  }
}

/** @param {any} service */
export function nameOf(service) {
  return service.friendly_name || service.unique_name || service.sid;
}
