/** The events of all objects as they happen. */

import { addressTo } from "./address.js";
import { path } from "./api.js";
import { button, element, field, fill } from "./elements.js";
import { JsonView } from "./json-view.js";
import { follow, liveState } from "./live.js";
import { attempt } from "./notices.js";
import { nameOf } from "./services.js";
import { clock } from "./times.js";
import { TYPES } from "./types.js";

/** @import { Page } from "./views.js" */

/** Events that stay on the page, and that wait while it is paused. */
const KEPT = 200;

/** @param {Page} page */
export async function eventsView({ api, main, signal }) {
  const live = liveState();
  const list = element("ol", { class: "tail", "aria-label": "Events" });
  const missed = element("p", { class: "soft", role: "status" });
  const service = element("select", { name: "service" }, element("option", { value: "" }, "All services"));
  const type = element(
    "select", { name: "type" },
    element("option", { value: "" }, "All types"),
    Object.entries(TYPES).map(([plural, { title }]) => element("option", { value: plural }, title)),
  );
  const words = element("input", {
    type: "search", name: "words", autocomplete: "off", spellcheck: "false",
    placeholder: "Name, SID, identity, key or event",
  });
  const pause = button("Pause", togglePause, { "aria-pressed": "false" });
  /** @type {HTMLElement[]} what came while the page was paused, the oldest first; null: not paused */
  let waiting = /** @type {any} */ (null);
  let missedCount = 0;
  let following = new AbortController();

  main.append(
    element("header", { class: "head" }, element("h1", {}, "Events"), live.element),
    element(
      "div", { class: "tools" },
      field("Service", service), field("Type", type), field("Filter", words),
      element("span", { class: "together" }, pause, button("Clear", clear)),
    ),
    missed, list,
  );
  const known = await attempt(() => api.get(`${path("Services")}?PageSize=100`, signal));
  for (const each of known?.services ?? []) {
    service.append(element("option", { value: each.sid }, nameOf(each)));
  }
  service.addEventListener("change", begin);
  type.addEventListener("change", begin);
  words.addEventListener("input", () => {
    for (const each of list.children) each.hidden = !fits(each);
  });
  signal.addEventListener("abort", () => following.abort(), { once: true });
  begin();

  function begin() {
    following.abort();
    following = new AbortController();
    const query = new URLSearchParams();
    if (service.value !== "") query.set("Service", service.value);
    if (type.value !== "") query.set("Type", type.value);
    follow(api, `${path("Events")}?${query}`, {
      onState: live.set,
      onEvent(name, data) {
        if (name === "missed") showMissed(data.count);
        else if (name !== "open") take(eventEntry(name, data));
      },
    }, following.signal);
  }

  /** @param {HTMLElement} entry */
  function take(entry) {
    entry.hidden = !fits(entry);
    if (waiting === null) return show(entry);
    waiting.push(entry);
    if (waiting.length > KEPT) {
      waiting.shift();
      showMissed(1);
    }
    pause.textContent = `Go on (${waiting.length})`;
    return undefined;
  }

  /** @param {HTMLElement} entry */
  function show(entry) {
    list.prepend(entry);
    while (list.childElementCount > KEPT) list.lastElementChild?.remove();
  }

  /** @param {HTMLElement} entry */
  function fits(entry) {
    return (entry.dataset.words ?? "").includes(words.value.toLowerCase());
  }

  function togglePause() {
    const entries = waiting;
    waiting = entries === null ? [] : /** @type {any} */ (null);
    pause.textContent = entries === null ? "Go on (0)" : "Pause";
    pause.setAttribute("aria-pressed", String(entries === null));
    for (const entry of entries ?? []) show(entry);
  }

  function clear() {
    list.replaceChildren();
    missedCount = 0;
    fill(missed);
  }

  /** @param {number} count */
  function showMissed(count) {
    missedCount += count;
    fill(missed, `${missedCount} events are not shown: more came than the page takes.`);
  }
}

/**
 * @param {string} name
 * @param {any} data
 * @returns {HTMLElement}
 */
function eventEntry(name, data) {
  const [plural, type] = Object.entries(TYPES).find(([, each]) => each.name in data) ?? ["", null];
  const header = type === null ? {} : data[type.name];
  const at = header.date_updated ?? header.date_removed ?? data.message?.date_created;
  const by = header.updated_by ?? header.removed_by ?? data.message?.created_by ?? data.identity ?? "";
  const items = (data.changes ?? []).map((/** @type {any} */ each) => `${each.kind} ${each.key ?? each.index}`);
  const title = header.unique_name ?? header.sid ?? "";
  const shown = element("div");
  const details = element(
    "details", {},
    element(
      "summary", {},
      element("time", {}, at === undefined ? clock(new Date()) : clock(new Date(at))), " ",
      element("span", { class: "badge", "data-kind": name }, name), " ",
      element("b", {}, title), " ",
      element("span", { class: "soft" }, [by, ...items].filter(Boolean).join(" · ")),
    ),
    shown,
  );
  // Most are never opened: the data are laid out only then.
  details.addEventListener("toggle", () => {
    if (!details.open || shown.childElementCount > 0) return;
    const view = new JsonView();
    view.show(data);
    const href = addressTo("services", data.service_sid, plural, header.sid ?? "");
    shown.append(
      element("p", {}, element("a", { href }, `Open the ${type?.name ?? "object"}`)),
      view.element,
    );
  });
  const words = [name, title, header.sid, by, ...items].join(" ").toLowerCase();
  return element("li", { "data-words": words }, details);
}
