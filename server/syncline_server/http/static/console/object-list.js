/** The objects of one type in a service, with a search by name. */

import { addressTo } from "./address.js";
import { path } from "./api.js";
import { Table, button, element, field, fill } from "./elements.js";
import { dialog } from "./dialog.js";
import { jsonField } from "./json-field.js";
import { attempt } from "./notices.js";
import { pages } from "./paging.js";
import { time } from "./times.js";
import { TYPES } from "./types.js";

/** @import { Tab } from "./service.js" */

/** Milliseconds after the last key before a search begins. */
const SEARCH_PAUSE = 250;

/**
 * @param {Tab} tab
 * @param {string} plural
 */
export async function objectList({ api, main, service, signal }, plural) {
  const type = TYPES[plural];
  const search = element("input", {
    type: "search", name: "prefix", autocomplete: "off", spellcheck: "false", maxlength: "320",
    placeholder: "Beginning of a unique name",
  });
  const found = element("div", { "aria-live": "polite" });
  main.append(
    element(
      "div", { class: "tools" },
      field("Search", search),
      button(`New ${type.name}`, create, { class: "primary" }),
    ),
    found,
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => attempt(list), SEARCH_PAUSE);
  });
  let searching = new AbortController();
  await list();

  async function list() {
    searching.abort();
    searching = new AbortController();
    const mine = AbortSignal.any([signal, searching.signal]);
    const table = new Table(type.title, ["Name", "SID", "Changed", "By", "Expires"]);
    const prefix = search.value;
    const query = prefix === "" ? "" : `?NamePrefix=${encodeURIComponent(prefix)}`;
    try {
      const more = await pages(
        api, path("Services", service.sid, type.segment) + query, plural,
        (objects) => objects.forEach((object) => addObject(table, object)), mine,
      );
      const nothing = prefix === "" ? `No ${plural} yet.` : "Nothing has such a name so far.";
      fill(found, table.isEmpty ? element("p", { class: "empty" }, nothing) : table.element, more);
    } catch (error) {
      if (!mine.aborted) throw error;
    }
  }

  /** @param {Table} table @param {any} object */
  function addObject(table, object) {
    const href = addressTo("services", service.sid, plural, object.sid);
    table.add(
      element("a", { href }, object.unique_name ?? element("i", {}, "without a name")),
      element("code", {}, object.sid),
      time(object.date_updated),
      object.updated_by,
      time(object.date_expires),
    );
  }

  async function create() {
    const name = element("input", { name: "name", maxlength: "320", spellcheck: "false", autofocus: true });
    const ttl = element("input", { type: "number", min: "0", max: "31536000", step: "1", value: "0" });
    const data = jsonField({});
    const made = await dialog(`New ${type.name}`, (close) => [
      element(
        "form",
        {
          onsubmit: async (/** @type {Event} */ event) => {
            event.preventDefault();
            const body = {
              ...(name.value === "" ? {} : { UniqueName: name.value }),
              ...(type.hasData ? { Data: data.read() } : {}),
              Ttl: Number(ttl.value),
            };
            if (body.Data === null) return;
            const to = path("Services", service.sid, type.segment);
            const object = await attempt(() => api.post(to, body), `The ${type.name} was created.`);
            if (object) close(object);
          },
        },
        field("Unique name", name, "It may be empty, and cannot be changed later."),
        type.hasData && data.element,
        field("Expires after (seconds)", ttl, "0: never."),
        element(
          "div", { class: "actions" },
          button("Cancel", () => close()),
          element("button", { type: "submit", class: "primary" }, "Create"),
        ),
      ),
    ]);
    if (made) location.hash = addressTo("services", service.sid, plural, made.sid);
  }
}
