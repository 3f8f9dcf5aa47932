/** The items of a list or map, live. */

import { editData } from "./data-editor.js";
import { confirm, dialog } from "./dialog.js";
import { button, element, field } from "./elements.js";
import { jsonField } from "./json-field.js";
import { JsonView } from "./json-view.js";
import { attempt } from "./notices.js";
import { time } from "./times.js";

/** @import { Content, Context } from "./object.js" */

/** Items on a page. */
const PAGE = 100;

/** @param {Context} context @returns {Content} */
export function itemsContent(context) {
  const items = new Items(context);
  return { element: items.element, onEvent: (name, data) => items.onEvent(name, data) };
}

class Items {
  #context;
  #idName;
  /** @type {Map<string, ItemRow>} by the text of the key or index */
  #rows = new Map();
  #list = element("ol", { class: "items" });
  #more = element("div", { class: "more" });
  #empty = element("p", { class: "empty" }, "No items yet.");
  /** @type {string | number | null} the first key that is not shown; null if all are */
  #next = null;
  /** Rows at most: new items come without end. "Show more" makes room for another page. */
  #room = PAGE;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.#idName = /** @type {"key" | "index"} */ (context.type.itemId);
    this.element = element(
      "section", { class: "card", "aria-label": "Items" },
      element(
        "header", { class: "head" },
        element("h2", {}, "Items"),
        button("New item", () => this.#create(), { class: "primary" }),
      ),
      this.#list, this.#empty, this.#more,
    );
  }

  /** @param {string} name @param {any} data */
  onEvent(name, data) {
    if (name === "state") this.#begin(data.items ?? [], data.next ?? null);
    if (name === "items") for (const change of data.changes) this.#take(change);
    if (name === "reset") this.#reload();
    this.#empty.hidden = this.#rows.size > 0;
  }

  /** @param {any[]} items @param {string | number | null} next */
  #begin(items, next) {
    this.#room = Math.max(PAGE, items.length);
    const listed = new Set(items.map((item) => String(item[this.#idName])));
    for (const [id, row] of this.#rows) {
      if (listed.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    for (const item of items) this.#show(item);
    this.#setNext(next);
  }

  async #reload() {
    const { api, path, signal } = this.#context;
    const page = await attempt(() => api.get(`${path}/Items?PageSize=${PAGE}`, signal));
    if (!page) return;
    const next = page.meta.next_page_url;
    this.#begin(page.items, next === null ? null : page.items.at(-1)[this.#idName]);
  }

  /** @param {any} change */
  #take(change) {
    const id = String(change[this.#idName]);
    if (change.kind === "removed") {
      this.#rows.get(id)?.element.remove();
      this.#rows.delete(id);
    } else if (this.#next === null || this.#rows.has(id) || this.#isBefore(id, String(this.#next))) {
      this.#show(change);
    }
  }

  /** @param {any} item */
  #show(item) {
    const id = String(item[this.#idName]);
    const shown = this.#rows.get(id);
    if (shown !== undefined) return shown.show(item);
    const row = new ItemRow(this.#context, id, item);
    const after = [...this.#rows].find(([other]) => this.#isBefore(id, other));
    this.#list.insertBefore(row.element, after?.[1].element ?? null);
    const rows = [...this.#rows];
    rows.splice(after === undefined ? rows.length : rows.findIndex(([other]) => other === after[0]), 0, [id, row]);
    this.#rows = new Map(rows);
    if (rows.length > this.#room) this.#hideLast();
  }

  #hideLast() {
    const [id, row] = /** @type {[string, ItemRow]} */ ([...this.#rows].at(-1));
    row.element.remove();
    this.#rows.delete(id);
    this.#setNext(id);
  }

  /** @param {string} one @param {string} other */
  #isBefore(one, other) {
    return this.#idName === "index" ? Number(one) < Number(other) : one < other;
  }

  /** @param {string | number | null} next */
  #setNext(next) {
    this.#next = next;
    this.#more.replaceChildren();
    if (next === null) return;
    this.#more.append(button("Show more", () => attempt(() => this.#loadMore())));
  }

  async #loadMore() {
    const { api, path, signal } = this.#context;
    const last = [...this.#rows.keys()].at(-1) ?? "";
    const from = `From=${encodeURIComponent(last)}&Bounds=exclusive&PageSize=${PAGE}`;
    const { items, meta } = await api.get(`${path}/Items?${from}`, signal);
    this.#room = this.#rows.size + items.length;
    for (const item of items) this.#show(item);
    this.#setNext(meta.next_page_url === null ? null : items.at(-1)[this.#idName]);
  }

  #create() {
    const { api, path } = this.#context;
    const key = element("input", { name: "key", maxlength: "320", required: true, spellcheck: "false", autofocus: true });
    const ttl = element("input", { type: "number", min: "0", max: "31536000", step: "1", value: "0" });
    const data = jsonField({});
    const isMap = this.#idName === "key";
    return dialog("New item", (close) => [
      element(
        "form",
        {
          onsubmit: async (/** @type {Event} */ event) => {
            event.preventDefault();
            const given = data.read();
            if (given === null) return;
            const body = { ...(isMap ? { Key: key.value } : {}), Data: given, Ttl: Number(ttl.value) };
            if (await attempt(() => api.post(`${path}/Items`, body), "Item created.")) close();
          },
        },
        isMap && field("Key", key),
        data.element,
        field("Expires after (seconds)", ttl, "0: never."),
        element(
          "div", { class: "actions" },
          button("Cancel", () => close()),
          element("button", { type: "submit", class: "primary" }, "Create"),
        ),
      ),
    ]);
  }
}

/** One item. */
class ItemRow {
  #view = new JsonView();
  #facts = element("span", { class: "soft" });
  /** @type {any} */
  #item;

  /** @param {Context} context @param {string} id @param {any} item */
  constructor({ api, path }, id, item) {
    const where = `${path}/Items/${encodeURIComponent(id)}`;
    const edit = () => editData(api, `Edit ${id}`, {
      path: where, data: this.#item.data, revision: this.#item.revision,
    });
    const remove = async () => {
      const text = `The item ${id} is deleted for everybody.`;
      const isMeant = await confirm("Delete the item", text, { word: "", action: "Delete" });
      if (isMeant) await attempt(() => api.remove(where), "Item deleted.");
    };
    this.element = element(
      "li", {},
      element(
        "header", { class: "head" },
        element("h3", {}, id), this.#facts,
        element(
          "span", { class: "together" },
          button("Edit", edit, { class: "quiet", "aria-label": `Edit ${id}` }),
          button("Delete", remove, { class: "quiet", "aria-label": `Delete ${id}` }),
        ),
      ),
      this.#view.element,
    );
    this.#view.element.setAttribute("aria-label", `Data of ${id}`);
    this.show(item);
  }

  /** @param {any} item */
  show(item) {
    this.#item = item;
    this.#facts.replaceChildren(time(item.date_updated), ` by ${item.updated_by}`);
    if (item.date_expires !== null) this.#facts.append(", expires ", time(item.date_expires));
    this.#view.show(item.data);
  }
}
