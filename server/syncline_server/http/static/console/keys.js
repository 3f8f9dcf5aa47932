/** API keys. Only the account itself manages them. */

import { path } from "./api.js";
import { confirm, dialog, typeable } from "./dialog.js";
import { Table, button, element, field } from "./elements.js";
import { attempt, notify } from "./notices.js";
import { pages } from "./paging.js";
import { time } from "./times.js";

/** @import { Page } from "./views.js" */

/** @param {Page} page */
export async function keysView({ api, main, signal }) {
  const head = element("header", { class: "head" }, element("h1", {}, "API keys"));
  main.append(head);
  if (!api.isOwner) {
    const text = "Only the account itself manages keys: log in with its SID and auth token.";
    main.append(element("p", { class: "empty" }, text));
    return;
  }
  const table = new Table("API keys", ["Name", "SID", "For", "Created", "Revoke"]);
  head.append(button("New key", create, { class: "primary" }));
  main.append(table.element);
  const add = (/** @type {any[]} */ keys) => keys.forEach(addKey);
  main.append(await pages(api, path("Keys"), "keys", add, signal));

  /** @param {any} key */
  function addKey(key) {
    const name = key.friendly_name ?? (key.configured ? "In the configuration" : "–");
    const made = table.add(
      element("b", {}, name),
      element("code", {}, key.sid),
      key.login_only ? "logins" : "logins and tokens",
      time(key.date_created),
      !key.configured && button("Revoke", revoke, { class: "quiet", "aria-label": `Revoke ${name}` }),
    );

    async function revoke() {
      const text = "Its logins and tokens end at once, and its connections. This cannot be undone.";
      if (!await confirm("Revoke the key", text, { word: typeable(key.friendly_name ?? "", key.sid), action: "Revoke" })) return;
      const isDone = await attempt(async () => {
        await api.remove(path("Keys", key.sid));
        return true;
      }, "The key was revoked.");
      if (isDone) made.remove();
    }
  }

  async function create() {
    const name = element("input", { name: "name", maxlength: "256", autofocus: true });
    const loginOnly = element("input", { type: "checkbox" });
    const key = await dialog("New key", (close) => [
      element(
        "form",
        {
          onsubmit: async (/** @type {Event} */ event) => {
            event.preventDefault();
            const body = { FriendlyName: name.value, LoginOnly: loginOnly.checked };
            const made = await attempt(() => api.post(path("Keys"), body));
            if (made) close(made);
          },
        },
        field("Name", name),
        field("For logins only", loginOnly, "It signs no tokens; its secret is kept as a hash."),
        element(
          "div", { class: "actions" },
          button("Cancel", () => close()),
          element("button", { type: "submit", class: "primary" }, "Create"),
        ),
      ),
    ]);
    if (!key) return;
    add([key]);
    await showSecret(key);
  }
}

/** @param {any} key */
function showSecret(key) {
  const secret = element("input", { readonly: true, value: key.secret, class: "mono", spellcheck: "false" });

  async function copy() {
    secret.select();
    try {
      await navigator.clipboard.writeText(secret.value);
      notify("Copied.");
    } catch {
      notify("Copy it yourself: the browser does not allow it here.", "failed");
    }
  }

  return dialog("The new key", (close) => [
    element("p", {}, "Copy the secret now. It is not shown again."),
    field("SID", element("input", { readonly: true, value: key.sid, class: "mono" })),
    field("Secret", secret),
    element(
      "div", { class: "actions" },
      button("Copy the secret", copy),
      button("Done", () => close(), { class: "primary" }),
    ),
  ]);
}
