/** The demo page: two panes, each with a client of its own, and what they share. */

import { element } from "./elements.js";
import { Latency } from "./latency.js";
import { Pane } from "./pane.js";
import { Problem } from "./problem.js";
import { Tabs } from "./tabs.js";
import { showTerminal } from "./terminal.js";

/** Milliseconds. */
const TICK = 500;

/** @type {Pane[]} */
const panes = [];

const problem = new Problem(element("problem"), () =>
  panes.every((pane) => pane.isConnected || pane.isCut),
);
const page = {
  latency: new Latency(),
  report: problem.report,
  changed: () => {
    problem.clear();
    tabs?.update();
  },
};

/** @type {Tabs | undefined} */
let tabs;
panes.push(new Pane("left", page), new Pane("right", page));
tabs = new Tabs(panes);
tabs.update();
showTerminal();
setInterval(() => {
  for (const pane of panes) pane.tick();
}, TICK);

element("another").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || screen.availWidth < 1_000) return;
  event.preventDefault();
  const width = Math.floor(screen.availWidth / 2);
  const features = `popup,noopener,width=${width},height=${screen.availHeight},left=${width},top=0`;
  window.open(new URL("../demo", import.meta.url), "_blank", features);
});
