/** One object: what it holds, live; when it ends; who may use it. */

import { addressTo } from "./address.js";
import { path } from "./api.js";
import { confirm, typeable } from "./dialog.js";
import { documentContent } from "./document.js";
import { button, element, fill } from "./elements.js";
import { Expiry } from "./expiry.js";
import { itemsContent } from "./items.js";
import { follow, liveState } from "./live.js";
import { messagesContent } from "./messages.js";
import { attempt } from "./notices.js";
import { permissionsEditor } from "./permissions.js";
import { crumbs } from "./service.js";
import { nameOf } from "./services.js";
import { time } from "./times.js";
import { TYPES } from "./types.js";

/** @import { Page } from "./views.js" */
/** @import { ObjectType } from "./types.js" */

/**
 * What the content of an object gets.
 *
 * @typedef {object} Context
 * @property {import("./api.js").Api} api
 * @property {ObjectType} type
 * @property {string} path of the object in REST
 * @property {any} object as REST has it
 * @property {AbortSignal} signal
 */

/**
 * The content of an object.
 *
 * @typedef {object} Content
 * @property {HTMLElement} element
 * @property {(name: string, data: any) => void} onEvent receives the events of the object
 */

/** Items of a list or map that the first event of its stream has. */
const ITEMS = 100;

/** @param {Page} page */
export async function objectView({ api, main, parameters: [serviceSid, plural, sid], signal }) {
  const type = typeOf(plural);
  const where = path("Services", serviceSid, type.segment, sid);
  const [service, object] = await Promise.all([
    api.get(path("Services", serviceSid), signal), api.get(where, signal),
  ]);
  const context = { api, type, path: where, object, signal };
  const content = contentOf(context);
  const live = liveState();
  const expiry = new Expiry(context, object.date_expires);
  const facts = element("span");
  showFacts(facts, object.date_updated, object.updated_by);

  async function remove() {
    const isMeant = await confirm(
      `Delete the ${type.name}`, "Everybody who has it open is notified that it is gone.",
      { word: typeable(object.unique_name ?? "", object.sid), action: `Delete the ${type.name}` },
    );
    if (!isMeant) return;
    const isDone = await attempt(async () => {
      await api.remove(where);
      return true;
    }, `The ${type.name} was deleted.`);
    if (isDone) location.hash = addressTo("services", serviceSid, plural);
  }

  main.append(
    crumbs(
      ["Services", addressTo("services")],
      [nameOf(service), addressTo("services", serviceSid, plural)],
    ),
    element(
      "header", { class: "head" },
      element("h1", {}, object.unique_name ?? `A ${type.name} without a name`),
      live.element,
    ),
    element("p", { class: "soft" }, element("code", {}, object.sid)),
    element("div", { class: "facts" }, facts, expiry.element),
    content.element,
  );
  if (type.hasPermissions) main.append(await permissionsEditor(context, service.acl_enabled));
  main.append(
    element(
      "section", { class: "card", "aria-label": "Delete" },
      element("h2", {}, `Delete this ${type.name}`),
      button("Delete…", remove, { class: "danger" }),
    ),
  );

  const query = type.itemId === null ? "" : `?Items=${ITEMS}`;
  follow(api, `${where}/Events${query}`, {
    onState: live.set,
    onEvent(name, data) {
      if (name === "removed") {
        live.set("ended", "");
        fill(facts, `The ${type.name} is gone.`);
        return true;
      }
      const header = data[type.name] ?? data;
      if (header.date_updated) showFacts(facts, header.date_updated, header.updated_by);
      if (header.date_expires !== undefined) expiry.show(header.date_expires);
      content.onEvent(name, data);
      return false;
    },
  }, signal);
}

/** @param {string} plural @returns {ObjectType} */
function typeOf(plural) {
  if (!Object.hasOwn(TYPES, plural)) throw new Error(`There is no type ${plural}.`);
  return TYPES[plural];
}

/** @param {Context} context @returns {Content} */
function contentOf(context) {
  if (context.type.hasData) return documentContent(context);
  return context.type.itemId === null ? messagesContent(context) : itemsContent(context);
}

/** @param {HTMLElement} facts @param {string} changed @param {string} by */
function showFacts(facts, changed, by) {
  fill(facts, "Changed ", time(changed), " by ", element("b", {}, by));
}
