/** The views, by the address after `#`. */

import { connectionsView } from "./connections.js";
import { eventsView } from "./events.js";
import { healthView } from "./health.js";
import { keysView } from "./keys.js";
import { objectView } from "./object.js";
import { serviceView } from "./service.js";
import { servicesView } from "./services.js";

/** @import { Api } from "./api.js" */

/**
 * What a view gets. It fills `main`, and ends its work in the background with `signal`.
 *
 * @typedef {object} Page
 * @property {Api} api
 * @property {HTMLElement} main
 * @property {string[]} parameters the segments of the address that belong to the view
 * @property {AbortSignal} signal aborted when another view is shown
 */

/** @typedef {(page: Page) => void | Promise<void>} View */

/** The sections in the navigation, the first one is the start. */
export const sections = [
  { hash: "#/services", title: "Services" },
  { hash: "#/connections", title: "Connections" },
  { hash: "#/events", title: "Events" },
  { hash: "#/keys", title: "Keys" },
  { hash: "#/health", title: "Health" },
];

/** @type {Record<string, (parameters: string[]) => { title: string, view: View }>} by first segment */
const VIEWS = {
  connections: () => ({ title: "Connections", view: connectionsView }),
  events: () => ({ title: "Events", view: eventsView }),
  health: () => ({ title: "Health", view: healthView }),
  keys: () => ({ title: "API keys", view: keysView }),
  services: (parameters) => {
    if (parameters.length === 0) return { title: "Services", view: servicesView };
    if (parameters.length < 3) return { title: "Service", view: serviceView };
    return { title: parameters[2], view: objectView };
  },
};

/** @param {string[]} address */
export function findView([first, ...parameters]) {
  const known = Object.hasOwn(VIEWS, first ?? "") ? first : sections[0].hash.slice(2);
  const given = known === first ? parameters : [];
  return { ...VIEWS[known](given), parameters: given, section: `#/${known}` };
}
