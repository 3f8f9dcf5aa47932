/** Who is connected to any server of this Redis. */

import { path } from "./api.js";
import { confirm } from "./dialog.js";
import { Table, button, element, field, fill } from "./elements.js";
import { attempt } from "./notices.js";
import { pages } from "./paging.js";
import { time } from "./times.js";

/** @import { Page } from "./views.js" */

/** Milliseconds between two looks. */
const INTERVAL = 5_000;

/** Milliseconds after the last key before a search begins. */
const SEARCH_PAUSE = 250;

/** @param {Page} page */
export async function connectionsView({ api, main, signal }) {
  const search = element("input", {
    type: "search", name: "identity", autocomplete: "off", spellcheck: "false", maxlength: "256",
    placeholder: "Beginning of an identity",
  });
  const looks = element("input", { type: "checkbox", checked: true });
  const found = element("div");
  main.append(
    element("header", { class: "head" }, element("h1", {}, "Connections")),
    element(
      "div", { class: "tools" },
      field("Search", search),
      field("Refresh every five seconds", looks),
      button("Refresh", () => attempt(list)),
    ),
    found,
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => attempt(list), SEARCH_PAUSE);
  });
  const timer = setInterval(() => {
    // What somebody is about to use must not move away.
    const isInUse = found.contains(document.activeElement) || document.querySelector("dialog") !== null;
    if (looks.checked && !document.hidden && !isInUse) list().catch(() => {});
  }, INTERVAL);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  let looking = new AbortController();
  await list();

  async function list() {
    looking.abort();
    looking = new AbortController();
    const mine = AbortSignal.any([signal, looking.signal]);
    const table = new Table(
      "Connections", ["Identity", "Wire", "Since", "Open", "Reading", "Client", "Server", "Disconnect"],
    );
    const query = search.value === "" ? "" : `&Identity=${encodeURIComponent(search.value)}`;
    /** @type {Set<string>} */
    const silent = new Set();
    const warning = element("p", { class: "problem", role: "status", hidden: true });
    try {
      const more = await pages(
        api, `${path("Connections")}?PageSize=50${query}`, "connections",
        (all, reply) => {
          all.forEach((each) => addConnection(table, each));
          reply.silent_workers.forEach((/** @type {number} */ each) => silent.add(`worker ${each} of this server`));
          reply.silent_servers.forEach((/** @type {string} */ each) => silent.add(each));
          warning.textContent = `Connections are missing, because these did not answer: ${[...silent].join(", ")}.`;
          warning.hidden = silent.size === 0;
        },
        mine,
      );
      const nobody = element("p", { class: "empty" }, "Nobody is connected.");
      fill(found, warning, table.isEmpty ? nobody : table.element, more);
    } catch (error) {
      if (!mine.aborted) throw error;
    }
  }

  /** @param {Table} table @param {any} connection */
  function addConnection(table, connection) {
    const who = connection.identity ?? "not authenticated yet";
    const { opened, open_count: count } = connection;
    table.add(
      element("b", {}, who),
      connection.wire,
      time(connection.date_created),
      count === 0 ? "nothing" : element(
        "details", {},
        element("summary", {}, `${count} open`),
        opened.map((/** @type {string} */ sid) => element("code", { class: "block" }, sid)),
        count > opened.length && `and ${count - opened.length} more`,
      ),
      connection.is_slow
        ? element("span", { class: "badge wait" }, `slow: ${connection.waiting} bytes`)
        : element("span", { class: "badge good" }, "keeps up"),
      connection.peer ?? "–",
      `${connection.server} / ${connection.worker}`,
      button("Disconnect", () => disconnect(connection, who), {
        class: "quiet", "aria-label": `Disconnect ${who}, ${connection.wire}`,
      }),
    );
  }

  /** @param {any} connection @param {string} who */
  async function disconnect(connection, who) {
    const text = `${who} is disconnected. A client connects again as long as its token is valid: ` +
      "to keep it away, revoke the key that signed the token, or take its permissions.";
    if (!await confirm("Disconnect", text, { word: "", action: "Disconnect" })) return;
    await attempt(() => api.remove(path("Connections", connection.id)), "Disconnected.");
    await attempt(list);
  }
}
