/** The settings of a service, and its end. */

import { addressTo } from "./address.js";
import { path } from "./api.js";
import { confirm, typeable } from "./dialog.js";
import { button, element, field } from "./elements.js";
import { attempt } from "./notices.js";
import { nameOf } from "./services.js";

/** @import { Tab } from "./service.js" */

/** @type {[string, string, string, string][]} member, parameter, label and hint of each switch */
const SWITCHES = [
  ["acl_enabled", "AclEnabled", "Check permissions",
    "Identities may then do only what a permission allows."],
  ["webhooks_from_rest_enabled", "WebhooksFromRestEnabled", "Webhooks for back ends too",
    "Writes with the account or a key send webhooks as well."],
  ["reachability_webhooks_enabled", "ReachabilityWebhooksEnabled", "Webhooks for arrivals and departures",
    "One when an identity connects, one when its last connection ends."],
  ["reachability_debouncing_enabled", "ReachabilityDebouncingEnabled", "Wait before a departure is reported",
    "An identity that returns in time sends no webhook."],
];

/** @param {Tab} tab */
export async function serviceSettings({ api, main, service }) {
  const name = element("input", { value: service.friendly_name ?? "", maxlength: "256" });
  const webhook = element("input", {
    type: "url", value: service.webhook_url ?? "", maxlength: "2048", placeholder: "https://",
  });
  const wait = element("input", {
    type: "number", min: "1000", max: "30000", value: service.reachability_debouncing_window,
  });
  const switches = SWITCHES.map(([member, parameter, label, hint]) => {
    const input = element("input", { type: "checkbox", checked: service[member] });
    return { parameter, input, shown: field(label, input, hint) };
  });

  /** @param {Event} event */
  function save(event) {
    event.preventDefault();
    const body = {
      FriendlyName: name.value,
      WebhookUrl: webhook.value,
      ReachabilityDebouncingWindow: Number(wait.value),
      ...Object.fromEntries(switches.map(({ parameter, input }) => [parameter, input.checked])),
    };
    attempt(() => api.post(path("Services", service.sid), body), "Settings saved.");
  }

  async function remove() {
    const word = typeable(nameOf(service), service.sid);
    const isMeant = await confirm(
      "Delete the service",
      "All its documents, lists, maps and streams are deleted, permanently.",
      { word, action: "Delete the service" },
    );
    if (!isMeant) return;
    const done = await attempt(async () => {
      await api.remove(path("Services", service.sid));
      return true;
    }, "The service was deleted.");
    if (done) location.hash = addressTo("services");
  }

  main.append(
    element(
      "form", { class: "card", onsubmit: save },
      field("Name", name),
      field("Webhook URL", webhook, "Empty: no webhooks."),
      switches.map(({ shown }) => shown),
      field("Wait in milliseconds", wait),
      element("div", { class: "actions" }, element("button", { type: "submit", class: "primary" }, "Save")),
    ),
    element(
      "section", { class: "card", "aria-label": "Delete" },
      element("h2", {}, "Delete this service"),
      element("p", { class: "soft" }, "This cannot be undone. The default service cannot be deleted."),
      button("Delete…", remove, { class: "danger" }),
    ),
  );
}
