/** Who may do what with an object. */

import { Table, button, element, field } from "./elements.js";
import { attempt } from "./notices.js";
import { pages } from "./paging.js";

/** @import { Context } from "./object.js" */

const RIGHTS = /** @type {const} */ (["read", "write", "manage"]);

/**
 * @param {Context} context
 * @param {boolean} isChecked whether the service checks permissions
 */
export async function permissionsEditor({ api, path, signal }, isChecked) {
  const table = new Table("Permissions", ["Identity", "Read", "Write", "Manage", "Remove"]);
  /** @type {Map<string, HTMLElement>} rows by identity */
  const shown = new Map();
  const whose = element("input", { name: "identity", maxlength: "256", required: true, spellcheck: "false" });
  const add = (/** @type {any[]} */ permissions) => permissions.forEach(addPermission);
  table.element.hidden = true;
  const more = await pages(api, `${path}/Permissions`, "permissions", add, signal);

  /** @param {string} identity */
  const where = (identity) => `${path}/Permissions/${encodeURIComponent(identity)}`;

  /** @param {any} permission */
  function addPermission(permission) {
    const { identity } = permission;
    const boxes = RIGHTS.map((right) =>
      element("input", {
        type: "checkbox", checked: permission[right], "aria-label": `${identity}: ${right}`, onchange: save,
      })
    );
    const drop = button("Remove", remove, { class: "quiet", "aria-label": `Remove ${identity}` });
    shown.get(identity)?.remove();
    shown.set(identity, table.add(element("b", {}, identity), ...boxes, drop));
    table.element.hidden = false;

    async function save() {
      const [Read, Write, Manage] = boxes.map((box) => box.checked);
      const saved = await attempt(() => api.post(where(identity), { Read, Write, Manage }), "Permission saved.");
      if (saved) for (const [place, right] of RIGHTS.entries()) boxes[place].checked = saved[right];
    }

    async function remove() {
      const isDone = await attempt(async () => {
        await api.remove(where(identity));
        return true;
      }, "Permission removed.");
      if (!isDone) return;
      shown.get(identity)?.remove();
      table.element.hidden = table.isEmpty;
    }
  }

  /** @param {Event} event */
  async function create(event) {
    event.preventDefault();
    const body = { Read: true, Write: false, Manage: false };
    const made = await attempt(() => api.post(where(whose.value), body), "Permission added.");
    if (!made) return;
    addPermission(made);
    whose.value = "";
  }

  return element(
    "section", { class: "card", "aria-label": "Permissions" },
    element("h2", {}, "Permissions"),
    !isChecked && element("p", { class: "soft" }, "This service does not check permissions: every identity may do everything."),
    table.element, more,
    element(
      "form", { class: "tools", onsubmit: create },
      field("Identity", whose),
      element("button", { type: "submit" }, "Add"),
    ),
  );
}
